//! `certs check-expiration`: kubeadm's tables, JSON and YAML byte for byte, and below the tables what kubeadm
//! doesn't look at.

mod common;

use common::{NOW, Node, PKI, Run, expected, fixture, kuberescue, openssl, run};
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};

const CHECK: &str = "certs check-expiration";

/// Where kubeadm prints at all, and whether something is wrong there.
const PRINTED: [(&str, i32); 5] =
    [("rsa2048", 0), ("ecdsa-p256", 0), ("expired-all", 1), ("expired-ca", 1), ("external-ca", 1)];

/// The moment at which kubeadm looked: what was left is cut to whole seconds, towards zero.
fn moment(end: &str, left: i64) -> Timestamp {
    let half = SignedDuration::from_millis(if left >= 0 { -500 } else { 500 });
    end.parse::<Timestamp>().unwrap() - SignedDuration::from_secs(left) + half
}

fn moment_of_json(json: &str) -> Timestamp {
    let info: serde_json::Value = serde_json::from_str(json).unwrap();
    let first = &info["certificates"][0];
    moment(first["expirationDate"].as_str().unwrap(), first["residualTime"].as_i64().unwrap())
}

fn moment_of_yaml(yaml: &str) -> Timestamp {
    let value = |field: &str| yaml.split(&format!("{field}: ")).nth(1).unwrap().lines().next().unwrap();
    moment(value("expirationDate").trim_matches('"'), value("residualTime").parse().unwrap())
}

/// The first word or two of each row of the tables.
fn names(tables: &str) -> Vec<&str> {
    tables.lines().map(|line| line.split("   ").next().unwrap()).collect()
}

/// What stands below kubeadm's own two tables.
fn below(run: &Run) -> &str {
    let (_, below) = run.out.split_once("\n\nKUBELET ").unwrap_or_else(|| panic!("{run}"));
    below.split_once('\n').unwrap().1
}

#[test]
fn tables_are_kubeadms() {
    for (name, code) in PRINTED {
        let at = moment_of_json(&expected(name, "check.json"));
        let run = Node::of(name).run(&format!("{CHECK} --at {at}"));
        let kubeadm = expected(name, "check.text");
        assert!(run.out.starts_with(&kubeadm), "{name}\n{run}\n--- kubeadm\n{kubeadm}");
        assert_eq!(run.code, code, "{name}\n{run}");
        let below = run.out.strip_prefix(&kubeadm).unwrap();
        assert!(below.starts_with("\nKUBELET CERTIFICATE "), "{name}\n{below}");
    }
}

#[test]
fn json_is_kubeadms() {
    for (name, code) in PRINTED {
        let kubeadm = expected(name, "check.json");
        let run = Node::of(name).run(&format!("{CHECK} -o json --at {}", moment_of_json(&kubeadm)));
        assert_eq!(run.out, kubeadm, "{name}");
        assert_eq!(run.code, code, "{name}\n{run}");
    }
}

#[test]
fn yaml_is_kubeadms() {
    for (name, code) in PRINTED {
        // kubeadm asks the clock again for each row, and once a second went by before the last one.
        let kubeadm =
            expected(name, "check.yaml").replace("residualTime: 31535951", "residualTime: 31535950");
        let run = Node::of(name).run(&format!("{CHECK} -o yaml --at {}", moment_of_yaml(&kubeadm)));
        assert_eq!(run.out, kubeadm, "{name}");
        assert_eq!(run.code, code, "{name}\n{run}");
    }
}

#[test]
fn looking_changes_nothing() {
    for (name, _) in PRINTED {
        let node = Node::of(name);
        let before = node.state();
        for format in ["table", "wide", "json", "yaml"] {
            node.run(&format!("{CHECK} -o {format}"));
        }
        before.assert_identical(&node.state(), name);
    }
}

