//! Ending a change that was interrupted, and restoring what the last one replaced, from its archive.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::analysis::node::findings::{Finding, Node, findings};
use crate::disk::transaction::{self, Difference, Journal, Lock, Meanwhile, RolledBack, State, Theirs};
use crate::disk::{Depth, Root, archive};
use crate::error::{ChangedSince, Error, Exit, Kind, RollbackFailure};
use crate::report::finding_lines;
use crate::session::Context;
use crate::session::change::take_lock;
use crate::session::input::host_state::look_around;
use crate::session::input::source::{RootArgs, about, archived};
use crate::state::text::count;
use crate::state::{Code, Invoker, Snapshot};

/// What becomes of files of the change that something else has changed since.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct TheirsArgs {
    /// Leave files that something else has changed since as they are, and complete the rest of the change
    #[arg(long, conflicts_with = "overwrite")]
    keep_theirs: bool,
    /// Archive files that something else has changed since, then replace them
    #[arg(long)]
    overwrite: bool,
}

impl TheirsArgs {
    pub fn theirs(self) -> Theirs {
        match (self.keep_theirs, self.overwrite) {
            (true, _) => Theirs::Keep,
            (_, true) => Theirs::Overwrite,
            _ => Theirs::Refuse,
        }
    }

    /// The files of `journal` that something else has changed since, for `rollback` or else for `resume`; says what
    /// becomes of each.
    ///
    /// # Errors
    /// There are some, and no option says what becomes of them, or one can't be replaced.
    pub fn settle(
        self,
        root: &Root,
        journal: &Journal,
        undo: bool,
        context: &mut Context<'_>,
    ) -> Result<Vec<Difference>, Error> {
        // What an undo that hadn't begun has made is swept away before; only then it is known what differs.
        let unbegun = transaction::pending(root)?.is_some_and(|pending| pending.is_unbegun_rollback());
        let found = if unbegun { Vec::new() } else { transaction::differences(root, journal, undo)? };
        let refused: Vec<_> = match self.theirs() {
            Theirs::Refuse => found.iter().collect(),
            Theirs::Keep => Vec::new(),
            Theirs::Overwrite => found.iter().filter(|found| !found.overwritable).collect(),
        };
        if !refused.is_empty() {
            let command = if undo { "rollback" } else { "resume" };
            return Err(ChangedSince { differences: &refused, command }.into());
        }
        let what = if self.keep_theirs { "stays as it is" } else { "is archived and replaced" };
        for Difference { path, why, .. } in &found {
            context.out.say(&format!("{}: {why}; it {what}", path.display()));
        }
        Ok(found)
    }

    /// With files that were kept the node is judged: it is in a state that nobody has planned. Otherwise `exit` stays.
    pub fn judge(
        self,
        root: &Root,
        args: &RootArgs,
        kept: &[Difference],
        exit: Exit,
        context: &mut Context<'_>,
    ) -> Exit {
        if !self.keep_theirs || kept.is_empty() {
            return exit;
        }
        let Ok((snapshot, inventory)) = args.read_whole(root) else {
            context.out.say("hint: sudo kuberescue diagnose");
            return Exit::ActionRequired;
        };
        let around = look_around(root, &snapshot, &inventory, true);
        let node = Node { snapshot: &snapshot, inventory: &inventory, around: &around };
        let mut found = findings(node, context.now);
        found.retain(Finding::is_blocker);
        if found.is_empty() {
            return exit;
        }
        context.out.say(&format!("Blocking problems now:\n{}", finding_lines(&found).trim_end()));
        context.out.say("hint: sudo kuberescue diagnose");
        Exit::ActionRequired
    }

    /// What is not as the change wants it, for the last word: what is kept, and what was written meanwhile.
    pub fn but(self, found: &[Difference], meanwhile: &Meanwhile) -> String {
        let kept = if self.keep_theirs { found.len() } else { 0 };
        match kept + meanwhile.foreign.len() {
            0 => String::new(),
            number => format!(" but for {}", count(number, "file")),
        }
    }

    /// With `--overwrite`: archives the node with what will be replaced.
    ///
    /// # Errors
    /// The archive can't be written; nothing was changed.
    pub fn archive(
        self,
        root: &Root,
        args: &RootArgs,
        replaced: &[Difference],
        context: &mut Context<'_>,
    ) -> Result<(), Error> {
        if !self.overwrite || replaced.is_empty() {
            return Ok(());
        }
        let mut theirs = Snapshot::default();
        for Difference { path, .. } in replaced {
            root.read(&mut theirs, path, Depth::File);
        }
        let (node, inventory) = args.read_beside(root, &theirs)?;
        let node = archived(&node)
            .iter()
            .chain(theirs.iter())
            .map(|(path, entry)| (path.to_owned(), entry.clone()))
            .collect();
        let written = archive::write(root, None, &node, &about(&inventory, "before --overwrite", context))?;
        context
            .out
            .say(&format!("Archive of the state before, read back and verified: {}", written.path.display()));
        Ok(())
    }
}

