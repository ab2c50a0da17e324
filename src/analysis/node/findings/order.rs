//! Causal order: root causes first, and the consequence of each.

use super::{Class, Code, Finding, Severity};
use crate::state::catalog::{self, Without};

/// The consequence when the credential or component of this name is no longer usable.
pub fn consequence(name: &str) -> Option<&'static str> {
    catalog::consequence(name).map(|(_, row)| row.text)
}

/// The consequence of a finding, if it keeps something from working.
pub(in crate::analysis) fn follows(finding: &Finding) -> Option<&'static str> {
    match finding.code {
        Code::DiskFull => Some("etcd can't write, and what is written now ends up empty or cut off"),
        Code::KubeletLinkMissing | Code::KubeletLinkDangling | Code::KubeletLinkNoLink => {
            consequence("kubelet")
        }
        Code::EtcdForceNewCluster => Some("the next start of etcd cuts the other members off"),
        Code::EtcdSpaceExceeded => Some("etcd refuses every write: nothing in the cluster can change"),
        Code::EtcdDatabaseDamaged => Some("etcd refuses every request, and the API server with it"),
        _ => consequence(&finding.subject.to_string()),
    }
}

/// The state of the control plane with this blocker.
pub(in crate::analysis) fn without(finding: &Finding) -> Without {
    match finding.code {
        // The pair exists, and the API server starts with it; etcd works until it starts again.
        Code::SaPairMismatch | Code::EtcdForceNewCluster | Code::EtcdSpaceExceeded => Without::InPart,
        // One of the two may start.
        Code::DuplicateManifest | Code::ClockBehind | Code::DiskFull => Without::Perhaps,
        _ => catalog::consequence(&finding.subject.to_string()).map_or(Without::InPart, |(_, row)| {
            // A blocker of a subject without which the cluster continues still is one.
            row.without.max(Without::InPart)
        }),
    }
}

/// Whether the cluster continues without the credential of this name.
pub(in crate::analysis) fn goes_on_without(name: &str) -> bool {
    catalog::consequence(name).is_some_and(|(_, row)| row.without == Without::GoesOn)
}

/// The rank of this credential or component in the chain: the lowest fails first.
pub(in crate::analysis) fn place(name: &str) -> usize {
    catalog::consequence(name).map_or(usize::MAX, |(place, _)| place)
}

/// Sorts: blockers, warnings, notes; blockers root cause first.
pub(in crate::analysis) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| key(a).cmp(&key(b)));
}

fn key(finding: &Finding) -> (std::cmp::Reverse<Severity>, usize, usize, String, &'static str) {
    let class = match finding.code.page().class {
        Class::Change => 0,
        Class::Clock => 1,
        Class::Disk => 2,
        _ if finding.is_blocker() => 3,
        Class::Etcd | Class::Manifest | Class::Kubelet | Class::Credential => 4,
        Class::Exposure | Class::Kubeconfig | Class::Probe | Class::Cluster | Class::Refusal | Class::Log => {
            5
        }
    };
    let subject = finding.subject.to_string();
    (std::cmp::Reverse(finding.severity), class, place(&subject), subject, finding.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_first_comes_first() {
        let finding = |code, severity, subject: &str| Finding::new(code, severity, subject, "/x", "x");
        let mut found = [
            finding(Code::KeyExposed, Severity::Warning, "/x"),
            finding(Code::Expired, Severity::Blocker, "scheduler.conf"),
            finding(Code::Expired, Severity::Blocker, "apiserver"),
            finding(Code::Expired, Severity::Blocker, "etcd-server"),
            finding(Code::ClockBehind, Severity::Blocker, "clock"),
            finding(Code::Expiring, Severity::Warning, "admin.conf"),
        ];
        sort(&mut found);
        let order: Vec<_> = found.iter().map(|finding| finding.subject.to_string()).collect();
        assert_eq!(order, ["clock", "etcd-server", "apiserver", "scheduler.conf", "admin.conf", "/x"]);
    }
}
