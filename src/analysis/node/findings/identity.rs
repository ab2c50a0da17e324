//! The identity and strength of a certificate: names, usages, keys, hashes, serial numbers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::credentials::{blocker, names_of_another_node};
use super::{Code, Evidence, Finding, MissingName, Severity, kubelet};
use crate::analysis::node::facts::host_of;
use crate::analysis::node::inventory::{Inventory, Row};
use crate::formats::certificate::Certificate;
use crate::formats::key::KeyAlgorithm;
use crate::state::catalog::Leaf;
use crate::state::catalog::{CertSpec, Names, Usage};
use crate::state::time::{day, expires_on};
use crate::state::{Component, Snapshot};

/// A leaf certificate is reported this long before it expires.
pub const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A CA is reported this long before it expires.
const CA_WARNING: SignedDuration = SignedDuration::from_hours(730 * 24);
const SHORT_RSA: usize = 2048;

pub(super) fn find(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let kubelet = &inventory.kubelet_client;
    found.extend(usage(Usage::Client, kubelet));
    for leaf in inventory.served() {
        let Some(certificate) = leaf.row.certificate.get() else { continue };
        // What somebody else issues need not be what kubeadm renews.
        let as_its_place = usage(leaf.spec.usage, &leaf.row);
        found
            .extend(as_its_place.filter(|finding| leaf.row.foreign_issuer.is_none() || finding.is_blocker()));
        if leaf.row.foreign_issuer.is_some() {
            continue;
        }
        if leaf.spec.names != Names::None && names_of_another_node(inventory, &leaf.row).is_none() {
            found.extend(names(snapshot, inventory, leaf.spec, &leaf.row, certificate));
        }
        let authority = inventory.authority(leaf.spec.authority).and_then(|row| row.certificate.get());
        found.extend(authority.and_then(|authority| outlives(&leaf.row, certificate, authority)));
    }
    found.extend(front_proxy(snapshot, inventory));
    found.extend(admin_still_masters(inventory));
    for row in inventory.rows() {
        let Some(certificate) = row.certificate.get() else { continue };
        found.extend(expiring(row, certificate, now));
        let weak = weakness(inventory, certificate).into_iter();
        found.extend(weak.map(|(code, what, severity)| blocker(row, code, what).with_severity(severity)));
    }
    found.extend(authorities(inventory, now));
    found.extend(serials(inventory));
    found
}

fn warning(row: &Row, code: Code, what: impl Into<String>) -> Finding {
    blocker(row, code, what).with_severity(Severity::Warning)
}

fn usage(usage: Usage, row: &Row) -> Option<Finding> {
    let certificate = row.certificate.get()?;
    let mut lacks = Vec::new();
    if usage != Usage::Client && !certificate.may_serve {
        lacks.push("serverAuth");
    }
    if usage != Usage::Server && !certificate.may_be_client {
        lacks.push("clientAuth");
    }
    if !certificate.may_sign {
        lacks.push("digitalSignature");
    }
    if !lacks.is_empty() {
        let what = format!("lacks {}, which its use requires", lacks.join(" and "));
        return Some(blocker(row, Code::UsageWrong, what));
    }
    // RFC 5280 section 4.2.1.12: without the extension it is valid for every purpose.
    let what = "has no extendedKeyUsage: it is accepted, but kubeadm refuses to renew it";
    (!certificate.has_usage).then(|| warning(row, Code::UsageWrong, what))
}

