//! Issued certificates judged by others: openssl, webpki, kubeadm's own work, and field by field.

#[path = "../common/mod.rs"]
mod common;
mod hand_made;
mod support;

use common::desk::Desk;
use kuberescue::formats::certificate::Certificate;
use kuberescue::formats::key::{KeyAlgorithm, KeyEncoding, PrivateKey};
use kuberescue::issue::{IssueError, KeyRequest, Profile, Signer, Validity, create, generate, renew};
use kuberescue::state::catalog::{CAS, CERT_SPECS, Ca, Usage, cert_spec};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use support::*;

fn purposes(usage: Usage) -> &'static [&'static str] {
    match usage {
        Usage::Server => &["sslserver"],
        Usage::Client => &["sslclient"],
        Usage::ServerAndClient => &["sslserver", "sslclient"],
    }
}

/// What renewing promises, field by field.
fn assert_renewed(signer: &Signer<'_>, old: &Certificate, new: &Certificate, key: &PrivateKey) {
    let authority = signer.authority();
    assert_eq!(new.subject_der, old.subject_der);
    assert_eq!(new.issuer_der, authority.subject_der);
    assert_eq!(new.spki, key.spki());
    assert_ne!(new.serial, old.serial);
    assert!(new.serial.len() <= 32 && !new.serial.starts_with('8'));
    assert_eq!(kept(new), kept(old));
    new.signed_by(authority).unwrap();
}

fn renew_tree(name: &str) {
    let tree = Tree::open(name);
    let mut renewed = 0;
    for authority in CAS {
        let certificate = tree.authority(authority);
        let Some(ca_key) = tree.authority_key(authority) else { continue };
        let signer = Signer::new(&certificate, &ca_key).unwrap();
        let (validity, at) = validity(&signer);
        for (spec, key) in CERT_SPECS.iter().zip(keys().iter().cycle()) {
            if spec.authority != authority {
                continue;
            }
            let Some(old) = tree.leaf(spec) else { continue };
            let new = renew(&signer, &old, key, validity).unwrap();
            assert_renewed(&signer, &old, &new, key);
            if certificate.key_id.is_some() && old.issuer_der == certificate.subject_der && name != "mixed" {
                assert_eq!(extensions(&new), extensions(&old), "{name} {}", spec.name);
            }
            for purpose in purposes(spec.usage) {
                openssl_accepts(&certificate, &new, key, purpose, at);
            }
            if spec.usage != Usage::Client {
                webpki_accepts(&certificate, &new, at);
            }
            renewed += 1;
        }
    }
    assert!(renewed >= 4, "{name}: {renewed}");
}

fn webpki_accepts(authority: &Certificate, leaf: &Certificate, at: jiff::Timestamp) {
    let (authority, der) =
        (CertificateDer::from(authority.der.clone()), CertificateDer::from(leaf.der.clone()));
    let anchor = webpki::anchor_from_trusted_cert(&authority).unwrap();
    let end = webpki::EndEntityCert::try_from(&der).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.as_second() as u64));
    let usage = webpki::KeyUsage::server_auth();
    end.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[anchor], &[], at, usage, None, None).unwrap();
    let names = leaf.dns_names.iter().cloned().chain(leaf.addresses.iter().map(ToString::to_string));
    for name in names {
        end.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap()).unwrap();
    }
}

#[test]
fn every_leaf_under_rsa_authorities_is_renewed() {
    renew_tree("rsa2048");
}

#[test]
fn every_leaf_under_ecdsa_authorities_is_renewed() {
    renew_tree("ecdsa-p256");
}

#[test]
fn expired_leaves_are_renewed() {
    renew_tree("expired-all");
}

#[test]
fn leaves_of_kubeadm_1_20_are_renewed() {
    renew_tree("v120-expired");
}

#[test]
fn whatever_is_readable_in_a_mixed_tree_is_renewed() {
    renew_tree("mixed");
}

