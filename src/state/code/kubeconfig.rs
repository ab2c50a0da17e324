//! Pages: Kubeconfigs of a workstation.

use super::Class::Kubeconfig;
use super::{Code, Page, page};

pub(super) const PAGES: &[Page] = &[
    page(
        Code::ContextBroken,
        Kubeconfig,
        "a context leads to something that is not in the kubeconfig",
        "kubectl does not get through with it: it tries localhost:8080, or asks for a name and a password.",
        "A cluster or a user was deleted or renamed and the context was not, a file of $KUBECONFIG is missing, or the cluster entry has no server.",
        "See what is there: kubectl config get-contexts, get-clusters and get-users, each with --kubeconfig FILE. Then point the context at them: kubectl config set-context NAME --cluster CLUSTER --user USER, or take the file from its source again.",
    ),
    page(
        Code::NoCredential,
        Kubeconfig,
        "the user of a context has nothing to authenticate with",
        "kubectl asks for a name and a password, which API servers have not taken since Kubernetes 1.19.",
        "The user entry is empty: the credential was left out of a template, or taken away before the file was passed on.",
        "Take the file from its source again, or give the user what it lacks: kubectl config set-credentials USER with --client-certificate and --client-key, --token or --exec-command.",
    ),
    page(
        Code::Insecure,
        Kubeconfig,
        "the API server's certificate is not verified",
        "Whoever answers at the address is trusted, and gets the token or the password that is sent.",
        "insecure-skip-tls-verify was set to get past a certificate error, and stayed.",
        "Give the cluster its CA and turn verification on: kubectl config set-cluster NAME --certificate-authority ca.crt --embed-certs --insecure-skip-tls-verify=false, ca.crt being /etc/kubernetes/pki/ca.crt of a control-plane node. If the server is rejected then, kuberescue probe there says why.",
    ),
    page(
        Code::NoCa,
        Kubeconfig,
        "a cluster has no CA of its own",
        "kubectl uses the CAs that the machine trusts. kubeadm's are not among them: x509: certificate signed by unknown authority. A client certificate cannot be checked against a CA here either.",
        "The server has a publicly trusted certificate, as behind a public load balancer: then this is correct. Or the CA was left out.",
        "If it is kubeadm's cluster: kubectl config set-cluster NAME --certificate-authority ca.crt --embed-certs, ca.crt being /etc/kubernetes/pki/ca.crt of a control-plane node.",
    ),
    page(
        Code::ProxyNotUsed,
        Kubeconfig,
        "the server was asked directly, though the kubeconfig names a proxy",
        "Not a fault: what is said of the connection is of another way than kubectl's.",
        "proxy-url stands in the cluster entry, and kuberescue goes through no proxy.",
        "Ask the way that kubectl goes: kubectl --context NAME version, or run the check from where no proxy is needed.",
    ),
    page(
        Code::NotChecked,
        Kubeconfig,
        "whether the CA has signed a certificate could not be checked",
        "Neither a fault nor a proof: names and dates are correct, but the signature algorithm is not supported here.",
        "CA or certificate has a key or a signature of a rare kind, such as DSA or an uncommon curve.",
        "Have it checked by something else: openssl verify -CAfile ca.crt FILE.",
    ),
];
