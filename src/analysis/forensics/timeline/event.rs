//! Events: something with a time, what it was, and its source.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::Serialize;

use super::gather::Logs;
use crate::analysis::node::inventory::Inventory;
use crate::formats::certificate::Certificate;
use crate::state::{Code, Content, Snapshot, text};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A certificate's notBefore.
    ValidFrom,
    /// A certificate's notAfter.
    ValidUntil,
    FileChanged,
    /// The kubelet stored a certificate, according to the file's name.
    KubeletStored,
    /// The first line of a program's logs.
    LogBegins,
    /// A known line was written for the first time.
    FirstSeen,
    /// It was written for the last time.
    LastSeen,
    /// The last line of a program's logs.
    LogEnds,
    /// A kubelet renewed its Lease for the last time.
    LastHeartbeat,
    /// kuberescue changed the node.
    Rescued,
}

/// Something that happened, or will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub time: Timestamp,
    /// The source: a component for its log, `certificate`, `file`, `kubelet`, `kuberescue`.
    pub source: String,
    pub kind: Kind,
    pub what: String,
    /// Code of a known log line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The file that is meant, or in which it stands.
    #[serde(serialize_with = "text::optional", skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Event {
    pub fn new(
        time: Timestamp,
        source: &str,
        kind: Kind,
        what: impl Into<String>,
        path: Option<&Path>,
    ) -> Self {
        Self {
            time,
            source: source.to_owned(),
            kind,
            what: what.into(),
            code: None,
            count: None,
            path: path.map(Path::to_owned),
        }
    }

    pub fn of_file(time: Timestamp, what: impl Into<String>, path: &Path) -> Self {
        Self::new(time, "file", Kind::FileChanged, what, Some(path))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |event: &Self| (event.time, event.kind);
        key(self).cmp(&key(other)).then_with(|| {
            let key = |event: &Self| {
                (event.source.clone(), event.path.clone(), event.what.clone(), event.code, event.count)
            };
            key(self).cmp(&key(other))
        })
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The node's certificates: name, path, content.
pub(super) fn certificates(inventory: &Inventory) -> impl Iterator<Item = (&str, &Path, &Certificate)> {
    let authorities = inventory.authorities.iter().filter_map(|row| {
        Some((row.authority.name(), row.certificate_path.as_path(), row.certificate.get()?))
    });
    let rows = inventory.leaves.iter().map(|leaf| &leaf.row);
    let rows =
        rows.chain([&inventory.kubelet_client, &inventory.kubelet_serving]).chain(&inventory.elsewhere);
    let rows = rows.filter_map(|row| Some((row.name.as_str(), row.path.as_path(), row.certificate.get()?)));
    authorities.chain(rows)
}

/// notBefore and notAfter of every certificate.
pub(super) fn of_credentials(inventory: &Inventory) -> Vec<Event> {
    let mut events = Vec::new();
    for (name, path, certificate) in certificates(inventory) {
        let mut add = |time, kind, what| {
            events.push(Event::new(time, "certificate", kind, format!("{name} {what}"), Some(path)));
        };
        add(certificate.not_before, Kind::ValidFrom, "becomes valid");
        add(certificate.not_after, Kind::ValidUntil, "expires");
    }
    events
}

/// Changes of credentials, manifests and other files that are read, and the kubelet's dated files.
pub(super) fn of_files(snapshot: &Snapshot, inventory: &Inventory) -> Vec<Event> {
    let facts = &inventory.facts;
    let kubelet = &facts.kubelet_pki_dir.value;
    let mut events = Vec::new();
    for (path, entry) in snapshot.iter() {
        if let (true, Some(time)) = (path.parent() == Some(kubelet), kubelet_date(path)) {
            let what = "the kubelet got a certificate, by the name of its file";
            events.push(Event::new(time, "kubelet", Kind::KubeletStored, what, Some(path)));
        }
        let etcd = path.starts_with("/var/lib/etcd/member");
        let is_node_file = path.starts_with(&facts.pki_dir.value)
            || path.starts_with(&facts.manifest_dir.value)
            || path.starts_with(kubelet)
            || path.starts_with("/etc/kubernetes")
            || path.starts_with("/var/lib/kubelet")
            || path.ends_with(".kube/config");
        // A file whose time could not be read has none.
        let is_dated = entry.attributes.mtime != Timestamp::UNIX_EPOCH;
        let what = match &entry.content {
            Content::File(_) | Content::Unread(_) if is_node_file => "changed",
            Content::Directory if etcd => "last file made or removed in it",
            Content::File(_) | Content::Unread(_) if etcd => "last written",
            _ => continue,
        };
        if is_dated {
            events.push(Event::of_file(entry.attributes.mtime, what, path));
        }
    }
    events
}

/// The time in a name such as `kubelet-client-2026-11-23-22-24-31.pem`. The kubelet writes local time; it is
/// taken as UTC.
pub(super) fn kubelet_date(path: &Path) -> Option<Timestamp> {
    let name = path.file_name()?.to_str()?.strip_suffix(".pem")?;
    let date = name.strip_prefix("kubelet-client-").or_else(|| name.strip_prefix("kubelet-server-"))?;
    let mut parts = date.split('-');
    let mut part = |digits: usize| {
        let text = parts.next()?;
        (text.len() == digits).then(|| text.parse::<i16>().ok())?
    };
    let year = part(4)?;
    let mut small = || i8::try_from(part(2)?).ok();
    let time = DateTime::new(year, small()?, small()?, small()?, small()?, small()?, 0).ok()?;
    Offset::UTC.to_timestamp(time).ok()
}

/// The first and the last occurrence of each known line, and the period of each program's logs.
pub(super) fn of_logs(logs: &Logs) -> Vec<Event> {
    let mut events = Vec::new();
    for hit in logs.hits() {
        let (Some(first), Some(last)) = (hit.first, hit.last) else { continue };
        let mut add = |time, kind, path: &Path| {
            events.push(Event {
                code: Some(hit.code),
                count: Some(hit.count),
                ..Event::new(time, &hit.source, kind, hit.meaning, Some(path))
            });
        };
        add(first, Kind::FirstSeen, &hit.path);
        if last > first {
            add(last, Kind::LastSeen, &hit.last_path);
        }
    }
    for (source, (begin, end)) in logs.covered() {
        let mut add = |edge: &(Timestamp, PathBuf), kind, what| {
            events.push(Event::new(edge.0, source, kind, what, Some(&edge.1)));
        };
        add(begin, Kind::LogBegins, "its logs begin");
        add(end, Kind::LogEnds, "its logs end");
    }
    events
}
