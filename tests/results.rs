//! How a run ends: its result in a file, or nowhere; an answer of no; a rollback after a rollback.

mod common;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;

use common::{NOW, Node, Run, kuberescue, run};
use insta::assert_snapshot;

fn on(node: &Node, arguments: &str) -> std::process::Command {
    let mut command = kuberescue();
    command.args(arguments.split_whitespace()).args(["--at", NOW, "--root"]).arg(node.root());
    command
}

#[test]
fn a_result_that_cannot_be_written_is_exit_2_whatever_was_found() {
    let node = Node::of("expired-all");
    let (out, full) =
        (|| tempfile::tempfile().unwrap(), || File::options().write(true).open("/dev/full").unwrap());
    for arguments in [
        "diagnose",
        "diagnose -o prometheus",
        "diagnose -o html",
        "diagnose -o json",
        "diagnose --trust",
        "certs check-expiration",
        "certs check-expiration -o json",
        "recover --dry-run",
    ] {
        let mut command = on(&node, arguments);
        command.stdout(full());
        let told = run(command);
        assert_eq!(told.code, 2, "{arguments}: {told}");
        assert!(told.err.contains("error [output-failed]: "), "{arguments}: {told}");
        let mut command = on(&node, arguments);
        command.stdout(out());
        assert!(run(command).code < 2, "{arguments}");
    }
    // A reader that has closed the pipe, as head does, has what it wanted.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = on(&node, "diagnose -o prometheus");
    command.stdout(Stdio::from(writer));
    assert_eq!(run(command).code, 1);
}

#[test]
fn the_result_is_in_the_file_and_complete() {
    let node = Node::of("expired-all");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("k.prom");
    let to = |arguments: &str| {
        let mut command = on(&node, arguments);
        command.arg("--output-file").arg(&file);
        run(command)
    };
    for arguments in ["diagnose -o prometheus", "diagnose -o html", "certs check-expiration -o json"] {
        let (told, plain) = (to(arguments), run(on(&node, arguments)));
        assert_eq!((told.code, told.out.as_str(), &told.err), (plain.code, "", &plain.err), "{arguments}");
        assert_eq!(fs::read_to_string(&file).unwrap(), plain.out, "{arguments}");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
    }
    let names = || fs::read_dir(&directory).unwrap().count();
    assert_eq!(names(), 1, "nothing is left beside it");
    // What could not run leaves the old one.
    let before = fs::read(&file).unwrap();
    let mut command = kuberescue();
    command.args(["diagnose", "--root", "/nowhere", "-o", "json", "--output-file"]).arg(&file);
    assert_eq!(run(command).code, 2);
    assert_eq!((fs::read(&file).unwrap(), names()), (before, 1));
    // A link is replaced, and not followed.
    fs::remove_file(&file).unwrap();
    symlink("/dev/full", &file).unwrap();
    assert_eq!(to("diagnose").code, 1);
    assert!(file.symlink_metadata().unwrap().is_file());
}

#[test]
fn a_file_that_cannot_be_written_is_exit_2() {
    let node = Node::of("expired-all");
    let shown = |told: Run| node.shown(&told);
    let to = |file: &str| {
        let mut command = on(&node, "diagnose -o prometheus");
        command.arg("--output-file").arg(file);
        run(command)
    };
    assert_snapshot!(shown(to("/nowhere/k.prom")), @"
    exit 2
    error [output-failed]: cannot open the directory /nowhere: not found
    hint: check the path; nothing was changed
    ");
    assert_snapshot!(shown(to("/tmp")), @"
    exit 2
    error [output-failed]: cannot write /tmp: is a directory
    hint: nothing was changed; run the same command again once the cause is gone
    ");
}

#[test]
fn no_is_an_answer_and_no_error() {
    let node = Node::of("expired-all");
    let before = node.state();
    let pty = nix::pty::openpty(None, None).unwrap();
    File::from(pty.master.try_clone().unwrap()).write_all(b"n\n").unwrap();
    let mut command = on(&node, "recover --accept-clock");
    let told = command.stdin(Stdio::from(pty.slave)).output().unwrap();
    let shown = String::from_utf8(told.stderr).unwrap();
    assert_eq!(told.status.code(), Some(2), "{shown}");
    assert!(shown.ends_with(" [y/N] aborted; nothing was changed\n") && !shown.contains("error"), "{shown}");
    before.assert_same(&node.state(), "aborted");
}

#[test]
fn a_second_rollback_names_the_change_that_stands() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew apiserver");
    node.must("certs renew admin.conf --accept-clock");
    node.must("rollback --yes");
    assert_snapshot!(node.shown(&node.run("rollback --yes")), @r#"
    exit 0
    Nothing to roll back: the last change was rolled back already.
    An earlier change still stands: "kuberescue certs renew apiserver --at 2026-11-24T00:00:00Z --root ROOT" of TIME (2 paths)
    hint: sudo kuberescue archive restore ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz --root ROOT restores the state before it
    "#);
}

#[test]
fn several_certificates_are_renewed_in_one_change() {
    let node = Node::of("ecdsa-p256");
    let before = node.state();
    let told = node.must("certs renew apiserver admin.conf apiserver kubelet-client");
    assert_snapshot!(told.out, @"
    certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself renewed
    certificate for serving the Kubernetes API renewed
    certificate for the kubelet to access the Kubernetes API renewed

    Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
    ");
    assert_snapshot!(before.changed(&node.state()).join("\n"), @"
    /etc/kubernetes/admin.conf
    /etc/kubernetes/pki/apiserver.crt
    /etc/kubernetes/pki/apiserver.key
    /var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem
    /var/lib/kubelet/pki/kubelet-client-current.pem
    ");
    node.must("rollback --yes");
    before.assert_same(&node.state(), "one change");
    let kubelet = Node::of("ecdsa-p256").must("certs renew apiserver kubelet-client --kubelet --dry-run");
    assert_eq!(kubelet.out.matches("- renew kubelet-client:").count(), 1, "{kubelet}");
}

#[test]
fn options_of_kubeadm_are_accepted_with_a_note() {
    let node = Node::of("ecdsa-p256");
    for command in ["certs check-expiration", "certs renew all --dry-run"] {
        let told =
            node.run(&format!("{command} --config kubeadm.yaml --kubeconfig /etc/kubernetes/admin.conf"));
        assert_eq!(told.code, 0, "{told}");
        for flag in ["--config", "--kubeconfig"] {
            let note = format!("note: {flag} is not read: names and paths come from the disk of this node\n");
            assert!(told.err.contains(&note), "{told}");
        }
    }
}