#[test]
fn kubeadm_dies_on_one_bad_file_and_we_show_the_rest() {
    let run = Node::of("mixed").run(CHECK);
    assert_eq!(run.code, 1, "{run}");
    let names = names(&run.out);
    let leaves = [
        "admin.conf",
        "apiserver",
        "apiserver-etcd-client",
        "apiserver-kubelet-client",
        "controller-manager.conf",
        "etcd-healthcheck-client",
        "etcd-peer",
        "etcd-server",
        "!INVALID! front-proxy-client",
        "scheduler.conf",
        "super-admin.conf",
    ];
    assert_eq!(names[1..12], leaves, "{run}");
    assert_eq!(names[14..17], ["ca", "etcd-ca", "front-proxy-ca"], "{run}");
    // What no table can show, in words.
    for (code, subject) in [
        ("key-mismatch", "apiserver-kubelet-client"),
        ("ca-replaced", "etcd-peer"),
        ("file-truncated", "front-proxy-client"),
    ] {
        let row = run.out.lines().find(|line| line.starts_with(code));
        assert!(row.is_some_and(|row| row.contains(subject)), "{code}\n{run}");
    }
}

#[test]
fn an_unreadable_certificate_is_marked_in_json_too() {
    let run = Node::of("mixed").run("certs check-expiration -o json");
    let info: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let entry =
        info["certificates"].as_array().unwrap().iter().find(|entry| entry["name"] == "front-proxy-client");
    let entry = entry.unwrap();
    assert_eq!(entry["missing"], false);
    assert!(entry["expirationDate"].is_null());
    assert_snapshot!(entry["error"].as_str().unwrap(), @"truncated: a PEM block starts and does not end");
    assert_eq!(run.code, 1, "{run}");
}

