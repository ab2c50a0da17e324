//! `kubeconfig check -o json` against `docs/kubeconfig.schema.json`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::desk::{Desk, cluster, kubeconfig, user};
use crate::schema::validate_with;
use crate::server::{Authority, BOTH, Clients, closed_port, config, http, https};

const SCHEMA: &str = "kubeconfig.schema.json";

/// A desk with kubeconfigs of every kind, and what is said of them and of the servers that they name.
fn said() -> Value {
    let (desk, authority, other) = (Desk::new(), Authority::new("ca"), Authority::new("other"));
    let (admin, expired) = (authority.leaf("admin"), authority.expired("expired"));
    let served = config(&authority.leaf("kube-apiserver"), Clients::Anyone, &BOTH);
    let (address, _) = https(served, |_| http(200, "", b"ok"));
    let (here, gone) = (format!("https://{address}"), format!("https://{}", closed_port()));
    desk.write("admin.crt", admin.certificate.to_pem());
    desk.write("token", "no JSON Web Token");
    let jwt = "e30.eyJzdWIiOiJqb2UiLCJleHAiOjE3OTU0NzMwMDAsIm5iZiI6MX0.c2ln";
    let known = cluster(&here, &authority);
    for (name, cluster, user) in [
        ("good", known.clone(), user(&admin, &admin)),
        ("refused", cluster(&here, &other), user(&expired, &admin)),
        ("insecure", format!("{known}, insecure-skip-tls-verify: true"), "username: joe".to_owned()),
        (
            "proxy",
            format!("{}, proxy-url: 'http://p:1'", cluster(&gone, &authority)),
            format!("token: {jwt}"),
        ),
        ("no-ca", format!("server: '{gone}'"), "tokenFile: token".to_owned()),
        ("plug-in", known.clone(), "exec: {command: c}, auth-provider: {name: oidc}".to_owned()),
        ("file", known.clone(), "client-certificate: admin.crt".to_owned()),
        ("nothing", known.replace("server", "x"), String::new()),
    ] {
        desk.write(name, kubeconfig(&cluster, &user));
    }
    desk.write("bare", "contexts: [{name: a}]\n");
    desk.write("none", "nothing");
    desk.json("good refused insecure proxy no-ca plug-in file nothing bare none --connect").0
}

#[test]
fn what_is_written_fits_its_schema_and_what_is_changed_does_not() {
    let original = said();
    let changes = [
        ("/unknown", json!(1)),
        ("/kind", json!("Probe")),
        ("/time", json!("yesterday")),
        ("/green", Value::Null),
        ("/items/0/error", Value::Null),
        ("/items/0/unknown", json!(1)),
        ("/items/0/contexts/0/current", json!("yes")),
        ("/items/0/contexts/0/token", json!("secret")),
        ("/items/0/contexts/0/certificate/notAfter", json!(1_795_473_000)),
        ("/items/0/contexts/0/certificate/serial", json!("1:2")),
        ("/items/0/contexts/0/certificate/chains", json!("yes")),
        ("/items/0/contexts/0/connection/verified", Value::Null),
        ("/items/0/contexts/0/connection/served/subject", json!(1)),
        ("/items/0/contexts/0/authorities/0/notBefore", Value::Null),
        ("/items/1/contexts/0/findings/0/code", json!("KR0101")),
        ("/items/1/contexts/0/findings/0/severity", json!("wrong")),
        ("/items/1/contexts/0/findings/0/remedy", Value::Null),
        ("/items/3/contexts/0/token/verified", json!(true)),
    ];
    let mut documents = vec![original.clone()];
    documents.extend(changes.iter().map(|(pointer, value)| {
        let mut changed = original.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = changed.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
        match value {
            Value::Null => drop(parent.remove(name).unwrap()),
            value => drop(parent.insert(name.to_owned(), value.clone())),
        }
        changed
    }));
    // What is asserted is something: each field has a value somewhere, and there are codes of many kinds.
    let contexts: Vec<&Value> = original["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|file| file["contexts"].as_array().unwrap())
        .collect();
    let somewhere = |pointer: &str| {
        let values = contexts.iter().filter_map(|context| context.pointer(pointer));
        let told = values.filter(|value| !value.is_null() && **value != json!([]));
        assert!(told.count() > 0, "{pointer} is nowhere: {original:#}");
    };
    for pointer in [
        "/certificate/keyMatches",
        "/certificate/chains",
        "/certificate/file",
        "/token/subject",
        "/token/notBefore",
        "/token/notAfter",
        "/token/file",
        "/exec",
        "/authProvider",
        "/username",
        "/authorities",
        "/proxy",
        "/findings",
        "/connection/served",
        "/connection/error",
        "/connection/note",
    ] {
        somewhere(pointer);
    }
    let codes: BTreeSet<_> = contexts
        .iter()
        .flat_map(|context| context["findings"].as_array().unwrap())
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert!(codes.len() > 8, "{codes:?}");
    assert!(original["items"][9]["error"].is_string(), "{original:#}");
    let Some(wrong) = validate_with(SCHEMA, &documents) else { return };
    assert_eq!(wrong[0], Vec::<String>::new());
    for ((pointer, value), wrong) in changes.iter().zip(&wrong[1..]) {
        assert!(!wrong.is_empty(), "{pointer} = {value} is accepted");
    }
}
