//! A node's diagnosis as one value: the input of every report.

mod headline;
mod unusable;
mod verdict;

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use self::verdict::{State, Verdict, verdict};
use crate::analysis::forensics::timeline::Timeline;
use crate::analysis::node::findings::{Code, Evidence, Severity};
use crate::analysis::node::findings::{Finding, Node, consequence, findings, order};
use crate::analysis::node::inventory::{CaRow, Inventory, Row};
use crate::analysis::node::plan::{CaSelection, Options, decide};
use crate::formats::certificate::Certificate;
use crate::formats::name;
use crate::state::catalog::KUBELET_CLIENT;
use crate::state::text::{self, count};

/// A log line of the last day describes the current state.
const FRESH_SECONDS: i64 = 86_400;

/// What is known of a node at a time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The time of evaluation: `time` in JSON.
    #[serde(skip)]
    pub at: Timestamp,
    /// Where the node was read from: its root directory, or an archive.
    pub source: String,
    pub node: Summary,
    /// When kubelets were heard of last, by the Leases in etcd's database; `None` where it holds none.
    pub last_heartbeat: Option<LastHeartbeat>,
    pub verdict: Verdict,
    /// What is wrong, in order.
    pub findings: Vec<RankedFinding>,
    /// When each certificate expires, CAs first.
    pub credentials: Vec<Validity>,
    /// The credentials of which nothing is known, because their files can't be read.
    pub unreadable: Vec<Unreadable>,
    /// What expires within the horizon, in order.
    pub horizon: Vec<Expiry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub name: Option<String>,
    pub role: Role,
    /// Kubernetes' version, as far as the manifests show it: `1.36`.
    pub version: Option<String>,
    /// Where etcd runs.
    pub etcd: EtcdPlace,
}

/// When kubelets renewed their Leases last, each by its own node's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastHeartbeat {
    /// Of this node; `None` if it has no Lease.
    pub node: Option<Timestamp>,
    /// The latest of all nodes.
    pub cluster: Timestamp,
    /// The node that it came from.
    pub from: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It runs the control plane.
    ControlPlane,
    /// It runs only workloads.
    Worker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EtcdPlace {
    Local,
    External,
    /// A worker has none.
    None,
}

/// A finding and its consequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RankedFinding {
    #[serde(flatten)]
    pub finding: Finding,
    /// Set if the finding keeps something from working.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consequence: Option<&'static str>,
}

impl AsRef<Finding> for RankedFinding {
    fn as_ref(&self) -> &Finding {
        &self.finding
    }
}

