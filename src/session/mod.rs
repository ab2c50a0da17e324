//! What the commands do alike: reading a node ([`source`]), changing one ([`change`]), bringing its manifests back
//! ([`manifests`]), understanding what an
//! operator types ([`arguments`]). The only place where the rooms of effects meet.

pub mod arguments;
pub mod change;
pub mod manifests;
pub mod source;

use jiff::Timestamp;

use crate::report::{Failure, Output};

/// What a run knows of the world.
pub struct Context<'a> {
    /// The clock, read once.
    pub now: Timestamp,
    /// The command line, for records.
    pub command_line: String,
    /// Where to print.
    pub out: &'a mut Output,
}

impl Context<'_> {
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
