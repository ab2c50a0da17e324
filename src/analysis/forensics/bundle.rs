//! Whether a bundle, files that another machine made for one node, is for this one: by the node's name and by its cluster's CA.

use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::Refusal;
use crate::formats::certificate::Certificate;
use crate::state::Code;
use crate::state::catalog::Ca;

/// Why a bundle that was made for the node `made_for` must not be put on this one. `bundle` is its content, with the
/// cluster's CA; a node that has lost its name or every copy of the CA is not told apart by that.
pub fn refusals(made_for: &str, bundle: &Inventory, node: &Inventory) -> Vec<Refusal> {
    let refusal =
        |code, what: String, hint: &str| Refusal { code, what, hint: hint.to_owned(), partial_helps: false };
    let mut found = Vec::new();
    if let Some(name) = &node.facts.node_name
        && !name.value.eq_ignore_ascii_case(made_for)
    {
        let what = format!(
            "the bundle is for node {made_for}, and this is node {} ({}): its certificates would not be valid here",
            name.value, name.source
        );
        found.push(refusal(
            Code::ArchiveOfAnotherNode,
            what,
            "make one for this node on the machine with the CA keys",
        ));
    }
    let (theirs, ours) = (authorities(bundle), authorities(node));
    let is_known = ours.iter().any(|own| theirs.iter().any(|other| other.spki == own.spki));
    if !ours.is_empty() && !is_known {
        let what =
            "the CA of the bundle is not the one that this node trusts: it is another cluster's, or the CA was replaced"
                .to_owned();
        found.push(refusal(
            Code::CaReplaced,
            what,
            "compare: openssl x509 -noout -subject -fingerprint -sha256 -in /etc/kubernetes/pki/ca.crt, here and there",
        ));
    }
    found
}

/// The CAs by which a node knows its cluster: those of `ca.crt`, and of the kubelet's kubeconfig.
fn authorities(inventory: &Inventory) -> Vec<Certificate> {
    let mut found: Vec<_> =
        inventory.authority(Ca::Cluster).map(|row| row.bundle.clone()).unwrap_or_default();
    let embedded = inventory.kubelet_client.embedded_authority.as_ref();
    found.extend(embedded.and_then(|(_, pem)| Certificate::all_from_pem(pem).ok()).unwrap_or_default());
    found
}
