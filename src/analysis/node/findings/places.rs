//! Who can read private keys, and stray copies of keys.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{Code, Evidence, Finding, Severity};
use crate::analysis::node::host_state::HostState;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::{readers, scope};
use crate::formats::key::{KeyError, PrivateKey, public_key_bits};
use crate::formats::kubeconfig::{Credential, Kubeconfig};
use crate::state::Subject;
use crate::state::catalog;
use crate::state::path::tidied;
use crate::state::{Content, Entry, Snapshot, Unread};

/// All permission bits of group and others.
const OTHERS: u32 = 0o077;

/// More findings of one kind than this in one directory become one.
const MANY: usize = 10;

pub(super) fn find(snapshot: &Snapshot, inventory: &Inventory, around: &HostState) -> Vec<Finding> {
    let mut found = unread(snapshot);
    found.extend(by_directory(
        snapshot.iter().filter_map(|(path, entry)| exposed(path, entry, snapshot, inventory)).collect(),
    ));
    let places = Places::of(snapshot, inventory);
    let copies = snapshot.iter().filter(|(path, _)| places.has_copy(path));
    found.extend(copies.filter_map(|(path, entry)| stray(path, entry, inventory)));
    found.extend(around.strays.iter().filter_map(|(path, entry)| stray(path, entry, inventory)));
    found
}

/// The directories that were not read to their end. What is referred to is read before them.
fn unread(snapshot: &Snapshot) -> Vec<Finding> {
    let mut directories: BTreeMap<&Path, &Unread> = BTreeMap::new();
    for (path, why) in snapshot.unread() {
        match why {
            Unread::TooMany(_) => directories.insert(path, why),
            Unread::NoRoom(_) => directories.insert(path.parent().unwrap_or(path), why),
            _ => None,
        };
    }
    let finding = |(path, why): (&Path, &Unread)| {
        let limit = match why {
            Unread::TooMany(limit) => format!("{limit} entries"),
            Unread::NoRoom(limit) => format!("{} MiB for all files", limit >> 20),
            _ => return None,
        };
        let what = format!("not read to its end: the limit of {limit} was reached");
        let subject = Subject::Path(path.to_path_buf());
        Some(Finding::new(Code::NotReadToEnd, Severity::Warning, subject, path, what))
    };
    directories.into_iter().filter_map(finding).collect()
}

/// One finding for a directory of which there are many.
fn by_directory(found: Vec<Finding>) -> Vec<Finding> {
    let mut directories: BTreeMap<PathBuf, Vec<Finding>> = BTreeMap::new();
    for finding in found {
        let directory = finding.path.parent().unwrap_or(Path::new("/")).to_owned();
        directories.entry(directory).or_default().push(finding);
    }
    let together = |(directory, mut found): (PathBuf, Vec<Finding>)| {
        if found.len() <= MANY {
            return found;
        }
        let count = found.len();
        found.truncate(1);
        for finding in &mut found {
            finding.what =
                format!("{}; so do {} other files in {}", finding.what, count - 1, directory.display());
        }
        found
    };
    directories.into_iter().flat_map(together).collect()
}

/// The keys of CAs on a node that needs none of them.
pub(super) fn authority_keys(inventory: &Inventory) -> Vec<Finding> {
    let there = inventory.authorities.iter().filter(|row| !row.key.is_missing());
    there
        .map(|row| {
            let what = format!(
                "the key of CA {} is on a worker, which needs only its certificate",
                row.authority.name()
            );
            let subject = row.authority.name();
            Finding::new(Code::CaKeyOnWorker, Severity::Warning, subject, &row.key_path, what)
        })
        .collect()
}

fn exposed(path: &Path, entry: &Entry, snapshot: &Snapshot, inventory: &Inventory) -> Option<Finding> {
    let mode = entry.attributes.mode;
    if mode & OTHERS == 0 || secret(entry).is_none() {
        return None;
    }
    let kept = mode & (readers::mask(snapshot, inventory, path, &entry.attributes) | !0o777);
    if kept == mode {
        return None;
    }
    let what = format!("contains a private key, and its mode {mode:04o} allows access by {}", whom(mode));
    let subject = Subject::Path(path.to_path_buf());
    let mut finding = Finding::new(Code::KeyExposed, Severity::Warning, subject, path, what);
    finding.remedy.reason = finding.remedy.reason.replace("chmod 600", &format!("chmod {kept:o}"));
    finding.evidence.push(Evidence::field(path, "mode", format!("{mode:04o}")));
    Some(finding)
}

