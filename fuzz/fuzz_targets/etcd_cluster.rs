//! Objects of a cluster of any content in etcd's database: what is read of them, and what a node's judgement and its plan
//! make of that. A part of the input is a key and its value; without a mark of its own a value is put into Kubernetes'
//! envelope of protobuf.
#![no_main]

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use kuberescue::analysis::node::facts::{EtcdRecords, Facts, Recorded};
use kuberescue::analysis::node::findings::{Node, findings};
use kuberescue::analysis::node::host_state::HostState;
use kuberescue::analysis::node::inventory::Inventory;
use kuberescue::analysis::node::plan::{Options, decide};
use kuberescue::formats::etcd::{ClusterRecords, REGISTRY, Status};
use kuberescue::report::{finding_lines, plan_text};
use kuberescue::state::Snapshot;
use kuberescue_fuzz::{node_with, parts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut objects: Vec<_> = parts(data).into_iter().map(|(key, value)| (key, stored(key, value))).collect();
    objects.sort();
    objects.dedup_by(|one, other| one.0 == other.0);
    let of = |objects: &mut dyn Iterator<Item = &(&[u8], Vec<u8>)>| {
        ClusterRecords::of(objects.map(|(key, value)| (*key, value.as_slice())), REGISTRY)
    };
    let records = of(&mut objects.iter());
    assert_eq!(of(&mut objects.iter().rev()), records, "the order doesn't count");
    let size: usize = objects.iter().map(|(key, value)| key.len() + value.len()).sum();
    let mut bundles: Vec<_> = records.copies.iter().map(|copy| &copy.pem).collect();
    bundles.sort();
    bundles.dedup();
    assert!(bundles.iter().map(|pem| pem.len()).sum::<usize>() <= 3 * size, "nothing is kept twice");
    judge(records);
});

/// A node without etcd's database, and with this one.
fn judge(records: ClusterRecords) {
    static READ: LazyLock<(Snapshot, Facts)> = LazyLock::new(|| {
        let snapshot = node_with(&[]);
        let facts = Facts::read(&snapshot, None);
        (snapshot, facts)
    });
    let (snapshot, facts) = &*READ;
    let mut facts = facts.clone();
    facts.record(Recorded::Read(Arc::new(EtcdRecords {
        database: facts.etcd_database(),
        status: Status::default(),
        in_use: None,
        objects: Some(Recorded::Read(records)),
    })));
    let inventory = Inventory::with_facts(snapshot, facts);
    let around = HostState::default();
    let now = Timestamp::from_second(1_795_478_400).expect("a time");
    let found = findings(Node { snapshot, inventory: &inventory, around: &around }, now);
    let plan = decide(snapshot, &inventory, &found, &Options::recovery(), now);
    let text = format!("{}{}", finding_lines(&found), plan_text(&plan));
    assert!(text.chars().all(|char| char == '\n' || !char.is_control()), "{text:?}");
}

fn stored(key: &[u8], value: &[u8]) -> Vec<u8> {
    let marks: [&[u8]; 3] = [b"k8s", b"\xd9\xd9\xf7", b"{"];
    if marks.iter().any(|mark| value.starts_with(mark)) {
        return value.to_vec();
    }
    let resource =
        key.strip_prefix(REGISTRY.as_bytes()).and_then(|key| key.split(|byte| *byte == b'/').next());
    let (version, kind) = match resource.unwrap_or_default() {
        b"configmaps" => ("v1", "ConfigMap"),
        b"secrets" => ("v1", "Secret"),
        b"leases" => ("coordination.k8s.io/v1", "Lease"),
        b"certificatesigningrequests" => ("certificates.k8s.io/v1", "CertificateSigningRequest"),
        _ => ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    };
    let kind = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &kind), field(2, value)].concat()
}

/// A field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}
