//! Credentials: dates, keys, chains, names of another node.

use std::path::Path;

use jiff::Timestamp;

use super::{Code, Evidence, Finding, Severity};
use crate::analysis::node::inventory::{CaRow, Inventory, KubeletForm, Parsed, Row, ServingForm};
use crate::formats::certificate::{Certificate, ChainError};
use crate::state::Component;
use crate::state::Subject;
use crate::state::catalog::{self, Ca, Names};
use crate::state::time::{expired_on, minute};

/// Everything that is wrong at `now`: CAs first, since no leaf certificate can make up for a broken CA.
pub(super) fn find(inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    for row in &inventory.authorities {
        if let Some((code, what)) = authority_problem(row, now) {
            let (subject, path) = (Subject::Ca(row.authority), row.certificate_path.clone());
            // An external CA is a way to run a cluster, not a fault.
            let external = code == Code::CaKeyMissing;
            let severity = if external { Severity::Warning } else { Severity::Blocker };
            let mut finding = Finding::new(code, severity, subject, path, what);
            if let Some(certificate) = row.certificate.get() {
                finding.evidence.push(Evidence::field(
                    &row.certificate_path,
                    "notAfter",
                    certificate.not_after,
                ));
            }
            found.push(finding);
        }
        found.extend(row.predecessors().next().map(|old| unfinished(row, old)));
    }
    for leaf in inventory.served() {
        if leaf.spec.is_optional() && leaf.row.certificate.is_missing() {
            continue;
        }
        let authority = inventory.authority(leaf.spec.authority);
        found.extend(of_row(&leaf.row, authority, now));
        if leaf.spec.names != Names::None && leaf.row.foreign_issuer.is_none() {
            found.extend(names_of_another_node(inventory, &leaf.row));
        }
    }
    if inventory.has_kubelet() {
        found.extend(of_row(&inventory.kubelet_client, inventory.authority(Ca::Cluster), now));
        found.extend(kubelet_of_another_node(inventory));
    }
    for row in &inventory.elsewhere {
        found.extend(dates(row, now).map(|finding| finding.with_severity(Severity::Warning)));
    }
    found.extend(of_serving(inventory, now));
    for copy in &inventory.foreign_authorities {
        let what = format!("certificate-authority-data is {}, not this node's ca.crt", copy.what);
        let subject = kubeconfig(inventory, &copy.path);
        let mut finding = Finding::new(Code::EmbeddedCaDiffers, Severity::Warning, subject, &copy.path, what);
        if let Some(end) = copy.not_after {
            finding.evidence.push(Evidence::field(&copy.path, "certificate-authority-data notAfter", end));
        }
        found.push(finding);
    }
    found
}

/// The file of a CA still has the one that it has replaced.
fn unfinished(row: &CaRow, old: &Certificate) -> Finding {
    let (subject, path) = (Subject::Ca(row.authority), &row.certificate_path);
    let what = format!("the CA that it has replaced is still trusted, until {}", minute(old.not_after));
    let mut finding = Finding::new(Code::CaReplacementUnfinished, Severity::Warning, subject, path, what);
    finding.evidence.push(Evidence::field(path, "serial number of the old one", &old.serial));
    finding.remedy.command = Some(format!("sudo kuberescue ca replace {} --finish", row.authority.name()));
    finding
}

/// The name of a kubeconfig: kubeadm's by file name, others by path.
fn kubeconfig(inventory: &Inventory, path: &Path) -> Subject {
    if path == inventory.facts.kubelet_kubeconfig.value {
        return Subject::KubeletConf;
    }
    if let Some(leaf) = inventory.leaves.iter().find(|leaf| leaf.row.path == path) {
        return Subject::Leaf(leaf.spec.leaf);
    }
    let name = path.file_name().filter(|_| path.parent() == Some(Path::new(catalog::KUBERNETES_DIR)));
    name.map_or_else(|| path.into(), |name| name.to_string_lossy().as_ref().into())
}

pub fn keeps_from_signing(code: Code) -> bool {
    matches!(
        code,
        Code::CaMissing
            | Code::CaUnreadable
            | Code::NotACa
            | Code::CaExpired
            | Code::CaNotYetValid
            | Code::CaKeyMissing
            | Code::CaKeyUnreadable
            | Code::CaKeyMismatch
    )
}

