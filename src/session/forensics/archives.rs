//! Verifying archives: which are meant, and what each is worth.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::each::each;
use crate::analysis::forensics::diagnosis::diagnose;
use crate::analysis::forensics::readiness::{Judgement, Scope};
use crate::analysis::node::findings::Node;
use crate::analysis::node::inventory::Inventory;
use crate::disk::archive::{self, Manifest, Verified};
use crate::disk::{self, history};
use crate::error::Error;
use crate::report::{ArchiveReport, Creation, Missing, VerifiedArchive};
use crate::session::Context;
use crate::session::input::host_state::look_into;
use crate::session::input::who;
use crate::state::text::{shell_word, thousands};
use crate::state::{Code, Snapshot};

/// The end of the path of the tool's own directory, wherever the root is.
const OWN: &str = "var/lib/kuberescue";

/// The archives that are meant, and what could not be searched for them.
#[derive(Default)]
pub struct Found {
    pub files: Vec<PathBuf>,
    pub unread: Vec<VerifiedArchive>,
}

/// The files, and the archives in the directories among these paths.
///
/// # Errors
/// One does not exist or holds no archive. Each that does is printed, the last is returned.
pub fn find<'a>(
    paths: impl IntoIterator<Item = &'a PathBuf>,
    context: &mut Context<'_>,
) -> Result<Found, Error> {
    let (mut found, mut failures) = (Found::default(), Vec::new());
    for path in paths {
        match of_path(path) {
            Ok(more) => {
                found.files.extend(more.files);
                found.unread.extend(more.unread);
            }
            Err(failure) => failures.push(failure),
        }
    }
    found.files.sort_unstable();
    found.files.dedup();
    let Some(last) = failures.pop() else { return Ok(found) };
    for failure in &failures {
        context.out.fail(failure);
    }
    Err(last)
}

fn of_path(path: &Path) -> Result<Found, Error> {
    if !path.is_dir() {
        return match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(disk::Error::NoArchive { path: path.to_owned() }.into())
            }
            // Whatever else is wrong with it, reading it tells.
            _ => Ok(Found { files: vec![path.to_owned()], unread: Vec::new() }),
        };
    }
    let archive::Found { archives, unread, more } = archive::search(path)?;
    let word = shell_word(&path.display().to_string());
    if more {
        let what = format!(
            "cannot search {}: more than {} archives, or {} files",
            path.display(),
            thousands(archive::MAX_LISTED),
            thousands(archive::MAX_SEEN)
        );
        return Err(
            Error::usage(what).hint(format!("name directories in it: kuberescue archive verify {word}/DIR"))
        );
    }
    if archives.is_empty() && unread.is_empty() {
        let what = format!("cannot verify: no archive in {}", path.display());
        let hint = format!("sudo kuberescue archive create --archive-dir {word}");
        return Err(Error::could_not_run(what).code(Code::NoArchive).hint(hint));
    }
    let unread = unread.into_iter().map(|(path, error)| VerifiedArchive::failed(&path, error.into()));
    Ok(Found { files: archives, unread: unread.collect() })
}

/// How archives are judged.
#[derive(Clone, Copy)]
pub struct Judging<'a> {
    pub cert_dir: Option<&'a Path>,
    pub now: Timestamp,
    /// Whether all that is known of each is kept.
    pub in_full: bool,
}

/// Verifies each of these, and whether those that the history records are still the same files.
pub fn verify_all(
    files: &[PathBuf],
    judging: Judging<'_>,
    history: &mut history::Check,
    context: &mut Context<'_>,
) -> Vec<VerifiedArchive> {
    let mut verified = each(files, "archives", |file| verify(file, judging), context);
    verified.sort_by(|one, other| one.path.cmp(&other.path));
    for archive in &verified {
        history.problems.extend(another_than_recorded(history, archive));
    }
    verified
}

fn verify(file: &Path, judging: Judging<'_>) -> VerifiedArchive {
    let read = archive::open(file).map_err(Error::from).and_then(|(snapshot, verified)| {
        let inventory = Inventory::read(&snapshot, judging.cert_dir);
        who::refuse_worker(&snapshot, &inventory)?;
        Ok((report(file, &snapshot, &inventory, &verified, judging.now), inventory))
    });
    match read {
        Ok((report, inventory)) => {
            let node = inventory.facts.node_name.map(|name| name.value);
            VerifiedArchive::read(file, report, node, judging.in_full)
        }
        Err(failure) => VerifiedArchive::failed(file, failure),
    }
}

fn report(
    file: &Path,
    archive: &Snapshot,
    inventory: &Inventory,
    verified: &Verified,
    now: Timestamp,
) -> ArchiveReport {
    let path = file.display().to_string();
    let judgement = if inventory.is_kubeadm_node() {
        let (snapshot, around) = look_into(archive, inventory);
        let node = Node { snapshot: &snapshot, inventory, around: &around };
        Judgement::of(diagnose(node, None, &path, now, SignedDuration::ZERO))
    } else {
        Judgement::no_node()
    };
    let judgement = match &verified.manifest {
        Some(_) => judgement.of_ours(archive, &inventory.facts),
        None => judgement,
    };
    ArchiveReport {
        path,
        sha256: verified.sha256,
        entries: verified.entries,
        bytes: verified.bytes,
        creation: verified.manifest.as_ref().map(creation),
        scope: verified.manifest.is_none().then(|| Scope::of(archive, &inventory.facts)),
        missing: missing(archive),
        judgement,
    }
}

/// Where an archive comes from.
pub fn creation(manifest: &Manifest) -> Creation {
    Creation {
        created: manifest.created,
        host: manifest.host.clone(),
        node: manifest.node.clone(),
        command: manifest.command.clone(),
        version: manifest.version.clone(),
    }
}

/// What exists and could not be read.
pub fn missing(snapshot: &Snapshot) -> Vec<Missing> {
    let unread = snapshot.unread();
    unread.map(|(path, why)| Missing { path: path.display().to_string(), reason: why.to_string() }).collect()
}

/// A recorded archive must be the file that it was then. Another one of the same name may be elsewhere: only
/// those in the tool's own directory are known by their names.
fn another_than_recorded(history: &history::Check, archive: &VerifiedArchive) -> Option<String> {
    let (file, sha256) = (&archive.path, archive.sha256?);
    let is_own = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with(OWN));
    if !is_own(file) {
        return None;
    }
    let named = history.records.iter().filter_map(|done| done.archive.as_ref());
    let named = named.filter(|archive| is_own(&archive.path));
    let mut named = named.filter(|archive| archive.path.file_name() == file.file_name()).peekable();
    named.peek()?;
    let is_recorded = named.any(|archive| archive.sha256 == sha256);
    (!is_recorded).then(|| format!("{}: intact, but not the file that the history records", file.display()))
}
