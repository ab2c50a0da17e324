//! Edges: a moment, one file for two things, what is unusual of one credential.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, date_time_ymd,
};

use super::super::delivered::deliver;
use super::*;
use crate::formats::key::PrivateKey;

const SCHEDULER: &str = "/etc/kubernetes/scheduler.conf";

fn keys(pair: &KeyPair) -> String {
    pem::encode(pem::Label::PrivateKey, &pair.serialize_der()).to_string()
}

/// In the encoding of Go.
fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, DnValue::PrintableString(name.try_into().unwrap()));
    named
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = named(name);
    params
}

#[test]
fn a_certificate_that_expires_with_its_ca_is_not_cut() {
    let (snapshot, inventory) = node("ecdsa-p256", &[]);
    let ca = inventory.authority(Ca::Cluster).unwrap().certificate.get().unwrap();
    let cut = |seconds: i64| {
        let now = ca.not_after - SignedDuration::from_secs(365 * 86400 + seconds);
        let client = ClientRequest {
            user: "x".to_owned(),
            groups: Vec::new(),
            validity: SignedDuration::from_hours(365 * 24),
            may_be_cut: false,
            accept: Vec::new(),
        };
        let client = super::super::client(&snapshot, &inventory, &[], &client, now);
        let step = decide(&snapshot, &inventory, &[], &one("apiserver"), now).steps.remove(0);
        (step.cut_to_authority, step.new.not_after == ca.not_after, client.is_ok())
    };
    assert_eq!([cut(1), cut(0), cut(-1)], [(false, false, true), (false, true, true), (true, true, false)]);
}

#[test]
fn nothing_is_issued_for_a_client_where_something_is_refused() {
    let (snapshot, inventory) = node("ecdsa-p256", &[]);
    let request = |accept: &[Code]| ClientRequest {
        user: "x".to_owned(),
        groups: Vec::new(),
        validity: SignedDuration::from_hours(1),
        may_be_cut: true,
        accept: accept.to_vec(),
    };
    let found = [finding(Code::ClockBehind, "clock")];
    let of = |accept: &[Code]| {
        let made =
            super::super::client(&snapshot, &inventory, &found, &request(accept), VALID.parse().unwrap());
        made.map(|made| made.profile.common_name)
            .map_err(|refusals| refusals.iter().map(|one| one.code).collect())
    };
    assert_eq!(of(&[]), Err(vec![Code::ClockBehind]));
    assert_eq!(of(&[Code::ClockBehind]), Ok("x".to_owned()));
}

/// A key that is kept in a file of its own is not written, so its mode stays.
#[test]
fn modes_are_narrowed_where_a_key_is_written() {
    let (mut snapshot, _) = node("ecdsa-p256", &[]);
    for path in [format!("{PKI}/apiserver.key"), SCHEDULER.to_owned()] {
        let mut entry = snapshot.get(Path::new(&path)).unwrap().clone();
        entry.attributes.mode = 0o644;
        snapshot.insert(path, entry);
    }
    let inventory = Inventory::read(&snapshot, None);
    let narrowed = |name: &str, reuse_keys| {
        let options = Options { reuse_keys, ..one(name) };
        let plan = decide(&snapshot, &inventory, &[], &options, VALID.parse().unwrap());
        let modes = plan.steps[0].narrowed.iter().map(|one| format!("{} {}", one.before, one.after));
        modes.collect::<Vec<_>>()
    };
    assert_eq!(narrowed("apiserver", false), ["0644 0600"]);
    assert_eq!(narrowed("apiserver", true), Vec::<String>::new());
    assert_eq!(narrowed("scheduler.conf", false), ["0644 0600"]);
    assert_eq!(narrowed("scheduler.conf", true), ["0644 0600"]);
}

