//! Each kind has a schema, and real documents that fit it: the table of kinds is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use kuberescue::analysis::node::plan::{RestartReason, RestartTask, Restarts};
use kuberescue::disk::data::Size;
use kuberescue::disk::{Root, parking};
use kuberescue::formats::etcd::Keys;
use kuberescue::live::etcd::alone::Other;
use kuberescue::report::{
    EtcdRescue, KINDS, ProbeFormat, ProbeReport, RescueDone, RescuePlan, RestartFormat, restart_document,
};
use kuberescue::state::Component;
use serde_json::{Value, json};

use crate::commands::CASES;
use crate::common::{NOW, Node};
use crate::schema::{assert_fits, docs, read, validate};
use crate::world::World;
use crate::{node, server};

/// A change that the schema of a kind has to refuse, beside those of the envelope.
const REFUSED: [(&str, &str, &str); 33] = [
    ("Archive", "/dryRun", "yes"),
    ("ArchiveComparison", "/same", "many"),
    ("ArchiveList", "/items/0/unknown", ""),
    ("ArchiveRestore", "/leftOut", ""),
    ("ArchiveVerification", "/items/0/readiness", "READY?"),
    ("Bundle", "/role", "master"),
    ("BundleApply", "/after", ""),
    ("CertificateRequests", "/requests/0/usage", "any"),
    ("ClusterVerification", "/items/0/severity", "fatal"),
    ("CodeList", "/items/0/class", "none"),
    ("Diagnosis", "/verdict/state", "fine"),
    ("DiagnosisList", "/items/0/node/role", "master"),
    ("Error", "/exitCode", "five"),
    ("EtcdKeyList", "/items/0/encoding", "yaml"),
    ("EtcdMemberList", "/items/0/isLearner", "no"),
    ("EtcdRescue", "/bytes", "many"),
    ("EtcdSavedSnapshot", "/source/from", "elsewhere"),
    ("EtcdSnapshot", "/sha256", "good"),
    ("EtcdStatus", "/alarms", "none"),
    ("KubeconfigCheck", "/green", "yes"),
    ("KubeconfigComparison", "/same", "yes"),
    ("KubeconfigReplacement", "/replaced", "yes"),
    ("NewKubeconfig", "/recorded", "yes"),
    ("NodeList", "/items/0/ready", "yes"),
    ("Probe", "/items/0/phases/tcp/state", "fine"),
    ("Recovery", "/exitCode", "five"),
    ("Restart", "/items/0/reason/kind", "mood"),
    ("ResumeResult", "/result", "done"),
    ("RollbackResult", "/result", "resumed"),
    ("Rollout", "/items/0/action", "maybe"),
    ("SignedCertificates", "/certificates/0/kept", "yes"),
    ("Timeline", "/events/0/kind", "rumour"),
    ("TrustGraph", "/nodes/0/kind", "person"),
];

fn schema_of(kind: &str) -> &'static str {
    let known = KINDS.iter().find(|(known, _)| *known == kind);
    known.unwrap_or_else(|| panic!("{kind} is not in KINDS")).1
}

#[test]
fn each_kind_has_one_schema_and_each_schema_one_kind() {
    let files: BTreeSet<String> = std::fs::read_dir(docs(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".schema.json"))
        .collect();
    assert_eq!(files, KINDS.iter().map(|(_, schema)| (*schema).to_owned()).collect());
    for (kind, schema) in KINDS {
        let schema_of_it = read(schema);
        assert_eq!(schema_of_it["properties"]["kind"]["const"], kind, "{schema}");
        assert_eq!(schema_of_it["properties"]["apiVersion"]["const"], "kuberescue/v1", "{schema}");
        let required = schema_of_it["required"].as_array().unwrap();
        assert!(["apiVersion", "kind", "time"].iter().all(|key| required.contains(&json!(key))), "{schema}");
        let id = format!("https://github.com/kuberescue/kuberescue/blob/main/docs/{schema}");
        assert_eq!(schema_of_it["$id"], id);
    }
    let table = std::fs::read_to_string(docs("json.md")).unwrap();
    for (kind, schema) in KINDS {
        assert!(table.contains(&format!("| `{kind}` | `docs/{schema}` |")), "docs/json.md lacks {kind}");
    }
}

