//! CAs that are reissued with their own keys, and what keeps them from it.

use super::*;

fn asked(authorities: CaSelection, ca_days: u32, selection: Selection) -> Options {
    Options { authorities, ca_days, selection, whole_node: false, ..Options::recovery() }
}

/// openssl: a self-signed CA with a P-521 key.
const P521: (&str, &str) = (
    "-----BEGIN CERTIFICATE-----\n\
     MIICDTCCAW6gAwIBAgIUPKH3VXeSAsmTqUHZvNkYfMB5jOkwCgYIKoZIzj0EAwIw\n\
     DzENMAsGA1UEAwwEcDUyMTAgFw0yNjExMjkxMjIzMjFaGA8yMTI2MTEwNTEyMjMy\n\
     MVowDzENMAsGA1UEAwwEcDUyMTCBmzAQBgcqhkjOPQIBBgUrgQQAIwOBhgAEANlc\n\
     BkyNfleKy1K2rIYtXSz1XvYR+yHZn8/pzunKot8VQMlZQT/mPHHHvfOBwEsyAn1B\n\
     nf5v5lFBe97xgyeVnSmyAWfYSQ9ypBCSXR2auzXC7vpAbUZkM0LGI+gmudFnJpKo\n\
     Dbd23J7c+8TeWHKrRKtJTikW1ss+pWNT4acHdEKdoX6wo2MwYTAdBgNVHQ4EFgQU\n\
     iAET62SQ0ZciifA9odmcgsRGjuMwHwYDVR0jBBgwFoAUiAET62SQ0ZciifA9odmc\n\
     gsRGjuMwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQwCgYIKoZIzj0E\n\
     AwIDgYwAMIGIAkIAtDRCxFBUOFNi4X/7WrXD3uvlB9cENxs2CUIiltZt1EScXfcY\n\
     6B5eCMAUwYShnfhUgRPscyuufpWNLiff0/Qvow4CQgCVMTuy9//+ICfjGS8DE1/b\n\
     iZ3JcXZ3St2/ohvpT56v1OTDzq5TQUUqjWuQlRDb9U8V0m7nOT4cS8KvEnw4GSMv\n\
     dQ==\n\
     -----END CERTIFICATE-----\n",
    "-----BEGIN EC PRIVATE KEY-----\n\
     MIHcAgEBBEIB/FyNhGX0MXKOeKu1n1yrpiRKrz/gvPp9/oXM5x99TtpK9tiXLG+1\n\
     XklM1M6vq2Qp8b+2ey/r8ENpO5NnJT3VQ3ugBwYFK4EEACOhgYkDgYYABADZXAZM\n\
     jX5XistStqyGLV0s9V72Efsh2Z/P6c7pyqLfFUDJWUE/5jxxx73zgcBLMgJ9QZ3+\n\
     b+ZRQXve8YMnlZ0psgFn2EkPcqQQkl0dmrs1wu76QG1GZDNCxiPoJrnRZyaSqA23\n\
     dtye3PvE3lhyq0SrSU4pFtbLPqVjU+GnB3RCnaF+sA==\n\
     -----END EC PRIVATE KEY-----\n",
);

