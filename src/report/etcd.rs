//! etcd's database as `etcd status`, `etcd members` and `etcd snapshot` show it, in etcdctl's columns where it has them
//! (etcd 3.4.23 `etcdctl/ctlv3/command/printer.go`).

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::json::DocumentFormat;
use super::sanitise::line;
use super::table;
use crate::disk::Trailer;
use crate::error::Error;
use crate::formats::bolt::Meta;
use crate::formats::etcd::{Alarm, Member, Resources, Status, Totals};
use crate::state::Code;
use crate::state::text;
use crate::state::time::minute;

/// A member as JSON: the names of etcd's own API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberBody<'a> {
    id: String,
    name: &'a str,
    #[serde(rename = "peerURLs")]
    peer_urls: &'a [String],
    #[serde(rename = "clientURLs")]
    client_urls: &'a [String],
    is_learner: bool,
}

fn hex(id: u64) -> String {
    format!("{id:x}")
}

fn body(member: &Member) -> MemberBody<'_> {
    MemberBody {
        id: member.id.map(hex).unwrap_or_default(),
        name: &member.name,
        peer_urls: &member.peer_urls,
        client_urls: &member.client_urls,
        is_learner: member.is_learner,
    }
}

/// `etcdctl member list -w table`.
fn member_table(members: &[Member]) -> String {
    let heading = ["ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"];
    let rows = members.iter().map(|member| {
        // A member that was added and has not started yet has no name.
        let status = if member.name.is_empty() { "unstarted" } else { "started" };
        vec![
            member.id.map(hex).unwrap_or_default(),
            status.to_owned(),
            member.name.clone(),
            member.peer_urls.join(","),
            member.client_urls.join(","),
            member.is_learner.to_string(),
        ]
    });
    table::render(&[heading.map(str::to_owned).to_vec()].into_iter().chain(rows).collect::<Vec<_>>())
}

/// An `EtcdMemberList`: `docs/etcd-members.schema.json`.
pub struct EtcdMembers<'a> {
    pub file: &'a Path,
    pub modified: Timestamp,
    pub status: &'a Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MembersBody<'a> {
    #[serde(serialize_with = "text::serialize")]
    file: &'a Path,
    modified: Timestamp,
    revision: i64,
    items: Vec<MemberBody<'a>>,
    removed_members: Vec<String>,
}

impl EtcdMembers<'_> {
    pub fn render(&self, format: DocumentFormat, now: Timestamp) -> String {
        let Self { file, modified, status } = self;
        let body = MembersBody {
            file,
            modified: *modified,
            revision: status.revision,
            items: status.members.iter().map(body).collect(),
            removed_members: status.removed.iter().copied().map(hex).collect(),
        };
        format.render("EtcdMemberList", now, &body, |_| member_table(&status.members))
    }

    pub fn as_of(&self) -> String {
        as_of(self.file, self.status.revision, self.modified)
    }
}

/// `as of revision 1645, written 2026-11-23 22:10 UTC (FILE)`.
fn as_of(file: &Path, revision: i64, modified: Timestamp) -> String {
    format!("as of revision {revision}, written {} ({})", minute(modified), file.display())
}

/// An `EtcdStatus`: `docs/etcd-status.schema.json`.
pub struct EtcdStatus<'a> {
    pub file: &'a Path,
    pub modified: Timestamp,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of the pages in use; `None` while etcd writes to it.
    pub in_use: Option<u64>,
    pub meta: Meta,
    pub status: &'a Status,
    pub resources: &'a Resources,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusBody<'a> {
    #[serde(serialize_with = "text::serialize")]
    file: &'a Path,
    modified: Timestamp,
    size: u64,
    size_in_use: Option<u64>,
    page_size: u64,
    transaction: u64,
    revision: i64,
    compacted_revision: Option<i64>,
    consistent_index: Option<u64>,
    term: Option<u64>,
    cluster_version: Option<&'a str>,
    storage_version: Option<&'a str>,
    auth_enabled: bool,
    leases: usize,
    members: Vec<MemberBody<'a>>,
    removed_members: Vec<String>,
    alarms: Vec<AlarmBody<'a>>,
    keys: u64,
    resources: Vec<ResourceBody<'a>>,
}

#[derive(Serialize)]
struct AlarmBody<'a> {
    member: String,
    alarm: &'a str,
}

fn alarm(alarm: &Alarm) -> AlarmBody<'_> {
    AlarmBody { member: hex(alarm.member), alarm: &alarm.kind }
}

