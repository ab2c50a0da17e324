//! The names in the ConfigMap kubeadm-config, as `certs renew --update-cluster` changes them.

use std::time::Duration;

use kuberescue::formats::cert_sans::{Change, List};
use kuberescue::session::cluster::connect::Cluster;
use kuberescue::session::cluster::kubeadm_config::update;
use serde_json::{Value, json};

use crate::apiserver::status;
use crate::scene::Scene;

const PLACE: &str = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config";

/// As kubeadm 1.36 has written it.
const CONFIGURATION: &str = "apiServer:\n  certSANs:\n  - lb.example.test\napiVersion: kubeadm.k8s.io/v1beta4\n\
    caCertificateValidityPeriod: 87600h0m0s\nclusterName: kubernetes\netcd:\n  local:\n    dataDir: /var/lib/etcd\n\
    kind: ClusterConfiguration\nkubernetesVersion: v1.36.0\n";

fn scene(configuration: &str) -> (Scene, Cluster) {
    let scene = Scene::new();
    let metadata = json!({"name": "kubeadm-config", "namespace": "kube-system", "resourceVersion": "7"});
    let data = json!({"ClusterConfiguration": configuration});
    scene.insert(PLACE, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}));
    let config = std::fs::read(scene.kubeconfig()).unwrap();
    let cluster = Cluster::on_node(&config, None, "admin.conf", Duration::from_secs(60)).unwrap();
    (scene, cluster)
}

fn stored(scene: &Scene) -> Value {
    scene.server.store().objects[PLACE]["data"]["ClusterConfiguration"].clone()
}

fn changes() -> [Change; 3] {
    let change = |list, name: &str, add| Change { list, name: name.to_owned(), add };
    [
        change(List::ApiServer, "10.0.0.9", true),
        change(List::ApiServer, "lb.example.test", false),
        change(List::EtcdPeer, "10.0.0.9", true),
    ]
}

#[test]
fn the_names_are_changed_and_nothing_else() {
    let (scene, cluster) = scene(CONFIGURATION);
    assert_eq!(update(&cluster, &changes()), Ok(true));
    insta::assert_snapshot!(stored(&scene).as_str().unwrap(), @r#"
    apiServer:
      certSANs:
      - "10.0.0.9"
    apiVersion: "kubeadm.k8s.io/v1beta4"
    caCertificateValidityPeriod: "87600h0m0s"
    clusterName: "kubernetes"
    etcd:
      local:
        dataDir: "/var/lib/etcd"
        peerCertSANs:
        - "10.0.0.9"
    kind: "ClusterConfiguration"
    kubernetesVersion: "v1.36.0"
    "#);
    let before = stored(&scene);
    assert_eq!(update(&cluster, &changes()), Ok(false));
    assert_eq!(stored(&scene), before);
}

#[test]
fn what_is_not_kubeadms_is_left_alone() {
    let (scene, cluster) = scene("kind: Something\n");
    let told = |scene: &Scene| scene.shown(&update(&cluster, &changes()).unwrap_err().message);
    insta::assert_snapshot!(told(&scene), @"cannot change the names in the ConfigMap kubeadm-config: it is no ClusterConfiguration");
    scene.server.store().objects.remove(PLACE);
    insta::assert_snapshot!(told(&scene), @r#"cannot read the ConfigMap kubeadm-config: 404: configmaps "kubeadm-config" not found (SERVER with admin.conf)"#);
    scene.instead("GET", PLACE, status(403, "Forbidden", "configmaps \"kubeadm-config\" is forbidden"));
    insta::assert_snapshot!(told(&scene), @r#"cannot read the ConfigMap kubeadm-config: 403: configmaps "kubeadm-config" is forbidden (SERVER with admin.conf)"#);
}
