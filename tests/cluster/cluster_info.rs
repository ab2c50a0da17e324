//! The CA in the ConfigMap cluster-info, as `recover` renews it.

use std::time::Duration;

use kuberescue::formats::certificate::Certificate;
use kuberescue::session::cluster::cluster_info::renew;
use kuberescue::session::cluster::connect::Cluster;
use serde_json::{Value, json};

use crate::apiserver::status;
use crate::common::{base64, embedded};
use crate::scene::Scene;
use crate::server::Authority;

const PLACE: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";

fn kubeconfig(ca: &Certificate) -> String {
    let data = base64(ca.to_pem().as_bytes());
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {data}\n    server: https://cp:6443\n  \
         name: \"\"\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {{}}\nusers: null\n"
    )
}

fn scene(ca: &Certificate) -> (Scene, Cluster) {
    let scene = Scene::new();
    let metadata = json!({"name": "cluster-info", "namespace": "kube-public", "resourceVersion": "7"});
    let data = json!({"kubeconfig": kubeconfig(ca), "jws-kubeconfig-abcdef": "x..y"});
    scene.insert(PLACE, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}));
    let config = std::fs::read(scene.kubeconfig()).unwrap();
    let cluster = Cluster::on_node(&config, None, "admin.conf", Duration::from_secs(60)).unwrap();
    (scene, cluster)
}

fn stored(scene: &Scene) -> Value {
    scene.server.store().objects[PLACE]["data"].clone()
}

#[test]
fn an_older_certificate_of_the_same_key_is_replaced_and_nothing_else() {
    let authority = Authority::of_years("kubernetes", (2015, 2025));
    let renewed = authority.again((2015, 2045));
    let (scene, cluster) = scene(&authority.certificate);
    assert_eq!(renew(&cluster, &[&renewed]), Ok(true));
    let data = json!({"kubeconfig": kubeconfig(&renewed), "jws-kubeconfig-abcdef": "x..y"});
    assert_eq!(stored(&scene), data);
    // Once more, and with the older one.
    assert_eq!(renew(&cluster, &[&renewed]), Ok(false));
    assert_eq!(renew(&cluster, &[&authority.certificate]), Ok(false));
    assert_eq!(stored(&scene), data);
}

#[test]
fn while_a_ca_is_replaced_both_are_there_and_then_the_new_one_alone() {
    let (old, new) =
        (Authority::of_years("kubernetes", (2015, 2025)), Authority::of_years("kubernetes", (2016, 2026)));
    let (scene, cluster) = scene(&old.certificate);
    assert_eq!(renew(&cluster, &[&new.certificate, &old.certificate]), Ok(true));
    let has = |text: &str| embedded(text, "certificate-authority-data");
    let of = |scene: &Scene| has(stored(scene)["kubeconfig"].as_str().unwrap());
    assert_eq!(of(&scene), [new.certificate.to_pem(), old.certificate.to_pem()].concat().into_bytes());
    // On a node that knows nothing of it yet.
    assert_eq!(renew(&cluster, &[&old.certificate]), Ok(false));
    assert_eq!(renew(&cluster, &[&new.certificate]), Ok(true));
    assert_eq!(of(&scene), new.certificate.to_pem().into_bytes());
}

#[test]
fn another_ca_and_a_cluster_without_one_are_left_alone() {
    let (one, other) = (Authority::new("kubernetes"), Authority::of_years("kubernetes", (2015, 2025)));
    let (scene, cluster) = scene(&other.certificate);
    assert_eq!(renew(&cluster, &[&one.certificate]), Ok(false));
    scene.server.store().objects.remove(PLACE);
    assert_eq!(renew(&cluster, &[&one.certificate]), Ok(false));
    scene.instead("GET", PLACE, status(403, "Forbidden", "configmaps \"cluster-info\" is forbidden"));
    let failure = renew(&cluster, &[&one.certificate]).unwrap_err();
    insta::assert_snapshot!(scene.shown(&failure.message), @r#"cannot read the ConfigMap cluster-info: 403: configmaps "cluster-info" is forbidden (SERVER with admin.conf)"#);
}
