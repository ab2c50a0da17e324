//! What a renewal must change so that the certificate works: names that clients ask for, and its usage.

use serde::Serialize;

use super::decide::Decision;
use super::{Profile, Step};
use crate::analysis::node::findings::{Finding, Severity};
use crate::formats::san::San;
use crate::state::Code;
use crate::state::catalog::Usage;

/// A name that the old certificate, or the catalog, doesn't have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Added {
    pub name: San,
    /// Where the name was read, or the flag that asked for it.
    pub reason: String,
}

impl Decision<'_> {
    fn finding_of(&self, name: &str, code: Code) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.code == code && finding.subject == name)
    }

    /// Whether a credential is rejected for its usage.
    pub(super) fn has_wrong_usage(&self, name: &str) -> bool {
        let found = self.finding_of(name, Code::UsageWrong);
        found.is_some_and(|finding| finding.severity == Severity::Blocker)
    }

    /// Replaces a usage with which the certificate is rejected.
    pub(super) fn correct_usage(&self, step: &mut Step, usage: Usage) {
        if step.template.is_some() && self.has_wrong_usage(&step.name) {
            step.usage = Some(usage);
        }
    }

    /// Adds the names that a serving certificate lacks, and those that were asked for.
    pub(super) fn correct_names(&self, step: &mut Step) {
        let missing = self.finding_of(&step.name, Code::NamesMissing);
        let missing = missing.filter(|_| self.options.whole_node && step.template.is_some());
        let missing = missing.map_or(&[][..], |finding| finding.missing.as_slice()).iter();
        let found =
            missing.filter(|missing| !self.is_of_another_cluster(&missing.source)).filter_map(|missing| {
                Some(Added { name: missing.name.parse().ok()?, reason: missing.source.clone() })
            });
        let asked = self.options.add_sans.iter();
        let asked = asked.map(|name| Added { name: name.clone(), reason: "--add-san".to_owned() });
        for added in found.chain(asked) {
            let name = added.name.to_string();
            if step.names.contains(&name) {
                continue;
            }
            match (&mut step.profile, &added.name) {
                (Some(Profile { dns_names, .. }), San::Dns(name)) => dns_names.push(name.clone()),
                (Some(Profile { addresses, .. }), San::Address(address)) => addresses.push(*address),
                (None, _) => {}
            }
            step.names.push(name);
            step.added.push(added);
        }
    }

    /// Whether a name was read in a kubeconfig that trusts another CA: its server may be another cluster's.
    fn is_of_another_cluster(&self, source: &str) -> bool {
        let differs = |finding: &&Finding| finding.code == Code::EmbeddedCaDiffers;
        let mut differing = self.findings.iter().filter(differs);
        differing.any(|finding| source.starts_with(&*finding.path.to_string_lossy()))
    }
}
