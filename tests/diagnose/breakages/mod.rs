//! The table: how a node is broken, and what must be found then.

pub mod acts;
mod dates;
mod files;
mod identity;
mod kubelet;
mod machine;

use super::common::{NOW, Node};
use super::scene::{B, Found, W, disk};

/// A node, how it is broken, and what is found at a time.
pub struct Scenario {
    pub name: &'static str,
    pub tree: &'static str,
    pub at: &'static str,
    pub breaks: fn(&Node),
    pub found: &'static [Found],
    /// What else: a list that several share.
    pub beside: &'static [Found],
}

impl Scenario {
    pub fn node(&self) -> Node {
        let node = disk(self.tree);
        (self.breaks)(&node);
        node
    }

    pub fn all_found(&self) -> Vec<Found> {
        self.found.iter().chain(self.beside).copied().collect()
    }

    const fn and(self, beside: &'static [Found]) -> Self {
        Self { beside, ..self }
    }
}

/// All of them.
pub fn scenarios() -> Vec<&'static Scenario> {
    let parts =
        [dates::SCENARIOS, files::SCENARIOS, identity::SCENARIOS, kubelet::SCENARIOS, machine::SCENARIOS];
    parts.into_iter().flatten().collect()
}

pub fn named(name: &str) -> &'static Scenario {
    let mut all = scenarios().into_iter();
    all.find(|scenario| scenario.name == name).unwrap_or_else(|| panic!("no scenario {name}"))
}

/// On the healthy tree of ECDSA keys.
const fn of(name: &'static str, breaks: fn(&Node), found: &'static [Found]) -> Scenario {
    on("ecdsa-p256", NOW, name, breaks, found)
}

const fn on(
    tree: &'static str,
    at: &'static str,
    name: &'static str,
    breaks: fn(&Node),
    found: &'static [Found],
) -> Scenario {
    Scenario { name, tree, at, breaks, found, beside: &[] }
}

/// Everything that a tree has, expired: in kubeadm's and the kubelet's names.
const ALL_EXPIRED: &[Found] = &[
    ("expired", B, "etcd-server"),
    ("expired", B, "etcd-peer"),
    ("expired", B, "apiserver-etcd-client"),
    ("expired", B, "apiserver"),
    ("expired", B, "kubelet-client"),
    ("kubelet-crash-loop", B, "kubelet"),
    ("expired", B, "controller-manager.conf"),
    ("expired", B, "scheduler.conf"),
    ("expired", B, "apiserver-kubelet-client"),
    ("expired", B, "front-proxy-client"),
    ("expired", W, "admin.conf"),
    ("expired", W, "super-admin.conf"),
    ("expired", W, "etcd-healthcheck-client"),
    ("kubelet-serving-expired", W, "kubelet-serving"),
];

/// 1.20 knows no super-admin.conf.
const ALL_EXPIRED_OF_1_20: &[Found] = &[
    ("expired", B, "etcd-server"),
    ("expired", B, "etcd-peer"),
    ("expired", B, "apiserver-etcd-client"),
    ("expired", B, "apiserver"),
    ("expired", B, "kubelet-client"),
    ("kubelet-crash-loop", B, "kubelet"),
    ("expired", B, "controller-manager.conf"),
    ("expired", B, "scheduler.conf"),
    ("expired", B, "apiserver-kubelet-client"),
    ("expired", B, "front-proxy-client"),
    ("expired", W, "admin.conf"),
    ("expired", W, "etcd-healthcheck-client"),
    ("kubelet-serving-expired", W, "kubelet-serving"),
];
