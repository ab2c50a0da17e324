//! The Container Runtime Interface over its Unix socket: listing and stopping what runs on this node. Every
//! call is bounded in time. Async only in here; the callers are plain threads.
//!
//! Must not know what the containers are for.

pub mod endpoint;
mod error;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod proto;
#[cfg(test)]
mod tests;
mod types;
mod wire;

use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::clock;
use super::deadline::waited;
use crate::state::os;
pub use error::CriError;
pub(crate) use error::seconds;
pub use types::{
    About, CONFIG_SOURCE, CONTAINER_NAME, Container, ContainerState, ContainerStatus, GRACE_PERIOD, POD_NAME,
    POD_NAMESPACE, POD_UID, Sandbox, Stopped,
};
use wire::Seen;

/// CRI's versions, the newer first, with the service's name in each. containerd before 1.6 knows only the
/// older one, containerd from 2.0 on and CRI-O from 1.26 on only the newer one.
const APIS: [(&str, &str); 2] =
    [("v1", "runtime.v1.RuntimeService"), ("v1alpha2", "runtime.v1alpha2.RuntimeService")];

/// Largest accepted answer: the kubelet's limit (`pkg/kubelet/cri/remote/remote_runtime.go`), enough for some
/// ten thousand containers.
const LARGEST_ANSWER: usize = 16 << 20;

/// How often a call looks whether it is still waited for.
const TICK: Duration = Duration::from_millis(200);

/// Timeout for an answer that needs no waiting in the runtime; the kubelet's `runtimeRequestTimeout` is 2
/// min.
const QUICK: Duration = Duration::from_secs(10);

/// The runtime's deadline is this much later than ours, so that our error is the one shown.
const AFTER_US: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Runtime {
    socket: PathBuf,
    channel: Channel,
    service: &'static str,
    about: About,
    // Last, so that what runs on it is dropped first.
    reactor: tokio::runtime::Runtime,
}

