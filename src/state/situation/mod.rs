//! Situations of an operator: what to do, step by step, with this binary alone. `explain` shows them beside the codes.
//!
//! The binary is alone on a broken node: what is needed there stands here, not in a document elsewhere.

mod access;
mod node;

use serde::{Serialize, Serializer};

use super::Code;

/// One step: what it does, and its command, where there is one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Step {
    pub text: &'static str,
    pub command: Option<&'static str>,
}

/// The steps of a situation.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Steps {
    #[serde(rename = "name")]
    pub situation: Situation,
    pub title: &'static str,
    /// How it is recognised, and what to know before the first step.
    pub when: &'static str,
    /// In order, one command each. In a table, such as that of the exit codes, each is a row.
    pub steps: &'static [Step],
}

const fn run(text: &'static str, command: &'static str) -> Step {
    Step { text, command: Some(command) }
}

const fn do_it(text: &'static str) -> Step {
    Step { text, command: None }
}

/// Generates the enum and the list of all situations from one table.
macro_rules! situations {
    ($($name:ident $text:literal,)*) => {
        /// A situation; `explain` prints its steps. One that has the name of a code adds the steps to that code's page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Situation {
            $($name,)*
        }

        /// Every situation, in the order of `explain --list`.
        pub const SITUATIONS: &[Situation] = &[$(Situation::$name),*];

        impl Situation {
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

situations! {
    // node.rs
    Expired "expired",
    CaExpired "ca-expired",
    SeveralNodes "several-nodes",
    Workers "workers",
    LostCaKey "lost-ca-key",
    ExternalCa "external-ca",
    LeakedCaKey "leaked-ca-key",
    LostQuorum "lost-quorum",
    NoRuntime "no-runtime",
    InterruptedChange "interrupted-change",
    RestoreArchive "restore-archive",
    // access.rs
    MountedDisk "mounted-disk",
    NoKubeconfig "no-kubeconfig",
    Workstation "workstation",
    ExitCodes "exit-codes",
}

const STEPS: &[&[Steps]] = &[node::STEPS, access::STEPS];

/// Replaces missing steps; a test proves that there are none.
const NO_STEPS: Steps = Steps { situation: Situation::ExitCodes, title: "", when: "", steps: &[] };

impl Situation {
    pub fn steps(self) -> &'static Steps {
        STEPS.iter().copied().flatten().find(|steps| steps.situation == self).unwrap_or(&NO_STEPS)
    }

    pub fn named(name: &str) -> Option<Self> {
        SITUATIONS.iter().copied().find(|situation| situation.as_str() == name)
    }

    /// The situation of whoever reads this code, if there are steps for it.
    pub const fn of(code: Code) -> Option<Self> {
        match code {
            Code::CaExpired => Some(Self::CaExpired),
            Code::CaKeyMissing | Code::CaKeyUnreadable | Code::CaKeyMismatch => Some(Self::LostCaKey),
            Code::EtcdQuorum => Some(Self::SeveralNodes),
            Code::NoRuntime => Some(Self::NoRuntime),
            Code::InterruptedChange | Code::InterruptedRestart => Some(Self::InterruptedChange),
            Code::WorkerNode => Some(Self::Workers),
            Code::Workstation => Some(Self::Workstation),
            _ => None,
        }
    }
}

impl std::fmt::Display for Situation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.as_str())
    }
}

impl Serialize for Situation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn situations_are_unique_and_have_steps() {
        let mut names: Vec<_> = SITUATIONS.iter().map(|situation| situation.as_str()).collect();
        for situation in SITUATIONS {
            let steps = situation.steps();
            assert_eq!(steps.situation, *situation, "{situation} has no steps");
            assert_eq!(Situation::named(situation.as_str()), Some(*situation));
            assert!(
                steps.title.len() > 10 && steps.when.ends_with('.') && steps.steps.len() > 1,
                "{situation}"
            );
            for step in steps.steps {
                assert!(step.text.ends_with(['.', ':']), "{situation}: {}", step.text);
                assert_eq!(step.text.ends_with(':'), step.command.is_some(), "{situation}: {}", step.text);
                // A step is read on the console of a server.
                assert!(step.command.is_none_or(|command| command.len() <= 73), "{situation}: {step:?}");
            }
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SITUATIONS.len());
        assert_eq!(STEPS.iter().copied().flatten().count(), SITUATIONS.len(), "steps too many");
    }
}
