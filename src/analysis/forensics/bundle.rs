//! What another machine with the CA keys has made for one node: whether it is for this one, and where its files go here.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::Refusal;
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::{Credential, Kubeconfig};
use crate::state::catalog::{self, Ca};
use crate::state::text::some;
use crate::state::{Bytes, Code, Content, Entry, Snapshot};

/// So many fingerprints stand in a message.
const NAMED: usize = 4;

/// Why a bundle that was made for the node `made_for` must not be put on this one. `bundle` is its content, with the
/// cluster's CA; a node that has lost its name or every copy of the CA is not told apart by that.
pub fn refusals(made_for: &str, bundle: &Inventory, node: &Inventory) -> Vec<Refusal> {
    let refusal =
        |code, what: String, hint: &str| Refusal { code, what, hint: hint.to_owned(), partial_helps: false };
    let mut found = Vec::new();
    if let Some(name) = &node.facts.node_name
        && !name.value.eq_ignore_ascii_case(made_for)
    {
        let what = format!(
            "the bundle is for node {made_for}, and this is node {} ({}): its certificates would not be valid here",
            name.value, name.source
        );
        let hint = format!("where the CA's key is: kuberescue bundle create --node {}", name.value);
        found.push(refusal(Code::ArchiveOfAnotherNode, what, &hint));
    }
    let (theirs, ours) = (authorities(bundle), authorities(node));
    let is_known = ours.iter().any(|own| theirs.iter().any(|other| other.spki == own.spki));
    if !ours.is_empty() && !is_known {
        let names = some(ours.iter().map(|own| own.fingerprint().to_string()), NAMED);
        let what = format!(
            "the CA of the bundle has another key than the one that this node trusts (SHA-256 {names}): it is another cluster's, or the CA was replaced"
        );
        let hint = "compare it with ca.crt where the bundle was made: openssl x509 -noout -fingerprint -sha256 -in /etc/kubernetes/pki/ca.crt; if the CA was replaced: --accept ca-replaced";
        found.push(refusal(Code::CaReplaced, what, hint));
    }
    found
}

/// The CAs by which a node knows its cluster: those of `ca.crt`, of the file of which the kubelet accepts clients, and of the
/// kubelet's kubeconfig.
fn authorities(inventory: &Inventory) -> Vec<Certificate> {
    let mut found: Vec<_> =
        inventory.authority(Ca::Cluster).map(|row| row.bundle.clone()).unwrap_or_default();
    let embedded = inventory.kubelet_client.embedded_authority.as_ref();
    found.extend(embedded.and_then(|(_, pem)| Certificate::all_from_pem(pem).ok()).unwrap_or_default());
    found.retain(|one| one.is_ca);
    found
}

/// The content of a bundle as it goes onto a node: a worker's where its kubelet has these files, and with its own kubelet.conf
/// as far as that can stay. What lies there keeps its owner and mode. `now` is the time of the new files: what started before
/// that has not read them.
pub fn placed(bundle: &Snapshot, node: &Snapshot, inventory: &Inventory, now: Timestamp) -> Snapshot {
    let is_of_worker = !Inventory::read(bundle, None).is_control_plane();
    let mut placed = Snapshot::default();
    for (path, entry) in bundle.iter() {
        let path = if is_of_worker { place(path, inventory) } else { path.to_owned() };
        let mut entry = entry.clone();
        let end = match &entry.content {
            Content::Link(target) if is_of_worker => {
                entry.content = Content::Link(place(target, inventory));
                path
            }
            Content::Link(_) => path,
            // Behind a link the file itself is replaced, as everywhere.
            _ => node.resolve(&path).map_or(path, |end| end.path),
        };
        let there = node.get(&end);
        if let Some(there) = there.filter(|there| there.content == entry.content) {
            placed.insert(&end, there.clone());
            continue;
        }
        // Another control-plane node's are those that its own files have; a key that all could read is closed there.
        if let Some(there) = there.filter(|there| is_of_worker && is_file(there) == is_file(&entry)) {
            entry.attributes = there.attributes.clone();
        }
        entry.attributes.mtime = now;
        placed.insert(&end, entry);
    }
    if is_of_worker {
        keep_kubelet_conf(&mut placed, node, inventory, now);
    }
    placed
}

