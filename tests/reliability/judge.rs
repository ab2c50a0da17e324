//! What must be true of a node after a crash and what brings it out of it: all old or all new, and nothing left over.

use std::path::{Path, PathBuf};

use super::common::{Run, kuberescue, run};
use super::tree::{OWN, Tree};

/// Which of the two whole states a node is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Old,
    New,
}

/// The new state.
#[derive(Clone)]
pub enum New {
    /// To the byte.
    Exactly(Tree),
    /// As after this run of the same command, but for content that is new each time: of that the record of
    /// the change holds the digests.
    Like(Tree),
}

/// The states between which a change goes.
#[derive(Clone)]
pub struct Judge {
    pub old: Tree,
    pub new: New,
    /// The time for which the new certificates are judged.
    pub now: String,
}

impl Judge {
    /// The change that was done last before the judged command.
    pub fn before(&self) -> Option<String> {
        let journal: serde_json::Value = serde_json::from_slice(self.old.own("last.json")?).unwrap();
        journal["id"].as_str().map(str::to_owned)
    }

    /// Which state this is, or why it is neither.
    pub fn end(&self, tree: &Tree) -> Result<End, String> {
        let from_old = self.old.differences(tree);
        if from_old.is_empty() {
            return Ok(End::Old);
        }
        let from_new = match &self.new {
            New::Exactly(new) => new.differences(tree),
            New::Like(reference) => self.unlike(reference, tree)?,
        };
        if from_new.is_empty() {
            return Ok(End::New);
        }
        Err(format!("MIXED: not old: {from_old:?}; not new: {from_new:?}"))
    }

    /// Whether what changed is exactly what the record of the last change says: a change that is whole, though
    /// another than the one that was meant.
    pub fn is_whole_by_its_record(&self, tree: &Tree) -> bool {
        let Ok(recorded) = recorded(tree) else { return false };
        let changed = self.old.differences(tree);
        let on_record = |path: &PathBuf| recorded.iter().any(|(at, _)| at == path);
        let right = |(path, digest): &(PathBuf, Option<String>)| {
            let now = tree.0.get(path).map(|entry| sha256(entry.bytes()));
            digest.is_none() || now == *digest
        };
        changed.iter().all(on_record) && recorded.iter().all(right)
    }

    /// Whether old and new are the same.
    pub fn is_one_state(&self) -> bool {
        matches!(&self.new, New::Exactly(new) if self.old.differences(new).is_empty())
    }

    fn unlike(&self, reference: &Tree, tree: &Tree) -> Result<Vec<PathBuf>, String> {
        let changed = self.old.differences(reference);
        let recorded = recorded(tree)?;
        let mut wrong = self.old.differences(tree);
        wrong.retain(|path| !changed.contains(path));
        for path in changed {
            let record = recorded.iter().find(|(at, _)| *at == path).and_then(|(_, after)| after.clone());
            let right = match (reference.0.get(&path), tree.0.get(&path)) {
                (Some(wanted), Some(found)) => {
                    let digest = sha256(found.bytes());
                    let same_bytes = wanted.content == found.content;
                    found.has_attributes_of(wanted)
                        && (record.as_ref() == Some(&digest) || (same_bytes && record.is_none()))
                }
                (wanted, found) => wanted.is_none() && found.is_none(),
            };
            if !right {
                wrong.push(path);
            }
        }
        Ok(wrong)
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The paths and new digests that the last completed change has on record; no digest for what is no file.
fn recorded(tree: &Tree) -> Result<Vec<(PathBuf, Option<String>)>, String> {
    let bytes = tree.own("last.json").ok_or("MIXED: changed, and no change is on record")?;
    let journal: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let changes = journal["changes"].as_array().ok_or("no changes in the record")?;
    let paths = changes.iter().filter_map(|change| {
        let path = change["path"].as_str()?.trim_start_matches('/').into();
        Some((path, change["after"]["sha256"].as_str().map(str::to_owned)))
    });
    Ok(paths.collect())
}

/// Puts the keys of CAs back that are kept elsewhere ([`super::common::Node::sign_elsewhere`]), so that the node is judged and
/// renewed like any other.
pub fn bring_keys_back(root: &Path) {
    for ca in ["ca", "etcd/ca"] {
        let kept = root.join(format!("elsewhere/{ca}.key"));
        if kept.exists() {
            std::fs::copy(kept, root.join(format!("etc/kubernetes/pki/{ca}.key"))).unwrap();
        }
    }
}

/// Runs the program without a tracer.
pub fn told(root: &Path, arguments: &str) -> Run {
    let mut command = kuberescue();
    command.args(arguments.split_whitespace()).arg("--root").arg(root);
    run(command)
}

/// What is wrong with a node, besides a CA that is being replaced and still trusted.
pub fn complaint(root: &Path, now: &str) -> Option<Run> {
    let told_of = told(root, &format!("certs check-expiration --at {now}"));
    let diagnosed = told(root, &format!("diagnose -o json --at {now}"));
    let is_known = |finding: &serde_json::Value| {
        finding["severity"] == "note" || finding["code"] == "ca-replacement-unfinished"
    };
    let is_well = || diagnosed.json()["findings"].as_array().is_some_and(|all| all.iter().all(is_known));
    (told_of.code != 0 && !is_well()).then_some(told_of)
}

/// What is there and shouldn't be.
pub fn leftovers(tree: &Tree) -> Vec<String> {
    let fine = |name: &str| {
        ["lock", "last.json", "history.jsonl", "csr.json"].contains(&name)
            || [".tar.gz", ".txt"].iter().any(|end| name.ends_with(end)) && !name.starts_with('.')
            || name.starts_with("history-")
    };
    let own = tree.own_names().into_iter().filter(|name| !fine(name));
    let staged = tree.0.keys().filter(|path| !path.starts_with(OWN)).map(|path| path.display().to_string());
    own.chain(staged.filter(|path| path.contains(".kuberescue-"))).collect()
}

impl Judge {
    /// Files with a private key that others than their owner may read, although neither the old nor the new tree
    /// has such a file there.
    pub fn exposed(&self, tree: &Tree) -> Vec<String> {
        let (New::Exactly(new) | New::Like(new)) = &self.new;
        let exposed = tree.0.iter().filter(|(path, entry)| {
            let target = target(path);
            let mut whole = [&self.old, new].into_iter().filter_map(|tree| tree.0.get(&target));
            entry.mode & 0o077 != 0
                && holds_key(path, entry.bytes())
                && !whole.any(|whole| whole.mode == entry.mode)
        });
        exposed.map(|(path, entry)| format!("{} has mode {:o}", path.display(), entry.mode)).collect()
    }
}

/// The file for which this one is staged; the path itself where it is not.
fn target(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.strip_prefix('.').and_then(|name| name.split_once(".kuberescue-")) {
        Some((name, _)) => path.with_file_name(name),
        None => path.to_owned(),
    }
}

fn holds_key(path: &Path, bytes: &[u8]) -> bool {
    let has = |what: &[u8]| bytes.windows(what.len()).any(|part| part == what);
    let name = path.to_string_lossy();
    // An archive is compressed: its name says that it holds keys.
    let archive = name.ends_with(".tar.gz") || name.ends_with(".partial");
    archive || has(b"PRIVATE KEY-----") || has(b"client-key-data")
}
