//! One run at a time, and what the next one says of a run that was killed.

use kuberescue::disk::Root;

use super::common::{Node, fixture};

#[test]
fn a_second_run_is_refused_at_once() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew apiserver");
    let before = node.state();
    let root = Root::open(node.root()).unwrap();
    let lock = root.lock().unwrap();
    let restore = format!("archive restore {} --yes", fixture("ecdsa-p256").display());
    for command in
        ["certs renew all --accept-clock", "recover --yes --at 2027-12-01", "rollback --yes", &restore]
    {
        let run = node.run(command);
        assert_eq!(run.code, 2, "{command}\n{run}");
        let who = format!(
            "cannot change the node: another kuberescue is working on it (process {})",
            std::process::id()
        );
        assert!(run.err.contains(&who), "{command}\n{run}");
        assert!(run.err.contains("wait for the other run to finish"), "{command}\n{run}");
    }
    // What only reads doesn't wait for anyone.
    node.must("certs check-expiration");
    node.must("resume");
    node.must("rollback --dry-run");
    before.assert_same(&node.state(), "refused");
    drop(lock);
    node.must("rollback --yes");
}

#[test]
fn a_lock_of_the_dead_is_taken_and_told_of() {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let earlier = "00000000-0000-0000-0000-000000000000";
    let stories = [
        (boot.trim(), "note: the last kuberescue on this node (process 4242) was killed"),
        (
            earlier,
            "note: the last kuberescue on this node (process 4242) was interrupted: the machine went down",
        ),
    ];
    for (boot, told) in stories {
        let node = Node::of("ecdsa-p256");
        node.write("/var/lib/kuberescue/lock", format!("{{\"pid\":4242,\"boot\":\"{boot}\"}}"));
        let run = node.must("certs renew apiserver");
        assert!(run.err.contains(told), "{run}");
        let next = node.must("certs renew apiserver --accept-clock");
        assert!(!next.err.contains("note: the last kuberescue"), "{next}");
    }
    let node = Node::of("ecdsa-p256");
    node.write("/var/lib/kuberescue/lock", "\u{1b}[31mnot a lock");
    node.must("certs renew apiserver");
}