/// What a plan does with CAs: each with its new dates and how many files have it, then what is refused.
fn renewed(plan: &Plan) -> String {
    let step = |step: &CaStep| {
        let same =
            (step.renewed.not_before, step.renewed.not_after) == (step.new.not_before, step.new.not_after);
        let dates = format!("{} to {}", step.new.not_before, step.new.not_after);
        format!("{}: {dates} in {} files, what it signs with: {same}", step.name, step.files.len())
    };
    let refusal = |refusal: &Refusal| {
        format!("{} {}: {}; {}", refusal.code, refusal.partial_helps, refusal.what, refusal.hint)
    };
    let lines = plan.authorities.iter().map(step).chain(plan.refusals.iter().map(refusal));
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

#[test]
fn which_cas_are_renewed_for_how_long() {
    let of = |name: &str, edits: &[Edit<'_>], authorities, days| {
        renewed(&plan(name, edits, &asked(authorities, days, Selection::Nothing), VALID).0)
    };
    let found = [
        of("ecdsa-p256", &[], CaSelection::None, 7300),
        of("ecdsa-p256", &[], CaSelection::Expired, 7300),
        of("expired-ca", &[], CaSelection::Expired, 7300),
        of("ecdsa-p256", &[], CaSelection::One(Ca::Etcd), 7300),
        of("ecdsa-p256", &[], CaSelection::All, 7300),
        of("ecdsa-p256", &[], CaSelection::One(Ca::FrontProxy), 30),
        of("ecdsa-p256", &[("/pki/ca.key", &gone)], CaSelection::One(Ca::Cluster), 7300),
    ];
    insta::assert_snapshot!(found.join("\n\n"), @"
    nothing

    nothing

    ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 6 files, what it signs with: true
    etcd-ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 1 files, what it signs with: true
    front-proxy-ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 1 files, what it signs with: true

    etcd-ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 1 files, what it signs with: true

    ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 6 files, what it signs with: true
    etcd-ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 1 files, what it signs with: true
    front-proxy-ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 1 files, what it signs with: true

    nothing-to-renew true: cannot renew the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): it is valid until 2036-11-20 22:23 UTC already, and would expire earlier with 30 days; ask for more days: --days N

    ca-key-missing true: cannot renew the CA ca (/etc/kubernetes/pki/ca.crt): its key /etc/kubernetes/pki/ca.key was not found; copy /etc/kubernetes/pki/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace ca
    ");
}

/// What the hint offers depends on whether leaf certificates are renewed, too.
#[test]
fn a_ca_that_is_not_renewed_says_what_to_do() {
    let of = |selection: Selection| {
        let edits: [Edit<'_>; 1] = [("/pki/etcd/ca.key", &gone)];
        renewed(&plan("ecdsa-p256", &edits, &asked(CaSelection::One(Ca::Etcd), 7300, selection), VALID).0)
    };
    insta::assert_snapshot!([of(Selection::Nothing), of(Selection::All)].join("\n\n"), @"
    ca-key-missing true: cannot renew the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt): its key /etc/kubernetes/pki/etcd/ca.key was not found; copy /etc/kubernetes/pki/etcd/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace etcd-ca

    ca-key-missing true: cannot renew the CA etcd-ca (/etc/kubernetes/pki/etcd/ca.crt): its key /etc/kubernetes/pki/etcd/ca.key was not found; copy /etc/kubernetes/pki/etcd/ca.key from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace etcd-ca; --partial renews the rest
    ");
}

/// A CA that another one has issued, what is no CA, one with another's key, one with a key that cannot sign here,
/// and one whose damaged key still has the right public half.
#[test]
fn what_keeps_a_ca_from_being_renewed() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let params = || {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let encoded = |der: &[u8]| pem::encode(pem::Label::Certificate, der).to_string();
    let key_of = |key: &KeyPair| pem::encode(pem::Label::PrivateKey, &key.serialize_der()).to_string();
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut root = params();
    root.distinguished_name.push(rcgen::DnType::CommonName, "root");
    let intermediate = params().signed_by(&key, &Issuer::from_params(&root, &root_key)).unwrap();
    let mut damaged = key.serialize_der();
    // In the private scalar (RFC 5915), behind the PKCS#8 header.
    damaged[40] ^= 1;
    let damaged = pem::encode(pem::Label::PrivateKey, &damaged).to_string();
    let leaf = CertificateParams::default().self_signed(&key).unwrap();
    let cases = [
        (encoded(intermediate.der()), key_of(&key)),
        (encoded(leaf.der()), key_of(&key)),
        (encoded(params().self_signed(&key).unwrap().der()), key_of(&root_key)),
        (P521.0.to_owned(), P521.1.to_owned()),
        (encoded(params().self_signed(&key).unwrap().der()), damaged),
    ];
    let found = cases.map(|(certificate, key)| {
        let (certificate, key) = (|_: String| Some(certificate.clone()), |_: String| Some(key.clone()));
        let edits: [Edit<'_>; 2] =
            [("/pki/front-proxy-ca.crt", &certificate), ("/pki/front-proxy-ca.key", &key)];
        let options = asked(CaSelection::One(Ca::FrontProxy), 7300, Selection::Nothing);
        renewed(&plan("ecdsa-p256", &edits, &options, VALID).0)
    });
    insta::assert_snapshot!(found.join("\n\n"), @"
    unsupported true: cannot renew the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): it is an intermediate CA, issued by CN=root, which has to renew it; renew on a machine with kubeadm: kubeadm certs renew all

    not-a-ca true: cannot renew the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): its certificate is not a CA certificate; repair /etc/kubernetes/pki/front-proxy-ca.crt and /etc/kubernetes/pki/front-proxy-ca.key from a backup

    ca-key-mismatch true: cannot renew the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): its key /etc/kubernetes/pki/front-proxy-ca.key does not match its certificate; /etc/kubernetes/pki/front-proxy-ca.key belongs to another CA: find the key that matches /etc/kubernetes/pki/front-proxy-ca.crt; if there is none: sudo kuberescue ca replace front-proxy-ca

    unsupported true: cannot renew the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): kuberescue cannot sign with its key (ECDSA-P521); renew on a machine with kubeadm: kubeadm certs renew all

    ca-key-unreadable true: cannot renew the CA front-proxy-ca (/etc/kubernetes/pki/front-proxy-ca.crt): its key /etc/kubernetes/pki/front-proxy-ca.key is damaged; repair /etc/kubernetes/pki/front-proxy-ca.crt and /etc/kubernetes/pki/front-proxy-ca.key from a backup
    ");
}

/// A leaf certificate that names its CA by its serial number has to be reissued with it.
#[test]
fn a_leaf_certificate_that_names_the_old_serial_number() {
    let (snapshot, mut inventory) = node("ecdsa-p256", &[]);
    for row in &mut inventory.leaves {
        if let (true, crate::analysis::node::inventory::Parsed::Present(certificate)) =
            (row.spec.name == "apiserver", &mut row.row.certificate)
        {
            certificate.names_issuer_by_serial = true;
        }
    }
    let now = VALID.parse().unwrap();
    let of = |authority, selection| {
        let options = asked(CaSelection::One(authority), 7300, selection);
        renewed(&decide(&snapshot, &inventory, &[], &options, now))
    };
    let found = [
        of(Ca::Cluster, Selection::Nothing),
        of(Ca::Cluster, one("apiserver").selection),
        of(Ca::Etcd, Selection::Nothing),
    ];
    insta::assert_snapshot!(found.join("\n\n"), @"
    ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 6 files, what it signs with: true
    wrong-authority false: apiserver names its CA by serial number (/etc/kubernetes/pki/apiserver.crt): openssl would reject it under the renewed CA; reissue it first: sudo kuberescue certs renew all

    ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 6 files, what it signs with: true

    etcd-ca: 2026-11-23T23:55:00Z to 2046-11-19T00:00:00Z in 1 files, what it signs with: true
    ");
}