/// The names that clients use for a server, which its certificate must contain; `true` if much breaks
/// without.
fn wanted(snapshot: &Snapshot, inventory: &Inventory, spec: &CertSpec) -> Vec<(String, String, Severity)> {
    let facts = &inventory.facts;
    let mut wanted = Vec::new();
    let mut want = |name: &str, source: &str, severity| {
        wanted.push((name.to_owned(), source.to_owned(), severity));
    };
    if let Some(node) = &facts.node_name
        && !kubelet::speaks_for_another(snapshot, inventory)
    {
        want(&node.value, &node.source, Severity::Warning);
    }
    if let Some(address) = &facts.advertise_address {
        want(&address.value.to_string(), &address.source, Severity::Blocker);
    }
    match spec.names {
        Names::None => {}
        Names::EtcdMember => {
            let severity = if spec.leaf == Leaf::EtcdServer { Severity::Blocker } else { Severity::Warning };
            want("127.0.0.1", "etcd --listen-client-urls", severity);
        }
        Names::ApiServer => {
            if let Some(address) = &facts.service_address {
                want(&address.value.to_string(), &address.source, Severity::Blocker);
            }
            if let Some(endpoint) = &inventory.endpoint
                && let Some(host) = host_of(&endpoint.value)
            {
                want(host, &endpoint.source, Severity::Blocker);
            }
            want("kubernetes.default.svc", "the cluster's own name of the API server", Severity::Warning);
        }
    }
    wanted
}

fn names(
    snapshot: &Snapshot,
    inventory: &Inventory,
    spec: &CertSpec,
    row: &Row,
    certificate: &Certificate,
) -> Option<Finding> {
    let lacking: Vec<_> = wanted(snapshot, inventory, spec)
        .into_iter()
        .filter(|(name, _, _)| !is_named(certificate, name))
        .collect();
    let severity = lacking.iter().map(|(_, _, severity)| *severity).max()?;
    let list: Vec<_> = lacking.iter().map(|(name, source, _)| format!("{name} ({source})")).collect();
    let what = format!("not valid for {}", list.join(", "));
    let mut finding = blocker(row, Code::NamesMissing, what).with_severity(severity);
    let names = certificate.alternative_names().join(", ");
    finding.evidence.push(Evidence::field(&row.path, "subjectAltName", names));
    finding.missing = lacking.into_iter().map(|(name, source, _)| MissingName { name, source }).collect();
    Some(finding)
}

fn is_named(certificate: &Certificate, name: &str) -> bool {
    if let Ok(address) = name.parse::<IpAddr>() {
        return certificate.addresses.contains(&address);
    }
    certificate.dns_names.iter().any(|dns| {
        // RFC 6125 section 6.4.3: a wildcard stands for one label.
        let wild = dns.strip_prefix("*.").zip(name.split_once('.'));
        dns.eq_ignore_ascii_case(name) || wild.is_some_and(|(dns, (_, rest))| dns.eq_ignore_ascii_case(rest))
    })
}

fn outlives(row: &Row, certificate: &Certificate, authority: &Certificate) -> Option<Finding> {
    let what = || {
        format!(
            "valid until {}, but its CA expires on {}",
            day(certificate.not_after),
            day(authority.not_after)
        )
    };
    (certificate.not_after > authority.not_after).then(|| warning(row, Code::LeafOutlivesCa, what()))
}

fn expiring(row: &Row, certificate: &Certificate, now: Timestamp) -> Option<Finding> {
    let soon = now.saturating_add(EXPIRES_SOON).unwrap_or(Timestamp::MAX);
    let what = || expires_on(certificate.not_after, now);
    (certificate.not_after >= now && certificate.not_after <= soon)
        .then(|| warning(row, Code::Expiring, what()))
}

fn weakness(inventory: &Inventory, certificate: &Certificate) -> Vec<(Code, String, Severity)> {
    let mut found = Vec::new();
    let mut add = |code, what: String, severity| found.push((code, what, severity));
    let minor = inventory.facts.minor_version.as_ref().map_or(0, |version| version.value);
    // A blocker from the first minor version of Kubernetes that is built with such a Go.
    let since = |first: u32| if minor < first { Severity::Warning } else { Severity::Blocker };
    if let KeyAlgorithm::Rsa(bits) = certificate.algorithm
        && bits < SHORT_RSA
    {
        // Go 1.24, crypto/rsa (`rsa1024min`).
        let refused = bits < 1024;
        let more = if refused { ", which Kubernetes 1.33 and later refuse" } else { "" };
        let severity = if refused { since(33) } else { Severity::Warning };
        add(Code::WeakKey, format!("RSA key with only {bits} bits{more}"), severity);
    }
    if certificate.has_negative_serial() {
        // Go 1.23, crypto/x509 (`x509negativeserial`).
        let what =
            format!("serial number {} is negative: Kubernetes 1.32 and later refuse it", certificate.serial);
        add(Code::NegativeSerial, what, since(32));
    }
    if let Some(hash) = certificate.weak_hash {
        // Nobody checks a CA's self-signature.
        let is_own = certificate.subject_der == certificate.issuer_der;
        let severity = if is_own { Severity::Warning } else { Severity::Blocker };
        add(Code::WeakSignature, format!("signed with {hash}"), severity);
    }
    found
}