#[derive(Serialize)]
struct ResourceBody<'a> {
    name: &'a str,
    keys: u64,
}

impl EtcdStatus<'_> {
    pub fn render(&self, format: DocumentFormat, now: Timestamp) -> String {
        let Self { status, meta, resources, .. } = self;
        let body = StatusBody {
            file: self.file,
            modified: self.modified,
            size: self.size,
            size_in_use: self.in_use,
            page_size: meta.page_size,
            transaction: status.transaction,
            revision: status.revision,
            compacted_revision: status.compacted,
            consistent_index: status.consistent_index,
            term: status.term,
            cluster_version: status.cluster_version.as_deref(),
            storage_version: status.storage_version.as_deref(),
            auth_enabled: status.auth_enabled,
            leases: status.leases,
            members: status.members.iter().map(body).collect(),
            removed_members: status.removed.iter().copied().map(hex).collect(),
            alarms: status.alarms.iter().map(alarm).collect(),
            keys: resources.total,
            resources: self.by_resource(),
        };
        format.render("EtcdStatus", now, &body, |_| self.text())
    }

    /// The most frequent first.
    fn by_resource(&self) -> Vec<ResourceBody<'_>> {
        let mut found: Vec<_> =
            self.resources.counts.iter().map(|(name, keys)| ResourceBody { name, keys: *keys }).collect();
        found.sort_by(|one, other| other.keys.cmp(&one.keys).then(one.name.cmp(other.name)));
        found
    }

    fn text(&self) -> String {
        let Self { status, resources, .. } = self;
        let or = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
        let in_use = self.in_use.map_or("in use: unknown while etcd writes".to_owned(), |bytes| {
            format!("{} in use", human(bytes))
        });
        let facts = [
            ("Database", self.file.display().to_string()),
            ("As of", format!("revision {}, written {}", status.revision, minute(self.modified))),
            (
                "Compacted",
                status.compacted.map_or("never".to_owned(), |revision| format!("revision {revision}")),
            ),
            ("Raft index", or(status.consistent_index.map(|index| index.to_string()))),
            ("Raft term", or(status.term.map(|term| term.to_string()))),
            ("Cluster version", or(status.cluster_version.clone())),
            ("Size", format!("{} ({in_use})", human(self.size))),
            ("Keys", resources.total.to_string()),
            ("Alarms", alarms(status)),
            ("Removed members", some(status.removed.iter().copied().map(hex).collect())),
            ("Authentication", if status.auth_enabled { "enabled" } else { "disabled" }.to_owned()),
        ];
        let mut out = String::new();
        for (name, value) in facts {
            let _ = writeln!(out, "{}", line(&format!("{:<18}{value}", format!("{name}:"))));
        }
        let _ = write!(out, "\nMembers ({})\n{}", status.members.len(), member_table(&status.members));
        let rows = self.by_resource().into_iter().map(|row| vec![row.name.to_owned(), row.keys.to_string()]);
        let heading = ["RESOURCE", "KEYS"].map(str::to_owned).to_vec();
        let rows: Vec<_> = [heading].into_iter().chain(rows).collect();
        let _ = write!(out, "\nKeys by resource\n{}", table::render(&rows));
        out
    }
}

fn alarms(status: &Status) -> String {
    some(status.alarms.iter().map(|alarm| format!("{} (member {:x})", alarm.kind, alarm.member)).collect())
}

fn some(values: Vec<String>) -> String {
    if values.is_empty() { "none".to_owned() } else { values.join(", ") }
}

/// Bytes as etcdctl prints them (`github.com/dustin/go-humanize` `Bytes`): `29 kB`, `3.0 MB`.
fn human(bytes: u64) -> String {
    let (mut unit, mut scale) = ("B", 1_u64);
    for larger in ["kB", "MB", "GB", "TB"] {
        if bytes / 1000 < scale {
            break;
        }
        (unit, scale) = (larger, scale * 1000);
    }
    // Rounded to a tenth.
    let tenths = (u128::from(bytes) * 10 + u128::from(scale) / 2) / u128::from(scale);
    match (scale, tenths) {
        (1, _) => format!("{bytes} B"),
        (_, tenths) if tenths < 100 => format!("{}.{} {unit}", tenths / 10, tenths % 10),
        // Go rounds a half to the even neighbour.
        (_, tenths) => {
            let (whole, tenth) = (tenths / 10, tenths % 10);
            let up = tenth > 5 || (tenth == 5 && whole % 2 == 1);
            format!("{} {unit}", whole + u128::from(up))
        }
    }
}

