//! What happens to a node's files, drawn from a seed and said in words.

use super::common::{Node, PKI, etcd_database};

/// The trees that are broken. ECDSA keys are made in no time, so that tree comes up most often.
const TREES: [&str; 9] = [
    "ecdsa-p256",
    "ecdsa-p256",
    "ecdsa-p256",
    "expired-all",
    "v120-expired",
    "mixed",
    "rsa2048",
    "expired-ca",
    "external-ca",
];

const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const CA_KEYS: [&str; 3] = ["ca.key", "etcd/ca.key", "front-proxy-ca.key"];

/// Numbers from a seed: SplitMix64, the same on every machine.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// A tree with one to three breakages, and each of them in words. The last may be none at all: a tree as it was.
pub fn broken_node(draw: &mut Draw) -> (Node, Vec<String>) {
    let tree = draw.one_of(&TREES);
    let node = Node::of(tree);
    let mut words = vec![format!("tree {tree}")];
    if draw.below(3) == 0 {
        words.push(whole_disk(draw, &node));
    }
    for _ in 0..draw.below(4) {
        if let Some(done) = break_one(draw, &node) {
            words.push(done);
        }
    }
    node.settle();
    (node, words)
}

/// A root with `/usr` is a disk of which everything is known, etcd's data too.
fn whole_disk(draw: &mut Draw, node: &Node) -> String {
    std::fs::create_dir(node.path("/usr")).unwrap();
    let database = "/var/lib/etcd/member/snap/db";
    match draw.below(4) {
        0 => "/usr is there, etcd's data is missing".to_owned(),
        1 => {
            node.write(database, "");
            "/usr is there, etcd's database is empty".to_owned()
        }
        _ => {
            std::fs::create_dir_all(node.path("/var/lib/etcd/member/wal")).unwrap();
            node.write(database, etcd_database("one-member.db"));
            "/usr and etcd's data are there".to_owned()
        }
    }
}

/// The files of the node's credentials, manifests and kubelet, in order.
fn files(node: &Node) -> Vec<String> {
    fn below(node: &Node, directory: &str, into: &mut Vec<String>) {
        let Ok(entries) = std::fs::read_dir(node.path(directory)) else { return };
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        for name in names {
            let path = format!("{directory}/{name}");
            let kind = node.path(&path).symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                below(node, &path, into);
            } else if kind.is_file() {
                into.push(path);
            }
        }
    }
    let mut files = Vec::new();
    below(node, "/etc/kubernetes", &mut files);
    below(node, "/var/lib/kubelet", &mut files);
    files
}

/// Breaks one thing; `None` where the tree no longer has what was to be broken.
fn break_one(draw: &mut Draw, node: &Node) -> Option<String> {
    let files = files(node);
    let file = draw.one_of(&files);
    let other = draw.one_of(&files);
    let component = draw.one_of(&COMPONENTS);
    let manifest = format!("/etc/kubernetes/manifests/{component}.yaml");
    match draw.below(14) {
        0 | 1 => {
            node.remove(&file);
            Some(format!("{file} removed"))
        }
        2 => {
            let bytes = node.read(&file);
            let length = draw.below(bytes.len());
            node.write(&file, &bytes[..length]);
            Some(format!("{file} truncated to {length} of {} bytes", bytes.len()))
        }
        3 => {
            node.write(&file, "");
            Some(format!("{file} emptied"))
        }
        4 | 5 => swap(node, &file, &other),
        6 | 7 => flip(draw, node, &file),
        8 => node.exists(&manifest).then(|| {
            node.remove(&manifest);
            format!("{manifest} removed")
        }),
        9 => node.exists(&manifest).then(|| {
            let copy = draw.one_of(&[".yaml.bak", "-old.yaml", ".yaml.orig"]);
            let copy = format!("/etc/kubernetes/manifests/{component}{copy}");
            node.write(&copy, node.read(&manifest));
            format!("{manifest} doubled as {copy}")
        }),
        10 => address(draw, node, &manifest),
        11 => link(draw, node, &file, &other),
        12 => {
            let key = format!("{PKI}/{}", draw.one_of(&CA_KEYS));
            node.exists(&key).then(|| {
                node.remove(&key);
                format!("{key} gone")
            })
        }
        _ => mode(draw, node, &file),
    }
}

fn swap(node: &Node, one: &str, other: &str) -> Option<String> {
    if one == other {
        return None;
    }
    node.rename(one, "/swap");
    node.rename(other, one);
    node.rename("/swap", other);
    Some(format!("{one} swapped with {other}"))
}

fn flip(draw: &mut Draw, node: &Node, file: &str) -> Option<String> {
    let mut bytes = node.read(file);
    if bytes.is_empty() {
        return None;
    }
    let (offset, bit) = (draw.below(bytes.len()), draw.below(8));
    bytes[offset] ^= 1 << bit;
    node.write(file, bytes);
    Some(format!("{file}: bit {bit} of byte {offset} flipped"))
}

/// The node is said to have another address than its certificates name.
fn address(draw: &mut Draw, node: &Node, manifest: &str) -> Option<String> {
    let text = node.exists(manifest).then(|| node.text(manifest))?;
    let flag = ["--advertise-address=", "--listen-client-urls=", "--initial-advertise-peer-urls="];
    let start = flag.iter().find_map(|flag| Some(text.find(flag)? + flag.len()))?;
    let old: String = text[start..]
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let new = format!("10.99.{}.{}", draw.below(256), 1 + draw.below(254));
    node.write(manifest, text.replace(&old, &new));
    Some(format!("{manifest}: address {old} changed to {new}"))
}

fn link(draw: &mut Draw, node: &Node, file: &str, other: &str) -> Option<String> {
    match draw.below(3) {
        0 => {
            node.remove(file);
            node.link(file, "/nowhere/at/all");
            Some(format!("{file} is a link to nothing"))
        }
        1 => {
            let name = file.rsplit('/').next()?;
            let moved = format!("/srv/secrets/{name}");
            node.rename(file, &moved);
            node.link(file, &moved);
            Some(format!("{file} moved to {moved}, with a link to it"))
        }
        _ if file != other => {
            node.remove(file);
            node.link(file, other);
            Some(format!("{file} is a link to {other}"))
        }
        _ => None,
    }
}

fn mode(draw: &mut Draw, node: &Node, file: &str) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = draw.one_of(&[0o644, 0o600, 0o666]);
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(node.path(file), permissions).ok()?;
    Some(format!("{file} has mode {mode:o}"))
}
