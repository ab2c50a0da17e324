//! Pages: A cluster's nodes, pods and requests, according to its API server.

use super::Class::Cluster;
use super::{Code, Page, page};

pub(super) const PAGES: &[Page] = &[
    page(
        Code::PodNotReady,
        Cluster,
        "a pod runs and is not ready",
        "Services send no traffic to the pod.",
        "A container crashes again and again or fails its readiness probe. After certificates were renewed: the pod still uses old ones.",
        "See the pod's events and log: kubectl describe pod, kubectl logs. A workload that reads renewed files: kuberescue rollout restart.",
    ),
    page(
        Code::PodNotRunning,
        Cluster,
        "a pod does not run",
        "What the pod should do is not done.",
        "No node takes the pod (it stays Pending), its image cannot be pulled, a volume cannot be mounted, or the pod was evicted or has failed.",
        "See the pod's events: kubectl describe pod. If pods of all kinds stay Pending, check scheduler and controller-manager: kuberescue probe on a control-plane node.",
    ),
    page(
        Code::PodNotGone,
        Cluster,
        "a pod is still there after its deletion deadline",
        "The API server waits for the kubelet to confirm that the containers have stopped.",
        "The kubelet is not running or does not reach the API server, as a rule because its client certificate has expired.",
        "Check the kubelet of the pod's node: kuberescue probe, then kuberescue diagnose. The kubelet removes the pod once it is connected again.",
    ),
    page(
        Code::StaticPodMissing,
        Cluster,
        "a control-plane node has no static pod of a component",
        "The API server, the controller-manager or the scheduler does not run on this node, or its kubelet cannot report it.",
        "The manifest is missing or broken, or the kubelet does not reach the API server.",
        "On that node: kuberescue diagnose.",
    ),
    page(
        Code::TlsErrors,
        Cluster,
        "a control-plane log holds errors about certificates",
        "A client or a server of this component was refused because of a certificate.",
        "A process still uses an old certificate, or two nodes have different CAs. Errors of the first two minutes after a restart are normal: not all components were restarted yet.",
        "See which certificate each component serves: kuberescue probe on the node. Restart what uses old files: kuberescue restart.",
    ),
    page(
        Code::LogRefused,
        Cluster,
        "the API server cannot read a log from the kubelet",
        "kubectl logs and kubectl exec fail for this node too.",
        "The kubelet's serving certificate or the API server's client certificate apiserver-kubelet-client has expired or is of another CA, or port 10250 is closed.",
        "The reason stands in the detail. For the client certificate: kuberescue certs check-expiration on a control-plane node. For the serving certificate: kuberescue diagnose on the node of the kubelet.",
    ),
    page(
        Code::ApiServiceUnavailable,
        Cluster,
        "an aggregated API is not available",
        "Requests to this API fail, such as those of kubectl top. While one is down, namespaces are stuck in Terminating.",
        "The pods that serve it do not run, or they do not trust the renewed front-proxy certificate.",
        "Check the pods of its service: kubectl get apiservice NAME -o yaml names it. Restart them if they started before the front-proxy certificates were renewed.",
    ),
    page(
        Code::CsrPending,
        Cluster,
        "a certificate signing request waits for approval",
        "A kubelet works with its old certificate, or with none, until the request is approved.",
        "Kubelet serving certificates are approved by a person unless an approver runs in the cluster; client certificates are approved by the controller-manager.",
        "If the request is as it should be: kubectl certificate approve NAME.",
    ),
    page(
        Code::CsrSuspicious,
        Cluster,
        "a kubelet's request is not what a kubelet would send",
        "Whoever approves it may give a node's identity to somebody else.",
        "A node is being joined with a bootstrap token, a node has new addresses, or somebody tries to get a certificate for another node.",
        "Find out who sent it before approving: kubectl get csr NAME -o yaml. To refuse it: kubectl certificate deny NAME.",
    ),
    page(
        Code::CsrNotIssued,
        Cluster,
        "an approved request has no certificate",
        "The kubelet still waits for its certificate.",
        "The controller-manager does not run, has no CA key, or refused to sign the request.",
        "Check kube-controller-manager and its flags --cluster-signing-cert-file and --cluster-signing-key-file: kuberescue diagnose on a control-plane node.",
    ),
];
