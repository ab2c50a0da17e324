//! What of an archive may be put on a node, whatever its manifest says: what this tool archives of this node, and no mode
//! that gives more than any of these files needs.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::analysis::node::facts::Facts;
use crate::analysis::node::findings::is_secret;
use crate::analysis::node::scope;
use crate::formats::kubeconfig::Kubeconfig;
use crate::formats::kubelet::KubeletConfiguration;
use crate::formats::manifest::Manifest;
use crate::state::{Attributes, Content, Entry, Snapshot, catalog, text};

/// Set-user-ID, set-group-ID, the sticky bit, and writing by everyone. A directory may hand down its group.
const NO_FILE: u32 = 0o7002;
const NO_DIRECTORY: u32 = 0o4002;
/// Of these, what no file of a node has, and no directory.
const SET_ID: u32 = 0o6000;
const SET_USER_ID: u32 = 0o4000;
/// The same of a private key, and any access by everyone.
const NO_KEY: u32 = NO_FILE | 0o007;
const CAPABILITIES: &str = "security.capability";

/// A path that is not restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    #[serde(with = "text")]
    pub path: PathBuf,
    pub why: String,
}

/// The archive's entries that may be restored, and the others with the reason. The facts are those of the archive's files
/// and of the node's.
pub(super) fn admitted(
    (archive, archived): (&Snapshot, &Facts),
    (node, facts): (&Snapshot, &Facts),
) -> (Snapshot, Vec<LeftOut>) {
    let named = named_on(node, facts);
    let within = scope::within(archive, archived);
    let is_other = |path: &Path, entry: &Entry| {
        let is_named = named.contains(path);
        (is_named || within.get(path).is_some()) && is_credential(path, entry, is_named, node)
    };
    let (mut taken, mut left) = (Snapshot::default(), Vec::new());
    for (path, entry) in archive.iter().filter(|(path, _)| *path != Path::new("/")) {
        let why = match &entry.content {
            Content::Unread(why) => why.to_string(),
            _ if path.starts_with(catalog::RESCUE_DIR) => "kuberescue's own directory".to_owned(),
            content => match below_link(path, archive, node) {
                Some(link) => format!("{} is a link", link.display()),
                None if is_fixed(path, node) || is_other(path, entry) => {
                    taken.insert(path, entry.clone());
                    continue;
                }
                // Those that are needed are created.
                None if *content == Content::Directory => continue,
                None => "nothing that a kubeadm node's credentials depend on".to_owned(),
            },
        };
        left.push(LeftOut { path: path.to_owned(), why });
    }
    (taken, left)
}

/// What of an archive of ours is not restored, be the node in the state of the archive itself; and whether any of it is
/// nothing that this tool archives, so that the archive is not as it was written.
pub(super) fn not_restored(archive: &Snapshot, facts: &Facts) -> (Vec<LeftOut>, bool) {
    let (taken, mut left) = admitted((archive, facts), (archive, facts));
    // They were not archived, which is another matter.
    left.retain(|left| !matches!(archive.get(&left.path), Some(Entry { content: Content::Unread(_), .. })));
    let within = scope::within(archive, facts);
    let is_own = |path: &Path| path.starts_with(catalog::RESCUE_DIR);
    let mut is_altered = left.iter().any(|left| is_own(&left.path) || within.get(&left.path).is_none());
    for (path, entry) in taken.iter() {
        let unwanted = match entry.content {
            Content::File(_) => SET_ID,
            Content::Directory => SET_USER_ID,
            Content::Link(_) | Content::Unread(_) => 0,
        };
        let mode = entry.attributes.mode;
        let is_program = entry.attributes.xattrs.contains_key(OsStr::new(CAPABILITIES));
        if mode & unwanted != 0 || is_program {
            let what = if is_program { "capabilities".to_owned() } else { format!("mode {mode:04o}") };
            let why = format!("{what}: nothing that a file of a node has");
            left.push(LeftOut { path: path.to_owned(), why });
            is_altered = true;
        }
    }
    (left, is_altered)
}

