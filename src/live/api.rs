//! A client of the API server, using a kubeconfig and the crate kube. Every call is bounded by a deadline,
//! and no request is repeated unless the server says so.
//!
//! Unlike the probe of a port this is an ordinary client: the server's certificate is verified against the
//! kubeconfig's CA, by this machine's clock. This file sends requests; [`nodes`] and its neighbours define
//! them.

mod config_maps;
mod error;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod login;
pub mod nodes;
mod objects;
mod pods;
pub mod secrets;
mod workloads;

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use hyper::{Method, Request};
use jiff::Timestamp;
use kube::client::{Body, ClientBuilder};
use serde::de::DeserializeOwned;

pub use self::error::ApiError;
pub(in crate::live) use self::error::first_line;
use self::error::unintelligible;
pub use self::login::{Login, directory_of};
pub use self::nodes::{Lease, Node};
use self::objects::List;
pub use self::pods::Log;
pub use self::secrets::Secret;
use super::deadline::Deadline;
use super::fault::Fault;
use super::https::event_loop;

/// Bytes. A page of 500 nodes with long image lists has about 10 MiB.
const LONGEST_BODY: usize = 64 << 20;

/// Objects per page; kubectl's default.
const PAGE: usize = 500;

/// Another server than the kubeconfig's, with the kubeconfig's identity and CA.
#[derive(Clone, Debug)]
pub struct Server {
    pub address: SocketAddr,
    /// The name that its certificate must be valid for, if that is not the address.
    pub name: Option<String>,
}

pub struct Api {
    client: kube::Client,
    /// Taken when dropped.
    runtime: Option<tokio::runtime::Runtime>,
    server: String,
    /// URL of the proxy to it, without a password.
    proxy: Option<String>,
    /// The exec plug-in that provides the credential.
    plugin: Option<String>,
    /// Whether it retries when the server sets a time.
    patient: bool,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// The server's clock, in whole seconds.
    pub date: Option<Timestamp>,
    /// Seconds after which the server asks for a retry.
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// Strategic merge patch, kubectl's own for the kinds of Kubernetes.
    Strategic,
    /// JSON merge patch (RFC 7386).
    Merge,
}

impl Patch {
    fn media_type(self) -> &'static str {
        match self {
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Merge => "application/merge-patch+json",
        }
    }
}

