//! Trees of testdata/nodes, openssl, and a small DER writer for certificates that nobody would make.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::common;
use crate::common::desk::Desk;
use jiff::{SignedDuration, Timestamp};
use kuberescue::formats::certificate::Certificate;
use kuberescue::formats::key::{KeyAlgorithm, KeyEncoding, PrivateKey};
use kuberescue::formats::kubeconfig::{Credential, Kubeconfig};
use kuberescue::issue::{KeyRequest, Signer, Validity, generate};
use kuberescue::state::catalog::{Ca, CertSpec, Place};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A node's files by path.
pub struct Tree(BTreeMap<String, Vec<u8>>);

impl Tree {
    pub fn open(name: &str) -> Self {
        Self(common::files(name))
    }

    fn get(&self, below: &str) -> Option<&Vec<u8>> {
        self.0.get(&format!("/etc/kubernetes/{below}"))
    }

    pub fn authority(&self, authority: Ca) -> Certificate {
        Certificate::from_pem(self.get(&format!("pki/{}.crt", authority.base())).unwrap()).unwrap()
    }

    pub fn authority_key(&self, authority: Ca) -> Option<PrivateKey> {
        let pem = self.get(&format!("pki/{}.key", authority.base()))?;
        Some(PrivateKey::from_pem(pem).unwrap())
    }

    pub fn leaf(&self, spec: &CertSpec) -> Option<Certificate> {
        match spec.place {
            Place::Pair(base) => Certificate::from_pem(self.get(&format!("pki/{base}.crt"))?).ok(),
            Place::Kubeconfig(name) => {
                let config = Kubeconfig::parse(self.get(name)?).ok()?;
                let Credential::Embedded(embedded) = &config.credential else { return None };
                Certificate::from_pem(embedded.certificate_pem()).ok()
            }
        }
    }
}

/// One key of each kind and form that renewing can meet.
pub fn keys() -> &'static [PrivateKey] {
    static KEYS: OnceLock<Vec<PrivateKey>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let request = |(algorithm, encoding)| KeyRequest { algorithm, encoding };
        let requests = [
            (KeyAlgorithm::Rsa(2048), KeyEncoding::Pkcs1),
            (KeyAlgorithm::EcdsaP256, KeyEncoding::Sec1),
            (KeyAlgorithm::Rsa(2048), KeyEncoding::Pkcs8),
            (KeyAlgorithm::EcdsaP384, KeyEncoding::Sec1),
            (KeyAlgorithm::Rsa(3072), KeyEncoding::Pkcs1),
            (KeyAlgorithm::EcdsaP256, KeyEncoding::Pkcs8),
            (KeyAlgorithm::EcdsaP384, KeyEncoding::Pkcs8),
        ];
        generate(&requests.map(request)).unwrap()
    })
}

pub fn days(after: Timestamp, days: i64) -> Timestamp {
    after + SignedDuration::from_hours(24 * days)
}

/// Days 1 to 366 of the authority, and a moment within.
pub fn validity(signer: &Signer<'_>) -> (Validity, Timestamp) {
    let start = signer.authority().not_before;
    (Validity { not_before: days(start, 1), not_after: days(start, 366) }, days(start, 100))
}

pub type Extensions = Vec<(String, bool, Vec<u8>)>;

/// Identifier, criticality and value of every extension, read by another parser than the one that wrote.
pub fn extensions(certificate: &Certificate) -> Extensions {
    let (_, parsed) = X509Certificate::from_der(&certificate.der).unwrap();
    let extensions = parsed.extensions().iter();
    extensions.map(|one| (one.oid.to_id_string(), one.critical, one.value.to_vec())).collect()
}

/// The extensions without the two key identifiers.
pub fn kept(certificate: &Certificate) -> Extensions {
    let identifier = |oid: &str| oid == "2.5.29.35" || oid == "2.5.29.14";
    extensions(certificate).into_iter().filter(|(oid, _, _)| !identifier(oid)).collect()
}

/// Runs openssl in `directory`; its standard output.
pub fn openssl(directory: &Path, arguments: &str) -> String {
    let run = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "openssl {arguments}\n{out}\n{err}");
    out.into_owned()
}

/// openssl finds the certificate good for `purpose` at that moment, and the key sound and its own.
pub fn openssl_accepts(
    authority: &Certificate,
    leaf: &Certificate,
    key: &PrivateKey,
    purpose: &str,
    at: Timestamp,
) {
    let desk = Desk::new();
    desk.write("ca.crt", authority.to_pem());
    desk.write("leaf.crt", leaf.to_pem());
    desk.write("leaf.key", key.to_pem().as_bytes());
    let directory = desk.directory.path();
    let at = at.as_second();
    openssl(directory, &format!("verify -CAfile ca.crt -purpose {purpose} -attime {at} leaf.crt"));
    let public = openssl(directory, "pkey -in leaf.key -check -pubout");
    let certified = openssl(directory, "x509 -in leaf.crt -noout -pubkey");
    assert!(public.ends_with(&certified), "{public}\n{certified}");
}

/// One DER element.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut der = vec![tag];
    match length {
        0..=127 => der.push(length as u8),
        128..=255 => der.extend([0x81, length as u8]),
        _ => der.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    der.extend(content);
    der
}

/// The parts of a hand-made certificate, each in DER.
pub struct HandMade {
    pub version: Option<u8>,
    pub subject: Vec<u8>,
    pub unique_ids: Vec<u8>,
    pub extensions: Vec<Vec<u8>>,
}

impl HandMade {
    /// A certificate that parses; nobody ever signed it.
    pub fn certificate(&self, spki: &[u8]) -> Certificate {
        let algorithm = tlv(0x30, &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
        let dates = [tlv(0x17, b"240101000000Z"), tlv(0x17, b"250101000000Z")].concat();
        let mut tbs = self.version.map(|version| tlv(0xa0, &tlv(2, &[version]))).unwrap_or_default();
        tbs.extend(tlv(2, &[5]));
        tbs.extend(&algorithm);
        tbs.extend(tlv(0x30, b""));
        tbs.extend(tlv(0x30, &dates));
        tbs.extend(&self.subject);
        tbs.extend(spki);
        tbs.extend(&self.unique_ids);
        if !self.extensions.is_empty() {
            tbs.extend(tlv(0xa3, &tlv(0x30, &self.extensions.concat())));
        }
        let signed = [tlv(0x30, &tbs), algorithm, tlv(3, &[0, 1, 2, 3])].concat();
        Certificate::from_der(tlv(0x30, &signed)).unwrap()
    }
}
