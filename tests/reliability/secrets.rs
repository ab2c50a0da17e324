//! Private keys are in key files, kubeconfigs and archives, and nowhere else: not in what is printed, not in
//! journals, the lock or the history, not in temporary files. Broken files are among the cases, because a parser's
//! complaint likes to quote what it couldn't read.

use std::collections::HashSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::common::{KUBECONFIGS, NOW, Node, PKI, fixture, kuberescue, run};

/// How long the pieces are: of a key itself, of its base64, of its hexadecimal digits.
const LENGTHS: [usize; 3] = [24, 32, 48];

/// Pieces of private keys in every form in which they could leak.
struct Secrets(HashSet<Vec<u8>>);

impl Secrets {
    /// Of all files below a root.
    fn of(root: &Path) -> Self {
        let mut found = Self(HashSet::new());
        for path in files(root) {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            found.keys_in(&text);
            for line in text.lines() {
                let Some(value) = line.trim().strip_prefix("client-key-data:") else { continue };
                let value = value.trim().trim_matches('"');
                found.pieces(value);
                let Ok(pem) = STANDARD.decode(value) else { continue };
                found.keys_in(&String::from_utf8_lossy(&pem));
            }
        }
        found
    }

    fn keys_in(&mut self, text: &str) {
        for block in text.split("-----BEGIN ").skip(1) {
            let (label, rest) = block.split_once("-----").unwrap();
            if !label.ends_with("PRIVATE KEY") {
                continue;
            }
            let body: String = rest.split("-----END").next().unwrap().split_whitespace().collect();
            self.pieces(&body);
            // A broken one is known by its text alone.
            let Ok(der) = STANDARD.decode(&body) else { continue };
            for start in (0..der.len().saturating_sub(24)).step_by(8) {
                let piece = &der[start..start + 24];
                self.0.insert(piece.to_vec());
                self.0
                    .insert(piece.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes());
            }
        }
    }

    /// 32 characters from each place: wherever a line is cut, one of them is in it.
    fn pieces(&mut self, text: &str) {
        let bytes = text.as_bytes();
        for start in (0..bytes.len().saturating_sub(32)).step_by(4) {
            self.0.insert(bytes[start..start + 32].to_vec());
        }
    }

    /// The public halves are no secret, and a PKCS #8 wrapping begins alike for all.
    fn without(mut self, public: &HashSet<&[u8]>) -> Self {
        self.0.retain(|piece| !public.contains(piece.as_slice()));
        self
    }

    fn assert_absent(&self, text: &[u8], what: &str) {
        let stripped: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        // Every piece is longer than 16 bytes: the text's own windows are looked up, not each piece in it.
        for text in [text, &stripped] {
            for length in LENGTHS {
                for window in text.windows(length) {
                    assert!(
                        !self.0.contains(window),
                        "{what}: a private key: {:?}",
                        String::from_utf8_lossy(text)
                    );
                }
            }
        }
    }
}

