//! Exit codes and failures.

mod disk;
mod from;

use std::fmt;

use serde::Serialize;

use crate::state::Code;

pub use disk::{ChangedSince, ReplaceFailure, RollbackFailure, RootFailure, WorkspaceFailure};
pub use from::{ApiFailure, DatabaseFailure, FileFailure, denied, os_hint};

/// How a command finished. The numbers are part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and nothing is wrong.
    Fine = 0,
    /// Done, and something is wrong with what was looked at.
    Findings = 1,
    /// Wrong usage, or it could not run; nothing was changed.
    CouldNotRun = 2,
    /// It failed, and the old state was put back.
    RolledBack = 3,
    /// Something was changed, and a person is needed.
    ActionRequired = 4,
    /// Refused for safety; nothing was changed.
    Refused = 5,
}

/// What a command gives back.
pub type Outcome = Result<Exit, Error>;

/// What became of a command that failed, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was looked at is not in order; nothing was changed.
    Findings,
    /// Wrong usage, or it could not run; nothing was changed.
    CouldNotRun,
    /// The answer to a question was no: no error; nothing was changed.
    Aborted,
    /// It failed, and the old state was put back.
    RolledBack,
    /// Something was changed, and manual action is required.
    ActionRequired,
    /// Refused for safety; nothing was changed.
    Refused,
}

/// Why a command failed: `error [code]: message`, then a `hint:` each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Error {
    /// What became of the command.
    #[serde(skip)]
    pub kind: Kind,
    /// Its page in `explain`. Each that is printed has one.
    #[serde(skip)]
    pub code: Option<Code>,
    /// What went wrong, where, and why.
    pub message: String,
    /// What to do next, the most specific first.
    pub hints: Vec<String>,
    /// What shows it, such as the last lines of a log.
    pub details: Vec<String>,
}

impl Error {
    pub const fn exit(&self) -> Exit {
        match self.kind {
            Kind::Findings => Exit::Findings,
            Kind::CouldNotRun | Kind::Aborted => Exit::CouldNotRun,
            Kind::RolledBack => Exit::RolledBack,
            Kind::ActionRequired => Exit::ActionRequired,
            Kind::Refused => Exit::Refused,
        }
    }

    fn new(kind: Kind, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        Self { kind, code: None, message, hints: Vec::new(), details: Vec::new() }
    }

    /// It could not run; nothing was changed.
    pub fn could_not_run(message: impl fmt::Display) -> Self {
        Self::new(Kind::CouldNotRun, message)
    }

    /// The answer was no.
    pub fn aborted() -> Self {
        Self::new(Kind::Aborted, "aborted; nothing was changed").code(Code::NotConfirmed)
    }

    /// Its arguments don't fit; nothing was read or changed.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::could_not_run(message).code(Code::Usage)
    }

    /// Refused for safety; nothing was changed.
    pub fn refused(code: Code, message: impl fmt::Display) -> Self {
        Self::new(Kind::Refused, message).code(code)
    }

    /// Something was changed, and manual action is required.
    pub fn manual_action(message: impl fmt::Display) -> Self {
        Self::new(Kind::ActionRequired, message)
    }

    /// It failed, and the old state was put back.
    pub fn rolled_back(message: impl fmt::Display) -> Self {
        Self::new(Kind::RolledBack, message)
    }

    /// With a stable code.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// With what shows it, a line each.
    #[must_use]
    pub fn details(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.details = lines.into_iter().collect();
        self
    }

    /// With the next command or step, in place of any that a lower layer gave.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints = vec![hint.into()];
        self
    }
}
