//! What breaks without a credential or component: one column for findings, trust graph and reports.

use crate::state::Component;

/// What the control plane is without a credential or component, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Without {
    /// The cluster continues; one way to reach it is lost.
    GoesOn,
    /// A part of it doesn't work.
    InPart,
    /// It runs, and doesn't come back once it is stopped.
    NotAgain,
    /// Whether it starts depends on more than is known here.
    Perhaps,
    /// It doesn't start.
    Dead,
}

/// What follows when the credential or component of this name is missing, expired or no longer accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Consequence {
    /// Name in the catalog, a component's name, or `clock`.
    pub subject: &'static str,
    pub without: Without,
    /// Main clauses, without a full stop.
    pub text: &'static str,
    /// The static pod that presents it, where exactly one does.
    pub pod: Option<Component>,
}

const fn row(
    subject: &'static str,
    without: Without,
    text: &'static str,
    pod: Option<Component>,
) -> Consequence {
    Consequence { subject, without, text, pod }
}

const API_SERVER: Option<Component> = Some(Component::ApiServer);

/// In the order in which a node comes to life, and so in which it fails: what stands further up keeps the rest from
/// working.
const CONSEQUENCES: [Consequence; 26] = [
    row(
        "etcd-ca",
        Without::Dead,
        "etcd's members, the API server and etcd reject each other: nothing can be read or written",
        None,
    ),
    row(
        "etcd-server",
        Without::Dead,
        "the API server rejects etcd: nothing can be read or written",
        Some(Component::Etcd),
    ),
    row(
        "etcd-peer",
        Without::Perhaps,
        "etcd's members reject each other: with several there is no leader, and nothing can be written",
        Some(Component::Etcd),
    ),
    row("etcd", Without::Dead, "kube-apiserver has no datastore and exits", None),
    row("etcd client", Without::Dead, "etcd rejects kube-apiserver, which exits", API_SERVER),
    row("apiserver-etcd-client", Without::Dead, "etcd rejects kube-apiserver, which exits", API_SERVER),
    row(
        "ca",
        Without::Dead,
        "the API server's clients and the API server reject each other: kubectl, kubelets, controller manager, scheduler",
        None,
    ),
    row(
        "apiserver",
        Without::Dead,
        "every client rejects the API server: kubectl, kubelets, controller manager, scheduler",
        API_SERVER,
    ),
    row("kube-apiserver", Without::Dead, "nothing can be managed", None),
    row("sa", Without::Dead, "the API server rejects every token: all pods lose access to the API", None),
    row(
        super::KUBELET_CLIENT,
        Without::NotAgain,
        "the API server rejects the kubelet: the node is NotReady, and pods are not updated",
        None,
    ),
    row(
        "kubelet.conf",
        Without::InPart,
        "the kubelet rejects the API server: the node is NotReady, and pods are not updated",
        None,
    ),
    row("kubelet", Without::NotAgain, "no static pod is started: what is stopped stays down", None),
    row(
        "controller-manager.conf",
        Without::InPart,
        "the controller manager cannot work: no new pods, no CSRs signed, failed nodes not detected",
        Some(Component::ControllerManager),
    ),
    row(
        "kube-controller-manager",
        Without::InPart,
        "no new pods, no CSRs signed, failed nodes not detected",
        None,
    ),
    row(
        "scheduler.conf",
        Without::InPart,
        "the scheduler cannot work: pods stay Pending",
        Some(Component::Scheduler),
    ),
    row("kube-scheduler", Without::InPart, "pods stay Pending", None),
    row(
        "apiserver-kubelet-client",
        Without::InPart,
        "kubelets reject the API server: no logs, no exec, no port-forward",
        API_SERVER,
    ),
    row("apiserver-sni", Without::InPart, "clients that ask for its names reject the API server", API_SERVER),
    row(
        "front-proxy-ca",
        Without::InPart,
        "aggregated APIs reject the API server: no metrics, no autoscaling, namespaces stuck in Terminating",
        API_SERVER,
    ),
    row(
        "front-proxy-client",
        Without::InPart,
        "aggregated APIs reject the API server: no metrics, no autoscaling, namespaces stuck in Terminating",
        API_SERVER,
    ),
    row(
        super::KUBELET_SERVING,
        Without::InPart,
        "kubectl logs and exec fail where the API server checks it; by default it does not",
        None,
    ),
    row("clock", Without::InPart, "valid certificates are treated as expired or not yet valid", None),
    row("admin.conf", Without::GoesOn, "kubectl with admin.conf is rejected; the cluster continues", None),
    row(
        "super-admin.conf",
        Without::GoesOn,
        "kubectl with super-admin.conf is rejected; the cluster continues",
        None,
    ),
    row(
        "etcd-healthcheck-client",
        Without::GoesOn,
        "health checks of etcd with this certificate fail; etcd continues",
        None,
    ),
];

/// The entry of a name, and how early in the chain it fails.
pub fn consequence(subject: &str) -> Option<(usize, &'static Consequence)> {
    CONSEQUENCES.iter().enumerate().find(|(_, row)| row.subject == subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::catalog::{CAS, CERT_SPECS, KUBELET_CLIENT, KUBELET_SERVING};

    #[test]
    fn everything_in_the_catalog_has_a_consequence() {
        let names = CERT_SPECS.iter().map(|spec| spec.name).chain(CAS.iter().map(|ca| ca.name()));
        let components = Component::STATIC_PODS.iter().map(|component| component.name());
        for name in names.chain(components).chain(["sa", "kubelet", KUBELET_CLIENT, KUBELET_SERVING]) {
            assert_eq!(CONSEQUENCES.iter().filter(|row| row.subject == name).count(), 1, "{name}");
        }
    }
}
