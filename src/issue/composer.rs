//! The files of a change: what is written where, with which owner and mode.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::IssueError;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{Step, StoreAction, StoreChange, Target};
use crate::analysis::node::readers;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::formats::kubeconfig::{self, Credential, Kubeconfig, NewKubeconfig};
use crate::formats::pem;
use crate::state::catalog::Ca;
use crate::state::{Attributes, Bytes, ChangeSet, Content, Entry, Snapshot};

/// Mode of a new certificate file, as kubeadm's.
const CERTIFICATE_MODE: u32 = 0o644;
/// Mode of a new file with a private key.
const KEY_MODE: u32 = 0o600;
/// The extended attribute with the SELinux label. A new file would get its directory's.
const LABEL: &str = "security.selinux";

/// The file of the cluster's CA: with the old one while that is replaced, with the chain of an intermediate one.
pub(super) fn authority_pem(inventory: &Inventory) -> Option<String> {
    let row = inventory.authority(Ca::Cluster).filter(|row| !row.bundle.is_empty())?;
    Some(row.bundle.iter().map(Certificate::to_pem).collect())
}

pub(super) struct Composer<'a> {
    snapshot: &'a Snapshot,
    inventory: &'a Inventory,
    pub(super) changes: ChangeSet,
}

impl<'a> Composer<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, inventory: &'a Inventory) -> Self {
        Self { snapshot, inventory, changes: ChangeSet::default() }
    }
}

