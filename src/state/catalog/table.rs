//! The rows: what kubeadm issues, and what breaks without each. A new certificate is a row in each list and a
//! variant of [`Leaf`], all here.

use super::{
    Ca, CertSpec, CommonName, Consequence, KUBELET_CLIENT, KUBELET_SERVING, Names, Organization, Place,
    Usage, Without,
};
use crate::state::Component;

/// Which row of [`CERT_SPECS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    Admin,
    ApiServer,
    ApiServerEtcdClient,
    ApiServerKubeletClient,
    ControllerManager,
    EtcdHealthcheckClient,
    EtcdPeer,
    EtcdServer,
    FrontProxyClient,
    Scheduler,
    SuperAdmin,
    /// One of the API server's `--tls-sni-cert-key`, which kubeadm doesn't have: no row.
    ApiServerSni,
}

const NO_ORGANIZATION: Organization = Organization::same(None);
const MASTERS: Organization = Organization::same(Some("system:masters"));
const MASTERS_UNTIL_1_28: Organization =
    Organization { until_1_28: Some("system:masters"), since_1_29: None, since_1_37: None };
const ADMINS: Organization = Organization {
    until_1_28: Some("system:masters"),
    since_1_29: Some("kubeadm:cluster-admins"),
    since_1_37: Some("kubeadm:cluster-admins"),
};
const KUBELET_API_ADMIN: Organization =
    Organization { since_1_37: Some("system:kubelet-api-admin"), ..ADMINS };

/// The leaf certificates in kubeadm's order: by name.
pub const CERT_SPECS: [CertSpec; 11] = [
    CertSpec {
        leaf: Leaf::Admin,
        name: "admin.conf",
        long_name: "certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself",
        place: Place::Kubeconfig("admin.conf"),
        authority: Ca::Cluster,
        common_name: CommonName::Fixed("kubernetes-admin"),
        organization: ADMINS,
        usage: Usage::Client,
        names: Names::None,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::ApiServer,
        name: "apiserver",
        long_name: "certificate for serving the Kubernetes API",
        place: Place::Pair("apiserver"),
        authority: Ca::Cluster,
        common_name: CommonName::Fixed("kube-apiserver"),
        organization: NO_ORGANIZATION,
        usage: Usage::Server,
        names: Names::ApiServer,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::ApiServerEtcdClient,
        name: "apiserver-etcd-client",
        long_name: "certificate the apiserver uses to access etcd",
        place: Place::Pair("apiserver-etcd-client"),
        authority: Ca::Etcd,
        common_name: CommonName::Fixed("kube-apiserver-etcd-client"),
        organization: MASTERS_UNTIL_1_28,
        usage: Usage::Client,
        names: Names::None,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::ApiServerKubeletClient,
        name: "apiserver-kubelet-client",
        long_name: "certificate for the API server to connect to kubelet",
        place: Place::Pair("apiserver-kubelet-client"),
        authority: Ca::Cluster,
        common_name: CommonName::Fixed("kube-apiserver-kubelet-client"),
        organization: KUBELET_API_ADMIN,
        usage: Usage::Client,
        names: Names::None,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::ControllerManager,
        name: "controller-manager.conf",
        long_name: "certificate embedded in the kubeconfig file for the controller manager to use",
        place: Place::Kubeconfig("controller-manager.conf"),
        authority: Ca::Cluster,
        common_name: CommonName::Fixed("system:kube-controller-manager"),
        organization: NO_ORGANIZATION,
        usage: Usage::Client,
        names: Names::None,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::EtcdHealthcheckClient,
        name: "etcd-healthcheck-client",
        long_name: "certificate for liveness probes to healthcheck etcd",
        place: Place::Pair("etcd/healthcheck-client"),
        authority: Ca::Etcd,
        common_name: CommonName::Fixed("kube-etcd-healthcheck-client"),
        organization: MASTERS_UNTIL_1_28,
        usage: Usage::Client,
        names: Names::None,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::EtcdPeer,
        name: "etcd-peer",
        long_name: "certificate for etcd nodes to communicate with each other",
        place: Place::Pair("etcd/peer"),
        authority: Ca::Etcd,
        common_name: CommonName::NodeName,
        organization: NO_ORGANIZATION,
        usage: Usage::ServerAndClient,
        names: Names::EtcdMember,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::EtcdServer,
        name: "etcd-server",
        long_name: "certificate for serving etcd",
        place: Place::Pair("etcd/server"),
        authority: Ca::Etcd,
        common_name: CommonName::NodeName,
        organization: NO_ORGANIZATION,
        usage: Usage::ServerAndClient,
        names: Names::EtcdMember,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::FrontProxyClient,
        name: "front-proxy-client",
        long_name: "certificate for the front proxy client",
        place: Place::Pair("front-proxy-client"),
        authority: Ca::FrontProxy,
        common_name: CommonName::Fixed("front-proxy-client"),
        organization: NO_ORGANIZATION,
        usage: Usage::Client,
        names: Names::None,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::Scheduler,
        name: "scheduler.conf",
        long_name: "certificate embedded in the kubeconfig file for the scheduler manager to use",
        place: Place::Kubeconfig("scheduler.conf"),
        authority: Ca::Cluster,
        common_name: CommonName::Fixed("system:kube-scheduler"),
        organization: NO_ORGANIZATION,
        usage: Usage::Client,
        names: Names::None,
        by_init_since: None,
    },
    CertSpec {
        leaf: Leaf::SuperAdmin,
        name: "super-admin.conf",
        long_name: "certificate embedded in the kubeconfig file for the super-admin",
        place: Place::Kubeconfig("super-admin.conf"),
        authority: Ca::Cluster,
        common_name: CommonName::Fixed("kubernetes-super-admin"),
        organization: MASTERS,
        usage: Usage::Client,
        names: Names::None,
        by_init_since: Some(29),
    },
];

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
pub(super) const CONSEQUENCES: [Consequence; 26] = [
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
        KUBELET_CLIENT,
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
        KUBELET_SERVING,
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
