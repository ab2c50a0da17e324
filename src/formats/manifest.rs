//! Static-pod manifests: the flags of a control-plane component, and the paths that it mounts.

mod flags;
pub mod splice;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use self::flags::each_flag;
pub(crate) use self::flags::flags;
use super::access::RunsAs;
use crate::state::path::{below, tidied, tidy};
use crate::state::{Bytes, Component, STATIC_POD_NAMESPACE};

/// A static pod, as far as certificates are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the pod, such as `kube-apiserver`.
    pub name: String,
    /// `default` if the manifest names none (kubernetes `pkg/kubelet/config/common.go` applyDefaults).
    pub namespace: String,
    pub annotations: BTreeMap<String, String>,
    /// Names of its containers.
    pub containers: Vec<String>,
    /// Image of the component's container.
    pub image: String,
    /// Flags of the component's container without their dashes; a flag without a value is `true`.
    pub flags: BTreeMap<String, String>,
    /// Every value of `--tls-sni-cert-key`, which may be given more than once.
    pub sni_pairs: Vec<String>,
    /// Host paths that the pod mounts.
    pub host_paths: Vec<PathBuf>,
    /// Those of them that must be there before the kubelet starts the pod, with what they must be (kubernetes
    /// `pkg/volume/hostpath/host_path.go` checkType: `File`, `Directory`, `Socket` and the devices).
    pub required_paths: Vec<(PathBuf, String)>,
    /// When the image is pulled (kubernetes `pkg/apis/core/v1/defaults.go`: `Always` for the tag `latest`, otherwise
    /// `IfNotPresent`).
    pub pulls_always: bool,
    /// The mounts of the component's container: its path, tidy, and that on the node.
    pub mounts: Vec<(PathBuf, PathBuf)>,
    /// Whom the component's container runs as.
    pub runs_as: RunsAs,
    /// Whether a key occurs twice in one mapping.
    pub has_duplicate_key: bool,
}

impl Manifest {
    /// As [`Manifest::parse`], once for a file that is kept.
    ///
    /// # Errors
    /// As [`Manifest::parse`].
    pub fn of(file: &Bytes) -> Result<Arc<Self>, String> {
        file.parsed(|data| Self::parse(data).map(Arc::new)).clone()
    }

    /// YAML or JSON.
    ///
    /// # Errors
    /// It is neither, or no Pod; the text says where.
    pub fn parse(data: &[u8]) -> Result<Self, String> {
        let (pod, has_duplicate_key): (Pod, _) = super::parse_yaml_strictly(data)?;
        if pod.kind.as_deref() != Some("Pod") {
            return Err("not a Pod".to_owned());
        }
        let metadata = pod.metadata.unwrap_or_default();
        let spec = pod.spec.unwrap_or_default();
        let name = metadata.name.unwrap_or_default();
        let containers = spec.containers.unwrap_or_default();
        let names = containers.iter().filter_map(|container| container.name.clone()).collect();
        let container = Container::of_component(containers, &name);
        let (mut flags, mut sni_pairs) = (BTreeMap::new(), Vec::new());
        each_flag(container.words(), |name, value| {
            if name == SNI_PAIR {
                sni_pairs.push(value.clone());
            }
            flags.insert(name, value);
        });
        let runs_as = container.runs_as(spec.security_context.unwrap_or_default());
        let volumes = spec.volumes.unwrap_or_default();
        let mounts = container.volume_mounts.iter().flatten();
        let mounts = mounts.filter_map(|mount| mount.of(&volumes)).collect();
        Ok(Self {
            flags: container.with_environment(flags),
            sni_pairs,
            name,
            containers: names,
            namespace: metadata
                .namespace
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "default".to_owned()),
            annotations: metadata.annotations.unwrap_or_default(),
            pulls_always: container.pulls_always(),
            image: container.image.unwrap_or_default(),
            required_paths: volumes.iter().filter_map(Volume::required).collect(),
            host_paths: volumes.into_iter().filter_map(Volume::on_host).collect(),
            mounts,
            runs_as,
            has_duplicate_key,
        })
    }

    /// Whether this is the component's pod.
    pub fn runs(&self, component: Component) -> bool {
        match component {
            Component::Other(name) => self.others().any(|other| other == name),
            known => self.name == known.name(),
        }
    }

    /// The containers of a pod of the control plane that is none of kubeadm's: what runs beside it, such as kube-vip.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        let is_other = self.namespace == STATIC_POD_NAMESPACE && Component::static_pod(&self.name).is_none();
        let names = self.containers.iter().map(String::as_str);
        names.filter(move |name| is_other && Component::static_pod(name).is_none())
    }

    /// The value of a flag, if it is set and not empty.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The path on the node for a path of the component's container; `None` if it is the container's own.
    pub fn on_host(&self, path: &Path) -> Option<PathBuf> {
        self.below_mount(&tidy(path)).map(|(path, _)| path)
    }

    /// A tidy path of the component's container as one of the node, and that of its mount.
    fn below_mount(&self, path: &Path) -> Option<(PathBuf, &Path)> {
        let below = self.mounts.iter().rev().filter_map(|mount| Some((below(path, &mount.0)?, mount)));
        let (rest, (inside, host)) = below.min_by_key(|(rest, _)| rest.as_os_str().len())?;
        let place = match rest.as_os_str().is_empty() {
            _ if inside == host => path.to_owned(),
            true => host.clone(),
            false => host.join(rest),
        };
        Some((place, host))
    }

    /// Where the file that a flag's value names is on the node: below a mount, or at the same path. The images of
    /// Kubernetes and etcd work in `/`, from where a relative path leads.
    pub fn host(&self, value: &str) -> PathBuf {
        let path = in_container(value);
        let below = self.below_mount(&path).map(|(path, _)| path);
        below.unwrap_or_else(|| path.into_owned())
    }

    /// What the values of all flags would be on the node if they were paths, both files of a pair that is served by
    /// name too.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.values().map(|value| self.host(value))
    }

    /// The same, without what is the container's own, each with the path of its mount on the node.
    pub fn mounted(&self) -> impl Iterator<Item = (PathBuf, &Path)> {
        self.values().filter_map(|value| self.below_mount(&in_container(value)))
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        let single = self.flags.iter().filter(|(name, _)| *name != SNI_PAIR).map(|(_, value)| value.as_str());
        let pairs = self.sni_pairs.iter().filter_map(|value| sni_pair(value));
        single.chain(pairs.flat_map(|(certificate, key)| [certificate, key]))
    }

    /// Kubernetes' minor version from the image's tag: 36 of `…:v1.36.0`.
    pub fn minor_version(&self) -> Option<u32> {
        let (_, tag) = self.image.rsplit_once(':')?;
        tag.strip_prefix("v1.")?.split(['.', '-', '+']).next()?.parse().ok()
    }
}

