//! What the commands do alike: understanding what an operator types ([`arguments`]), reading a node
//! ([`source`]), changing it ([`change`]), undoing that ([`undo`]) giving it an archived state ([`restore`]), and telling what happened to it ([`timeline`]); what of it runs with old files
//! ([`host`]), what has to be right before that is changed
//! ([`preflight`]), restarting it ([`revive`], [`by_manifest`], [`manifests`]), the proof that all is well
//! ([`proof`]) and all of these in order ([`live`]), with what follows in the rest of the cluster ([`afterwards`]);
//! the kubeconfigs of a workstation ([`workstation`]), one that is about to take another's place ([`credential`]) and
//! the Secret that the admin cluster keeps of it ([`secret`]); the API server that they lead to ([`cluster`]), what is
//! restarted through it ([`rollout`]) and whether all came back ([`verify`]). The only place where the rooms of effects
//! meet.

pub mod afterwards;
pub mod arguments;
pub mod by_manifest;
pub mod change;
pub mod cluster;
pub mod credential;
pub mod host;
pub mod live;
pub mod manifests;
pub mod nodes;
pub mod preflight;
pub mod proof;
pub mod restore;
pub mod revive;
pub mod rollout;
pub mod secret;
pub mod signals;
pub mod source;
pub mod surroundings;
pub mod timeline;
pub mod undo;
pub mod verify;
pub mod workstation;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::live::clock;
use crate::report::{Failure, Output};
use crate::state::Operator;

/// What a run knows of the world.
pub struct Context<'a> {
    /// The clock, read once.
    pub now: Timestamp,
    /// The command line, for records.
    pub command_line: String,
    /// Who runs it.
    pub operator: Operator,
    /// Where to print.
    pub out: &'a mut Output,
    /// When the run began.
    pub begun: Instant,
    /// How much of it was waiting for processes of the node to stop, to start and to be well.
    pub waited: Duration,
}

impl Context<'_> {
    /// How long the run has taken.
    pub fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.begun)
    }

    /// Asks before something is changed, unless the operator has said `--yes`.
    ///
    /// # Errors
    /// The answer is no, or nobody is there to answer.
    pub fn confirm(&mut self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        match self.out.ask(question) {
            Some(true) => Ok(()),
            Some(false) => Err(Failure::could_not_run("the answer was no; nothing was changed")),
            None => Err(Failure::could_not_run("nobody is there to say yes; nothing was changed")
                .hint("run it again with --yes")),
        }
    }
}
