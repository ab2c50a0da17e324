//! The certificate that kube-controller-manager signs with, while the file of the CA is a bundle: its signer takes a file with
//! exactly one certificate (kubernetes `pkg/controller/certificates/signer/ca_provider.go`), and stops the process otherwise.

use std::path::{Path, PathBuf};

use super::decide::Decision;
use super::replace::{impossible, refused};
use super::{Refusal, Signing, SigningFlag, with_flags};
use crate::analysis::node::findings::Finding;
use crate::analysis::node::inventory::CaRow;
use crate::analysis::node::references;
use crate::state::catalog::Ca;
use crate::state::{Code, Component};

/// The new CA alone, beside `ca.crt`, while that is a bundle.
const SIGNING_FILE: &str = "ca-signing.crt";

impl Decision<'_> {
    /// A file of its own for the certificate that kube-controller-manager signs with, where it has a bundle and cannot start.
    pub(super) fn signing_repair(&self) -> Option<Signing> {
        let is_found = self.findings.iter().any(|finding| finding.code == Code::SigningCaBundle);
        let row = self.inventory.authority(Ca::Cluster).filter(|_| is_found && self.options.whole_node)?;
        let own = row.certificate.get().zip(row.key.get()).filter(|(own, key)| own.is_of(key));
        own.and_then(|_| self.signing(row, &[]).ok()).filter(|signing| signing.manifest.is_some())
    }

    /// The files with the certificate that kube-controller-manager signs with, while `files` become bundles.
    pub(super) fn signing(&self, row: &CaRow, files: &[PathBuf]) -> Result<Signing, Refusal> {
        let mut signing = Signing::default();
        let Some((path, pod)) = self.inventory.facts.pod(Component::ControllerManager) else {
            return self.without_manifest(row);
        };
        for name in references::SIGNING_FLAGS {
            let Some(value) = pod.flag(name) else { continue };
            let host = pod.host(value);
            let resolved = self.resolved(&host).map_err(|why| impossible(row, why))?;
            if !references::is_same(self.snapshot, &host, &row.certificate_path) {
                if files.contains(&resolved) && !signing.alone.contains(&resolved) {
                    signing.alone.push(resolved);
                }
                continue;
            }
            let file = resolved.with_file_name(SIGNING_FILE);
            let value = Path::new(value).with_file_name(SIGNING_FILE);
            // What is not below a mount is the container's own, whatever the node has there.
            let seen = pod.on_host(&Path::new("/").join(&value));
            let is_seen = seen.is_some_and(|seen| self.resolved(&seen).is_ok_and(|seen| seen == file));
            let value = value.display().to_string();
            if !is_seen {
                let why = format!("--{name} in {} names a file that is mounted alone", path.display());
                let hint =
                    format!("mount its directory instead in {}, then run this command again", path.display());
                return Err(refused(row, Code::NotReplaceable, why, hint));
            }
            signing.flags.push(SigningFlag { name, value });
            if !signing.alone.contains(&file) {
                signing.alone.push(file);
            }
        }
        self.with_manifest(row, path, signing)
    }

    /// Refuses where the controller manager should be here and its flags are not known: with a bundle it could not start.
    fn without_manifest(&self, row: &CaRow) -> Result<Signing, Refusal> {
        let is_unknown = |finding: &&Finding| {
            matches!(finding.code, Code::ManifestMissing | Code::ManifestUnreadable)
                && finding.subject == Component::ControllerManager.into()
                && !self.options.accept.contains(&finding.code)
        };
        let unknown = self.findings.iter().find(is_unknown);
        match unknown.filter(|_| row.authority == Ca::Cluster) {
            None => Ok(Signing::default()),
            Some(Finding { code, what, .. }) => {
                let why = format!("which file kube-controller-manager signs with is not known: {what}");
                let hint = format!(
                    "first: sudo kuberescue explain {code}; if it does not run on this node: --accept {code}"
                );
                Err(refused(row, *code, why, hint))
            }
        }
    }

    /// The same with the manifest, if its flags can be replaced in place.
    fn with_manifest(&self, row: &CaRow, path: &Path, mut signing: Signing) -> Result<Signing, Refusal> {
        if signing.flags.is_empty() {
            return Ok(signing);
        }
        let resolved = self.resolved(path).map_err(|why| impossible(row, why))?;
        if with_flags(self.snapshot, &resolved, &signing.flags).is_none() {
            let names: Vec<_> = signing.flags.iter().map(|flag| format!("--{}", flag.name)).collect();
            let why = format!("{} in {} cannot be replaced in place", names.join(", "), path.display());
            let hint = format!(
                "write each as one word on a line of its own (- --{}=FILE) in {}",
                signing.flags.first().map_or("", |flag| flag.name),
                path.display()
            );
            return Err(refused(row, Code::NotReplaceable, why, hint));
        }
        signing.manifest = Some(resolved);
        Ok(signing)
    }

    /// The flags that go back to `ca.crt`, and the file that they named meanwhile.
    pub(super) fn signing_again(&self, row: &CaRow) -> Result<Signing, Refusal> {
        let mut signing = Signing::default();
        let Some((path, pod)) = self.inventory.facts.pod(Component::ControllerManager) else {
            return self.without_manifest(row);
        };
        let name = row.certificate_path.file_name().unwrap_or_default();
        let file = row.certificate_path.with_file_name(SIGNING_FILE);
        for flag in references::SIGNING_FLAGS {
            let Some(value) = pod.flag(flag) else { continue };
            if references::is_same(self.snapshot, &pod.host(value), &file) {
                let value = Path::new(value).with_file_name(name).display().to_string();
                signing.flags.push(SigningFlag { name: flag, value });
            }
        }
        if !signing.flags.is_empty() {
            signing.removed = Some(self.resolved(&file).map_err(|why| impossible(row, why))?);
        }
        self.with_manifest(row, path, signing)
    }
}
