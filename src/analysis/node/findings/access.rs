//! Components that cannot open what their flags name, as the users that they run as.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Code, Evidence, Finding, Severity, places};
use crate::analysis::node::facts::ManifestFile;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::readers;
use crate::formats::access::{ACL, READ, RunsAs, SEARCH};
use crate::formats::manifest::Manifest;
use crate::state::text::{count, shell_word};
use crate::state::{Attributes, Content, Entry, Snapshot};

pub(super) fn find(snapshot: &Snapshot, inventory: &Inventory) -> Vec<Finding> {
    let manifests = &inventory.facts.manifests;
    let found: Vec<_> = manifests.iter().filter_map(|file| of_pod(snapshot, inventory, file)).collect();
    // A copy that a user made has lost the owners.
    let has_owners = || snapshot.iter().any(|(_, entry)| entry.attributes.uid == 0);
    if found.is_empty() || has_owners() { found } else { Vec::new() }
}

/// One finding for a component, however many files it is about.
fn of_pod(snapshot: &Snapshot, inventory: &Inventory, file: &ManifestFile) -> Option<Finding> {
    let pod = file.pod.as_ref().ok().filter(|pod| pod.runs_as.is_checked())?;
    let mut denied: Vec<_> =
        pod.mounted().filter_map(|(path, mount)| Denied::of(snapshot, pod, &path, mount)).collect();
    let real = |path: &Path| snapshot.resolve(path).ok().map(|resolved| resolved.path);
    let ours: BTreeSet<_> =
        inventory.rows().flat_map(|row| [&row.path, &row.key_path]).filter_map(|path| real(path)).collect();
    denied.sort_by_key(|denied| (!ours.contains(&denied.file), denied.file.clone()));
    denied.dedup_by(|one, other| one.file == other.file);
    let first = denied.first()?;
    // What is never issued here is as the cluster's administrator has left it: told, and no reason to refuse the rest.
    let severity = if ours.contains(&first.file) { Severity::Blocker } else { Severity::Warning };
    let RunsAs { uid, gids, .. } = &pod.runs_as;
    let more = match denied.len() {
        1 => String::new(),
        all => format!("; {}", count(all - 1, "more file")),
    };
    let what = format!("runs as uid {uid} and cannot read {}: {}{more}", first.file.display(), first.why());
    let mut finding = Finding::new(Code::FlagFileDenied, severity, &pod.name, &first.file, what);
    let groups: Vec<_> = gids.iter().map(u32::to_string).collect();
    finding.evidence.push(Evidence::field(
        &file.path,
        "securityContext",
        format!("uid {uid}, groups {}", groups.join(", ")),
    ));
    let of_file = |denied: &Denied| {
        let Attributes { mode, uid, gid, .. } = denied.entry.attributes;
        Evidence::field(&denied.at, "mode and owner", format!("{mode:04o} {uid}:{gid}"))
    };
    finding.evidence.extend(denied.iter().take(MANY).map(of_file));
    let command = first.command(snapshot, inventory, pod);
    finding.remedy.reason = format!("Give it access: sudo {command}. {BEFORE}");
    finding.remedy.command = Some(command);
    Some(finding)
}

const BEFORE: &str = "As which user it ran before is in an archive: kuberescue archive diff ARCHIVE.";

/// So many files are listed as evidence.
const MANY: usize = 20;

struct Denied<'a> {
    /// Free of links.
    file: PathBuf,
    /// The file, or the highest directory above it that cannot be searched.
    at: PathBuf,
    entry: &'a Entry,
}

impl<'a> Denied<'a> {
    /// What the container sees of the node begins at its mount: directories above that don't count.
    fn of(snapshot: &'a Snapshot, pod: &Manifest, path: &Path, mount: &Path) -> Option<Self> {
        let resolved = snapshot.resolve(path).ok()?;
        let entry = resolved.entry.filter(|entry| matches!(entry.content, Content::File(_)))?;
        let top = snapshot.resolve(mount).ok()?.path;
        let above = resolved.path.ancestors().skip(1).take_while(|directory| directory.starts_with(&top));
        let directories = above.filter_map(|directory| Some((directory, snapshot.get(directory)?)));
        let closed = directories.filter(|(_, entry)| !pod.runs_as.may(SEARCH, &entry.attributes)).last();
        let (at, entry) = match closed {
            Some(directory) => directory,
            None if pod.runs_as.may(READ, &entry.attributes) => return None,
            None => (resolved.path.as_path(), entry),
        };
        Some(Self { at: at.to_owned(), entry, file: resolved.path })
    }

    fn why(&self) -> String {
        let Attributes { mode, uid, gid, .. } = self.entry.attributes;
        let at = if self.at == self.file { String::new() } else { format!("{} has ", self.at.display()) };
        format!("{at}mode {mode:04o} and owner {uid}:{gid}")
    }