/// An `EtcdSnapshot`: `docs/etcd-snapshot.schema.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdSnapshot<'a> {
    #[serde(serialize_with = "text::serialize")]
    file: &'a Path,
    modified: Timestamp,
    sha256: &'static str,
    intact: bool,
    hash: Option<u32>,
    revision: Option<i64>,
    /// As etcdctl 3.4 and etcdutl 3.5 count.
    total_key: Option<u64>,
    /// As etcdutl 3.6 counts.
    live_keys: Option<u64>,
    total_size: Option<u64>,
    version: Option<String>,
    members: Vec<String>,
    code: Option<Code>,
    damage: Option<String>,
}

impl<'a> EtcdSnapshot<'a> {
    /// What was read of it, with the number of its live keys.
    pub fn new(
        file: &'a Path,
        modified: Timestamp,
        trailer: Trailer,
        read: Result<(Totals, u64, Status), Error>,
    ) -> Self {
        let sha256 = match trailer {
            Trailer::Absent => "absent",
            Trailer::Valid => "valid",
            Trailer::Wrong => "wrong",
        };
        let (read, failure) = match read {
            Ok(read) => (Some(read), None),
            Err(error) => (None, Some(error)),
        };
        let wrong = (trailer == Trailer::Wrong).then_some((
            Some(Code::EtcdDataBroken),
            "its content does not match the SHA-256 at its end".to_owned(),
        ));
        let damage = failure.map(|error| (error.code, error.message)).or(wrong);
        let (code, damage) = damage.map_or((None, None), |(code, damage)| (code, Some(damage)));
        let totals = read.as_ref().map(|(totals, _, _)| totals);
        let status = read.as_ref().map(|(_, _, status)| status);
        Self {
            file,
            modified,
            sha256,
            intact: damage.is_none(),
            hash: totals.map(|totals| totals.hash),
            revision: totals.map(|totals| totals.revision),
            total_key: totals.map(|totals| totals.records),
            live_keys: read.as_ref().map(|(_, live, _)| *live),
            total_size: totals.map(|totals| totals.size),
            version: status.and_then(|status| status.storage_version.clone()),
            members: status.map(|status| names(&status.members)).unwrap_or_default(),
            code,
            damage,
        }
    }

    pub fn is_intact(&self) -> bool {
        self.intact
    }

    /// The columns of `etcdctl snapshot status -w table`.
    pub fn render(&self, format: DocumentFormat, now: Timestamp) -> String {
        format.render("EtcdSnapshot", now, self, |snapshot| {
            let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
            let heading = ["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "LIVE KEYS"];
            let row = vec![
                snapshot.hash.map(|hash| format!("{hash:x}")).unwrap_or_default(),
                snapshot.revision.map(|revision| revision.to_string()).unwrap_or_default(),
                number(snapshot.total_key),
                snapshot.total_size.map(human).unwrap_or_default(),
                number(snapshot.live_keys),
            ];
            table::render(&[heading.map(str::to_owned).to_vec(), row])
        })
    }

    /// One line: intact, or what is damaged.
    pub fn verdict(&self, format: DocumentFormat, now: Timestamp) -> String {
        format.render("EtcdSnapshot", now, self, |snapshot| {
            let file = snapshot.file.display();
            let text = match (&snapshot.damage, snapshot.code) {
                (Some(damage), Some(code)) => format!("{file}: damaged [{code}]: {damage}"),
                (Some(damage), None) => format!("{file}: damaged: {damage}"),
                (None, _) => format!(
                    "{file}: intact: revision {}, {} keys, members {}, SHA-256 {}",
                    snapshot.revision.unwrap_or(0),
                    snapshot.live_keys.unwrap_or(0),
                    some(snapshot.members.clone()),
                    snapshot.sha256
                ),
            };
            format!("{}\n", line(&text))
        })
    }
}

fn names(members: &[Member]) -> Vec<String> {
    let name = |member: &Member| {
        if member.name.is_empty() { member.id.map(hex).unwrap_or_default() } else { member.name.clone() }
    };
    members.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_etcdctl_prints_them() {
        let sizes =
            [0, 999, 1000, 20_480, 21_500, 28_672, 3_010_560, 9_949_999, 9_960_000, 999_499, 2_147_483_648];
        let expected = [
            "0 B", "999 B", "1.0 kB", "20 kB", "22 kB", "29 kB", "3.0 MB", "9.9 MB", "10 MB", "1000 kB",
            "2.1 GB",
        ];
        assert_eq!(sizes.map(human), expected);
    }
}
