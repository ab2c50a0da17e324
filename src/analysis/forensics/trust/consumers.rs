//! Who uses what: the static pods' flags, the kubelet, users of a kubeconfig.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::build::{Builder, Connected, CopyOf};
use super::flags::{self, FLAGS, Use};
use super::read;
use super::rows::as_ref;
use super::{Edge, Fault, FaultKind, Kind, Place, Relation, State};
use crate::analysis::node::facts::Facts;
use crate::analysis::node::inventory::{Inventory, KubeletForm, Parsed};
use crate::analysis::node::scope::is_credential;
use crate::formats::manifest::{Manifest, sni_pair};

impl<'a> Builder<'a> {
    fn trusted_by(&mut self, found: &[CopyOf], consumer: usize, field: Option<&'static str>) {
        for (id, copy) in found {
            let state = match self.kind(*id) {
                Some(Kind::Ca(anchor)) => anchor.certificates.get(*copy).map(|copy| copy.state),
                _ => None,
            };
            let fault = match state {
                Some(state) if *copy > 0 && state != State::Valid => {
                    let why = match state {
                        State::Expired => "it holds an older certificate of this CA, which has expired",
                        _ => "it holds another certificate of this authority, which is not yet valid",
                    };
                    Some(Fault { kind: FaultKind::OldCopy, why: why.to_owned() })
                }
                _ => None,
            };
            let copy = (*copy > 0).then_some(*copy);
            self.join(Edge { field, copy, fault, ..Edge::new(*id, consumer, Relation::TrustedBy) });
        }
    }

    fn connects(&mut self, path: &Path, consumer: usize) {
        let Connected { leaf: (leaf, field), trusts: (found, authority_field) } = self.connection(path);
        self.join(Edge { field: Some(field), ..Edge::new(leaf, consumer, Relation::PresentedBy) });
        self.trusted_by(&found, consumer, Some(authority_field));
    }

    pub(super) fn take_consumers(&mut self, inventory: &'a Inventory) {
        for (path, pod) in inventory.facts.pods() {
            self.take_pod(path, pod);
        }
        if inventory.has_kubelet() {
            self.take_kubelet(inventory);
        }
        let kubeadms = inventory
            .leaves
            .iter()
            .filter(|leaf| ["admin.conf", "super-admin.conf"].contains(&leaf.spec.name));
        for leaf in kubeadms.filter(|leaf| !leaf.row.certificate.is_missing()) {
            self.take_kubectl(&leaf.row.path, leaf.spec.name);
        }
        for row in &inventory.elsewhere {
            self.take_kubectl(&row.path, &row.name);
        }
    }

    fn take_kubectl(&mut self, path: &Path, field: &str) {
        let consumer = self.consumer(flags::KUBECTL, vec![field.to_owned()], path, path, true);
        self.connects(path, consumer);
    }

    fn take_pod(&mut self, manifest: &Path, pod: &Manifest) {
        let known: Vec<_> = FLAGS.iter().filter(|flag| flag.component == pod.name).collect();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for flag in known {
            done.insert(flag.name);
            if let Use::Present(key) | Use::Issue(key) = flag.does {
                done.insert(key);
            }
            if let Some(value) = pod.flag(flag.name) {
                self.take_flag(manifest, pod, flag.name, value, flag.does);
            }
        }
        // Unknown flags and unknown pods: recognised by the files that they name.
        for (name, value) in &pod.flags {
            if !done.contains(name.as_str()) && is_credential(Path::new(value)) {
                let does = self.guess(&pod.host(value));
                self.take_flag(manifest, pod, name, value, does);
            }
        }
        let named: BTreeSet<_> = pod.paths().collect();
        for path in pod.host_paths.iter().filter(|path| is_credential(path) && !named.contains(*path)) {
            self.take_volume(manifest, pod, path);
        }
    }

