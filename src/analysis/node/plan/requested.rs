//! What a certificate request may ask for: what kubeadm gives a certificate of its name, of some version.

use super::elsewhere::usage_of;
use crate::analysis::node::references;
use crate::formats::request::Request;
use crate::state::catalog::{CommonName, Leaf, Names, Usage};

/// What a request asks for that no kubeadm gives a certificate of this name; `None` if it is nothing. `node` is the node that
/// needs it, if that is known.
pub fn more_than_kubeadm(name: &str, node: Option<&str>, request: &Request) -> Option<String> {
    let usage = usage_of(name)?;
    let groups: Vec<_> = request.organizations.iter().map(String::as_str).collect();
    let (is_user, is_group, may_be_named) = identity(name, node, request, &groups);
    let names = request.alternative_names();
    let purposes: &[&str] = match usage {
        Usage::Server => &["serverAuth"],
        Usage::Client => &["clientAuth"],
        Usage::ServerAndClient => &["serverAuth", "clientAuth"],
    };
    let beyond = request.purposes.iter().find(|purpose| !purposes.contains(purpose));
    if !is_user || request.common_names.len() != 1 {
        Some(format!("its user (CN) is {}", request.common_names.join(", ")))
    } else if !is_group {
        Some(format!("its groups (O) are {}", groups.join(", ")))
    } else if request.subject_parts != groups.len() + 1 {
        Some(format!("its subject has other parts than O and CN: {}", request.subject))
    } else if !names.is_empty() && !may_be_named {
        Some(format!("it is a client's, and has the names {}", names.join(", ")))
    } else if let Some(name) = request.other_names.first() {
        Some(format!("it has {name}"))
    } else {
        beyond.map(|purpose| format!("its extended key usage is {purpose}"))
    }
}

/// Whether user and groups are those of a kubeadm, and whether such a certificate has names.
fn identity(name: &str, node: Option<&str>, request: &Request, groups: &[&str]) -> (bool, bool, bool) {
    let user = request.common_names.first().map(String::as_str).unwrap_or_default();
    let is_node = |user: &str| node.is_none_or(|node| node == user);
    match references::spec_of(name) {
        // A server's alone, and whoever made it has chosen its CN.
        Some(spec) if spec.leaf == Leaf::ApiServerSni => (true, groups.is_empty(), true),
        Some(spec) => {
            let is_user = match spec.common_name {
                CommonName::Fixed(name) => user == name,
                CommonName::NodeName => is_node(user),
            };
            (is_user, spec.organization.is_known(groups), spec.names != Names::None)
        }
        // The kubelet's: client-go `util/certificate`.
        None => {
            let is_user = user.strip_prefix("system:node:").is_some_and(is_node);
            (is_user, groups == ["system:nodes"], usage_of(name) != Some(Usage::Client))
        }
    }
}