/// The path that a flag's value is in the container, tidy.
fn in_container(value: &str) -> Cow<'_, Path> {
    match value.starts_with('/') {
        true => tidy(Path::new(value)),
        false => Cow::Owned(tidied(["/", value].concat().into())),
    }
}

/// The flag that names a certificate, its key and the names for which they are served.
const SNI_PAIR: &str = "tls-sni-cert-key";

/// Certificate and key of `CERTIFICATE,KEY` or `CERTIFICATE,KEY:NAME,NAME` (k8s.io/component-base
/// `cli/flag/namedcertkey_flag.go`: the names begin at the first colon).
pub fn sni_pair(value: &str) -> Option<(&str, &str)> {
    let files = value.split_once(':').map_or(value, |(files, _)| files);
    let (certificate, key) = files.split_once(',')?;
    Some((certificate.trim(), key.trim()))
}

#[derive(Deserialize)]
struct Pod {
    kind: Option<String>,
    metadata: Option<Metadata>,
    spec: Option<Spec>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
struct Spec {
    #[serde(default, deserialize_with = "super::first_items")]
    containers: Option<Vec<Container>>,
    #[serde(default, deserialize_with = "super::first_items")]
    volumes: Option<Vec<Volume>>,
    #[serde(rename = "securityContext")]
    security_context: Option<SecurityContext>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    run_as_user: Option<u32>,
    run_as_group: Option<u32>,
    fs_group: Option<u32>,
    #[serde(default, deserialize_with = "super::first_items")]
    supplemental_groups: Option<Vec<u32>>,
    privileged: Option<bool>,
    capabilities: Option<Capabilities>,
}

#[derive(Deserialize, Default)]
struct Capabilities {
    #[serde(default, deserialize_with = "super::first_items")]
    add: Option<Vec<String>>,
    #[serde(default, deserialize_with = "super::first_items")]
    drop: Option<Vec<String>>,
}

impl Capabilities {
    /// Whether the runtime's default `CAP_DAC_OVERRIDE` is dropped and nothing like it added (containerd
    /// `internal/cri/opts`: `ALL` is dropped first, then what is added, then what is dropped by name).
    fn drop_override(&self) -> bool {
        let has = |list: &Option<Vec<String>>, names: &[&str]| {
            let mut list = list.iter().flatten().map(|name| name.to_ascii_uppercase());
            list.any(|name| names.contains(&name.trim_start_matches("CAP_")))
        };
        has(&self.drop, &["ALL", "DAC_OVERRIDE"])
            && !has(&self.add, &["ALL", "DAC_OVERRIDE", "DAC_READ_SEARCH"])
    }
}

#[derive(Deserialize, Default)]
struct Container {
    name: Option<String>,
    image: Option<String>,
    #[serde(rename = "imagePullPolicy")]
    image_pull_policy: Option<String>,
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
    #[serde(rename = "volumeMounts")]
    volume_mounts: Option<Vec<VolumeMount>>,
    #[serde(default, deserialize_with = "super::first_items")]
    env: Option<Vec<Variable>>,
    #[serde(rename = "securityContext")]
    security_context: Option<SecurityContext>,
}

impl Container {
    fn pulls_always(&self) -> bool {
        let image = self.image.as_deref().unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or_default();
        let is_latest = !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
        self.image_pull_policy.as_deref().map_or(is_latest && !image.is_empty(), |policy| policy == "Always")
    }

