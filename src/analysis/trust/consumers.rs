//! Who uses what: the rows of the inventory, the static pods' flags, the kubelet, people with a kubeconfig, and what
//! lies in the PKI directory without a user.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::build::{Builder, Connected, CopyOf};
use super::flags::{self, FLAGS, Use};
use super::read::{self, BY_PATH, EMBEDDED, EMBEDDED_AUTHORITY};
use super::{Edge, Fault, FaultKind, Kind, Place, Relation, State};
use crate::analysis::facts::{Facts, ManifestFile};
use crate::analysis::inventory::{Inventory, Item, KubeletForm, Row};
use crate::analysis::scope::{self, is_credential};
use crate::formats::kubeconfig::KubeconfigError;
use crate::formats::kubelet::{KubeletConfiguration, flags_in_assignments};
use crate::formats::manifest::Manifest;
use crate::state::catalog::{self, Authority, Place as SlotPlace};

/// The configuration of every kubelet that kubeadm set up.
const KUBELET_CONFIGURATION: &str = "/var/lib/kubelet/config.yaml";

fn as_ref<T: Clone>(item: &Item<T>) -> Item<Cow<'_, T>> {
    match item {
        Item::Missing => Item::Missing,
        Item::Unreadable(why) => Item::Unreadable(why.clone()),
        Item::Present(item) => Item::Present(Cow::Borrowed(item)),
    }
}

impl<'a> Builder<'a> {
    /// What kubeadm and the kubelet keep.
    pub(super) fn take_inventory(&mut self, inventory: &'a Inventory) {
        for row in &inventory.authorities {
            let (name, place) = (row.authority.name(), Place::file(&row.certificate_path));
            let id = match &row.certificate {
                Item::Present(certificate) => {
                    self.authority(Some(name), Some(name), Cow::Borrowed(certificate), place.clone()).0
                }
                other => self.lost_authority(name, Some(name), other.reason(), place.clone()),
            };
            // Whatever else the file holds while authorities are being changed.
            self.trusted_file(&row.certificate_path);
            if row.certificate.get().is_some() || !row.key.is_missing() {
                let key = self.private_key(name, &row.key, Place::file(&row.key_path));
                self.pair(key, id, row.is_external());
            }
        }
        self.take_service_account(inventory);
        for leaf in &inventory.leafs {
            if !(leaf.slot.optional && leaf.row.certificate.is_missing()) {
                let embedded = matches!(leaf.slot.place, SlotPlace::Kubeconfig(_));
                let id = self.row(&leaf.row, Some(leaf.slot.name), embedded);
                self.expect(inventory, id, leaf.slot.authority);
            }
        }
        if inventory.has_kubelet() {
            let embedded = inventory.kubelet_form == KubeletForm::Embedded;
            let id = self.row(&inventory.kubelet_client, Some(catalog::KUBELET_CLIENT), embedded);
            self.expect(inventory, id, Authority::Cluster);
            let serving = &inventory.kubelet_serving;
            if !serving.certificate.is_missing() || !serving.key.is_missing() {
                // Behind a serving certificate that the kubelet made for itself stands its throw-away authority.
                if let Item::Present((_, rest)) = read::parse(self.snapshot, &serving.path, read::chain) {
                    self.bundle(rest, &Place::file(&serving.path));
                }
                self.row(serving, Some(catalog::KUBELET_SERVING), false);
            }
        }
        for row in &inventory.elsewhere {
            self.row(row, None, true);
        }
    }

    fn take_service_account(&mut self, inventory: &Inventory) {
        let pair = &inventory.service_account;
        let there = !pair.key.is_missing() || matches!(pair.public, Item::Present(_));
        if !there {
            return;
        }
        let key = self.private_key("sa", &pair.key, Place::file(&pair.key_path));
        let Item::Present(spki) = &pair.public else { return };
        let public = self.public_key("sa", spki, Place::file(&pair.public_path));
        if let Some(public) = public.filter(|public| *public != key)
            && pair.key.get().is_some()
        {
            let why = format!(
                "{} is the public half of another key than {}",
                pair.public_path.display(),
                pair.key_path.display()
            );
            let fault = Some(Fault { kind: FaultKind::PublicHalfOfAnother, why });
            self.join(Edge { fault, ..Edge::new(key, public, Relation::CheckedWith) });
        }
    }

