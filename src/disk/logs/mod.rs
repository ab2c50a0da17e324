//! Reading logs: found below a [`Root`], in an archive's [`Snapshot`], or named by the user. Streamed, never
//! held: each thread has a fixed buffer, so that memory doesn't depend on the size. Files that begin like
//! gzip are unpacked.
//!
//! Below a root the usual rules hold: links stay inside, special files are never opened, nothing is opened
//! for writing. systemd's binary journal is not read.

mod find;
mod stream;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use jiff::Timestamp;

use self::find::Log;
use self::stream::{Budget, Cut, pump};
use super::{Error, Root};
use crate::analysis::forensics::timeline::{Event, Logs, Origin, PODS, Place, Scan, Scanner, Wanted};
use crate::formats::log::Matcher;
use crate::state::{Component, Content, Snapshot, os};

/// Where systemd keeps its journal; the second is lost at a reboot.
const JOURNALS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];

/// Bytes of each thread's buffer: large enough to search at full speed, small enough to stay in the CPU's
/// cache.
const BUFFER: usize = 256 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A file on the host, or a FIFO.
    File(PathBuf),
    Stdin,
}

impl Given {
    /// From an argument: a path, or `-`.
    pub fn new(typed: &Path) -> Self {
        if typed == Path::new("-") { Self::Stdin } else { Self::File(typed.to_owned()) }
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Stdin => Path::new("-"),
        }
    }
}

/// Scans the logs below `root` on all cores. `now` bounds the dates of log files whose own times are later.
pub fn scan_root(root: &Root, matcher: &Matcher, wanted: &Wanted, now: Timestamp) -> Logs {
    let mut logs = Logs::default();
    let found = find::logs(root, wanted, &mut logs);
    let scans = in_parallel(root, &found, matcher, now);
    for (log, scan) in found.iter().zip(scans) {
        add(&mut logs, &log.path, &log.origin, scan);
    }
    if !logs.has_program(Component::Kubelet)
        && JOURNALS.iter().any(|path| find::is_directory(root, Path::new(path)))
    {
        logs.note(JOURNAL_NOTE);
    }
    logs
}

/// What to do if the kubelet logs only to the journal.
const JOURNAL_NOTE: &str = "the kubelet's log is in systemd's journal, which is not read here: \
    pipe it in with `journalctl -u kubelet --since \"60 days ago\" | kuberescue diagnose --timeline --log -`";

/// Scans the logs among the entries of an archive.
pub fn scan_snapshot(snapshot: &Snapshot, matcher: &Matcher, wanted: &Wanted, now: Timestamp) -> Logs {
    let mut logs = Logs::default();
    let budget = Budget::default();
    let mut buffer = vec![0; BUFFER];
    let mut seen = std::collections::BTreeSet::new();
    let (in_pods, links): (Vec<_>, Vec<_>) = snapshot.iter().partition(|(path, _)| path.starts_with(PODS));
    for (path, _) in in_pods.into_iter().chain(links) {
        let Some(Place { origin }) = Place::of(path, wanted) else { continue };
        let Ok(resolved) = snapshot.resolve(path) else { continue };
        let Some(entry) = resolved.entry else { continue };
        if !seen.insert(resolved.path.clone()) {
            continue;
        }
        match &entry.content {
            Content::File(bytes) => {
                let mut scanner =
                    Scanner::new(matcher, origin.clone(), not_after(entry.attributes.mtime, now));
                let cut = pump(&mut &bytes[..], &mut scanner, &mut buffer, &budget);
                add(&mut logs, path, &origin, Ok((scanner.finish(), cut)));
            }
            Content::Unread(why) => logs.note(format!("{}: not read: {why}", path.display())),
            Content::Link(_) | Content::Directory => {}
        }
    }
    let is_journal = |path: &Path| JOURNALS.iter().any(|journal| path.starts_with(journal));
    if !logs.has_program(Component::Kubelet) && snapshot.iter().any(|(path, _)| is_journal(path)) {
        logs.note(JOURNAL_NOTE);
    }
    logs
}

