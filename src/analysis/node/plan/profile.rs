//! What to issue if there is no old certificate as a template: the catalog filled in with the node's facts
//! (kubeadm `util/pkiutil/pki_helpers.go` GetAPIServerAltNames, GetEtcdAltNames; 1.36).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;

use crate::analysis::node::facts::{Facts, host_of};
use crate::analysis::node::inventory::Inventory;
use crate::formats::san::San;
use crate::state::catalog::{CertSpec, CommonName, Names, Usage};

/// Subject, names and usage of a certificate that has no predecessor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// CN.
    pub common_name: String,
    /// O: for a client its groups.
    pub organizations: Vec<String>,
    pub usage: Usage,
    /// DNS names, sorted.
    pub dns_names: Vec<String>,
    /// Addresses, in kubeadm's order.
    pub addresses: Vec<IpAddr>,
}

impl Profile {
    /// The profile of a kubeadm leaf certificate on this node.
    ///
    /// # Errors
    /// A missing fact, as a sentence.
    pub fn of(spec: &CertSpec, inventory: &Inventory) -> Result<Self, String> {
        let facts = &inventory.facts;
        let common_name = match spec.common_name {
            CommonName::Fixed(name) => name.to_owned(),
            CommonName::NodeName => node_name(facts)?,
        };
        let organization = spec.organization;
        let minor = if organization.varies() { minor_version(inventory)? } else { 0 };
        let organization = organization.at(minor);
        let (mut dns_names, mut addresses) = match spec.names {
            Names::None => (Vec::new(), Vec::new()),
            Names::ApiServer => api_server(inventory)?,
            Names::EtcdMember => etcd_member(facts)?,
        };
        for name in configured(spec, facts) {
            // kubeadm leaves out what is neither, with a warning (`appendSANsToAltNames`).
            match name.parse() {
                Ok(San::Address(address)) => addresses.push(address),
                Ok(San::Dns(name)) => dns_names.push(name),
                Err(_) => {}
            }
        }
        dns_names.sort();
        dns_names.dedup();
        let mut seen = Vec::new();
        addresses.retain(|address| {
            !seen.contains(address) && {
                seen.push(*address);
                true
            }
        });
        let organizations = organization.map(str::to_owned).into_iter().collect();
        Ok(Self { common_name, organizations, usage: spec.usage, dns_names, addresses })
    }

    /// The profile of a kubelet's client certificate.
    ///
    /// # Errors
    /// The node's name is not known.
    pub fn of_kubelet(facts: &Facts) -> Result<Self, String> {
        Ok(Self {
            common_name: format!("system:node:{}", node_name(facts)?),
            organizations: vec!["system:nodes".to_owned()],
            usage: Usage::Client,
            dns_names: Vec::new(),
            addresses: Vec::new(),
        })
    }

    /// The profile of a kubelet serving certificate that the cluster signs (signer
    /// `kubernetes.io/kubelet-serving`): the node's name, and its address if known.
    ///
    /// # Errors
    /// The node's name is not known.
    pub fn of_kubelet_serving(facts: &Facts) -> Result<Self, String> {
        let addresses = facts.advertise_address.iter().map(|address| address.value).collect();
        let client = Self::of_kubelet(facts)?;
        Ok(Self { usage: Usage::Server, dns_names: vec![node_name(facts)?], addresses, ..client })
    }

    /// The profile of a serving certificate that a kubelet creates for itself at `now` (client-go
    /// `util/cert/cert.go` GenerateSelfSignedCertKey).
    pub fn of_self_signed(
        host: &str,
        dns_names: Vec<String>,
        addresses: Vec<IpAddr>,
        now: Timestamp,
    ) -> Self {
        let common_name = format!("{host}@{}", now.as_second());
        Self { common_name, organizations: Vec::new(), usage: Usage::Server, dns_names, addresses }
    }

    pub fn subject(&self) -> String {
        let organizations = self.organizations.iter().map(|organization| format!("O={organization}, "));
        format!("{}CN={}", organizations.collect::<String>(), self.common_name)
    }

    /// Names and addresses as openssl prints them.
    pub fn alternative_names(&self) -> Vec<String> {
        let names = self.dns_names.iter().map(|name| format!("DNS:{name}"));
        names.chain(self.addresses.iter().map(|address| format!("IP:{address}"))).collect()
    }
}

/// The names that the cluster's configuration adds.
fn configured<'f>(spec: &CertSpec, facts: &'f Facts) -> &'f [String] {
    match (&facts.configured, spec.name) {
        (Some(configured), "apiserver") => &configured.api_server,
        (Some(configured), "etcd-server") => &configured.etcd_server,
        (Some(configured), "etcd-peer") => &configured.etcd_peer,
        _ => &[],
    }
}

fn node_name(facts: &Facts) -> Result<String, String> {
    let missing = "the node's name: no kubelet certificate, no --name in the etcd manifest, no /etc/hostname";
    Ok(facts.node_name.as_ref().ok_or(missing)?.value.clone())
}

/// The version decides between two organizations; a certificate of the same cluster shows it as well.
pub(super) fn minor_version(inventory: &Inventory) -> Result<u32, String> {
    if let Some(version) = &inventory.facts.minor_version {
        return Ok(version.value);
    }
    for leaf in &inventory.leaves {
        let organization = leaf.spec.organization;
        let Some(certificate) = leaf.row.certificate.get() else { continue };
        if !organization.varies() {
            continue;
        }
        let is = |expected: Option<&str>| certificate.organizations.first().map(String::as_str) == expected;
        if organization.since_1_37 != organization.since_1_29 && is(organization.since_1_37) {
            return Ok(37);
        }
        if is(organization.since_1_29) {
            return Ok(29);
        }
        if is(organization.until_1_28) {
            return Ok(28);
        }
    }
    Err("the Kubernetes version: no manifest with a versioned image, no sibling certificate".to_owned())
}

fn api_server(inventory: &Inventory) -> Result<(Vec<String>, Vec<IpAddr>), String> {
    let facts = &inventory.facts;
    let service = facts.service_address.as_ref();
    let service = service.ok_or("the service network: no --service-cluster-ip-range in a manifest")?;
    let domain = facts.dns_domain.as_ref();
    let domain =
        domain.ok_or("the DNS domain: no --service-account-issuer, no clusterDomain of the kubelet")?;
    let mut names = vec![
        node_name(facts)?,
        "kubernetes".to_owned(),
        "kubernetes.default".to_owned(),
        "kubernetes.default.svc".to_owned(),
        format!("kubernetes.default.svc.{}", domain.value),
    ];
    let mut addresses = vec![service.value, advertise_address(facts)?];
    if let Some(host) = inventory.endpoint.as_ref().and_then(|endpoint| host_of(&endpoint.value)) {
        match host.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => names.push(host.to_owned()),
        }
    }
    Ok((names, addresses))
}

fn etcd_member(facts: &Facts) -> Result<(Vec<String>, Vec<IpAddr>), String> {
    let names = vec![node_name(facts)?, "localhost".to_owned()];
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    Ok((names, [vec![advertise_address(facts)?], loopback.to_vec()].concat()))
}

fn advertise_address(facts: &Facts) -> Result<IpAddr, String> {
    let missing =
        "the advertise address: no --advertise-address in the API server's manifest, none in etcd's";
    Ok(facts.advertise_address.as_ref().ok_or(missing)?.value)
}
