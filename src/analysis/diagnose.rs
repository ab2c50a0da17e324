//! What is wrong with a node at a given time, each finding with a stable code.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::inventory::{AuthorityRow, Inventory, Item, KubeletForm, Row, ServingForm};
use crate::formats::certificate::{Certificate, ChainError};
use crate::state::catalog::{self, Authority, Names};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the control plane works with it.
    Warning,
    /// Keeps the control plane, or a part of it, from working.
    Blocker,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code, for scripts and for searching.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// kubeadm's name of the credential, or a path.
    pub subject: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong, in plain words.
    pub what: String,
}

/// Everything that is wrong at `now`: authorities first, since what they lack no leaf can make up for.
pub fn findings(inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    for row in &inventory.authorities {
        if let Some((code, what)) = authority_problem(row, now) {
            let (subject, path) = (row.authority.name().to_owned(), row.certificate_path.clone());
            // An external authority is a way to run a cluster, not a fault.
            let external = code == "ca-key-missing";
            let severity = if external { Severity::Warning } else { Severity::Blocker };
            found.push(Finding { code, severity, subject, path, what });
        }
    }
    for leaf in &inventory.leafs {
        if leaf.slot.optional && leaf.row.certificate.is_missing() {
            continue;
        }
        let authority = inventory.authority(leaf.slot.authority);
        let mut problems = row_problems(&leaf.row, authority, now);
        if leaf.slot.names != Names::None {
            problems.extend(names_of_another_node(inventory, &leaf.row));
        }
        found.extend(problems.into_iter().map(|problem| problem.finding(&leaf.row, Severity::Blocker)));
    }
    if inventory.has_kubelet() {
        let row = &inventory.kubelet_client;
        let problems = row_problems(row, inventory.authority(Authority::Cluster), now);
        found.extend(problems.into_iter().map(|problem| problem.finding(row, Severity::Blocker)));
    }
    for row in &inventory.elsewhere {
        let problems = dates(row, now).into_iter();
        found.extend(problems.map(|problem| problem.finding(row, Severity::Warning)));
    }
    let serving = &inventory.kubelet_serving;
    found.extend(
        serving_problems(inventory, now)
            .into_iter()
            .map(|(problem, severity)| problem.finding(serving, severity)),
    );
    for copy in &inventory.foreign_authorities {
        found.push(Finding {
            code: "embedded-ca-differs",
            severity: Severity::Warning,
            subject: copy.path.display().to_string(),
            path: copy.path.clone(),
            what: format!("its certificate-authority-data is {}, not this node's ca.crt", copy.what),
        });
    }
    found
}

/// Why an authority cannot sign at `now`; `None` where it can.
pub fn authority_problem(row: &AuthorityRow, now: Timestamp) -> Option<(&'static str, String)> {
    let certificate = match &row.certificate {
        Item::Missing => return Some(("ca-missing", "its certificate is missing".to_owned())),
        Item::Unreadable(reason) => return Some(("ca-unreadable", reason.clone())),
        Item::Present(certificate) => certificate,
    };
    if !certificate.is_ca {
        return Some(("not-a-ca", "its certificate is not that of a CA".to_owned()));
    }
    if certificate.expired_at(now) {
        return Some(("ca-expired", format!("it ended {}", certificate.not_after)));
    }
    if certificate.not_yet_valid_at(now) {
        return Some(("ca-not-yet-valid", format!("it starts {}", certificate.not_before)));
    }
    match &row.key {
        Item::Missing => Some(("ca-key-missing", format!("its key {} is missing", row.key_path.display()))),
        Item::Unreadable(reason) => {
            Some(("ca-key-unreadable", format!("its key {}: {reason}", row.key_path.display())))
        }
        Item::Present(key) if !certificate.is_of(key) => {
            let what = format!("its key {} does not belong to its certificate", row.key_path.display());
            Some(("ca-key-mismatch", what))
        }
        Item::Present(_) => None,
    }
}

/// One thing that is wrong with a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong, in plain words.
    pub what: String,
}

impl Problem {
    fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self { code, what: what.into() }
    }

    fn finding(self, row: &Row, severity: Severity) -> Finding {
        let (subject, path) = (row.name.clone(), row.path.clone());
        Finding { code: self.code, severity, subject, path, what: self.what }
    }
}

