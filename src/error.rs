//! Exit codes and failures.

use std::fmt;

use crate::analysis::node::plan::Refusal;

/// How a command ended. The numbers are part of the command line's contract.
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
    NeedsPerson = 4,
    /// Refused for safety; nothing was changed.
    Refused = 5,
}

/// What a command gives back.
pub type Outcome = Result<Exit, Failure>;

/// Why a command did not do what it was asked to: what, where and why, then what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// Stable code of a refusal.
    pub code: Option<&'static str>,
    /// What went wrong, where, and why.
    pub message: String,
    /// The next command or step.
    pub hint: Option<String>,
    /// What shows it, such as the last lines of a log.
    pub details: Vec<String>,
}

impl Failure {
    /// It could not run; nothing was changed.
    pub fn could_not_run(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::CouldNotRun,
            code: None,
            message: message.to_string(),
            hint: None,
            details: Vec::new(),
        }
    }

    /// Refused for safety; nothing was changed.
    pub fn refused(code: &'static str, message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Refused,
            code: Some(code),
            message: message.to_string(),
            hint: None,
            details: Vec::new(),
        }
    }

    /// Something was changed, and a person is needed.
    pub fn needs_person(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::NeedsPerson,
            code: None,
            message: message.to_string(),
            hint: None,
            details: Vec::new(),
        }
    }

    /// It failed, and the old state was put back.
    pub fn rolled_back(message: impl fmt::Display) -> Self {
        Self { exit: Exit::RolledBack, ..Self::needs_person(message) }
    }

    /// With a stable code.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// With what shows it, a line each.
    #[must_use]
    pub fn details(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.details = lines.into_iter().collect();
        self
    }

    /// With the next command or step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        Self::refused(refusal.code, &refusal.what).hint(refusal.hint.clone())
    }
}

impl From<crate::issue::IssueError> for Failure {
    fn from(error: crate::issue::IssueError) -> Self {
        Self::could_not_run(error)
    }
}
