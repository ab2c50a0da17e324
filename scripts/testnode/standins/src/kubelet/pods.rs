//! The pods: what the manifests want against what the runtime has, every half second.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::manifest::{self, Container, Pod};
use crate::cri::{self, Pairs, Runtime};
use crate::{Failure, log};

const RUN_SANDBOX: &str = "/runtime.v1.RuntimeService/RunPodSandbox";
const STOP_SANDBOX: &str = "/runtime.v1.RuntimeService/StopPodSandbox";
const REMOVE_SANDBOX: &str = "/runtime.v1.RuntimeService/RemovePodSandbox";
const LIST_SANDBOXES: &str = "/runtime.v1.RuntimeService/ListPodSandbox";
const CREATE: &str = "/runtime.v1.RuntimeService/CreateContainer";
const START: &str = "/runtime.v1.RuntimeService/StartContainer";
const STOP: &str = "/runtime.v1.RuntimeService/StopContainer";
const REMOVE: &str = "/runtime.v1.RuntimeService/RemoveContainer";
const LIST: &str = "/runtime.v1.RuntimeService/ListContainers";
const STATUS: &str = "/runtime.v1.RuntimeService/ContainerStatus";
const IMAGE: &str = "/runtime.v1.ImageService/ImageStatus";

const POD_UID: &str = "io.kubernetes.pod.uid";
const CONTAINER_NAME: &str = "io.kubernetes.container.name";

pub(super) struct Pods {
    node: String,
    runtime: Runtime,
    manifests: String,
    api_pods: Option<String>,
    cgroup: String,
    backoff: Mutex<Backoff>,
    /// Pods that a task works on.
    busy: Mutex<HashSet<String>>,
}

/// What the runtime has of one pod.
#[derive(Default, Clone)]
struct Have {
    sandboxes: Vec<cri::Sandbox>,
    containers: Vec<cri::Container>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn label<'labels>(labels: &'labels Pairs, name: &str) -> &'labels str {
    labels.get(name).map(String::as_str).unwrap_or_default()
}

