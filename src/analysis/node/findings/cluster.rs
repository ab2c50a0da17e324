//! What the cluster's objects in etcd's database show: copies of a CA that differ, requests that wait, and etcd's quota.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Code, Evidence, Finding, Severity};
use crate::analysis::node::copies::{self, CopyOfCa, State};
use crate::analysis::node::facts::{EtcdRecords, Facts, Recorded};
use crate::analysis::node::inventory::Inventory;
use crate::formats::etcd::{ClusterRecords, PendingRequest, Place};
use crate::state::catalog::{CAS, Ca};
use crate::state::text::{count, shell_word, some};
use crate::state::time::{expired_on, minute};

/// So many objects are named in a sentence, and so many in the evidence.
const NAMED: usize = 3;
const SHOWN: usize = 50;
/// kube-controller-manager removes a pending request then (kubernetes `pkg/controller/certificates/cleaner/cleaner.go`
/// `pendingExpiration`).
const PENDING: SignedDuration = SignedDuration::from_hours(24);
/// The alarm is raised about a member whose content is not that of the others, perhaps another one than this.
const CORRUPT_REMEDY: &str = "See which member's content is not that of the others: etcdctl endpoint hashkv --cluster. Remove that member (etcdctl member remove), join it again, then etcdctl alarm disarm. With one member restore the newest snapshot (etcdutl snapshot restore).";
const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";

pub(super) fn find(inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let unread = not_read(&inventory.facts);
    let Some(records) = inventory.facts.cluster() else { return unread.into_iter().collect() };
    let copies = copies::of_cluster(records, inventory);
    let differing = CAS.into_iter().filter_map(|ca| differing(ca, &copies, inventory, now));
    differing.chain(requests(records, inventory, now)).chain(unread).collect()
}

/// What of the database was needed and could not be read.
fn not_read(facts: &Facts) -> Option<Finding> {
    let mut parts = Vec::new();
    match &facts.recorded {
        Some(Recorded::Unread(why)) => parts.push(format!("members and the cluster's objects: {why}")),
        Some(Recorded::Read(records)) => {
            if let Some(Recorded::Unread(why)) = &records.objects {
                parts.push(format!("the cluster's objects: {why}"));
            }
        }
        Some(Recorded::Damaged(_)) | None => {}
    }
    parts.extend(facts.not_configured.iter().map(|why| format!("kubeadm-config: {why}")));
    let not_used = facts.configured.iter().flat_map(|configured| &configured.not_used);
    parts.extend(
        not_used.map(|(field, value)| format!("{field} of kubeadm-config: {value} is not supported here")),
    );
    if let Some(records) = facts.cluster() {
        parts.extend(records.encrypted.chunk_by(|one, other| one.0 == other.0).filter_map(|objects| {
            let (provider, _) = objects.first()?;
            let names = some(objects.iter().map(|(_, key)| key), NAMED);
            Some(format!("{names}: encrypted with {provider}"))
        }));
        if records.left_out > 0 {
            parts.push(format!("{}: damaged or too large", count(records.left_out, "object")));
        }
    }
    if parts.is_empty() {
        return None;
    }
    let what = format!("not read: {}", parts.join("; "));
    Some(Finding::new(Code::EtcdNotRead, Severity::Note, "etcd", facts.etcd_database(), what))
}

