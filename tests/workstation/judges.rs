//! Others read what was installed: kubectl gets the nodes with it, openssl reads its certificate.

use std::process::Command;

use serde_json::{Value, json};

use crate::apiserver::answer;
use crate::common::{credential, kubectl, openssl, public_key_of_certificate, public_key_of_key, skip};
use crate::scene::{FILE, FROM, Scene};

/// As much of the API's table of contents as kubectl asks for before it lists nodes.
fn with_discovery(scene: &Scene) {
    let nodes = json!({"name": "nodes", "singularName": "node", "namespaced": false, "kind": "Node", "verbs": ["get", "list"]});
    for (path, value) in [
        ("/api", json!({"kind": "APIVersions", "versions": ["v1"]})),
        ("/apis", json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []})),
        ("/api/v1", json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [nodes]})),
    ] {
        scene.cluster.store().instead.insert(("GET".to_owned(), path.to_owned()), answer(200, &value));
    }
}

#[test]
fn kubectl_gets_nodes_with_the_installed_file() {
    let Some(kubectl) = kubectl() else {
        return skip("there is no kubectl (make deps installs one)");
    };
    let scene = Scene::new();
    with_discovery(&scene);
    let get_nodes = || {
        Command::new(&kubectl)
            .args(["get", "nodes", "-o", "name", "--request-timeout=20s", "--kubeconfig"])
            .arg(scene.path(FILE))
            .env("NO_PROXY", "127.0.0.1")
            .env("HOME", scene.path("home"))
            .output()
            .unwrap()
    };
    let before = get_nodes();
    assert!(!before.status.success(), "the old one does not work");
    assert_eq!(scene.run(&format!("install {FROM} --yes")).code, 0);
    let after = get_nodes();
    let said = String::from_utf8_lossy(&after.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&after.stdout), "node/lab-cp1\n", "{said}");
    // And it reads the same names.
    let view = Command::new(&kubectl)
        .args(["config", "view", "-o", "json", "--kubeconfig"])
        .arg(scene.path(FILE))
        .output()
        .unwrap();
    let view: Value = serde_json::from_slice(&view.stdout).unwrap();
    assert_eq!(view["clusters"][0]["cluster"]["server"], scene.cluster.url());
}

#[test]
fn openssl_reads_what_was_installed() {
    let scene = Scene::new();
    assert_eq!(scene.run(&format!("install {FROM} --yes")).code, 0);
    let file = scene.read(FILE).replace(", client-key-data", "\nclient-key-data").replace('}', "\n");
    let (certificate, key) = credential(&file);
    assert_eq!(public_key_of_certificate(&certificate), public_key_of_key(&key));
    let serial = openssl("x509 -noout -serial", &certificate).trim().replace("serial=", "");
    let said = scene.run(&format!("fetch {FROM}"));
    let plain = |text: &str| text.to_lowercase().replace(':', "");
    assert!(plain(&said.err).contains(&plain(&serial)), "{serial}\n{said}");
}