impl Api {
    /// Prepares a connection from the node itself; nothing is sent yet. `server` replaces the kubeconfig's.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub fn connect(kubeconfig: &[u8], server: Option<&Server>) -> Result<Self, ApiError> {
        let parsed = login::parse(kubeconfig)?;
        let proxied =
            parsed.clusters.iter().filter_map(|named| named.cluster.as_ref()).any(|c| c.proxy_url.is_some());
        let mut config = kube::Config::try_from(parsed).map_err(|error| login::of_loading(&error))?;
        if !proxied {
            // From the environment: wrong for the node's own API server.
            config.proxy_url = None;
        }
        if let Some(server) = server {
            let url = format!("https://{}", server.address);
            config.cluster_url = url.parse().map_err(|_| login::unusable(&format!("no URL: {url}")))?;
            config.proxy_url = None;
            config.tls_server_name.clone_from(&server.name);
        }
        Self::with(config)
    }

    fn with(mut config: kube::Config) -> Result<Self, ApiError> {
        // A retry may exceed the caller's deadline, and the caller retries itself.
        config.default_retry = false;
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let proxy = config.proxy_url.as_ref().map(|url| {
            let host =
                url.authority().map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default());
            format!("{}://{}", url.scheme_str().unwrap_or("http"), host.unwrap_or_default())
        });
        let plugin = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
        let runtime = event_loop()?;
        let guard = runtime.enter();
        // The client starts tasks of its own when it is built.
        let client = ClientBuilder::try_from(config).map(ClientBuilder::build);
        drop(guard);
        let client = client.map_err(|error| match &error {
            kube::Error::Auth(auth) => ApiError::of_credential(auth, plugin.as_deref()),
            kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => {
                login::unusable("the proxy-url is neither http://, https:// nor socks5://")
            }
            kube::Error::RustlsTls(_) => login::unusable("a certificate or key in it cannot be used for TLS"),
            _ => login::unusable("no connection can be made with it"),
        })?;
        Ok(Self { client, runtime: Some(runtime), server, proxy, plugin, patient: false })
    }

    pub fn server(&self) -> &str {
        &self.server
    }

    /// URL of the proxy to it, without a password.
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// Sends one GET request; any status is an answer.
    ///
    /// # Errors
    /// There was no answer, or one that is too long.
    pub fn get(&self, path: &str, deadline: Deadline) -> Result<Answer, ApiError> {
        self.send(&Method::GET, path, None, deadline)
    }

    /// Patches an object; returns the new object.
    ///
    /// # Errors
    /// No answer, a status other than 200 (409 if it was changed meanwhile), or not JSON of this shape.
    pub fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        patch: (Patch, &serde_json::Value),
        deadline: Deadline,
    ) -> Result<T, ApiError> {
        let (kind, value) = patch;
        let body = (kind.media_type(), value.to_string());
        parse(&self.send(&Method::PATCH, path, Some(&body), deadline)?.good()?)
    }

    fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&(&str, String)>,
        deadline: Deadline,
    ) -> Result<Answer, ApiError> {
        let Some(runtime) = &self.runtime else { return Err(Fault::TimedOut.into()) };
        loop {
            let asked = self.send_once(method, path, body);
            let answer = runtime.block_on(async { tokio::time::timeout(deadline.left(), asked).await });
            let answer = answer.map_err(|_| Fault::TimedOut)??;
            // 429 means that nothing was done; after a 503 only a GET may be repeated.
            let again = answer.status == 429 || (answer.status == 503 && method == Method::GET);
            let pause = answer.retry_after.map(Duration::from_secs);
            match pause.filter(|pause| self.patient && again && *pause < deadline.left()) {
                Some(pause) => runtime.block_on(async { tokio::time::sleep(pause).await }),
                None => return Ok(answer),
            }
        }
    }

    async fn send_once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&(&str, String)>,
    ) -> Result<Answer, ApiError> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some((media_type, _)) = body {
            request = request.header(CONTENT_TYPE, *media_type);
        }
        let body = body.map_or_else(Body::empty, |(_, text)| Body::from(text.clone().into_bytes()));
        let request = request.body(body).map_err(|error| ApiError::Unintelligible(error.to_string()))?;
        let reply = self.client.send(request).await;
        let reply = reply.map_err(|error| ApiError::of_sending(&error, self.plugin.as_deref()))?;
        let status = reply.status().as_u16();
        let (date, retry_after) = (date(reply.headers()), retry_after(reply.headers()));
        let body = Limited::new(reply.into_body(), LONGEST_BODY).collect().await;
        let body = body.map_err(|error| Fault::of(error.as_ref()))?.to_bytes().to_vec();
        Ok(Answer { status, date, retry_after, body })
    }

    /// Gets an object.
    ///
    /// # Errors
    /// No answer, a status other than 200, or not JSON of this shape.
    pub fn object<T: DeserializeOwned>(&self, path: &str, deadline: Deadline) -> Result<T, ApiError> {
        parse(&self.get(path, deadline)?.good()?)
    }

    /// Gets all objects of a collection, page by page. `path` may have a query already.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub fn list<T: DeserializeOwned>(&self, path: &str, deadline: Deadline) -> Result<Vec<T>, ApiError> {
        let mut objects = Vec::new();
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}limit={PAGE}");
        let mut page = first.clone();
        loop {
            let list: List<T> = self.object(&page, deadline)?;
            objects.extend(list.items);
            match list.metadata.next.filter(|next| !next.is_empty()) {
                // A token is base64 for URLs; anything else is not sent back.
                Some(next)
                    if next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=.".contains(&byte)) =>
                {
                    page = format!("{first}&continue={next}");
                }
                _ => return Ok(objects),
            }
        }
    }

    /// Whether the API server is alive.
    ///
    /// # Errors
    /// It is not, or the request fails.
    pub fn livez(&self, deadline: Deadline) -> Result<(), ApiError> {
        self.get("/livez", deadline)?.good().map(drop)
    }

    /// Whether the API server is ready to serve.
    ///
    /// # Errors
    /// It is not, with the failing checks; or the request fails.
    pub fn readyz(&self, deadline: Deadline) -> Result<(), ApiError> {
        let answer = self.get("/readyz?verbose", deadline)?;
        match failing_checks(&answer.body) {
            Some(failing) if answer.status != 200 => {
                Err(ApiError::Status { status: answer.status, message: failing })
            }
            _ => answer.good().map(drop),
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // Don't wait for a name that is still being resolved.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Answer {
    /// The body of an answer with status 200.
    ///
    /// # Errors
    /// Another status, with the message of its `Status` object.
    pub fn good(self) -> Result<Vec<u8>, ApiError> {
        if self.status == 200 {
            return Ok(self.body);
        }
        Err(ApiError::of_answer(self.status, &self.body, self.retry_after))
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
}

/// The seconds of `Retry-After`; the API server sends no dates there.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// A part of a path: a valid Kubernetes name (RFC 1123), so that it can't change the request.
///
/// # Errors
/// It is no such name.
pub fn segment<'a>(kind: &str, name: &'a str) -> Result<&'a str, ApiError> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte);
    if name.is_empty() || name.len() > 253 || name.starts_with('.') || !name.bytes().all(safe) {
        return Err(ApiError::Name { kind: kind.to_owned(), name: name.to_owned() });
    }
    Ok(name)
}

/// The failing checks in the output of `/livez?verbose` and `/readyz?verbose`: lines that start with `[-]`.
pub(super) fn failing_checks(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let name = |line: &str| line.strip_prefix("[-]")?.split_whitespace().next().map(str::to_owned);
    let failing: Vec<_> = text.lines().filter_map(name).collect();
    (!failing.is_empty()).then(|| format!("these checks fail: {}", failing.join(", ")))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| unintelligible(body, &error))
}
