//! `-o json` against `docs/diagnosis.schema.json`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::{Node, kuberescue, run};
pub use crate::validator::{docs, validate as validate_with};
use crate::{TREES, diagnose};

fn validate(documents: &[Value]) -> Option<Vec<Vec<String>>> {
    validate_with("diagnosis.schema.json", documents)
}

#[test]
fn codes_fit_theirs() {
    let listed = |arguments: &[&str]| -> Value {
        let mut command = kuberescue();
        command.arg("explain").args(arguments).args(["-o", "json"]);
        serde_json::from_str(&run(command).out).unwrap()
    };
    let one = listed(&["expired"]);
    let mut changed = one.clone();
    changed["items"][0]["class"] = json!("unknown");
    let documents = [listed(&["--list"]), one, changed];
    let Some(wrong) = validate_with("codes.schema.json", &documents) else { return };
    assert!(wrong[0].is_empty() && wrong[1].is_empty() && !wrong[2].is_empty(), "{wrong:#?}");
}

fn document(node: &Node) -> Value {
    serde_json::from_str(&diagnose(node, "-o json --horizon 20y")).unwrap()
}

#[test]
fn what_is_written_fits_its_schema() {
    let mut documents: Vec<_> = TREES.iter().map(|tree| document(&Node::of(tree))).collect();
    // A worker, and a node of which next to nothing is left.
    let worker = Node::of("rsa2048");
    for gone in ["/etc/kubernetes/manifests", "/etc/kubernetes/pki/etcd", "/etc/kubernetes/pki/ca.key"] {
        worker.remove(gone);
    }
    documents.push(document(&worker));
    let bare = Node::empty();
    bare.write("/etc/kubernetes/pki/ca.crt", "nothing");
    documents.push(document(&bare));
    let Some(wrong) = validate(&documents) else { return };
    assert!(wrong.iter().all(Vec::is_empty), "{wrong:#?}");
    assert_eq!(wrong.len(), TREES.len() + 2);
    // What is asserted above is something: each list has entries somewhere.
    for list in ["findings", "credentials", "unreadable", "horizon"] {
        let entries = |document: &Value| document[list].as_array().unwrap().len();
        assert!(documents.iter().map(entries).sum::<usize>() > 0, "{list}");
    }
}

#[test]
fn what_is_changed_does_not_fit() {
    let original = document(&Node::of("mixed"));
    let change = |pointer: &str, value: Value| {
        let mut changed = original.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = changed.pointer_mut(parent).unwrap();
        match value {
            Value::Null => drop(parent.as_object_mut().unwrap().remove(name).unwrap()),
            value => parent[name] = value,
        }
        changed
    };
    let changes = [
        ("/unknown", json!(1)),
        ("/schema", json!(2)),
        ("/at", json!("yesterday")),
        ("/verdict", Value::Null),
        ("/verdict/state", json!("fine")),
        ("/node/role", json!("master")),
        ("/node/unknown", json!("x")),
        ("/findings/0/severity", json!("fatal")),
        ("/findings/0/code", json!("KR0101")),
        ("/findings/0/unknown", json!(true)),
        ("/findings/0/evidence/0/line", json!(0)),
        ("/findings/0/remedy", Value::Null),
        ("/credentials/0/notAfter", json!(1_795_473_000)),
        ("/credentials/0/authority", json!("yes")),
        ("/unreadable/0/why", Value::Null),
        ("/horizon/0/consequence", json!(["x"])),
    ];
    let mut documents = vec![original.clone()];
    documents.extend(changes.iter().map(|(pointer, value)| change(pointer, value.clone())));
    let Some(wrong) = validate(&documents) else { return };
    assert_eq!(wrong[0], Vec::<String>::new());
    for ((pointer, value), wrong) in changes.iter().zip(&wrong[1..]) {
        assert!(!wrong.is_empty(), "{pointer} = {value} is accepted");
    }
}

#[test]
fn it_knows_every_code() {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(docs("diagnosis.schema.json")).unwrap()).unwrap();
    let of_schema: Vec<_> = schema["$defs"]["code"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    let mut explain = kuberescue();
    explain.args(["explain", "--list", "-o", "json"]);
    let told = run(explain);
    assert_eq!(told.code, 0, "{told}");
    let pages: Value = serde_json::from_str(&told.out).unwrap();
    // The others are no findings of a node on a disk, but for three that are known from logs and the cluster too.
    const BOTH: [&str; 3] = ["csr-pending", "etcd-space-exceeded", "etcd-database-damaged"];
    const CLASSES: [&str; 7] = ["clock", "disk", "etcd", "manifest", "kubelet", "credential", "exposure"];
    let pages = pages["items"].as_array().unwrap().iter();
    let of_nodes = pages.filter(|page| CLASSES.contains(&page["class"].as_str().unwrap()));
    let of_program = of_nodes.map(|page| page["code"].as_str().unwrap()).chain(BOTH);
    let of_program: BTreeSet<_> = of_program.collect();
    assert_eq!(of_schema.iter().copied().collect::<BTreeSet<_>>(), of_program);
    assert_eq!(of_schema.len(), of_program.len(), "one of them stands twice");
}

/// What `recover` and `certs renew` did or would do, and why they did not.
#[test]
fn recoveries_and_errors_fit_theirs() {
    let document = |node: &Node, arguments: &str| -> Value {
        serde_json::from_str(&node.run(&format!("{arguments} -o json")).out).unwrap()
    };
    let (expired, mixed) = (Node::of("expired-all"), Node::of("mixed"));
    let recoveries = [
        document(&mixed, "recover --dry-run"),
        document(&expired, "certs renew apiserver --dry-run"),
        document(&expired, "recover --yes"),
        // What was written just now is newer than the time of the test.
        document(&expired, "recover --yes --accept clock-behind"),
    ];
    assert_eq!(recoveries[2]["changed"], true);
    assert_eq!(recoveries[3]["changed"], false, "a second time there is nothing to do");
    let errors = [document(&Node::of("expired-ca"), "recover --yes"), document(&Node::empty(), "recover")];
    let exits: Vec<_> =
        errors.iter().map(|error| (error["code"].clone(), error["exitCode"].clone())).collect();
    assert_eq!(exits, [(json!("ca-expired"), json!(5)), (json!("not-a-kubeadm-node"), json!(2))]);
    for (schema, documents) in [("recovery.schema.json", &recoveries[..]), ("error.schema.json", &errors[..])]
    {
        let mut documents = documents.to_vec();
        let mut changed = documents[0].clone();
        changed["exitCode"] = json!("five");
        documents.push(changed);
        let Some(wrong) = validate_with(schema, &documents) else { return };
        let (last, others) = wrong.split_last().unwrap();
        assert!(others.iter().all(Vec::is_empty) && !last.is_empty(), "{schema} {wrong:#?}");
    }
}
