//! The first failure in the logs, compared with what had expired by then.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::event::certificates;
use super::gather::{Hit, Logs};
use crate::analysis::node::inventory::Inventory;
use crate::formats::log::Nature;
use crate::state::{Code, Component};

/// The first line about a rejected certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstFailure {
    pub time: Timestamp,
    pub source: String,
    pub code: Code,
    /// What had expired by then.
    pub expired: Option<Expiry>,
    /// The failure and its cause in one sentence.
    pub sentence: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// `None` for a certificate that is no longer on the disk.
    pub name: Option<String>,
    pub time: Timestamp,
    /// Whether the line itself names it.
    pub is_named: bool,
}

/// The first failure in the logs that has a time.
pub(super) fn first(logs: &Logs, inventory: &Inventory) -> Option<FirstFailure> {
    let failures = logs.hits().filter(|hit| matches!(hit.nature, Nature::Tls | Nature::KubeletStart));
    let (time, hit) = failures.filter_map(|hit| Some((hit.first?, hit))).min_by_key(|(time, _)| *time)?;
    let expired = expired(hit, time, inventory);
    let kind = if hit.nature == Nature::Tls { "first TLS failure" } else { "first failed start" };
    let after = match &expired {
        Some(expired) => {
            let late = passed(time.duration_since(expired.time));
            match &expired.name {
                Some(name) => format!("{late} after {name} expired"),
                None => format!("{late} after the expiry of a certificate that is not on the disk any more"),
            }
        }
        None => "when no certificate on the disk had expired".to_owned(),
    };
    let sentence = format!("{kind} {time} in {}, {after}: {}", hit.source, hit.meaning);
    Some(FirstFailure { time, source: hit.source.clone(), code: hit.code, expired, sentence })
}

/// The expiry that the lines name first, otherwise the last expiry before the failure.
fn expired(hit: &Hit, time: Timestamp, inventory: &Inventory) -> Option<Expiry> {
    let before = |end: &Timestamp| *end <= time;
    let named = hit.expiries.iter().copied().filter(before).max();
    let mut expiries: Vec<(Timestamp, &str)> =
        certificates(inventory).map(|(name, _, certificate)| (certificate.not_after, name)).collect();
    expiries.sort_unstable();
    if let Some(end) = named {
        let name = likely(expiries.iter().filter(|(other, _)| *other == end).map(|(_, name)| *name), hit);
        return Some(Expiry { name: name.map(str::to_owned), time: end, is_named: true });
    }
    let last = expiries.iter().map(|(end, _)| *end).filter(before).max()?;
    let name = likely(expiries.iter().filter(|(end, _)| *end == last).map(|(_, name)| *name), hit);
    Some(Expiry { name: name.map(str::to_owned), time: last, is_named: false })
}

/// Of certificates that expired at the same time, the one that such a line is usually about.
fn likely<'a>(names: impl Iterator<Item = &'a str>, hit: &Hit) -> Option<&'a str> {
    let wanted: &[&str] = match (Component::named(&hit.source), hit.code) {
        (_, Code::EtcdPeerRefused) => &["etcd-peer"],
        (_, Code::EtcdCertificateRefused | Code::EtcdHandshakeRefused) => &["etcd-server", "etcd-peer"],
        (_, Code::EtcdClientRefused) => &["apiserver-etcd-client", "etcd-healthcheck-client", "etcd-peer"],
        (_, Code::KubeletClientExpired | Code::KubeletClientExpiredRunning) => &["kubelet-client"],
        (_, Code::KubectlUnauthorized) => &["admin.conf"],
        (Some(Component::Kubelet | Component::ControllerManager | Component::Scheduler), _)
        | (_, Code::KubectlRefused) => &["apiserver"],
        _ => &[],
    };
    let names: Vec<&str> = names.collect();
    let fits = |wanted: &&&str| names.iter().any(|name| name == *wanted);
    wanted.iter().find(fits).copied().or_else(|| names.first().copied())
}

/// `12 s`, `3 min`, `5 h`, `30 d`.
pub(super) fn passed(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}