#[test]
fn every_kind_of_key_is_certified_by_either_authority() {
    for name in ["rsa2048", "ecdsa-p256"] {
        let tree = Tree::open(name);
        let (authority, old) =
            (tree.authority(Ca::Cluster), tree.leaf(cert_spec("apiserver").unwrap()).unwrap());
        let signer = Signer::new(&authority, &tree.authority_key(Ca::Cluster).unwrap()).unwrap();
        let (validity, at) = validity(&signer);
        for key in keys() {
            let new = renew(&signer, &old, key, validity).unwrap();
            assert_eq!(new.algorithm, key.algorithm);
            openssl_accepts(&authority, &new, key, "sslserver", at);
            webpki_accepts(&authority, &new, at);
        }
    }
}

#[test]
fn openssl_finds_nothing_wrong_with_an_rsa_4096_key() {
    let request = KeyRequest { algorithm: KeyAlgorithm::Rsa(4096), encoding: KeyEncoding::Pkcs1 };
    let key = generate(&[request]).unwrap().remove(0);
    assert!(common::openssl("rsa -check -noout", key.to_pem().as_bytes()).contains("RSA key ok"));
}

#[test]
fn a_created_certificate_is_what_kubeadm_1_36_makes() {
    for name in ["rsa2048", "ecdsa-p256"] {
        let tree = Tree::open(name);
        for spec in &CERT_SPECS {
            let authority = tree.authority(spec.authority);
            let signer = Signer::new(&authority, &tree.authority_key(spec.authority).unwrap()).unwrap();
            let theirs = tree.leaf(spec).unwrap();
            let profile = Profile {
                common_name: theirs.common_name().to_owned(),
                organizations: theirs.organizations.clone(),
                usage: spec.usage,
                dns_names: theirs.dns_names.clone(),
                addresses: theirs.addresses.clone(),
            };
            let (key, (validity, at)) = (&keys()[1], validity(&signer));
            let ours = create(&signer, &profile, key, validity).unwrap();
            assert_eq!(ours.subject_der, theirs.subject_der, "{}", spec.name);
            assert_eq!(ours.issuer_der, theirs.issuer_der, "{}", spec.name);
            assert_eq!(extensions(&ours), extensions(&theirs), "{}", spec.name);
            openssl_accepts(&authority, &ours, key, purposes(spec.usage)[0], at);
        }
    }
}

#[test]
fn a_created_name_takes_the_string_type_that_go_chooses() {
    let tree = Tree::open("ecdsa-p256");
    let authority = tree.authority(Ca::Cluster);
    let signer = Signer::new(&authority, &tree.authority_key(Ca::Cluster).unwrap()).unwrap();
    let profile = |common_name: &str, dns: &[&str]| Profile {
        common_name: common_name.to_owned(),
        organizations: Vec::new(),
        usage: Usage::Client,
        dns_names: dns.iter().map(|name| (*name).to_owned()).collect(),
        addresses: vec!["fd00::1".parse().unwrap()],
    };
    let make = |profile: &Profile| create(&signer, profile, &keys()[3], validity(&signer).0);
    for (name, tag) in
        [("system:node:cp-1", 0x13), ("a_b", 0x0c), ("a@b", 0x0c), ("a*b", 0x0c), ("Zoë", 0x0c)]
    {
        let made = make(&profile(name, &["cp-1"])).unwrap();
        assert_eq!(made.subject_der[made.subject_der.len() - name.len() - 2], tag, "{name}");
    }
    let groups = ["system:masters", "dev", "Zoë"].map(str::to_owned).to_vec();
    let made = make(&Profile { organizations: groups, ..profile("alice", &[]) }).unwrap();
    assert_eq!(made.subject, "O=dev + O=Zoë + O=system:masters, CN=alice");
    for refused in [profile("", &[]), profile("cp-1", &["zoë"])] {
        assert!(matches!(make(&refused), Err(IssueError::Name { .. })), "{refused:?}");
    }
}

/// A certificate authority and a leaf with everything that rebuilding would lose, made by openssl.
struct Odd {
    desk: Desk,
}