/// Scans the logs that the user names, in the given order, and adds them to `logs`.
///
/// # Errors
/// A file doesn't exist or can't be read.
pub fn scan_given(given: &[Given], matcher: &Matcher, now: Timestamp, logs: &mut Logs) -> Result<(), Error> {
    let budget = Budget::default();
    let mut buffer = vec![0; BUFFER];
    for log in given {
        let origin = given_origin(log);
        let path = log.path();
        let mut scan = |mut input: &mut dyn Read, written: Timestamp| {
            let mut scanner = Scanner::new(matcher, origin.clone(), written);
            let cut = pump(&mut input, &mut scanner, &mut buffer, &budget);
            (scanner.finish(), cut)
        };
        let (scan, cut) = match log {
            Given::Stdin => scan(&mut io::stdin().lock(), now),
            Given::File(path) => {
                let mut file = File::open(path).map_err(Error::io("open", path))?;
                let about = file.metadata().map_err(Error::io("read", path))?;
                if about.is_dir() {
                    let why = "a directory, not a log";
                    return Err(Error::Unsupported { path: path.clone(), why });
                }
                let written = about.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
                scan(&mut file, not_after(written.filter(|_| about.is_file()).unwrap_or(now), now))
            }
        };
        if let Some(Cut::Failed(source)) = cut {
            return Err(Error::Io { doing: "read", path: path.to_owned(), source });
        }
        add(logs, path, &origin, Ok((scan, cut)));
    }
    logs.drop_note(JOURNAL_NOTE, !given.is_empty());
    Ok(())
}

fn given_origin(given: &Given) -> Origin {
    let Given::File(path) = given else { return Origin::Given("stdin".to_owned()) };
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    // A file is named after the component whose log it is.
    let programs = Component::STATIC_PODS.into_iter().chain([Component::Kubelet]).map(Component::name);
    let component = programs.chain(["kubectl"]).find(|program| name.starts_with(program));
    Origin::Given(component.unwrap_or(&name).to_owned())
}

/// When a log was last written: its own date, but not after now.
fn not_after(written: Timestamp, now: Timestamp) -> Timestamp {
    if written == Timestamp::UNIX_EPOCH { now } else { written.min(now) }
}

type Scanned = Result<(Scan, Option<Cut>), io::Error>;

fn add(logs: &mut Logs, path: &Path, origin: &Origin, scan: Scanned) {
    match scan {
        Ok((scan, cut)) => {
            if let Some(cut) = cut {
                logs.note(format!("{}: {cut}", path.display()));
            }
            let program = match origin {
                Origin::Program(name) => Some(name.as_str()),
                Origin::System | Origin::Given(_) => None,
            };
            logs.add(path, program, scan);
        }
        Err(error) => logs.note(format!("{}: not read: {}", path.display(), os::reason(&error))),
    }
}

/// Scans each of `found`; the results are in the same order. The largest ones come first, so that no core is
/// left with one at the end.
fn in_parallel(root: &Root, found: &[Log], matcher: &Matcher, now: Timestamp) -> Vec<Scanned> {
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(found.get(*index).map(|log| log.size)));
    let (next, budget) = (AtomicUsize::new(0), Budget::default());
    let scans: Mutex<Vec<Option<Scanned>>> = Mutex::new(found.iter().map(|_| None).collect());
    let work = || {
        let mut buffer = vec![0; BUFFER];
        while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(log) = found.get(*index) else { continue };
            let scan = scan_log(root, log, matcher, now, &mut buffer, &budget);
            // Poisoned only by a panic, and nothing here panics.
            if let Ok(mut scans) = scans.lock()
                && let Some(place) = scans.get_mut(*index)
            {
                *place = Some(scan);
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(found.len());
    thread::scope(|scope| {
        // This thread works too, and alone if no other is available.
        for _ in 1..cores {
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let scans = scans.into_inner().unwrap_or_default();
    scans.into_iter().map(|scan| scan.unwrap_or_else(|| Err(io::Error::other("not scanned")))).collect()
}

fn scan_log(
    root: &Root,
    log: &Log,
    matcher: &Matcher,
    now: Timestamp,
    buffer: &mut [u8],
    budget: &Budget,
) -> Scanned {
    let (file, written) = log.open(root)?;
    let mut scanner = Scanner::new(matcher, log.origin.clone(), not_after(written, now));
    // A log that grows while it is read would have no end.
    let cut = pump(&mut file.take(log.size), &mut scanner, buffer, budget);
    match cut {
        Some(Cut::Failed(error)) => Err(error),
        cut => Ok((scanner.finish(), cut)),
    }
}

/// When etcd's files were last written: its database, and the newest of its snapshots and of its log. Nothing
/// is opened.
pub fn etcd_times(root: &Root) -> Vec<Event> {
    find::etcd_times(root)
}
