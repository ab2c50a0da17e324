//! The kubelet under a real systemd (Debian's package), on a machine of its own: `scripts/testnode/with-systemd`. The
//! kubelet is a program of that name that sleeps, or one that dies.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs `script` with bash where the unit `kubelet` starts `program`; exit code and everything that was said.
fn with_systemd(program: &str, script: &str) -> (i32, String) {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let kuberescue = env!("CARGO_BIN_EXE_kuberescue");
    let done = Command::new(repository.join("scripts/testnode/with-systemd"))
        .arg(repository.join("testdata/nodes/expired-all.tar.gz"))
        .args([program, "timeout", "60", "bash", "-c", &format!("exec 2>&1; K={kuberescue}; {script}")])
        .env("TESTNODE_PROGRAMS", PathBuf::from(kuberescue).parent().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
    (done.status.code().unwrap_or(-1), said)
}

/// What follows `key=` in the output, each time.
fn values<'a>(said: &'a str, key: &str) -> Vec<&'a str> {
    said.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// The error and its hints.
fn error(said: &str) -> String {
    let lines = said.lines().filter(|line| line.starts_with("error [") || line.starts_with("hint: "));
    lines.map(|line| format!("{line}\n")).collect()
}

const SLEEPS: &str = "/opt/testnode/kubelet 1000";

#[test]
#[ignore = "needs root and systemd: make test-node"]
fn a_running_kubelet_is_restarted_by_systemd() {
    let show = "systemctl show kubelet --property=MainPID,NRestarts";
    let (code, said) = with_systemd(SLEEPS, &format!("{show}; $K restart kubelet --yes || exit; {show}"));
    assert_eq!(code, 0, "{said}");
    let pids = values(&said, "MainPID");
    assert!(pids.len() == 2 && pids[0] != pids[1] && pids[1] != "0", "{said}");
    // Its own restarts would be systemd's answer to a signal.
    assert_eq!(values(&said, "NRestarts"), ["0", "0"], "{said}");
}

#[test]
#[ignore = "needs root and systemd: make test-node"]
fn a_stopped_kubelet_is_started() {
    let show = "systemctl show kubelet --property=ActiveState";
    let (code, said) = with_systemd(
        SLEEPS,
        &format!("systemctl stop kubelet; {show}; $K restart kubelet --yes || exit; {show}"),
    );
    assert_eq!(code, 0, "{said}");
    assert_eq!(values(&said, "ActiveState"), ["inactive", "active"], "{said}");
}

#[test]
#[ignore = "needs root and systemd: make test-node"]
fn a_kubelet_that_systemd_has_given_up_on_is_started_again() {
    // The limit of starts is used up with a program that dies; then the program is the right one.
    let script = "mkdir -p /run/systemd/system/kubelet.service.d
        until systemctl is-failed --quiet kubelet; do sleep 0.1; done
        printf '[Service]\\nExecStart=\\nExecStart=/opt/testnode/kubelet 1000\\n' >/run/systemd/system/kubelet.service.d/good.conf
        systemctl daemon-reload; systemctl show kubelet --property=ActiveState
        $K restart kubelet --yes || exit; systemctl show kubelet --property=ActiveState";
    let (code, said) = with_systemd("/bin/false", script);
    assert_eq!(code, 0, "{said}");
    assert_eq!(values(&said, "ActiveState"), ["failed", "active"], "{said}");
}

#[test]
#[ignore = "needs root and systemd: make test-node"]
fn a_kubelet_that_keeps_dying_is_called_so() {
    let (code, said) = with_systemd("/bin/sh -c 'sleep 0.01; exit 1'", "$K restart kubelet --yes");
    assert_eq!(code, 4, "{said}");
    insta::assert_snapshot!(error(&said).lines().last().unwrap(), @"hint: journalctl -u kubelet -n 20");
}

#[test]
#[ignore = "needs root and systemd: make test-node"]
fn a_masked_kubelet_is_called_so() {
    let script = "systemctl stop kubelet; rm /etc/systemd/system/kubelet.service; systemctl mask kubelet
        systemctl daemon-reload; $K restart kubelet --yes";
    let (code, said) = with_systemd(SLEEPS, script);
    assert_eq!(code, 4, "{said}");
    insta::assert_snapshot!(error(&said), @"
    error [restart-failed]: cannot restart the kubelet: its systemd unit is masked
    hint: systemctl unmask kubelet, then run this again
    ");
}

/// The units of `scripts/systemd`: systemd takes them, and kuberescue takes the command in them.
#[test]
#[ignore = "needs root and systemd: make test-node"]
fn the_units_of_the_timer_are_valid() {
    let units = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/systemd");
    let command = "$(sed -n 's/^ExecStart=.usr.local.bin.kuberescue//p' $U/*.service)";
    let script = format!(
        "U={}; install -D $K /usr/local/bin/kuberescue; \
         systemd-analyze verify $U/*.service $U/*.timer && echo valid; $K {command} --dry-run --reuse-keys >/dev/null; echo took=$?",
        units.display()
    );
    let (_, said) = with_systemd(SLEEPS, &script);
    assert!(said.lines().any(|line| line == "valid"), "{said}");
    // The tree's etcd is not there: refused, and not misunderstood.
    assert_eq!(values(&said, "took"), ["5"], "{said}");
}
