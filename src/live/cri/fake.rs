//! A runtime for the tests: a CRI server on a Unix socket, with containers that stop and come back as the
//! test says.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tonic::Code;

use super::{CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID, proto};
use crate::live::clock;

pub(crate) enum Reply {
    Message(Vec<u8>),
    Error(Code, &'static str),
    Never,
}

pub(crate) const DONE: Reply = Reply::Message(Vec::new());

type Later = Box<dyn FnOnce(&mut World) + Send>;
type OnStop = Box<dyn FnMut(&mut World, &str) -> Reply + Send>;

pub(crate) struct World {
    pub(crate) services: Vec<&'static str>,
    pub(crate) containers: Vec<proto::Container>,
    pub(crate) sandboxes: Vec<proto::PodSandbox>,
    pub(crate) images: Vec<String>,
    pub(crate) statuses: HashMap<String, proto::ContainerStatus>,
    /// Each stop with its target: `StopContainer a1 30`.
    pub(crate) stops: Vec<String>,
    pub(crate) on_stop: OnStop,
    pub(crate) on_stop_sandbox: OnStop,
    /// The runtime is down until then.
    pub(crate) down_until: Option<Instant>,
    later: Vec<(Instant, Later)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            services: vec!["runtime.v1.RuntimeService", "runtime.v1alpha2.RuntimeService"],
            containers: Vec::new(),
            sandboxes: Vec::new(),
            images: Vec::new(),
            statuses: HashMap::new(),
            stops: Vec::new(),
            on_stop: Box::new(|world, id| {
                world.end(id, 0);
                DONE
            }),
            on_stop_sandbox: Box::new(|_, _| DONE),
            down_until: None,
            later: Vec::new(),
        }
    }

    /// Adds crictl's output from a node: its lists of containers and of sandboxes.
    pub(crate) fn add_listed(&mut self, containers: &str, sandboxes: &str) {
        let parse = |text| -> serde_json::Value { serde_json::from_str(text).unwrap() };
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let map = |value: &serde_json::Value| serde_json::from_value(value.clone()).unwrap();
        let nanoseconds = |value: &serde_json::Value| value.as_str().unwrap().parse().unwrap();
        for found in parse(containers)["containers"].as_array().unwrap() {
            self.containers.push(proto::Container {
                id: text(&found["id"]),
                pod_sandbox_id: text(&found["podSandboxId"]),
                metadata: Some(proto::ContainerMetadata {
                    name: text(&found["metadata"]["name"]),
                    attempt: 0,
                }),
                state: if found["state"] == "CONTAINER_RUNNING" { 1 } else { 2 },
                created_at: nanoseconds(&found["createdAt"]),
                labels: map(&found["labels"]),
                annotations: map(&found["annotations"]),
            });
        }
        for found in parse(sandboxes)["items"].as_array().unwrap() {
            self.sandboxes.push(proto::PodSandbox {
                id: text(&found["id"]),
                metadata: Some(proto::PodSandboxMetadata {
                    name: text(&found["metadata"]["name"]),
                    uid: text(&found["metadata"]["uid"]),
                    namespace: text(&found["metadata"]["namespace"]),
                    attempt: 0,
                }),
                state: i32::from(found["state"] != "SANDBOX_READY"),
                created_at: nanoseconds(&found["createdAt"]),
                labels: map(&found["labels"]),
                annotations: map(&found["annotations"]),
            });
        }
    }

    /// A static pod with a ready sandbox, and no container.
    pub(crate) fn pod(&mut self, name: &str) {
        self.sandbox(&format!("s-{name}"), name, "file", true);
    }

    pub(crate) fn sandbox(&mut self, id: &str, name: &str, source: &str, ready: bool) {
        let uid = format!("uid-{name}-{source}");
        self.sandboxes.push(proto::PodSandbox {
            id: id.to_owned(),
            metadata: Some(proto::PodSandboxMetadata {
                name: format!("{name}-cp1"),
                uid: uid.clone(),
                namespace: "kube-system".to_owned(),
                attempt: 0,
            }),
            state: i32::from(!ready),
            created_at: 1,
            labels: strings(&[(POD_NAMESPACE, "kube-system"), (POD_UID, &uid)]),
            annotations: strings(&[("kubernetes.io/config.source", source)]),
        });
    }

    /// A container of the pod of this name. `state` as in the CRI.
    pub(crate) fn container(&mut self, id: &str, name: &str, state: i32, created_at: i64) {
        self.container_in(&format!("s-{name}"), id, name, state, created_at);
    }

    pub(crate) fn container_in(&mut self, sandbox: &str, id: &str, name: &str, state: i32, created_at: i64) {
        let found = self.sandboxes.iter().find(|found| found.id == sandbox);
        let metadata = found.and_then(|found| found.metadata.clone()).unwrap_or_default();
        self.containers.push(proto::Container {
            id: id.to_owned(),
            pod_sandbox_id: sandbox.to_owned(),
            metadata: Some(proto::ContainerMetadata { name: name.to_owned(), attempt: 0 }),
            state,
            created_at,
            labels: strings(&[
                (CONTAINER_NAME, name),
                (POD_NAME, &metadata.name),
                (POD_NAMESPACE, "kube-system"),
                (POD_UID, &metadata.uid),
            ]),
            annotations: strings(&[("io.kubernetes.pod.terminationGracePeriod", "30")]),
        });
    }

    pub(crate) fn end(&mut self, id: &str, exit_code: i32) {
        for container in self.containers.iter_mut().filter(|container| container.id == id) {
            container.state = 2;
        }
        let status = self.statuses.entry(id.to_owned()).or_default();
        status.id = id.to_owned();
        status.state = 2;
        status.exit_code = exit_code;
        status.reason = if exit_code == 0 { "Completed" } else { "Error" }.to_owned();
    }

    /// Runs `event` after a delay.
    pub(crate) fn after(&mut self, milliseconds: u64, event: impl FnOnce(&mut World) + Send + 'static) {
        self.later.push((clock::now() + Duration::from_millis(milliseconds), Box::new(event)));
    }

    fn catch_up(&mut self) {
        let now = clock::now();
        while let Some(at) = self.later.iter().position(|(when, _)| *when <= now) {
            (self.later.remove(at).1)(self);
        }
    }

    fn answer(&mut self, path: &str, message: &[u8]) -> Reply {
        let (service, method) = path.trim_start_matches('/').split_once('/').unwrap();
        if !self.services.contains(&service) {
            return Reply::Error(Code::Unimplemented, "unknown service");
        }
        match method {
            "Version" => encode(&proto::VersionResponse {
                runtime_name: "fake".to_owned(),
                runtime_version: "1.2.3".to_owned(),
                runtime_api_version: "v1".to_owned(),
            }),
            "ImageStatus" => {
                let name = proto::ImageStatusRequest::decode(message).unwrap().image.unwrap().image;
                let image =
                    self.images.contains(&name).then(|| proto::Image { id: format!("sha256:{name}") });
                encode(&proto::ImageStatusResponse { image })
            }
            "Status" => {
                let config = r#"{"sandboxImage":"registry.k8s.io/pause:3.9"}"#;
                let info = HashMap::from([("config".to_owned(), config.to_owned())]);
                encode(&proto::StatusResponse { info })
            }
            "ListContainers" => {
                let filter = proto::ListContainersRequest::decode(message).unwrap().filter.unwrap();
                let mut containers = self.containers.clone();
                containers.retain(|found| has(&found.labels, &filter.label_selector));
                encode(&proto::ListContainersResponse { containers })
            }
            "ListPodSandbox" => {
                let filter = proto::ListPodSandboxRequest::decode(message).unwrap().filter.unwrap();
                let mut items = self.sandboxes.clone();
                items.retain(|found| has(&found.labels, &filter.label_selector));
                encode(&proto::ListPodSandboxResponse { items })
            }
            "ContainerStatus" => {
                let id = proto::ContainerStatusRequest::decode(message).unwrap().container_id;
                match self.statuses.get(&id) {
                    Some(status) => encode(&proto::ContainerStatusResponse { status: Some(status.clone()) }),
                    None => Reply::Error(Code::NotFound, "not found"),
                }
            }
            "StopContainer" => {
                let request = proto::StopContainerRequest::decode(message).unwrap();
                self.stops.push(format!("StopContainer {} {}", request.container_id, request.timeout));
                let mut on_stop = std::mem::replace(&mut self.on_stop, Box::new(|_, _| DONE));
                let reply = on_stop(self, &request.container_id);
                self.on_stop = on_stop;
                reply
            }
            "StopPodSandbox" => {
                let id = proto::StopPodSandboxRequest::decode(message).unwrap().pod_sandbox_id;
                self.stops.push(format!("StopPodSandbox {id}"));
                let mut on_stop = std::mem::replace(&mut self.on_stop_sandbox, Box::new(|_, _| DONE));
                let reply = on_stop(self, &id);
                self.on_stop_sandbox = on_stop;
                reply
            }
            other => panic!("{other} is not expected"),
        }
    }
}