    /// What lets this component in and keeps nobody else out. The files in a directory keep modes of their own.
    fn command(&self, snapshot: &Snapshot, inventory: &Inventory, pod: &Manifest) -> String {
        let (at, uid) = (shell_word(&self.at.display().to_string()), pod.runs_as.uid);
        let bit = if self.at == self.file { 'r' } else { 'x' };
        let is_alone = || readers::of(snapshot, inventory, &self.at).all(|other| other.name == pod.name);
        if self.entry.attributes.xattrs.keys().any(|name| name == ACL) {
            format!("setfacl -m u:{uid}:{bit} {at}")
        } else if uid == self.entry.attributes.uid {
            format!("chmod u+{bit} {at}")
        } else if !places::is_secret(self.entry) {
            format!("chmod a+{bit} {at}")
        } else if is_alone() {
            format!("chown {uid} {at}")
        } else {
            format!("setfacl -m u:{uid}:{bit} {at}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Entry;

    const CERTIFICATE: &str = "/srv/k/etcd/server.crt";
    const ETCD: &str = "/etc/kubernetes/manifests/etcd.yaml";

    fn entry(content: Content, mode: u32, (uid, gid): (u32, u32)) -> Entry {
        Entry { content, attributes: Attributes { mode, uid, gid, ..Attributes::default() } }
    }

    /// etcd with this `securityContext`, whose `/k` is the node's `/srv/k`.
    fn node(context: &str) -> Snapshot {
        let text = |text: &str| Content::File(text.as_bytes().to_vec().into());
        let pod = format!(
            "kind: Pod\nmetadata: {{name: etcd}}\nspec:\n  securityContext: {{{context}}}\n  containers:\n  - command: [etcd, --cert-file=/k/etcd/server.crt, --key-file=/k/etcd/server.key, --data-dir=/k/etcd, --trusted-ca-file=/own/ca.crt]\n    volumeMounts: [{{name: k, mountPath: /k}}]\n  volumes: [{{name: k, hostPath: {{path: /srv/k}}}}]\n"
        );
        let entries = [
            (ETCD, entry(text(&pod), 0o600, (0, 0))),
            ("/srv", entry(Content::Directory, 0o700, (0, 0))),
            ("/srv/k", entry(Content::Directory, 0o755, (0, 0))),
            ("/srv/k/etcd", entry(Content::Directory, 0o755, (0, 0))),
            (CERTIFICATE, entry(text("no key"), 0o644, (0, 0))),
            ("/srv/k/etcd/server.key", entry(text("no key"), 0o640, (0, 2000))),
            ("/own/ca.crt", entry(text("not what the container reads"), 0o600, (0, 0))),
        ];
        entries.into_iter().map(|(path, entry)| (PathBuf::from(path), entry)).collect()
    }

    fn told(snapshot: &Snapshot) -> Option<(String, String)> {
        let mut found = find(snapshot, &Inventory::read(snapshot, None));
        assert!(found.len() < 2, "{found:?}");
        found.pop().map(|finding| (finding.what, finding.remedy.command.unwrap_or_default()))
    }

    #[test]
    fn what_a_component_cannot_open_is_told() {
        let chmod = |path: &str, mode: u32| {
            let mut node = node("runAsUser: 2379, runAsGroup: 2000");
            let mut entry = node.get(Path::new(path)).unwrap().clone();
            entry.attributes.mode = mode;
            node.insert(path, entry);
            told(&node).unwrap()
        };
        let (what, command) = chmod(CERTIFICATE, 0o600);
        assert_eq!(what, "runs as uid 2379 and cannot read /srv/k/etcd/server.crt: mode 0600 and owner 0:0");
        assert_eq!(command, "chmod a+r /srv/k/etcd/server.crt");
        let (what, command) = chmod("/srv/k", 0o700);
        assert_eq!(
            what,
            "runs as uid 2379 and cannot read /srv/k/etcd/server.crt: /srv/k has mode 0700 and owner 0:0; 1 more file"
        );
        assert_eq!(command, "chmod a+x /srv/k");
    }

    /// The default is root, which reads everything; the groups and owners of files count for all others.
    #[test]
    fn what_a_component_can_open_is_not() {
        for (context, reads) in [
            ("", true),
            ("runAsUser: 0, runAsGroup: 7", true),
            ("runAsUser: 2379, runAsGroup: 2000", true),
            ("runAsUser: 2379, fsGroup: 2000", true),
            ("runAsUser: 2379, supplementalGroups: [1, 2000]", true),
            ("runAsUser: 2379, runAsGroup: 2001", false),
        ] {
            assert_eq!(told(&node(context)).is_none(), reads, "{context}");
        }
    }

    #[test]
    fn a_copy_without_owners_tells_nothing() {
        let node = node("runAsUser: 2379");
        let copy = node.iter().map(|(path, entry)| {
            let mut entry = entry.clone();
            entry.attributes.uid = 1000;
            (path.to_owned(), entry)
        });
        assert_eq!(told(&copy.collect()), None);
    }
}