    /// A row of the inventory, with its key and, of a kubeconfig, whom it trusts.
    fn row(&mut self, row: &'a Row, role: Option<&'static str>, kubeconfig: bool) -> usize {
        let by_path =
            matches!(&row.fixed, Some(KubeconfigError::NotEmbedded { uses, .. }) if uses == "files");
        let field = if by_path { BY_PATH } else { EMBEDDED };
        let place = |path| if kubeconfig { Place::field(path, field) } else { Place::file(path) };
        let leaf = self.leaf(&row.name, role, as_ref(&row.certificate), place(&row.path));
        let nothing = row.certificate.is_missing() && row.key.is_missing();
        let same_file = kubeconfig && !matches!(row.key, Item::Present(_));
        if !nothing && !same_file {
            let key_place = if kubeconfig {
                Place::field(&row.path, if by_path { "client-key" } else { "client-key-data" })
            } else {
                Place::file(&row.key_path)
            };
            let key = self.private_key(&row.name, &row.key, key_place);
            self.pair(key, leaf, false);
        }
        let config =
            if kubeconfig { Some(&row.path) } else { row.embedded_authority.as_ref().map(|own| &own.0) };
        if let Some(config) = config {
            let trusts = match &row.embedded_authority {
                Some((path, pem)) => {
                    let place = Place::field(path, EMBEDDED_AUTHORITY);
                    (self.embedded_bundle(pem, &place), EMBEDDED_AUTHORITY)
                }
                None => self.trusts_of(config),
            };
            self.connections.insert(config.clone(), Connected { leaf: (leaf, field), trusts });
        }
        leaf
    }

    /// Whom a kubeconfig without readable embedded certificates trusts.
    fn trusts_of(&mut self, config: &Path) -> (Vec<CopyOf>, &'static str) {
        let Item::Present(connection) = read::kubeconfig(self.snapshot, config) else {
            return (Vec::new(), EMBEDDED_AUTHORITY);
        };
        let Some((authorities, field)) = connection.authorities else {
            return (Vec::new(), EMBEDDED_AUTHORITY);
        };
        let place = Place::field(config, field);
        let found = match authorities {
            Item::Present(certificates) => self.bundle(certificates, &place),
            other => vec![(self.lost_authority(&place.to_string(), None, other.reason(), place), 0)],
        };
        (found, field)
    }

    fn expect(&mut self, inventory: &Inventory, leaf: usize, authority: Authority) {
        if let Some(row) = inventory.authority(authority)
            && row.certificate.get().is_some()
        {
            self.expected.push((leaf, authority.name(), row.certificate_path.clone()));
        }
    }

    /// The kubeconfig at a path, whoever names it.
    fn connection(&mut self, path: &Path) -> Connected {
        if let Some(known) = self.connections.get(path) {
            return known.clone();
        }
        let name = path.display().to_string();
        let connection = match read::kubeconfig(self.snapshot, path) {
            Item::Present(connection) => connection,
            other => {
                let certificate = match other {
                    Item::Unreadable(why) => Item::Unreadable(why),
                    _ => Item::Missing,
                };
                let leaf = self.leaf(&name, None, certificate, Place::field(path, EMBEDDED));
                let found = Connected { leaf: (leaf, EMBEDDED), trusts: (Vec::new(), EMBEDDED_AUTHORITY) };
                self.connections.insert(path.to_owned(), found.clone());
                return found;
            }
        };
        let (certificate, field) = connection.certificate;
        let certificate = match certificate {
            Item::Present(certificate) => Item::Present(Cow::Owned(certificate)),
            Item::Unreadable(why) => Item::Unreadable(why),
            Item::Missing => Item::Missing,
        };
        let leaf = self.leaf(&name, None, certificate, Place::field(path, field));
        if connection.key.get().is_some() {
            let key = self.private_key(&name, &connection.key, Place::field(path, "client-key-data"));
            self.pair(key, leaf, false);
        }
        let found = Connected { leaf: (leaf, field), trusts: self.trusts_of(path) };
        self.connections.insert(path.to_owned(), found.clone());
        found
    }

    /// The authorities in the file at a path.
    pub(super) fn trusted_file(&mut self, path: &Path) -> Vec<CopyOf> {
        if let Some(known) = self.bundles.get(path) {
            return known.clone();
        }
        let place = Place::file(path);
        let found = match read::parse(self.snapshot, path, read::bundle) {
            Item::Present(certificates) => self.bundle(certificates, &place),
            other => {
                vec![(self.lost_authority(&path.display().to_string(), None, other.reason(), place), 0)]
            }
        };
        self.bundles.insert(path.to_owned(), found.clone());
        found
    }

