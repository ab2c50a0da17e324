//! Which files of a node are relevant logs, by their paths alone.

use std::path::Path;

use super::scanner::Origin;
use crate::state::Component;

/// The kubelet's directory of container logs: `NAMESPACE_POD_UID/CONTAINER/N.log`.
pub const PODS: &str = "/var/log/pods";
/// Links to those: `POD_NAMESPACE_CONTAINER-ID.log`.
pub const CONTAINERS: &str = "/var/log/containers";
/// The directory of the system's text logs.
pub const TEXT_LOGS: &str = "/var/log";

/// Text logs of the system, without the suffix of a rotation.
const SYSTEM: [&str; 4] = ["messages", "syslog", "kern.log", "daemon.log"];
/// A log file that a kubelet may be configured to write there.
const KUBELET: &str = "kubelet.log";

const NAMESPACE: &str = "kube-system";

/// Which containers' logs are read: those of the control plane, and others by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Names of further containers, in any namespace.
    pub containers: Vec<String>,
}

impl Wanted {
    /// Whether any container of this namespace may be wanted.
    pub fn namespace(&self, namespace: &str) -> bool {
        namespace == NAMESPACE || !self.containers.is_empty()
    }

    pub fn container(&self, namespace: &str, name: &str) -> bool {
        (namespace == NAMESPACE && Component::static_pod(name).is_some())
            || self.containers.iter().any(|other| other == name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The program that wrote the log.
    pub origin: Origin,
}

impl Place {
    /// The log at `path` of a node, if it is wanted.
    pub fn of(path: &Path, wanted: &Wanted) -> Option<Self> {
        if path.to_str().is_none_or(is_compressed_otherwise) {
            return None;
        }
        let origin = if let Ok(below) = path.strip_prefix(PODS) {
            in_pods(below, wanted)?
        } else if let Ok(below) = path.strip_prefix(CONTAINERS) {
            in_containers(below.to_str()?, wanted)?
        } else {
            text_log(path.strip_prefix(TEXT_LOGS).ok()?.to_str()?)?
        };
        Some(Self { origin })
    }
}

fn in_pods(below: &Path, wanted: &Wanted) -> Option<Origin> {
    let mut parts = below.iter().map(|part| part.to_str());
    let (pod, container, file) = (parts.next()??, parts.next()??, parts.next()??);
    let (namespace, _) = pod.split_once('_')?;
    let is_log = parts.next().is_none() && is_numbered_log(file);
    (is_log && wanted.container(namespace, container)).then(|| Origin::Program(container.to_owned()))
}

/// `0.log`, `0.log.20261123-222147`, `0.log.20261123-222147.gz`
fn is_numbered_log(name: &str) -> bool {
    let Some((number, rest)) = name.split_once(".log") else { return false };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (rest.is_empty() || rest.starts_with('.')) && !rest.ends_with(".tmp")
}

fn in_containers(name: &str, wanted: &Wanted) -> Option<Origin> {
    let mut parts = name.strip_suffix(".log")?.splitn(3, '_');
    let (_pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (container, _id) = rest.rsplit_once('-')?;
    wanted.container(namespace, container).then(|| Origin::Program(container.to_owned()))
}

/// A file directly in `/var/log`: `messages`, `syslog.1`, `messages-20261123.gz`.
fn text_log(name: &str) -> Option<Origin> {
    let is = |base: &str| {
        let rotated = |rest: &str| {
            let mut rest = rest.chars();
            matches!(rest.next(), Some('.' | '-'))
                && rest.next().is_some_and(|first| first.is_ascii_digit() || first == 'g')
        };
        name.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rotated(rest))
    };
    if is(KUBELET) {
        return Some(Origin::Program(Component::Kubelet.name().to_owned()));
    }
    SYSTEM.iter().any(|base| is(base)).then_some(Origin::System)
}

/// Whether a file is compressed in a format that is not read here.
pub fn is_compressed_otherwise(name: &str) -> bool {
    [".xz", ".bz2", ".zst", ".lz4"].iter().any(|suffix| name.ends_with(suffix))
}