/// The CA alone is replaced in the kubelet's kubeconfig, which repairs nothing else.
#[test]
fn a_replaced_ca_in_a_kubeconfig_repairs_that_alone() {
    let key = KeyPair::generate().unwrap();
    let other = pem::encode(pem::Label::Certificate, ca("other").self_signed(&key).unwrap().der());
    let line = format!("    certificate-authority-data: {}", STANDARD.encode(other.as_bytes()));
    let edit = |text: String| {
        let old = text.lines().find(|line| line.contains("certificate-authority-data")).unwrap().to_owned();
        Some(text.replace(&old, &line))
    };
    let (snapshot, inventory) = node("ecdsa-p256", &[("/kubelet.conf", &edit)]);
    let mut differs = finding(Code::EmbeddedCaDiffers, "kubelet.conf");
    differs.path = "/etc/kubernetes/kubelet.conf".into();
    let found = [differs, finding(Code::DiskFull, "disk")];
    let of = |whole_node| {
        let options = Options { whole_node, ..Options::recovery() };
        let plan = decide(&snapshot, &inventory, &found, &options, VALID.parse().unwrap());
        let codes = |blockers: &[Blocker]| blockers.iter().map(|one| one.code).collect::<Vec<_>>();
        (plan.trust, codes(&plan.repair.repaired), codes(&plan.repair.remaining))
    };
    let (differs, full) = (Code::EmbeddedCaDiffers, Code::DiskFull);
    assert_eq!(of(true), (Some("/etc/kubernetes/kubelet.conf".into()), vec![differs], vec![full]));
    assert_eq!(of(false), (None, Vec::new(), vec![differs, full]));
}

