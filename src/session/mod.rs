//! The workflows of the commands, the only place where the effects meet. By job, each importing only from
//! those before it: [`input`] (reading a node, values of the command line), [`change`] (archive, transaction,
//! undo), [`forensics`] and [`cluster`], [`workstation`] (kubeconfigs), [`recovery`] of a running node.

pub mod change;
pub mod cluster;
pub mod forensics;
pub mod input;
pub mod recovery;
pub mod workstation;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::change::signals::{SignalGuard, arrived, hold};
use crate::disk::{self, NewFile};
use crate::error::{Error, Exit};
use crate::live::clock;
use crate::report::{Output, ResultFile};
use crate::state::{Code, Invoker};

pub struct Context<'a> {
    /// The clock, read once.
    pub now: Timestamp,
    /// The command line, for records.
    pub command_line: String,
    /// The user who runs it.
    pub operator: Invoker,
    pub out: &'a mut Output,
    /// The start of the run.
    pub begun: Instant,
    /// How much of it was waiting for processes to stop, start and become healthy.
    pub waited: Duration,
    /// Whether files of the node were changed.
    pub changed: bool,
    /// What keeps signals from ending the run between two states.
    pub held: Option<SignalGuard>,
}

impl Context<'_> {
    pub fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.begun)
    }

    /// From here to its last word the run isn't interrupted by a signal: what waits looks whether one has arrived.
    pub fn hold_signals(&mut self) {
        self.held.get_or_insert_with(hold);
    }

    /// The exit code, also if the result could not be written: never one that says that nothing was changed where
    /// something was.
    pub fn last_word(&mut self, exit: Exit) -> Exit {
        // Everything is said: a signal has nothing left to end.
        let _over = arrived();
        let file = self.out.take_file().filter(|_| exit != Exit::CouldNotRun);
        if let Some(Err(error)) = file.map(|file| written(&file)) {
            return self.out.fail(&Error::from(error).code(Code::OutputFailed));
        }
        if !self.out.is_broken() || !matches!(exit, Exit::Fine | Exit::Findings) {
            return exit;
        }
        let what = "the result could not be written to stdout";
        let failure = match self.changed {
            true => Error::manual_action(format!("the change is made, but {what}"))
                .hint("kuberescue diagnose shows the node as it is now"),
            false => Error::could_not_run(what).hint("run the same command again with stdout elsewhere"),
        };
        self.out.fail(&failure.code(Code::OutputFailed))
    }

    /// Asks before a change, unless `--yes` is set.
    ///
    /// # Errors
    /// The answer is no, or there is no terminal to confirm on.
    pub fn confirm(&mut self, question: &str, yes: bool) -> Result<(), Error> {
        if yes {
            return Ok(());
        }
        match self.out.ask(question) {
            Some(true) => Ok(()),
            Some(false) => Err(Error::aborted()),
            None => Err(Error::could_not_run("no terminal to confirm on; nothing was changed")
                .code(Code::NotConfirmed)
                .hint("run it again with --yes")),
        }
    }
}

/// Writes the result to its file: all of it or nothing, so that a reader never finds half a file.
fn written(file: &ResultFile) -> Result<(), disk::Error> {
    let mut new = NewFile::result(&file.path)?;
    new.write(&file.bytes)?;
    new.sync()?;
    new.replace().map(drop)
}