    /// The certificate that stands first in the file at a path, with its key.
    fn presented_file(&mut self, path: &Path, key_path: Option<&Path>) -> usize {
        let name = path.display().to_string();
        let certificate = match read::parse(self.snapshot, path, read::chain) {
            Item::Present((first, rest)) => {
                self.bundle(rest, &Place::file(path));
                Item::Present(Cow::Owned(first))
            }
            Item::Unreadable(why) => Item::Unreadable(why),
            Item::Missing => Item::Missing,
        };
        let leaf = self.leaf(&name, None, certificate, Place::file(path));
        if let Some(key_path) = key_path {
            let key = read::parse(self.snapshot, key_path, read::private_key);
            let key = self.private_key(&key_path.display().to_string(), &key, Place::file(key_path));
            self.pair(key, leaf, false);
        }
        leaf
    }

    /// The key at a path, or the public half of one.
    fn key_file(&mut self, path: &Path) -> usize {
        let (name, place) = (path.display().to_string(), Place::file(path));
        let private = read::parse(self.snapshot, path, read::private_key);
        if private.get().is_none()
            && let Item::Present(spki) = read::parse(self.snapshot, path, read::any_public_key)
            && let Some(id) = self.public_key(&name, &spki, place.clone())
        {
            return id;
        }
        self.private_key(&name, &private, place)
    }