#[test]
fn an_external_ca_is_no_reason_to_stop() {
    let run = Node::of("external-ca").run(CHECK);
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(
        run.out.lines().skip(1).take(11).filter(|line| line.trim_end().ends_with("yes")).count(),
        11,
        "{run}"
    );
    assert_snapshot!(below(&run), @"
    kubelet-client        Nov 23, 2027 22:18 UTC   364d            /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Nov 23, 2027 22:23 UTC   364d            /var/lib/kubelet/pki/kubelet.crt

    FINDING          SUBJECT          WHAT
    ca-key-missing   etcd-ca          its key /etc/kubernetes/pki/etcd/ca.key was not found
    ca-key-missing   ca               its key /etc/kubernetes/pki/ca.key was not found
    ca-key-missing   front-proxy-ca   its key /etc/kubernetes/pki/front-proxy-ca.key was not found
    ");
}

/// kubeadm 1.36 marks it as missing on such a node; that node's own, 1.20, doesn't know it.
#[test]
fn before_1_29_there_is_no_super_admin() {
    let node = Node::of("v120-expired");
    assert_snapshot!(node.shown(&node.run(CHECK)), @"
    exit 1
    CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
    admin.conf                 Dec 31, 2024 00:00 UTC   <invalid>       ca                      no      
    apiserver                  Dec 31, 2024 00:00 UTC   <invalid>       ca                      no      
    apiserver-etcd-client      Dec 31, 2024 00:00 UTC   <invalid>       etcd-ca                 no      
    apiserver-kubelet-client   Dec 31, 2024 00:00 UTC   <invalid>       ca                      no      
    controller-manager.conf    Dec 31, 2024 00:00 UTC   <invalid>       ca                      no      
    etcd-healthcheck-client    Dec 31, 2024 00:00 UTC   <invalid>       etcd-ca                 no      
    etcd-peer                  Dec 31, 2024 00:00 UTC   <invalid>       etcd-ca                 no      
    etcd-server                Dec 31, 2024 00:00 UTC   <invalid>       etcd-ca                 no      
    front-proxy-client         Dec 31, 2024 00:00 UTC   <invalid>       front-proxy-ca          no      
    scheduler.conf             Dec 31, 2024 00:00 UTC   <invalid>       ca                      no      

    CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
    ca                      Dec 29, 2033 00:00 UTC   7y37d           no      
    etcd-ca                 Dec 29, 2033 00:00 UTC   7y37d           no      
    front-proxy-ca          Dec 29, 2033 00:00 UTC   7y37d           no      

    KUBELET CERTIFICATE   EXPIRES                  RESIDUAL TIME   PATH
    kubelet-client        Dec 30, 2024 23:55 UTC   <invalid>       /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Dec 31, 2024 00:00 UTC   <invalid>       /var/lib/kubelet/pki/kubelet.crt

    FINDING                   SUBJECT           WHAT
    kubelet-crash-loop        kubelet           its client certificate no longer works and /etc/kubernetes/bootstrap-kubelet.conf does not exist, so a stopped kubelet cannot start again
    kubelet-serving-expired   kubelet-serving   expired on 2024-12-31 (693 days ago)
    ");
    let json = node.run(&format!("{CHECK} -o json"));
    assert!(!json.out.contains("super-admin"), "{json}");
    let directory = node.root().join("etc/kubernetes");
    std::fs::copy(directory.join("admin.conf"), directory.join("super-admin.conf")).unwrap();
    assert!(names(&node.run(CHECK).out).contains(&"super-admin.conf"));
}

#[test]
fn a_missing_certificate_is_a_marked_row() {
    let node = Node::of("rsa2048");
    node.remove(&format!("{PKI}/etcd/peer.crt"));
    let run = node.run(CHECK);
    assert_eq!(run.code, 1, "{run}");
    assert!(names(&run.out).contains(&"!MISSING! etcd-peer"), "{run}");
}

#[test]
fn monitoring_asks_what_ends_soon() {
    let node = Node::of("rsa2048");
    // The first to end is the kubelet's, in 364 days and 22 hours.
    assert_eq!(node.run("certs check-expiration --fail-within 30d").code, 0);
    assert_eq!(node.run("certs check-expiration --fail-within 364d").code, 0);
    let run = node.run("certs check-expiration --fail-within 365d");
    assert_eq!(run.code, 1, "{run}");
    assert_snapshot!(node.talk(&run), @"
    13 certificates expire within the time of --fail-within:
      kubelet-client expires on 2027-11-23 (in 364 days)
      admin.conf expires on 2027-11-23 (in 364 days)
      apiserver expires on 2027-11-23 (in 364 days)
      apiserver-etcd-client expires on 2027-11-23 (in 364 days)
      apiserver-kubelet-client expires on 2027-11-23 (in 364 days)
      controller-manager.conf expires on 2027-11-23 (in 364 days)
      etcd-healthcheck-client expires on 2027-11-23 (in 364 days)
      etcd-peer expires on 2027-11-23 (in 364 days)
      etcd-server expires on 2027-11-23 (in 364 days)
      front-proxy-client expires on 2027-11-23 (in 364 days)
      kubelet-serving expires on 2027-11-23 (in 364 days)
      scheduler.conf expires on 2027-11-23 (in 364 days)
      super-admin.conf expires on 2027-11-23 (in 364 days)
    ");
    for wrong in ["30", "soon", "-1d"] {
        assert_eq!(node.run(&format!("{CHECK} --fail-within={wrong}")).code, 2, "{wrong}");
    }
}

#[test]
fn another_moment_can_be_asked_about() {
    let node = Node::of("rsa2048");
    for (at, code) in [("2027-10-20", 0), ("2027-11-23", 1), ("2027-11-24", 1), ("2027-11-23T22:23:24Z", 1)] {
        assert_eq!(node.run(&format!("{CHECK} --at {at}")).code, code, "{at}");
    }
    // Before the CA was made.
    assert_snapshot!(node.screen("certs check-expiration --at 2020-01-01"), @"
    exit 1
    CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
    admin.conf                 Nov 23, 2027 22:23 UTC   7y328d          ca                      no      
    apiserver                  Nov 23, 2027 22:23 UTC   7y328d          ca                      no      
    apiserver-etcd-client      Nov 23, 2027 22:23 UTC   7y328d          etcd-ca                 no      
    apiserver-kubelet-client   Nov 23, 2027 22:23 UTC   7y328d          ca                      no      
    controller-manager.conf    Nov 23, 2027 22:23 UTC   7y328d          ca                      no      
    etcd-healthcheck-client    Nov 23, 2027 22:23 UTC   7y328d          etcd-ca                 no      
    etcd-peer                  Nov 23, 2027 22:23 UTC   7y328d          etcd-ca                 no      
    etcd-server                Nov 23, 2027 22:23 UTC   7y328d          etcd-ca                 no      
    front-proxy-client         Nov 23, 2027 22:23 UTC   7y328d          front-proxy-ca          no      
    scheduler.conf             Nov 23, 2027 22:23 UTC   7y328d          ca                      no      
    super-admin.conf           Nov 23, 2027 22:23 UTC   7y328d          ca                      no      

    CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
    ca                      Nov 20, 2036 22:23 UTC   16y             no      
    etcd-ca                 Nov 20, 2036 22:23 UTC   16y             no      
    front-proxy-ca          Nov 20, 2036 22:23 UTC   16y             no      

    KUBELET CERTIFICATE   EXPIRES                  RESIDUAL TIME   PATH
    kubelet-client        Nov 23, 2027 22:18 UTC   7y328d          /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Nov 23, 2027 22:23 UTC   7y328d          /var/lib/kubelet/pki/kubelet.crt

    FINDING            SUBJECT                    WHAT
    ca-not-yet-valid   etcd-ca                    not valid until 2026-11-23 22:18 UTC
    not-yet-valid      etcd-server                not valid until 2026-11-23 22:18 UTC
    not-yet-valid      etcd-peer                  not valid until 2026-11-23 22:18 UTC
    not-yet-valid      apiserver-etcd-client      not valid until 2026-11-23 22:18 UTC
    ca-not-yet-valid   ca                         not valid until 2026-11-23 22:18 UTC
    not-yet-valid      apiserver                  not valid until 2026-11-23 22:18 UTC
    not-yet-valid      kubelet-client             not valid until 2026-11-23 22:18 UTC
    not-yet-valid      controller-manager.conf    not valid until 2026-11-23 22:18 UTC
    not-yet-valid      scheduler.conf             not valid until 2026-11-23 22:18 UTC
    not-yet-valid      apiserver-kubelet-client   not valid until 2026-11-23 22:18 UTC
    ca-not-yet-valid   front-proxy-ca             not valid until 2026-11-23 22:18 UTC
    not-yet-valid      front-proxy-client         not valid until 2026-11-23 22:18 UTC
    not-yet-valid      kubelet-serving            not valid until 2026-11-23 21:23 UTC
    not-yet-valid      admin.conf                 not valid until 2026-11-23 22:18 UTC
    not-yet-valid      super-admin.conf           not valid until 2026-11-23 22:18 UTC
    not-yet-valid      etcd-healthcheck-client    not valid until 2026-11-23 22:18 UTC
    ");
}

#[test]
fn the_pki_directory_may_be_named_as_in_kubeadm() {
    let node = Node::of("rsa2048");
    node.rename(PKI, "/srv/pki");
    let run = node.run("certs check-expiration --cert-dir /srv/pki");
    assert!(run.out.starts_with(&expected("rsa2048", "check.text")), "{run}");
    // The manifests still name the old place: what they refer to does not exist there.
    assert_eq!(run.code, 1, "{run}");
    assert_snapshot!(below(&run), @"
    kubelet-client        Nov 23, 2027 22:18 UTC   364d            /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Nov 23, 2027 22:23 UTC   364d            /var/lib/kubelet/pki/kubelet.crt

    FINDING             SUBJECT                   WHAT
    flag-file-missing   etcd                      etcd refers to /etc/kubernetes/pki/etcd/server.crt, which does not exist
    flag-file-missing   etcd                      etcd refers to /etc/kubernetes/pki/etcd/server.key, which does not exist
    flag-file-missing   etcd                      etcd refers to /etc/kubernetes/pki/etcd/peer.crt, which does not exist
    flag-file-missing   etcd                      etcd refers to /etc/kubernetes/pki/etcd/peer.key, which does not exist
    flag-file-missing   etcd                      etcd refers to /etc/kubernetes/pki/etcd/ca.crt, which does not exist
    flag-file-missing   etcd                      etcd refers to /etc/kubernetes/pki/etcd/ca.crt, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/ca.crt, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/etcd/ca.crt, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/apiserver-etcd-client.crt, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/apiserver-etcd-client.key, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/apiserver-kubelet-client.crt, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/apiserver-kubelet-client.key, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/front-proxy-client.crt, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/front-proxy-client.key, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/front-proxy-ca.crt, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/sa.pub, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/sa.key, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/apiserver.crt, which does not exist
    flag-file-missing   kube-apiserver            kube-apiserver refers to /etc/kubernetes/pki/apiserver.key, which does not exist
    flag-file-missing   kube-controller-manager   kube-controller-manager refers to /etc/kubernetes/pki/ca.crt, which does not exist
    flag-file-missing   kube-controller-manager   kube-controller-manager refers to /etc/kubernetes/pki/ca.crt, which does not exist
    flag-file-missing   kube-controller-manager   kube-controller-manager refers to /etc/kubernetes/pki/ca.key, which does not exist
    flag-file-missing   kube-controller-manager   kube-controller-manager refers to /etc/kubernetes/pki/front-proxy-ca.crt, which does not exist
    flag-file-missing   kube-controller-manager   kube-controller-manager refers to /etc/kubernetes/pki/ca.crt, which does not exist
    flag-file-missing   kube-controller-manager   kube-controller-manager refers to /etc/kubernetes/pki/sa.key, which does not exist
    ");
}

#[test]
fn the_pki_directory_is_found_from_the_manifests() {
    let node = Node::of("rsa2048");
    for manifest in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        node.replace(&format!("/etc/kubernetes/manifests/{manifest}.yaml"), PKI, "/opt/kube/certs");
    }
    node.rename(PKI, "/opt/kube/certs");
    let run = node.run(CHECK);
    assert!(run.out.starts_with(&expected("rsa2048", "check.text")), "{run}");
    assert_eq!(run.code, 0, "{run}");
    let wide = node.run("certs check-expiration -o wide").out;
    let row = wide.lines().find(|line| line.starts_with("etcd-server ")).unwrap();
    assert!(row.split_whitespace().any(|cell| cell == "/opt/kube/certs/etcd/server.crt"), "{wide}");
}

#[test]
fn with_an_external_etcd_there_are_seven_leaf_certificates() {
    let node = Node::of("rsa2048");
    node.remove("/etc/kubernetes/manifests/etcd.yaml");
    let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    node.replace(manifest, "/etc/kubernetes/pki/etcd/ca.crt", "/etc/kubernetes/pki/external-etcd/ca.crt");
    node.replace(
        manifest,
        "/etc/kubernetes/pki/apiserver-etcd-client",
        "/etc/kubernetes/pki/external-etcd/client",
    );
    for (from, to) in [
        ("etcd/ca.crt", "external-etcd/ca.crt"),
        ("apiserver-etcd-client.crt", "external-etcd/client.crt"),
        ("apiserver-etcd-client.key", "external-etcd/client.key"),
    ] {
        node.rename(&format!("{PKI}/{from}"), &format!("{PKI}/{to}"));
    }
    node.remove(&format!("{PKI}/etcd"));
    let run = node.run(CHECK);
    let leaves = [
        "admin.conf",
        "apiserver",
        "apiserver-kubelet-client",
        "controller-manager.conf",
        "front-proxy-client",
        "scheduler.conf",
        "super-admin.conf",
        "",
        "CERTIFICATE AUTHORITY",
        "ca",
        "front-proxy-ca",
    ];
    assert_eq!(names(&run.out)[1..12], leaves, "{run}");
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn kubeconfigs_of_users_are_found() {
    let node = Node::of("rsa2048");
    let admin = node.text("/etc/kubernetes/admin.conf");
    node.write("/root/.kube/config", &admin);
    node.write("/home/x/.kube/config", &admin);
    let run = node.run(CHECK);
    assert!(run.out.starts_with(&expected("rsa2048", "check.text")), "{run}");
    assert_snapshot!(below(&run), @"
    kubelet-client        Nov 23, 2027 22:18 UTC   364d            /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Nov 23, 2027 22:23 UTC   364d            /var/lib/kubelet/pki/kubelet.crt

    OTHER KUBECONFIG       EXPIRES                  RESIDUAL TIME   PATH
    /home/x/.kube/config   Nov 23, 2027 22:23 UTC   364d            /home/x/.kube/config
    /root/.kube/config     Nov 23, 2027 22:23 UTC   364d            /root/.kube/config
    ");
    assert_eq!(run.code, 0, "{run}");
    // kubeadm's JSON stays kubeadm's.
    let json = node.run("certs check-expiration -o json");
    assert!(!json.out.contains("/.kube"), "{json}");
}

#[test]
fn a_users_kubeconfig_that_has_expired_is_a_finding() {
    let node = Node::of("rsa2048");
    node.write("/root/.kube/config", Node::of("expired-all").text("/etc/kubernetes/admin.conf"));
    let run = node.run(CHECK);
    assert_eq!(run.code, 1, "{run}");
    assert_snapshot!(below(&run), @"
    kubelet-client        Nov 23, 2027 22:18 UTC   364d            /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Nov 23, 2027 22:23 UTC   364d            /var/lib/kubelet/pki/kubelet.crt

    OTHER KUBECONFIG     EXPIRES                  RESIDUAL TIME   PATH
    /root/.kube/config   Dec 31, 2024 00:00 UTC   <invalid>       /root/.kube/config

    EMBEDDED CA          EXPIRES                  RESIDUAL TIME   WHAT
    /root/.kube/config   Dec 29, 2033 00:00 UTC   7y37d           another CA
    ");
}

#[test]
fn an_embedded_ca_that_is_not_the_nodes_is_shown() {
    let node = Node::of("rsa2048");
    let other = Node::of("expired-all").read(&format!("{PKI}/ca.crt"));
    let own = common::base64(&node.read(&format!("{PKI}/ca.crt")));
    node.replace("/etc/kubernetes/scheduler.conf", &own, &common::base64(&other));
    let run = node.run(CHECK);
    assert_eq!(run.code, 1, "{run}");
    assert_snapshot!(below(&run), @"
    kubelet-client        Nov 23, 2027 22:18 UTC   364d            /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Nov 23, 2027 22:23 UTC   364d            /var/lib/kubelet/pki/kubelet.crt

    EMBEDDED CA                      EXPIRES                  RESIDUAL TIME   WHAT
    /etc/kubernetes/scheduler.conf   Dec 29, 2033 00:00 UTC   7y37d           another CA
    ");
}

#[test]
fn a_bundle_that_holds_the_nodes_ca_is_no_other_ca() {
    let node = Node::of("rsa2048");
    let own = node.read(&format!("{PKI}/ca.crt"));
    let other = Node::of("expired-all").read(&format!("{PKI}/ca.crt"));
    let bundle = common::base64(&[other, own.clone()].concat());
    node.replace("/etc/kubernetes/scheduler.conf", &common::base64(&own), &bundle);
    let run = node.run(CHECK);
    assert_eq!((run.code, run.out.as_str()), (0, Node::of("rsa2048").run(CHECK).out.as_str()));
}

#[test]
fn wide_tells_keys_serials_and_files() {
    let run = Node::of("rsa2048").must("certs check-expiration -o wide");
    let row = run.out.lines().find(|line| line.starts_with("apiserver ")).unwrap();
    let serial = openssl("x509 -noout -serial", &Node::of("rsa2048").read(&format!("{PKI}/apiserver.crt")));
    let serial = serial.trim().trim_start_matches("serial=").to_lowercase();
    for word in [serial.as_str(), "2048", "/etc/kubernetes/pki/apiserver.crt", "CN=kubernetes"] {
        assert!(row.to_lowercase().contains(&word.to_lowercase()), "{word}\n{row}");
    }
}

#[test]
fn an_archive_is_looked_at_as_a_node_is() {
    for (name, code) in PRINTED {
        let mut command = kuberescue();
        let at = moment_of_json(&expected(name, "check.json")).to_string();
        command.args(["certs", "check-expiration", "--at", &at, "--root"]).arg(fixture(name));
        let run = run(command);
        assert!(run.out.starts_with(&expected(name, "check.text")), "{name}\n{run}");
        assert_eq!(run.code, code, "{name}\n{run}");
    }
}

#[test]
fn wrong_words_on_the_command_line_exit_with_2() {
    let node = Node::of("rsa2048");
    for wrong in ["-o xml", "--at yesterday", "--fail-within 3", "apiserver"] {
        let run = node.run(&format!("{CHECK} {wrong} --cert-dir {PKI}"));
        assert_eq!(run.code, 2, "{wrong}\n{run}");
        assert_eq!(run.out, "", "{wrong}");
    }
    let mut command = kuberescue();
    command.args(["certs", "check-expiration", "--at", NOW, "--help"]);
    assert_eq!(common::run(command).code, 0);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let node = Node::of("rsa2048");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = kuberescue();
    command.args(["certs", "check-expiration", "--at", NOW, "--root"]).arg(node.root()).stdout(writer);
    assert_eq!(command.status().unwrap().code(), Some(0));
}
