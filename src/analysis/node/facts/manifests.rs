//! The manifests of static pods, as the kubelet takes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Reader;
use crate::formats::manifest::Manifest;
use crate::state::{Content, Unread};

#[derive(Clone, Debug)]
pub struct ManifestFile {
    pub path: PathBuf,
    /// The static pod, or why the file is none.
    pub pod: Result<Arc<Manifest>, String>,
    /// Whether the kubelet keeps the pod of a later file, which has the same name and namespace.
    pub replaced: bool,
}

impl ManifestFile {
    /// The static pod that the kubelet runs from it.
    pub(super) fn running(&self) -> Option<(&Path, &Manifest)> {
        let pod = self.pod.as_ref().ok().filter(|_| !self.replaced)?;
        Some((&self.path, pod))
    }
}

impl Reader<'_> {
    pub(super) fn manifests(&self, directory: &Path) -> Vec<ManifestFile> {
        let mut found = Vec::new();
        for (path, _) in self.snapshot.children(directory) {
            // The kubelet skips dot-files (pkg/kubelet/config/file_linux.go).
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let entry = self.snapshot.target(path).filter(|_| !hidden);
            let pod = match entry.map(|entry| &entry.content) {
                Some(Content::File(bytes)) => Manifest::of(bytes),
                // It is a file, and what is in it isn't known.
                Some(Content::Unread(
                    why @ (Unread::Failed(_) | Unread::Denied | Unread::TooLarge { .. }),
                )) => Err(format!("cannot read it: {why}")),
                _ => continue,
            };
            found.push(ManifestFile { path: path.to_owned(), pod, replaced: false });
        }
        // Put into a store by namespace and name in the byte order of their files, the last one stays
        // (kubernetes `pkg/kubelet/config/file.go` extractFromDir, replaceStore).
        let mut known = BTreeSet::new();
        for ManifestFile { pod, replaced, .. } in found.iter_mut().rev() {
            let Ok(pod) = pod else { continue };
            *replaced = !known.insert((&pod.namespace, &pod.name));
        }
        found
    }
}
