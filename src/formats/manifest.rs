//! Static-pod manifests: the flags of a control-plane component, and the paths that it mounts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A static pod, as far as certificates are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the pod, such as `kube-apiserver`.
    pub name: String,
    /// Empty if the manifest names none.
    pub namespace: String,
    pub annotations: BTreeMap<String, String>,
    /// Image of the first container.
    pub image: String,
    /// Flags of the first container without their dashes; a flag without a value is `true`.
    pub flags: BTreeMap<String, String>,
    /// Host paths that the pod mounts.
    pub host_paths: Vec<PathBuf>,
    /// The mounts of the first container: its path, and that on the node.
    pub mounts: Vec<(PathBuf, PathBuf)>,
}

impl Manifest {
    /// YAML or JSON.
    ///
    /// # Errors
    /// It is neither, or no Pod; the text says where.
    pub fn parse(data: &[u8]) -> Result<Self, String> {
        let pod: Pod = super::parse_yaml(data)?;
        if pod.kind.as_deref() != Some("Pod") {
            return Err("not a Pod".to_owned());
        }
        let metadata = pod.metadata.unwrap_or_default();
        let spec = pod.spec.unwrap_or_default();
        let container = spec.containers.unwrap_or_default().into_iter().next().unwrap_or_default();
        let words = container.command.into_iter().chain(container.args).flatten();
        let volumes = spec.volumes.unwrap_or_default();
        let mounts = container.volume_mounts.into_iter().flatten();
        let mounts = mounts.filter_map(|mount| mount.of(&volumes)).collect();
        Ok(Self {
            name: metadata.name.unwrap_or_default(),
            namespace: metadata.namespace.unwrap_or_default(),
            annotations: metadata.annotations.unwrap_or_default(),
            image: container.image.unwrap_or_default(),
            flags: flags(words),
            host_paths: volumes.into_iter().filter_map(Volume::on_host).collect(),
            mounts,
        })
    }

    /// The value of a flag, if it is set and not empty.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The path on the node for a path of the first container; `None` if it is the container's own.
    pub fn on_host(&self, path: &Path) -> Option<PathBuf> {
        let above = self.mounts.iter().filter(|(inside, _)| path.starts_with(inside));
        let (inside, host) = above.max_by_key(|(inside, _)| inside.components().count())?;
        let rest = path.strip_prefix(inside).ok()?;
        Some(if rest.as_os_str().is_empty() { host.clone() } else { host.join(rest) })
    }

    /// Kubernetes' minor version from the image's tag: 36 of `…:v1.36.0`.
    pub fn minor_version(&self) -> Option<u32> {
        let (_, tag) = self.image.rsplit_once(':')?;
        tag.strip_prefix("v1.")?.split(['.', '-', '+']).next()?.parse().ok()
    }
}

/// `--name=value`, `--name value` and `--name`, with one dash or two, as Go's flag packages read them.
pub(crate) fn flags(words: impl IntoIterator<Item = String>) -> BTreeMap<String, String> {
    let mut flags = BTreeMap::new();
    let mut open: Option<String> = None;
    for word in words {
        if let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) {
            if let Some(name) = open.take() {
                flags.insert(name, "true".to_owned());
            }
            match flag.split_once('=') {
                Some((name, value)) => {
                    flags.insert(name.to_owned(), value.to_owned());
                }
                None => open = Some(flag.to_owned()),
            }
        } else if let Some(name) = open.take() {
            flags.insert(name, word);
        }
    }
    if let Some(name) = open {
        flags.insert(name, "true".to_owned());
    }
    flags
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
}

#[derive(Deserialize, Default)]
struct Container {
    image: Option<String>,
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
    #[serde(rename = "volumeMounts")]
    volume_mounts: Option<Vec<VolumeMount>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeMount {
    name: Option<String>,
    mount_path: Option<PathBuf>,
    sub_path: Option<PathBuf>,
}

impl VolumeMount {
    fn of(self, volumes: &[Volume]) -> Option<(PathBuf, PathBuf)> {
        let volume = volumes.iter().find(|volume| volume.name.is_some() && volume.name == self.name)?;
        let host = volume.host_path.as_ref()?.path.clone()?;
        Some((self.mount_path?, self.sub_path.map_or(host.clone(), |below| host.join(below))))
    }
}

#[derive(Deserialize)]
struct Volume {
    name: Option<String>,
    #[serde(rename = "hostPath")]
    host_path: Option<HostPath>,
}

impl Volume {
    fn on_host(self) -> Option<PathBuf> {
        self.host_path?.path
    }
}

#[derive(Deserialize)]
struct HostPath {
    path: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_in_every_spelling() {
        let words = ["etcd", "--name=cp-1", "--data-dir", "/var/lib/etcd", "-v=2", "--flag", "--last"];
        let flags = flags(words.map(str::to_owned));
        let expected =
            [("data-dir", "/var/lib/etcd"), ("flag", "true"), ("last", "true"), ("name", "cp-1"), ("v", "2")];
        assert_eq!(flags, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_pod_gives_image_and_mounts() {
        let yaml = b"kind: Pod\nmetadata:\n  name: etcd\nspec:\n  containers:\n  - image: k8s.gcr.io/etcd:v1.28.3\n    command: [etcd]\n    args: ['--a=b']\n  volumes:\n  - hostPath: {path: /x}\n  - emptyDir: {}\n";
        let manifest = Manifest::parse(yaml).unwrap();
        assert_eq!(manifest.minor_version(), Some(28));
        assert_eq!(manifest.flag("a"), Some("b"));
        assert_eq!(manifest.host_paths, [PathBuf::from("/x")]);
        assert_eq!(manifest.on_host(Path::new("/x/y")), None);
        assert!(Manifest::parse(b"kind: List").is_err());
        assert!(Manifest::parse(b"\xff\xfe{").is_err());
    }

    #[test]
    fn a_path_of_the_container_is_found_on_the_node() {
        let yaml = b"kind: Pod\nspec:\n  containers:\n  - volumeMounts:\n    - {name: a, mountPath: /etc/audit}\n    - {name: b, mountPath: /etc/audit/deep, subPath: s}\n    - {name: gone, mountPath: /g}\n  volumes:\n  - {name: a, hostPath: {path: /srv/a}}\n  - {name: b, hostPath: {path: /srv/b}}\n";
        let manifest = Manifest::parse(yaml).unwrap();
        for (inside, host) in [
            ("/etc/audit", Some("/srv/a")),
            ("/etc/audit/x.conf", Some("/srv/a/x.conf")),
            ("/etc/audit/deep/x.conf", Some("/srv/b/s/x.conf")),
            ("/etc/auditor/x.conf", None),
            ("/g/x.conf", None),
        ] {
            assert_eq!(manifest.on_host(Path::new(inside)), host.map(PathBuf::from), "{inside}");
        }
    }
}
