//! The kubelet's store in every state that a disk, a person or an interrupted rotation leaves it in: what `diagnose` finds,
//! what `recover` and `certs renew kubelet-client` make of it, and whether a kubelet then starts, is accepted and rotates.

#[path = "../common/mod.rs"]
mod common;
#[path = "../diagnose/issuing.rs"]
#[allow(dead_code, reason = "each story uses a part of it")]
mod issuing;
mod kubelet;

use common::{Node, PKI, base64};
use issuing::{KUBELET, Wish, ec_key, issue, other_authority};
use kubelet::{is_accepted, start};

const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
const UPDATED: &str = "/var/lib/kubelet/pki/kubelet-client-updated.pem";
const DATED: &str = "/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-27.pem";
const NEWER: &str = "/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-29-00.pem";
/// The name that this change gives a certificate.
const NEW: &str = "/var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem";
const EXPIRED: Wish<'_> = Wish { start: "20251121000000Z", end: "20261121000000Z", ..KUBELET };

/// A way to break a store.
type Breaks = fn(&Node);

/// What becomes of the store.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    /// Nothing changes.
    Stays,
    /// The link leads to a certificate that was there.
    Links(&'static str),
    /// A new certificate is issued.
    Issues,
    /// Refused with this code.
    Refused(&'static str),
}

use Way::{Issues, Links, Refused, Stays};

struct State {
    name: &'static str,
    breaks: Breaks,
    /// Whether a kubelet starts and is accepted, and whether it rotates.
    starts: bool,
    rotates: bool,
    /// The codes that `diagnose` finds about the kubelet, blockers first.
    codes: &'static [&'static str],
    recover: Way,
    renew: Way,
    /// `certs renew kubelet-client` where the CA's key is missing.
    renew_without_key: Way,
}

const MISSING_KEY: Way = Refused("ca-key-missing");

fn pem(node: &Node, wish: &Wish<'_>, key: &[u8]) -> Vec<u8> {
    let mut pem = issue(node, wish, key);
    pem.extend(key);
    pem
}

fn point_to(node: &Node, target: &str) {
    node.remove(CURRENT);
    node.link(CURRENT, target);
}

fn expire(node: &Node) {
    let expired = pem(node, &EXPIRED, &ec_key());
    node.write(DATED, expired);
}

/// An expired certificate, and one beside it.
fn beside(node: &Node, wish: &Wish<'_>) {
    expire(node);
    let newer = pem(node, wish, &ec_key());
    node.write(NEWER, newer);
}

fn as_a_file(node: &Node) {
    node.remove(CURRENT);
    node.rename(DATED, CURRENT);
}