impl Runtime {
    /// Connects to the socket and reads the runtime's version. Takes at most `patience`.
    ///
    /// # Errors
    /// There is no CRI at this socket; the variant says what there is.
    pub fn connect(socket: &Path, patience: Duration) -> Result<Self, CriError> {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| CriError::NoLoop { socket: socket.to_owned(), why: os::reason(&error) })?;
        let seen = Seen::default();
        let greeted =
            reactor.block_on(async { tokio::time::timeout(patience, greet(socket, seen.clone())).await });
        let (channel, service, about) = match greeted {
            Ok(Ok(met)) => met,
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let silent = CriError::Silent { socket: socket.to_owned(), waited: patience };
                return Err(seen.explain(socket, Some(patience)).unwrap_or(silent));
            }
        };
        Ok(Self { socket: socket.to_owned(), channel, service, about, reactor })
    }

    pub fn about(&self) -> &About {
        &self.about
    }

    /// The containers of every state that have all these labels.
    ///
    /// # Errors
    /// The runtime didn't answer within 10 s, or answered with an error.
    pub fn containers(&self, labels: &[(&str, &str)]) -> Result<Vec<Container>, CriError> {
        let filter = proto::ContainerFilter { label_selector: selector(labels) };
        let request = proto::ListContainersRequest { filter: Some(filter) };
        let answer: proto::ListContainersResponse = self.call("ListContainers", request, QUICK)?;
        let mut found: Vec<Container> = answer.containers.into_iter().map(Container::from).collect();
        found.retain(|container| labels.iter().all(|(name, value)| container.label(name) == *value));
        Ok(found)
    }

    /// The sandboxes, ready or not, that have all these labels.
    ///
    /// # Errors
    /// The runtime didn't answer within 10 s, or answered with an error.
    pub fn sandboxes(&self, labels: &[(&str, &str)]) -> Result<Vec<Sandbox>, CriError> {
        let filter = proto::PodSandboxFilter { label_selector: selector(labels) };
        let request = proto::ListPodSandboxRequest { filter: Some(filter) };
        let answer: proto::ListPodSandboxResponse = self.call("ListPodSandbox", request, QUICK)?;
        Ok(answer.items.into_iter().map(Sandbox::from).collect())
    }

    /// The status of a container; `None` if the runtime doesn't know the ID.
    ///
    /// # Errors
    /// The runtime didn't answer within 10 s, or answered with an error.
    pub fn status(&self, id: &str) -> Result<Option<ContainerStatus>, CriError> {
        let request = proto::ContainerStatusRequest { container_id: id.to_owned() };
        let answer: Option<proto::ContainerStatusResponse> =
            self.call_of_known("ContainerStatus", request, QUICK)?;
        Ok(answer.and_then(|answer| answer.status).map(ContainerStatus::from))
    }

    /// Whether an image is on the node; `None` where the runtime's socket serves no images.
    ///
    /// # Errors
    /// The runtime didn't answer within 10 s, or answered with an error.
    pub fn has_image(&self, name: &str) -> Result<Option<bool>, CriError> {
        let image = Some(proto::ImageSpec { image: name.to_owned() });
        let request = proto::ImageStatusRequest { image };
        let service = self.service.replace("RuntimeService", "ImageService");
        let answer: Result<proto::ImageStatusResponse, _> =
            self.ask_service(&service, "ImageStatus", request, QUICK);
        match answer {
            Ok(answer) => Ok(Some(answer.image.is_some())),
            Err(Error::Status(status)) if is_not_found(&status) => Ok(Some(false)),
            Err(Error::Status(status)) if status.code() == Code::Unimplemented => Ok(None),
            Err(failure) => Err(failure.told(&self.socket, "ImageStatus", QUICK)),
        }
    }

    /// The image of every pod's sandbox, where the runtime's own description names it as containerd does; `None` elsewhere.
    ///
    /// # Errors
    /// The runtime didn't answer within 10 s, or answered with an error.
    pub fn sandbox_image(&self) -> Result<Option<String>, CriError> {
        let answer: proto::StatusResponse =
            self.call("Status", proto::StatusRequest { verbose: true }, QUICK)?;
        let config = answer.info.get("config").and_then(|text| serde_json::from_str(text).ok());
        Ok(config
            .and_then(|config: serde_json::Value| Some(config.get("sandboxImage")?.as_str()?.to_owned())))
    }

    /// Sends the container its stop signal, kills it after `grace` (whole seconds, rounded up), and returns
    /// when it has exited. May be repeated; a container that no longer exists counts as stopped.
    ///
    /// # Errors
    /// It has not exited within `deadline`, or the runtime answered with an error.
    pub fn stop_container(&self, id: &str, grace: Duration, deadline: Duration) -> Result<Stopped, CriError> {
        let whole = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let timeout = i64::try_from(whole).unwrap_or(i64::MAX);
        let request = proto::StopContainerRequest { container_id: id.to_owned(), timeout };
        let answer: Option<proto::Nothing> = self.call_of_known("StopContainer", request, deadline)?;
        Ok(answer.map_or(Stopped::NotFound, |_| Stopped::ByUs))
    }

    /// Stops a pod's sandbox and kills what runs in it; the kubelet creates a new one. One that no longer
    /// exists counts as stopped.
    ///
    /// # Errors
    /// It is not done within `deadline`, or the runtime answered with an error.
    pub fn stop_sandbox(&self, id: &str, deadline: Duration) -> Result<(), CriError> {
        let request = proto::StopPodSandboxRequest { pod_sandbox_id: id.to_owned() };
        self.call_of_known::<_, proto::Nothing>("StopPodSandbox", request, deadline).map(drop)
    }

    fn call<Q, A>(&self, method: &'static str, request: Q, deadline: Duration) -> Result<A, CriError>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.ask(method, request, deadline).map_err(|failure| failure.told(&self.socket, method, deadline))
    }

    /// A call about one container or sandbox; `None` if the runtime doesn't know it.
    fn call_of_known<Q, A>(
        &self,
        method: &'static str,
        request: Q,
        deadline: Duration,
    ) -> Result<Option<A>, CriError>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        match self.ask(method, request, deadline) {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::Status(status)) if is_not_found(&status) => Ok(None),
            Err(failure) => Err(failure.told(&self.socket, method, deadline)),
        }
    }

    fn ask<Q, A>(&self, method: &str, request: Q, deadline: Duration) -> Result<A, Error>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.ask_service(self.service, method, request, deadline)
    }

    fn ask_service<Q, A>(
        &self,
        service: &str,
        method: &str,
        request: Q,
        deadline: Duration,
    ) -> Result<A, Error>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.reactor.block_on(async {
            let mut call = pin!(unary(self.channel.clone(), service, method, request, Some(deadline)));
            let began = clock::now();
            loop {
                let tick = TICK.min(deadline.saturating_sub(began.elapsed()));
                match tokio::time::timeout(tick, &mut call).await {
                    Ok(answer) => return answer,
                    // A stop goes on in the runtime without us.
                    Err(_) if waited(began) >= deadline => return Err(Error::Time),
                    Err(_) => {}
                }
            }
        })
    }
}