/// Whether something of the node is missing, unreadable or ambiguous, so that nothing may be taken away: what looks
/// superfluous may be all that is left.
pub fn is_in_doubt(findings: &[Finding]) -> bool {
    let doubtful = |code: Code| {
        keeps_from_signing(code) && !matches!(code, Code::CaExpired | Code::CaNotYetValid)
            || matches!(
                code,
                Code::ManifestMissing
                    | Code::ManifestUnreadable
                    | Code::DuplicateManifest
                    | Code::PkiDirUnclear
                    | Code::NotReadToEnd
                    | Code::KubeletConfigMissing
                    | Code::KubeletConfigBroken
                    | Code::KubeletConfMissing
                    | Code::EtcdDataMissing
                    | Code::EtcdDataBroken
                    | Code::SaMissing
            )
    };
    findings.iter().any(|finding| doubtful(finding.code))
}

/// Why a CA cannot sign at `now`; `None` if it can.
pub(super) fn authority_problem(row: &CaRow, now: Timestamp) -> Option<(Code, String)> {
    let certificate = match &row.certificate {
        Parsed::Missing => return Some((Code::CaMissing, "certificate not found".to_owned())),
        Parsed::Unreadable(reason) => return Some((Code::CaUnreadable, reason.clone())),
        Parsed::Present(certificate) => certificate,
    };
    if !certificate.is_ca {
        return Some((Code::NotACa, "its certificate is not a CA certificate".to_owned()));
    }
    if !certificate.algorithm.is_known_to_kubernetes() {
        let what =
            format!("its public key ({}) is of a kind that Kubernetes cannot read", certificate.algorithm);
        return Some((Code::CaUnreadable, what));
    }
    if certificate.expired_at(now) {
        return Some((Code::CaExpired, expired_on(certificate.not_after, now)));
    }
    if certificate.not_yet_valid_at(now) {
        return Some((Code::CaNotYetValid, format!("not valid until {}", minute(certificate.not_before))));
    }
    authority_key_problem(row, certificate)
}

/// Why the key of a CA cannot be used with its certificate; `None` if it can.
pub fn authority_key_problem(row: &CaRow, certificate: &Certificate) -> Option<(Code, String)> {
    match &row.key {
        Parsed::Missing => {
            Some((Code::CaKeyMissing, format!("its key {} was not found", row.key_path.display())))
        }
        Parsed::Unreadable(reason) => {
            Some((Code::CaKeyUnreadable, format!("its key {}: {reason}", row.key_path.display())))
        }
        Parsed::Present(key) if !certificate.is_of(key) => {
            let what = format!("its key {} does not match its certificate", row.key_path.display());
            Some((Code::CaKeyMismatch, what))
        }
        Parsed::Present(_) => None,
    }
}

/// A blocker, with the fields of the credential that show it.
pub(super) fn blocker(row: &Row, code: Code, what: impl Into<String>) -> Finding {
    let mut finding = Finding::new(code, Severity::Blocker, &row.name, &row.path, what);
    finding.evidence = evidence(code, row);
    finding
}

/// The fields of a credential that show it.
fn evidence(code: Code, row: &Row) -> Vec<Evidence> {
    let Some(certificate) = row.certificate.get() else { return Vec::new() };
    let field = |name: &str, value: &dyn std::fmt::Display| vec![Evidence::field(&row.path, name, value)];
    match code {
        Code::Expired | Code::Expiring | Code::LeafOutlivesCa | Code::KubeletServingExpired => {
            field("notAfter", &certificate.not_after)
        }
        Code::WeakKey => field("public key", &certificate.algorithm),
        Code::WeakSignature => field("signature algorithm", &certificate.weak_hash.unwrap_or_default()),
        Code::SerialReuse | Code::NegativeSerial => field("serial number", &certificate.serial),
        Code::FrontProxyName | Code::AdminStillMasters => field("subject", &certificate.subject),
        Code::UsageWrong => field("extendedKeyUsage, keyUsage", &purposes(certificate)),
        Code::NotYetValid => field("notBefore", &certificate.not_before),
        Code::WrongAuthority | Code::CaReplaced => field("issuer", &certificate.issuer),
        Code::NamesOfAnotherNode if row.name == catalog::KUBELET_CLIENT => {
            field("subject", &certificate.subject)
        }
        Code::NamesOfAnotherNode => field("subjectAltName", &certificate.alternative_names().join(", ")),
        Code::KeyMissing | Code::KeyUnreadable | Code::KeyMismatch => {
            vec![Evidence::field(&row.key_path, "private key", code.page().title)]
        }
        _ => Vec::new(),
    }
}

