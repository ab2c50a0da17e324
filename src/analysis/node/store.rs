//! A store of the kubelet's, as client-go keeps it (`util/certificate/certificate_store.go`): `PREFIX-current.pem` is a link to
//! a dated file, and `PREFIX-updated.pem` is the next link, there only between two steps of a rotation.
//!
//! Where `-current` leads nowhere, a kubelet that starts renames `-updated` to it, and exits if that is a file. It exits too if
//! it can't load what `-current` leads to. Either of the two as a file keeps it from storing the next certificate.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::inventory::Inventory;
use crate::formats::certificate::{Certificate, ChainError};
use crate::formats::key::PrivateKey;
use crate::state::catalog::{self, Ca};
use crate::state::{Bytes, Content, Snapshot};

/// What is at `PREFIX-current.pem`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Current {
    Missing,
    /// A link to something that is there.
    Link,
    /// A link that leads nowhere, and its target.
    Dangling(PathBuf),
    /// Something else than a link.
    File,
}

/// A certificate in the store, with its key.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The file; free of links but for those on the way to its directory.
    pub path: PathBuf,
    pub certificate: Certificate,
}

pub struct Store<'a> {
    snapshot: &'a Snapshot,
    inventory: &'a Inventory,
    /// kubelet-client or kubelet-server.
    pub prefix: &'static str,
    /// `PREFIX-current.pem`.
    pub link: PathBuf,
    /// `PREFIX-updated.pem`.
    pub updated: PathBuf,
}

impl<'a> Store<'a> {
    /// Where the kubelet keeps its client certificate, or its serving certificate if the cluster signs that.
    pub fn of(snapshot: &'a Snapshot, inventory: &'a Inventory, name: &str) -> Self {
        let (row, prefix, link) = if name == catalog::KUBELET_SERVING {
            (&inventory.kubelet_serving, "kubelet-server", catalog::KUBELET_SERVING_LINK)
        } else {
            (&inventory.kubelet_client, "kubelet-client", catalog::KUBELET_CLIENT_LINK)
        };
        let named = row.path.parent().filter(|_| row.path.ends_with(link));
        let directory = named.unwrap_or(&inventory.facts.kubelet_pki_dir.value);
        let (link, updated) = (directory.join(link), directory.join(format!("{prefix}-updated.pem")));
        Self { snapshot, inventory, prefix, link, updated }
    }

    pub fn current(&self) -> Current {
        match self.snapshot.entry_itself(&self.link).map(|entry| &entry.content) {
            None => Current::Missing,
            Some(Content::Link(_)) if self.leads_somewhere(&self.link) => Current::Link,
            Some(Content::Link(target)) => Current::Dangling(target.clone()),
            Some(_) => Current::File,
        }
    }

    /// Whether `-updated` is there, and whether it is a link.
    pub fn updated(&self) -> Option<bool> {
        let entry = self.snapshot.entry_itself(&self.updated)?;
        Some(matches!(entry.content, Content::Link(_)))
    }

    /// Whether a kubelet that starts makes `-updated` its `-current`, and can go on with that.
    pub fn is_promoted_and_works(&self, now: Timestamp) -> bool {
        let works = |bytes: &Bytes| {
            let certificate = Certificate::of(bytes).ok().filter(|found| !found.expired_at(now));
            certificate.zip(PrivateKey::of(bytes).ok()).is_some_and(|(found, key)| found.is_of(key))
        };
        matches!(self.current(), Current::Missing | Current::Dangling(_))
            && self.updated() == Some(true)
            && self.snapshot.file(&self.updated).is_some_and(works)
    }

    fn leads_somewhere(&self, path: &Path) -> bool {
        self.snapshot.target(path).is_some()
    }

    /// Whether the link leads to this file.
    pub fn leads_to(&self, path: &Path) -> bool {
        let real = |path| self.snapshot.real_path(path).ok();
        self.current() == Current::Link && real(&self.link) == real(path)
    }

    /// Why the kubelet can't use what it loads from here at `now`; `None` where it can, or finds nothing or something that has
    /// expired, and goes on with its kubeconfig.
    pub fn trouble(&self, now: Timestamp) -> Option<String> {
        if matches!(self.current(), Current::Missing | Current::Dangling(_)) {
            return None;
        }
        let Some(bytes) = self.snapshot.file(&self.link) else {
            return Some("it cannot be read".to_owned());
        };
        let certificate = match Certificate::of(bytes) {
            Ok(certificate) => certificate,
            Err(error) => return Some(error.to_string()),
        };
        match PrivateKey::of(bytes) {
            Ok(key) if certificate.is_of(key) => {}
            Ok(_) => return Some("its key does not match its certificate".to_owned()),
            Err(error) => return Some(error.to_string()),
        }
        if certificate.expired_at(now) {
            return None;
        }
        let authority = self.inventory.authority(Ca::Cluster).and_then(|row| row.certificate.get());
        let chain = authority.map(|authority| certificate.signed_by(authority));
        if let Some(Err(error)) = chain
            && !matches!(error, ChainError::Unsupported(_))
        {
            return Some(error.to_string());
        }
        let node = &self.inventory.facts.node_name.as_ref()?.value;
        let is_ours = certificate.common_name().eq_ignore_ascii_case(&format!("system:node:{node}"));
        (!is_ours).then(|| format!("its subject is {}, but this node is {node}", certificate.subject))
    }

    /// The certificate that is valid for the longest time of those which the kubelet could use: of this node's name, signed
    /// by its CA, valid at `now`, with its key. Without a CA to judge by there is none.
    pub fn best(&self, now: Timestamp) -> Option<Stored> {
        let authority = self.inventory.authority(Ca::Cluster)?.certificate.get()?;
        let node = &self.inventory.facts.node_name.as_ref()?.value;
        let name = format!("system:node:{node}");
        let fits = |certificate: &&Certificate| {
            let is_ours = certificate.common_name().eq_ignore_ascii_case(&name)
                && certificate.organizations.iter().any(|group| group == "system:nodes");
            let serves = self.prefix == "kubelet-server";
            is_ours
                && (if serves { certificate.may_serve } else { certificate.may_be_client })
                && !certificate.expired_at(now)
                && !certificate.not_yet_valid_at(now)
                && certificate.weak_hash.is_none()
                && !certificate.has_negative_serial()
                && certificate.signed_by(authority).is_ok()
        };
        let stored = self.files().filter_map(|(path, bytes)| {
            let certificate = Certificate::of(bytes).ok().filter(fits)?;
            let has_key = PrivateKey::of(bytes).is_ok_and(|key| certificate.is_of(key));
            has_key.then(|| Stored { path, certificate: certificate.clone() })
        });
        stored.max_by_key(|stored| stored.certificate.not_after)
    }

    /// Files of the store, what lies in the place of a link too.
    fn files(&self) -> impl Iterator<Item = (PathBuf, &Bytes)> {
        let directory = self.link.parent().unwrap_or(Path::new("/"));
        let is_stored = |name: &str| {
            name.strip_prefix(self.prefix).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".pem"))
        };
        self.snapshot.children(directory).into_iter().filter_map(move |(path, entry)| {
            let Content::File(bytes) = &entry.content else { return None };
            let name = path.file_name()?.to_str().filter(|name| is_stored(name))?;
            Some((directory.join(name), bytes))
        })
    }
}
