//! The components of a control-plane node.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::{Serialize, Serializer};

/// A component that reads credentials. In start order: etcd first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The kubelet, which runs the static pods; systemd starts it.
    Kubelet,
    /// etcd, as a static pod.
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
    /// A container of another static pod, by its name: kube-vip, keepalived, haproxy.
    Other(&'static str),
}

/// The namespace of the control plane's static pods.
pub const STATIC_POD_NAMESPACE: &str = "kube-system";

impl Component {
    /// The static pods of a control plane, in restart order.
    pub const STATIC_PODS: [Self; 4] =
        [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];

    /// Name of the static pod and of its container, or `kubelet`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Other(name) => name,
        }
    }

    /// The container of a static pod that is none of kubeadm's. Each name is kept once, as long as the program runs.
    pub fn other(name: &str) -> Self {
        static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = names.get(name).copied().unwrap_or_else(|| {
            let kept: &'static str = Box::leak(name.into());
            names.insert(kept);
            kept
        });
        Self::Other(kept)
    }

    /// Whether it is none of kubeadm's.
    pub const fn is_other(self) -> bool {
        matches!(self, Self::Other(_))
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Kubelet].into_iter().chain(Self::STATIC_PODS).find(|component| component.name() == name)
    }

    /// The static pod of this name: of its container, or of its label `component`.
    pub fn static_pod(name: &str) -> Option<Self> {
        Self::named(name).filter(|component| *component != Self::Kubelet)
    }
}

impl std::fmt::Display for Component {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.name())
    }
}

impl Serialize for Component {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
