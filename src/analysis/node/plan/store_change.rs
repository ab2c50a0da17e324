//! What is done to the kubelet's store without a new certificate, as a value.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::goes_with_reissue;
use crate::analysis::node::findings::Finding;
use crate::state::catalog::KUBELET_CLIENT;
use crate::state::{Code, Subject};

/// A change of the kubelet's store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreChange {
    /// kubelet-client or kubelet-serving.
    pub name: String,
    #[serde(flatten)]
    pub action: StoreAction,
}

/// Paths are free of links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum StoreAction {
    /// The link leads to a certificate that is there.
    Link {
        /// `kubelet-client-current.pem` or `kubelet-server-current.pem`.
        link: PathBuf,
        /// Its new target, absolute, as the kubelet writes it.
        file: PathBuf,
        /// What is copied to `file` first: it lies in the place of a link, or is what the kubelet's kubeconfig holds.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<PathBuf>,
        /// When the certificate expires.
        until: Timestamp,
    },
    Remove {
        path: PathBuf,
        because: &'static str,
    },
    /// The kubelet's kubeconfig names the link, twice, instead of holding a certificate and a key.
    Refer {
        kubeconfig: PathBuf,
        link: PathBuf,
    },
}

impl StoreChange {
    /// Whether a finding goes with it.
    pub(super) fn mends(&self, finding: &Finding) -> bool {
        let is_of_it = finding.subject == Subject::from(&self.name);
        match &self.action {
            StoreAction::Link { .. } => {
                let of_store = goes_with_reissue(finding.code) || finding.code == Code::KubeletStoreBroken;
                is_of_it && of_store || self.name == KUBELET_CLIENT && finding.code == Code::KubeletCrashLoop
            }
            StoreAction::Refer { .. } => finding.code == Code::KubeletConfEmbedded,
            StoreAction::Remove { path, .. } => {
                let is_there = finding.path.file_name() == path.file_name();
                let in_the_way = matches!(finding.code, Code::KubeletLinkNoLink | Code::KubeletStoreBroken);
                is_of_it && is_there && in_the_way
            }
        }
    }
}
