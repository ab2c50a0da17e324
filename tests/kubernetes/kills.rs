//! SIGKILL in the middle of `recover`, and `recover` again.

use crate::node::Node;
use crate::recover::{assert_well, recover_once};

/// When the next kill comes: what the run has said, or what is there on the node.
const MOMENTS: [(&str, &str); 5] = [
    ("the node is judged", "grep -q '^Blocking problems' /var/lib/run.log"),
    ("everything is made, nothing written", "grep -q '^Preflight checks' /var/lib/run.log"),
    ("the archive is written", "ls /var/lib/kuberescue/*.tar.gz"),
    ("the containers are waited for", "grep -q 'etcd: looking' /var/lib/run.log"),
    ("the node is proved", "grep -q 'proof: ' /var/lib/run.log"),
];

/// One run after the other on the same node, each killed a little later than the one before; the last one ends well.
#[test]
#[ignore = "needs root and a Kubernetes that is built first: make test-kubernetes"]
fn at_five_moments_and_then_to_the_end() {
    let node = Node::rebooted();
    for (moment, reached) in MOMENTS {
        let _gone = std::fs::remove_file(node.path("/var/lib/run.log"));
        // Looked at from inside the node: some of these moments last for a tenth of a second.
        let run = format!(
            "{} recover --verbose --yes >/var/lib/run.log 2>&1 &
            until {reached}; do kill -0 $! || exit 1; done >/dev/null 2>&1
            kill -KILL $!; wait $!",
            env!("CARGO_BIN_EXE_kuberescue")
        );
        let killed = node.exec(&["sh", "-c", &run]);
        assert_eq!(killed.code, 128 + 9, "before {moment}: {}", node.text("/var/lib/run.log"));
        eprintln!("killed when {moment}");
        // In the middle of the change it is refused, and says what to do.
        let own = node.path("/var/lib/kuberescue");
        if ["journal.json", "staging.json"].iter().any(|record| own.join(record).exists()) {
            let refused = node.kuberescue(&["recover", "--yes"]);
            assert!(refused.code == 5 && refused.err.contains("kuberescue resume"), "{refused:?}");
            node.rescued(&["resume", "--yes"]);
        }
    }
    recover_once(&node, &[]);
    let (report, code) = node.probe();
    assert_eq!(code, 0, "{report:#}");
    assert_well(&node);
    let own = node.path("/var/lib/kuberescue");
    for name in ["parked.json", "journal.json", "staging.json"] {
        assert!(!own.join(name).exists(), "{name}");
    }
}
