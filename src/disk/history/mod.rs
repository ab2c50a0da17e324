//! The history of a node: one record for each change in `/var/lib/kuberescue/history.jsonl`, each with the
//! digest of the previous one, so that a record can't be altered or removed unnoticed. (Someone who can write
//! the file can rewrite all of it: it proves mistakes, not forgery.)
//!
//! The record of a change is written beside the log before the change is committed, and after it only
//! renamed: a disk that is full by then can't prevent completion. A full file is set aside under the number
//! of its first record. Records hold digests, modes, owners and names, and no content of any file.

mod record;
#[cfg(test)]
mod tests;
mod verify;

pub use record::{Changed, Issued, Record, Stamp};
pub use verify::{Check, Done, verify};

use super::Error;
use super::journal::{Context, Journal, pending_in};
use super::state_dir::StateDir;
use crate::formats::json_reason;
use crate::state::Digest;

pub(super) const LOG: &str = "history.jsonl";
/// The log with the record of the change that is in progress.
const NEXT: &str = "history.next";
/// Full files are named by this and the number of their first record.
pub(super) const FULL: &str = "history-";
/// The suffix of every file of the log.
pub(super) const SUFFIX: &str = ".jsonl";

/// A file of this many bytes is full: some 700 changes.
const FULL_AT: usize = 4 << 20;
/// More than a full file with a last record of 10,000 paths.
pub(super) const MAX_LOG: u64 = 16 << 20;

/// Prepares the record of a change that is about to be committed.
pub(super) fn prepare(state: &StateDir, journal: &Journal) -> Result<(), Error> {
    match next(state, journal, None)? {
        Some(text) => state.put(NEXT, &text),
        None => Ok(()),
    }
}

/// Prepares the record again for a change that another run completes or rolls back. Best effort: a full disk
/// must not prevent that.
pub(super) fn prepare_again(state: &StateDir, journal: &Journal, completed: &Stamp) {
    let _prepared = match next(state, journal, Some(completed)) {
        Ok(Some(text)) => state.replace(NEXT, &text),
        Ok(None) => discard(state),
        Err(error) => Err(error),
    };
}

/// Renames the prepared record of `journal` into place. If none is prepared it is already there, or could not
/// be written; one of another change is removed.
pub(super) fn append(state: &StateDir, journal: &Journal) -> Result<(), Error> {
    let Some(next) = state.read(NEXT, MAX_LOG)? else { return Ok(()) };
    if !last_line(&next).and_then(parse).is_some_and(|record| record.is_of(journal)) {
        return discard(state);
    }
    set_aside_if_full(state, &next)?;
    state.rename(NEXT, LOG)
}

/// Sets the log aside, if `next` doesn't begin with it.
fn set_aside_if_full(state: &StateDir, next: &[u8]) -> Result<(), Error> {
    let (Some(old), Some(new)) = (Log::read(state, LOG)?, first_number(next)) else { return Ok(()) };
    let first = first_number(&old.text).unwrap_or(new.saturating_sub(1));
    if old.is_too_large || new > first {
        state.rename(LOG, &format!("{FULL}{first}{SUFFIX}"))?;
    }
    Ok(())
}

/// Records a credential that was issued. An interrupted change stays as it is.
pub(super) fn issued(state: &StateDir, boot: &str, issued: Issued, context: &Context) -> Result<(), Error> {
    let pending = pending_in(state)?;
    let journal = Journal::new(context, boot.to_owned(), None, |_| Vec::new());
    let log = Log::newest(state)?;
    let text =
        log.with(state, |last| Record { issued: Some(issued), ..Record::new(&journal, None, last) })?;
    set_aside_if_full(state, &text)?;
    state.replace(LOG, &text)?;
    // The prepared record of an interrupted change has to follow this one.
    match pending {
        Some(change) if state.read(NEXT, MAX_LOG)?.is_some() => {
            next(state, &change, None)?.map_or(Ok(()), |text| state.replace(NEXT, &text))
        }
        _ => Ok(()),
    }
}

