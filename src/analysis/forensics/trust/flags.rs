//! Which flags of the control plane name keys, certificates and CAs, what they do with them, and what breaks
//! without (kubernetes `cmd/kube-apiserver`, `cmd/kube-controller-manager`, `cmd/kube-scheduler`; etcd 3.4 to
//! 3.6).

use Breaks::{As, Only};

use crate::analysis::node::findings::consequence;
use crate::analysis::node::references::ENCRYPTION;
use crate::state::{Component, catalog};

/// What a flag does with the file that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Presents the certificate; the other flag names the key file.
    Present(&'static str),
    /// Accepts what its CAs signed.
    Trust,
    /// Signs with its CA, and with the key that the other flag names.
    Issue(&'static str),
    /// Signs or verifies with the key in it.
    Key,
    /// Encrypts with the symmetric keys in it.
    Secret,
    /// Connects with the kubeconfig.
    Kubeconfig,
    /// `CERTIFICATE,KEY:NAMES`.
    PresentBoth,
}

#[derive(Debug)]
pub(super) struct Flag {
    pub(super) component: &'static str,
    pub(super) name: &'static str,
    pub(super) does: Use,
    pub(super) breaks: Breaks,
}

/// What breaks without the file that a flag names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Breaks {
    /// The same as without this entry of the catalog.
    As(&'static str),
    /// Nothing that the catalog has.
    Only(&'static str),
}

impl Breaks {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::As(subject) => consequence(subject).unwrap_or_default(),
            Self::Only(text) => text,
        }
    }
}

const API: &str = Component::ApiServer.name();
const MANAGER: &str = Component::ControllerManager.name();
const SCHEDULER: &str = Component::Scheduler.name();
const ETCD: &str = Component::Etcd.name();

const fn flag(component: &'static str, name: &'static str, does: Use, breaks: Breaks) -> Flag {
    Flag { component, name, does, breaks }
}

const TOKENS: Breaks = As("sa");
const NO_SIGNER: Breaks =
    Only("no kubelet gets a new certificate; the cluster continues until theirs expire");
const OWN_PORT: Breaks = Only("only the component's own port for metrics and health rejects its clients");

