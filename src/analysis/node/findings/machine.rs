//! Problems other than certificates: the clock, disk space, etcd's data, the service accounts' key.

use std::path::Path;

use jiff::Timestamp;

use super::{Code, Evidence, Finding, Severity, cluster};
use crate::analysis::node::facts::Recorded;
use crate::analysis::node::host_state::{Free, HostState, Interrupted};
use crate::analysis::node::inventory::{Inventory, Parsed};
use crate::formats::bolt::Meta;
use crate::formats::certificate::Certificate;
use crate::formats::etcd::DATABASE;
use crate::formats::key::public_key_bits;
use crate::state::Subject;
use crate::state::catalog::RESCUE_DIR;
use crate::state::text::count;
use crate::state::time::{expired_on, minute};
use crate::state::{Component, Snapshot};

/// A clock may be this many seconds earlier than the newest evidence on the disk.
const CLOCK_TOLERANCE_SECONDS: i64 = 600;

/// With less than this on its file system, in bytes, etcd and the kubelet are in trouble.
const TOO_LITTLE: u64 = 16 << 20;

/// With fewer inodes than this, the next rotation of a log or a certificate, or the next segment of etcd's
/// log, may fail.
const TOO_FEW: u64 = 16;

/// An interrupted run of this tool: it must be completed or undone before anything else.
pub(super) fn interrupted(around: &HostState) -> Option<Finding> {
    let own = Path::new(RESCUE_DIR);
    let finding = |code, path: &Path, what: String| {
        let mut finding = Finding::new(code, Severity::Blocker, "kuberescue", path, what);
        finding.remedy.command = Some("kuberescue resume".to_owned());
        finding
    };
    Some(match around.interrupted.as_ref()? {
        Interrupted::Change { journal, command, files } => {
            let what = format!("a change of {} was interrupted: {command}", count(*files, "file"));
            finding(Code::InterruptedChange, journal, what)
        }
        Interrupted::Rescue { record, lost } => {
            let what = format!(
                "making etcd a cluster of one was interrupted (kuberescue etcd rescue, without {})",
                lost.join(", ")
            );
            finding(Code::InterruptedChange, record, what)
        }
        Interrupted::Restart(manifests) => {
            let names: Vec<_> = manifests.iter().map(|path| path.display().to_string()).collect();
            let what =
                format!("a restart was interrupted, manifests are still moved away: {}", names.join(", "));
            finding(Code::InterruptedRestart, own, what)
        }
        Interrupted::Unreadable(why) => {
            finding(Code::InterruptedChange, own, format!("cannot read the record of the last change: {why}"))
        }
    })
}

pub(super) fn clock(inventory: &Inventory, around: &HostState, now: Timestamp) -> Option<Finding> {
    let (newest, source) = inventory.newest_evidence.as_ref()?;
    let late = newest.as_second().saturating_sub(now.as_second());
    if !around.time_is_the_clocks || late <= CLOCK_TOLERANCE_SECONDS {
        return None;
    }
    let what = format!(
        "the system clock ({}) is behind the newest timestamp on disk ({}, {source})",
        minute(now),
        minute(*newest)
    );
    Some(Finding::new(Code::ClockBehind, Severity::Blocker, "clock", "/", what))
}

pub(super) fn space(around: &HostState) -> Vec<Finding> {
    around.space.iter().filter_map(|(path, free)| full(path, *free)).collect()
}

/// A file system without free space or without inodes: without inodes no file can be created, however many
/// bytes are free.
fn full(path: &Path, free: Free) -> Option<Finding> {
    let (what, evidence) = match free.files {
        _ if free.bytes < TOO_LITTLE => {
            (format!("only {} KiB free", free.bytes >> 10), Evidence::field(path, "free bytes", free.bytes))
        }
        Some(files) if files < TOO_FEW => {
            let what = format!("{} MiB free, but only {}", free.bytes >> 20, count(files, "inode"));
            (what, Evidence::field(path, "free inodes", files))
        }
        _ => return None,
    };
    let mut finding =
        Finding::new(Code::DiskFull, Severity::Blocker, Subject::Path(path.to_owned()), path, what);
    finding.evidence.push(evidence);
    Some(finding)
}