/// Of several nodes the same is said as of one.
#[test]
fn an_item_of_a_list_is_the_document_without_its_envelope() {
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let mut one = fields(&read("diagnosis.schema.json")["properties"]);
    one.retain(|key| !["apiVersion", "kind", "time"].contains(&key.as_str()));
    assert_eq!(fields(&read("diagnosis-list.schema.json")["$defs"]["item"]["properties"]), one);
}

/// Changes that are really made, and those that are undone or completed.
fn of_changes(world: &World) -> Vec<Value> {
    let at = format!("--at {NOW}");
    let node = |node: &Node, arguments: &str| -> Value {
        let run = node.run(&format!("{arguments} -o json"));
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{arguments}: {error}\n{run}"))
    };
    let mut found = vec![
        world.json(&format!("diagnose --trust --root OTHER {at}")),
        world.json("archive create --root OTHER"),
        world.json("archive list --root OTHER"),
        world.json(&format!("kubeconfig new --user a --group b --out issued --root OTHER {at}")),
        world.json("archive verify --root OTHER"),
        world.json("archive verify ARCHIVE"),
        world.json(&format!("recover --root OTHER --yes {at}")),
        world.json("archive diff ARCHIVE --root OTHER"),
        world.json("archive restore ARCHIVE --root OTHER --yes --accept-node"),
        world.json("rollback --root OTHER --yes"),
        world.json("explain expired"),
    ];
    let old = std::fs::read_to_string(world.path("old")).unwrap();
    world.keep_in_secret(&old);
    found.push(world.json("kubeconfig push --admin-kubeconfig config --cluster cluster1 --from new --yes"));
    found.push(world.json("kubeconfig install new --file old --yes"));
    found.push(world.json("kubeconfig install new --file old --yes"));
    let replaced: Vec<_> = found.iter().rev().take(3).map(|done| done["replaced"].clone()).collect();
    assert_eq!(replaced, [json!(false), json!(true), json!(true)]);
    found.push(world.json("rollout restart --kubeconfig config --yes --no-wait"));
    // Another tree than what is archived: paths come, go and are of another type.
    let plain = Node::of("rsa2048");
    plain.write("/etc/kubernetes/pki/apiserver.crt", "nothing");
    plain.remove("/etc/kubernetes/pki/sa.key");
    plain.write("/etc/kubernetes/pki/new", "new");
    let tar = crate::common::fixture("rsa2048").display().to_string();
    found.push(node(&plain, &format!("archive diff {tar}")));
    found.push(node(&plain, &format!("archive restore --yes {tar}")));
    found.push(node(&plain, &format!("archive verify {tar}")));
    for (command, kind) in [("resume", "ResumeResult"), ("rollback --yes", "RollbackResult")] {
        let parked = parked();
        let looked = node(&parked, &format!("{command} --dry-run"));
        assert_eq!((&looked["result"], &looked["kind"]), (&json!("planned"), &json!(kind)));
        let done = node(&parked, command);
        assert_eq!(
            (&done["result"], done["manifests"].as_array().unwrap().len()),
            (&json!("manifests-restored"), 2)
        );
        found.extend([looked, done]);
    }
    found
}

/// A node whose manifests an interrupted restart has moved away.
fn parked() -> Node {
    let node = Node::of("ecdsa-p256");
    let root = Root::open(node.root()).unwrap();
    let path = |name: &str| PathBuf::from(format!("/etc/kubernetes/manifests/{name}.yaml"));
    let lock = root.lock().unwrap();
    parking::park(&root, &lock, &[path("etcd"), path("kube-apiserver")], NOW.parse().unwrap()).unwrap();
    node
}

/// Those of a running node: servers of this test are asked; no runtime is stopped.
fn of_running() -> Vec<Value> {
    let mut running = node::Node::new();
    let well = running.probe();
    running.at.scheduler = server::closed_port();
    running.configure();
    running.timeout = std::time::Duration::from_secs(5);
    let broken = running.probe();
    assert!(well.is_green() && !broken.is_green());
    let probes = [well, broken];
    let files = || vec![PathBuf::from("/etc/kubernetes/pki/apiserver.crt")];
    let reasons = [
        (Component::Kubelet, RestartReason::CrashLooping),
        (Component::Etcd, RestartReason::StartedBeforeChange { files: files() }),
        (Component::ApiServer, RestartReason::CredentialsChanged { files: files() }),
        (Component::ControllerManager, RestartReason::NodeUnhealthy),
        (Component::Scheduler, RestartReason::NotRunning),
    ];
    let restarts = Restarts::of_tasks(reasons.map(|(component, reason)| RestartTask {
        component,
        reason,
        running: true,
    }));
    let texts = probes.iter().map(|report| ProbeReport { report }.render(ProbeFormat::Json)).chain(
        [true, false].map(|dry_run| {
            restart_document(RestartFormat::Json, NOW.parse().unwrap(), &restarts, None, dry_run)
        }),
    );
    texts.map(|text| serde_json::from_str(&text).unwrap()).collect()
}

