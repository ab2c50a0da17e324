//! Certificates and keys of contexts, embedded and in files.

use kuberescue::formats::pem::{Label, encode};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::common::{NOW, Node, base64, credential, end_of, openssl};
use crate::desk::{Desk, cluster, codes, kubeconfig, user};
use crate::server::Authority;

const SERVER: &str = "https://10.0.0.1:6443";

#[test]
fn admin_conf_of_real_trees_as_openssl_reads_it() {
    for (tree, code, state, left) in [
        ("rsa2048", 0, "ok", "364d"),
        ("mixed", 0, "ok", "364d"),
        ("expired-all", 1, "!expired", "<invalid>"),
    ] {
        let (desk, node) = (Desk::new(), Node::of(tree));
        let text = node.text("/etc/kubernetes/admin.conf");
        desk.write("admin.conf", &text);
        let run = desk.check("admin.conf");
        assert_eq!(run.code, code, "{tree}\n{run}");
        let row = run.out.lines().nth(2).unwrap();
        let words =
            ["*  ", "kubernetes-admin@kubernetes", "CN=kubernetes-admin, O=kubeadm:cluster-admins", left];
        assert!(words.iter().all(|word| row.contains(word)) && row.ends_with(state), "{tree}\n{run}");

        let (certificate, _) = credential(&text);
        let (json, _) = desk.json("admin.conf");
        let found = &json["items"][0]["contexts"][0]["certificate"];
        let end = end_of(&certificate).replace(' ', "T");
        assert_eq!(found["notAfter"], end.as_str(), "{tree}");
        let serial =
            openssl("x509 -noout -serial", &certificate).trim().replace("serial=", "").to_lowercase();
        assert_eq!(found["serial"].as_str().unwrap().trim_start_matches("00"), serial, "{tree}");
        assert_eq!((&found["keyMatches"], &found["chains"]), (&true.into(), &true.into()), "{tree}");
        assert_eq!(json["green"], code == 0, "{tree}");
    }
}

#[test]
fn the_time_of_asking_decides() {
    let (desk, node) = (Desk::new(), Node::of("rsa2048"));
    desk.write("admin.conf", node.read("/etc/kubernetes/admin.conf"));
    let context = "kubernetes-admin@kubernetes";
    let renew = "hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: \
                 log in again\n";
    let clocks = "hint: compare the clocks of this machine and the cluster: timedatectl\n";
    let ca =
        "hint: sudo kuberescue diagnose on a control-plane node shows the CA, /etc/kubernetes/pki/ca.crt\n";
    for (at, code, below) in [
        (NOW, 0, String::new()),
        (
            "2028-01-01",
            1,
            format!(
                "blocker [expired]: {context}: client certificate expired on 2027-11-23 (38 days ago)\n{renew}"
            ),
        ),
        (
            "2020-01-01",
            1,
            format!(
                "blocker [ca-not-yet-valid]: {context}: cluster CA \"CN=kubernetes\" is not valid before \
                 2026-11-23\nblocker [not-yet-valid]: {context}: client certificate is not valid before \
                 2026-11-23\n{clocks}"
            ),
        ),
        (
            "2040-01-01",
            1,
            format!(
                "blocker [ca-expired]: {context}: cluster CA \"CN=kubernetes\" expired on 2036-11-20 (1136 days \
                 ago)\nblocker [expired]: {context}: client certificate expired on 2027-11-23 (4421 days \
                 ago)\n{ca}{renew}"
            ),
        ),
    ] {
        let run = desk.check(&format!("admin.conf --at {at}"));
        assert_eq!(run.code, code, "{at}\n{run}");
        // Below the name of the file, the heading and the context.
        let found: String = run.out.split_inclusive('\n').skip(3).collect();
        assert_eq!(found, below, "{at}");
    }
}