impl Pods {
    pub(super) fn new(node: String, endpoint: &str, manifests: &str, api_pods: Option<&str>) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        Self {
            node,
            runtime: Runtime::new(endpoint),
            manifests: manifests.to_owned(),
            api_pods: api_pods.map(str::to_owned),
            cgroup: std::env::var("TESTNODE_CGROUP").unwrap_or_default(),
            backoff: Mutex::new(Backoff::new(Duration::from_secs_f64(
                number("TESTNODE_BACKOFF").unwrap_or(10.0),
            ))),
            busy: Mutex::default(),
        }
    }

    pub(super) async fn sync(self: Arc<Self>) -> Result<(), Failure> {
        // What a task changes while the runtime is asked would be judged by what was before: such a pod waits a round.
        let changing = locked(&self.busy).clone();
        let wanted = self.wanted();
        let sandboxes: cri::Sandboxes = self.runtime.call(LIST_SANDBOXES, cri::Empty {}).await?;
        let containers: cri::Containers = self.runtime.call(LIST, cri::Empty {}).await?;
        let have = |uid: &str| Have {
            sandboxes: sandboxes
                .items
                .iter()
                .filter(|one| label(&one.labels, POD_UID) == uid)
                .cloned()
                .collect(),
            containers: containers
                .items
                .iter()
                .filter(|one| label(&one.labels, POD_UID) == uid)
                .cloned()
                .collect(),
        };
        let present: HashSet<String> =
            sandboxes.items.iter().map(|one| label(&one.labels, POD_UID).to_owned()).collect();
        let keep: HashSet<String> = wanted.iter().map(|pod| pod.metadata.uid.clone()).collect();
        for uid in present.difference(&keep).filter(|uid| !changing.contains(*uid)) {
            let (this, uid, have) = (self.clone(), uid.clone(), have(uid));
            self.work(uid.clone(), async move { this.end(&uid, have).await });
        }
        for pod in wanted {
            // A changed manifest is another pod of the same name: it waits until the old one is gone.
            let waits = sandboxes.items.iter().any(|one| {
                label(&one.labels, "io.kubernetes.pod.name") == pod.metadata.name
                    && label(&one.labels, "io.kubernetes.pod.namespace") == pod.metadata.namespace
                    && label(&one.labels, POD_UID) != pod.metadata.uid
            });
            if !waits && !changing.contains(&pod.metadata.uid) {
                let (this, uid, have) = (self.clone(), pod.metadata.uid.clone(), have(&pod.metadata.uid));
                self.work(uid, async move { this.keep_running(&pod, have).await });
            }
        }
        Ok(())
    }

    /// One task for each pod at a time.
    fn work(self: &Arc<Self>, uid: String, task: impl Future<Output = Result<(), Failure>> + Send + 'static) {
        if !locked(&self.busy).insert(uid.clone()) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            if let Err(failure) = task.await {
                log::error("pod_workers.go:191", &format!("Error syncing pod {uid}: {failure}"));
            }
            locked(&this.busy).remove(&uid);
        });
    }

    fn wanted(&self) -> Vec<Pod> {
        let mut pods = Vec::new();
        for text in files(&self.manifests) {
            match manifest::static_pod(&text, &self.node) {
                Ok(pod) => pods.push(pod),
                Err(failure) => log::error("file.go:187", &format!("Can't process manifest file: {failure}")),
            }
        }
        for text in self.api_pods.iter().flat_map(|directory| files(directory)) {
            match manifest::api_pod(&text) {
                Ok(pod) => pods.push(pod),
                Err(failure) => log::error("api", &format!("can't read a pod: {failure}")),
            }
        }
        pods
    }

    /// The pod is not wanted any more.
    async fn end(&self, uid: &str, have: Have) -> Result<(), Failure> {
        log::info("kubelet.go:1924", &format!("SyncLoop (REMOVE, \"file\"): {uid}"));
        for container in &have.containers {
            if container.state == cri::CONTAINER_RUNNING {
                // The grace that a pod of kubeadm's has; a manifest that is gone can't be asked.
                let request = cri::StopContainer { id: container.id.clone(), timeout: 30 };
                let _: cri::Empty = self.runtime.call(STOP, request).await?;
            }
        }
        for sandbox in &have.sandboxes {
            let _: cri::Empty = self.runtime.call(STOP_SANDBOX, cri::Id { id: sandbox.id.clone() }).await?;
        }
        for container in &have.containers {
            self.remove(container).await?;
        }
        for sandbox in &have.sandboxes {
            let _: cri::Empty = self.runtime.call(REMOVE_SANDBOX, cri::Id { id: sandbox.id.clone() }).await?;
        }
        Ok(())
    }

    async fn keep_running(&self, pod: &Pod, have: Have) -> Result<(), Failure> {
        let ready = have.sandboxes.iter().find(|one| one.state == cri::SANDBOX_READY);
        let attempts = have.sandboxes.iter().filter_map(|one| one.metadata.as_ref()).map(|one| one.attempt);
        let attempt = match ready {
            Some(sandbox) => sandbox.metadata.as_ref().map_or(0, |one| one.attempt),
            None => attempts.max().map_or(0, |last| last + 1),
        };
        let config = self.sandbox_config(pod, attempt);
        let sandbox = match ready {
            Some(sandbox) => sandbox.id.clone(),
            None => {
                for old in &have.sandboxes {
                    let _: cri::Empty =
                        self.runtime.call(STOP_SANDBOX, cri::Id { id: old.id.clone() }).await?;
                }
                let request = cri::RunPodSandbox { config: Some(config.clone()) };
                let answer: cri::Id = self.runtime.call(RUN_SANDBOX, request).await?;
                answer.id
            }
        };
        for container in &pod.spec.containers {
            let mut all: Vec<&cri::Container> = have
                .containers
                .iter()
                .filter(|one| label(&one.labels, CONTAINER_NAME) == container.name)
                .collect();
            all.sort_by_key(|one| one.attempt());
            if !all.iter().any(|one| one.state == cri::CONTAINER_RUNNING && one.sandbox == sandbox) {
                self.start(pod, container, &sandbox, &config, &all).await?;
            }
        }
        Ok(())
    }

    /// Starts a container unless it has to wait; keeps the last one that exited and removes those before it.
    async fn start(
        &self,
        pod: &Pod,
        container: &Container,
        sandbox: &str,
        config: &cri::SandboxConfig,
        all: &[&cri::Container],
    ) -> Result<(), Failure> {
        let mut attempt = 0;
        if let Some((last, older)) = all.split_last() {
            attempt = last.attempt() + 1;
            let status: cri::StatusAnswer =
                self.runtime.call(STATUS, cri::Id { id: last.id.clone() }).await?;
            let status = status.status.unwrap_or_default();
            let key = format!("{}/{}", pod.metadata.uid, container.name);
            let now = i64::try_from(jiff::Timestamp::now().as_nanosecond())?;
            let ago = Duration::from_nanos(u64::try_from(now - status.finished_at).unwrap_or_default());
            if locked(&self.backoff).may_start(&key, ago, Instant::now()).is_err() {
                return Ok(());
            }
            let name = &container.name;
            log::info(
                "kuberuntime_manager.go:592",
                &format!("Container {name} exited ({}); restarting", status.exit_code),
            );
            for old in older {
                self.remove(old).await?;
            }
        }
        let request = cri::CreateContainer {
            sandbox: sandbox.to_owned(),
            config: Some(self.container_config(pod, container, attempt).await?),
            sandbox_config: Some(config.clone()),
        };
        let created: cri::Id = self.runtime.call(CREATE, request).await?;
        link_log(pod, container, attempt, &created.id)?;
        let _: cri::Empty = self.runtime.call(START, cri::Id { id: created.id }).await?;
        Ok(())
    }

    async fn remove(&self, container: &cri::Container) -> Result<(), Failure> {
        let _: cri::Empty = self.runtime.call(REMOVE, cri::Id { id: container.id.clone() }).await?;
        for entry in std::fs::read_dir("/var/log/containers")? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(&format!("-{}.log", container.id)) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn sandbox_config(&self, pod: &Pod, attempt: u32) -> cri::SandboxConfig {
        let metadata = &pod.metadata;
        let mut annotations = metadata.annotations.clone();
        let seen = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.9fZ").to_string();
        annotations.insert("kubernetes.io/config.seen".to_owned(), seen);
        annotations.insert("kubernetes.io/config.source".to_owned(), pod.source.to_owned());
        if pod.source == "file" {
            annotations.insert("kubernetes.io/config.hash".to_owned(), metadata.uid.clone());
        }
        let mut labels = metadata.labels.clone();
        labels.extend(pod_labels(pod));
        let namespaces = cri::NamespaceOption { network: cri::NAMESPACE_NODE, pid: cri::NAMESPACE_CONTAINER };
        cri::SandboxConfig {
            metadata: Some(cri::SandboxMetadata {
                name: metadata.name.clone(),
                uid: metadata.uid.clone(),
                namespace: metadata.namespace.clone(),
                attempt,
            }),
            log_directory: log_directory(pod),
            labels,
            annotations,
            linux: Some(cri::LinuxSandbox {
                cgroup_parent: format!("{}/kubepods/burstable/pod{}", self.cgroup, metadata.uid),
                security: Some(cri::SandboxSecurity { namespaces: Some(namespaces) }),
            }),
        }
    }

    async fn container_config(
        &self,
        pod: &Pod,
        container: &Container,
        attempt: u32,
    ) -> Result<cri::ContainerConfig, Failure> {
        let image = cri::ImageStatus { image: Some(cri::ImageSpec { image: container.image.clone() }) };
        let image: cri::ImageAnswer = self.runtime.call(IMAGE, image).await?;
        let image = image.image.ok_or_else(|| format!("ErrImagePull: {} is not here", container.image))?.id;
        let mut labels = pod_labels(pod);
        labels.insert(CONTAINER_NAME.to_owned(), container.name.clone());
        let mut annotations = Pairs::new();
        for (name, value) in [
            ("container.hash", manifest::hash(&format!("{container:?}"), 8)),
            ("container.restartCount", attempt.to_string()),
            ("container.terminationMessagePath", "/dev/termination-log".to_owned()),
            ("container.terminationMessagePolicy", "File".to_owned()),
            ("pod.terminationGracePeriod", pod.spec.termination_grace_period_seconds.to_string()),
        ] {
            annotations.insert(format!("io.kubernetes.{name}"), value);
        }
        std::fs::create_dir_all(format!("{}/{}", log_directory(pod), container.name))?;
        let namespaces = cri::NamespaceOption { network: cri::NAMESPACE_NODE, pid: cri::NAMESPACE_CONTAINER };
        Ok(cri::ContainerConfig {
            metadata: Some(cri::ContainerMetadata { name: container.name.clone(), attempt }),
            image: Some(cri::ImageSpec { image }),
            command: container.command.clone(),
            args: container.args.clone(),
            envs: environment(&container.name),
            mounts: mounts(pod, container, attempt)?,
            labels,
            annotations,
            log_path: format!("{}/{attempt}.log", container.name),
            linux: Some(cri::LinuxContainer {
                security: Some(cri::ContainerSecurity { namespaces: Some(namespaces) }),
            }),
        })
    }
}