    fn trusted_by(&mut self, found: &[CopyOf], consumer: usize, field: Option<&'static str>) {
        for (id, copy) in found {
            let state = match self.kind(*id) {
                Some(Kind::Authority(anchor)) => anchor.certificates.get(*copy).map(|copy| copy.state),
                _ => None,
            };
            let fault = match state {
                Some(state) if *copy > 0 && state != State::Valid => {
                    let why = match state {
                        State::Ended => "it holds an older certificate of this authority, which has ended",
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

    /// Everyone who uses something.
    pub(super) fn take_consumers(&mut self, inventory: &'a Inventory) {
        for file in &inventory.facts.manifests {
            if let ManifestFile { path, pod: Ok(pod) } = file {
                self.take_pod(path, pod);
            }
        }
        if inventory.has_kubelet() {
            self.take_kubelet(inventory);
        }
        let kubeadms = inventory
            .leafs
            .iter()
            .filter(|leaf| ["admin.conf", "super-admin.conf"].contains(&leaf.slot.name));
        for leaf in kubeadms.filter(|leaf| !leaf.row.certificate.is_missing()) {
            self.take_kubectl(&leaf.row.path, leaf.slot.name);
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
        // Flags that this tool has never heard of, of pods that it doesn't know: told by what they name.
        for (name, value) in &pod.flags {
            if !done.contains(name.as_str()) && is_credential(Path::new(value)) {
                let does = self.guess(Path::new(value));
                self.take_flag(manifest, pod, name, value, does);
            }
        }
    }

    fn guess(&self, path: &Path) -> Use {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("conf" | "kubeconfig") => Use::Kubeconfig,
            Some("key" | "pub") => Use::Key,
            _ => match read::parse(self.snapshot, path, read::chain) {
                Item::Present((first, _)) if first.is_ca => Use::Trust,
                _ => Use::Present(""),
            },
        }
    }

    fn take_flag(&mut self, manifest: &Path, pod: &Manifest, name: &str, value: &str, does: Use) {
        let (path, key_path) = match does {
            Use::PresentBoth => {
                let pair = value.split_once(':').map_or(value, |(pair, _)| pair);
                let (certificate, key) = pair.split_once(',').unwrap_or((pair, ""));
                (PathBuf::from(certificate), Some(PathBuf::from(key)))
            }
            Use::Present(key) | Use::Issue(key) => (PathBuf::from(value), pod.flag(key).map(PathBuf::from)),
            _ => (PathBuf::from(value), None),
        };
        if !path.is_absolute() {
            return;
        }
        let key_path = key_path.filter(|path| path.is_absolute());
        let mut fields = vec![format!("--{name}")];
        if let Use::Present(key) | Use::Issue(key) = does
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
            Use::Issue(_) => {
                let found = self.trusted_file(&path);
                if let Some((id, _)) = found.first() {
                    self.join(Edge::new(*id, consumer, Relation::UsedBy));
                    if let Some(key_path) = key_path {
                        let key = read::parse(self.snapshot, &key_path, read::private_key);
                        let name = key_path.display().to_string();
                        let key = self.private_key(&name, &key, Place::file(&key_path));
                        // The flag says that it must be here; kubeadm leaves it empty where it needn't.
                        self.pair(key, *id, false);
                        self.join(Edge::new(key, consumer, Relation::UsedBy));
                    }
                }
            }
            Use::Key => {
                let key = self.key_file(&path);
                self.join(Edge::new(key, consumer, Relation::UsedBy));
            }
            Use::Kubeconfig => self.connects(&path, consumer),
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
        if let Some((path, source)) = self.kubelet_client_ca() {
            let consumer =
                self.consumer(flags::KUBELET, field(flags::KUBELET_CLIENT_CA), &source, &path, false);
            let found = self.trusted_file(&path);
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

    /// Whom the kubelet accepts, and the file that says so; a flag wins over the configuration.
    fn kubelet_client_ca(&self) -> Option<(PathBuf, PathBuf)> {
        for file in
            scope::FILES.iter().map(Path::new).filter(|path| *path != Path::new(KUBELET_CONFIGURATION))
        {
            if file.to_string_lossy().contains("kubelet")
                && let Some(bytes) = self.snapshot.file(file)
                && let Some(path) = flags_in_assignments(bytes).remove("client-ca-file")
            {
                return Some((PathBuf::from(path), file.to_owned()));
            }
        }
        let source = Path::new(KUBELET_CONFIGURATION);
        let configuration = KubeletConfiguration::parse(self.snapshot.file(source)?).ok()?;
        Some((configuration.client_ca_file()?.clone(), source.to_owned()))
    }

    /// What lies in the PKI directory and nothing has spoken of yet.
    pub(super) fn take_the_rest_of(&mut self, pki: &Path) {
        let Ok(resolved) = self.snapshot.resolve(pki) else { return };
        let snapshot = self.snapshot;
        for (at, _) in snapshot.iter().filter(|(path, _)| path.starts_with(&resolved.path)) {
            let path = pki.join(at.strip_prefix(&resolved.path).unwrap_or(at));
            if self.seen.contains(&path) || !is_credential(&path) {
                continue;
            }
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("key" | "pub") => {
                    self.key_file(&path);
                }
                Some("conf" | "kubeconfig") => {}
                _ => match self.guess(&path) {
                    Use::Trust => {
                        self.trusted_file(&path);
                    }
                    _ => {
                        self.presented_file(&path, None);
                    }
                },
            }
        }
    }

    /// Keys that were found by themselves: whose are they? And those that lie beside what isn't theirs.
    pub(super) fn pair_lone_keys(&mut self) {
        let mut owners = HashMap::new();
        for node in &self.nodes {
            let (public, name) = match &node.kind {
                Kind::Certificate(leaf) => (leaf.public_sha256, &leaf.name),
                Kind::Authority(anchor) => (anchor.public_sha256, &anchor.name),
                Kind::Key(_) | Kind::Consumer(_) => continue,
            };
            if let Some(public) = public {
                owners.entry(public).or_insert_with(|| (node.id, name.clone()));
            }
        }
        let mut paired: BTreeSet<usize> = BTreeSet::new();
        let nodes = &self.nodes;
        for edge in self.edges.iter_mut().filter(|edge| edge.relation == Relation::KeyOf) {
            let Some(Fault { kind: FaultKind::KeyOfAnother, why }) = &mut edge.fault else {
                paired.insert(edge.from);
                continue;
            };
            if let Some(Kind::Key(key)) = nodes.get(edge.from).map(|node| &node.kind)
                && let Some((_, name)) = key.public_sha256.and_then(|public| owners.get(&public))
            {
                let at = key.places.first().map(ToString::to_string).unwrap_or_default();
                *why = format!("the key {at} is that of {name}");
            }
        }
        for id in 0..self.nodes.len() {
            if let Some(Kind::Key(key)) = self.kind(id)
                && !key.places.is_empty()
                && !paired.contains(&id)
                && let Some((owner, _)) = key.public_sha256.and_then(|public| owners.get(&public))
            {
                self.join(Edge::new(id, *owner, Relation::KeyOf));
            }
        }
    }
}

/// Where it stands which serving certificate the kubelet uses.
fn serving_source(facts: &Facts) -> PathBuf {
    match &facts.kubelet_serving {
        Some(_) => PathBuf::from(KUBELET_CONFIGURATION),
        None => facts.kubelet_pki_dir.value.clone(),
    }
}
