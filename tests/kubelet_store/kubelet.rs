//! What a kubelet does with its store when it starts: client-go `util/certificate/certificate_store.go` (recover, Current,
//! updateSymlink), `certificate_manager.go` (getCurrentCertificateOrBootstrap), and kubelet `certificate/bootstrap`
//! (LoadClientConfig), written down once more, apart from the code that is tested.

use std::path::PathBuf;

use super::common::{
    NOW, Node, PKI, credential, end_of, openssl, public_key_of_certificate, public_key_of_key,
};

const DIRECTORY: &str = "/var/lib/kubelet/pki";
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

/// A kubelet that has started.
pub struct Kubelet {
    /// The certificate that it uses, PEM.
    pub certificate: Vec<u8>,
    /// Whether it can put the next one into its store.
    pub rotates: bool,
}

/// The file that a path leads to, by links inside of the node; the error is one that is not "not found".
fn stat(node: &Node, path: &str) -> Result<Option<String>, String> {
    let mut at = path.to_owned();
    for _ in 0..40 {
        let Ok(metadata) = node.path(&at).symlink_metadata() else {
            let parent = PathBuf::from(&at).parent().unwrap().to_str().unwrap().to_owned();
            let in_file = node.path(&parent).symlink_metadata().is_ok_and(|metadata| !metadata.is_dir());
            return if in_file { Err(format!("{at}: not a directory")) } else { Ok(None) };
        };
        if !metadata.is_symlink() {
            return Ok(Some(at));
        }
        let target = std::fs::read_link(node.path(&at)).unwrap();
        at = PathBuf::from(&at).parent().unwrap().join(target).to_str().unwrap().to_owned();
    }
    Err(format!("{path}: too many levels of symbolic links"))
}

/// Whether a path is a link; `None` if there is nothing.
fn is_link(node: &Node, path: &str) -> Option<bool> {
    node.path(path).symlink_metadata().ok().map(|metadata| metadata.is_symlink())
}

/// Go's `tls.X509KeyPair`.
fn pair(certificate: Vec<u8>, key: &[u8]) -> Result<Vec<u8>, String> {
    let has = |pem: &[u8], what: &str| String::from_utf8_lossy(pem).contains(what);
    if !has(&certificate, "BEGIN CERTIFICATE") || !has(key, "PRIVATE KEY") {
        return Err("tls: failed to find any PEM data".to_owned());
    }
    if public_key_of_certificate(&certificate) != public_key_of_key(key) {
        return Err("tls: private key does not match public key".to_owned());
    }
    Ok(certificate)
}

fn expired(certificate: &[u8]) -> bool {
    end_of(certificate).replace(' ', "T").as_str() < NOW
}

/// What becomes of a kubelet that is started, by the files of its store that begin with `prefix`: the client's. The error is
/// its last word.
pub fn start(node: &Node) -> Result<Kubelet, String> {
    let [current, updated] =
        ["current", "updated"].map(|end| format!("{DIRECTORY}/kubelet-client-{end}.pem"));
    // recover
    let mut found = stat(node, &current)?;
    let mut left_over = is_link(node, &updated);
    let mut is_file = is_link(node, &current) == Some(false);
    if found.is_none() {
        match left_over {
            None => {}
            Some(false) => return Err(format!("expected {updated:?} to be a symlink but it is a file")),
            Some(true) => {
                found = stat(node, &updated)?;
                (left_over, is_file) = (None, false);
            }
        }
    }
    // LoadClientConfig
    let text = node.text(KUBELET_CONF);
    let embedded = text.contains("client-certificate-data: L").then(|| credential(&text));
    let configured = match &embedded {
        Some((certificate, key)) => pair(certificate.clone(), key),
        None => {
            let line =
                text.lines().find_map(|line| line.trim().strip_prefix("client-certificate: ")).unwrap();
            assert!(text.contains(&format!("client-key: {line}")), "both name the same file");
            let path = if line == current { found.clone() } else { stat(node, line)? };
            path.ok_or_else(|| "no such file".to_owned())
                .and_then(|path| pair(node.read(&path), &node.read(&path)))
        }
    };
    let configured = configured.ok().filter(|certificate| !expired(certificate));
    let Some(configured) = configured else {
        return Err("unable to load bootstrap kubeconfig".to_owned());
    };
    // getCurrentCertificateOrBootstrap
    let stored = match &found {
        Some(path) => Some(pair(node.read(path), &node.read(path))?),
        None => None,
    };
    let certificate = stored.filter(|certificate| !expired(certificate)).unwrap_or(configured);
    Ok(Kubelet { certificate, rotates: !is_file && left_over != Some(false) })
}

/// The API server accepts it as this node's: openssl by the cluster's CA, and its subject.
pub fn is_accepted(node: &Node, certificate: &[u8]) -> bool {
    node.write("/judge.pem", certificate);
    let (ca, leaf) = (node.path(&format!("{PKI}/ca.crt")), node.path("/judge.pem"));
    let verified = std::process::Command::new("openssl")
        .args(["verify", "-x509_strict", "-attime", "1795478400", "-purpose", "sslclient", "-CAfile"])
        .args([&ca, &leaf])
        .output()
        .unwrap();
    node.remove("/judge.pem");
    let subject = openssl("x509 -noout -subject -nameopt RFC2253", certificate);
    verified.status.success() && subject.trim() == "subject=CN=system:node:cp-1,O=system:nodes"
}
