//! Which of a node's renewed files a pod reads, according to its template: its containers' mounts, and the
//! paths in their command lines and environments, resolved through the mounts.

use std::path::{Component, Path, PathBuf};

use crate::formats::objects::pods::{Container, Mount, PodSpec, Volume};
use crate::state::catalog;

/// Why a pod may have to be restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Whether it certainly reads renewed files.
    pub certain: bool,
    pub what: String,
}

/// How many words and mounts of a container are read: more than a real object of 1.5 MiB, etcd's limit, has.
const MOST: usize = 10_000;

/// How a path of the node relates to renewed files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// It is one, or a directory made for them.
    Renewed,
    /// It contains some among other files, or may be one.
    Near,
    None,
}

/// Why pods of this template read renewed files, or may read them; the certain reasons first, each once.
pub fn reasons(template: &PodSpec) -> Vec<Reason> {
    let mut found: Vec<Reason> = Vec::new();
    for container in template.init_containers.iter().chain(&template.containers) {
        for reason in mounted(template, container).into_iter().chain(named(template, container)) {
            if !found.contains(&reason) {
                found.push(reason);
            }
        }
    }
    found.sort_by_key(|reason| !reason.certain);
    found
}

fn mounted(template: &PodSpec, container: &Container) -> Vec<Reason> {
    let host = |mount: &Mount| {
        let path = Path::new(&volume(template, mount)?.host_path.as_ref()?.path);
        let path = clean(&path.join(mount.sub_path.trim_start_matches('/')));
        let what = format!("container {} mounts {}", container.name, path.display());
        match relation(&path) {
            Relation::Renewed => Some(Reason { certain: true, what }),
            Relation::Near => Some(Reason { certain: false, what }),
            Relation::None => None,
        }
    };
    container.volume_mounts.iter().take(MOST).filter_map(host).collect()
}

fn named(template: &PodSpec, container: &Container) -> Vec<Reason> {
    let variables = container.env.iter().map(|variable| &variable.value);
    let words = container.command.iter().chain(&container.args).chain(variables);
    let mut mounts: Vec<_> = container
        .volume_mounts
        .iter()
        .take(MOST)
        .map(|mount| (clean(Path::new(&mount.mount_path)), mount))
        .collect();
    // The innermost mount counts.
    mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.components().count()));
    let mut found = Vec::new();
    for path in words.flat_map(|word| paths(word)).take(MOST) {
        let around = mounts.iter().take(100).find(|(mount, _)| path.starts_with(mount));
        let Some((point, mount)) = around else {
            found.extend(unseen(container, &path, "which is in none of its volumes"));
            continue;
        };
        match volume(template, mount) {
            Some(Volume { host_path: Some(host), .. }) => {
                let below = path.strip_prefix(point).unwrap_or(Path::new(""));
                let file =
                    clean(&Path::new(&host.path).join(mount.sub_path.trim_start_matches('/')).join(below));
                if relation(&file) == Relation::Renewed {
                    let what = format!("container {} names {}", container.name, file.display());
                    found.push(Reason { certain: true, what });
                }
            }
            Some(Volume { secret: Some(secret), .. }) => {
                let what = format!("a copy in the Secret {}, which is not renewed here", secret.secret_name);
                found.extend(unseen(container, &path, &what));
            }
            _ => found.extend(unseen(container, &path, "which is not a file of the node")),
        }
    }
    found
}

/// A path in the container that would be a renewed file on the node.
fn unseen(container: &Container, path: &Path, what: &str) -> Option<Reason> {
    let what = format!("container {} names {}, {what}", container.name, path.display());
    (relation(path) == Relation::Renewed).then_some(Reason { certain: false, what })
}

fn volume<'a>(template: &'a PodSpec, mount: &Mount) -> Option<&'a Volume> {
    template.volumes.iter().take(MOST).find(|volume| volume.name == mount.name)
}

/// The absolute paths in a word of a command line: `--cert-file=/a/b`, `cp /a /b`, `a:/b`.
fn paths(word: &str) -> Vec<PathBuf> {
    word.split(|c: char| c.is_whitespace() || "=,:;\"'()<>|&`{}[]".contains(c))
        .filter(|part| part.starts_with('/') && !part.starts_with("//") && part.len() > 1)
        .map(|part| clean(Path::new(part)))
        .take(MOST)
        .collect()
}

/// The same path without `.`, `..` and double slashes.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            _ => {}
        }
    }
    out
}

fn relation(path: &Path) -> Relation {
    let kubernetes = Path::new(catalog::KUBERNETES_DIR);
    let (pki, kubelet) = (kubernetes.join("pki"), Path::new(catalog::KUBELET_PKI_DIR));
    if kubernetes.starts_with(path) && path != kubernetes || kubelet.starts_with(path) && path != kubelet {
        return Relation::Near;
    }
    if path == kubernetes || path.starts_with(kubelet) {
        return Relation::Renewed;
    }
    if let Ok(below) = path.strip_prefix(&pki) {
        return if is_kept(below) { Relation::Near } else { Relation::Renewed };
    }
    match path.strip_prefix(kubernetes) {
        Ok(below) if is_kubeconfig(below) => Relation::Renewed,
        Ok(below) if !below.starts_with("manifests") => Relation::Near,
        _ => Relation::None,
    }
}