    pub(super) fn guess(&self, path: &Path) -> Use {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("conf" | "kubeconfig") => Use::Kubeconfig,
            Some("key" | "pub") => Use::Key,
            _ => match read::parse(self.snapshot, path, read::chain) {
                Parsed::Present((first, _)) if first.is_ca => Use::Trust,
                _ => Use::Present(""),
            },
        }
    }

    fn take_flag(&mut self, manifest: &Path, pod: &Manifest, name: &str, value: &str, does: Use) {
        // Go reads an empty value as none.
        let host = |value: &str| (!value.is_empty()).then(|| pod.host(value));
        let (path, key_path) = match does {
            Use::PresentBoth => {
                let (certificate, key) = sni_pair(value).unwrap_or((value, ""));
                (host(certificate), host(key))
            }
            Use::Present(key) | Use::Issue(key) => (host(value), pod.flag(key).and_then(host)),
            _ => (host(value), None),
        };
        let Some(path) = path else { return };
        let mut fields = vec![format!("--{name}")];
        if let Use::Present(key) = does
            && key_path.is_some()
        {
            fields.push(format!("--{key}"));
        }
        let consumer = self.consumer(&pod.name, fields, manifest, &path, does == Use::Kubeconfig);
        match does {
            Use::Present(_) | Use::PresentBoth => {
                let leaf = self.presented_file(&path, key_path.as_deref());
                self.join(Edge::new(leaf, consumer, Relation::PresentedBy));
            }
            Use::Trust => {
                let found = self.trusted_file(&path);
                self.trusted_by(&found, consumer, None);
            }
            Use::Issue(key_flag) => {
                let found = self.trusted_file(&path);
                if let Some((id, _)) = found.first() {
                    self.join(Edge::new(*id, consumer, Relation::UsedBy));
                    if let Some(key_path) = key_path {
                        let key = read::parse(self.snapshot, &key_path, read::private_key);
                        let name = key_path.display().to_string();
                        let key = self.private_key(&name, &key, Place::file(&key_path));
                        // The flag means that it must exist here; kubeadm leaves it empty otherwise.
                        self.pair(key, *id, false);
                        let fields = vec![format!("--{key_flag}")];
                        let consumer = self.consumer(&pod.name, fields, manifest, &key_path, false);
                        self.join(Edge::new(key, consumer, Relation::UsedBy));
                    }
                }
            }
            Use::Key => {
                let key = self.key_file(&path);
                self.join(Edge::new(key, consumer, Relation::UsedBy));
            }
            Use::Secret => {
                let secret = self.secret_file(&path);
                self.join(Edge::new(secret, consumer, Relation::UsedBy));
            }
            Use::Kubeconfig => self.connects(&path, consumer),
        }
    }

    /// A file that a pod mounts by itself, and that none of its flags names: an add-on such as kube-vip reads its
    /// kubeconfig so.
    fn take_volume(&mut self, manifest: &Path, pod: &Manifest, path: &Path) {
        let does = self.guess(path);
        // Many programs call their configuration .conf.
        let is_one = match does {
            Use::Kubeconfig => matches!(read::kubeconfig(self.snapshot, path), Parsed::Present(_)),
            _ => self.snapshot.file(path).is_some(),
        };
        if !is_one {
            return;
        }
        let field = vec!["hostPath".to_owned()];
        let consumer = self.consumer(&pod.name, field, manifest, path, does == Use::Kubeconfig);
        match does {
            Use::Kubeconfig => self.connects(path, consumer),
            Use::Trust => {
                let found = self.trusted_file(path);
                self.trusted_by(&found, consumer, None);
            }
            Use::Key => {
                let key = self.key_file(path);
                self.join(Edge::new(key, consumer, Relation::UsedBy));
            }
            _ => {
                let leaf = self.presented_file(path, None);
                self.join(Edge::new(leaf, consumer, Relation::PresentedBy));
            }
        }
    }

    fn take_kubelet(&mut self, inventory: &'a Inventory) {
        let facts = &inventory.facts;
        let config = &facts.kubelet_kubeconfig.value;
        let field = |name: &str| vec![name.to_owned()];
        let consumer = self.consumer(flags::KUBELET, field(flags::KUBELET_KUBECONFIG), config, config, true);
        match inventory.kubelet_form {
            KubeletForm::NoKubeconfig => {
                let row = &inventory.kubelet_client;
                let leaf = self.leaf(&row.name, None, as_ref(&row.certificate), Place::file(&row.path));
                self.join(Edge::new(leaf, consumer, Relation::PresentedBy));
            }
            _ => self.connects(config, consumer),
        }
        if let Some((path, source)) = &facts.kubelet_client_ca {
            let consumer =
                self.consumer(flags::KUBELET, field(flags::KUBELET_CLIENT_CA), source, path, false);
            let found = self.trusted_file(path);
            self.trusted_by(&found, consumer, None);
        }
        let serving = &inventory.kubelet_serving;
        if !serving.certificate.is_missing() || !serving.key.is_missing() {
            let source = serving_source(facts);
            let consumer =
                self.consumer(flags::KUBELET, field(flags::KUBELET_SERVING), &source, &serving.path, false);
            let leaf =
                self.leaf(&serving.name, None, as_ref(&serving.certificate), Place::file(&serving.path));
            self.join(Edge::new(leaf, consumer, Relation::PresentedBy));
        }
    }
}

/// The file that configures the kubelet's serving certificate.
fn serving_source(facts: &Facts) -> PathBuf {
    match &facts.kubelet_serving {
        Some(_) => facts.kubelet_config.value.clone(),
        None => facts.kubelet_pki_dir.value.clone(),
    }
}