const STATES: &[State] = &[
    State {
        name: "as it should be",
        breaks: |_| (),
        starts: true,
        rotates: true,
        codes: &[],
        recover: Stays,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "missing, with a dated file",
        breaks: |node| node.remove(CURRENT),
        starts: false,
        rotates: false,
        codes: &["kubelet-link-missing", "kubelet-crash-loop"],
        recover: Links(DATED),
        renew: Issues,
        renew_without_key: Links(DATED),
    },
    State {
        name: "missing, and no other",
        breaks: |node| {
            node.remove(CURRENT);
            node.remove(DATED);
        },
        starts: false,
        rotates: false,
        codes: &["kubelet-link-missing", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "leads to a file of 0 bytes",
        breaks: |node| node.write(DATED, ""),
        starts: false,
        rotates: false,
        codes: &["file-empty", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "a file of 0 bytes",
        breaks: |node| {
            node.remove(CURRENT);
            node.write(CURRENT, "");
        },
        starts: false,
        rotates: false,
        codes: &["file-empty", "kubelet-crash-loop", "kubelet-link-no-link"],
        recover: Links(DATED),
        renew: Issues,
        renew_without_key: Links(DATED),
    },
    State {
        name: "dangling",
        breaks: |node| node.remove(DATED),
        starts: false,
        rotates: false,
        codes: &["kubelet-link-dangling", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "dangling, with a valid one beside it",
        breaks: |node| point_to(node, NEWER),
        starts: false,
        rotates: false,
        codes: &["kubelet-link-dangling", "kubelet-crash-loop"],
        recover: Links(DATED),
        renew: Issues,
        renew_without_key: Links(DATED),
    },
    State {
        name: "leads through a file",
        breaks: |node| point_to(node, "/var/lib/kubelet/pki/kubelet.crt/x.pem"),
        starts: false,
        rotates: false,
        codes: &["kubelet-link-dangling", "kubelet-crash-loop"],
        recover: Links(DATED),
        renew: Issues,
        renew_without_key: Links(DATED),
    },
    State {
        name: "leads to itself",
        breaks: |node| point_to(node, CURRENT),
        starts: false,
        rotates: false,
        codes: &["kubelet-link-dangling", "kubelet-crash-loop"],
        recover: Links(DATED),
        renew: Issues,
        renew_without_key: Links(DATED),
    },
    State {
        name: "a file",
        breaks: as_a_file,
        starts: true,
        rotates: false,
        codes: &["kubelet-link-no-link"],
        recover: Stays,
        renew: Issues,
        renew_without_key: Links(NEW),
    },
    State {
        name: "a file that has expired",
        breaks: |node| {
            expire(node);
            as_a_file(node);
        },
        starts: false,
        rotates: false,
        codes: &["expired", "kubelet-crash-loop", "kubelet-link-no-link"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "expired",
        breaks: expire,
        starts: false,
        rotates: true,
        codes: &["expired", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "expired, with a valid one beside it",
        breaks: |node| beside(node, &KUBELET),
        starts: false,
        rotates: true,
        codes: &["expired", "kubelet-link-old", "kubelet-crash-loop"],
        recover: Links(NEWER),
        renew: Issues,
        renew_without_key: Links(NEWER),
    },
    State {
        name: "expired, with one beside it that expires within days",
        breaks: |node| beside(node, &Wish { end: "20261127000000Z", ..KUBELET }),
        starts: false,
        rotates: true,
        codes: &["expired", "kubelet-link-old", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: Links(NEWER),
    },
    State {
        name: "expired, with another node's beside it",
        breaks: |node| beside(node, &Wish { subject: "/O=system:nodes/CN=system:node:cp-2", ..KUBELET }),
        starts: false,
        rotates: true,
        codes: &["expired", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "expired, with one beside it that isn't valid yet",
        breaks: |node| beside(node, &Wish { start: "20270101000000Z", ..KUBELET }),
        starts: false,
        rotates: true,
        codes: &["expired", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "expired, with one of another key beside it",
        breaks: |node| {
            expire(node);
            let mut other = issue(node, &KUBELET, &ec_key());
            other.extend(ec_key());
            node.write(NEWER, other);
        },
        starts: false,
        rotates: true,
        codes: &["expired", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "expired, with one of another CA beside it",
        breaks: |node| {
            let own =
                ["crt", "key"].map(|end| (format!("{PKI}/ca.{end}"), node.read(&format!("{PKI}/ca.{end}"))));
            let (certificate, key) = other_authority();
            node.write(&own[0].0, certificate);
            node.write(&own[1].0, key);
            let other = pem(node, &KUBELET, &ec_key());
            own.iter().for_each(|(path, bytes)| node.write(path, bytes));
            expire(node);
            node.write(NEWER, other);
        },
        starts: false,
        rotates: true,
        codes: &["expired", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "-updated left over beside it",
        breaks: |node| node.link(UPDATED, DATED),
        starts: true,
        rotates: true,
        codes: &[],
        recover: Stays,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "-updated in its stead",
        breaks: |node| node.rename(CURRENT, UPDATED),
        starts: true,
        rotates: true,
        codes: &["kubelet-link-missing"],
        recover: Stays,
        renew: Issues,
        renew_without_key: Links(DATED),
    },
    State {
        name: "-updated in its stead, expired",
        breaks: |node| {
            expire(node);
            node.rename(CURRENT, UPDATED);
        },
        starts: false,
        rotates: true,
        codes: &["kubelet-link-missing", "kubelet-crash-loop"],
        recover: Issues,
        renew: Issues,
        renew_without_key: MISSING_KEY,
    },
    State {
        name: "-updated is a file",
        breaks: |node| node.write(UPDATED, ""),
        starts: true,
        rotates: false,
        codes: &["kubelet-link-no-link"],
        recover: Stays,
        renew: Issues,
        renew_without_key: Links(DATED),
    },
    State {
        name: "-updated is a file, and no other",
        breaks: |node| {
            node.remove(CURRENT);
            node.rename(DATED, UPDATED);
        },
        starts: false,
        rotates: false,
        codes: &["kubelet-link-missing", "kubelet-link-no-link", "kubelet-crash-loop"],
        recover: Links(NEW),
        renew: Issues,
        renew_without_key: Links(NEW),
    },
];

/// The codes about the kubelet's client certificate, in their order.
fn codes(node: &Node) -> Vec<String> {
    let found = node.run("diagnose -o json").json();
    let findings = found["findings"].as_array().unwrap().iter();
    let of_kubelet = findings.filter(|finding| {
        ["kubelet-client", "kubelet", "kubelet.conf"].contains(&finding["subject"].as_str().unwrap())
    });
    of_kubelet.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// Runs a command, and says what became of the store.
fn way_of(node: &Node, command: &str) -> Result<Way, String> {
    let before = node.state();
    let details = if command.starts_with("recover") { " -v" } else { "" };
    let run = node.run(&format!("{command}{details}"));
    if let Some(code) = run.err.lines().find_map(|line| line.strip_prefix("error [")) {
        before.assert_same(&node.state(), command);
        let code = code.split(']').next().unwrap().to_owned();
        return Ok(Refused(Box::leak(code.into_boxed_str())));
    }
    let kubelet = start(node).map_err(|error| format!("the kubelet doesn't start: {error}\n{run}"))?;
    if !is_accepted(node, &kubelet.certificate) {
        return Err(format!("it isn't accepted\n{run}"));
    }
    let target = std::fs::read_link(node.path(CURRENT)).ok();
    let changed = before.changed(&node.state());
    if !changed.iter().any(|path| path.starts_with("/var/lib/kubelet") || path == KUBELET_CONF) {
        return Ok(Stays);
    }
    if !kubelet.rotates || node.exists(UPDATED) {
        return Err(format!("it doesn't rotate\n{run}"));
    }
    let mut left = codes(node);
    left.retain(|code| code != "expiring");
    if !left.is_empty() {
        return Err(format!("{left:?} is left\n{run}"));
    }
    let target = target.unwrap().to_str().unwrap().to_owned();
    let way = if run.out.contains("kubelet to access the Kubernetes API renewed")
        || run.out.contains("kubelet to access the Kubernetes API issued")
        || run.out.contains("renew kubelet-client:")
        || run.out.contains("issue kubelet-client:")
    {
        Issues
    } else {
        Links(Box::leak(target.into_boxed_str()))
    };
    if node.run("rollback --yes").code != 0 {
        return Err("it isn't rolled back".to_owned());
    }
    before.assert_same(&node.state(), "rolled back");
    Ok(way)
}

#[test]
fn every_state_is_found_and_brought_back_to_what_the_kubelet_accepts() {
    let mut wrong = Vec::new();
    for state in STATES {
        let node = Node::of("ecdsa-p256");
        (state.breaks)(&node);
        let mut expect = |what: &str, is: String, should: String| {
            if is != should {
                wrong.push(format!("{}: {what}\n  is     {is}\n  should {should}", state.name));
            }
        };
        let kubelet = start(&node);
        let starts = kubelet.as_ref().is_ok_and(|kubelet| is_accepted(&node, &kubelet.certificate));
        expect(
            "starts",
            format!("{starts} {:?}", kubelet.as_ref().err()),
            format!("{} {:?}", state.starts, kubelet.as_ref().err()),
        );
        if let Ok(kubelet) = &kubelet {
            expect("rotates", kubelet.rotates.to_string(), state.rotates.to_string());
        }
        expect("diagnose", format!("{:?}", codes(&node)), format!("{:?}", state.codes));
        for (command, way) in [("recover --yes", state.recover), ("certs renew kubelet-client", state.renew)]
        {
            node.settle();
            expect(command, format!("{:?}", way_of(&node, command)), format!("{:?}", Ok::<_, String>(way)));
        }
        let node = Node::of("ecdsa-p256");
        (state.breaks)(&node);
        node.remove(&format!("{PKI}/ca.key"));
        let way = way_of(&node, "certs renew kubelet-client");
        expect(
            "without the CA's key",
            format!("{way:?}"),
            format!("{:?}", Ok::<_, String>(state.renew_without_key)),
        );
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The steps of a plan that are about the kubelet, by `certs renew all --dry-run` where everything is as it was.
fn plan(name: &str) -> String {
    let node = Node::of("ecdsa-p256");
    let state = STATES.iter().find(|state| state.name == name).unwrap();
    (state.breaks)(&node);
    let run = node.run("certs renew all --dry-run");
    let lines: Vec<_> = run
        .out
        .lines()
        .skip_while(|line| !line.starts_with("- link") && !line.starts_with("- remove"))
        .collect();
    format!("{name}:\n{}\n", lines.join("\n"))
}

#[test]
fn the_plan_says_what_is_linked_and_what_is_removed() {
    let plans = ["expired, with a valid one beside it", "a file", "-updated is a file"].map(plan);
    insta::assert_snapshot!(plans.concat(), @"
    expired, with a valid one beside it:
    - link kubelet-client: /var/lib/kubelet/pki/kubelet-client-current.pem to /var/lib/kubelet/pki/kubelet-client-2026-11-23-22-29-00.pem, which is there
        instead of a new certificate: this one expires 2027-11-23 22:30 UTC
    Restart afterwards: kubelet, etcd, kube-apiserver, kube-controller-manager, kube-scheduler
    a file:
    - link kubelet-client: /var/lib/kubelet/pki/kubelet-client-current.pem to /var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem, a copy of /var/lib/kubelet/pki/kubelet-client-current.pem
        instead of a new certificate: this one expires 2027-11-23 22:18 UTC
    Restart afterwards: kubelet, etcd, kube-apiserver, kube-controller-manager, kube-scheduler
    -updated is a file:
    - remove /var/lib/kubelet/pki/kubelet-client-updated.pem of kubelet-client: left over from a rotation
    Restart afterwards: kubelet, etcd, kube-apiserver, kube-controller-manager, kube-scheduler
    ");
}

/// A kubelet.conf that names its link keeps it, and nothing is issued, so nothing is signed: an external CA is no obstacle.
#[test]
fn a_link_is_put_back_without_the_ca_and_only_the_kubelet_is_restarted() {
    let node = Node::of("ecdsa-p256");
    beside(&node, &KUBELET);
    node.remove(&format!("{PKI}/ca.key"));
    let before = node.state();
    let document = node.must("certs renew kubelet-client -o json").json();
    assert_eq!(document["plan"]["restarts"]["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(document["plan"]["restarts"]["tasks"][0]["reason"]["files"][0], CURRENT);
    assert_eq!(document["plan"]["store"][0]["file"], NEWER);
    assert_eq!(before.changed(&node.state()), [CURRENT]);
}

/// A kubelet.conf as `kubeadm init` before 1.17 left it.
fn embed(node: &Node) {
    let data = base64(&node.read(DATED));
    for field in ["client-certificate", "client-key"] {
        node.replace(KUBELET_CONF, &format!("{field}: {CURRENT}"), &format!("{field}-data: {data}"));
    }
}

/// With an expired certificate in kubelet.conf, and a valid one in the store.
fn embed_expired(node: &Node) {
    let stored = node.read(DATED);
    expire(node);
    embed(node);
    node.write(DATED, stored);
}

fn without_store(node: &Node) {
    node.remove(CURRENT);
    node.remove(DATED);
}

#[test]
fn an_embedded_certificate_becomes_a_file_on_request() {
    let cases: [(&str, Breaks, &str, Way); 7] = [
        ("both valid", embed, "certs renew kubelet-client", Issues),
        ("both valid", embed, "certs renew all", Links(DATED)),
        ("embedded expired", embed_expired, "recover --yes", Links(DATED)),
        (
            "embedded expired, store empty",
            |node| {
                embed_expired(node);
                without_store(node);
            },
            "recover --yes",
            Issues,
        ),
        (
            "embedded valid, store empty, no key of the CA",
            |node| {
                embed(node);
                without_store(node);
                node.remove(&format!("{PKI}/ca.key"));
            },
            "certs renew kubelet-client",
            Links(NEW),
        ),
        (
            "embedded valid, store broken",
            |node| {
                embed(node);
                node.write(DATED, "");
            },
            "certs renew kubelet-client",
            Issues,
        ),
        (
            "nothing valid, no key of the CA",
            |node| {
                embed_expired(node);
                without_store(node);
                node.remove(&format!("{PKI}/ca.key"));
            },
            "certs renew kubelet-client",
            MISSING_KEY,
        ),
    ];
    let asked_for = Node::of("ecdsa-p256").text(KUBELET_CONF);
    for (name, breaks, command, way) in cases {
        let node = Node::of("ecdsa-p256");
        breaks(&node);
        let command = format!("{command} --enable-client-cert-rotation");
        let before = node.state();
        node.run(&format!("{command} --dry-run"));
        before.assert_identical(&node.state(), "a dry run");
        assert_eq!(way_of(&node, &command), Ok(way), "{name}: {command}");
        if way != MISSING_KEY {
            node.settle();
            node.run(&command);
            assert_eq!(node.text(KUBELET_CONF), asked_for, "{name}: every other byte stays");
            assert_eq!(node.mode(KUBELET_CONF), 0o600);
        }
    }
}

#[test]
fn what_is_asked_for_in_vain_is_told() {
    let node = Node::of("ecdsa-p256");
    embed(&node);
    let mut told = String::new();
    for command in
        ["certs renew apiserver --enable-client-cert-rotation", "recover --enable-client-cert-rotation"]
    {
        let before = node.state();
        let run = node.run(command);
        before.assert_same(&node.state(), command);
        told += &format!("{command}\n{}\n", run.err);
    }
    insta::assert_snapshot!(told, @"
    certs renew apiserver --enable-client-cert-rotation
    error [usage]: cannot use --enable-client-cert-rotation here: it is for all and kubelet-client
    hint: kuberescue certs renew kubelet-client --enable-client-cert-rotation

    recover --enable-client-cert-rotation
    hint: sudo kuberescue certs renew kubelet-client --enable-client-cert-rotation
    ");
    let run = node.run("certs renew kubelet-client --enable-client-cert-rotation --dry-run");
    let lines: Vec<_> = run.out.lines().skip(3).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    - renew kubelet-client: /var/lib/kubelet/pki/kubelet-client-2026-11-24-00-00-00.pem, with /var/lib/kubelet/pki/kubelet-client-current.pem pointing to it
        subject O=system:nodes, CN=system:node:cp-1, signed by ca
        expires 2027-11-24 00:00 UTC (old: 2027-11-23 22:18 UTC)
        new key, ECDSA-P256
    - change /etc/kubernetes/kubelet.conf: it names /var/lib/kubelet/pki/kubelet-client-current.pem instead of holding the certificate
    Restart afterwards: kubelet
    ");
}

/// What the kubelet takes before a kubelet.conf that holds its certificate.
#[test]
fn a_store_that_cannot_be_used_does_not_stand_before_kubelet_conf() {
    let cases: [(&str, Breaks, bool); 4] = [
        ("0 bytes", |node| node.write(DATED, ""), true),
        (
            "another node's",
            |node| {
                let other =
                    pem(node, &Wish { subject: "/O=system:nodes/CN=system:node:cp-2", ..KUBELET }, &ec_key());
                node.write(DATED, other);
            },
            true,
        ),
        ("expired, which is passed over", expire, false),
        ("dangling, which is no certificate", |node| node.remove(DATED), false),
    ];
    for (name, breaks, is_broken) in cases {
        let node = Node::of("ecdsa-p256");
        embed(&node);
        breaks(&node);
        let accepted = start(&node).is_ok_and(|kubelet| is_accepted(&node, &kubelet.certificate));
        assert_eq!(accepted, !is_broken, "{name}");
        assert_eq!(codes(&node).contains(&"kubelet-store-broken".to_owned()), is_broken, "{name}");
        let before = node.state();
        let run = node.must("recover --yes");
        let kubelet = start(&node).unwrap();
        assert!(is_accepted(&node, &kubelet.certificate), "{name}\n{run}");
        assert_eq!(before.changed(&node.state()).contains(&CURRENT.to_owned()), is_broken, "{name}\n{run}");
        assert_eq!(codes(&node), ["kubelet-conf-embedded"], "{name}\n{run}");
    }
}
