//! The CA of three etcd members is replaced, one node after the other, while etcd goes on.

use super::controller::Fleet;
use crate::node::{PATIENCE, TestNode};

const ETCD: &str = "/etc/kubernetes/pki/etcd";
const COPIED: &str = "/var/tmp/new-ca";

pub(crate) fn the_ca_of_etcd_is_replaced_while_etcd_goes_on(fleet: &Fleet) {
    let [first, others @ ..] = &fleet.nodes;
    let watch = Watch::begin(first);
    change(first, &["ca", "replace", "etcd-ca", "--yes"]);
    for other in others {
        std::fs::create_dir(other.path(COPIED)).unwrap();
        for file in ["ca.crt", "ca.key"] {
            let from = first.path(&format!("{ETCD}/{file}"));
            std::fs::copy(from, other.path(&format!("{COPIED}/{file}"))).unwrap();
        }
        change(other, &["ca", "replace", "etcd-ca", "--from", COPIED, "--yes"]);
    }
    for node in &fleet.nodes {
        let refused = node.kuberescue(&["ca", "replace", "etcd-ca", "--finish", "--yes"]);
        assert!(refused.code == 5 && refused.err.contains("[old-ca-needed]"), "{refused:?}");
        change(node, &["certs", "renew", "all", "--yes"]);
    }
    for node in &fleet.nodes {
        change(node, &["ca", "replace", "etcd-ca", "--finish", "--yes"]);
    }
    let (written, longest) = watch.end();
    eprintln!("fleet: {written} writes while etcd's CA was replaced, the longest pause {longest:.1} s");
    fleet.assert_well();
    for node in &fleet.nodes {
        let ca = node.text(&format!("{ETCD}/ca.crt"));
        assert_eq!(ca.matches("BEGIN CERTIFICATE").count(), 1, "{ca}");
        assert_eq!(ca, first.text(&format!("{ETCD}/ca.crt")));
        for leaf in ["server", "peer", "healthcheck-client"] {
            node.must(&[
                "openssl",
                "verify",
                "-CAfile",
                &format!("{ETCD}/ca.crt"),
                &format!("{ETCD}/{leaf}.crt"),
            ]);
        }
    }
}

/// Changes a node, and has it read the change.
fn change(node: &TestNode, arguments: &[&str]) {
    for arguments in [arguments, &["recover", "--yes"]] {
        let run = node.kuberescue(arguments);
        assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    }
}

/// Writes into etcd again and again, by way of any member that answers.
struct Watch<'a> {
    node: &'a TestNode,
}

impl<'a> Watch<'a> {
    fn begin(node: &'a TestNode) -> Self {
        let client = format!(
            "--cacert={ETCD}/ca.crt --cert={ETCD}/healthcheck-client.crt --key={ETCD}/healthcheck-client.key"
        );
        let urls = "etcdctl --endpoints=https://127.0.0.1:2379 CLIENT member list | awk -F', ' '{print $5}' | paste -sd,";
        let put = "etcdctl --endpoints=$urls CLIENT --dial-timeout=1s --command-timeout=2s put watch $n >/dev/null 2>&1 && date +%s.%N";
        let line = format!(
            "urls=$({urls}); touch /run/watching; (n=0; while [ -e /run/watching ]; do n=$((n+1)); {put}; sleep 0.1; done) >/var/tmp/watch 2>/dev/null </dev/null &"
        );
        node.must(&["sh", "-c", &line.replace("CLIENT", &client)]);
        let watch = Self { node };
        node.wait_until("a first write", PATIENCE, || (!watch.times().is_empty()).then_some(()));
        watch
    }

    fn times(&self) -> Vec<f64> {
        self.node.text("/var/tmp/watch").lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// How many writes there were, and the longest time between two in seconds.
    fn end(self) -> (usize, f64) {
        let seen = self.times().len();
        self.node.wait_until("a last write", PATIENCE, || (self.times().len() > seen).then_some(()));
        self.node.must(&["rm", "/run/watching"]);
        let times = self.times();
        let pauses = times.windows(2).map(|pair| pair[1] - pair[0]);
        (times.len(), pauses.fold(0.0, f64::max))
    }
}