fn is_file(entry: &Entry) -> bool {
    matches!(entry.content, Content::File(_))
}

/// Where a file of kubeadm's layout is on this node, according to its kubelet.
fn place(path: &Path, inventory: &Inventory) -> PathBuf {
    let facts = &inventory.facts;
    if path == Path::new(catalog::CA_FILE) {
        let configured = facts.kubelet_client_ca.as_ref().map(|(file, _)| file.clone());
        return configured.unwrap_or_else(|| path.to_owned());
    }
    if path == Path::new(catalog::KUBELET_CONF) {
        return facts.kubelet_kubeconfig.value.clone();
    }
    path.strip_prefix(catalog::KUBELET_PKI_DIR)
        .map_or_else(|_| path.to_owned(), |name| facts.kubelet_pki_dir.value.join(name))
}

/// The node's own kubelet.conf, with its server, names and comments, in the place of the new one: with the new CA and the
/// kubelet's store as its credential. Where it can't be changed in place the new one stays.
fn keep_kubelet_conf(placed: &mut Snapshot, node: &Snapshot, inventory: &Inventory, now: Timestamp) {
    let conf = &inventory.facts.kubelet_kubeconfig.value;
    let path = node.resolve(conf).map_or_else(|_| conf.clone(), |end| end.path);
    let (Some(old), Some(new)) = (node.file(&path), placed.file(&path).cloned()) else { return };
    let (Ok(old_config), Ok(new_config)) = (Kubeconfig::parse(old), Kubeconfig::parse(&new)) else { return };
    let Some(ca) = new_config.authority_pem() else { return };
    let link = inventory.facts.kubelet_pki_dir.value.join(catalog::KUBELET_CLIENT_LINK);
    let Some(kept) = with_credential(&old_config, old, ca, &link) else { return };
    let Some(entry) = placed.get(&path).cloned() else { return };
    let named = old_config.authority_file.as_deref().filter(|_| old_config.authority_pem().is_none());
    if let Some(file) = named {
        // A relative path is relative to the kubeconfig (client-go, tools/clientcmd ResolveLocalPaths).
        let file = conf.parent().unwrap_or(Path::new("/")).join(file);
        let file = node.resolve(&file).map_or(file, |end| end.path);
        let mut attributes =
            node.get(&file).map_or_else(|| entry.attributes.clone(), |there| there.attributes.clone());
        attributes.mtime = now;
        placed.insert(&file, Entry { content: Content::File(Bytes::from(ca.to_vec())), attributes });
    }
    let new = Entry { content: Content::File(kept), ..entry };
    let unchanged = node.get(&path).filter(|there| there.content == new.content);
    placed.insert(&path, unchanged.cloned().unwrap_or(new));
}

fn with_credential(config: &Kubeconfig, old: &[u8], ca: &[u8], link: &Path) -> Option<Bytes> {
    let link = link.display().to_string();
    let mut bytes = match &config.credential {
        Credential::Embedded(_) => config.refer_to(old, &link).ok()?,
        Credential::Files { certificate, key } if *certificate == link && *key == link => old.to_vec().into(),
        Credential::Files { .. } | Credential::Other(_) => return None,
    };
    if config.authority_pem().is_some_and(|there| **there != *ca) {
        bytes = Kubeconfig::parse(&bytes).ok()?.splice_authority(&bytes, ca).ok()?;
    } else if config.authority_pem().is_none() && config.authority_file.is_none() {
        return None;
    }
    Some(bytes.into())
}

/// The server of the bundle's kubelet.conf, and of the one that stays on the node, where they differ.
pub fn differing_servers(
    bundle: &Snapshot,
    placed: &Snapshot,
    inventory: &Inventory,
) -> Option<(String, String)> {
    let server = |files: &Snapshot, path: &Path| Some(Kubeconfig::parse(files.file(path)?).ok()?.server);
    let conf = &inventory.facts.kubelet_kubeconfig.value;
    let new = server(bundle, Path::new(catalog::KUBELET_CONF))?;
    let path = placed.iter().map(|(path, _)| path).find(|path| path.file_name() == conf.file_name())?;
    let kept = server(placed, path)?;
    (kept != new).then_some((new, kept))
}
