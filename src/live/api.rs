//! The API server, asked with a kubeconfig: is it alive and ready, which nodes are there, is a node's lease
//! fresh. Every call is bounded by a deadline.
//!
//! Unlike the probe of a port this is a client as any other: the server's certificate is verified against the
//! kubeconfig's CA, by this machine's clock.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod objects;

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Limited};
use jiff::{SignedDuration, Timestamp};
use kube::client::{Body, ClientBuilder};
use kube::config::Kubeconfig;
use serde::de::DeserializeOwned;

use self::objects::{LeaseObject, List, Status};
use super::deadline::Deadline;
use super::fault::Fault;

/// How much of an answer is read, in bytes. A page of 500 nodes with long image lists has about 10 MiB.
const LONGEST_BODY: usize = 64 << 20;

/// Nodes on a page; kubectl's own number.
const PAGE: usize = 500;

/// How long a lease is fresh where it doesn't say, in seconds (the kubelet's `nodeLeaseDurationSeconds`).
const LEASE_SECONDS: i64 = 40;

/// Why the API server did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    /// No answer.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// An answer with another status than 200, and the message of its `Status`.
    #[error("{status}: {message}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The message, or the beginning of the body.
        message: String,
    },
    /// An answer that is not what was asked for.
    #[error("an answer that cannot be understood: {0}")]
    Unintelligible(String),
}

impl ApiError {
    /// Whether another identity could succeed.
    pub fn is_of_identity(&self) -> bool {
        matches!(
            self,
            Self::Kubeconfig(_)
                | Self::Fault(Fault::ClientCertificateRejected(_))
                | Self::Status { status: 401 | 403, .. }
        )
    }
}

/// Another server than the kubeconfig's, with the kubeconfig's identity and CA.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its address.
    pub address: SocketAddr,
    /// The name that its certificate must be valid for, where that is not the address.
    pub name: Option<String>,
}

/// A connection to an API server.
pub struct Api {
    client: kube::Client,
    /// Taken when dropped.
    runtime: Option<tokio::runtime::Runtime>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The server's clock, in whole seconds.
    pub date: Option<Timestamp>,
    /// The body.
    pub body: Vec<u8>,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its `Ready` condition: true, false or unknown.
    pub ready: Option<bool>,
    /// Why it is not ready, in the kubelet's or the controller-manager's words.
    pub reason: String,
    /// Whether it takes new pods.
    pub schedulable: bool,
    /// Roles from its labels, sorted.
    pub roles: Vec<String>,
    /// Version of its kubelet.
    pub version: String,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// A node's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When the kubelet renewed it last.
    pub renewed: Timestamp,
    /// How long that holds.
    pub duration: SignedDuration,
    /// The server's clock when it was asked.
    pub asked: Option<Timestamp>,
}