const CONFIG: &str = "\
[req]
prompt=no
string_mask=utf8only
distinguished_name=dn
[dn]
0.O=one
1.O=two
CN=leaf \u{e9}t\u{e9}
2.O=three
OU=x
serialNumber=7
[ca_dn]
0.O=one
+OU=same
1.O=two
CN=odd authority
[ca]
basicConstraints=critical,CA:TRUE
subjectKeyIdentifier=hash
[ca_without_id]
basicConstraints=critical,CA:TRUE
subjectKeyIdentifier=none
authorityKeyIdentifier=none
[leaf]
subjectAltName=URI:spiffe://a/b,email:a@b.c,DNS:x,URI:urn:y,IP:10.0.0.1,RID:1.2.3
1.2.3.4=DER:0102030405
2.25.329800735698586629295641978511506172918=ASN1:UTF8String:far
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid,issuer:always
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth,serverAuth,1.2.3.5
certificatePolicies=1.2.3.6
";

impl Odd {
    fn new(algorithm: &str, ca_section: &str) -> Self {
        let made = Self { desk: Desk::new() };
        made.desk.write("leaf.cnf", CONFIG);
        made.desk.write("ca.cnf", CONFIG.replace("distinguished_name=dn", "distinguished_name=ca_dn"));
        let run = |line: &str| made.openssl(line);
        run(&format!("genpkey {algorithm} -out ca.key"));
        run(&format!(
            "req -x509 -new -config ca.cnf -key ca.key -days 4000 -extensions {ca_section} -out ca.crt"
        ));
        run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out leaf.key");
        run("req -new -utf8 -config leaf.cnf -key leaf.key -out leaf.csr");
        run(
            "x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 9 -extfile leaf.cnf -extensions leaf -out leaf.crt",
        );
        made
    }

    fn openssl(&self, arguments: &str) -> String {
        openssl(self.desk.directory.path(), arguments)
    }

    fn certificate(&self, name: &str) -> Certificate {
        Certificate::from_pem(self.desk.read(name).as_bytes()).unwrap()
    }

    fn key(&self, name: &str) -> PrivateKey {
        PrivateKey::from_pem(self.desk.read(name).as_bytes()).unwrap()
    }
}

#[test]
fn authorities_of_other_kinds_renew_odd_certificates() {
    for algorithm in [
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
        "-algorithm ED25519",
        "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    ] {
        let odd = Odd::new(algorithm, "ca");
        let (authority, old) = (odd.certificate("ca.crt"), odd.certificate("leaf.crt"));
        let signer = Signer::new(&authority, &odd.key("ca.key")).unwrap();
        let (validity, at) = validity(&signer);
        let new = renew(&signer, &old, &keys()[0], validity).unwrap();
        assert_renewed(&signer, &old, &new, &keys()[0]);
        let oids = |certificate| extensions(certificate).into_iter().map(|one| one.0).collect::<Vec<_>>();
        assert_eq!(oids(&new), oids(&old));
        assert_ne!(new.key_id, old.key_id);
        // An identifier made by the same method by openssl, and the short form of the authority's.
        odd.desk.write("new.crt", new.to_pem());
        let text = odd.openssl("x509 -in new.crt -noout -text -ext authorityKeyIdentifier");
        assert!(!text.contains("DirName"), "{text}");
        openssl_accepts(&authority, &new, &keys()[0], "sslclient", at);

        let same = renew(&signer, &old, &odd.key("leaf.key"), validity).unwrap();
        assert_eq!(same.key_id, old.key_id);
        assert_eq!(same.spki, old.spki);
        openssl_accepts(&authority, &same, &odd.key("leaf.key"), "sslserver", at);
    }
}