/// What is wrong with a credential, its authority considered.
pub fn row_problems(row: &Row, authority: Option<&AuthorityRow>, now: Timestamp) -> Vec<Problem> {
    let certificate = match &row.certificate {
        Item::Missing => return vec![Problem::new("missing", "it is missing")],
        Item::Unreadable(reason) => return vec![Problem::new("unreadable", reason.clone())],
        Item::Present(certificate) => certificate,
    };
    let mut problems = dates(row, now);
    match &row.key {
        Item::Missing => problems
            .push(Problem::new("key-missing", format!("its key {} is missing", row.key_path.display()))),
        Item::Unreadable(reason) => {
            problems.push(Problem::new(
                "key-unreadable",
                format!("its key {}: {reason}", row.key_path.display()),
            ));
        }
        Item::Present(key) if !certificate.is_of(key) => {
            problems.push(Problem::new("key-mismatch", "its key belongs to another certificate"));
        }
        Item::Present(_) => {}
    }
    if let Some(authority) = authority.and_then(|row| row.certificate.get()) {
        problems.extend(chain(certificate, authority));
    }
    problems
}

/// What is wrong with the kubelet's serving certificate. Nobody checks the end of it unless told to
/// (`--kubelet-certificate-authority`), but a pair of its own that it can't load keeps the kubelet from starting.
pub fn serving_problems(inventory: &Inventory, now: Timestamp) -> Vec<(Problem, Severity)> {
    let row = &inventory.kubelet_serving;
    let warnings =
        |problems: Vec<Problem>| problems.into_iter().map(|problem| (problem, Severity::Warning)).collect();
    match inventory.serving_form {
        // The kubelet makes the one, and asks the cluster for the other.
        ServingForm::SelfSigned if row.certificate.is_missing() && row.key.is_missing() => Vec::new(),
        ServingForm::Signed if row.certificate.is_missing() => Vec::new(),
        ServingForm::Configured => warnings(dates(row, now)),
        // Who else may sign it is the cluster's business (`--cluster-signing-kubelet-serving-cert-file`).
        ServingForm::Signed => warnings(row_problems(row, None, now)),
        ServingForm::SelfSigned => {
            let severity = |problem: &Problem| match problem.code {
                "expired" | "not-yet-valid" => Severity::Warning,
                _ => Severity::Blocker,
            };
            let problems = row_problems(row, None, now).into_iter();
            problems
                .map(|problem| {
                    let severity = severity(&problem);
                    (problem, severity)
                })
                .collect()
        }
    }
}

fn dates(row: &Row, now: Timestamp) -> Vec<Problem> {
    let Some(certificate) = row.certificate.get() else { return Vec::new() };
    if certificate.expired_at(now) {
        return vec![Problem::new("expired", format!("it ended {}", certificate.not_after))];
    }
    if certificate.not_yet_valid_at(now) {
        return vec![Problem::new("not-yet-valid", format!("it starts {}", certificate.not_before))];
    }
    Vec::new()
}

fn chain(certificate: &Certificate, authority: &Certificate) -> Option<Problem> {
    match certificate.signed_by(authority) {
        // What cannot be checked is no evidence of a fault.
        Ok(()) | Err(ChainError::Unsupported(_)) => None,
        Err(error) => Some(Problem::new("wrong-authority", error.to_string())),
    }
}

/// A serving certificate that speaks neither of this node's name nor of its address was copied here.
pub fn names_of_another_node(inventory: &Inventory, row: &Row) -> Option<Problem> {
    let certificate = row.certificate.get()?;
    let name = &inventory.facts.node_name.as_ref()?.value;
    let address = inventory.facts.advertise_address.as_ref()?.value;
    let named = certificate.dns_names.iter().any(|dns| dns.eq_ignore_ascii_case(name));
    if named || certificate.addresses.contains(&address) || certificate.alternative_names().is_empty() {
        return None;
    }
    let names = certificate.alternative_names().join(", ");
    Some(Problem::new(
        "names-of-another-node",
        format!("it is valid for {names}: neither for this node's name {name} nor for its address {address}"),
    ))
}

impl Inventory {
    /// Whether there is a kubelet at all: a tree with only `/etc/kubernetes` has none to repair.
    pub fn has_kubelet(&self) -> bool {
        self.kubelet_form != KubeletForm::NoKubeconfig
            || !self.kubelet_client.certificate.is_missing()
            || !self.kubelet_serving.certificate.is_missing()
    }

    /// The row of this name: a kubeadm leaf or one of the kubelet's certificates.
    pub fn row(&self, name: &str) -> Option<&Row> {
        let mut leafs = self.leafs.iter().map(|leaf| &leaf.row);
        leafs.find(|row| row.name == name).or(match name {
            catalog::KUBELET_CLIENT => Some(&self.kubelet_client),
            catalog::KUBELET_SERVING => Some(&self.kubelet_serving),
            _ => None,
        })
    }
}