    /// The container that runs the component, whatever runs beside it: the one with the pod's name, or a component's,
    /// or whose program has one; the first where none says so.
    fn of_component(containers: Vec<Self>, pod: &str) -> Self {
        let is_component =
            |name: &str| Component::STATIC_PODS.iter().any(|component| component.name() == name);
        let named = |container: &Self| container.name.as_deref() == Some(pod);
        let as_component = |container: &Self| container.name.as_deref().is_some_and(is_component);
        let runs =
            |container: &Self| container.program().is_some_and(|name| name == pod || is_component(name));
        let at = containers.iter().position(named);
        let at = at.or_else(|| containers.iter().position(as_component));
        let at = at.or_else(|| containers.iter().position(runs)).unwrap_or(0);
        containers.into_iter().nth(at).unwrap_or_default()
    }

    /// The container's own user and group come before the pod's. Where no group is said, it is that of the user in the
    /// image's `/etc/passwd`, which may have the user's number, or else root's.
    fn runs_as(&self, pod: SecurityContext) -> RunsAs {
        let own = self.security_context.as_ref();
        let uid = own.and_then(|own| own.run_as_user).or(pod.run_as_user).unwrap_or(0);
        let gids = match own.and_then(|own| own.run_as_group).or(pod.run_as_group) {
            Some(gid) => vec![gid],
            None => vec![0, uid],
        };
        let more = pod.fs_group.into_iter().chain(pod.supplemental_groups.unwrap_or_default());
        let drops = own.is_some_and(|own| {
            own.privileged != Some(true) && own.capabilities.as_ref().is_some_and(Capabilities::drop_override)
        });
        RunsAs { uid, gids: gids.into_iter().chain(more).collect(), drops_override: drops }
    }

    /// Base name of the program.
    fn program(&self) -> Option<&str> {
        Path::new(self.command.as_ref()?.first()?).file_name()?.to_str()
    }

    /// The words of its command line. A script that a shell is given is taken apart at blanks.
    fn words(&self) -> Vec<String> {
        let words = self.command.iter().chain(&self.args).flatten();
        if !self.program().is_some_and(|name| name.ends_with("sh")) {
            return words.cloned().collect();
        }
        let parts = words.flat_map(|word| word.split_whitespace());
        parts.map(|part| part.trim_matches(['"', '\'']).to_owned()).collect()
    }

    /// With what etcd reads of its environment: `ETCD_CERT_FILE` is `--cert-file` (etcd `pkg/flags/flag.go`).
    fn with_environment(&self, mut flags: BTreeMap<String, String>) -> BTreeMap<String, String> {
        for variable in self.env.iter().flatten() {
            let name = variable.name.as_deref().and_then(|name| name.strip_prefix("ETCD_"));
            if let (Some(name), Some(value)) = (name, &variable.value) {
                let name = name.to_ascii_lowercase().replace('_', "-");
                flags.entry(name).or_insert_with(|| value.clone());
            }
        }
        flags
    }
}

#[derive(Deserialize)]
struct Variable {
    name: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeMount {
    name: Option<String>,
    mount_path: Option<PathBuf>,
    sub_path: Option<PathBuf>,
}

impl VolumeMount {
    fn of(&self, volumes: &[Volume]) -> Option<(PathBuf, PathBuf)> {
        let volume = volumes.iter().find(|volume| volume.name.is_some() && volume.name == self.name)?;
        let host = volume.host_path.as_ref()?.path.clone()?;
        let below = self.sub_path.as_ref();
        let inside = tidy(self.mount_path.as_deref()?).into_owned();
        Some((inside, below.map_or(host.clone(), |below| host.join(below))))
    }
}

#[derive(Deserialize)]
struct Volume {
    name: Option<String>,
    #[serde(rename = "hostPath")]
    host_path: Option<HostPath>,
}

impl Volume {
    fn required(&self) -> Option<(PathBuf, String)> {
        let HostPath { path, kind } = self.host_path.as_ref()?;
        let kind = kind.as_deref().filter(|kind| !kind.is_empty() && !kind.ends_with("OrCreate"))?;
        Some((path.clone()?, kind.to_owned()))
    }

    fn on_host(self) -> Option<PathBuf> {
        self.host_path?.path
    }
}

#[derive(Deserialize)]
struct HostPath {
    path: Option<PathBuf>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[cfg(test)]
mod tests;