/// The key usages, as openssl names them.
fn purposes(certificate: &Certificate) -> String {
    let all = [
        (certificate.may_serve, "serverAuth"),
        (certificate.may_be_client, "clientAuth"),
        (certificate.may_sign, "digitalSignature"),
    ];
    let good: Vec<_> = all.iter().filter(|(good, _)| *good).map(|(_, name)| *name).collect();
    if good.is_empty() { "none that TLS needs".to_owned() } else { good.join(", ") }
}

/// What is wrong with a credential, its CA considered.
fn of_row(row: &Row, authority: Option<&CaRow>, now: Timestamp) -> Vec<Finding> {
    let certificate = match &row.certificate {
        Parsed::Missing => return vec![blocker(row, Code::Missing, "not found")],
        Parsed::Unreadable(reason) => return vec![blocker(row, Code::Unreadable, reason)],
        Parsed::Present(certificate) => certificate,
    };
    let mut found: Vec<_> = dates(row, now).into_iter().collect();
    let key = row.key_path.display();
    match &row.key {
        Parsed::Missing => {
            found.push(blocker(row, Code::KeyMissing, format!("its key {key} was not found")));
        }
        Parsed::Unreadable(reason) => {
            found.push(blocker(row, Code::KeyUnreadable, format!("its key {key}: {reason}")));
        }
        Parsed::Present(key) if !certificate.is_of(key) => {
            found.push(blocker(row, Code::KeyMismatch, "its key does not match its certificate"));
        }
        Parsed::Present(_) => {}
    }
    if row.foreign_issuer.is_none()
        && let Some(authority) = authority
        && let Some(own) = authority.certificate.get()
        && !authority.accepts_beside(certificate, now)
    {
        found.extend(chain(row, certificate, own));
    }
    found
}

/// What is wrong with the kubelet's serving certificate. Nobody checks its expiry by default
/// (`--kubelet-certificate-authority`), but the kubelet doesn't start with a pair of its own that it can't
/// load.
fn of_serving(inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let row = &inventory.kubelet_serving;
    let (found, only_warnings) = match inventory.serving_form {
        // The kubelet creates the one, and requests the other from the cluster.
        ServingForm::SelfSigned if row.certificate.is_missing() && row.key.is_missing() => return Vec::new(),
        ServingForm::Signed if row.certificate.is_missing() => return Vec::new(),
        ServingForm::Configured => (dates(row, now).into_iter().collect(), true),
        // The cluster may configure another signer (`--cluster-signing-kubelet-serving-cert-file`).
        ServingForm::Signed => {
            let mut found = of_row(row, None, now);
            found.extend(names_of_another_node(inventory, row));
            (found, true)
        }
        ServingForm::SelfSigned => (of_row(row, None, now), false),
    };
    let weigh = |finding: Finding| {
        let is_warning = only_warnings || matches!(finding.code, Code::Expired | Code::NotYetValid);
        if is_warning { finding.with_severity(Severity::Warning) } else { finding }
    };
    found.into_iter().map(weigh).collect()
}

fn dates(row: &Row, now: Timestamp) -> Option<Finding> {
    let certificate = row.certificate.get()?;
    if certificate.expired_at(now) {
        return Some(blocker(row, Code::Expired, expired_on(certificate.not_after, now)));
    }
    let what = || format!("not valid until {}", minute(certificate.not_before));
    certificate.not_yet_valid_at(now).then(|| blocker(row, Code::NotYetValid, what()))
}

fn chain(row: &Row, certificate: &Certificate, authority: &Certificate) -> Option<Finding> {
    match certificate.signed_by(authority) {
        // What cannot be checked is no evidence of a fault.
        Ok(()) | Err(ChainError::Unsupported(_)) => None,
        Err(error @ ChainError::OtherKey(_)) => Some(blocker(row, Code::CaReplaced, error.to_string())),
        Err(error) => Some(blocker(row, Code::WrongAuthority, error.to_string())),
    }
}