/// The manifests in a directory, in order; names with a leading dot are not read, as the kubelet doesn't.
fn files(directory: &str) -> Vec<String> {
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    paths.iter().filter(|path| !hidden(path)).filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

fn pod_labels(pod: &Pod) -> Pairs {
    let mut labels = Pairs::new();
    labels.insert("io.kubernetes.pod.name".to_owned(), pod.metadata.name.clone());
    labels.insert("io.kubernetes.pod.namespace".to_owned(), pod.metadata.namespace.clone());
    labels.insert(POD_UID.to_owned(), pod.metadata.uid.clone());
    labels
}

fn log_directory(pod: &Pod) -> String {
    let metadata = &pod.metadata;
    format!("/var/log/pods/{}_{}_{}", metadata.namespace, metadata.name, metadata.uid)
}

fn link_log(pod: &Pod, container: &Container, attempt: u32, id: &str) -> Result<(), Failure> {
    std::fs::create_dir_all("/var/log/containers")?;
    let (metadata, name) = (&pod.metadata, &container.name);
    let link = format!("/var/log/containers/{}_{}_{name}-{id}.log", metadata.name, metadata.namespace);
    Ok(std::os::unix::fs::symlink(format!("{}/{name}/{attempt}.log", log_directory(pod)), link)?)
}

/// What a test wants a component to know, from `/opt/testnode/env/NAME` (lines `NAME=VALUE`); nothing on a real node.
fn environment(container: &str) -> Vec<cri::KeyValue> {
    let text = ["all", container]
        .map(|name| std::fs::read_to_string(format!("/opt/testnode/env/{name}")).unwrap_or_default());
    let pairs = text.iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| cri::KeyValue { key: key.to_owned(), value: value.to_owned() }).collect()
}

