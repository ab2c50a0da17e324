//! Verdicts, word for word: what a tired person reads first has to be true, plain, and say what to do next.

use std::fmt::Write as _;

use super::breakages::named;

const SCENARIOS: &[&str] = &[
    "healthy",
    "worker",
    "all expired",
    "CA expired",
    "one CA expired, its leafs not",
    "external CA",
    "external CA, all expired",
    "external CA, expired too",
    "etcd data missing",
    "all expired, and etcd data missing",
    "manifest missing",
    "worker, expired",
    "admin.conf expired",
    "key mismatch",
    "mixed",
    "a new CA of the same name, all else old",
    "leafs copied from another node",
    "the kubelet alone expired",
    "a backup among the manifests",
    "kubelet.conf missing",
    "another CA in kubelet.conf",
    "another CA in kubelet.conf, and one that can't sign",
    "CA not yet valid",
    "kubelet-client-current.pem is a file",
    "the API server's manifest is no YAML",
    "worker with the key of the CA",
    "sa.pub of another key",
    "a certificate ends within 30 days",
    "external etcd, its client certificate expired",
];

/// What stands above the findings: the verdict, the workloads, the way out.
#[test]
fn the_verdict_is_read_first() {
    let mut all = String::new();
    for name in SCENARIOS {
        let scenario = named(name);
        let node = scenario.node();
        let told = node.run_as_given(&format!("diagnose --at {}", scenario.at)).out;
        let head = told.split("\n\n").nth(1).unwrap().trim_end();
        let _ = writeln!(all, "[{name}]\n{head}\n");
    }
    insta::assert_snapshot!(all, @"");
}