fn differing(ca: Ca, copies: &[CopyOfCa<'_>], inventory: &Inventory, now: Timestamp) -> Option<Finding> {
    let path = &inventory.authority(ca)?.certificate_path;
    let mut groups: BTreeMap<(State, bool), Vec<&CopyOfCa<'_>>> = BTreeMap::new();
    for copy in copies.iter().filter(|copy| copy.ca == ca && copy.state != State::Same) {
        groups.entry((copy.state, copy.is_refused_at(now))).or_default().push(copy);
    }
    let severity = match groups.keys().any(|(_, is_refused)| *is_refused) {
        _ if groups.is_empty() => return None,
        true => Severity::Warning,
        false => Severity::Note,
    };
    let clauses = groups.iter().map(|((state, _), copies)| {
        let last = copies.iter().map(|copy| copy.not_after).max().unwrap_or(now);
        let what = match state {
            State::OtherKey => "another CA of the same name".to_owned(),
            State::OtherName => "a certificate of the same key under another name (encoding)".to_owned(),
            _ if last < now => format!("another certificate of the same key, {}", expired_on(last, now)),
            _ => format!("another certificate of the same key, valid until {}", minute(last)),
        };
        format!("{} ({what})", places(copies))
    });
    let what = format!("copies in the cluster differ from it: {}", clauses.collect::<Vec<_>>().join("; "));
    let mut finding = Finding::new(Code::CaCopyDiffers, severity, ca, path, what);
    let database = inventory.facts.etcd_database();
    let all = groups.values().flatten().take(SHOWN);
    finding.evidence.extend(
        all.map(|copy| Evidence::field(&database, &format!("{} notAfter", copy.object()), copy.not_after)),
    );
    Some(finding)
}

/// The first few objects, and how many more; those of the namespaces as one.
fn places(copies: &[&CopyOfCa<'_>]) -> String {
    let (roots, others): (Vec<&CopyOfCa<'_>>, Vec<_>) =
        copies.iter().copied().partition(|copy| copy.copy.place == Place::RootCa);
    let mut names: Vec<_> = others.iter().take(NAMED).map(|copy| copy.object()).collect();
    if !roots.is_empty() {
        names.push(format!("kube-root-ca.crt in {}", count(roots.len(), "namespace")));
    }
    let more = others.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// Requests that wait at `now`; kube-controller-manager removes older ones, and the kubelet sends new ones.
fn requests(records: &ClusterRecords, inventory: &Inventory, now: Timestamp) -> Option<Finding> {
    let is_waiting = |request: &&PendingRequest| {
        request.created.is_some_and(|created| created <= now && now.duration_since(created) < PENDING)
    };
    // A kubelet sends a new request every 15 minutes and waits only for the newest.
    let mut newest: BTreeMap<(&str, &str), &PendingRequest> = BTreeMap::new();
    let waiting: Vec<_> = records.requests.iter().filter(is_waiting).collect();
    for request in &waiting {
        let known = newest.entry((&request.signer, &request.username)).or_insert(request);
        if request.created > known.created {
            *known = request;
        }
    }
    let from = newest.values().map(|request| {
        let signer = request.signer.strip_prefix("kubernetes.io/").unwrap_or(&request.signer);
        format!("{} of {} to {signer}", request.name, request.username)
    });
    let what = format!(
        "{} pending in etcd's database; the newest of each: {}",
        count(waiting.len(), "certificate signing request"),
        some(from, NAMED)
    );
    let database = inventory.facts.etcd_database();
    let first = newest.values().next()?;
    let mut finding = Finding::new(Code::CsrPending, Severity::Note, "csr", &database, what);
    let created = newest.values().take(SHOWN).filter_map(|request| Some((&request.name, request.created?)));
    finding
        .evidence
        .extend(created.map(|(name, created)| {
            Evidence::field(&database, &format!("{name} creationTimestamp"), created)
        }));
    let serving = newest.values().find(|request| request.signer == KUBELET_SERVING).unwrap_or(first);
    finding.remedy.reason = format!(
        "Who asks is in kubectl get csr. If a request is as it should be: kubectl certificate approve {}.",
        shell_word(&serving.name)
    );
    Some(finding)
}

/// etcd's alarms, or else a database near its quota.
pub(super) fn etcd(inventory: &Inventory, records: &EtcdRecords) -> Vec<Finding> {
    let EtcdRecords { database, status, in_use, .. } = records;
    let quota = inventory.facts.etcd_quota();
    let figures = |quota: u64| {
        let used = in_use.map(|bytes| format!(", {} of it in use", size(bytes))).unwrap_or_default();
        let percent = u128::from(status.size) * 100 / u128::from(quota.max(1));
        format!("{} of {} ({percent} %){used}", size(status.size), size(quota))
    };
    let of = |code, severity, what: String| {
        let mut finding = Finding::new(code, severity, "etcd", database, what);
        finding.evidence.push(Evidence::field(database, "size in bytes", status.size));
        finding.evidence.extend(in_use.map(|bytes| Evidence::field(database, "bytes in use", bytes)));
        finding
    };
    let mut kinds: Vec<_> = status.alarms.iter().map(|alarm| alarm.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut found: Vec<_> = kinds
        .iter()
        .filter_map(|kind| {
            let members: Vec<_> = status
                .alarms
                .iter()
                .filter(|alarm| alarm.kind == *kind)
                .map(|alarm| member(status, alarm.member))
                .collect();
            let raised = format!("the alarm {kind} is raised (member {})", members.join(", "));
            Some(match *kind {
                "NOSPACE" => {
                    let figures = quota.map(|quota| format!(": {}", figures(quota))).unwrap_or_default();
                    of(Code::EtcdSpaceExceeded, Severity::Blocker, format!("{raised}{figures}"))
                }
                "CORRUPT" => {
                    let mut finding = of(Code::EtcdDatabaseDamaged, Severity::Blocker, raised);
                    CORRUPT_REMEDY.clone_into(&mut finding.remedy.reason);
                    finding
                }
                _ => return None,
            })
        })
        .collect();
    if !kinds.contains(&"NOSPACE")
        && let Some((_, quota)) = inventory.facts.nearly_full(status)
    {
        found.push(of(Code::EtcdNearlyFull, Severity::Warning, figures(quota)));
    }
    found
}

fn member(status: &crate::formats::etcd::Status, id: u64) -> String {
    let known = status.members.iter().find(|member| member.id == Some(id));
    known.map(|member| member.name.clone()).filter(|name| !name.is_empty()).unwrap_or(format!("{id:x}"))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, ((bytes % (1 << 30)) * 10) >> 30),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::formats::bolt::ReadError;
    use crate::formats::etcd::Status;
    use crate::state::Snapshot;

    fn shown(recorded: Recorded<Arc<EtcdRecords>>) -> String {
        let mut facts = Facts::read(&Snapshot::default(), None);
        facts.record(recorded);
        not_read(&facts)
            .map(|finding| format!("{} {:?}: {}", finding.code, finding.severity, finding.what))
            .unwrap_or_default()
    }

    fn records(objects: Recorded<ClusterRecords>) -> Recorded<Arc<EtcdRecords>> {
        let (database, status) = Default::default();
        Recorded::Read(Arc::new(EtcdRecords { database, status, in_use: None, objects: Some(objects) }))
    }

    #[test]
    fn what_of_the_database_was_not_read() {
        let busy = || ReadError::Busy { attempts: 5 };
        let of_status = Recorded::of(Err::<Status, _>(busy())).unwrap();
        let Recorded::Unread(why) = of_status else { panic!("busy") };
        let encrypted = |provider: &str, key: &str| (provider.to_owned(), key.to_owned());
        let some = ClusterRecords {
            configuration: Some(Err("encrypted with aescbc".to_owned())),
            encrypted: vec![
                encrypted("aescbc", "/registry/secrets/a/b-ca"),
                encrypted("aescbc", "/registry/secrets/a/c-ca"),
                encrypted("aescbc", "/registry/secrets/a/d-ca"),
                encrypted("aescbc", "/registry/secrets/a/e-ca"),
                encrypted("kms", "/registry/secrets/b/c-ca"),
            ],
            left_out: 2,
            ..ClusterRecords::default()
        };
        let found = [
            shown(Recorded::Unread(why)),
            shown(records(Recorded::of(Err(busy())).unwrap())),
            shown(records(Recorded::Read(some))),
            shown(records(Recorded::Read(ClusterRecords::default()))),
        ];
        insta::assert_snapshot!(found.join("\n"), @"
        etcd-not-read Note: not read: members and the cluster's objects: etcd has written to it during each of 5 attempts to read it
        etcd-not-read Note: not read: the cluster's objects: etcd has written to it during each of 5 attempts to read it
        etcd-not-read Note: not read: kubeadm-config: encrypted with aescbc; /registry/secrets/a/b-ca, /registry/secrets/a/c-ca, /registry/secrets/a/d-ca and 1 more: encrypted with aescbc; /registry/secrets/b/c-ca: encrypted with kms; 2 objects: damaged or too large
        ");
    }
}
