//! Bundles for other nodes: what is made, and what is put in place.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::comparison::restore_lines;
use super::sanitise::line;
use crate::analysis::forensics::restore::RestorePlan;
use crate::analysis::node::facts::Fact;
use crate::state::Finding;
use crate::state::text::{self, count};
use crate::state::time::{minute, span};

/// For what kind of node a bundle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    ControlPlane,
    Worker,
}

/// Who can decrypt a bundle.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptedTo {
    Passphrase,
    /// Public keys of age.
    Recipients(Vec<String>),
}

/// The document `Bundle`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// Nothing was issued or written.
    pub dry_run: bool,
    pub node: String,
    pub role: Role,
    /// The encrypted file; absent in a dry run.
    #[serde(serialize_with = "text::optional")]
    pub path: Option<PathBuf>,
    /// The API server of a worker's kubelet.conf, and where that was read.
    pub server: Option<Fact<String>>,
    pub certificates: Vec<BundledCertificate>,
    /// Paths on that node.
    #[serde(serialize_with = "text::list")]
    pub files: Vec<PathBuf>,
    pub encrypted_to: EncryptedTo,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledCertificate {
    /// As `certs check-expiration` names it.
    pub name: String,
    pub subject: String,
    /// Absent in a dry run.
    pub serial: Option<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Bundle {
    pub const KIND: &str = "Bundle";

    /// What is in it, for whom and until when.
    pub fn text(&self, now: Timestamp) -> String {
        let role = match self.role {
            Role::ControlPlane => "control-plane node",
            Role::Worker => "worker",
        };
        let number = count(self.certificates.len(), "certificate");
        let mut out = format!("{}\n", line(&format!("Bundle for the {role} {}: {number}", self.node)));
        for one in &self.certificates {
            let end = format!("valid until {} ({})", minute(one.not_after), span(one.not_after, now));
            let _ = writeln!(out, "{}", line(&format!("- {}: {end}", one.name)));
            let _ = writeln!(out, "    {}", line(&one.subject));
        }
        if let Some(server) = &self.server {
            let text = format!("API server {} ({})", server.value, server.source);
            let _ = writeln!(out, "{}", line(&text));
        }
        out.push_str("Files there:\n");
        for path in &self.files {
            let _ = writeln!(out, "  {}", line(&path.display().to_string()));
        }
        out
    }
}

/// The document `BundleApply`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleApply<'a> {
    pub dry_run: bool,
    /// Whether files were replaced.
    pub applied: bool,
    pub role: Role,
    #[serde(serialize_with = "text::serialize")]
    pub source: &'a Path,
    /// The archive of the state before; absent where nothing was changed.
    #[serde(serialize_with = "text::optional")]
    pub archive: Option<&'a Path>,
    #[serde(flatten)]
    pub plan: &'a RestorePlan,
    /// What is still wrong with the node.
    pub after: &'a [Finding],
    pub exit_code: u8,
}

impl BundleApply<'_> {
    pub const KIND: &'static str = "BundleApply";
}

/// What changes on the node.
pub fn bundle_text(plan: &RestorePlan) -> String {
    let node = plan.node.as_deref().unwrap_or_default();
    let change = text::count_verb(plan.paths.len(), "path", "change");
    let head = format!("Bundle for {node}: {change}, {} the same", plan.same);
    format!("{}\n{}", line(&head), restore_lines(plan))
}
