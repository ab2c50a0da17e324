//! A kubeconfig that was issued, or would be.

use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::sanitise::line;
use crate::analysis::node::facts::Fact;
use crate::state::text;
use crate::state::time::{minute, span};

/// The document `NewKubeconfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewKubeconfig {
    /// Nothing was issued.
    pub dry_run: bool,
    /// Where it was written; absent if nothing was.
    #[serde(serialize_with = "path")]
    pub path: Option<PathBuf>,
    /// Where the old file is kept.
    #[serde(serialize_with = "path")]
    pub kept: Option<PathBuf>,
    pub user: String,
    pub groups: Vec<String>,
    pub server: Fact<String>,
    /// Name of the cluster.
    pub cluster: String,
    /// Of the client certificate, hexadecimal; absent if nothing was issued.
    pub serial: Option<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// It is valid for less than the default: its CA expires.
    pub cut_to_authority: bool,
    /// Whether the node's history has a record of it.
    pub recorded: bool,
}

fn path<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => text::serialize(path, serializer),
        None => serializer.serialize_none(),
    }
}

impl NewKubeconfig {
    pub const KIND: &str = "NewKubeconfig";

    /// Whose it is, for which server and until when.
    pub fn text(&self, now: Timestamp) -> String {
        let Self { user, groups, server, not_after, .. } = self;
        let groups = if groups.is_empty() { "no group".to_owned() } else { groups.join(", ") };
        let mut out = format!("{}\n", line(&format!("Kubeconfig of user {user} ({groups})")));
        let from = line(&format!("  server {} (from {})", server.value, server.source)).into_owned();
        let _ = writeln!(out, "{from}");
        let serial = self.serial.as_ref().map(|serial| format!("  serial {serial}\n")).unwrap_or_default();
        let cut = if self.cut_to_authority { ", when its CA expires" } else { "" };
        let end = format!("{} ({}{cut})", minute(*not_after), span(*not_after, now));
        let _ = writeln!(out, "{serial}  valid until {end}; a client certificate cannot be revoked before");
        out
    }
}
