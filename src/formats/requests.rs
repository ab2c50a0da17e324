//! `manifest.json` beside certificate requests: what each is for. It travels with them to the machine that signs, so its
//! reader trusts nothing in it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use super::json_reason;
use crate::state::catalog::Usage;
use crate::state::{Digest, text};

/// Its name.
pub const FILE: &str = "manifest.json";
/// The kind of document that it is.
pub const KIND: &str = "CertificateRequests";
const API_VERSION: &str = "kuberescue/v1";
/// Bytes; one of all certificates of a node has some twenty thousand.
const LARGEST: usize = 1 << 20;
/// A node has fifteen certificates at most.
const MOST: usize = 64;

/// The document `CertificateRequests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestList {
    /// Name of the node that needs the certificates.
    pub node: String,
    /// The CAs that have to sign them.
    pub authorities: Vec<RequestedCa>,
    pub requests: Vec<Requested>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestedCa {
    /// kubeadm's name.
    pub name: String,
    pub subject: String,
    /// SHA-256 of the certificate in DER.
    pub fingerprint: Digest,
    /// Its certificate in PEM.
    pub certificate: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requested {
    /// kubeadm's name of the certificate or kubeconfig.
    pub name: String,
    /// The request in PEM, in the same directory.
    pub file: String,
    /// kubeadm's name of the CA.
    pub authority: String,
    pub subject: String,
    /// Subject alternative names as openssl prints them.
    pub names: Vec<String>,
    pub usage: Usage,
    /// How long the certificate should be valid.
    pub days: u32,
    /// Where the certificate goes on the node.
    #[serde(with = "text")]
    pub path: PathBuf,
}

impl Requested {
    /// The file of the certificate, in the same directory.
    pub fn certificate_file(&self) -> String {
        format!("{}.crt", self.name)
    }
}

/// The fields that every document of ours has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    api_version: String,
    kind: String,
}

impl RequestList {
    /// Parses a manifest: it names no other files than those of its requests.
    ///
    /// # Errors
    /// It is none; the text says why.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LARGEST {
            return Err("larger than any that kuberescue writes".to_owned());
        }
        let malformed = |error| json_reason(&error);
        let read: Envelope = serde_json::from_slice(bytes).map_err(malformed)?;
        if read.api_version != API_VERSION || read.kind != KIND {
            return Err(format!("not a {KIND} of {API_VERSION}"));
        }
        let list: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        if list.requests.len() > MOST || list.authorities.len() > MOST {
            return Err("more requests than a node has certificates".to_owned());
        }
        let mut names: Vec<_> = list.requests.iter().map(|request| request.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() < list.requests.len() {
            return Err("two requests of one name".to_owned());
        }
        match list.requests.iter().find(|request| !request.names_its_file()) {
            Some(request) => Err(format!("a request with the file {:?}", request.file)),
            None => Ok(list),
        }
    }

    /// The certificate of the CA that has to sign a request.
    pub fn authority(&self, request: &Requested) -> Option<Certificate> {
        let found = self.authorities.iter().find(|ca| ca.name == request.authority)?;
        Certificate::from_pem(found.certificate.as_bytes()).ok()
    }
}

impl Requested {
    fn names_its_file(&self) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let is_name = self.name.starts_with(|c: char| c.is_ascii_alphanumeric());
        is_name && self.name.chars().all(plain) && self.file == format!("{}.csr", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"{"apiVersion":"kuberescue/v1","kind":"CertificateRequests","time":"2026-11-24T00:00:00Z","node":"cp-1","authorities":[],"requests":[{"name":"etcd-server","file":"etcd-server.csr","authority":"etcd-ca","subject":"CN=cp-1","names":["DNS:cp-1"],"usage":"serverAndClient","days":365,"path":"/etc/kubernetes/pki/etcd/server.crt"}]}"#;

    #[test]
    fn a_manifest_names_only_the_files_of_its_requests() {
        let list = RequestList::parse(MANIFEST.as_bytes()).unwrap();
        assert_eq!(list.requests[0].certificate_file(), "etcd-server.crt");
        assert!(RequestList::parse(MANIFEST.replace("\"days\"", "\"new\":1,\"days\"").as_bytes()).is_ok());
        for (from, to) in [
            ("kuberescue/v1", "kuberescue/v2"),
            ("CertificateRequests", "Recovery"),
            ("etcd-server.csr", "../etcd-server.csr"),
            ("etcd-server", "../etcd-server"),
            ("\"etcd-server\"", "\"\""),
            ("serverAndClient", "ca"),
            ("365", "-1"),
        ] {
            assert!(MANIFEST.contains(from), "{from}");
            assert!(RequestList::parse(MANIFEST.replace(from, to).as_bytes()).is_err(), "{to}");
        }
        let request = MANIFEST.split_once("\"requests\":[").unwrap().1.strip_suffix("]}").unwrap();
        let twice = MANIFEST.replace(request, &format!("{request},{request}"));
        assert_eq!(RequestList::parse(twice.as_bytes()), Err("two requests of one name".to_owned()));
    }
}