fn whom(mode: u32) -> &'static str {
    if mode & 0o007 == 0 { "its group" } else { "everyone" }
}

/// Where the node's credentials are.
struct Places {
    /// Where kubeadm and the kubelet keep them.
    kubeadm: BTreeSet<OsString>,
    /// What these files are called.
    names: BTreeSet<OsString>,
    /// What manifests, kubeconfigs and the kubelet name.
    referred: BTreeSet<OsString>,
}

impl Places {
    fn of(snapshot: &Snapshot, inventory: &Inventory) -> Self {
        let facts = &inventory.facts;
        let kubeadm = scope::credentials(facts);
        let names = kubeadm.iter().filter_map(|path| path.file_name()).map(OsStr::to_owned).collect();
        let pods = facts.manifests.iter().filter_map(|file| file.pod.as_ref().ok());
        let referred = scope::referred(snapshot, facts).into_iter().chain(pods.flat_map(|pod| pod.paths()));
        Self {
            kubeadm: kubeadm.into_iter().map(|path| tidied(path).into()).collect(),
            names,
            referred: referred.map(|path| tidied(path).into()).collect(),
        }
    }

    /// Whether a path is that of a copy beside one of kubeadm's files: `/etc/kubernetes/pki-old/ca.key`,
    /// `admin.conf.bak`.
    fn has_copy(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let mut names = self.names.iter();
        path.starts_with(catalog::KUBERNETES_DIR)
            && names.any(|known| name.starts_with(known.as_encoded_bytes()))
            && !self.kubeadm.contains(path.as_os_str())
            && !self.referred.contains(path.as_os_str())
    }
}

fn stray(path: &Path, entry: &Entry, inventory: &Inventory) -> Option<Finding> {
    let secret = secret(entry)?;
    let whose = match &secret {
        Secret::Key(key) => owner(key, inventory).unwrap_or_else(|| "a private key".to_owned()),
        Secret::Kubeconfig(user) => format!("a kubeconfig with the key of {user}"),
    };
    let mode = entry.attributes.mode;
    let open = if mode & OTHERS == 0 {
        String::new()
    } else {
        format!(", and its mode {mode:04o} allows access by {}", whom(mode))
    };
    let what = format!("{whose}, not where kubeadm keeps it{open}");
    let subject = Subject::Path(path.to_path_buf());
    let mut finding = Finding::new(Code::StrayPrivateKey, Severity::Warning, subject, path, what);
    finding.evidence.push(Evidence::field(path, "mode", format!("{mode:04o}")));
    Some(finding)
}

enum Secret {
    Key(Box<PrivateKey>),
    Kubeconfig(String),
}

/// Whether a file holds a private key.
pub fn is_secret(entry: &Entry) -> bool {
    secret(entry).is_some()
}

fn secret(entry: &Entry) -> Option<Secret> {
    let Content::File(bytes) = &entry.content else { return None };
    // Not kept: a hostile directory has any number of files.
    match PrivateKey::from_pem(bytes) {
        Ok(key) => return Some(Secret::Key(Box::new(key))),
        // Not in PEM; what follows is in YAML.
        Err(KeyError::Pem(_)) => {}
        Err(_) => return None,
    }
    // Parsing YAML is slow: only if it looks like a kubeconfig.
    memchr::memmem::find(bytes, b"client-key-data")?;
    let config = Kubeconfig::parse(bytes).ok()?;
    matches!(config.credential, Credential::Embedded(_)).then_some(Secret::Kubeconfig(config.user))
}

/// The owner of a key, if it is known on this node.
fn owner(key: &PrivateKey, inventory: &Inventory) -> Option<String> {
    let bits = public_key_bits(key.spki()).ok()?;
    let is = |spki: &[u8]| public_key_bits(spki).is_ok_and(|other| other == bits);
    let authority =
        inventory.authorities.iter().find(|row| row.certificate.get().is_some_and(|ca| is(&ca.spki)));
    if let Some(row) = authority {
        return Some(format!("the key of the CA {}", row.authority.name()));
    }
    if inventory.service_account.key.get().is_some_and(|own| is(own.spki())) {
        return Some("the key of the service accounts (sa.key)".to_owned());
    }
    let row = inventory.rows().find(|row| row.certificate.get().is_some_and(|leaf| is(&leaf.spki)))?;
    Some(format!("the key of {}", row.name))
}