/// Connects, and requests the version in each API until one is known.
async fn greet(socket: &Path, seen: Seen) -> Result<(Channel, &'static str, About), CriError> {
    let lost = |why: String| {
        let why = CriError::Unavailable { socket: socket.to_owned(), call: "Version", why };
        seen.explain(socket, None).unwrap_or(why)
    };
    let channel =
        wire::open(socket.to_owned(), seen.clone()).await.map_err(|error| lost(innermost(&error)))?;
    for (api, service) in APIS {
        let request = proto::VersionRequest { version: "0.1.0".to_owned() };
        let answer: Result<proto::VersionResponse, _> =
            unary(channel.clone(), service, "Version", request, None).await;
        match answer {
            Ok(answer) => {
                let (runtime, version) = (answer.runtime_name, answer.runtime_version);
                return Ok((channel, service, About { runtime, version, api }));
            }
            Err(Error::Status(status)) if status.code() == Code::Unimplemented => {}
            Err(Error::Status(status)) if status.source().is_none() => {
                return Err(Error::Status(status).told(socket, "Version", QUICK));
            }
            Err(Error::Status(status)) => return Err(lost(innermost(&status))),
            Err(Error::Time) => return Err(lost("no answer".to_owned())),
        }
    }
    Err(CriError::NoCri { socket: socket.to_owned() })
}

async fn unary<Q, A>(
    channel: Channel,
    service: &str,
    method: &str,
    message: Q,
    deadline: Option<Duration>,
) -> Result<A, Error>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let path = PathAndQuery::from_maybe_shared(format!("/{service}/{method}"))
        .map_err(|error| Error::Status(Box::new(Status::internal(error.to_string()))))?;
    let mut client = Grpc::new(channel).max_decoding_message_size(LARGEST_ANSWER);
    client.ready().await.map_err(|error| Error::Status(Box::new(Status::from_error(error.into()))))?;
    let mut request = Request::new(message);
    if let Some(deadline) = deadline {
        // The runtime times out after us, and doesn't keep waiting without a client.
        request.set_timeout(deadline.saturating_add(AFTER_US));
    }
    let codec = ProstCodec::<Q, A>::default();
    let answer = client.unary(request, path, codec).await;
    answer.map(tonic::Response::into_inner).map_err(|status| Error::Status(Box::new(status)))
}

fn selector(labels: &[(&str, &str)]) -> HashMap<String, String> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

enum Error {
    Time,
    Status(Box<Status>),
}

impl Error {
    fn told(self, socket: &Path, call: &'static str, waited: Duration) -> CriError {
        let socket = socket.to_owned();
        let status = match self {
            Self::Time => return CriError::Deadline { socket, call, waited },
            Self::Status(status) => status,
        };
        match status.code() {
            Code::Unavailable => CriError::Unavailable { socket, call, why: innermost(&*status) },
            // A local error: the connection broke.
            _ if status.source().is_some() => {
                CriError::Unavailable { socket, call, why: innermost(&*status) }
            }
            code => CriError::Answer {
                socket,
                call,
                code: format!("{code:?}"),
                message: status.message().to_owned(),
            },
        }
    }
}

/// dockershim and cri-dockerd pass Docker's message on without the code.
fn is_not_found(status: &Status) -> bool {
    status.code() == Code::NotFound
        || (status.code() == Code::Unknown && status.message().contains("No such container"))
}

/// The cause at the end of the chain: the outer errors only say "transport error".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    match (cause.downcast_ref::<Status>(), cause.downcast_ref::<io::Error>()) {
        // The runtime's own words.
        (Some(status), _) => status.message().to_owned(),
        (None, Some(error)) => os::reason(error),
        (None, None) => "the connection broke".to_owned(),
    }
}
