//! Which kubeconfig is changed, and how much of it.

use std::path::{Path, PathBuf};

use super::decide::Decision;
use super::{Selection, Target, kubelet_distrusts};
use crate::analysis::node::facts::{Fact, host_of};
use crate::analysis::node::findings::Finding;
use crate::analysis::node::inventory::{Inventory, KubeletForm, Row, Trust, trusts};
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::Kubeconfig;
use crate::state::Content;
use crate::state::catalog::Leaf;
use crate::state::catalog::{Ca, CertSpec};

impl Decision<'_> {
    /// The kubelet's kubeconfig, where its certificate is in a file of its own and the CA in it has to be replaced.
    pub(super) fn trust(&self) -> Option<PathBuf> {
        let in_file = self.refers() || matches!(self.inventory.kubelet_form, KubeletForm::File(_));
        if !in_file || !self.options.whole_node || self.options.selection != Selection::All {
            return None;
        }
        let path = &self.inventory.facts.kubelet_kubeconfig.value;
        let blocks = |finding: &Finding| kubelet_distrusts(self.inventory, finding) && finding.is_blocker();
        if !self.findings.iter().any(blocks) {
            return None;
        }
        self.inventory.authority(Ca::Cluster)?.certificate.get()?;
        let file = self.resolved(path).ok()?;
        let config = Kubeconfig::of(self.snapshot.file(&file)?).ok()?;
        (config.authority_pem().is_some() && config.authority_not_replaceable().is_none()).then_some(file)
    }

    pub(super) fn resolved(&self, path: &Path) -> Result<PathBuf, String> {
        Ok(self.snapshot.resolve(path).map_err(|error| error.to_string())?.path)
    }

    pub(super) fn kubeconfig_target(&self, row: &Row, spec: &CertSpec) -> Result<Target, String> {
        let file = self.resolved(&row.path)?;
        let facts = &self.inventory.facts;
        let context = row.beside.as_ref().map(|(context, _)| context.clone());
        let old = match self.snapshot.get(&file).map(|entry| &entry.content) {
            Some(Content::File(bytes)) => Kubeconfig::context_of(bytes, context.as_deref()).ok(),
            _ => None,
        };
        if let Some(config) = old {
            if let Some(error) = config.authority_error() {
                return Err(error.to_string());
            }
            let own = self.inventory.authority(Ca::Cluster);
            let own = own.and_then(|row| Some((row.certificate.get()?, &row.bundle)));
            let copies = config.authority_pem().map(|pem| Certificate::all_from_pem(pem));
            // A bundle that holds the node's CA is kept: it has a purpose, such as a rotation.
            let authority = match (copies, own) {
                (Some(Ok(copies)), Some((own, bundle))) => trusts(&copies, own, bundle) != Trust::Yes,
                (Some(Err(_)), Some(_)) => true,
                _ => false,
            };
            if authority && let Some(error) = config.authority_not_replaceable() {
                return Err(error.to_string());
            }
            return Ok(Target::Splice { file, authority, context });
        }
        let to_local = matches!(spec.leaf, Leaf::ControllerManager | Leaf::Scheduler);
        let server = server(self.inventory, to_local).ok_or(
            "it can't be issued without the API server's address: no kubeconfig and no manifest tells it",
        )?;
        Ok(Target::NewKubeconfig { file, server: server.value, cluster: facts.cluster_name.value.clone() })
    }
}

/// The API server's URL in a new kubeconfig: the cluster's endpoint, or this node's own API server.
pub(super) fn server(inventory: &Inventory, to_local: bool) -> Option<Fact<String>> {
    let facts = &inventory.facts;
    let port = facts.secure_port.value;
    let local = || {
        let address = facts.advertise_address.as_ref()?;
        Some(Fact::new(url(&address.value.to_string(), port), address.source.clone()))
    };
    let configured = || {
        let configured = facts.configured.as_ref()?;
        let (endpoint, source) = (configured.endpoint.as_str(), &configured.source);
        let host = host_of(endpoint)?;
        // kubeadm takes the port of the API server where there is none (`util/endpoint.go` GetControlPlaneEndpoint).
        let bare = endpoint.strip_prefix('[').map_or(endpoint, |rest| rest.trim_end_matches(']'));
        let server = if host == bare { url(host, port) } else { format!("https://{endpoint}") };
        Some(Fact::new(server, format!("controlPlaneEndpoint of {source}")))
    };
    let endpoint = || inventory.endpoint.clone().or_else(configured);
    if to_local { local().or_else(endpoint) } else { endpoint().or_else(local) }
}

fn url(host: &str, port: u16) -> String {
    if host.contains(':') { format!("https://[{host}]:{port}") } else { format!("https://{host}:{port}") }
}