pub(super) fn etcd(
    snapshot: &Snapshot,
    inventory: &Inventory,
    around: &HostState,
    now: Timestamp,
) -> Vec<Finding> {
    if !inventory.facts.local_etcd.value {
        return external_etcd(snapshot, inventory, now);
    }
    let Some(data) = &around.etcd else { return Vec::new() };
    let finding = |code, path: &std::path::Path, what: String| {
        vec![Finding::new(code, Severity::Blocker, "etcd", path, what)]
    };
    let database = data.directory.join(DATABASE);
    match &data.database {
        _ if !data.is_there => {
            let what = format!("no etcd member in {}", data.directory.display());
            finding(Code::EtcdDataMissing, &data.directory, what)
        }
        None => finding(Code::EtcdDataMissing, &database, "database not found".to_owned()),
        Some((head, size)) => match Meta::parse(head, *size) {
            Ok(_) => match &inventory.facts.recorded {
                Some(Recorded::Damaged(why)) => finding(Code::EtcdDataBroken, &database, why.clone()),
                Some(Recorded::Read(records)) => match &records.objects {
                    Some(Recorded::Damaged(why)) => finding(Code::EtcdDataBroken, &database, why.clone()),
                    _ => cluster::etcd(inventory, records),
                },
                Some(Recorded::Unread(_)) | None => Vec::new(),
            },
            Err(error) => finding(Code::EtcdDataBroken, &database, error.to_string()),
        },
    }
}

fn external_etcd(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let Some((manifest, pod)) = inventory.facts.pod(Component::ApiServer) else { return Vec::new() };
    let servers = pod.flag("etcd-servers").unwrap_or_default();
    let mut note = Finding::new(
        Code::EtcdExternal,
        Severity::Note,
        "etcd",
        manifest,
        format!("kube-apiserver uses {servers}"),
    );
    note.evidence.push(Evidence::flag(snapshot, manifest, "etcd-servers", servers));
    let mut found = vec![note];
    let path = &pod.host(pod.flag("etcd-certfile").unwrap_or_default());
    // One that can be renewed here is a credential like any other.
    let is_ours = inventory.row("apiserver-etcd-client").is_some();
    if let Some(certificate) = snapshot.file(path).and_then(|bytes| Certificate::of(bytes).ok())
        && !is_ours
        && certificate.expired_at(now)
    {
        let what = expired_on(certificate.not_after, now);
        let mut finding = Finding::new(Code::EtcdClientExpired, Severity::Blocker, "etcd client", path, what);
        finding.evidence.push(Evidence::field(path, "notAfter", certificate.not_after));
        finding.evidence.push(Evidence::flag(snapshot, manifest, "etcd-certfile", path.display()));
        found.push(finding);
    }
    found
}

pub(super) fn service_account(inventory: &Inventory) -> Option<Finding> {
    let pair = &inventory.service_account;
    let missing = |path: &std::path::Path, what: String| {
        Some(Finding::new(Code::SaMissing, Severity::Blocker, "sa", path, what))
    };
    let key = match &pair.key {
        Parsed::Missing => return missing(&pair.key_path, "not found".to_owned()),
        Parsed::Unreadable(why) => return missing(&pair.key_path, why.clone()),
        Parsed::Present(key) => key,
    };
    let public = match &pair.public {
        Parsed::Missing => return missing(&pair.public_path, "not found".to_owned()),
        Parsed::Unreadable(why) => return missing(&pair.public_path, why.clone()),
        Parsed::Present(public) => public,
    };
    if public_key_bits(public).ok() == public_key_bits(key.spki()).ok() {
        return None;
    }
    let what = format!("is not the public key of {}", pair.key_path.display());
    Some(Finding::new(Code::SaPairMismatch, Severity::Blocker, "sa", &pair.public_path, what))
}
