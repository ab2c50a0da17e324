//! What a renewal must change so that the certificate works: names that clients ask for, and its usage.

use serde::Serialize;

use super::decide::Decision;
use super::{Profile, Step};
use crate::analysis::node::findings::Finding;
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
        self.findings.iter().find(|finding| finding.code == code && finding.subject == name.into())
    }

    /// Whether a credential is rejected for its usage.
    pub(super) fn has_wrong_usage(&self, name: &str) -> bool {
        let found = self.finding_of(name, Code::UsageWrong);
        found.is_some_and(Finding::is_blocker)
    }

    /// Replaces a usage with which the certificate is rejected.
    pub(super) fn correct_usage(&self, step: &mut Step, usage: Usage) {
        if step.template.is_some() && self.has_wrong_usage(&step.name) {
            step.usage = Some(usage);
        }
    }

    /// Adds the names that a serving certificate lacks and those that were asked for, and takes those away that it shall
    /// lose.
    pub(super) fn correct_names(&self, step: &mut Step) {
        for name in &self.options.remove_sans {
            let shown = name.to_string();
            let before = step.names.len();
            step.names.retain(|own| !own.eq_ignore_ascii_case(&shown));
            if step.names.len() == before {
                continue;
            }
            if let Some(Profile { dns_names, addresses, .. }) = &mut step.profile {
                dns_names.retain(|own| !name.is(2, own.as_bytes()));
                addresses.retain(|own| San::Address(*own) != *name);
            }
            step.removed.push(name.clone());
        }
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};

    use super::*;
    use crate::analysis::node::findings::MissingName;
    use crate::analysis::node::inventory::Inventory;
    use crate::analysis::node::plan::{Action, Dates, KeyPlan, Options, SignedBy, Target};
    use crate::formats::certificate::Certificate;
    use crate::formats::key::{KeyAlgorithm, KeyEncoding};
    use crate::state::catalog::Ca;
    use crate::state::{Severity, Snapshot};

    const ADMIN: &str = "/etc/kubernetes/admin.conf";

    /// The step for an API server's certificate: of an old one with `names`, or issued for them.
    fn step(names: &[&str], is_renewal: bool) -> Step {
        let mut params =
            CertificateParams::new(names.iter().copied().map(str::to_owned).collect::<Vec<_>>()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let old = Certificate::from_der(der).unwrap();
        let dates = Dates { not_before: old.not_before, not_after: old.not_after };
        let profile = Profile {
            common_name: "kube-apiserver".to_owned(),
            organizations: Vec::new(),
            usage: Usage::Server,
            dns_names: old.dns_names.clone(),
            addresses: old.addresses.clone(),
        };
        Step {
            name: "apiserver".to_owned(),
            long_name: "",
            action: Action::Renew,
            target: Target::Pair { certificate: "/crt".into(), key: "/key".into() },
            authority: SignedBy::Ca(Ca::Cluster),
            subject: String::new(),
            names: old.alternative_names(),
            added: Vec::new(),
            removed: Vec::new(),
            usage: None,
            narrowed: Vec::new(),
            key: KeyPlan { algorithm: KeyAlgorithm::EcdsaP256, encoding: KeyEncoding::Sec1, reuse: false },
            old: None,
            new: dates,
            cut_to_authority: false,
            notes: Vec::new(),
            template: is_renewal.then_some(old),
            profile: (!is_renewal).then_some(profile),
        }
    }

    fn finding(code: Code, severity: Severity, subject: &str, missing: &[(&str, &str)]) -> Finding {
        let missing = missing
            .iter()
            .map(|(name, source)| MissingName { name: (*name).to_owned(), source: (*source).to_owned() });
        let missing = missing.collect();
        Finding { missing, ..Finding::new(code, severity, subject, ADMIN, "") }
    }

    /// The step after `correct`, decided with these findings.
    fn corrected(
        mut step: Step,
        findings: &[Finding],
        options: Options,
        correct: impl Fn(&Decision<'_>, &mut Step),
    ) -> Step {
        let snapshot = Snapshot::default();
        let inventory = Inventory::read(&snapshot, None);
        correct(&Decision::new(&snapshot, &inventory, findings, &options, step.new.not_before), &mut step);
        step
    }

    /// The names that are added, each with its reason.
    fn added(step: Step, findings: &[Finding], options: Options) -> Vec<String> {
        let step = corrected(step, findings, options, |decision, step| decision.correct_names(step));
        assert!(step.added.iter().all(|added| step.names.contains(&added.name.to_string())));
        step.added.iter().map(|added| format!("{} {}", added.name, added.reason)).collect()
    }

    fn asked(names: &[&str]) -> Options {
        let add_sans = names.iter().map(|name| name.parse().unwrap()).collect();
        Options { add_sans, whole_node: false, ..Options::recovery() }
    }

    #[test]
    fn recover_adds_what_the_finding_misses() {
        let names = [("10.0.0.2", "x.yaml"), ("cp-1", "y.yaml"), ("no name", "z"), ("10.0.0.2", "again")];
        let found = [
            finding(Code::NamesMissing, Severity::Blocker, "etcd-server", &[("other", "x")]),
            finding(Code::NamesMissing, Severity::Blocker, "apiserver", &names),
        ];
        let all = added(step(&["cp-1"], true), &found, Options::recovery());
        assert_eq!(all, ["IP:10.0.0.2 x.yaml"]);
        // What is issued has the catalog's names, and certs renew keeps them.
        assert!(added(step(&["cp-1"], false), &found, Options::recovery()).is_empty());
        assert!(added(step(&["cp-1"], true), &found, asked(&[])).is_empty());
    }

    #[test]
    fn a_name_that_is_asked_for_is_added_once() {
        let options = || asked(&["cp-1", "lb.test", "10.0.0.9", "lb.test"]);
        let both = ["DNS:lb.test --add-san", "IP:10.0.0.9 --add-san"];
        assert_eq!(added(step(&["cp-1"], true), &[], options()), both);
        assert_eq!(added(step(&["cp-1"], false), &[], options()), both);
        let issued =
            corrected(step(&["cp-1"], false), &[], options(), |decision, step| decision.correct_names(step));
        let profile = issued.profile.unwrap();
        assert_eq!(profile.dns_names, ["cp-1", "lb.test"]);
        assert_eq!(profile.addresses, ["10.0.0.9".parse::<std::net::IpAddr>().unwrap()]);
    }

    /// A kubeconfig that trusts another CA may be another cluster's, and so may its server's name.
    #[test]
    fn a_name_of_another_cluster_is_not_added() {
        let source = format!("{ADMIN} server");
        let names = [("staging.test", source.as_str()), ("cp-1", "x.yaml")];
        let missing = || finding(Code::NamesMissing, Severity::Blocker, "apiserver", &names);
        let differs = finding(Code::EmbeddedCaDiffers, Severity::Warning, "admin.conf", &[]);
        assert_eq!(added(step(&[], true), &[missing(), differs], Options::recovery()), ["DNS:cp-1 x.yaml"]);
        let of_both = [format!("DNS:staging.test {source}"), "DNS:cp-1 x.yaml".to_owned()];
        assert_eq!(added(step(&[], true), &[missing()], Options::recovery()), of_both);
    }

    #[test]
    fn a_usage_is_replaced_where_it_is_rejected() {
        let usage = |severity, is_renewal, subject: &str| {
            let found = [finding(Code::UsageWrong, severity, subject, &[])];
            let of = |decision: &Decision<'_>, step: &mut Step| decision.correct_usage(step, Usage::Server);
            corrected(step(&[], is_renewal), &found, Options::recovery(), of).usage
        };
        assert_eq!(usage(Severity::Blocker, true, "apiserver"), Some(Usage::Server));
        assert_eq!(usage(Severity::Warning, true, "apiserver"), None);
        assert_eq!(usage(Severity::Blocker, false, "apiserver"), None);
        assert_eq!(usage(Severity::Blocker, true, "etcd-server"), None);
    }
}