#[test]
fn an_authority_without_identifier_gives_none() {
    let odd = Odd::new("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "ca_without_id");
    let (authority, old) = (odd.certificate("ca.crt"), odd.certificate("leaf.crt"));
    assert_eq!(authority.key_id, None);
    let signer = Signer::new(&authority, &odd.key("ca.key")).unwrap();
    let (validity, at) = validity(&signer);
    let new = renew(&signer, &old, &keys()[1], validity).unwrap();
    assert_renewed(&signer, &old, &new, &keys()[1]);
    assert!(extensions(&new).iter().all(|one| one.0 != "2.5.29.35"));
    openssl_accepts(&authority, &new, &keys()[1], "sslclient", at);
    let profile = Profile {
        common_name: "x".to_owned(),
        organizations: Vec::new(),
        usage: Usage::Server,
        dns_names: vec!["x".to_owned()],
        addresses: Vec::new(),
    };
    let made = create(&signer, &profile, &keys()[1], validity).unwrap();
    assert_eq!(made.issuer_der, authority.subject_der);
    openssl_accepts(&authority, &made, &keys()[1], "sslserver", at);
}

#[test]
fn an_expired_authority_renews_itself_with_its_own_key() {
    let tree = Tree::open("expired-ca");
    for authority in CAS {
        let (old, key) = (tree.authority(authority), tree.authority_key(authority).unwrap());
        let signer = Signer::new(&old, &key).unwrap();
        let validity =
            Validity { not_before: days(old.not_after, 100), not_after: days(old.not_after, 3750) };
        let new = renew(&signer, &old, &key, validity).unwrap();
        assert_eq!((&new.spki, extensions(&new)), (&old.spki, extensions(&old)));
        for spec in CERT_SPECS.iter().filter(|spec| spec.authority == authority) {
            let (leaf, at) = (tree.leaf(spec).unwrap(), days(old.not_after, 110));
            leaf.signed_by(&new).unwrap();
            let signer = Signer::new(&new, &key).unwrap();
            let leaf = renew(&signer, &leaf, &keys()[1], self::validity(&signer).0).unwrap();
            openssl_accepts(&new, &leaf, &keys()[1], purposes(spec.usage)[0], at);
        }
    }
}

#[test]
fn who_cannot_sign_is_refused() {
    let tree = Tree::open("rsa2048");
    let (authority, other) = (tree.authority(Ca::Cluster), tree.authority(Ca::Etcd));
    let key = tree.authority_key(Ca::Cluster).unwrap();
    assert_eq!(Signer::new(&other, &key).err(), Some(IssueError::OtherKey("CN=etcd-ca".to_owned())));
    let leaf = tree.leaf(cert_spec("apiserver").unwrap()).unwrap();
    assert!(matches!(Signer::new(&leaf, &key), Err(IssueError::NotAnAuthority(_))));
    let odd = Odd::new("-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "ca");
    let refused = Signer::new(&odd.certificate("ca.crt"), &odd.key("ca.key")).err();
    assert!(matches!(refused, Some(IssueError::CannotSign { .. })), "{refused:?}");
    // The same key whatever its wrapping, and without the NULL that some leave out of an RSA key info.
    let pkcs8 = key.encoded_as(KeyEncoding::Pkcs8).unwrap();
    Signer::new(&authority, &pkcs8).unwrap();
    let mut bare = authority;
    let bits = &bare.spki[bare.spki.len() - 275..];
    let rsa = tlv(0x30, &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]);
    bare.spki = tlv(0x30, &[&rsa, bits].concat());
    assert!(bare.is_of(&key));
}

#[test]
fn impossible_dates_are_refused_and_fractions_dropped() {
    let tree = Tree::open("ecdsa-p256");
    let authority = tree.authority(Ca::Cluster);
    let signer = Signer::new(&authority, &tree.authority_key(Ca::Cluster).unwrap()).unwrap();
    let old = tree.leaf(cert_spec("admin.conf").unwrap()).unwrap();
    let at = |from: &str, to: &str| {
        let validity = Validity { not_before: from.parse().unwrap(), not_after: to.parse().unwrap() };
        renew(&signer, &old, &keys()[1], validity)
    };
    let long = at("2027-01-01T00:00:00.9Z", "2051-02-03T04:05:06Z").unwrap();
    assert_eq!(long.not_before.to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(long.not_after.to_string(), "2051-02-03T04:05:06Z");
    for (from, to) in
        [("2028-01-01T00:00:00Z", "2027-12-31T23:59:59Z"), ("1969-01-01T00:00:00Z", "2027-01-01T00:00:00Z")]
    {
        assert!(matches!(at(from, to), Err(IssueError::Validity { .. })));
    }
}