fn files(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// All that may be read without being a secret: certificates, and the beginning that all keys share.
fn public(root: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for path in files(root) {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for block in text.split("-----BEGIN ").skip(1) {
            let (label, rest) = block.split_once("-----").unwrap();
            if label == "CERTIFICATE" || label == "PUBLIC KEY" {
                let body: String = rest.split("-----END").next().unwrap().split_whitespace().collect();
                all.extend(STANDARD.decode(&body).unwrap());
                all.push(0);
            }
        }
    }
    all
}

/// Runs commands on a node, in an empty directory and with an empty place for temporary files.
fn assert_no_leak(node: &Node, mut known: Secrets, commands: &[&str]) {
    let (here, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let public = public(node.root());
    let public: HashSet<&[u8]> = LENGTHS.iter().flat_map(|length| public.windows(*length)).collect();
    known = known.without(&public);
    assert!(known.0.len() > 100, "no secrets to look for");
    for words in commands {
        let mut command = kuberescue();
        command.args(words.split_whitespace()).current_dir(here.path()).env("TMPDIR", temporary.path());
        if !words.contains("--root") && !words.starts_with("archive verify") {
            command.arg("--root").arg(node.root());
        }
        let done = run(command);
        known.0.extend(Secrets::of(&node.path("/etc")).0);
        known.0.extend(Secrets::of(&node.path("/var/lib/kubelet")).0);
        known = known.without(&public);
        known.assert_absent(done.out.as_bytes(), &format!("{words}: stdout"));
        known.assert_absent(done.err.as_bytes(), &format!("{words}: stderr"));
        for path in files(&node.path("/var/lib/kuberescue")) {
            if path.extension().is_some_and(|extension| extension == "gz") {
                continue;
            }
            known.assert_absent(&std::fs::read(&path).unwrap(), &format!("{words}: {}", path.display()));
        }
        assert_eq!(files(here.path()), Vec::<std::path::PathBuf>::new(), "{words}: the working directory");
        assert_eq!(files(temporary.path()), Vec::<std::path::PathBuf>::new(), "{words}: temporary files");
    }
}

#[test]
fn no_command_tells_a_private_key() {
    for tree in ["ecdsa-p256", "v120-expired"] {
        let node = Node::of(tree);
        let at = format!("--at {NOW} --accept-clock");
        let mut commands = vec![
            format!("certs check-expiration --at {NOW}"),
            format!("certs check-expiration --at {NOW} -o json"),
            format!("certs check-expiration --at {NOW} -o yaml"),
            format!("certs check-expiration --at {NOW} -o wide"),
            format!("certs renew all --dry-run -o json {at}"),
            format!("recover --dry-run {at}"),
            format!("certs renew all {at}"),
            format!("certs renew all --reuse-keys {at}"),
            "rollback --dry-run".to_owned(),
            "rollback --yes".to_owned(),
            "resume".to_owned(),
            "archive create".to_owned(),
            "archive list".to_owned(),
            format!("archive verify --root {}", node.root().display()),
            format!("archive verify -o json --root {}", node.root().display()),
            format!("archive diff {}", fixture("rsa2048").display()),
            format!("archive diff -o json {}", fixture("rsa2048").display()),
            format!("archive restore --dry-run -o json {}", fixture(tree).display()),
            format!("archive restore --yes {}", fixture(tree).display()),
            // A key where an archive should be named.
            format!("archive verify {}", node.path("/etc/kubernetes/pki/ca.key").display()),
            format!("archive diff {}", node.path("/etc/kubernetes/pki/sa.key").display()),
            format!("archive restore --dry-run {}", node.path("/etc/kubernetes/admin.conf").display()),
            format!("certs check-expiration --root {}", node.path("/etc/kubernetes/pki/ca.key").display()),
            format!("diagnose --root {}", node.path("/etc/kubernetes/admin.conf").display()),
            format!("diagnose -v --at {NOW}"),
            format!("diagnose -o json --at {NOW}"),
            format!("diagnose -o html --at {NOW}"),
            format!("diagnose -o prometheus --at {NOW}"),
            format!("diagnose --trust -o json --at {NOW}"),
            format!("diagnose -o dot --at {NOW}"),
            format!(
                "diagnose --timeline --at {NOW} --log {}",
                node.path("/etc/kubernetes/pki/ca.key").display()
            ),
            "restart --dry-run".to_owned(),
            "probe".to_owned(),
        ];
        commands.push(format!("recover --yes --at 2029-01-01 {}", "--accept-clock"));
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        assert_no_leak(&node, Secrets::of(node.root()), &commands);
    }
}

#[test]
fn complaints_about_broken_files_quote_no_key() {
    let key = |node: &Node| node.text(&format!("{PKI}/apiserver.key"));
    type Breakage<'a> = (&'a str, &'a dyn Fn(&Node));
    let breakages: [Breakage<'_>; 6] = [
        ("a key where the certificate should be", &|node| {
            node.write(&format!("{PKI}/apiserver.crt"), key(node))
        }),
        ("a key without its end", &|node| {
            let whole = key(node);
            node.write(&format!("{PKI}/apiserver.key"), &whole[..whole.len() / 2]);
        }),
        ("a key with a strange character", &|node| {
            node.replace(&format!("{PKI}/ca.key"), "M", "Ö");
        }),
        ("kubeconfigs that are no YAML from the key on", &|node| {
            for name in KUBECONFIGS {
                let path = format!("/etc/kubernetes/{name}");
                node.replace(&path, "client-key-data: ", "client-key-data: [ ");
            }
        }),
        ("kubeconfigs whose key is no base64", &|node| {
            for name in KUBECONFIGS {
                let path = format!("/etc/kubernetes/{name}");
                node.replace(&path, "client-key-data: ", "client-key-data: %");
            }
        }),
        ("a key in a manifest", &|node| {
            let text = key(node);
            node.write("/etc/kubernetes/manifests/kube-apiserver.yaml", text);
        }),
    ];
    for (what, break_it) in breakages {
        let node = Node::of("ecdsa-p256");
        // What the tree held before it was broken.
        let known = Secrets::of(node.root());
        break_it(&node);
        let at = format!("--at {NOW} --accept-clock");
        let commands = [
            format!("certs check-expiration --at {NOW} -o wide"),
            format!("certs check-expiration --at {NOW} -o json"),
            format!("certs renew all {at}"),
            format!("certs renew all --partial {at}"),
            format!("recover --yes {at}"),
            "archive create".to_owned(),
        ];
        eprintln!("{what}");
        assert_no_leak(&node, known, &commands.each_ref().map(String::as_str));
    }
}