impl Composer<'_> {
    /// Puts a file without a key of its own, with the mode of the old one.
    pub(super) fn put_certificates(&mut self, path: &Path, bytes: Bytes) {
        self.put_file(path, bytes, CERTIFICATE_MODE);
    }

    /// Puts a key in a file of its own.
    pub(super) fn put_new_key(&mut self, path: &Path, key: &PrivateKey) {
        self.put_key(path, path, wiped(&key.to_pem()));
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.changes.put(path, self.snapshot.get(path).cloned(), None);
    }

    /// Composes the files of one step. `own` is the CA that was created for it, and is added.
    pub(super) fn place(
        &mut self,
        step: &Step,
        certificate: &Certificate,
        own: Option<&Certificate>,
        key: &PrivateKey,
    ) -> Result<(), IssueError> {
        match &step.target {
            Target::Pair { certificate: path, key: key_path } => {
                let text = match own {
                    Some(own) => [certificate.to_pem(), own.to_pem()].concat(),
                    None => with_the_rest_of(
                        self.snapshot.file(path).map_or(&[], |old| old.as_ref()),
                        certificate,
                    ),
                };
                if path == key_path {
                    // One file for both.
                    let both = Zeroizing::new([text.as_str(), key.to_pem().as_str()].concat());
                    self.put_key(path, path, wiped(&both));
                    return Ok(());
                }
                self.put_file(path, text.into_bytes().into(), CERTIFICATE_MODE);
                if !step.key.reuse {
                    self.put_key(key_path, key_path, wiped(&key.to_pem()));
                }
            }
            Target::Splice { file, authority, context } => {
                let Some(Entry { content: Content::File(old), .. }) = self.snapshot.get(file) else {
                    return Err(IssueError::Vanished {
                        name: step.name.clone(),
                        what: "its kubeconfig".to_owned(),
                    });
                };
                let config = Kubeconfig::context_of(old, context.as_deref())?;
                let authority = if *authority { Some(self.authority_pem(&step.name)?) } else { None };
                let old_pem: &[u8] = match &config.credential {
                    Credential::Embedded(old) => old.certificate_pem(),
                    _ => &[],
                };
                let (pem, key) = (with_the_rest_of(old_pem, certificate), key.to_pem());
                let new = config.splice(
                    old,
                    pem.as_bytes(),
                    key.as_bytes(),
                    authority.as_deref().map(str::as_bytes),
                )?;
                self.put_key(file, file, new.into());
            }
            Target::NewKubeconfig { file, server, cluster } => {
                let (authority, pem, key) =
                    (self.authority_pem(&step.name)?, certificate.to_pem(), key.to_pem());
                let new = NewKubeconfig {
                    cluster,
                    user: certificate.common_name(),
                    server,
                    authority_pem: authority.as_bytes(),
                    certificate_pem: pem.as_bytes(),
                    key_pem: key.as_bytes(),
                };
                self.put_key(file, file, wiped(&kubeconfig::render(&new)));
            }
            Target::KubeletPem { link, file } => {
                let text = Zeroizing::new([certificate.to_pem().as_str(), key.to_pem().as_str()].concat());
                let directory = link.parent().unwrap_or(Path::new("/"));
                let real = directory.join(file.file_name().unwrap_or_default());
                self.put_key(&real, link, wiped(&text));
                self.put_link(link, file);
            }
        }
        Ok(())
    }

    fn authority_pem(&self, name: &str) -> Result<String, IssueError> {
        let vanished = || IssueError::Vanished { name: name.to_owned(), what: "the cluster's CA".to_owned() };
        authority_pem(self.inventory).ok_or_else(vanished)
    }

    /// Replaces the CA in a kubeconfig, and nothing else.
    pub(super) fn trust(&mut self, file: &Path) -> Result<(), IssueError> {
        let vanished =
            || IssueError::Vanished { name: "kubelet.conf".to_owned(), what: "its file".to_owned() };
        let old = self.snapshot.file(file).ok_or_else(vanished)?;
        let authority = self.authority_pem("kubelet.conf")?;
        let new = Kubeconfig::of(old)?.splice_authority(old, authority.as_bytes())?;
        self.put_file(file, new.into(), KEY_MODE);
        Ok(())
    }

    /// Links and removes what is in the kubelet's store.
    pub(super) fn store(&mut self, change: &StoreChange) -> Result<(), IssueError> {
        match &change.action {
            StoreAction::Link { link, file, from, .. } => {
                if let Some(from) = from {
                    let what = "what is to be its certificate".to_owned();
                    let vanished = || IssueError::Vanished { name: change.name.clone(), what };
                    let mut bytes = self.snapshot.file(from).cloned().ok_or_else(vanished)?;
                    if let Ok(Credential::Embedded(pair)) =
                        Kubeconfig::of(&bytes).as_ref().map(|config| &config.credential)
                    {
                        let both = [&**pair.certificate_pem(), &**pair.key_pem()].concat();
                        bytes = Zeroizing::new(both).into();
                    }
                    let directory = link.parent().unwrap_or(Path::new("/"));
                    self.put_key(&directory.join(file.file_name().unwrap_or_default()), from, bytes);
                }
                self.put_link(link, file);
            }
            StoreAction::Refer { kubeconfig, link } => {
                let vanished =
                    || IssueError::Vanished { name: "kubelet.conf".to_owned(), what: "its file".to_owned() };
                // Its CA may have been replaced before.
                let changed = self.changes.get(kubeconfig).and_then(|change| change.after.as_ref());
                let entry = changed.or_else(|| self.snapshot.get(kubeconfig)).map(|entry| &entry.content);
                let Some(Content::File(bytes)) = entry else { return Err(vanished()) };
                let new = Kubeconfig::parse(bytes)?.refer_to(bytes, &link.display().to_string())?;
                self.put_file(kubeconfig, new.into(), KEY_MODE);
            }
            StoreAction::Remove { path, .. } => {
                self.changes.put(path, self.snapshot.get(path).cloned(), None);
            }
        }
        Ok(())
    }

    fn put_file(&mut self, path: &Path, bytes: Bytes, mode: u32) {
        let attributes = self.attributes(path, self.read(path), mode);
        self.put(path, Entry { content: Content::File(bytes), attributes });
    }

    /// The old mode, as far as its readers need it. A new file belongs to its reader, and has the label of its
    /// predecessor.
    fn put_key(&mut self, path: &Path, predecessor: &Path, bytes: Bytes) {
        let kept = self.read(path);
        let mut attributes = self.attributes(path, kept, KEY_MODE);
        if kept.is_none() {
            if let Some(owner) = readers::owner(self.snapshot, self.inventory, path) {
                (attributes.uid, attributes.gid) = owner;
            }
            let old = self.snapshot.target(predecessor);
            let label = old.and_then(|entry| entry.attributes.xattrs.get_key_value(OsStr::new(LABEL)));
            attributes.xattrs.extend(label.map(|(name, value)| (name.clone(), value.clone())));
        }
        attributes.mode &= readers::mask(self.snapshot, self.inventory, path, &attributes);
        self.put(path, Entry { content: Content::File(bytes), attributes });
    }

    /// The mode of an unread entry is not reliable.
    fn read(&self, path: &Path) -> Option<&Entry> {
        self.snapshot.get(path).filter(|entry| matches!(entry.content, Content::File(_)))
    }

    fn put_link(&mut self, path: &Path, target: &Path) {
        let kept = self.snapshot.get(path).filter(|entry| matches!(entry.content, Content::Link(_)));
        let attributes = self.attributes(path, kept, 0o777);
        self.put(path, Entry { content: Content::Link(target.to_owned()), attributes });
    }

    /// Mode, owner and labels of the replaced file; for a new file, the owner of its directory.
    fn attributes(&self, path: &Path, kept: Option<&Entry>, mode: u32) -> Attributes {
        let mut attributes = match kept {
            Some(entry) => entry.attributes.clone(),
            None => {
                let directory = path.parent().and_then(|directory| self.snapshot.get(directory));
                let owner =
                    directory.map(|entry| (entry.attributes.uid, entry.attributes.gid)).unwrap_or_default();
                Attributes { mode, uid: owner.0, gid: owner.1, ..Attributes::default() }
            }
        };
        // Changed now, whatever the old file's time.
        attributes.mtime = jiff::Timestamp::UNIX_EPOCH;
        attributes
    }

    fn put(&mut self, path: &Path, entry: Entry) {
        if let Some(directory) = path.parent().filter(|directory| self.snapshot.get(directory).is_none()) {
            let directory: PathBuf = directory.to_owned();
            let attributes = Attributes { mode: 0o755, ..Attributes::default() };
            self.changes.put(directory, None, Some(Entry { content: Content::Directory, attributes }));
        }
        self.changes.put(path, self.snapshot.get(path).cloned(), Some(entry));
    }
}