/// Files that a renewal does not change: CAs and service-account keys.
fn is_kept(below: &Path) -> bool {
    let name = below.file_stem().unwrap_or_default();
    let is_file = below.extension().is_some_and(|end| end == "crt" || end == "key" || end == "pub");
    is_file && (name == "ca" || name == "front-proxy-ca" || name == "sa")
}

fn is_kubeconfig(below: &Path) -> bool {
    let known = |spec: &catalog::CertSpec| matches!(spec.place, catalog::Place::Kubeconfig(name) if below == Path::new(name));
    catalog::CERT_SPECS.iter().any(known) || below == Path::new("kubelet.conf")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(volumes: &Value, container: Value) -> Vec<(bool, String)> {
        let mut container = container;
        container["name"] = json!("c");
        let spec = json!({"volumes": volumes, "containers": [container]});
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        reasons(&spec).into_iter().map(|reason| (reason.certain, reason.what)).collect()
    }

    fn mounts(host: &str, sub_path: &str) -> Vec<(bool, String)> {
        let volumes = json!([{"name": "v", "hostPath": {"path": host}}]);
        told(&volumes, json!({"volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": sub_path}]}))
    }

    #[test]
    fn what_is_mounted() {
        for (path, certain) in [
            ("/etc/kubernetes", Some(true)),
            ("/etc/kubernetes/pki/", Some(true)),
            ("//etc/./kubernetes/pki/etcd", Some(true)),
            ("/etc/kubernetes/pki/etcd/server.crt", Some(true)),
            ("/etc/kubernetes/admin.conf", Some(true)),
            ("/etc/kubernetes/kubelet.conf", Some(true)),
            ("/var/lib/kubelet/pki", Some(true)),
            ("/var/lib/kubelet/pki/kubelet.crt", Some(true)),
            ("/", Some(false)),
            ("/etc", Some(false)),
            ("/var/lib", Some(false)),
            ("/var/lib/kubelet", Some(false)),
            ("/etc/kubernetes/own", Some(false)),
            ("/etc/kubernetes/pki/ca.crt", Some(false)),
            ("/etc/kubernetes/pki/etcd/ca.crt", Some(false)),
            ("/etc/kubernetes/manifests", None),
            ("/etc/kubernetes2", None),
            ("/etc/cni", None),
            ("/var/lib/kubelet/pods", None),
            ("/run/etc/kubernetes/pki", None),
        ] {
            let found = mounts(path, "");
            assert_eq!(found.first().map(|(certain, _)| *certain), certain, "{path}: {found:?}");
        }
        assert_eq!(
            mounts("/etc", "kubernetes/pki"),
            [(true, "container c mounts /etc/kubernetes/pki".to_owned())]
        );
        assert_eq!(mounts("/etc", "cni"), []);
        // A volume that no container mounts is not read.
        assert_eq!(told(&json!([{"name": "v", "hostPath": {"path": "/etc/kubernetes/pki"}}]), json!({})), []);
    }

    #[test]
    fn what_is_named_is_followed_to_the_node() {
        let host = json!([{"name": "v", "hostPath": {"path": "/"}}, {"name": "s", "secret": {"secretName": "certs"}}]);
        let mounts =
            json!([{"name": "v", "mountPath": "/host/"}, {"name": "s", "mountPath": "/etc/kubernetes/pki"}]);
        let all = told(
            &host,
            json!({"volumeMounts": mounts, "command": ["x", "--cert=/host/etc/kubernetes/pki/a.crt,/host/etc/passwd"],
                "env": [{"name": "A", "value": "/etc/kubernetes/pki/b.crt"}, {"name": "B"}],
                "args": ["https://host/etc/kubernetes/pki", "cat /etc/kubernetes/admin.conf"]}),
        );
        let expected = [
            (true, "container c names /etc/kubernetes/pki/a.crt"),
            (false, "container c mounts /"),
            (false, "container c names /etc/kubernetes/admin.conf, which is in none of its volumes"),
            (
                false,
                "container c names /etc/kubernetes/pki/b.crt, a copy in the Secret certs, which is not renewed here",
            ),
        ];
        assert_eq!(all, expected.map(|(certain, what)| (certain, what.to_owned())));
    }

    #[test]
    fn the_innermost_mount_counts() {
        let volumes =
            json!([{"name": "a", "hostPath": {"path": "/etc/kubernetes"}}, {"name": "b", "emptyDir": {}}]);
        let mounts = json!([{"name": "a", "mountPath": "/k"}, {"name": "b", "mountPath": "/k/pki"}]);
        let all = told(&volumes, json!({"volumeMounts": mounts, "args": ["/k/pki/a.crt", "/k/admin.conf"]}));
        let expected = [
            (true, "container c mounts /etc/kubernetes"),
            (true, "container c names /etc/kubernetes/admin.conf"),
        ];
        assert_eq!(all, expected.map(|(certain, what)| (certain, what.to_owned())));
    }
}
