//! Bad input: broken trees, hostile files, unusual kubeconfigs, disks that can't be written. Nothing panics,
//! nothing outside the root is touched, and what is refused is left as it was.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use common::screen::{Screens, screen};
use common::{Node, PKI, base64, credential, end_of, is_root, kuberescue, pair_named, run, skip};
use insta::{allow_duplicates, assert_snapshot};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, utimensat};

const CHECK: &str = "certs check-expiration";
const ADMIN: &str = "/etc/kubernetes/admin.conf";

// Roots that are none.

#[test]
fn an_empty_tree_is_no_node() {
    let node = Node::empty();
    for command in [CHECK, "certs renew all", "recover --yes"] {
        let run = node.run(command);
        assert_eq!(run.code, 2, "{command}\n{run}");
        allow_duplicates! {
            assert_snapshot!(run.err.replace(node.root().to_str().unwrap(), "ROOT"), @"
            error [not-a-kubeadm-node]: cannot use --root ROOT: not a kubeadm node: no CA in /etc/kubernetes/pki, no kubeconfig in /etc/kubernetes, no API server manifest
            hint: name the node's root directory with --root, or its PKI directory with --cert-dir
            ");
        }
    }
    for command in ["resume", "rollback --yes"] {
        let run = node.run(command);
        assert_eq!(run.code, 0, "there is nothing to do\n{run}");
    }
    assert_eq!(std::fs::read_dir(node.root()).unwrap().count(), 0);
}

#[test]
fn a_disk_has_no_kubelet_to_restart_whatever_socket_is_named() {
    let node = Node::of("ecdsa-p256");
    let run = node.run_as_given("restart kubelet --yes --cri-socket unix:///nowhere.sock");
    run.fails(2, "not-a-host");
}

#[test]
fn a_root_that_is_missing_is_said_to_be() {
    let node = Node::empty();
    for command in [CHECK, "certs renew all", "recover --yes", "resume", "rollback --yes"] {
        let mut words = kuberescue();
        words.args(command.split(' ')).arg("--root").arg(node.path("nowhere"));
        allow_duplicates! { assert_snapshot!(screen(node.root(), &run(words)), @"
        exit 2
        error [root-unreadable]: cannot read ROOT/nowhere: no such directory
        hint: --root takes the directory under which the node's /etc/kubernetes is
        ") }
    }
    assert!(!node.exists("/nowhere"));
}

#[test]
fn a_file_that_is_no_archive_is_no_root() {
    let mut told = Screens::default();
    let node = Node::empty();
    for (name, bytes) in
        [("text", &b"hello\n"[..]), ("empty", b""), ("cut.tar.gz", &[0x1f, 0x8b, 8, 0, 0, 0])]
    {
        node.write(name, bytes);
        for command in [CHECK, "certs renew all", "recover --yes", "rollback --yes"] {
            let mut words = kuberescue();
            words.args(command.split(' ')).arg("--root").arg(node.path(name));
            told.add(&format!("{name}: {command}"), &screen(node.root(), &run(words)));
        }
    }
    assert_snapshot!(told.0, @"
    ## text: certs check-expiration
    exit 2
    error [root-unreadable]: cannot use --root ROOT/text: neither a directory nor an archive that can be read: cannot read the archive ROOT/text: truncated, or no tar archive
    hint: --root takes the root directory of a node, or an archive of it (tar, tar.gz)

    ## text: certs renew all
    exit 2
    error [usage]: cannot change --root ROOT/text: it is an archive
    hint: name the root directory of a node

    ## text: recover --yes
    exit 2
    error [usage]: cannot change --root ROOT/text: it is an archive
    hint: name the root directory of a node

    ## text: rollback --yes
    exit 2
    error [usage]: cannot change --root ROOT/text: it is an archive
    hint: name the root directory of a node

    ## empty: certs check-expiration
    exit 2
    error [root-unreadable]: cannot use --root ROOT/empty: neither a directory nor an archive that can be read: cannot read the archive ROOT/empty: the file is empty
    hint: --root takes the root directory of a node, or an archive of it (tar, tar.gz)

    ## empty: certs renew all
    exit 2
    error [usage]: cannot change --root ROOT/empty: it is an archive
    hint: name the root directory of a node

    ## empty: recover --yes
    exit 2
    error [usage]: cannot change --root ROOT/empty: it is an archive
    hint: name the root directory of a node

    ## empty: rollback --yes
    exit 2
    error [usage]: cannot change --root ROOT/empty: it is an archive
    hint: name the root directory of a node

    ## cut.tar.gz: certs check-expiration
    exit 2
    error [root-unreadable]: cannot use --root ROOT/cut.tar.gz: neither a directory nor an archive that can be read: cannot read the archive ROOT/cut.tar.gz: truncated
    hint: --root takes the root directory of a node, or an archive of it (tar, tar.gz)

    ## cut.tar.gz: certs renew all
    exit 2
    error [usage]: cannot change --root ROOT/cut.tar.gz: it is an archive
    hint: name the root directory of a node

    ## cut.tar.gz: recover --yes
    exit 2
    error [usage]: cannot change --root ROOT/cut.tar.gz: it is an archive
    hint: name the root directory of a node

    ## cut.tar.gz: rollback --yes
    exit 2
    error [usage]: cannot change --root ROOT/cut.tar.gz: it is an archive
    hint: name the root directory of a node
    ");
}

#[test]
fn an_archive_cannot_be_changed() {
    for command in ["certs renew all", "recover --yes", "resume"] {
        let mut words = kuberescue();
        let archive = common::fixture("ecdsa-p256");
        words.args(command.split(' ')).arg("--root").arg(&archive);
        allow_duplicates! { assert_snapshot!(screen(&archive, &run(words)), @"
        exit 2
        error [usage]: cannot change --root ROOT: it is an archive
        hint: name the root directory of a node
        ") }
    }
}

// Broken files.

/// The rows of certificates that can't be used, and what is said about them.
fn broken_rows(node: &Node) -> String {
    let run = node.run(CHECK);
    assert_eq!(run.code, 1, "{run}");
    let (tables, findings) = run.out.split_once("\nFINDING").unwrap_or((&run.out, ""));
    let rows = tables.lines().filter(|line| line.starts_with('!')).chain(findings.lines().skip(1));
    rows.map(|row| format!("{}\n", row.trim_end())).collect::<String>() + &node.talk(&run)
}

#[test]
fn broken_certificates_are_rows_with_a_reason() {
    let mut told = String::new();
    let der = [&[0x30, 0x82, 0xff, 0xff][..], &[0xa5; 400]].concat();
    let wrapped = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(&der));
    for (what, bytes) in [
        ("0 bytes", Vec::new()),
        ("garbage", vec![0xff; 3000]),
        ("garbage in PEM", wrapped.into_bytes()),
        ("a key", Node::of("ecdsa-p256").read(&format!("{PKI}/sa.key"))),
        ("DER without PEM", der),
        ("NUL bytes", vec![0; 5000]),
    ] {
        let node = Node::of("ecdsa-p256");
        node.write(&format!("{PKI}/apiserver.crt"), &bytes);
        node.write(&format!("{PKI}/etcd/peer.key"), &bytes);
        told.push_str(&format!("## {what}\n{}", broken_rows(&node)));
        node.must("recover --yes");
        assert_eq!(node.run(CHECK).code, 0, "{what}");
    }
    assert_snapshot!(told, @"
    ## 0 bytes
    !INVALID! apiserver
    key-unreadable   etcd-peer   its key /etc/kubernetes/pki/etcd/peer.key: the file is empty
    file-empty       apiserver   the file is empty
    ## garbage
    !INVALID! apiserver
    key-unreadable   etcd-peer   its key /etc/kubernetes/pki/etcd/peer.key: not PEM: no -----BEGIN line
    file-not-pem     apiserver   not PEM: no -----BEGIN line
    ## garbage in PEM
    !INVALID! apiserver
    key-unreadable   etcd-peer   its key /etc/kubernetes/pki/etcd/peer.key: PEM without a PRIVATE KEY block
    unreadable       apiserver   not an X.509 certificate: its DER is damaged or truncated
    ## a key
    !INVALID! apiserver
    key-mismatch   etcd-peer                           its key does not match its certificate
    unreadable     apiserver                           PEM without a CERTIFICATE block
    key-exposed    /etc/kubernetes/pki/apiserver.crt   contains a private key, and its mode 0644 allows access by everyone
    ## DER without PEM
    !INVALID! apiserver
    key-unreadable   etcd-peer   its key /etc/kubernetes/pki/etcd/peer.key: not PEM: no -----BEGIN line
    file-not-pem     apiserver   not PEM: no -----BEGIN line
    ## NUL bytes
    !INVALID! apiserver
    key-unreadable   etcd-peer   its key /etc/kubernetes/pki/etcd/peer.key: not PEM: no -----BEGIN line
    file-not-pem     apiserver   not PEM: no -----BEGIN line
    ");
}

#[test]
fn a_broken_ca_is_refused_not_replaced() {
    let node = Node::of("ecdsa-p256");
    node.write(&format!("{PKI}/ca.crt"), "");
    node.refuses("certs renew all", "ca-unreadable");
    node.refuses("recover --yes", "ca-unreadable");
    let node = Node::of("ecdsa-p256");
    node.remove(&format!("{PKI}/ca.crt"));
    node.refuses("recover --yes", "ca-missing");
}

#[test]
fn a_leaf_in_the_place_of_a_ca_is_not_a_ca() {
    let node = Node::of("ecdsa-p256");
    node.write(&format!("{PKI}/ca.crt"), node.read(&format!("{PKI}/apiserver.crt")));
    node.write(&format!("{PKI}/ca.key"), node.read(&format!("{PKI}/apiserver.key")));
    node.refuses("certs renew all", "not-a-ca");
}

#[test]
fn a_file_of_a_gibibyte_is_not_swallowed() {
    let node = Node::of("ecdsa-p256");
    for inside in ["apiserver.crt", "huge.pem"] {
        let file = std::fs::File::create(node.path(&format!("{PKI}/{inside}"))).unwrap();
        file.set_len(1 << 30).unwrap();
    }
    node.settle();
    // With 200 MiB of address space there is no room for it.
    let mut limited = Command::new("prlimit");
    limited.args(["--as=209715200", env!("CARGO_BIN_EXE_kuberescue"), "certs", "check-expiration"]);
    limited.args(["--at", common::NOW, "--root"]).arg(node.root());
    let run = run(limited);
    assert_eq!(run.code, 1, "{run}");
    assert_snapshot!(node.shown(&run), @"
    exit 1
    CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
    admin.conf                 Nov 23, 2027 22:23 UTC   364d            ca                      no      
    !INVALID! apiserver                                                                         
    apiserver-etcd-client      Nov 23, 2027 22:23 UTC   364d            etcd-ca                 no      
    apiserver-kubelet-client   Nov 23, 2027 22:23 UTC   364d            ca                      no      
    controller-manager.conf    Nov 23, 2027 22:23 UTC   364d            ca                      no      
    etcd-healthcheck-client    Nov 23, 2027 22:23 UTC   364d            etcd-ca                 no      
    etcd-peer                  Nov 23, 2027 22:23 UTC   364d            etcd-ca                 no      
    etcd-server                Nov 23, 2027 22:23 UTC   364d            etcd-ca                 no      
    front-proxy-client         Nov 23, 2027 22:23 UTC   364d            front-proxy-ca          no      
    scheduler.conf             Nov 23, 2027 22:23 UTC   364d            ca                      no      
    super-admin.conf           Nov 23, 2027 22:23 UTC   364d            ca                      no      

    CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
    ca                      Nov 20, 2036 22:23 UTC   9y              no      
    etcd-ca                 Nov 20, 2036 22:23 UTC   9y              no      
    front-proxy-ca          Nov 20, 2036 22:23 UTC   9y              no      

    KUBELET CERTIFICATE   EXPIRES                  RESIDUAL TIME   PATH
    kubelet-client        Nov 23, 2027 22:18 UTC   364d            /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Nov 23, 2027 22:23 UTC   364d            /var/lib/kubelet/pki/kubelet.crt

    FINDING      SUBJECT     WHAT
    unreadable   apiserver   1073741824 bytes: larger than the 8388608 bytes that are read of one file
    ");
    // What can't be archived is not replaced.
    let before = node.state();
    let run = node.run("certs renew apiserver");
    assert_ne!(run.code, 0, "{run}");
    before.assert_same(&node.state(), "a huge file");
}

#[test]
fn special_files_are_never_opened() {
    let node = Node::of("ecdsa-p256");
    let mode = Mode::from_bits_truncate(0o600);
    let pki = |name: &str| node.path(&format!("{PKI}/{name}"));
    node.remove(&format!("{PKI}/apiserver.crt"));
    // Opening a FIFO without a writer would hang for ever.
    nix::unistd::mkfifo(&pki("apiserver.crt"), mode).unwrap();
    nix::unistd::mkfifo(&pki("pipe"), mode).unwrap();
    nix::unistd::mkfifo(&node.path("/etc/kubernetes/manifests/pipe.yaml"), mode).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(pki("socket")).unwrap();
    if is_root() {
        let zero = nix::sys::stat::makedev(1, 5);
        if nix::sys::stat::mknod(&pki("zero.crt"), SFlag::S_IFCHR, mode, zero).is_err() {
            skip("device nodes can't be made");
        }
    }
    node.settle();
    assert_snapshot!(broken_rows(&node), @"
    !INVALID! apiserver
    unreadable   apiserver   a FIFO, not a file
    ");
    node.must("certs renew etcd-server");
    let before = node.state();
    assert_ne!(node.run("certs renew apiserver").code, 0);
    before.assert_same(&node.state(), "a FIFO in the place of a certificate");
    drop(socket);
}

#[test]
fn links_in_a_circle_end() {
    let node = Node::of("ecdsa-p256");
    node.remove(&format!("{PKI}/apiserver.crt"));
    node.link(&format!("{PKI}/apiserver.crt"), "other.crt");
    node.link(&format!("{PKI}/other.crt"), "apiserver.crt");
    node.link(&format!("{PKI}/self"), ".");
    node.link(&format!("{PKI}/up"), "../..");
    assert_snapshot!(broken_rows(&node), @"
    !INVALID! apiserver
    unreadable   apiserver   /etc/kubernetes/pki/apiserver.crt: too many levels of symbolic links
    ");
    node.must("certs renew etcd-server");
}

#[test]
fn links_out_of_the_root_lead_inside_it() {
    let outside = Node::of("ecdsa-p256");
    let node = Node::of("ecdsa-p256");
    let target = outside.path(&format!("{PKI}/apiserver.crt"));
    node.remove(&format!("{PKI}/apiserver.crt"));
    node.link(&format!("{PKI}/apiserver.crt"), target.to_str().unwrap());
    node.remove(&format!("{PKI}/etcd"));
    let relative = format!("../../../../../../../..{}", outside.path(&format!("{PKI}/etcd")).display());
    node.link(&format!("{PKI}/etcd"), &relative);
    node.remove("/etc/kubernetes/scheduler.conf");
    node.link(
        "/etc/kubernetes/scheduler.conf",
        outside.path("/etc/kubernetes/scheduler.conf").to_str().unwrap(),
    );
    let before = outside.state();
    let rows = broken_rows(&node).replace(outside.root().to_str().unwrap(), "OUTSIDE");
    assert_snapshot!(rows, @"
    !INVALID! apiserver
    !MISSING! etcd-healthcheck-client
    !MISSING! etcd-peer
    !MISSING! etcd-server
    !INVALID! scheduler.conf
    !MISSING! etcd-ca
    ca-missing   etcd-ca                   certificate not found
    missing      etcd-server               not found
    missing      etcd-peer                 not found
    unreadable   apiserver                 the link leads to OUTSIDE/etc/kubernetes/pki/apiserver.crt, which is missing
    unreadable   scheduler.conf            the link leads to OUTSIDE/etc/kubernetes/scheduler.conf, which is missing
    missing      etcd-healthcheck-client   not found
    ");
    for command in
        ["certs renew all", "certs renew all --partial", "recover --yes --partial", "certs renew apiserver"]
    {
        let run = node.run(command);
        assert_ne!(run.code, -1, "{run}");
    }
    before.assert_identical(&outside.state(), "outside of the root");
}

#[test]
fn an_absolute_link_is_the_nodes_own() {
    let node = Node::of("ecdsa-p256");
    node.rename(PKI, "/srv/pki");
    node.link(PKI, "/srv/pki");
    assert_eq!(node.run(CHECK).code, 0);
    let before = node.state();
    node.must("certs renew apiserver");
    assert_eq!(before.changed(&node.state()), ["/srv/pki/apiserver.crt", "/srv/pki/apiserver.key"]);
}

#[test]
fn a_directory_in_the_place_of_a_file_is_left_alone() {
    let node = Node::of("ecdsa-p256");
    node.remove(&format!("{PKI}/apiserver.crt"));
    node.write(&format!("{PKI}/apiserver.crt/file"), "mine");
    assert_eq!(node.run(CHECK).code, 1);
    let before = node.state();
    assert_ne!(node.run("certs renew apiserver").code, 0);
    before.assert_same(&node.state(), "a directory");
}

#[test]
fn what_may_not_be_read_is_said_not_guessed() {
    let node = Node::of("ecdsa-p256");
    std::fs::set_permissions(node.path(PKI), std::fs::Permissions::from_mode(0o700)).unwrap();
    let nobody = |arguments: &[&str]| {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            // The binary may stand below a directory that only root may enter: then a copy is run.
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            command.arg(node.path("/kuberescue"));
            command
        } else {
            std::fs::set_permissions(node.path(PKI), std::fs::Permissions::from_mode(0o000)).unwrap();
            kuberescue()
        };
        command.args(arguments).args(["--at", common::NOW, "--root"]).arg(node.root());
        run(command)
    };
    if is_root() {
        common::copy_program(&node.path("/kuberescue"));
        node.settle();
    }
    let before = node.state();
    let look = nobody(&["certs", "check-expiration"]);
    look.fails(2, "not-root");
    for arguments in [&["certs", "renew", "all"][..], &["recover", "--yes"]] {
        let change = nobody(arguments);
        assert!([2, 5].contains(&change.code), "{change}");
    }
    before.assert_identical(&node.state(), "nobody");
    std::fs::set_permissions(node.path(PKI), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn escape_sequences_do_not_reach_the_terminal() {
    let node = Node::of("ecdsa-p256");
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J";
    let der = pair_named("front-proxy-client");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    common::openssl(
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9999 -keyout {} -out {} -subj /CN=X",
            path("key"),
            path("crt")
        ),
        b"",
    );
    // The subject is given as one argument with the sequence in it.
    let made = Command::new("openssl")
        .args(["x509", "-in", &path("crt"), "-signkey", &path("key"), "-set_serial", "1", "-days", "9999"])
        .output()
        .unwrap();
    assert!(made.status.success());
    let request = Command::new("openssl")
        .args(["req", "-x509", "-key", &path("key"), "-days", "9999", "-subj", &format!("/CN={evil}")])
        .args(["-addext", "extendedKeyUsage=clientAuth"])
        .output()
        .unwrap();
    assert!(request.status.success(), "{}", String::from_utf8_lossy(&request.stderr));
    node.write(&der.certificate(), &request.stdout);
    node.write(&der.key(), std::fs::read(path("key")).unwrap());
    node.write(&format!("/home/{evil}/.kube/config"), node.text(ADMIN));
    node.replace("/etc/kubernetes/scheduler.conf", "system:kube-scheduler", "\"\\e[31mred\"");
    node.replace("/etc/kubernetes/manifests/etcd.yaml", "--name=cp-1", "\"--name=\\e[2Jcp-1\"");
    for command in [
        CHECK,
        "certs check-expiration -o wide",
        "certs check-expiration -o json",
        "certs renew all --dry-run",
        "certs renew all --dry-run -o json",
        "recover --dry-run",
        "certs renew all --kubelet",
    ] {
        let run = node.run(command);
        let text = format!("{}{}", run.out, run.err);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{command}\n{run}");
    }
}

// Kubeconfigs that people have.

/// A kubeconfig whose user authenticates in another way is left alone, byte for byte.
#[test]
fn a_user_without_a_certificate_is_left_alone() {
    let mut told = String::new();
    let old = Node::of("ecdsa-p256").text(ADMIN);
    let start = old.find("    client-certificate-data").unwrap();
    for (what, user) in [
        ("a token", "    token: abc.def\n"),
        (
            "an exec plug-in",
            "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: aws\n",
        ),
        ("a password", "    username: admin\n    password: secret\n"),
        ("a token", "    tokenFile: /var/run/token\n"),
    ] {
        let node = Node::of("ecdsa-p256");
        let text = format!("{}{user}", &old[..start]);
        node.write(ADMIN, &text);
        let run = node.run("certs renew all");
        told.push_str(&format!("{what}: exit {}: {}\n", run.code, run.out.lines().next().unwrap()));
        assert_eq!(node.text(ADMIN), text, "{what}");
        // It is named as what it is, not as broken.
        assert_eq!(
            end_of(&credential(&node.text("/etc/kubernetes/scheduler.conf")).0),
            "2027-11-24 00:00:00Z"
        );
    }
    assert_snapshot!(told, @r#"
    a token: exit 0: certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself not renewed: user "kubernetes-admin" does not have an embedded client certificate: it uses a token
    an exec plug-in: exit 0: certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself not renewed: user "kubernetes-admin" does not have an embedded client certificate: it uses an exec plug-in
    a password: exit 0: certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself not renewed: user "kubernetes-admin" does not have an embedded client certificate: it uses a password
    a token: exit 0: certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself not renewed: user "kubernetes-admin" does not have an embedded client certificate: it uses a token
    "#);
}

#[test]
fn of_two_users_only_the_current_ones_credential_changes() {
    let node = Node::of("ecdsa-p256");
    let other = Node::of("rsa2048").text(ADMIN);
    let other = other[other.find("    client-certificate-data").unwrap()..].to_owned();
    let text = node.text(ADMIN);
    let entry = format!("users:\n- name: somebody\n  user:\n{other}");
    let text = text.replace("users:\n", &entry);
    node.write(ADMIN, &text);
    node.must("certs renew admin.conf");
    let new = node.text(ADMIN);
    assert!(new.contains(&entry), "the other user");
    let (before, after) = (text.split(&entry).nth(1).unwrap(), new.split(&entry).nth(1).unwrap());
    assert_ne!(before, after);
    assert_eq!(before.lines().count(), after.lines().count());
}

/// Everything but the values stays, whatever the file looks like.
#[test]
fn the_look_of_a_kubeconfig_stays() {
    let old = Node::of("ecdsa-p256").text(ADMIN);
    let commented = old
        .replace("users:\n", "# who we are: client-key-data: nothing\nusers: # all of them\n")
        .replace("kind: Config", "kind:   Config   # as ever");
    let reordered = {
        let (head, users) = old.split_at(old.find("users:").unwrap());
        format!("{users}{head}")
    };
    let quoted = {
        let (certificate, key) = credential(&old);
        let (certificate, key) = (base64(&certificate), base64(&key));
        old.replace(&certificate, &format!("\"{certificate}\"")).replace(&key, &format!("'{key}'"))
    };
    for (what, text) in [
        ("CRLF", old.replace('\n', "\r\n")),
        ("comments", commented),
        ("reordered", reordered),
        ("quoted", quoted),
        ("no newline at the end", old.trim_end().to_owned()),
        ("a mark of byte order", format!("\u{feff}{old}")),
        ("a document mark", format!("---\n{old}")),
        ("tabs at line ends", old.replace("kind: Config\n", "kind: Config\t\n")),
    ] {
        let node = Node::of("ecdsa-p256");
        node.write(ADMIN, &text);
        let run = node.run("certs renew admin.conf");
        assert_eq!(run.code, 0, "{what}\n{run}");
        assert!(run.out.lines().next().is_some_and(|line| line.ends_with(" renewed")), "{what}\n{run}");
        let new = node.text(ADMIN);
        let blank = |text: &str| -> String {
            let is_value = |word: &&str| word.trim_matches(['"', '\'']).len() > 200;
            text.split_inclusive([' ', '\n', '\r'])
                .map(|word| {
                    if is_value(&word.trim_end())
                        && word.contains("LS0t")
                        && !word.contains("certificate-authority")
                    {
                        let body = word.trim_end();
                        let marks = body.starts_with(['"', '\'']);
                        format!("{}{}", if marks { "'…'" } else { "…" }, &word[body.len()..])
                    } else {
                        word.to_owned()
                    }
                })
                .collect()
        };
        assert_eq!(blank(&new), blank(&text), "{what}");
        assert_ne!(new, text, "{what}");
    }
}

#[test]
fn names_that_yaml_takes_for_something_else_stay_names() {
    for name in ["on", "yes", "null", "1e3", "~", "0x10", "2026-11-24"] {
        for quote in ["\"", "'"] {
            let node = Node::of("ecdsa-p256");
            let quoted = format!("{quote}{name}{quote}");
            let text = node
                .text(ADMIN)
                .replace("kubernetes-admin@kubernetes", &quoted)
                .replace("kubernetes-admin", &quoted);
            node.write(ADMIN, &text);
            node.must("certs renew admin.conf");
            let kept = |text: &str| -> Vec<String> {
                text.lines().filter(|line| !line.contains("client-")).map(str::to_owned).collect()
            };
            assert_eq!(kept(&node.text(ADMIN)), kept(&text), "{quoted}");
        }
    }
}

#[test]
fn a_name_that_yaml_takes_for_something_else_is_quoted_when_written() {
    let node = Node::of("ecdsa-p256");
    node.replace(
        "/etc/kubernetes/manifests/kube-controller-manager.yaml",
        "--cluster-name=kubernetes",
        "--cluster-name=on",
    );
    node.write(ADMIN, "");
    node.must("certs renew admin.conf");
    assert!(node.text(ADMIN).contains("\"on\""), "{}", node.text(ADMIN));
}

#[test]
fn a_kubeconfig_in_json_stays_json() {
    let node = Node::of("ecdsa-p256");
    let old = node.text(ADMIN);
    let (certificate, key) = credential(&old);
    let authority = node.read(&format!("{PKI}/ca.crt"));
    let json = serde_json::json!({
        "kind": "Config", "apiVersion": "v1", "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": "https://192.168.10.11:6443", "certificate-authority-data": base64(&authority)}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "users": [{"name": "u", "user": {"client-certificate-data": base64(&certificate), "client-key-data": base64(&key)}}],
    });
    for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
        node.write(ADMIN, &text);
        node.must("certs renew admin.conf");
        let mut new: serde_json::Value = serde_json::from_str(&node.text(ADMIN)).unwrap();
        let user = &mut new["users"][0]["user"];
        assert_ne!(user["client-certificate-data"], base64(&certificate));
        for (field, value) in [("client-certificate-data", &certificate), ("client-key-data", &key)] {
            user[field] = base64(value).into();
        }
        assert_eq!(new, json);
    }
}

#[test]
fn a_value_on_several_lines_is_refused_with_a_reason() {
    let node = Node::of("ecdsa-p256");
    let old = node.text(ADMIN);
    let key = base64(&credential(&old).1);
    let (first, second) = key.split_at(100);
    let text = old.replace(
        &format!("client-key-data: {key}"),
        &format!("client-key-data: >-\n      {first}\n      {second}"),
    );
    assert_ne!(text, old);
    node.write(ADMIN, &text);
    let before = node.state();
    assert_snapshot!(node.screen("certs renew admin.conf"), @"
    exit 5
    certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself not renewed: client-key-data is a block scalar or an alias, which cannot be replaced in place; write it on one line
    error [nothing-to-renew]: there is nothing to renew
    hint: see the reasons above; --dry-run shows the plan
    ");
    before.assert_same(&node.state(), "a block scalar");
}

#[test]
fn a_kubeconfig_that_leads_nowhere_is_not_overwritten() {
    let node = Node::of("ecdsa-p256");
    node.replace(ADMIN, "current-context: kubernetes-admin@kubernetes", "current-context: elsewhere");
    let before = node.text(ADMIN);
    assert_snapshot!(node.screen("certs renew all"), @r#"
    exit 4
    certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself not renewed: its context "elsewhere" is missing
    certificate for serving the Kubernetes API renewed
    certificate the apiserver uses to access etcd renewed
    certificate for the API server to connect to kubelet renewed
    certificate embedded in the kubeconfig file for the controller manager to use renewed
    certificate for liveness probes to healthcheck etcd renewed
    certificate for etcd nodes to communicate with each other renewed
    certificate for serving etcd renewed
    certificate for the front proxy client renewed
    certificate embedded in the kubeconfig file for the scheduler manager to use renewed
    certificate embedded in the kubeconfig file for the super-admin renewed

    Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
    Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    kuberescue rollback puts the old state back, from ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
    "#);
    assert_eq!(node.text(ADMIN), before);
}

// Disks that can't be written.

#[test]
fn a_read_only_disk_is_left_in_peace() {
    let mut told = Screens::default();
    let Some(mount) = Mount::of(&Node::of("ecdsa-p256"), "16m") else { return };
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(mount.0.root()).status().unwrap().success());
    let node = &mount.0;
    let before = node.state();
    assert_eq!(node.run(CHECK).code, 0);
    for command in ["certs renew all --dry-run", "certs renew all", "recover --yes --at 2027-12-01"] {
        let run = node.run(command);
        assert_eq!(run.code, 5, "{command}\n{run}");
        told.add(command, &node.talk(&run));
    }
    assert_snapshot!(told.0, @"
    ## certs renew all --dry-run
    error [not-replaceable]: 3 paths of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes is on a read-only file system
      | ROOT/etc/kubernetes/pki is on a read-only file system
      | ROOT/etc/kubernetes/pki/etcd is on a read-only file system
    hint: mount -o remount,rw MOUNT (findmnt -T ROOT/etc/kubernetes shows which); then run the same command again

    ## certs renew all
    error [not-replaceable]: 3 paths of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes is on a read-only file system
      | ROOT/etc/kubernetes/pki is on a read-only file system
      | ROOT/etc/kubernetes/pki/etcd is on a read-only file system
    hint: mount -o remount,rw MOUNT (findmnt -T ROOT/etc/kubernetes shows which); then run the same command again

    ## recover --yes --at 2027-12-01
    error [not-replaceable]: 4 paths of this change cannot be replaced; nothing was written
      | ROOT/etc/kubernetes is on a read-only file system
      | ROOT/etc/kubernetes/pki is on a read-only file system
      | ROOT/etc/kubernetes/pki/etcd is on a read-only file system
      | ROOT/var/lib/kubelet/pki is on a read-only file system
    hint: mount -o remount,rw MOUNT (findmnt -T ROOT/etc/kubernetes shows which); then run the same command again
    ");
    before.assert_identical(&node.state(), "read-only");
}

#[test]
fn a_full_disk_changes_nothing() {
    // Room for nothing, for the archive alone, for the archive and a part of the new files.
    let (mut failed, mut told) = (0, std::collections::BTreeSet::new());
    for free in [0, 4, 8, 16, 32, 40, 48, 56, 64, 72, 80, 96] {
        let Some(mount) = Mount::of(&Node::of("ecdsa-p256"), "1m") else { return };
        let node = &mount.0;
        fill(node.root(), free * 1024);
        node.settle();
        let before = node.state();
        let run = node.run("certs renew all");
        if run.code == 0 {
            continue;
        }
        failed += 1;
        assert_eq!(run.code, 2, "{free} KiB free\n{run}");
        let (_, reason) =
            run.err.rsplit_once("error [no-space]: cannot write ").unwrap_or_else(|| panic!("{run}"));
        told.insert(reason.split_once(": ").unwrap().1.to_owned());
        before.assert_same(&node.state(), &format!("{free} KiB free"));
        // With room again, the same command does it.
        node.remove("/fill");
        node.must("certs renew all --accept-clock");
    }
    assert!(failed >= 3, "the disk was never full");
    assert_snapshot!(told.into_iter().collect::<String>(), @"
    no space left on the device
    hint: nothing was changed; another place for the archive: --archive-dir DIR
    no space left on the device
    hint: nothing was changed; run the same command again once the cause is gone
    ");
}

/// Fills the file system so that about `free` bytes are left.
fn fill(root: &Path, free: usize) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(root.join("fill")).unwrap();
    let mut written = 0;
    while file.write_all(&[7; 4096]).is_ok() {
        written += 4096;
    }
    file.set_len((written - free) as u64).unwrap();
}

/// A node on a tmpfs of its own.
struct Mount(Node);

impl Mount {
    fn of(node: &Node, size: &str) -> Option<Self> {
        let place = Node::empty();
        let options = format!("size={size},mode=755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(place.root()).output();
        if !mounted.is_ok_and(|done| done.status.success()) {
            skip("a file system can't be mounted");
            return None;
        }
        let copied = Command::new("cp")
            .arg("-a")
            .arg(format!("{}/.", node.root().display()))
            .arg(place.root())
            .status();
        assert!(copied.unwrap().success());
        Some(Self(place))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.root()).status();
    }
}

// recover.

#[test]
fn recover_does_the_whole_job() {
    for name in ["expired-all", "v120-expired", "mixed"] {
        let node = Node::of(name);
        let before = node.state();
        let run = node.must("recover --yes");
        if name == "mixed" {
            assert_snapshot!(node.shown(&run), @r#"
            exit 0
            cp-1  control plane, Kubernetes 1.36                        2026-11-24 00:00 UTC
            VERDICT  MAY NOT START: 1 of 13 certificates expired 998 days ago, 3 more no longer work
            CAUSE    etcd-peer: signed by another key than that of "CN=etcd-ca"
            Plan
              renew     10 certificates and kubeconfigs until 2027-11-24 (365 days), new keys
              issue     front-proxy-client until 2027-11-24 (365 days), new key: truncated: a PEM block starts and does not end
              archive   ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz, verified before any change
              restart   nothing: this disk is not a running node
            Running pods are not affected, but nothing can be managed until this is repaired.
            Undo at any time: kuberescue rollback --root ROOT
            Details: -v
            Condition: certificates of another CA are replaced. Make sure first that ca.crt is the same on all control-plane nodes (sha256sum /etc/kubernetes/pki/ca.crt).
            RENEWED 11 certificates. Nothing was restarted.
            NEXT     start the node from this disk; where it runs already, sudo kuberescue recover on it
            Archive of the old state, read back and verified: ROOT/var/lib/kuberescue/cp-1-TIME.tar.gz
            Report: ROOT/var/lib/kuberescue/cp-1-20261124T000000Z.txt
            "#);
        } else {
            assert_eq!(node.run(CHECK).code, 0, "{name}");
        }
        node.settle();
        allow_duplicates! { assert_snapshot!(node.screen("recover --yes"), @"
        exit 0
        Nothing to recover: no blocking problem on this node.
        hint: sudo kuberescue certs renew all renews certificates before they expire
        ") }
        node.must("rollback --yes");
        before.assert_same(&node.state(), name);
    }
}

#[test]
fn recover_has_nothing_to_do_on_a_healthy_node() {
    for name in ["rsa2048", "ecdsa-p256"] {
        let node = Node::of(name);
        let before = node.state();
        allow_duplicates! { assert_snapshot!(node.screen("recover --yes"), @"
        exit 0
        Nothing to recover: no blocking problem on this node.
        hint: sudo kuberescue certs renew all renews certificates before they expire
        ") }
        before.assert_same(&node.state(), name);
    }
}

/// What is accepted is still there, and the first line doesn't deny it.
#[test]
fn recover_names_the_blockers_that_were_accepted() {
    let node = Node::of("rsa2048");
    let time = nix::sys::time::TimeSpec::new(3_786_912_000, 0);
    let (file, flags) = (node.path("/etc/kubernetes/pki/sa.pub"), UtimensatFlags::NoFollowSymlink);
    utimensat(nix::fcntl::AT_FDCWD, &file, &time, &time, flags).unwrap();
    let before = node.state();
    assert_snapshot!(node.screen("recover --yes --accept-clock"), @"
    exit 0
    Nothing to recover: every blocking problem is accepted (clock-behind).

    Blocking problems (root cause first):
      clock-behind            clock: the system clock (2026-11-24 00:00 UTC) is behind the newest timestamp on disk (2090-01-01 00:00 UTC, change time of /etc/kubernetes/pki/sa.pub)
    hint: sudo kuberescue diagnose shows what to do about each of these
    ");
    before.assert_same(&node.state(), "nothing was changed");
    node.remove("/etc/kubernetes/manifests/kube-scheduler.yaml");
    assert_snapshot!(node.screen("recover --yes --accept manifest-missing"), @"
    exit 1
    Nothing to recover: every blocking problem is accepted (manifest-missing).

    Blocking problems (root cause first):
      manifest-missing        kube-scheduler: no manifest of kube-scheduler in /etc/kubernetes/manifests
    hint: sudo kuberescue diagnose shows what to do about each of these
    ");
}

#[test]
fn recover_asks_and_nobody_answers() {
    let node = Node::of("expired-all");
    let before = node.state();
    let run = node.run("recover");
    assert_eq!(run.code, 2, "{run}");
    assert_snapshot!(node.talk(&run), @"
    error [not-confirmed]: no terminal to confirm on; nothing was changed
    hint: run it again with --yes
    ");
    // The plan is shown all the same.
    let dry = node.run("recover --dry-run");
    assert_eq!(run.out, dry.out.split("NEXT ").next().unwrap());
    before.assert_same(&node.state(), "no answer");
}

#[test]
fn a_dry_run_of_recover_predicts_and_writes_nothing() {
    for name in ["expired-all", "mixed"] {
        let node = Node::of(name);
        let before = node.state();
        let run = node.must("recover --dry-run -v");
        before.assert_identical(&node.state(), name);
        let after = |out: &str| -> String {
            let (_, after) = out.rsplit_once("\nAfter").unwrap().1.split_once(":\n").unwrap();
            let is_table = |line: &&str| !line.starts_with("Plan") && !line.starts_with("RENEWED");
            let lines: Vec<_> = after.lines().take_while(is_table).collect();
            lines.join("\n").trim_end().to_owned()
        };
        assert_eq!(after(&run.out), after(&node.must("recover --yes -v").out), "{run}");
    }
}

/// `script` gives the program a terminal. At the question a file changes under its feet.
#[test]
fn a_file_that_changes_between_plan_and_apply_is_not_overwritten() {
    use std::io::{BufRead as _, Read as _, Write as _};
    let node = Node::of("expired-all");
    let command = format!(
        "{} recover --at {} --root {}",
        env!("CARGO_BIN_EXE_kuberescue"),
        common::NOW,
        node.root().display()
    );
    let child = Command::new("script")
        .env("NO_COLOR", "1")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return skip("there is no script(1)");
    };
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("[y/N]") {
        assert_ne!(output.read_until(b']', &mut seen).unwrap(), 0, "{}", String::from_utf8_lossy(&seen));
    }
    let mine = "changed by hand\n";
    node.write(&format!("{PKI}/apiserver.crt"), mine);
    let before = node.state();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"y\n").unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    drop(input);
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(2), "{rest}");
    let error = &rest[rest.find("error [").unwrap_or_else(|| panic!("{rest}"))..];
    assert_snapshot!(error.replace("\r\n", "\n"), @"
    error [changed-meanwhile]: cannot replace /etc/kubernetes/pki/apiserver.crt: changed since it was read; nothing was written
    hint: nothing was changed; kuberescue archive diff ARCHIVE shows what differs
    ");
    before.assert_same(&node.state(), "a file changed since it was planned");
}
