//! A disk that was prepared against whoever reads it: nothing of it acts on the terminal, and nothing is written.

use super::common::{Node, PKI};
use super::issuing::{ADMIN, FRONT_PROXY, Wish, put, reissue, reissue_kubeconfig};
use super::scene::{Diagnosis, disk};

/// Clears the screen, sets the window's title, reverses the direction of what follows.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}\u{9b}31m";

fn hostile() -> Node {
    let node = disk("ecdsa-p256");
    let subject = format!("/CN=proxy{EVIL}");
    reissue(&node, "front-proxy-client", &Wish { subject: &subject, ..FRONT_PROXY });
    let subject = format!("/O=system:masters/CN=admin{EVIL}");
    reissue_kubeconfig(
        &node,
        "/etc/kubernetes/admin.conf",
        &Wish { subject: &subject, end: "20261121000000Z", start: "20251121000000Z", ..ADMIN },
    );
    let admin = node.text("/etc/kubernetes/admin.conf").replace("kubernetes-admin", "\"x\\e[31m\\u202E\"");
    node.write("/root/copy.conf", admin);
    node.write(&format!("/root/{EVIL}.key"), node.read(&format!("{PKI}/sa.key")));
    node.write(&format!("/home/mallory{EVIL}/.kube/config"), node.read("/etc/kubernetes/admin.conf"));
    node.write(&format!("/etc/kubernetes/manifests/{EVIL}.yaml"), format!("kind: {EVIL}\n"));
    node.replace(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "    - --allow-privileged=true\n",
        "    - --allow-privileged=true\n    - \"--oidc-ca-file=/etc/kubernetes/pki/\\e[31m\\u202Eevil.crt\"\n",
    );
    node.write("/var/lib/kubelet/config.yaml", format!("{EVIL}: [\n"));
    put(&node, "/etc/kubernetes/kubelet.conf", "certificate-authority-data", b"-----BEGIN \x1b[31m");
    node
}

#[test]
fn nothing_reaches_the_terminal_but_text() {
    let node = hostile();
    let before = node.state();
    for arguments in
        ["diagnose", "diagnose -v --horizon 2y", "diagnose -o json", "diagnose -v -o json --horizon 50y"]
    {
        let run = node.run(arguments);
        assert_eq!(run.code, 1, "{run}");
        for text in [&run.out, &run.err] {
            let harmful =
                |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{202d}\u{200b}\u{feff}".contains(c);
            let at = text.find(harmful);
            assert_eq!(at, None, "{arguments}: {:?}", at.map(|at| &text[at.saturating_sub(60)..]));
        }
        before.assert_identical(&node.state(), arguments);
    }
    let found = Diagnosis::now(&node);
    for code in [
        "front-proxy-name",
        "expired",
        "stray-private-key",
        "manifest-unreadable",
        "flag-file-missing",
        "kubelet-config-broken",
        "embedded-ca-differs",
    ] {
        assert!(found.set().iter().any(|(is, _, _)| is == code), "{code}\n{}", found.run);
    }
    // The JSON means what the disk says.
    let path = format!("/root/{EVIL}.key");
    assert_eq!(found.finding("stray-private-key", &path)["path"], path.as_str());
}

#[test]
fn links_out_of_the_root_and_special_files_are_not_followed() {
    let node = disk("ecdsa-p256");
    let outside = tempfile::tempdir().unwrap();
    std::fs::copy(node.path(&format!("{PKI}/ca.key")), outside.path().join("ca.key")).unwrap();
    node.link("/root", &outside.path().display().to_string());
    node.link("/tmp", "/proc/self/root");
    node.write("/opt/x", "");
    nix::unistd::mkfifo(&node.path("/opt/waits.key"), nix::sys::stat::Mode::from_bits_truncate(0o600))
        .unwrap();
    std::os::unix::fs::symlink(outside.path(), node.path("/opt/out")).unwrap();
    node.settle();
    assert_eq!(Diagnosis::now(&node).set(), super::scene::set(&[]));
}

#[test]
fn what_fills_a_directory_hides_nothing_that_is_referred_to() {
    let node = disk("ecdsa-p256");
    // Before "manifests" and "pki" by name.
    std::fs::create_dir(node.path("/etc/kubernetes/audit")).unwrap();
    for number in 0..12_000 {
        std::fs::write(node.path(&format!("/etc/kubernetes/audit/{number}")), "").unwrap();
    }
    node.settle();
    let found = Diagnosis::now(&node);
    let audit = "/etc/kubernetes/audit";
    let unread = |path| ("not-read-to-end", "warning", path);
    let expected = [unread("/etc/kubernetes"), unread(audit), unread("/var/lib/kubelet/pki")];
    assert_eq!(found.set(), super::scene::set(&expected));
    assert_eq!(
        found.finding("not-read-to-end", audit)["what"],
        "not read to its end: the limit of 9500 entries was reached"
    );
}