/// Certificates that follow the leaf certificate, its chain, are kept: kubeadm drops them silently.
fn with_the_rest_of(old: &[u8], leaf: &Certificate) -> String {
    let mut text = leaf.to_pem();
    for der in pem::certificates(old).unwrap_or_default().iter().skip(1) {
        text.push_str(&pem::encode(pem::Label::Certificate, der));
    }
    text
}

fn wiped(text: &str) -> Bytes {
    text.as_bytes().to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::change_set;

    const PODS: &str = "/etc/kubernetes/manifests";

    fn file(text: &str, mode: u32, (uid, gid): (u32, u32), label: Option<&str>) -> Entry {
        let xattrs = label.map(|label| (LABEL.into(), label.as_bytes().to_vec())).into_iter().collect();
        let attributes = Attributes { mode, uid, gid, xattrs, ..Attributes::default() };
        Entry { content: Content::File(text.as_bytes().to_vec().into()), attributes }
    }

    /// What a key that is put at `path` has for attributes.
    fn put(entries: &[(&str, Entry)], path: &str, predecessor: &str) -> Attributes {
        let snapshot: Snapshot =
            entries.iter().map(|(path, entry)| (PathBuf::from(path), entry.clone())).collect();
        let inventory = Inventory::read(&snapshot, None);
        let mut composer = Composer::new(&snapshot, &inventory);
        composer.put_key(Path::new(path), Path::new(predecessor), Vec::new().into());
        composer
            .changes
            .iter()
            .find(|change| change.path == Path::new(path))
            .unwrap()
            .after
            .clone()
            .unwrap()
            .attributes
    }

    #[test]
    fn a_new_file_has_the_label_of_its_predecessor() {
        let pki = "/var/lib/kubelet/pki";
        let (link, old, new) =
            (format!("{pki}/kubelet-client-current.pem"), format!("{pki}/old.pem"), format!("{pki}/new.pem"));
        let label = "system_u:object_r:kubelet_var_lib_t:s0";
        let mut predecessor = file("", 0o640, (7, 8), Some(label));
        predecessor.attributes.xattrs.insert("user.comment".into(), b"old".to_vec());
        let target = Entry { content: Content::Link("old.pem".into()), attributes: Attributes::default() };
        let entries = [(link.as_str(), target), (old.as_str(), predecessor)];
        let attributes = put(&entries, &new, &link);
        assert_eq!(attributes.xattrs, [(LABEL.into(), label.as_bytes().to_vec())].into());
        assert_eq!((attributes.mode, attributes.uid, attributes.gid), (0o600, 0, 0));
        // A file that is replaced keeps its own.
        let both = put(&[(&old, file("", 0o640, (7, 8), Some("own")))], &old, &link);
        assert_eq!(both.xattrs, [(LABEL.into(), b"own".to_vec())].into());
        assert_eq!((both.mode, both.uid, both.gid), (0o600, 7, 8));
    }

    #[test]
    fn a_new_file_belongs_to_its_only_reader() {
        let pod = |name: &str, uid: u32| {
            let text = format!(
                "kind: Pod\nmetadata: {{name: {name}}}\nspec:\n  securityContext: {{runAsUser: {uid}, runAsGroup: 5}}\n  containers: [{{command: [x, --key-file=/k/x.key]}}]\n"
            );
            (format!("{PODS}/{name}.yaml"), file(&text, 0o600, (0, 0), None))
        };
        let owner = |pods: &[(&str, u32)]| {
            let pods: Vec<_> = pods.iter().map(|(name, uid)| pod(name, *uid)).collect();
            let entries: Vec<_> = pods.iter().map(|(path, entry)| (path.as_str(), entry.clone())).collect();
            let made = put(&entries, "/k/x.key", "/k/x.key");
            (made.mode, made.uid, made.gid)
        };
        assert_eq!(owner(&[("etcd", 2379)]), (0o600, 2379, 5));
        assert_eq!(owner(&[("etcd", 2379), ("kube-apiserver", 0)]), (0o600, 2379, 5));
        assert_eq!(owner(&[("etcd", 2379), ("kube-apiserver", 2379)]), (0o600, 2379, 5));
        assert_eq!(owner(&[("etcd", 2379), ("kube-apiserver", 7)]), (0o600, 0, 0));
        assert_eq!(owner(&[("etcd", 0)]), (0o600, 0, 0));
    }

    #[test]
    fn a_new_file_belongs_to_the_owner_of_its_directory() {
        let directory = Entry {
            content: Content::Directory,
            attributes: Attributes { uid: 7, gid: 8, ..Attributes::default() },
        };
        let made = put(&[("/k", directory)], "/k/x.key", "/k/x.key");
        assert_eq!((made.mode, made.uid, made.gid), (0o600, 7, 8));
    }

    #[test]
    fn a_directory_that_is_missing_is_made() {
        let (snapshot, changes) = (Snapshot::default(), ChangeSet::default());
        let inventory = Inventory::read(&snapshot, None);
        let mut composer = Composer { snapshot: &snapshot, inventory: &inventory, changes };
        composer.put_file(Path::new("/k/x.crt"), Vec::new().into(), CERTIFICATE_MODE);
        let made: Vec<_> = composer.changes.iter().map(|change| change.after.clone().unwrap()).collect();
        assert_eq!(made[0].content, Content::Directory);
        assert_eq!([made[0].attributes.mode, made[1].attributes.mode], [0o755, CERTIFICATE_MODE]);
    }

    /// An intermediate CA's certificate behind the leaf certificate, in a file and in a kubeconfig.
    #[test]
    fn the_chain_behind_a_leaf_certificate_stays() {
        use crate::analysis::node::findings::{Node, findings};
        use crate::analysis::node::host_state::HostState;
        use crate::analysis::node::plan::{Options, decide};
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;

        let made = rcgen::CertificateParams::default().self_signed(&rcgen::KeyPair::generate().unwrap());
        let chain = pem::encode(pem::Label::Certificate, made.unwrap().der()).to_string();
        let data = "client-certificate-data: ";
        let embedded = |config: &str| {
            let line = config.lines().find_map(|line| line.trim().strip_prefix(data)).unwrap();
            (line.to_owned(), String::from_utf8(STANDARD.decode(line).unwrap()).unwrap())
        };
        let snapshot = crate::analysis::node::tree::tree("ecdsa-p256", |path, text| {
            Some(match path {
                "/etc/kubernetes/pki/apiserver.crt" => text + &chain,
                "/etc/kubernetes/admin.conf" => {
                    let (old, pem) = embedded(&text);
                    text.replace(&old, &STANDARD.encode(pem + &chain))
                }
                _ => text,
            })
        });
        let inventory = Inventory::read(&snapshot, None);
        let (around, now) = (HostState::default(), "2028-01-01T00:00:00Z".parse().unwrap());
        let found = findings(Node { snapshot: &snapshot, inventory: &inventory, around: &around }, now);
        let plan = decide(&snapshot, &inventory, &found, &Options::recovery(), now);
        let after = snapshot.with(&change_set(&snapshot, &inventory, &plan).unwrap());
        let text = |path: &str| String::from_utf8(after.file(Path::new(path)).unwrap().to_vec()).unwrap();
        let (_, admin) = embedded(&text("/etc/kubernetes/admin.conf"));
        for pem in [text("/etc/kubernetes/pki/apiserver.crt"), admin] {
            let certificates = pem::certificates(pem.as_bytes()).unwrap();
            let leaf = Certificate::from_der(certificates[0].to_vec()).unwrap();
            assert_eq!(
                (certificates.len(), leaf.not_after.to_string().as_str()),
                (2, "2028-12-31T00:00:00Z")
            );
            assert!(pem.ends_with(&chain));
        }
        let (_, scheduler) = embedded(&text("/etc/kubernetes/scheduler.conf"));
        assert_eq!(pem::certificates(scheduler.as_bytes()).unwrap().len(), 1);
    }
}