/// The validity of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Validity {
    pub name: String,
    #[serde(with = "text")]
    pub path: PathBuf,
    /// Whether it is a CA.
    pub authority: bool,
    pub subject: String,
    pub issuer: String,
    /// Parts of the subject, such as `CN`; the first of each.
    #[serde(skip)]
    pub subject_parts: Vec<(&'static str, String)>,
    #[serde(skip)]
    pub issuer_parts: Vec<(&'static str, String)>,
    /// Hexadecimal.
    pub serial: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

/// A credential whose file exists and can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreadable {
    pub name: String,
    #[serde(with = "text")]
    pub path: PathBuf,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    pub at: Timestamp,
    pub name: String,
    /// What breaks when it expires.
    pub consequence: String,
}

pub fn diagnose(
    node: Node<'_>,
    timeline: Option<&Timeline>,
    source: &str,
    now: Timestamp,
    horizon: SignedDuration,
) -> Diagnosis {
    let Node { snapshot, inventory, .. } = node;
    let mut findings = findings(node, now);
    if inventory.is_control_plane() {
        findings.extend(timeline.and_then(|timeline| etcd_log(timeline, now)));
        order::sort(&mut findings);
    }
    let options = Options { authorities: CaSelection::Expired, ..Options::recovery() };
    let plan = decide(snapshot, inventory, &findings, &options, now);
    let verdict = verdict(inventory, &findings, &plan, now);
    let told = findings.into_iter().map(|finding| {
        let consequence = if finding.is_blocker() { order::follows(&finding) } else { None };
        RankedFinding { finding, consequence }
    });
    Diagnosis {
        at: now,
        source: source.to_owned(),
        node: Summary::of(inventory),
        last_heartbeat: LastHeartbeat::of(node),
        verdict,
        findings: told.collect(),
        credentials: validities(inventory),
        unreadable: unreadable(inventory),
        horizon: expiries(inventory, now, horizon),
    }
}

/// etcd's log lines about a lost snapshot. An old line may have been fixed since.
fn etcd_log(timeline: &Timeline, now: Timestamp) -> Option<Finding> {
    const CODES: [Code; 2] = [Code::EtcdNoSnapshot, Code::EtcdDatabaseSnapshotMissing];
    let hit = timeline.lines.iter().filter(|hit| CODES.contains(&hit.code)).max_by_key(|hit| hit.last)?;
    let is_fresh = hit.last.is_some_and(|last| now.as_second() - last.as_second() <= FRESH_SECONDS);
    let severity = if is_fresh { Severity::Blocker } else { Severity::Warning };
    let when = hit.last.map(|last| format!(", the last time {last:.0}")).unwrap_or_default();
    let what = format!("its log says so {}{when}", count(hit.count, "time"));
    let mut finding = Finding::new(Code::EtcdNoSnapshot, severity, "etcd", &hit.last_path, what);
    finding.evidence.push(Evidence::field(&hit.path, "log line", &hit.sample));
    Some(finding)
}

impl LastHeartbeat {
    fn of(node: Node<'_>) -> Option<Self> {
        let heartbeats = &node.inventory.facts.cluster()?.heartbeats;
        let (from, cluster) = heartbeats.iter().max_by_key(|(_, time)| *time)?;
        let name = node.inventory.facts.node_name.as_ref().map(|name| &name.value);
        let own = heartbeats.iter().find(|(node, _)| Some(node) == name).map(|(_, time)| *time);
        Some(Self { node: own, cluster: *cluster, from: from.clone() })
    }
}

impl Summary {
    fn of(inventory: &Inventory) -> Self {
        let facts = &inventory.facts;
        let control_plane = inventory.is_control_plane();
        Self {
            name: facts.node_name.as_ref().map(|node| node.value.clone()),
            role: if control_plane { Role::ControlPlane } else { Role::Worker },
            version: facts.minor_version.as_ref().map(|version| format!("1.{}", version.value)),
            etcd: match (control_plane, facts.local_etcd.value) {
                (false, _) => EtcdPlace::None,
                (true, true) => EtcdPlace::Local,
                (true, false) => EtcdPlace::External,
            },
        }
    }
}

fn validities(inventory: &Inventory) -> Vec<Validity> {
    let of = |name: &str, path: &PathBuf, authority: bool, certificate: &Certificate| Validity {
        name: name.to_owned(),
        path: path.clone(),
        authority,
        subject: certificate.subject.clone(),
        issuer: certificate.issuer.clone(),
        subject_parts: name::parts(&certificate.subject_der),
        issuer_parts: name::parts(&certificate.issuer_der),
        serial: certificate.serial.clone(),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
    };
    let authority =
        |row: &CaRow| Some(of(row.authority.name(), &row.certificate_path, true, row.certificate.get()?));
    let leaf = |row: &Row| Some(of(&row.name, &row.path, false, row.certificate.get()?));
    inventory.authorities.iter().filter_map(authority).chain(inventory.rows().filter_map(leaf)).collect()
}

fn unreadable(inventory: &Inventory) -> Vec<Unreadable> {
    let of = |name: &str, path: &PathBuf, why: Option<&str>| {
        Some(Unreadable { name: name.to_owned(), path: path.clone(), why: why?.to_owned() })
    };
    let authority = |row: &CaRow| of(row.authority.name(), &row.certificate_path, row.certificate.reason());
    let leaf = |row: &Row| of(&row.name, &row.path, row.certificate.reason());
    inventory.authorities.iter().filter_map(authority).chain(inventory.rows().filter_map(leaf)).collect()
}

fn expiries(inventory: &Inventory, now: Timestamp, horizon: SignedDuration) -> Vec<Expiry> {
    let until = now.saturating_add(horizon).unwrap_or(Timestamp::MAX);
    let soon = validities(inventory)
        .into_iter()
        .filter(|validity| validity.not_after >= now && validity.not_after <= until);
    let mut expiries: Vec<_> = soon
        .map(|Validity { name, not_after, .. }| {
            let mut consequence = consequence(&name).unwrap_or("whoever uses it is refused").to_owned();
            if name == KUBELET_CLIENT {
                consequence.push_str(" (the kubelet renews it itself while the API server answers)");
            }
            Expiry { at: not_after, name, consequence }
        })
        .collect();
    // What expires in the same second is sorted in causal order.
    expiries.sort_by_key(|expiry| (expiry.at, order::place(&expiry.name), expiry.name.clone()));
    expiries
}