#[test]
fn another_ca_another_key_half_a_pair() {
    let (desk, authority, namesake) = (Desk::new(), Authority::new("ca"), Authority::new("ca"));
    let (leaf, other) = (authority.leaf("admin"), authority.leaf("other"));
    let stranger = Authority::new("stranger");
    let pem = base64(leaf.certificate.to_pem().as_bytes());
    let key = base64(leaf.key.to_pem().as_bytes());
    let cases = [
        (cluster(SERVER, &authority), user(&leaf, &leaf), vec![], 0),
        (cluster(SERVER, &stranger), user(&leaf, &leaf), vec!["wrong-authority"], 1),
        (cluster(SERVER, &namesake), user(&leaf, &leaf), vec!["wrong-authority"], 1),
        (cluster(SERVER, &authority), user(&leaf, &other), vec!["key-mismatch"], 1),
        (cluster(SERVER, &authority), format!("client-certificate-data: {pem}"), vec!["key-missing"], 1),
        (cluster(SERVER, &authority), format!("client-key-data: {key}"), vec!["missing"], 1),
        (
            cluster(SERVER, &authority),
            format!("client-certificate-data: {pem}, client-key-data: '%%%'"),
            vec!["key-unreadable"],
            1,
        ),
        (
            cluster(SERVER, &authority),
            format!("client-certificate-data: QUJD, client-key-data: {key}"),
            vec!["unreadable"],
            1,
        ),
        (
            format!("server: {SERVER}, certificate-authority-data: '%'"),
            user(&leaf, &leaf),
            vec!["ca-unreadable"],
            1,
        ),
        (format!("server: {SERVER}"), user(&leaf, &leaf), vec!["no-ca"], 0),
        ("insecure-skip-tls-verify: true, server: x".to_owned(), user(&leaf, &leaf), vec!["insecure"], 0),
        (cluster("", &authority), user(&leaf, &leaf), vec!["context-broken"], 1),
    ];
    for (cluster, user, expected, code) in cases {
        desk.write("config", kubeconfig(&cluster, &user));
        let (json, exit) = desk.json("config");
        assert_eq!((codes(&json), exit), (expected, code), "{cluster}\n{user}\n{json:#}");
        desk.check("config");
    }
    desk.write("config", kubeconfig(&cluster(SERVER, &stranger), &user(&leaf, &leaf)));
    let run = desk.check("config");
    let blocker = run.out.lines().find(|line| line.starts_with("blocker [")).unwrap_or_default();
    insta::assert_snapshot!(blocker, @r#"blocker [wrong-authority]: c: client certificate was not issued by the cluster CA: issued by "CN=ca", not by "CN=stranger""#);
}

#[test]
fn a_certificate_between_leaf_and_ca_and_an_old_ca_beside_the_new_one() {
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let pem = |certificate: &rcgen::Certificate| encode(Label::Certificate, certificate.der()).to_string();
    let mut root = named("root");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let root_pem = root.self_signed(&root_key).unwrap();
    let root_pem = pem(&root_pem);
    let root = Issuer::new(root, root_key);
    let mut middle = named("middle");
    middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let middle_key = KeyPair::generate().unwrap();
    let middle_pem = middle.signed_by(&middle_key, &root).unwrap();
    let middle_pem = pem(&middle_pem);
    let middle = Issuer::new(middle, middle_key);
    let key = KeyPair::generate().unwrap();
    let leaf_pem = named("leaf").signed_by(&key, &middle).unwrap();
    let leaf_pem = pem(&leaf_pem);
    let mut serving = named("serving");
    serving.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let serving_pem = pem(&serving.signed_by(&key, &root).unwrap());
    let mut expired = named("expired");
    expired.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    expired.not_after = rcgen::date_time_ymd(2016, 1, 1);
    let expired_pem = expired.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let expired_pem = pem(&expired_pem);

    let desk = Desk::new();
    let of = |authorities: &str, chain: &str| {
        kubeconfig(
            &format!("server: {SERVER}, certificate-authority-data: {}", base64(authorities.as_bytes())),
            &format!(
                "client-certificate-data: {}, client-key-data: {}",
                base64(chain.as_bytes()),
                base64(encode(Label::PrivateKey, &key.serialize_der()).as_bytes())
            ),
        )
    };
    let whole = format!("{leaf_pem}{middle_pem}");
    for (authorities, chain, expected, code) in [
        (root_pem.clone(), &whole, vec![], 0),
        (root_pem.clone(), &leaf_pem, vec!["wrong-authority"], 1),
        (root_pem.clone(), &serving_pem, vec!["usage-wrong"], 0),
        (format!("{expired_pem}{root_pem}"), &whole, vec!["ca-expired"], 0),
        (expired_pem.clone(), &whole, vec!["ca-expired", "wrong-authority"], 1),
    ] {
        desk.write("config", of(&authorities, chain));
        let (json, exit) = desk.json("config");
        assert_eq!((codes(&json), exit), (expected, code), "{json:#}");
    }
}

#[test]
fn files_are_looked_for_beside_the_kubeconfig() {
    let (desk, authority) = (Desk::new(), Authority::new("ca"));
    let leaf = authority.leaf("admin");
    desk.write("keys/admin.crt", leaf.certificate.to_pem());
    desk.write("keys/admin.key", leaf.key.to_pem().as_bytes());
    desk.write("keys/ca.crt", authority.certificate.to_pem());
    let absolute = desk.path("keys/ca.crt");
    let config = kubeconfig(
        &format!("server: {SERVER}, certificate-authority: {}", absolute.display()),
        "client-certificate: ../keys/admin.crt, client-key: ../keys/admin.key",
    );
    desk.write("kube/config", &config);
    let (json, code) = desk.json("kube/config");
    assert_eq!((codes(&json), code), (vec![], 0), "{json:#}");
    let identity = &json["items"][0]["contexts"][0]["certificate"];
    assert_eq!(identity["commonName"], "admin");
    assert!(identity["file"].as_str().unwrap().ends_with("kube/../keys/admin.crt"));

    // An endless file is no certificate, and is not waited for.
    for wrong in ["/dev/zero", "nowhere", "."] {
        desk.write("kube/config", config.replace("../keys/admin.crt", wrong));
        desk.check("kube/config");
    }
    insta::assert_snapshot!(desk.screens(), @"
    ## kube/config: exit 1
    kube/config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  <unreadable>  Jan 01, 4096 00:00 UTC  !unreadable
    blocker [unreadable]: c: client certificate (/dev/zero): not a regular file
    hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: log in again
    ## kube/config: exit 1
    kube/config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  <unreadable>  Jan 01, 4096 00:00 UTC  !unreadable
    blocker [unreadable]: c: client certificate (kube/nowhere): not found
    hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: log in again
    ## kube/config: exit 1
    kube/config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  <unreadable>  Jan 01, 4096 00:00 UTC  !unreadable
    blocker [unreadable]: c: client certificate (kube/.): not a regular file
    hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: log in again
    ");
}

#[test]
fn every_context_or_the_current_one() {
    let (desk, authority) = (Desk::new(), Authority::new("ca"));
    let (good, expired) = (authority.leaf("good"), authority.expired("expired"));
    let text = format!(
        "current-context: a\ncontexts:\n- {{name: a, context: {{cluster: k, user: good}}}}\n- {{name: b, context: \
         {{cluster: k, user: expired}}}}\n- {{name: d, context: {{cluster: gone, user: gone}}}}\nclusters:\n- {{name: \
         k, cluster: {{{}}}}}\nusers:\n- {{name: good, user: {{{}}}}}\n- {{name: expired, user: {{{}}}}}\n",
        cluster(SERVER, &authority),
        user(&good, &good),
        user(&expired, &expired)
    );
    desk.write("config", &text);
    desk.check("config");
    desk.check("config --current");
    for to in ["", "current-context: z"] {
        desk.write("config", text.replace("current-context: a", to));
        desk.check("config --current");
    }
    insta::assert_snapshot!(desk.screens(), @r#"
    ## config: exit 1
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  a  k  https://10.0.0.1:6443  good  CN=good  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
      b  k  https://10.0.0.1:6443  expired  CN=expired  Jan 01, 2016 00:00 UTC  <invalid>  Jan 01, 4096 00:00 UTC  !expired
      d  gone  gone  <none>  !context-broken
    blocker [expired]: b: client certificate expired on 2016-01-01 (3980 days ago)
    blocker [context-broken]: d: cluster "gone" is not in the kubeconfig
    blocker [context-broken]: d: user "gone" is not in the kubeconfig
    hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: log in again
    hint: kubectl config view --kubeconfig config
    ## config --current: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  a  k  https://10.0.0.1:6443  good  CN=good  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    ## config --current: exit 2
    error [kubeconfig-unusable]: cannot check config: no current-context
    hint: run without --current to check all contexts
    ## config --current: exit 2
    error [kubeconfig-unusable]: cannot check config: current-context "z" is not in the kubeconfig
    hint: run without --current to check all contexts
    "#);
}