/// Removes the record of a change that is abandoned.
pub(super) fn discard(state: &StateDir) -> Result<(), Error> {
    state.remove(NEXT)
}

/// The log with the record of `journal`; `None` if it has it.
fn next(state: &StateDir, journal: &Journal, completed: Option<&Stamp>) -> Result<Option<Vec<u8>>, Error> {
    let log = Log::newest(state)?;
    if log.last_change().is_some_and(|record| record.is_of(journal)) {
        return Ok(None);
    }
    log.with(state, |last| Record::new(journal, completed, last)).map(Some)
}

/// A file of the log.
#[derive(Default)]
struct Log {
    /// All of it, or the end of one that is too large: something else has written there.
    text: Vec<u8>,
    is_too_large: bool,
}

impl Log {
    fn read(state: &StateDir, name: &str) -> Result<Option<Self>, Error> {
        let found = state.read_end(name, MAX_LOG)?;
        Ok(found.map(|(text, is_too_large)| Self { text, is_too_large }))
    }

    /// The one that the next record is added to.
    fn newest(state: &StateDir) -> Result<Self, Error> {
        match Self::read(state, LOG)? {
            Some(log) if !log.text.is_empty() => Ok(log),
            // Interrupted while a full file was set aside.
            _ => match newest_full(state)? {
                Some(full) => Ok(Self::read(state, &full)?.unwrap_or_default()),
                None => Ok(Self::default()),
            },
        }
    }

    /// The last record of a change.
    fn last_change(&self) -> Option<Record> {
        lines(&self.text).rev().filter_map(parse).find(|record| record.issued.is_none())
    }

    /// With one more record; only with that one, if it is full. `record` is given number and digest of the last one.
    fn with(
        self,
        state: &StateDir,
        record: impl FnOnce(Option<&(u64, Digest)>) -> Record,
    ) -> Result<Vec<u8>, Error> {
        let Self { text: mut log, is_too_large } = self;
        let last = last_line(&log).map(|line| (parse(line), Digest::of(line)));
        // After a foreign last line the chain continues anyway; the check reports it.
        let number = lines(&log).count() as u64;
        let last = last.map(|(record, digest)| (record.map_or(number, |record| record.number), digest));
        let record = record(last.as_ref());
        if is_too_large || log.len() >= FULL_AT {
            log.clear();
        } else if log.last().is_some_and(|byte| *byte != b'\n') {
            log.push(b'\n');
        }
        let wrong = |error: serde_json::Error| Error::Journal {
            path: state.path.join(LOG),
            why: json_reason(&error),
        };
        serde_json::to_writer(&mut log, &record).map_err(wrong)?;
        log.push(b'\n');
        Ok(log)
    }
}

fn lines(log: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn last_line(log: &[u8]) -> Option<&[u8]> {
    lines(log).next_back()
}

fn parse(line: &[u8]) -> Option<Record> {
    serde_json::from_slice(line).ok()
}

fn first_number(log: &[u8]) -> Option<u64> {
    log.split(|byte| *byte == b'\n').next().and_then(parse).map(|record| record.number)
}

/// Full files, by the number of their first record.
pub(super) fn full_files(state: &StateDir) -> Result<Vec<(u64, String)>, Error> {
    let names = state.names()?;
    let mut found: Vec<(u64, String)> = names
        .iter()
        .filter_map(|name| {
            let name = name.to_str()?;
            let number = name.strip_prefix(FULL)?.strip_suffix(SUFFIX)?.parse().ok()?;
            Some((number, name.to_owned()))
        })
        .collect();
    found.sort();
    Ok(found)
}

fn newest_full(state: &StateDir) -> Result<Option<String>, Error> {
    Ok(full_files(state)?.pop().map(|(_, name)| name))
}