/// A plan and a result: a quorum is lost on running nodes alone.
fn of_rescues() -> Vec<Value> {
    let asked = vec!["192.168.10.12:2379".parse().unwrap()];
    let lost = vec![Other { name: "cp-2".to_owned(), asked, answers: None, unasked: None }];
    let plan = |keys: Option<Keys>| RescuePlan {
        here: "cp-1".to_owned(),
        lost: lost.clone(),
        source: "etcd".to_owned(),
        manifest: PathBuf::from("/etc/kubernetes/manifests/etcd.yaml"),
        data: PathBuf::from("/var/lib/etcd"),
        copy: PathBuf::from("/var/lib/etcd-kuberescue-20261127T180000Z"),
        size: Size { bytes: 1 << 20, files: 9 },
        must_share: false,
        free: 1 << 30,
        keys,
        revision: Some(7),
    };
    let keys = Keys { count: 3, revision: 8 };
    let took = std::time::Duration::from_millis(7600);
    let done = RescueDone { archive: PathBuf::from("/var/lib/kuberescue/a.tar.gz"), keys, took };
    let (first, second) = (plan(None), plan(Some(keys)));
    [EtcdRescue::of(&first, None), EtcdRescue::of(&second, Some(&done))]
        .map(|body| {
            let mut document = serde_json::to_value(body).unwrap();
            for (key, value) in [("apiVersion", "kuberescue/v1"), ("kind", "EtcdRescue"), ("time", NOW)] {
                document[key] = json!(value);
            }
            document
        })
        .into()
}

#[test]
fn every_kind_fits_its_schema() {
    let world = World::new();
    let of_table = CASES.iter().map(|case| world.json(&case.line()));
    let mut documents: Vec<Value> =
        of_table.filter(|document| document["apiVersion"] == "kuberescue/v1").collect();
    documents.extend(of_changes(&world));
    documents.extend(of_running());
    documents.extend(of_rescues());
    let mut by_kind: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for document in &documents {
        by_kind.entry(document["kind"].as_str().unwrap()).or_default().push(document.clone());
    }
    let missing: Vec<_> = KINDS.iter().filter(|(kind, _)| !by_kind.contains_key(kind)).collect();
    assert!(missing.is_empty(), "no document of {missing:?}");
    for (kind, mut documents) in by_kind {
        let (_, pointer, value) = REFUSED.iter().find(|(known, ..)| *known == kind).unwrap();
        // The one that is changed has the field.
        documents.sort_by_key(|document| document.pointer(pointer).is_some());
        let changes = [
            (*pointer, json!(value)),
            ("/unknown", json!(1)),
            ("/time", json!("yesterday")),
            ("/kind", json!("Other")),
            ("/apiVersion", Value::Null),
        ];
        assert_fits(schema_of(kind), &documents, &changes);
    }
}

#[test]
fn several_nodes_fit_theirs() {
    let world = World::new();
    let told = world.json(&format!("diagnose NODE OTHER EMPTY --horizon 20y --at {NOW}"));
    assert_eq!(told["unreadable"].as_array().unwrap().len(), 1);
    assert_eq!(told["items"].as_array().unwrap().len(), 2);
    let one = world.json(&format!("diagnose --root NODE --horizon 20y --at {NOW}"));
    let same = told["items"].as_array().unwrap().iter().find(|item| item["source"] == one["source"]).unwrap();
    for (key, value) in same.as_object().unwrap() {
        assert_eq!(*value, one[key], "{key}: of several as of one");
    }
    assert!(validate("diagnosis-list.schema.json", &[told]).is_none_or(|wrong| wrong[0].is_empty()));
}
