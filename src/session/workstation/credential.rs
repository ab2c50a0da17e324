//! A kubeconfig that is about to be used in the place of another one: what it is worth, and whether it works.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::Signal;
use zeroize::Zeroizing;

use crate::analysis::workstation;
use crate::analysis::workstation::difference::Difference;
use crate::analysis::workstation::{Checked, Files, Weight};
use crate::disk::replacement::{Replaced, Target};
use crate::error::{Error, Kind};
use crate::formats::kubeconfig::entries::{Entries, Place, User};
use crate::live::api::{Login, Node};
use crate::session::change::signals::hold;
use crate::session::cluster::connect::Cluster;
use crate::session::input::kubeconfigs::referenced;
use crate::state::Code;

/// A kubeconfig, and what the context in it that counts is worth.
pub struct Credential {
    /// All of it.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What it is called in messages.
    pub source: String,
    /// What its context is worth.
    pub checked: Checked,
    /// Other contexts that have the same user.
    pub siblings: Vec<String>,
    pems: Result<Pems, String>,
}

/// What is embedded in a kubeconfig.
pub struct Pems {
    /// The client certificate, and what leads to its CA.
    pub certificate: Zeroizing<Vec<u8>>,
    /// Its key.
    pub key: Zeroizing<Vec<u8>>,
    /// The CA certificates.
    pub authority: Option<Zeroizing<Vec<u8>>>,
}

impl Credential {
    /// Looks at a kubeconfig: at its current context, or the one of this name. What it refers to is read where it has
    /// a directory; of one that came over the network no file of this machine is opened.
    ///
    /// # Errors
    /// Why it is no kubeconfig, or has no such context.
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
        let wanted = wanted.ok_or("it has no current-context")?;
        let checked = workstation::check(&entries, &[&entries], Some(&wanted), &files, now);
        let checked = checked.into_iter().find(|checked| checked.current);
        let checked = checked.ok_or_else(|| {
            let names: Vec<_> = entries.contexts.iter().map(|context| context.name.as_str()).collect();
            format!("it has no context \"{wanted}\"; its contexts: {}", names.join(", "))
        })?;
        let siblings = entries.contexts.iter().filter(|other| other.user == checked.user);
        let siblings =
            siblings.filter(|other| other.name != wanted).map(|other| other.name.clone()).collect();
        let pems = Pems::of(entries, &checked);
        Ok(Self { bytes, source, checked, siblings, pems })
    }

    /// What it embeds.
    ///
    /// # Errors
    /// It has something else than an embedded certificate with its key.
    pub fn pems(&self) -> Result<&Pems, Error> {
        self.pems.as_ref().map_err(|uses| {
            let (source, user) = (&self.source, &self.checked.user);
            let what = format!("{source}: user \"{user}\" has no embedded client certificate: it uses {uses}");
            Error::could_not_run(what).hint(
                "only certificates that stand in the kubeconfig itself are put in another's place; an admin.conf has one",
            )
        })
    }

    /// What is wrong with it first of all, as a refusal.
    pub fn refusal(&self) -> Option<Error> {
        let problem = self.checked.problems.iter().find(|problem| problem.weight == Weight::Wrong)?;
        Some(Error::refused(problem.code, format!("{}: {}", self.source, problem.what)))
    }

    /// Lists the nodes with exactly these bytes, as if they stood in `directory`.
    ///
    /// # Errors
    /// Refused as `not-working` where that is not possible.
    pub fn list_nodes(
        &self,
        directory: PathBuf,
        patience: Duration,
        now: Timestamp,
    ) -> Result<Vec<Node>, Error> {
        let login =
            Login { files: vec![(self.bytes.clone(), directory)], context: Some(self.checked.name.clone()) };
        let listed = Cluster::log_in(&login, self.source.clone(), patience, now).and_then(|cluster| {
            let nodes = cluster.api.nodes(cluster.deadline());
            nodes.map_err(|error| cluster.failure("list the nodes", &error))
        });
        listed.map_err(|failure| Error {
            kind: Kind::Refused,
            code: Some(Code::NotWorking),
            message: format!("it does not work, so nothing was changed: {}", failure.message),
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
            return Err("half of a pair".to_owned());
        };
        let authority = match cluster.and_then(|cluster| cluster.authority) {
            Some(Place::Embedded(pem)) => Some(pem),
            _ => None,
        };
        Ok(Self { certificate, key, authority })
    }
}

/// What a user authenticates with, where that is not only a certificate and a key in the kubeconfig itself. Of a
/// kubeconfig that came over the network nothing is run, and no file is sent.
fn other_than_a_pair(user: &User) -> Option<&'static str> {
    let in_file = |place: &Option<Place>| matches!(place, Some(Place::File(_)));
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

/// Refuses one cluster's kubeconfig in the place of another's.
///
/// # Errors
/// It is, and that was not said to be meant.
pub fn refuse_another_cluster(
    difference: &Difference,
    (old, new): (&Credential, &Credential),
    accept: bool,
) -> Result<(), Error> {
    if accept || !difference.another_cluster {
        return Ok(());
    }
    let what = format!(
        "{} is of another cluster than {}: neither the server nor the key of the CA is the same ({}; {})",
        new.source, old.source, new.checked.server, old.checked.server
    );
    Err(Error::refused(Code::AnotherCluster, what)
        .hint("is that the right file? if it is meant: --accept-cluster"))
}

/// What stands in dated names: `20261125T203240Z`.
pub fn stamp(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Replaces a file; a signal that comes meanwhile waits.
///
/// # Errors
/// Nothing was changed.
pub fn replace(target: &Target, bytes: &[u8], now: Timestamp) -> Result<Replaced, Error> {
    let held = hold(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    let replaced = target.replace(bytes, &stamp(now)).map_err(|error| not_written(&error));
    drop(held);
    replaced
}

/// Why a file of this machine was not written.
pub fn not_written(error: &crate::disk::Error) -> Error {
    Error::could_not_run(error).hint(match error {
        crate::disk::Error::Changed { .. } => {
            "somebody else changed it at the same time; nothing was changed here: run it again"
        }
        crate::disk::Error::Io { .. } => {
            "nothing was changed; see to what is in the way: the path, its rights, room on the disk"
        }
        _ => "nothing was changed; name a regular file, in a directory that is there",
    })
}
