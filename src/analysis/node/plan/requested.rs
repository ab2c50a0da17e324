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

#[cfg(test)]
mod tests {
    use super::*;

    fn request(user: &str, groups: &[&str], change: impl Fn(&mut Request)) -> Request {
        let mut request = Request {
            subject: "SUBJECT".to_owned(),
            common_names: vec![user.to_owned()],
            organizations: groups.iter().map(|&group| group.to_owned()).collect(),
            subject_parts: groups.len() + 1,
            ..Request::default()
        };
        change(&mut request);
        request
    }

    #[test]
    fn what_no_kubeadm_gives_a_certificate_of_this_name() {
        let named = |request: &mut Request| request.dns_names.push("x".to_owned());
        let purpose = |purpose: &'static str| move |request: &mut Request| request.purposes.push(purpose);
        let same = |_: &mut Request| {};
        let api = "kube-apiserver";
        let kubelet = "system:node:cp-1";
        let nodes = &["system:nodes"];
        let of = |name: &str, request: Request| {
            format!("{name}: {:?}", more_than_kubeadm(name, Some("cp-1"), &request))
        };
        let found = [
            of("none", request("x", &["x"], named)),
            of("apiserver", request(api, &[], named)),
            of("apiserver", request(api, &[], purpose("serverAuth"))),
            of("apiserver", request(api, &[], purpose("clientAuth"))),
            of("apiserver", request("x", &[], same)),
            of("apiserver", request(api, &[], |request| request.common_names.clear())),
            of("apiserver", request(api, &[], |request| request.common_names.push("y".to_owned()))),
            of("apiserver", request(api, &["x"], same)),
            of("apiserver", request(api, &[], |request| request.subject_parts = 2)),
            of("apiserver", request(api, &[], |request| request.other_names.push("URI:x".to_owned()))),
            of("etcd-peer", request("cp-1", &[], purpose("clientAuth"))),
            of("etcd-peer", request("cp-1", &[], purpose("emailProtection"))),
            of("etcd-peer", request("cp-2", &[], same)),
            of("scheduler.conf", request("system:kube-scheduler", &[], purpose("clientAuth"))),
            of("scheduler.conf", request("system:kube-scheduler", &[], purpose("serverAuth"))),
            of("scheduler.conf", request("system:kube-scheduler", &[], named)),
            of("kubelet-client", request(kubelet, nodes, same)),
            of("kubelet-client", request(kubelet, nodes, named)),
            of("kubelet-client", request(kubelet, &[], same)),
            of("kubelet-client", request("system:node:cp-2", nodes, same)),
            of("kubelet-client", request("cp-1", nodes, same)),
            of("kubelet-serving", request(kubelet, nodes, named)),
        ];
        insta::assert_snapshot!(found.join("\n"), @r#"
        none: None
        apiserver: None
        apiserver: None
        apiserver: Some("its extended key usage is clientAuth")
        apiserver: Some("its user (CN) is x")
        apiserver: Some("its user (CN) is ")
        apiserver: Some("its user (CN) is kube-apiserver, y")
        apiserver: Some("its groups (O) are x")
        apiserver: Some("its subject has other parts than O and CN: SUBJECT")
        apiserver: Some("it has URI:x")
        etcd-peer: None
        etcd-peer: Some("its extended key usage is emailProtection")
        etcd-peer: Some("its user (CN) is cp-2")
        scheduler.conf: None
        scheduler.conf: Some("its extended key usage is serverAuth")
        scheduler.conf: Some("it is a client's, and has the names DNS:x")
        kubelet-client: None
        kubelet-client: Some("it is a client's, and has the names DNS:x")
        kubelet-client: Some("its groups (O) are ")
        kubelet-client: Some("its user (CN) is system:node:cp-2")
        kubelet-client: Some("its user (CN) is cp-1")
        kubelet-serving: None
        "#);
        // Which node it is for is not always known.
        for (name, user, groups) in
            [("etcd-peer", "cp-2", &[][..]), ("kubelet-client", "system:node:cp-2", nodes)]
        {
            assert_eq!(more_than_kubeadm(name, None, &request(user, groups, same)), None, "{name}");
        }
    }
}