/// A copy of the CA that cannot be read is replaced, one that cannot be replaced in place is not.
#[test]
fn copies_of_the_ca_in_kubeconfigs() {
    let authority = |data: &str| {
        let data = data.to_owned();
        move |text: String| {
            let old = text.lines().find(|line| line.contains("certificate-authority-data")).unwrap();
            Some(text.replace(old, &format!("    certificate-authority-data: {data}")))
        }
    };
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let of = |edit: &dyn Fn(String) -> Option<String>| {
        let plan = plan("ecdsa-p256", &[("/scheduler.conf", edit)], &one("scheduler.conf"), VALID).0;
        let targets = plan.steps.iter().map(|step| format!("{:?}", step.target));
        targets.chain(plan.skipped.iter().map(|skipped| skipped.why.to_string())).collect::<String>()
    };
    let same = |text: String| Some(text);
    let lines = |text: String| {
        let old = text.lines().find(|line| line.contains("certificate-authority-data")).unwrap().to_owned();
        let data = old.rsplit(' ').next().unwrap();
        Some(text.replace(
            &old,
            &format!("    certificate-authority-data: {}\n      {}", &data[..76], &data[76..]),
        ))
    };
    let found = [of(&same), of(&authority(&STANDARD.encode(garbage))), of(&authority("x")), of(&lines)];
    insta::assert_snapshot!(found.join("\n"), @r#"
    Splice { file: "/etc/kubernetes/scheduler.conf", authority: false, context: None }
    Splice { file: "/etc/kubernetes/scheduler.conf", authority: true, context: None }
    certificate-authority-data is not base64
    certificate-authority-data is a block scalar or an alias, which cannot be replaced in place; write it on one line
    "#);
}

/// What another machine has issued for this node is left to a person only where it was asked for, or doesn't work.
#[test]
fn what_another_ca_has_issued() {
    let (snapshot, mut inventory) = node("ecdsa-p256", &[]);
    for leaf in &mut inventory.leaves {
        if leaf.spec.name == "apiserver" {
            leaf.row.foreign_issuer = Some("CN=x".to_owned());
        }
    }
    let of = |options: &Options, found: &[Finding]| {
        let plan = decide(&snapshot, &inventory, found, options, VALID.parse().unwrap());
        let skipped: Vec<_> =
            plan.skipped.iter().map(|skipped| format!("{} {}", skipped.name, skipped.needs_person)).collect();
        skipped.join(", ")
    };
    let all = Options { whole_node: false, ..Options::recovery() };
    assert_eq!(of(&all, &[]), "apiserver false");
    assert_eq!(of(&all, &[finding(Code::Expired, "apiserver")]), "apiserver true");
    assert_eq!(of(&all, &[finding(Code::Expired, "etcd-peer")]), "apiserver false");
    assert_eq!(of(&one("apiserver"), &[]), "apiserver true");
}

#[test]
fn what_another_machine_has_signed() {
    let (snapshot, inventory) = node("ecdsa-p256", &[]);
    let authority = inventory.authority(Ca::Cluster).unwrap();
    let ca_key = authority.key.get().unwrap().to_pkcs8().unwrap();
    let ca_key = KeyPair::try_from(ca_key.as_slice()).unwrap();
    let issuer = ca("kubernetes");
    let key = KeyPair::generate().unwrap();
    let own = PrivateKey::from_der(KeyEncoding::Pkcs8, key.serialize_der().into()).unwrap();
    let until = authority.certificate.get().unwrap().not_after;
    let made = |name: &str, change: &dyn Fn(&mut CertificateParams)| {
        let plan = decide(&snapshot, &inventory, &[], &one(name), VALID.parse().unwrap());
        let mut step = plan.steps.into_iter().next().unwrap();
        step.narrowed = vec![super::super::Narrowed {
            path: "/x".into(),
            before: String::new(),
            after: String::new(),
            reason: String::new(),
        }];
        let names: Vec<_> =
            step.names.iter().map(|name| name.split_once(':').unwrap().1.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = named("kube-apiserver");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2026, 11, 23);
        params.not_after = date_time_ymd(2030, 1, 1);
        change(&mut params);
        let made = params.signed_by(&key, &Issuer::from_params(&issuer, &ca_key)).unwrap();
        (step, Certificate::from_der(made.der().to_vec()).unwrap())
    };
    let of = |change: &dyn Fn(&mut CertificateParams)| {
        let (mut step, certificate) = made("apiserver", change);
        match deliver(&mut step, &inventory, &certificate, std::slice::from_ref(&own), VALID.parse().unwrap())
        {
            Ok(_) => {
                let added: Vec<_> =
                    step.added.iter().map(|one| format!("{} {}", one.name, one.reason)).collect();
                let KeyPlan { algorithm, reuse, .. } = &step.key;
                format!(
                    "{algorithm} {reuse} until {} narrowed {} +{added:?}",
                    step.new.not_after,
                    step.narrowed.len()
                )
            }
            Err(refusal) => format!("{}: {}", refusal.code, refusal.what),
        }
    };
    let exactly = |params: &mut CertificateParams, more: i64| {
        let start = date_time_ymd(1970, 1, 1);
        let seconds = u64::try_from(until.as_second() + more).unwrap();
        params.not_after = start + std::time::Duration::from_secs(seconds);
    };
    let found = [
        of(&|_| {}),
        of(&|params| params.not_after = date_time_ymd(2026, 11, 24)),
        of(&|params| params.not_before = date_time_ymd(2027, 1, 1)),
        of(&|params| exactly(params, 0)),
        of(&|params| exactly(params, 1)),
        of(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        of(&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        of(&|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]),
        of(&|params| params.distinguished_name = named("x")),
        of(&|params| drop(params.subject_alt_names.pop())),
        of(&|params| params.subject_alt_names.push(rcgen::SanType::DnsName("lb.test".try_into().unwrap()))),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    ECDSA-P256 false until 2030-01-01T00:00:00Z narrowed 1 +[]
    ECDSA-P256 false until 2026-11-24T00:00:00Z narrowed 1 +[]
    not-yet-valid: cannot import apiserver: it is valid only from 2027-01-01 00:00 UTC
    ECDSA-P256 false until 2036-11-20T22:23:27Z narrowed 1 +[]
    leaf-outlives-ca: cannot import apiserver: it is valid until 2036-11-20 22:23 UTC, its CA ca until 2036-11-20 22:23 UTC
    usage-wrong: cannot import apiserver: it is a CA certificate
    usage-wrong: cannot import apiserver: its key usage or extended key usage does not allow what it is for
    usage-wrong: cannot import apiserver: its key usage or extended key usage does not allow what it is for
    request-mismatch: cannot import apiserver: its subject is CN=x, not CN=kube-apiserver
    names-missing: cannot import apiserver: it lacks IP:192.168.10.11
    ECDSA-P256 false until 2030-01-01T00:00:00Z narrowed 1 +["DNS:lb.test the CA added it"]
    "#);
    // With the old key: its file is not written, but for one that holds both.
    let old = inventory.row("apiserver").unwrap();
    let (mut step, _) = made("apiserver", &|_| {});
    let certificate = old.certificate.get().unwrap();
    deliver(&mut step, &inventory, certificate, &[], VALID.parse().unwrap()).unwrap();
    assert_eq!((step.key.reuse, step.narrowed.len()), (true, 0));
    let scheduler = inventory.row("scheduler.conf").unwrap().certificate.get().unwrap();
    let plan = decide(&snapshot, &inventory, &[], &one("scheduler.conf"), VALID.parse().unwrap());
    let mut both = plan.steps.into_iter().next().unwrap();
    both.narrowed = made("apiserver", &|_| {}).0.narrowed;
    deliver(&mut both, &inventory, scheduler, &[], VALID.parse().unwrap()).unwrap();
    assert_eq!((both.key.reuse, both.narrowed.len()), (true, 1));
}

/// An expired CA of etcd holds no quorum together, and a key that is made here must be of a kind that can be made.
#[test]
fn the_ca_that_replaces_an_unusual_one() {
    let replace = |authority| {
        let replace = Some(Replace { authority, stage: None, given: None });
        Options { replace, selection: Selection::Nothing, whole_node: false, ..Options::recovery() }
    };
    let members = |text: String| {
        Some(text.replace("--initial-cluster=", "--initial-cluster=cp-2=https://192.168.10.12:2380,"))
    };
    let (key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let stage = |year: i32| {
        let mut expiring = ca("etcd-ca");
        expiring.not_after = date_time_ymd(year, 1, 1);
        let certificate =
            pem::encode(pem::Label::Certificate, expiring.self_signed(&key).unwrap().der()).to_string();
        let leaf =
            CertificateParams::default().signed_by(&leaf_key, &Issuer::from_params(&expiring, &key)).unwrap();
        let leaf = pem::encode(pem::Label::Certificate, leaf.der()).to_string();
        let (certificate, leaf) = (|_: String| Some(certificate.clone()), |_: String| Some(leaf.clone()));
        let ca_key = |_: String| Some(keys(&key));
        let edits: [Edit<'_>; 4] = [
            ("etcd.yaml", &members),
            ("/pki/etcd/ca.crt", &certificate),
            ("/pki/etcd/ca.key", &ca_key),
            ("/pki/etcd/server.crt", &leaf),
        ];
        plan("ecdsa-p256", &edits, &replace(Ca::Etcd), VALID).0.replacement.map(|new| new.stage)
    };
    assert_eq!([stage(2026), stage(2030)], [Some(Stage::Issue), Some(Stage::Trust)]);
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificate =
        pem::encode(pem::Label::Certificate, ca("front-proxy-ca").self_signed(&ed25519).unwrap().der());
    let (certificate, key) = (|_: String| Some(certificate.to_string()), |_: String| Some(keys(&ed25519)));
    let edits: [Edit<'_>; 2] = [("/pki/front-proxy-ca.crt", &certificate), ("/pki/front-proxy-ca.key", &key)];
    let new = plan("ecdsa-p256", &edits, &replace(Ca::FrontProxy), VALID).0.replacement.unwrap();
    assert_eq!((new.key.unwrap().algorithm, new.is_working), (KeyAlgorithm::Rsa(2048), true));
}

/// The kubelet's certificate and its key in files of their own; its serving certificate without the one or the other.
#[test]
fn the_kubelets_files() {
    let separate = |text: String| {
        Some(text.replace(
            "client-key: /var/lib/kubelet/pki/kubelet-client-current",
            "client-key: /var/lib/kubelet/pki/own",
        ))
    };
    let kubelet = |selection| Options { selection, whole_node: false, ..Options::recovery() };
    let of = |edits: &[Edit<'_>], selection| {
        let plan = plan("ecdsa-p256", edits, &kubelet(selection), VALID).0;
        let targets = plan.steps.iter().map(|step| format!("{:?} {:?}", step.action, step.target));
        targets.chain(plan.skipped.iter().map(|skipped| skipped.why.to_string())).collect::<String>()
    };
    let found = [
        of(&[("/kubelet.conf", &separate)], Selection::Kubelet),
        of(&[("/pki/kubelet.crt", &gone)], Selection::KubeletServing),
        of(&[("/pki/kubelet.key", &gone)], Selection::KubeletServing),
        of(&[("/pki/kubelet.crt", &gone), ("/pki/kubelet.key", &gone)], Selection::KubeletServing),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    Renew Pair { certificate: "/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-27.pem", key: "/var/lib/kubelet/pki/own.pem" }
    Issue { because: "it is missing" } Pair { certificate: "/var/lib/kubelet/pki/kubelet.crt", key: "/var/lib/kubelet/pki/kubelet.key" }
    Renew Pair { certificate: "/var/lib/kubelet/pki/kubelet.crt", key: "/var/lib/kubelet/pki/kubelet.key" }
    it is missing, and the kubelet makes it when it starts
    "#);
}

/// As the signer kubernetes.io/kubelet-serving issues it.
#[test]
fn a_serving_certificate_of_the_kubelet_without_a_predecessor() {
    let (_, inventory) = node("ecdsa-p256", &[]);
    let expected = Profile {
        common_name: "system:node:cp-1".to_owned(),
        organizations: vec!["system:nodes".to_owned()],
        usage: Usage::Server,
        dns_names: vec!["cp-1".to_owned()],
        addresses: vec!["192.168.10.11".parse().unwrap()],
    };
    assert_eq!(Profile::of_kubelet_serving(&inventory.facts).unwrap(), expected);
}
