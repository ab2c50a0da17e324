//! Causal order: what fails first, and what follows from it.

use super::{Class, Finding, Severity};

/// The order in which a node comes to life, and so in which it fails: who stands further up keeps the rest from
/// working. Beside each what follows when it fails.
const CHAIN: [(&str, &str); 18] = [
    ("etcd-ca", "etcd's members, the API server and etcd refuse each other: nothing can be read or written"),
    ("etcd-server", "the API server refuses etcd: nothing can be read or written"),
    (
        "etcd-peer",
        "etcd's members refuse each other: with several there is no leader, and nothing can be written",
    ),
    ("etcd", "the API server has nothing to read from and ends"),
    ("etcd client", "etcd refuses the API server, which ends"),
    ("apiserver-etcd-client", "etcd refuses the API server, which ends"),
    (
        "ca",
        "the API server's clients and the API server refuse each other: kubectl, kubelets, controller manager, scheduler",
    ),
    ("apiserver", "every client refuses the API server: kubectl, kubelets, controller manager, scheduler"),
    ("kube-apiserver", "nothing can be managed"),
    ("sa", "the API server refuses every token: all pods lose the API"),
    ("kubelet-client", "the API server refuses the kubelet: the node is NotReady, and pods aren't updated"),
    ("kubelet", "no static pod is started any more: what is stopped stays dead"),
    (
        "controller-manager.conf",
        "the controller manager can't work: no new pods, no CSRs signed, dead nodes not noticed",
    ),
    ("kube-controller-manager", "no new pods, no CSRs signed, dead nodes not noticed"),
    ("scheduler.conf", "the scheduler can't work: no pod gets a node"),
    ("kube-scheduler", "no pod gets a node"),
    ("apiserver-kubelet-client", "kubelets refuse the API server: no logs, no exec, no port-forward"),
    (
        "front-proxy-client",
        "aggregated APIs refuse the API server: no metrics, no autoscaling, namespaces that don't end",
    ),
];

/// What follows where the credential or component of this name is of no use.
pub fn consequence(subject: &str) -> Option<&'static str> {
    let more = [
        ("front-proxy-ca", "aggregated APIs refuse the API server: no metrics, no autoscaling"),
        ("admin.conf", "kubectl with admin.conf is refused; the cluster goes on"),
        ("super-admin.conf", "kubectl with super-admin.conf is refused; the cluster goes on"),
        ("etcd-healthcheck-client", "health checks of etcd with this certificate fail; etcd goes on"),
        (
            "kubelet-serving",
            "kubectl logs and exec fail where the API server checks it; by default it doesn't",
        ),
        ("clock", "certificates that are valid are taken for not yet valid or ended"),
    ];
    CHAIN.iter().chain(&more).find(|(name, _)| *name == subject).map(|(_, follows)| *follows)
}

/// Whether the control plane, or the kubelet that starts it, needs the credential or component of this name to come up.
pub(super) fn is_needed_to_start(subject: &str) -> bool {
    let until = CHAIN.iter().position(|(name, _)| *name == "controller-manager.conf").unwrap_or(0);
    subject == "clock"
        || subject.starts_with('/')
        || CHAIN.iter().take(until).any(|(name, _)| *name == subject)
}

/// Sorts: blockers, warnings, notes; of blockers what fails first.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| key(a).cmp(&key(b)));
}

fn key(finding: &Finding) -> (std::cmp::Reverse<Severity>, usize, usize, String, &'static str) {
    let class = match finding.code.page().class {
        Class::Clock => 0,
        Class::Disk => 1,
        _ if finding.severity == Severity::Blocker => 2,
        Class::Etcd | Class::Manifest | Class::Kubelet | Class::Credential => 3,
        Class::Exposure => 4,
    };
    let place = CHAIN.iter().position(|(name, _)| *name == finding.subject).unwrap_or(CHAIN.len());
    (std::cmp::Reverse(finding.severity), class, place, finding.subject.clone(), finding.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::diagnose::Code;
    use crate::state::catalog::{AUTHORITIES, KUBELET_CLIENT, KUBELET_SERVING, SLOTS};

    #[test]
    fn everything_in_the_catalog_has_a_consequence() {
        let names = SLOTS.iter().map(|slot| slot.name).chain(AUTHORITIES.iter().map(|ca| ca.name()));
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