/// The change to roll back: one that was interrupted, or the last one unless it is a rollback itself.
///
/// # Errors
/// The record can't be read.
pub fn last_change(root: &Root) -> Result<Option<Journal>, Error> {
    let last = transaction::last(root)?.filter(|journal| !journal.is_undoing());
    Ok(match transaction::pending(root)? {
        Some(pending) if pending.is_unbegun_rollback() => last.or(Some(pending)),
        Some(pending) => Some(pending),
        None => last,
    })
}

/// Sweeps away what a rollback has prepared that was interrupted before it had begun.
///
/// # Errors
/// Another run is in progress, or something can't be removed.
pub fn sweep_unbegun(root: &Root, context: &mut Context<'_>) -> Result<(), Error> {
    if transaction::pending(root)?.is_some_and(|pending| pending.is_unbegun_rollback()) {
        let lock = take_lock(root, context)?;
        transaction::resume(root, &lock, Theirs::Refuse, &context.operator, context.now)?;
    }
    Ok(())
}

/// Undoes `journal`. `archive` is an archive that the user named.
///
/// # Errors
/// The archive is missing or damaged, or files have changed since: then nothing is changed.
pub fn undo(
    root: &Root,
    lock: &Lock,
    journal: &Journal,
    archive: Option<&Path>,
    theirs: Theirs,
    operator: &Invoker,
    now: Timestamp,
) -> Result<RolledBack, Error> {
    let old = old_state(root, journal, archive)?;
    let again = || transaction::rollback(root, lock, &old, theirs, operator, now).map_err(RollbackFailure);
    match again()? {
        // What was swept away is a rollback of `journal` that hadn't begun.
        RolledBack::Cleaned { .. } if journal.state == State::Done => Ok(again()?),
        done => Ok(done),
    }
}

/// The archive that the change recorded, by its name in the root's own directory: a disk that was mounted then may be the
/// machine's own now. On the running node also where it was recorded; what a foreign disk says is no path of this host.
fn recorded_archive(root: &Root, recorded: &Path) -> Result<PathBuf, Error> {
    let same_name = |path: &PathBuf| path.file_name() == recorded.file_name();
    let own = archive::list(root, None).unwrap_or_default().into_iter().find(same_name);
    match own {
        Some(own) => Ok(own),
        None if root.is_live() => Ok(recorded.to_owned()),
        None => {
            let what = format!("the archive of the change is not on this disk: {}", recorded.display());
            Err(Error::could_not_run(what).code(Code::NoArchive))
        }
    }
}

fn old_state(root: &Root, journal: &Journal, archive: Option<&Path>) -> Result<Snapshot, Error> {
    // A change that hadn't begun is only cleaned up.
    if journal.state == State::Staging {
        return Ok(Snapshot::default());
    }
    let opened = match (archive, &journal.archive) {
        (Some(path), _) => archive::open(path).map(|(snapshot, _)| snapshot).map_err(Error::from),
        (None, Some(archive)) => recorded_state(root, archive),
        (None, None) => return Ok(Snapshot::default()),
    };
    match opened {
        // An interrupted undo has all it needs beside its targets, unless somebody has removed it.
        Err(_) if journal.is_undoing() => Ok(Snapshot::default()),
        opened => opened.map_err(|failure| {
            let failure = Error { kind: Kind::CouldNotRun, ..failure };
            failure.hint("nothing was changed; --archive FILE names another archive of the old state")
        }),
    }
}

/// The content of the archive that a change recorded, if it is still that archive.
///
/// # Errors
/// It is missing or damaged, or another one.
pub fn recorded_state(root: &Root, recorded: &transaction::ArchiveRef) -> Result<Snapshot, Error> {
    let path = recorded_archive(root, &recorded.path)?;
    let (snapshot, verified) = archive::open(&path)?;
    if verified.sha256 != recorded.sha256 {
        let what = "is not the archive that the change has made (its SHA-256 differs)";
        return Err(Error::could_not_run(format!("{} {what}", path.display())).code(Code::CannotRollBack));
    }
    Ok(snapshot)
}