fn encode(message: &impl Message) -> Reply {
    Reply::Message(message.encode_to_vec())
}

fn has(labels: &HashMap<String, String>, wanted: &HashMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}

fn strings(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The running server; it stops when dropped.
pub(crate) struct Fake {
    directory: tempfile::TempDir,
    world: Arc<Mutex<World>>,
    over: Arc<Mutex<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn start(world: World) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (world, over) = (Arc::new(Mutex::new(world)), Arc::new(Mutex::new(false)));
        let listener = std::os::unix::net::UnixListener::bind(directory.path().join("cri.sock")).unwrap();
        let thread = {
            let (socket, world, over) = (directory.path().join("cri.sock"), world.clone(), over.clone());
            std::thread::spawn(move || serve(&socket, listener, &world, &over))
        };
        Self { directory, world, over, thread: Some(thread) }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("cri.sock")
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        *self.over.lock().unwrap() = true;
        if self.thread.take().unwrap().join().is_err() && !std::thread::panicking() {
            panic!("the server's thread panicked");
        }
    }
}

fn serve(
    socket: &Path,
    listener: std::os::unix::net::UnixListener,
    world: &Arc<Mutex<World>>,
    over: &Mutex<bool>,
) {
    let mut listener = Some(listener);
    while !*over.lock().unwrap() {
        if let Some(until) = world.lock().unwrap().down_until.take() {
            std::thread::sleep(until.saturating_duration_since(clock::now()));
        }
        let listener = listener.take().unwrap_or_else(|| {
            nix::unistd::unlink(socket).unwrap();
            std::os::unix::net::UnixListener::bind(socket).unwrap()
        });
        listener.set_nonblocking(true).unwrap();
        // Dropping this drops the listener and every connection.
        let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        reactor.block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            while !*over.lock().unwrap() && world.lock().unwrap().down_until.is_none() {
                let accepted = tokio::time::timeout(Duration::from_millis(5), listener.accept()).await;
                let Ok(Ok((stream, _))) = accepted else { continue };
                let world = world.clone();
                let service = hyper::service::service_fn(move |request| handle(world.clone(), request));
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
    }
}

async fn handle(
    world: Arc<Mutex<World>>,
    request: Request<Incoming>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    // gRPC's frame: a byte for compression, four for the length.
    let reply = {
        let mut world = world.lock().unwrap();
        world.catch_up();
        world.answer(&path, &body[5..])
    };
    let (code, text, bytes) = match reply {
        Reply::Message(message) => {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            (Code::Ok, "", [&[0], length.as_slice(), &message].concat())
        }
        Reply::Error(code, text) => (code, text, Vec::new()),
        Reply::Never => std::future::pending().await,
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", (code as i32).into());
    trailers.insert("grpc-message", text.replace(' ', "%20").parse().unwrap());
    let body = Full::new(Bytes::from(bytes)).with_trailers(async { Some(Ok(trailers)) });
    Ok(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
}