/// A serving certificate with neither this node's name nor its address was copied here.
pub(super) fn names_of_another_node(inventory: &Inventory, row: &Row) -> Option<Finding> {
    let certificate = row.certificate.get()?;
    let name = &inventory.facts.node_name.as_ref()?.value;
    let address = inventory.facts.advertise_address.as_ref()?.value;
    let named = certificate.dns_names.iter().any(|dns| dns.eq_ignore_ascii_case(name));
    if named || certificate.addresses.contains(&address) || certificate.alternative_names().is_empty() {
        return None;
    }
    let names = certificate.alternative_names().join(", ");
    Some(blocker(
        row,
        Code::NamesOfAnotherNode,
        format!("valid for {names}, but not for this node's name {name} or its address {address}"),
    ))
}

impl Inventory {
    /// Whether there is a kubelet: a tree with only `/etc/kubernetes` has none to repair.
    pub fn has_kubelet(&self) -> bool {
        self.kubelet_form != KubeletForm::NoKubeconfig
            || !self.kubelet_client.certificate.is_missing()
            || !self.kubelet_serving.certificate.is_missing()
    }

    /// What is wrong with the kubelet's subject, where an administrator's kubeconfig was copied over its own.
    pub fn administrator_as_kubelet(&self) -> Option<String> {
        let certificate = self.kubelet_client.certificate.get()?;
        let groups = ["system:masters", "kubeadm:cluster-admins"];
        let is_admin = certificate.organizations.iter().any(|group| groups.contains(&group.as_str()));
        (is_admin && node_of_kubelet(self).is_none()).then(|| {
            format!(
                "its subject is an administrator's, {}, instead of a node's, O=system:nodes, CN=system:node:NAME",
                certificate.subject
            )
        })
    }

    pub fn row(&self, name: &str) -> Option<&Row> {
        let mut leaves = self.served().map(|leaf| &leaf.row);
        leaves.find(|row| row.name == name).or(match name {
            catalog::KUBELET_CLIENT => Some(&self.kubelet_client),
            catalog::KUBELET_SERVING => Some(&self.kubelet_serving),
            _ => None,
        })
    }
}

/// A kubelet client certificate of another node than the one that the kubelet registers, or, where it isn't told a name,
/// than etcd's member: the API server gives it no access to this node.
pub(super) fn kubelet_of_another_node(inventory: &Inventory) -> Option<Finding> {
    if let Some(told) = &inventory.facts.hostname_override {
        return kubelet_unlike(inventory, &told.value, &told.source);
    }
    let (path, etcd) = inventory.facts.pod(Component::Etcd)?;
    let source = format!("{} --name", path.display());
    kubelet_unlike(inventory, etcd.flag("name")?, &source).filter(|_| !kubelet_is_known(inventory))
}

/// A kubelet whose certificate names another node than this one.
pub(super) fn kubelet_unlike(inventory: &Inventory, node: &str, source: &str) -> Option<Finding> {
    let own = node_of_kubelet(inventory)?;
    let what = || format!("issued for node {own}, but this node is {node} ({source})");
    (!own.eq_ignore_ascii_case(node))
        .then(|| blocker(&inventory.kubelet_client, Code::NamesOfAnotherNode, what()))
}

/// Whether the API server's certificate, which is this node's by its address, also has the name of the
/// kubelet's node. Then etcd's member has a custom name.
fn kubelet_is_known(inventory: &Inventory) -> bool {
    let certificate = inventory.row("apiserver").and_then(|row| row.certificate.get());
    let address = inventory.facts.advertise_address.as_ref();
    let known = |(certificate, own): (&Certificate, &str)| {
        address.is_some_and(|address| certificate.addresses.contains(&address.value))
            && certificate.dns_names.iter().any(|name| name.eq_ignore_ascii_case(own))
    };
    certificate.zip(node_of_kubelet(inventory)).is_some_and(known)
}

/// The node that the kubelet's client certificate names.
fn node_of_kubelet(inventory: &Inventory) -> Option<&str> {
    inventory.kubelet_client.certificate.get()?.common_name().strip_prefix("system:node:")
}