/// The flags; each component's most important ones first.
pub(super) const FLAGS: &[Flag] = &[
    flag(API, "tls-cert-file", Use::Present("tls-private-key-file"), As("apiserver")),
    flag(
        API,
        "tls-sni-cert-key",
        Use::PresentBoth,
        Only("clients that ask for its names reject the API server"),
    ),
    flag(API, "client-ca-file", Use::Trust, Only("the API server rejects every client certificate")),
    flag(API, "etcd-cafile", Use::Trust, As("etcd-server")),
    flag(API, "etcd-certfile", Use::Present("etcd-keyfile"), As("apiserver-etcd-client")),
    flag(
        API,
        "kubelet-client-certificate",
        Use::Present("kubelet-client-key"),
        As("apiserver-kubelet-client"),
    ),
    flag(
        API,
        "kubelet-certificate-authority",
        Use::Trust,
        Only("the API server rejects kubelets: no logs, no exec, no port-forward"),
    ),
    flag(API, "proxy-client-cert-file", Use::Present("proxy-client-key-file"), As("front-proxy-client")),
    flag(API, "requestheader-client-ca-file", Use::Trust, As("front-proxy-ca")),
    flag(
        API,
        ENCRYPTION,
        Use::Secret,
        Only("kube-apiserver does not start, and without its keys what is stored encrypted is lost"),
    ),
    flag(API, "service-account-signing-key-file", Use::Key, TOKENS),
    flag(API, "service-account-key-file", Use::Key, TOKENS),
    flag(
        API,
        "oidc-ca-file",
        Use::Trust,
        Only("users of the OpenID provider are rejected; the cluster continues"),
    ),
    flag(MANAGER, "kubeconfig", Use::Kubeconfig, As("controller-manager.conf")),
    flag(MANAGER, "authentication-kubeconfig", Use::Kubeconfig, OWN_PORT),
    flag(MANAGER, "authorization-kubeconfig", Use::Kubeconfig, OWN_PORT),
    flag(MANAGER, "client-ca-file", Use::Trust, OWN_PORT),
    flag(MANAGER, "requestheader-client-ca-file", Use::Trust, OWN_PORT),
    flag(MANAGER, "cluster-signing-cert-file", Use::Issue("cluster-signing-key-file"), NO_SIGNER),
    flag(
        MANAGER,
        "cluster-signing-kubelet-serving-cert-file",
        Use::Issue("cluster-signing-kubelet-serving-key-file"),
        NO_SIGNER,
    ),
    flag(
        MANAGER,
        "cluster-signing-kubelet-client-cert-file",
        Use::Issue("cluster-signing-kubelet-client-key-file"),
        NO_SIGNER,
    ),
    flag(
        MANAGER,
        "cluster-signing-kube-apiserver-client-cert-file",
        Use::Issue("cluster-signing-kube-apiserver-client-key-file"),
        Only("no user gets a new client certificate; the cluster continues"),
    ),
    flag(
        MANAGER,
        "cluster-signing-legacy-unknown-cert-file",
        Use::Issue("cluster-signing-legacy-unknown-key-file"),
        Only("requests to legacy signers stay pending; the cluster continues"),
    ),
    flag(
        MANAGER,
        "root-ca-file",
        Use::Trust,
        Only("pods reject the API server: what runs in them loses access to the API"),
    ),
    flag(MANAGER, "service-account-private-key-file", Use::Key, TOKENS),
    flag(MANAGER, "tls-cert-file", Use::Present("tls-private-key-file"), OWN_PORT),
    flag(SCHEDULER, "kubeconfig", Use::Kubeconfig, As("scheduler.conf")),
    flag(SCHEDULER, "authentication-kubeconfig", Use::Kubeconfig, OWN_PORT),
    flag(SCHEDULER, "authorization-kubeconfig", Use::Kubeconfig, OWN_PORT),
    flag(SCHEDULER, "client-ca-file", Use::Trust, OWN_PORT),
    flag(SCHEDULER, "requestheader-client-ca-file", Use::Trust, OWN_PORT),
    flag(SCHEDULER, "tls-cert-file", Use::Present("tls-private-key-file"), OWN_PORT),
    flag(ETCD, "cert-file", Use::Present("key-file"), As("etcd-server")),
    flag(
        ETCD,
        "client-cert-file",
        Use::Present("client-key-file"),
        Only("only etcd's own HTTP gateway fails; the cluster continues"),
    ),
    flag(
        ETCD,
        "trusted-ca-file",
        Use::Trust,
        Only("etcd rejects every client: nothing can be read or written"),
    ),
    flag(ETCD, "peer-cert-file", Use::Present("peer-key-file"), As("etcd-peer")),
    flag(ETCD, "peer-client-cert-file", Use::Present("peer-client-key-file"), As("etcd-peer")),
    flag(ETCD, "peer-trusted-ca-file", Use::Trust, As("etcd-peer")),
    // The kubelet's are fields of its configuration, or flags of the same meaning.
    flag(KUBELET, KUBELET_KUBECONFIG, Use::Kubeconfig, As(catalog::KUBELET_CLIENT)),
    flag(
        KUBELET,
        KUBELET_CLIENT_CA,
        Use::Trust,
        Only("the kubelet rejects the API server: no logs, no exec; without the file it does not start"),
    ),
    flag(KUBELET, KUBELET_SERVING, Use::Present(""), As(catalog::KUBELET_SERVING)),
    flag(KUBECTL, "admin.conf", Use::Kubeconfig, As("admin.conf")),
    flag(KUBECTL, "super-admin.conf", Use::Kubeconfig, As("super-admin.conf")),
    flag(
        KUBECTL,
        KUBECTL_ELSEWHERE,
        Use::Kubeconfig,
        Only("kubectl with this file is rejected; the cluster continues"),
    ),
];

pub(super) const KUBELET: &str = Component::Kubelet.name();
pub(super) const KUBELET_KUBECONFIG: &str = "kubeconfig";
pub(super) const KUBELET_CLIENT_CA: &str = "clientCAFile";
pub(super) const KUBELET_SERVING: &str = "serving";
/// Any user of a kubeconfig.
pub(super) const KUBECTL: &str = "kubectl";
/// The user of a kubeconfig that isn't kubeadm's.
pub(super) const KUBECTL_ELSEWHERE: &str = "kubeconfig";

pub(super) fn entry(component: &str, name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.component == component && flag.name == name)
}

/// A connection: who presents, and who verifies.
pub(super) struct Meeting {
    /// Component and field that present; the field `*` means every kubeconfig of this node.
    pub(super) presents: (&'static str, &'static str),
    /// Component and field that must trust the signer.
    pub(super) checks: (&'static str, &'static str),
}

/// A field that means each of kubeadm's kubeconfigs and the kubelet's.
pub(super) const KUBECONFIGS: &str = "*";

const fn meeting(presents: (&'static str, &'static str), checks: (&'static str, &'static str)) -> Meeting {
    Meeting { presents, checks }
}

/// The connections of a control plane with both sides on this node. (An external etcd isn't, and by default
/// nobody verifies the kubelets' serving certificates.)
pub(super) const MEETINGS: [Meeting; 7] = [
    meeting((KUBECONFIGS, KUBECONFIGS), (API, "client-ca-file")),
    meeting((API, "tls-cert-file"), (KUBECONFIGS, KUBECONFIGS)),
    meeting((API, "etcd-certfile"), (ETCD, "trusted-ca-file")),
    meeting((ETCD, "cert-file"), (API, "etcd-cafile")),
    meeting((ETCD, "peer-cert-file"), (ETCD, "peer-trusted-ca-file")),
    meeting((API, "kubelet-client-certificate"), (KUBELET, KUBELET_CLIENT_CA)),
    meeting((API, "proxy-client-cert-file"), (API, "requestheader-client-ca-file")),
];