impl Api {
    /// Prepares a connection; nothing is sent yet. `server` takes the place of the kubeconfig's.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub fn connect(kubeconfig: &[u8], server: Option<&Server>) -> Result<Self, ApiError> {
        let unusable = |what: String| ApiError::Kubeconfig(what);
        let text = std::str::from_utf8(kubeconfig).map_err(|_| unusable("not UTF-8".to_owned()))?;
        // Only the first line: the rest of a parser's message quotes the file.
        let first = |what: String| unusable(what.lines().next().unwrap_or_default().to_owned());
        let parsed = Kubeconfig::from_yaml(text).map_err(|error| first(error.to_string()))?;
        let proxied =
            parsed.clusters.iter().filter_map(|named| named.cluster.as_ref()).any(|c| c.proxy_url.is_some());
        let mut config = kube::Config::try_from(parsed).map_err(|error| first(error.to_string()))?;
        // A retry takes time that the caller's deadline doesn't give, and it asks again itself.
        config.default_retry = false;
        if !proxied {
            // From the environment: of no use on the way to the node's own API server.
            config.proxy_url = None;
        }
        if let Some(server) = server {
            let url = format!("https://{}", server.address);
            config.cluster_url = url.parse().map_err(|_| unusable(format!("no URL: {url}")))?;
            config.proxy_url = None;
            config.tls_server_name.clone_from(&server.name);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Fault::Unreachable(error.to_string()))?;
        let guard = runtime.enter();
        let client = ClientBuilder::try_from(config).map_err(|error| first(error.to_string()))?.build();
        drop(guard);
        Ok(Self { client, runtime: Some(runtime) })
    }

    /// Sends one GET request; any status is an answer.
    ///
    /// # Errors
    /// There was no answer, or one that is too long.
    pub fn get(&self, path: &str, deadline: Deadline) -> Result<Answer, ApiError> {
        let request = hyper::Request::get(path)
            .body(Body::empty())
            .map_err(|error| ApiError::Unintelligible(error.to_string()))?;
        let work = async {
            let reply = self.client.send(request).await.map_err(|error| Fault::of(&error))?;
            let status = reply.status().as_u16();
            let date = reply.headers().get(hyper::header::DATE).and_then(|date| date.to_str().ok());
            let date =
                date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
            let body = Limited::new(reply.into_body(), LONGEST_BODY).collect().await;
            let body = body.map_err(|error| Fault::of(error.as_ref()))?.to_bytes().to_vec();
            Ok(Answer { status, date, body })
        };
        let Some(runtime) = &self.runtime else { return Err(Fault::TimedOut.into()) };
        match runtime.block_on(async { tokio::time::timeout(deadline.left(), work).await }) {
            Ok(answer) => answer,
            Err(_) => Err(Fault::TimedOut.into()),
        }
    }

    /// Gets an object.
    ///
    /// # Errors
    /// No answer, another status than 200, or something else than JSON of this shape.
    pub fn object<T: DeserializeOwned>(&self, path: &str, deadline: Deadline) -> Result<T, ApiError> {
        parse(&self.get(path, deadline)?.good()?)
    }

    /// Whether the API server is alive.
    ///
    /// # Errors
    /// It is not, or that cannot be asked.
    pub fn livez(&self, deadline: Deadline) -> Result<(), ApiError> {
        self.get("/livez", deadline)?.good().map(drop)
    }

    /// Whether the API server is ready to serve.
    ///
    /// # Errors
    /// It is not, and these checks fail; or that cannot be asked.
    pub fn readyz(&self, deadline: Deadline) -> Result<(), ApiError> {
        let answer = self.get("/readyz?verbose", deadline)?;
        match failing_checks(&answer.body) {
            Some(failing) if answer.status != 200 => {
                Err(ApiError::Status { status: answer.status, message: failing })
            }
            _ => answer.good().map(drop),
        }
    }

    /// All nodes: what `kubectl get nodes` asks.
    ///
    /// # Errors
    /// No answer, or none that gives them.
    pub fn nodes(&self, deadline: Deadline) -> Result<Vec<Node>, ApiError> {
        let mut nodes = Vec::new();
        let mut page = format!("/api/v1/nodes?limit={PAGE}");
        loop {
            let list: List = self.object(&page, deadline)?;
            nodes.extend(list.items.into_iter().map(Node::from));
            match list.metadata.next.filter(|next| !next.is_empty()) {
                // A token is base64 for URLs; anything else is not sent back.
                Some(next)
                    if next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=.".contains(&byte)) =>
                {
                    page = format!("/api/v1/nodes?limit={PAGE}&continue={next}");
                }
                _ => return Ok(nodes),
            }
        }
    }

    /// The lease that the kubelet of this node renews every ten seconds.
    ///
    /// # Errors
    /// No answer, or none that gives it.
    pub fn lease(&self, node: &str, deadline: Deadline) -> Result<Lease, ApiError> {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if node.is_empty() || !node.bytes().all(safe) {
            return Err(ApiError::Unintelligible(format!("\"{node}\" is no name of a node")));
        }
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}");
        let answer = self.get(&path, deadline)?;
        let asked = answer.date;
        let lease: LeaseObject = parse(&answer.good()?)?;
        let never = || ApiError::Unintelligible("the lease was never renewed".to_owned());
        let seconds = lease.spec.seconds.filter(|seconds| *seconds > 0).unwrap_or(LEASE_SECONDS);
        let duration = SignedDuration::from_secs(seconds);
        Ok(Lease { renewed: lease.spec.renewed.ok_or_else(never)?, duration, asked })
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // A name that is still being resolved is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Answer {
    /// The body of an answer with status 200.
    ///
    /// # Errors
    /// Another status, with the message of the `Status` object that came with it.
    pub fn good(self) -> Result<Vec<u8>, ApiError> {
        if self.status == 200 {
            return Ok(self.body);
        }
        let message = match serde_json::from_slice(&self.body) {
            Ok(Status { message: Some(message) }) => message,
            _ => first_line(&self.body),
        };
        Err(ApiError::Status { status: self.status, message })
    }
}

/// The first line of a body, shortened.
pub(super) fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..300).unwrap_or(body));
    text.trim().lines().next().unwrap_or("an empty answer").trim().to_owned()
}

/// The failing checks in what `/livez?verbose` and `/readyz?verbose` print: lines that start with `[-]`.
pub(super) fn failing_checks(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let name = |line: &str| line.strip_prefix("[-]")?.split_whitespace().next().map(str::to_owned);
    let failing: Vec<_> = text.lines().filter_map(name).collect();
    (!failing.is_empty()).then(|| format!("these checks fail: {}", failing.join(", ")))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::Unintelligible(error.to_string()))
}