fn front_proxy(snapshot: &Snapshot, inventory: &Inventory) -> Option<Finding> {
    let (path, pod) = inventory.facts.pod(Component::ApiServer)?;
    let allowed = pod.flag("requestheader-allowed-names")?;
    let row = inventory.row("front-proxy-client")?;
    let certificate = row.certificate.get()?;
    let allows = |name: &String| allowed.split(',').any(|allowed| allowed.trim() == name);
    if certificate.common_names.iter().any(allows) {
        return None;
    }
    let name = certificate.common_name();
    let what = format!("CN \"{name}\" is not among the allowed names {allowed}");
    let mut finding = blocker(row, Code::FrontProxyName, what);
    finding.evidence.push(Evidence::flag(snapshot, path, "requestheader-allowed-names", allowed));
    Some(finding)
}

/// kubeadm 1.29 changed admin.conf; a renewal keeps the old subject.
fn admin_still_masters(inventory: &Inventory) -> Option<Finding> {
    let version = inventory.facts.minor_version.as_ref()?;
    let row = inventory.row("admin.conf")?;
    let certificate = row.certificate.get()?;
    let masters = certificate.organizations.iter().any(|name| name == "system:masters");
    if version.value < 29 || !masters {
        return None;
    }
    let what = format!("O is system:masters, and the node runs 1.{}", version.value);
    Some(blocker(row, Code::AdminStillMasters, what).with_severity(Severity::Note))
}

fn authorities(inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    for row in &inventory.authorities {
        let Some(certificate) = row.certificate.get() else { continue };
        let mut add = |code, what: String, severity| {
            let (subject, path) = (row.authority.name(), &row.certificate_path);
            let mut finding = Finding::new(code, severity, subject, path, what);
            finding.evidence.push(match code {
                Code::CaExpiring => Evidence::field(path, "notAfter", certificate.not_after),
                Code::WeakKey => Evidence::field(path, "public key", &certificate.algorithm),
                Code::NegativeSerial => Evidence::field(path, "serial number", &certificate.serial),
                _ => Evidence::field(path, "signature algorithm", certificate.weak_hash.unwrap_or_default()),
            });
            found.push(finding);
        };
        let soon = now.saturating_add(CA_WARNING).unwrap_or(Timestamp::MAX);
        if certificate.is_ca && certificate.not_after >= now && certificate.not_after <= soon {
            let what = expires_on(certificate.not_after, now);
            add(Code::CaExpiring, what, Severity::Warning);
        }
        weakness(inventory, certificate)
            .into_iter()
            .for_each(|(code, what, severity)| add(code, what, severity));
    }
    found
}

/// Different certificates of one issuer with the same serial number. A CA of kubeadm before 1.28 has the
/// number 0 and is its own issuer.
fn serials(inventory: &Inventory) -> Vec<Finding> {
    let mut known: BTreeMap<(&[u8], &str), Vec<&Row>> = BTreeMap::new();
    for row in inventory.rows() {
        let Some(certificate) = row.certificate.get() else { continue };
        let same = known.entry((&certificate.issuer_der, &certificate.serial)).or_default();
        if !same.iter().any(|other| other.certificate.get() == Some(certificate)) {
            same.push(row);
        }
    }
    let reused = known.into_iter().filter(|(_, rows)| rows.len() > 1);
    reused
        .filter_map(|((_, serial), rows)| {
            let (first, others) = rows.split_first()?;
            let others: Vec<_> = others.iter().map(|row| row.name.as_str()).collect();
            let what = format!("serial number {serial} is also used by {}", others.join(", "));
            Some(warning(first, Code::SerialReuse, what))
        })
        .collect()
}
