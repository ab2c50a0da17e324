//! A CA that is replaced by a new one: how far, in which files, and what keeps it
//! from being replaced.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, DnValue, IsCa, Issuer, KeyPair};

use super::*;
use crate::formats::key::PrivateKey;

pub(super) const CONTROLLER_MANAGER: &str = "kube-controller-manager.yaml";

pub(super) fn asked(authority: Ca, stage: Option<Stage>) -> Options {
    let replace = Some(Replace { authority, stage, given: None });
    Options { replace, selection: Selection::Nothing, whole_node: false, ..Options::recovery() }
}

fn shown(plan: &Plan) -> String {
    let replaced = plan.replacement.iter().map(|new| {
        let CaReplacement { name, stage, subject, files, signing, key, is_working, members, .. } = new;
        let key = key.as_ref().map(|key| format!("{} {:?}", key.algorithm, key.encoding));
        let dates = format!("{} to {}", new.new.not_before, new.new.not_after);
        format!(
            "{name} {stage:?} {subject} {dates}, key {key:?}, works {is_working}, members {members:?}, olds {}\n  in {files:?}\n  {}",
            new.olds.len(),
            signs(signing)
        )
    });
    let refusal = |refusal: &Refusal| format!("refuses {}: {}; {}", refusal.code, refusal.what, refusal.hint);
    let repair = plan.signing.iter().map(signs);
    let steps: Vec<_> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    let steps = (!steps.is_empty()).then(|| format!("issues {}", steps.join(" ")));
    let lines: Vec<_> =
        replaced.chain(plan.refusals.iter().map(refusal)).chain(repair).chain(steps).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

pub(super) fn signs(signing: &Signing) -> String {
    let Signing { manifest, flags, alone, removed } = signing;
    let flags: Vec<_> = flags.iter().map(|flag| format!("--{}={}", flag.name, flag.value)).collect();
    format!("signs by {flags:?} of {manifest:?}, alone in {alone:?}, removes {removed:?}")
}

/// A CA with the name of kubeadm's, in the encoding of Go.
fn authority(common_name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = rcgen::DistinguishedName::new();
    let name = DnValue::PrintableString(common_name.try_into().unwrap());
    params.distinguished_name.push(DnType::CommonName, name);
    (params, KeyPair::generate().unwrap())
}

fn self_signed((params, key): &(CertificateParams, KeyPair)) -> Certificate {
    Certificate::from_der(params.self_signed(key).unwrap().der().to_vec()).unwrap()
}

fn private(key: &KeyPair) -> PrivateKey {
    PrivateKey::from_der(KeyEncoding::Pkcs8, key.serialize_der().into()).unwrap()
}

fn with_members(text: String) -> Option<String> {
    Some(text.replace(
        "--initial-cluster=cp-1=https://192.168.10.11:2380",
        "--initial-cluster=cp-1=https://192.168.10.11:2380,cp-2=https://192.168.10.12:2380",
    ))
}

/// A key in SEC1 whose private half is another one.
fn damaged(text: String) -> Option<String> {
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = STANDARD.decode(body).unwrap();
    der[12] ^= 1;
    Some(pem::encode(pem::Label::EcPrivateKey, &der).to_string())
}

#[test]
fn a_ca_is_replaced_in_every_file_that_has_it() {
    let of =
        |edits: &[Edit<'_>], options: Options, at: &str| shown(&plan("ecdsa-p256", edits, &options, at).0);
    let members: [Edit<'_>; 1] = [("etcd.yaml", &with_members)];
    let no_key: [Edit<'_>; 2] = [("/pki/etcd/ca.key", &gone), ("/pki/etcd/ca.crt", &gone)];
    let found = [
        of(&[], asked(Ca::Etcd, None), VALID),
        of(&members, asked(Ca::Etcd, None), VALID),
        of(&members, asked(Ca::Etcd, Some(Stage::Issue)), VALID),
        of(&members, asked(Ca::Etcd, None), EXPIRED),
        of(&members, asked(Ca::FrontProxy, None), VALID),
        of(&[], asked(Ca::Cluster, None), VALID),
        of(&[], asked(Ca::Cluster, Some(Stage::Trust)), VALID),
        of(&no_key, asked(Ca::Etcd, None), VALID),
        of(
            &[],
            Options {
                ca_days: 10,
                key_algorithm: Some(KeyAlgorithm::EcdsaP384),
                ..asked(Ca::FrontProxy, None)
            },
            VALID,
        ),
        of(&[("/pki/front-proxy-ca.key", &damaged)], asked(Ca::FrontProxy, None), VALID),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    etcd-ca Issue CN=etcd-ca 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works true, members [], olds 1
      in ["/etc/kubernetes/pki/etcd/ca.crt"]
      signs by [] of None, alone in [], removes None
    issues apiserver-etcd-client etcd-healthcheck-client etcd-peer etcd-server
    etcd-ca Trust CN=etcd-ca 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works true, members ["cp-2"], olds 1
      in ["/etc/kubernetes/pki/etcd/ca.crt"]
      signs by [] of None, alone in [], removes None
    etcd-ca Issue CN=etcd-ca 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works true, members ["cp-2"], olds 1
      in ["/etc/kubernetes/pki/etcd/ca.crt"]
      signs by [] of None, alone in [], removes None
    issues apiserver-etcd-client etcd-healthcheck-client etcd-peer etcd-server
    etcd-ca Issue CN=etcd-ca 2027-12-31T23:55:00Z to 2037-12-29T00:00:00Z, key Some("ECDSA-P256 Sec1"), works true, members ["cp-2"], olds 1
      in ["/etc/kubernetes/pki/etcd/ca.crt"]
      signs by [] of None, alone in [], removes None
    issues apiserver-etcd-client etcd-healthcheck-client etcd-peer etcd-server
    front-proxy-ca Issue CN=front-proxy-ca 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works true, members [], olds 1
      in ["/etc/kubernetes/pki/front-proxy-ca.crt"]
      signs by [] of None, alone in [], removes None
    issues front-proxy-client
    ca Issue CN=kubernetes 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works true, members [], olds 1
      in ["/etc/kubernetes/admin.conf", "/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/scheduler.conf", "/etc/kubernetes/super-admin.conf"]
      signs by ["--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt"] of Some("/etc/kubernetes/manifests/kube-controller-manager.yaml"), alone in ["/etc/kubernetes/pki/ca-signing.crt"], removes None
    issues admin.conf apiserver apiserver-kubelet-client controller-manager.conf scheduler.conf super-admin.conf kubelet-client
    ca Trust CN=kubernetes 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works true, members [], olds 1
      in ["/etc/kubernetes/admin.conf", "/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/scheduler.conf", "/etc/kubernetes/super-admin.conf"]
      signs by ["--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt"] of Some("/etc/kubernetes/manifests/kube-controller-manager.yaml"), alone in ["/etc/kubernetes/pki/ca-signing.crt"], removes None
    etcd-ca Issue CN=etcd-ca 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("RSA-2048 Pkcs1"), works false, members [], olds 0
      in ["/etc/kubernetes/pki/etcd/ca.crt"]
      signs by [] of None, alone in [], removes None
    issues apiserver-etcd-client etcd-healthcheck-client etcd-peer etcd-server
    front-proxy-ca Issue CN=front-proxy-ca 2026-11-23T23:55:00Z to 2026-12-04T00:00:00Z, key Some("ECDSA-P384 Sec1"), works true, members [], olds 1
      in ["/etc/kubernetes/pki/front-proxy-ca.crt"]
      signs by [] of None, alone in [], removes None
    issues front-proxy-client
    front-proxy-ca Issue CN=front-proxy-ca 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works false, members [], olds 1
      in ["/etc/kubernetes/pki/front-proxy-ca.crt"]
      signs by [] of None, alone in [], removes None
    issues front-proxy-client
    "#);
}

/// The key may be lost on this node alone.
#[test]
fn a_ca_whose_key_may_be_on_another_node() {
    let of = |edits: &[Edit<'_>], accept: &[Code]| {
        let options = Options { accept: accept.to_vec(), ..asked(Ca::FrontProxy, None) };
        shown(&plan("ecdsa-p256", edits, &options, VALID).0)
    };
    let key: Edit<'_> = ("/pki/front-proxy-ca.key", &gone);
    let other = |text: String| Some(text.replace("BEGIN CERTIFICATE", "BEGIN NOTHING"));
    let found = [
        of(&[key], &[]),
        of(&[key, ("etcd.yaml", &with_members)], &[]),
        of(&[key, ("etcd.yaml", &with_members)], &[Code::CaKeyMissing]),
        of(&[key, ("etcd.yaml", &gone)], &[]),
        of(&[("/pki/front-proxy-ca.key", &damaged), ("etcd.yaml", &gone)], &[]),
        of(&[("/pki/front-proxy-ca.crt", &other), ("etcd.yaml", &gone)], &[]),
        of(&[("/pki/front-proxy-ca.crt", &gone), ("etcd.yaml", &gone)], &[]),
        of(&[("etcd.yaml", &gone)], &[]),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    front-proxy-ca Issue CN=front-proxy-ca 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works false, members [], olds 1
      in ["/etc/kubernetes/pki/front-proxy-ca.crt"]
      signs by [] of None, alone in [], removes None
    issues front-proxy-client
    refuses ca-key-missing: cannot replace the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): its key /etc/kubernetes/pki/front-proxy-ca.key was not found, and other control-plane nodes may have it (cp-2); look there first, it is the same on all of them: scp NODE:/etc/kubernetes/pki/front-proxy-ca.key /etc/kubernetes/pki/front-proxy-ca.key; if it is lost on all of them and in all backups: --accept ca-key-missing
    front-proxy-ca Issue CN=front-proxy-ca 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works false, members [], olds 1
      in ["/etc/kubernetes/pki/front-proxy-ca.crt"]
      signs by [] of None, alone in [], removes None
    issues front-proxy-client
    refuses ca-key-missing: cannot replace the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): its key /etc/kubernetes/pki/front-proxy-ca.key was not found, and whether another control-plane node has it is not known here; look there first, it is the same on all of them: scp NODE:/etc/kubernetes/pki/front-proxy-ca.key /etc/kubernetes/pki/front-proxy-ca.key; if it is lost on all of them and in all backups: --accept ca-key-missing
    refuses ca-key-missing: cannot replace the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): its key /etc/kubernetes/pki/front-proxy-ca.key is damaged, and whether another control-plane node has it is not known here; look there first, it is the same on all of them: scp NODE:/etc/kubernetes/pki/front-proxy-ca.key /etc/kubernetes/pki/front-proxy-ca.key; if it is lost on all of them and in all backups: --accept ca-key-missing
    refuses ca-key-missing: cannot replace the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): its certificate: truncated: a PEM block starts and does not end, and whether another control-plane node has it is not known here; look there first, it is the same on all of them: scp NODE:/etc/kubernetes/pki/front-proxy-ca.key /etc/kubernetes/pki/front-proxy-ca.key; if it is lost on all of them and in all backups: --accept ca-key-missing
    refuses ca-key-missing: cannot replace the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): its certificate is missing, and whether another control-plane node has it is not known here; look there first, it is the same on all of them: scp NODE:/etc/kubernetes/pki/front-proxy-ca.key /etc/kubernetes/pki/front-proxy-ca.key; if it is lost on all of them and in all backups: --accept ca-key-missing
    front-proxy-ca Issue CN=front-proxy-ca 2026-11-23T23:55:00Z to 2036-11-21T00:00:00Z, key Some("ECDSA-P256 Sec1"), works true, members [], olds 1
      in ["/etc/kubernetes/pki/front-proxy-ca.crt"]
      signs by [] of None, alone in [], removes None
    issues front-proxy-client
    "#);
}

#[test]
fn the_ca_that_another_node_has_made() {
    let given = |certificate: Certificate, key: PrivateKey, at: &str| {
        let given = Some(Box::new(GivenCa { certificate, key, source: "/given".into() }));
        let mut options = asked(Ca::Cluster, None);
        options.replace = Some(Replace { authority: Ca::Cluster, stage: None, given });
        let plan = plan("ecdsa-p256", &[], &options, at).0;
        let why = plan.refusals.iter().map(|refusal| refusal.what.rsplit(": ").next().unwrap().to_owned());
        let stage = plan.replacement.iter().map(|new| format!("{:?} until {}", new.stage, new.new.not_after));
        stage.chain(why).collect::<Vec<_>>().join(", ")
    };
    let (_, inventory) = node("ecdsa-p256", &[]);
    let own = inventory.authority(Ca::Cluster).unwrap();
    let other = authority("kubernetes");
    let renamed = authority("another");
    let mut leaf = authority("kubernetes");
    leaf.0.is_ca = IsCa::NoCa;
    let intermediate = other.0.signed_by(&renamed.1, &Issuer::from_params(&other.0, &other.1)).unwrap();
    let intermediate = Certificate::from_der(intermediate.der().to_vec()).unwrap();
    let found = [
        given(self_signed(&other), private(&other.1), VALID),
        given(self_signed(&leaf), private(&leaf.1), VALID),
        given(intermediate, private(&renamed.1), VALID),
        given(self_signed(&other), private(&leaf.1), VALID),
        given(self_signed(&other), private(&other.1), "1970-01-01T00:00:00Z"),
        given(self_signed(&other), private(&other.1), "4097-01-01T00:00:00Z"),
        given(self_signed(&renamed), private(&renamed.1), VALID),
        given(own.certificate.get().unwrap().clone(), own.key.get().unwrap().clone(), VALID),
    ];
    insta::assert_snapshot!(found.join("\n"), @"
    Issue until 4096-01-01T00:00:00Z
    its certificate is not that of a self-signed CA
    its certificate is not that of a self-signed CA
    its key is another one's
    it is not valid now, new certificates could expire too early or be refused
    it is not valid now
    it has another name than this node's CA
    it is the CA that this node has already
    ");
}

#[test]
fn the_old_ca_goes_when_nothing_needs_it() {
    let old = authority("kubernetes");
    let old_pem = self_signed(&old).to_pem();
    let both = |text: String| Some(text + &old_pem);
    let signing = |text: String| {
        Some(text.replace(
            "-signing-cert-file=/etc/kubernetes/pki/ca.crt",
            "-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt",
        ))
    };
    let leaf_key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::default().signed_by(&leaf_key, &Issuer::from_params(&old.0, &old.1)).unwrap();
    let leaf = pem::encode(pem::Label::Certificate, leaf.der()).to_string();
    let of_old = |_: String| Some(leaf.clone());
    let alone = |text: String| {
        let line = text.lines().find(|line| line.contains("certificate-authority-data")).unwrap().to_owned();
        Some(text.replace(&line, &format!("    certificate-authority-data: {}", STANDARD.encode(&old_pem))))
    };
    let of = |edits: &[Edit<'_>], stage| {
        shown(&plan("ecdsa-p256", edits, &asked(Ca::Cluster, Some(stage)), VALID).0)
    };
    let bundle: Edit<'_> = ("/kubernetes/pki/ca.crt", &both);
    let flags: Edit<'_> = (CONTROLLER_MANAGER, &signing);
    let found = [
        of(&[], Stage::Finish),
        of(&[bundle], Stage::Issue),
        of(&[bundle], Stage::Finish),
        of(&[bundle, flags], Stage::Finish),
        of(&[bundle, ("pki/apiserver.crt", &of_old)], Stage::Finish),
        of(&[bundle, ("admin.conf", &alone)], Stage::Finish),
        of(&[("admin.conf", &alone), bundle, ("pki/apiserver.crt", &of_old)], Stage::Finish),
        of(&[bundle, (CONTROLLER_MANAGER, &gone)], Stage::Finish),
    ];
    insta::assert_snapshot!(found.join("\n").replace(&old_pem, "OLD"), @r#"
    refuses nothing-to-renew: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): nothing of an earlier one is left in /etc/kubernetes/pki/ca.crt; sudo kuberescue diagnose shows what is wrong with this node
    refuses nothing-to-renew: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): its replacement has begun: its file has the new one and the old one; sudo kuberescue certs renew all reissues what the old one has signed, then sudo kuberescue recover restarts the node; at the end: sudo kuberescue ca replace ca --finish
    ca Finish CN=kubernetes 2026-11-23T22:18:27Z to 2036-11-20T22:23:27Z, key None, works true, members [], olds 1
      in ["/etc/kubernetes/pki/ca.crt"]
      signs by [] of None, alone in [], removes None
    ca Finish CN=kubernetes 2026-11-23T22:18:27Z to 2036-11-20T22:23:27Z, key None, works true, members [], olds 1
      in ["/etc/kubernetes/pki/ca.crt"]
      signs by ["--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt"] of Some("/etc/kubernetes/manifests/kube-controller-manager.yaml"), alone in [], removes Some("/etc/kubernetes/pki/ca-signing.crt")
    refuses old-ca-needed: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): the old one is still needed by apiserver, which it has signed; sudo kuberescue certs renew all --kubelet reissues what is on this node, recover restarts it and renews cluster-info; a kubeconfig in a home: sudo kuberescue kubeconfig install /etc/kubernetes/admin.conf
    refuses old-ca-needed: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): the old one is still needed by /etc/kubernetes/admin.conf, which trusts no other; /etc/kubernetes/super-admin.conf, which trusts no other; sudo kuberescue certs renew all --kubelet reissues what is on this node, recover restarts it and renews cluster-info; a kubeconfig in a home: sudo kuberescue kubeconfig install /etc/kubernetes/admin.conf
    refuses old-ca-needed: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): the old one is still needed by apiserver, which it has signed; /etc/kubernetes/admin.conf, which trusts no other; /etc/kubernetes/super-admin.conf, which trusts no other; sudo kuberescue certs renew all --kubelet reissues what is on this node, recover restarts it and renews cluster-info; a kubeconfig in a home: sudo kuberescue kubeconfig install /etc/kubernetes/admin.conf
    refuses manifest-missing: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): which file kube-controller-manager signs with is not known: no manifest of kube-controller-manager in /etc/kubernetes/manifests; first: sudo kuberescue explain manifest-missing; if it does not run on this node: --accept manifest-missing
    "#);
}
