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
        run.fails(2, "locked");
        let error =
            run.err.lines().skip_while(|line| !line.starts_with("error ")).collect::<Vec<_>>().join("\n");
        let error = error.replace(&std::process::id().to_string(), "PID");
        insta::allow_duplicates! { insta::assert_snapshot!(error, @"
        error [locked]: cannot change the node: another kuberescue is working on it (process PID)
        hint: wait for the other run to finish, then run the same command again
        "); }
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
    let mut told = String::new();
    for boot in [boot.trim(), earlier] {
        let node = Node::of("ecdsa-p256");
        node.write("/var/lib/kuberescue/lock", format!("{{\"pid\":4242,\"boot\":\"{boot}\"}}"));
        let run = node.must("certs renew apiserver");
        let next = node.must("certs renew apiserver --accept-clock");
        told += &format!("{}once more:\n{}", node.talk(&run), node.talk(&next));
    }
    insta::assert_snapshot!(told, @"
    note: the last kuberescue on this node (process 4242) was killed
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    once more:
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME-2.tar.gz
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME-2.tar.gz
    note: the last kuberescue on this node (process 4242) was interrupted: the machine went down, or the disk was on another one
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    once more:
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME-2.tar.gz
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME-2.tar.gz
    ");
    let node = Node::of("ecdsa-p256");
    node.write("/var/lib/kuberescue/lock", "\u{1b}[31mnot a lock");
    node.must("certs renew apiserver");
}
