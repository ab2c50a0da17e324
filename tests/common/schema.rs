//! Documents against `docs/*.schema.json`, validated by Python's jsonschema.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Reads a list of documents and answers with a list of lists of what is wrong with each.
const VALIDATE: &str = "
import glob, json, os, sys
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
# A schema may name a definition of another one.
others = [json.load(open(path)) for path in glob.glob(os.path.dirname(sys.argv[1]) + '/*.schema.json')]
registry = Registry().with_resources([(other['$id'], Resource.from_contents(other)) for other in others])
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema, registry=registry)
wrong = lambda document: ['/'.join(map(str, e.path)) + ': ' + e.message[:200] for e in validator.iter_errors(document)]
print(json.dumps([wrong(document) for document in json.load(sys.stdin)]))
";

pub fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

pub fn read(schema: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(docs(schema)).unwrap()).unwrap()
}

/// What is wrong with each document; nothing where the validator isn't installed.
pub fn validate(schema: &str, documents: &[Value]) -> Option<Vec<Vec<String>>> {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/python");
    let ready = Command::new(&python).args(["-c", "import jsonschema"]).output();
    if !ready.is_ok_and(|ready| ready.status.success()) {
        crate::common::skip("jsonschema is not in target/tools/python: make deps");
        return None;
    }
    let mut child = Command::new(python)
        .args(["-c", VALIDATE])
        .arg(docs(schema))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(documents).unwrap()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{schema}: {}", String::from_utf8_lossy(&done.stderr));
    Some(serde_json::from_slice(&done.stdout).unwrap())
}

/// Each document fits; with the value at the pointer of each change replaced, or taken out by null, the last one does
/// not.
#[track_caller]
pub fn assert_fits(schema: &str, documents: &[Value], changes: &[(&str, Value)]) {
    let mut all = documents.to_vec();
    for (pointer, value) in changes {
        let mut changed = documents.last().unwrap().clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = changed.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer}"));
        match value {
            Value::Null => drop(parent.as_object_mut().unwrap().remove(name).unwrap()),
            value => parent[name] = value.clone(),
        }
        all.push(changed);
    }
    let Some(wrong) = validate(schema, &all) else { return };
    let (fit, do_not) = wrong.split_at(documents.len());
    for (document, wrong) in documents.iter().zip(fit) {
        assert!(wrong.is_empty(), "{schema}: {wrong:#?}\n{document:#}");
    }
    for ((pointer, value), wrong) in changes.iter().zip(do_not) {
        assert!(!wrong.is_empty(), "{schema}: {pointer} = {value} is accepted");
    }
}
