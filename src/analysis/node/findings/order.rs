//! Causal order: root causes first, and the consequence of each.

use super::{Class, Code, Finding, Severity};

/// The state of the control plane without a credential or component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::analysis) enum Without {
    /// A part of it doesn't work.
    InPart,
    /// It runs, but doesn't start again once it is stopped.
    NotAgain,
    /// Whether it starts depends on more than is known here.
    Perhaps,
    Dead,
}

/// The order in which a node starts, and so in which it fails: each row keeps the rows below it from working.
/// For each row: how bad it is without, and the consequence.
const CHAIN: [(&str, Without, &str); 20] = [
    (
        "etcd-ca",
        Without::Dead,
        "etcd's members, the API server and etcd reject each other: nothing can be read or written",
    ),
    ("etcd-server", Without::Dead, "the API server rejects etcd: nothing can be read or written"),
    (
        "etcd-peer",
        Without::Perhaps,
        "etcd's members reject each other: with several there is no leader, and nothing can be written",
    ),
    ("etcd", Without::Dead, "kube-apiserver has no datastore and exits"),
    ("etcd client", Without::Dead, "etcd rejects kube-apiserver, which exits"),
    ("apiserver-etcd-client", Without::Dead, "etcd rejects kube-apiserver, which exits"),
    (
        "ca",
        Without::Dead,
        "the API server's clients and the API server reject each other: kubectl, kubelets, controller manager, scheduler",
    ),
    (
        "apiserver",
        Without::Dead,
        "every client rejects the API server: kubectl, kubelets, controller manager, scheduler",
    ),
    ("kube-apiserver", Without::Dead, "nothing can be managed"),
    ("sa", Without::Dead, "the API server rejects every token: all pods lose access to the API"),
    (
        "kubelet-client",
        Without::NotAgain,
        "the API server rejects the kubelet: the node is NotReady, and pods are not updated",
    ),
    (
        "kubelet.conf",
        Without::InPart,
        "the kubelet rejects the API server: the node is NotReady, and pods are not updated",
    ),
    ("kubelet", Without::NotAgain, "no static pod is started: what is stopped stays down"),
    (
        "controller-manager.conf",
        Without::InPart,
        "the controller manager cannot work: no new pods, no CSRs signed, failed nodes not detected",
    ),
    ("kube-controller-manager", Without::InPart, "no new pods, no CSRs signed, failed nodes not detected"),
    ("scheduler.conf", Without::InPart, "the scheduler cannot work: pods stay Pending"),
    ("kube-scheduler", Without::InPart, "pods stay Pending"),
    (
        "apiserver-kubelet-client",
        Without::InPart,
        "kubelets reject the API server: no logs, no exec, no port-forward",
    ),
    (
        "front-proxy-ca",
        Without::InPart,
        "aggregated APIs reject the API server: no metrics, no autoscaling, namespaces stuck in Terminating",
    ),
    (
        "front-proxy-client",
        Without::InPart,
        "aggregated APIs reject the API server: no metrics, no autoscaling, namespaces stuck in Terminating",
    ),
];

/// More consequences: none of these keeps the cluster from working.
const BESIDE: [(&str, &str); 5] = [
    ("admin.conf", "kubectl with admin.conf is rejected; the cluster goes on"),
    ("super-admin.conf", "kubectl with super-admin.conf is rejected; the cluster goes on"),
    ("etcd-healthcheck-client", "health checks of etcd with this certificate fail; etcd goes on"),
    ("kubelet-serving", "kubectl logs and exec fail where the API server checks it; by default it does not"),
    ("clock", "valid certificates are treated as expired or not yet valid"),
];

/// The consequence when the credential or component of this name is no longer usable.
pub fn consequence(subject: &str) -> Option<&'static str> {
    let chain = CHAIN.iter().map(|(name, _, follows)| (name, follows));
    let beside = BESIDE.iter().map(|(name, follows)| (name, follows));
    chain.chain(beside).find(|(name, _)| **name == subject).map(|(_, follows)| *follows)
}

/// The consequence of a finding, if it keeps something from working.
pub(in crate::analysis) fn follows(finding: &Finding) -> Option<&'static str> {
    match finding.code {
        Code::DiskFull => Some("etcd can't write, and what is written now ends up empty or cut off"),
        Code::KubeletLinkMissing | Code::KubeletLinkDangling | Code::KubeletLinkNoLink => {
            consequence("kubelet")
        }
        _ => consequence(&finding.subject),
    }
}

/// The state of the control plane with this blocker.
pub(in crate::analysis) fn without(finding: &Finding) -> Without {
    match finding.code {
        // The pair exists, and the API server starts with it.
        Code::SaPairMismatch => Without::InPart,
        // One of the two may start.
        Code::DuplicateManifest | Code::ClockBehind | Code::DiskFull => Without::Perhaps,
        _ => {
            let known = CHAIN.iter().find(|(name, _, _)| *name == finding.subject);
            known.map_or(Without::InPart, |(_, without, _)| *without)
        }
    }
}

/// Whether the cluster keeps working without the credential of this name.
pub(in crate::analysis) fn goes_on_without(subject: &str) -> bool {
    ["admin.conf", "super-admin.conf", "etcd-healthcheck-client"].contains(&subject)
}

/// The rank of this credential or component in the chain: the lowest fails first.
pub(in crate::analysis) fn place(subject: &str) -> usize {
    CHAIN.iter().position(|(name, _, _)| *name == subject).unwrap_or(CHAIN.len())
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
        _ if finding.severity == Severity::Blocker => 3,
        Class::Etcd | Class::Manifest | Class::Kubelet | Class::Credential => 4,
        Class::Exposure | Class::Kubeconfig | Class::Probe | Class::Cluster | Class::Refusal | Class::Log => {
            5
        }
    };
    (
        std::cmp::Reverse(finding.severity),
        class,
        place(&finding.subject),
        finding.subject.clone(),
        finding.code.as_str(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::catalog::{CAS, CERT_SPECS, KUBELET_CLIENT, KUBELET_SERVING};

    #[test]
    fn everything_in_the_catalog_has_a_consequence() {
        let names = CERT_SPECS.iter().map(|spec| spec.name).chain(CAS.iter().map(|ca| ca.name()));
        for name in names.chain([KUBELET_CLIENT, KUBELET_SERVING]) {
            assert!(consequence(name).is_some(), "{name}");
        }
    }

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
        let order: Vec<_> = found.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(order, ["clock", "etcd-server", "apiserver", "scheduler.conf", "admin.conf", "/x"]);
    }
}