fn mounts(pod: &Pod, container: &Container, attempt: u32) -> Result<Vec<cri::Mount>, Failure> {
    let mut mounts = Vec::new();
    for mount in &container.volume_mounts {
        let volume = pod.spec.volumes.iter().find(|volume| volume.name == mount.name);
        let path =
            volume.and_then(|volume| volume.host_path.as_ref()).ok_or("a volume that is no hostPath")?;
        match path.kind.as_str() {
            "DirectoryOrCreate" => std::fs::create_dir_all(&path.path)?,
            "FileOrCreate" if !std::fs::exists(&path.path)? => std::fs::write(&path.path, "")?,
            _ => {}
        }
        mounts.push(cri::Mount {
            container_path: mount.mount_path.clone(),
            host_path: path.path.clone(),
            readonly: mount.read_only,
        });
    }
    let directory = format!("/var/lib/kubelet/pods/{}", pod.metadata.uid);
    let hosts = format!("{directory}/etc-hosts");
    let last_words =
        format!("{directory}/containers/{}/{}", container.name, manifest::hash(&attempt.to_string(), 8));
    std::fs::create_dir_all(format!("{directory}/containers/{}", container.name))?;
    std::fs::copy("/etc/hosts", &hosts)?;
    std::fs::write(&last_words, "")?;
    for (container_path, host_path) in [("/etc/hosts", hosts), ("/dev/termination-log", last_words)] {
        mounts.push(cri::Mount { container_path: container_path.to_owned(), host_path, readonly: false });
    }
    Ok(mounts)
}