/// An archived entry's attributes without what no file of a node needs, unless the node's file has it: bits of its mode, and
/// capabilities. A private key that the node has lost keeps the mode that its readers had.
pub(super) fn limited(entry: &Entry, there: Option<&Entry>) -> Attributes {
    let unwanted = match entry.content {
        // A link's own mode means nothing on Linux.
        Content::Link(_) => 0,
        Content::Directory => NO_DIRECTORY,
        Content::File(_) if there.is_some_and(|there| is_secret(there) || is_secret(entry)) => NO_KEY,
        Content::File(_) | Content::Unread(_) => NO_FILE,
    };
    let mut attributes = entry.attributes.clone();
    attributes.mode &= !(unwanted & !there.map_or(0, |there| there.attributes.mode));
    let has = |name: &OsStr| there.is_some_and(|there| there.attributes.xattrs.contains_key(name));
    attributes.xattrs.retain(|name, _| name != CAPABILITIES || has(name));
    attributes
}

/// The link above a path, in the archive or, where the archive has nothing, on the node.
fn below_link<'a>(path: &'a Path, archive: &Snapshot, node: &Snapshot) -> Option<&'a Path> {
    let is_link = |above: &&Path| {
        let entry = archive.get(above).or_else(|| node.get(above));
        entry.is_some_and(|entry| matches!(entry.content, Content::Link(_)))
    };
    path.ancestors().skip(1).find(is_link)
}

/// Where this tool reads on every node: the only places of which every content may be restored.
fn is_fixed(path: &Path, node: &Snapshot) -> bool {
    let is_tree = |tree: &Path| {
        path.starts_with(tree) || node.resolve(tree).is_ok_and(|end| path.starts_with(&end.path))
    };
    let is_home =
        path.starts_with(scope::HOMES) && path.ends_with(".kube/config") && path.components().count() == 5;
    is_home
        || scope::TREES.iter().any(|tree| is_tree(Path::new(tree)))
        || scope::FILES.iter().any(|file| path == Path::new(file))
        || scope::units().any(|unit| path.starts_with(unit))
}

/// Where else the node's own files and links say that there is something of it.
fn named_on(node: &Snapshot, facts: &Facts) -> BTreeSet<PathBuf> {
    let named = scope::referred(node, facts).into_iter().chain(scope::configured(facts).map(Path::to_owned));
    let links = node.iter().filter(|(path, entry)| {
        matches!(entry.content, Content::Link(_)) && scope::TREES.iter().any(|tree| path.starts_with(tree))
    });
    let ends = links.filter_map(|(path, _)| Some(node.resolve(path).ok()?.path));
    named.chain(ends).collect()
}

/// What is outside of the fixed places and may be restored all the same: a credential, a static pod, a configuration of
/// the kubelet, or a link to one. A manifest or a unit is restored too, and what it names must not be more than that.
fn is_credential(path: &Path, entry: &Entry, is_named: bool, node: &Snapshot) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let by_name = scope::is_credential(path) || matches!(extension, Some("yaml" | "yml"));
    match &entry.content {
        Content::File(bytes) => (is_named || by_name) && is_of_a_node(bytes),
        Content::Link(_) => {
            let is_on_the_way =
                || scope::TREES.iter().chain(&scope::FILES).any(|fixed| Path::new(fixed).starts_with(path));
            is_named || by_name || (node.get(path).is_none() && is_on_the_way())
        }
        Content::Directory | Content::Unread(_) => false,
    }
}

/// PEM from its first byte, a kubeconfig, a static pod, or a configuration of the kubelet.
fn is_of_a_node(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN ")
        || Kubeconfig::parse(bytes).is_ok()
        || Manifest::parse(bytes).is_ok()
        || KubeletConfiguration::parse(bytes).is_ok_and(|config| config.says_anything())
}
