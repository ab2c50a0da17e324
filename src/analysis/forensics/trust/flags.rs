//! Which flags of the control plane name keys, certificates and CAs, what they do with them, and what breaks
//! without (kubernetes `cmd/kube-apiserver`, `cmd/kube-controller-manager`, `cmd/kube-scheduler`; etcd 3.4 to
//! 3.6).

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
    /// What breaks if the file is gone.
    pub(super) if_gone: &'static str,
}

const API: &str = "kube-apiserver";
const MANAGER: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";
const ETCD: &str = "etcd";

const fn flag(component: &'static str, name: &'static str, does: Use, if_gone: &'static str) -> Flag {
    Flag { component, name, does, if_gone }
}

const CUT_OFF: &str = "nobody accepts the API server: kubectl, kubelets, controller manager and scheduler are cut \
                       off; running pods go on";
const NO_STORE: &str = "the API server rejects etcd: nothing can be read or written";
const TOKENS: &str = "pods lose the API: no token of a service account can be issued or checked";
const NO_SIGNER: &str = "no kubelet gets a new certificate; the cluster goes on until theirs end";
const MANAGER_REFUSED: &str =
    "the controller manager is refused: nothing is scaled, repaired or signed any more; running pods go on";
const SCHEDULER_REFUSED: &str = "the scheduler is refused: new pods stay pending; running pods go on";
const OWN_PORT: &str = "only the component's own port for metrics and health refuses its clients";
const AGGREGATED: &str = "aggregated APIs (metrics, kubectl top) stop; the rest goes on";

/// The flags; each component's most important ones first.
pub(super) const FLAGS: &[Flag] = &[
    flag(API, "tls-cert-file", Use::Present("tls-private-key-file"), CUT_OFF),
    flag(
        API,
        "tls-sni-cert-key",
        Use::PresentBoth,
        "clients that ask for its names don't accept the API server",
    ),
    flag(API, "client-ca-file", Use::Trust, "the API server accepts no client certificate any more"),
    flag(API, "etcd-cafile", Use::Trust, NO_STORE),
    flag(
        API,
        "etcd-certfile",
        Use::Present("etcd-keyfile"),
        "etcd rejects the API server: nothing can be read or written",
    ),
    flag(
        API,
        "kubelet-client-certificate",
        Use::Present("kubelet-client-key"),
        "kubelets reject the API server: kubectl logs, exec and port-forward fail; pods go on",
    ),
    flag(
        API,
        "kubelet-certificate-authority",
        Use::Trust,
        "the API server rejects kubelets: kubectl logs, exec and port-forward fail; pods go on",
    ),
    flag(API, "proxy-client-cert-file", Use::Present("proxy-client-key-file"), AGGREGATED),
    flag(API, "requestheader-client-ca-file", Use::Trust, AGGREGATED),
    flag(API, "service-account-signing-key-file", Use::Key, TOKENS),
    flag(API, "service-account-key-file", Use::Key, TOKENS),
    flag(API, "oidc-ca-file", Use::Trust, "users of the OpenID provider are refused; the cluster goes on"),
    flag(MANAGER, "kubeconfig", Use::Kubeconfig, MANAGER_REFUSED),
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
        "no user gets a new client certificate; the cluster goes on",
    ),
    flag(
        MANAGER,
        "cluster-signing-legacy-unknown-cert-file",
        Use::Issue("cluster-signing-legacy-unknown-key-file"),
        "requests to legacy signers stay open; the cluster goes on",
    ),
    flag(
        MANAGER,
        "root-ca-file",
        Use::Trust,
        "pods don't accept the API server: what runs in them is cut off",
    ),
    flag(MANAGER, "service-account-private-key-file", Use::Key, TOKENS),
    flag(MANAGER, "tls-cert-file", Use::Present("tls-private-key-file"), OWN_PORT),
    flag(SCHEDULER, "kubeconfig", Use::Kubeconfig, SCHEDULER_REFUSED),
    flag(SCHEDULER, "authentication-kubeconfig", Use::Kubeconfig, OWN_PORT),
    flag(SCHEDULER, "authorization-kubeconfig", Use::Kubeconfig, OWN_PORT),
    flag(SCHEDULER, "client-ca-file", Use::Trust, OWN_PORT),
    flag(SCHEDULER, "requestheader-client-ca-file", Use::Trust, OWN_PORT),
    flag(SCHEDULER, "tls-cert-file", Use::Present("tls-private-key-file"), OWN_PORT),
    flag(ETCD, "cert-file", Use::Present("key-file"), NO_STORE),
    flag(
        ETCD,
        "client-cert-file",
        Use::Present("client-key-file"),
        "only etcd's own HTTP gateway fails; the cluster goes on",
    ),
    flag(ETCD, "trusted-ca-file", Use::Trust, "etcd rejects every client: nothing can be read or written"),
    flag(
        ETCD,
        "peer-cert-file",
        Use::Present("peer-key-file"),
        "the other etcd members reject this one; a single member goes on until it restarts",
    ),
    flag(
        ETCD,
        "peer-client-cert-file",
        Use::Present("peer-client-key-file"),
        "the other etcd members reject this one; a single member goes on until it restarts",
    ),
    flag(
        ETCD,
        "peer-trusted-ca-file",
        Use::Trust,
        "this etcd member rejects the others; a single member goes on until it restarts",
    ),
    // The kubelet's are fields of its configuration, or flags of the same meaning.
    flag(KUBELET, KUBELET_KUBECONFIG, Use::Kubeconfig, NO_KUBELET),
    flag(
        KUBELET,
        KUBELET_CLIENT_CA,
        Use::Trust,
        "the kubelet rejects the API server: kubectl logs, exec and port-forward fail; without the file it doesn't start",
    ),
    flag(KUBELET, KUBELET_SERVING, Use::Present(""), SERVING),
    flag(KUBECTL, "admin.conf", Use::Kubeconfig, "kubectl with admin.conf is refused; the cluster goes on"),
    flag(
        KUBECTL,
        "super-admin.conf",
        Use::Kubeconfig,
        "the emergency access with super-admin.conf is refused; the cluster goes on",
    ),
    flag(
        KUBECTL,
        KUBECTL_ELSEWHERE,
        Use::Kubeconfig,
        "kubectl with this file is refused; the cluster goes on",
    ),
];

pub(super) const KUBELET: &str = "kubelet";
pub(super) const KUBELET_KUBECONFIG: &str = "kubeconfig";
pub(super) const KUBELET_CLIENT_CA: &str = "clientCAFile";
pub(super) const KUBELET_SERVING: &str = "serving";
/// Any user of a kubeconfig.
pub(super) const KUBECTL: &str = "kubectl";
/// The user of a kubeconfig that isn't kubeadm's.
pub(super) const KUBECTL_ELSEWHERE: &str = "kubeconfig";

const NO_KUBELET: &str = "the kubelet doesn't start again: no static pod is started any more, so what stops of the control plane stays down";
const SERVING: &str = "who checks it (metrics-server) rejects the kubelet; pods go on";

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
