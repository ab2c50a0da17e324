//! A kubeconfig that will replace another one: its findings, and whether it works.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::analysis::workstation;
use crate::analysis::workstation::difference::Difference;
use crate::analysis::workstation::{Checked, Files};
use crate::disk::replacement::{Replaced, Target};
use crate::error::{Error, Kind, ReplaceFailure};
use crate::formats::kubeconfig::Kubeconfig;
use crate::formats::kubeconfig::entries::{Entries, Place, User};
use crate::live::api::{Api, Login, Node};
use crate::session::change::signals::hold;
use crate::session::cluster::connect::Cluster;
use crate::session::input::kubeconfigs::referenced;
use crate::state::Code;

/// A kubeconfig and the check of one of its contexts.
pub struct Credential {
    pub bytes: Zeroizing<Vec<u8>>,
    /// The name in messages.
    pub source: String,
    pub checked: Checked,
    /// Other contexts of the same user.
    pub siblings: Vec<String>,
    pems: Result<Pems, String>,
}

/// The PEM files that a kubeconfig embeds.
pub struct Pems {
    /// The client certificate and its intermediates.
    pub certificate: Zeroizing<Vec<u8>>,
    pub key: Zeroizing<Vec<u8>>,
    pub authority: Option<Zeroizing<Vec<u8>>>,
}

impl Credential {
    /// Checks the context of this name, or the current one. Files that it refers to are read only if it has a
    /// directory: for a kubeconfig from the network no file of this machine is opened.
    ///
    /// # Errors
    /// It is no kubeconfig, or has no such context.
    pub fn of(
        bytes: Zeroizing<Vec<u8>>,
        source: String,
        directory: Option<&Path>,
        context: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, String> {
        let entries =
            Entries::parse(&bytes, directory.unwrap_or(Path::new(""))).map_err(|error| error.to_string())?;
        let files = if directory.is_some() { referenced([&entries]) } else { Files::new() };
        let wanted = context.or(entries.current.as_deref()).map(str::to_owned);
        let wanted = wanted.ok_or("no current-context")?;
        let checked =
            workstation::check(Path::new(&source), &entries, &[&entries], Some(&wanted), &files, now);
        let checked = checked.into_iter().find(|checked| checked.current);
        let checked = checked.ok_or_else(|| {
            let names: Vec<_> = entries.contexts.iter().map(|context| context.name.as_str()).collect();
            format!("no context \"{wanted}\" (contexts: {})", names.join(", "))
        })?;
        let siblings = entries.contexts.iter().filter(|other| other.user == checked.user);
        let siblings =
            siblings.filter(|other| other.name != wanted).map(|other| other.name.clone()).collect();
        let pems = Pems::of(entries, &checked);
        Ok(Self { bytes, source, checked, siblings, pems })
    }

    /// # Errors
    /// The user has something other than an embedded certificate and key.
    pub fn pems(&self) -> Result<&Pems, Error> {
        self.pems.as_ref().map_err(|uses| {
            let (source, user) = (&self.source, &self.checked.user);
            let what = format!(
                "cannot use {source}: user \"{user}\" has no embedded client certificate, but {uses}"
            );
            Error::could_not_run(what)
                .code(Code::NoCredential)
                .hint("use a kubeconfig with embedded certificates, such as admin.conf")
        })
    }

    /// Its first blocker, as a refusal.
    pub fn refusal(&self) -> Option<Error> {
        let finding = self.checked.findings.iter().find(|finding| finding.is_blocker())?;
        Some(Error::refused(finding.code, format!("cannot use {}: {}", self.source, finding.what)))
    }

    /// Lists the nodes with exactly these bytes, as a file in `directory`.
    ///
    /// # Errors
    /// Refused as `not-working` if that fails.
    pub fn list_nodes(
        &self,
        directory: PathBuf,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Vec<Node>, Error> {
        let login =
            Login { files: vec![(self.bytes.clone(), directory)], context: Some(self.checked.name.clone()) };
        let listed = Cluster::log_in(&login, self.source.clone(), timeout, now)
            .and_then(|cluster| cluster.ask("list the nodes", Api::nodes));
        listed.map_err(|failure| Error {
            kind: Kind::Refused,
            code: Some(Code::NotWorking),
            message: format!("{}; nothing was changed", failure.message),
            ..failure
        })
    }
}

impl Pems {
    fn of(entries: Entries, checked: &Checked) -> Result<Self, String> {
        let user = entries.users.into_iter().find(|user| user.name == checked.user);
        let cluster = entries.clusters.into_iter().find(|cluster| cluster.name == checked.cluster);
        let user = user.ok_or("nothing")?;
        if let Some(other) = other_than_a_pair(&user) {
            return Err(other.to_owned());
        }
        let (Some(Place::Embedded(certificate)), Some(Place::Embedded(key))) = (user.certificate, user.key)
        else {
            return Err("a certificate without a key, or a key without a certificate".to_owned());
        };
        let authority = match cluster.and_then(|cluster| cluster.authority) {
            Some(Place::Embedded(pem)) => Some(pem),
            _ => None,
        };
        Ok(Self { certificate, key, authority })
    }

    /// `old`, of which `parsed` is the context, with this credential; with its CA where the old one embeds another.
    ///
    /// # Errors
    /// A value doesn't stand in one place that can be replaced.
    pub fn splice_into(&self, parsed: &Kubeconfig, old: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        if let Some(error) = parsed.authority_not_replaceable() {
            return Err(error.to_string());
        }
        let authority = self.authority.as_deref().map(Vec::as_slice);
        // The same certificates may stand there in another encoding.
        let authority = authority.filter(|pem| parsed.authority_pem().is_some_and(|there| **there != **pem));
        parsed.splice(old, &self.certificate, &self.key, authority).map_err(|error| error.to_string())
    }
}

/// The credential of a user that is not only an embedded certificate and key. For a kubeconfig from the
/// network no plug-in is run and no file is sent.
fn other_than_a_pair(user: &User) -> Option<&'static str> {
    let in_file = |place: &Option<Place>| place.as_ref().is_some_and(|place| place.file().is_some());
    if user.exec.is_some() {
        Some("an exec plug-in")
    } else if user.auth_provider.is_some() {
        Some("an auth provider")
    } else if user.token.is_some() || user.token_file.is_some() {
        Some("a token")
    } else if user.username.is_some() {
        Some("a password")
    } else if in_file(&user.certificate) || in_file(&user.key) {
        Some("files")
    } else if user.certificate.is_none() && user.key.is_none() {
        Some("nothing")
    } else {
        None
    }
}

/// # Errors
/// The two are of different clusters, and that was not accepted.
pub fn refuse_another_cluster(
    difference: &Difference,
    (old, new): (&Credential, &Credential),
    accept: bool,
) -> Result<(), Error> {
    if accept || !difference.another_cluster {
        return Ok(());
    }
    let what = format!(
        "cannot replace {1} with {0}: other cluster (server {2}, was {3}; no common CA key)",
        new.source, old.source, new.checked.server, old.checked.server
    );
    Err(Error::refused(Code::AnotherCluster, what).hint("if that is intended: --accept-cluster"))
}

/// The date in names of kept files: `20261125T203240Z`.
pub fn stamp(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Replaces a file; signals are held back meanwhile.
///
/// # Errors
/// Nothing was changed.
pub fn replace(target: &Target, bytes: &[u8], now: Timestamp) -> Result<Replaced, Error> {
    let held = hold();
    let replaced = target.replace(bytes, &stamp(now));
    drop(held);
    Ok(replaced.map_err(ReplaceFailure)?)
}
