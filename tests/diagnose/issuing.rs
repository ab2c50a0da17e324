//! Certificates that kubeadm would never make, made by openssl with the tree's own CA keys.

use super::common::{Node, PKI, base64, embedded, openssl};

/// What is asked of a certificate. The dates are openssl's: `20261123223000Z`.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// Base name of the authority below the PKI directory.
    pub authority: &'a str,
    pub subject: &'a str,
    /// Lines of openssl's extension file.
    pub extensions: &'a str,
    pub start: &'a str,
    pub end: &'a str,
    /// Hexadecimal, an even number of digits.
    pub serial: &'a str,
    pub hash: &'a str,
}

pub const CLIENT: &str = "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=clientAuth\n";
pub const AUTHORITY: &str =
    "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\nbasicConstraints=critical,CA:TRUE\n";

pub const API_SERVER: Wish<'_> = Wish {
    authority: "ca",
    subject: "/CN=kube-apiserver",
    extensions: "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:cp-1,DNS:kubernetes.default.svc,IP:10.96.0.1,IP:192.168.10.11\n",
    start: "20261123223000Z",
    end: "20271123223000Z",
    serial: "4711",
    hash: "sha256",
};
pub const ETCD: Wish<'_> = Wish {
    authority: "etcd/ca",
    subject: "/CN=cp-1",
    extensions: "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:cp-1,DNS:localhost,IP:192.168.10.11,IP:127.0.0.1\n",
    ..API_SERVER
};
pub const FRONT_PROXY: Wish<'_> =
    Wish { authority: "front-proxy-ca", subject: "/CN=front-proxy-client", extensions: CLIENT, ..API_SERVER };
pub const KUBELET: Wish<'_> =
    Wish { subject: "/O=system:nodes/CN=system:node:cp-1", extensions: CLIENT, ..API_SERVER };
pub const ADMIN: Wish<'_> =
    Wish { subject: "/O=kubeadm:cluster-admins/CN=kubernetes-admin", extensions: CLIENT, ..API_SERVER };

/// A certificate for the public half of `key`.
pub fn issue(node: &Node, wish: &Wish<'_>, key: &[u8]) -> Vec<u8> {
    let authority = |extension: &str| node.path(&format!("{PKI}/{}.{extension}", wish.authority));
    sign(wish, key, &format!("-cert {} -keyfile {}", authority("crt").display(), authority("key").display()))
}

/// A certificate signed by its own key.
pub fn self_signed(wish: &Wish<'_>, key: &[u8]) -> Vec<u8> {
    sign(wish, key, "-selfsign")
}

fn sign(wish: &Wish<'_>, key: &[u8], signer: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display();
    let write = |name: &str, text: &[u8]| std::fs::write(directory.path().join(name), text).unwrap();
    write("key", key);
    write("index", b"");
    write("serial", wish.serial.as_bytes());
    write("extensions", wish.extensions.as_bytes());
    // Go compares names byte by byte, and kubeadm's are PrintableStrings.
    let mask = if wish.subject.is_ascii() { "pkix" } else { "utf8only" };
    write(
        "config",
        format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={at}/index\nserial={at}/serial\nnew_certs_dir={at}\npolicy=any\nunique_subject=no\n\
             [any]\norganizationName=optional\ncommonName=optional\n[req]\ndistinguished_name=name\nstring_mask={mask}\n[name]\n"
        )
        .as_bytes(),
    );
    let subject = if wish.subject.is_empty() { "/" } else { wish.subject };
    openssl(&format!("req -new -config {at}/config -utf8 -key {at}/key -subj {subject} -out {at}/csr"), b"");
    let signer = signer.replace("-selfsign", &format!("-selfsign -keyfile {at}/key"));
    openssl(
        &format!(
            "ca -batch -notext -config {at}/config {signer} -in {at}/csr -out {at}/crt -extfile {at}/extensions \
             -startdate {} -enddate {} -md {}",
            wish.start, wish.end, wish.hash
        ),
        b"",
    );
    std::fs::read(directory.path().join("crt")).unwrap()
}

pub fn ec_key() -> Vec<u8> {
    openssl("ecparam -name prime256v1 -genkey -noout", b"").into_bytes()
}

/// Puts a certificate for the key that is there into a pair of files.
pub fn reissue(node: &Node, base: &str, wish: &Wish<'_>) {
    let key = node.read(&format!("{PKI}/{base}.key"));
    node.write(&format!("{PKI}/{base}.crt"), issue(node, wish, &key));
}

/// Puts a new pair into a pair of files.
pub fn reissue_with(node: &Node, base: &str, wish: &Wish<'_>, key: &[u8]) {
    node.write(&format!("{PKI}/{base}.crt"), issue(node, wish, key));
    node.write(&format!("{PKI}/{base}.key"), key);
}

/// Puts a certificate for the key that is there into a kubeconfig.
pub fn reissue_kubeconfig(node: &Node, path: &str, wish: &Wish<'_>) {
    let key = embedded(&node.text(path), "client-key-data");
    put(node, path, "client-certificate-data", &issue(node, wish, &key));
}

/// Puts an authority's certificate of other dates, for the same key, in the place of the one that is there.
pub fn reissue_authority(node: &Node, base: &str, start: &str, end: &str) {
    let name = match base {
        "ca" => "/CN=kubernetes",
        "etcd/ca" => "/CN=etcd-ca",
        _ => "/CN=front-proxy-ca",
    };
    let key = node.read(&format!("{PKI}/{base}.key"));
    let wish = Wish { subject: name, extensions: AUTHORITY, start, end, ..API_SERVER };
    node.write(&format!("{PKI}/{base}.crt"), self_signed(&wish, &key));
}

/// The certificate of another CA of the cluster's name.
pub fn other_authority() -> (Vec<u8>, Vec<u8>) {
    let key = ec_key();
    let wish =
        Wish { subject: "/CN=kubernetes", extensions: AUTHORITY, end: "20361120223000Z", ..API_SERVER };
    (self_signed(&wish, &key), key)
}

/// Puts a value into a kubeconfig.
pub fn put(node: &Node, path: &str, field: &str, value: &[u8]) {
    let text = node.text(path);
    let old = base64(&embedded(&text, field));
    node.replace(path, &format!("{field}: {old}"), &format!("{field}: {}", base64(value)));
}

/// Makes the serial number of a pair's certificate negative, which openssl doesn't, and signs it again with an RSA key.
pub fn negative_serial(node: &Node, base: &str, authority: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (at, pair) = (directory.path().join("der"), node.path(&format!("{PKI}/{base}.crt")));
    openssl(&format!("x509 -in {} -outform DER -out {}", pair.display(), at.display()), b"");
    let mut der = std::fs::read(&at).unwrap();
    // Before it are two headers, the version, and its own header: 4, 4, 5 and 2 bytes.
    der[15] |= 0x80;
    let tbs = 4..8 + usize::from(u16::from_be_bytes([der[6], der[7]]));
    let (key, signature) = (node.path(&format!("{PKI}/{authority}.key")), directory.path().join("signature"));
    openssl(&format!("dgst -sha256 -sign {} -out {}", key.display(), signature.display()), &der[tbs]);
    let signature = std::fs::read(signature).unwrap();
    let end = der.len() - signature.len();
    der[end..].copy_from_slice(&signature);
    std::fs::write(&at, der).unwrap();
    openssl(&format!("x509 -inform DER -in {} -out {}", at.display(), pair.display()), b"");
}

/// Puts another CA, and a leaf that it signed, in the place of the front proxy's.
pub fn front_proxy_of(node: &Node, key: &[u8], serial: &str) {
    let wish = Wish {
        subject: "/CN=front-proxy-ca",
        extensions: AUTHORITY,
        serial,
        end: "20361123000000Z",
        ..API_SERVER
    };
    node.write(&format!("{PKI}/front-proxy-ca.key"), key);
    node.write(&format!("{PKI}/front-proxy-ca.crt"), self_signed(&wish, key));
    reissue(node, "front-proxy-client", &FRONT_PROXY);
}
