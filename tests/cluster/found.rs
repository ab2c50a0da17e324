//! `rollout restart` without a name: what reads renewed files is found.

use serde_json::{Value, json};

use crate::apiserver::status;
use crate::rollout::deployment;
use crate::scene::{DAEMON_SETS, DEPLOYMENTS, ETCD_DEFRAG, OLD_POD, PODS, Scene};

fn reader(name: &str, host: &str, more: Value) -> Value {
    let mut spec = json!({"template": {"metadata": {"labels": {"app": name}}, "spec": {
        "volumes": [{"name": "v", "hostPath": {"path": host}}],
        "containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    deployment(name, spec, json!({}))
}

/// A pod of a deployment whose container runs since then.
fn pod(name: &str, since: &str) -> Value {
    json!({"metadata": {"name": format!("{name}-0"), "namespace": "kube-system", "labels": {"app": name},
            "ownerReferences": [{"kind": "ReplicaSet", "name": name, "uid": "x"}]},
        "spec": {"nodeName": "lab-cp1"},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "c", "ready": true, "state": {"running": {"startedAt": since}}}]}})
}

/// The cells of the row of this name.
fn row(out: &str, name: &str) -> Vec<String> {
    let line = out.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name} in\n{out}"));
    line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
}

#[test]
fn readers_of_renewed_files_are_found_each_with_its_reason() {
    let scene = Scene::new();
    scene.change(OLD_POD, |pod| {
        pod["status"]["containerStatuses"][0]["state"] =
            json!({"running": {"startedAt": "2026-11-23T22:58:54Z"}});
    });
    for (name, host, since) in [
        ("old", "/etc/kubernetes/admin.conf", "2026-11-20T00:00:00Z"),
        ("new", "/var/lib/kubelet/pki", "2026-11-25T00:00:00Z"),
        ("exporter", "/", "2026-11-20T00:00:00Z"),
        ("cni", "/etc/cni", "2026-11-20T00:00:00Z"),
    ] {
        scene.insert(&format!("{DEPLOYMENTS}/{name}"), reader(name, host, json!({})));
        scene.insert(&format!("{PODS}/{name}-0"), pod(name, since));
    }
    let run = scene.run("rollout restart --dry-run --since 2026-11-24");
    assert_eq!(run.code, 0, "{run}");
    insta::assert_snapshot!(scene.screen(&run), @"
    NAMESPACE     NAME                    ACTION                 PODS      OLDEST SINCE           WHY
    kube-system   daemonset/etcd-defrag   restart                1         2026-11-23 22:58 UTC   container etcd-defrag mounts /etc/kubernetes/pki; known by name
    kube-system   deployment/exporter     none: not certain      1         2026-11-20 00:00 UTC   container c mounts /
    kube-system   deployment/new          none: pods are newer   1         2026-11-25 00:00 UTC   container c mounts /var/lib/kubelet/pki
    kube-system   deployment/old          restart                1         2026-11-20 00:00 UTC   container c mounts /etc/kubernetes/admin.conf
    hint: if deployment/exporter reads renewed files: kuberescue rollout restart deployment/exporter -n kube-system
    Dry run: nothing was restarted.
    exit 0
    ");
    assert!(scene.patches().is_empty());

    // Without a time all certain ones are.
    let run = scene.run("rollout restart --yes --no-wait");
    assert_eq!(run.code, 0, "{run}");
    let patched: Vec<_> = scene.patches().iter().map(|asked| asked.path.clone()).collect();
    assert_eq!(patched, [ETCD_DEFRAG, &format!("{DEPLOYMENTS}/new"), &format!("{DEPLOYMENTS}/old")]);
}

#[test]
fn nothing_to_restart() {
    let scene = Scene::new();
    scene.server.store().objects.remove(ETCD_DEFRAG);
    let run = scene.run("rollout restart --yes");
    assert_eq!((run.code, run.out.as_str()), (0, "Nothing to restart.\n"), "{run}");
    let run = scene.run("rollout restart --yes -n default");
    assert_eq!(run.code, 2, "a namespace of which nothing can be listed: {run}");
}

#[test]
fn what_should_be_restarted_and_cannot_be_is_a_finding() {
    let scene = Scene::new();
    scene.change(ETCD_DEFRAG, |set| set["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
    let run = scene.run("rollout restart --yes");
    insta::assert_snapshot!(scene.screen(&run), @"
    NAMESPACE     NAME                    ACTION            PODS      OLDEST SINCE   WHY
    kube-system   daemonset/etcd-defrag   !none: OnDelete   1                        container etcd-defrag mounts /etc/kubernetes/pki; known by name
    hint: kubectl -n kube-system delete pod -l app=etcd-defrag
    Nothing to restart.
    exit 1
    ");
    scene.insert(&format!("{DEPLOYMENTS}/old"), reader("old", "/etc/kubernetes", json!({})));
    let run = scene.run("rollout restart --yes --no-wait");
    assert_eq!(run.code, 4, "one was restarted, one needs a person: {run}");
    assert_eq!(scene.patches().len(), 1);
}

#[test]
fn all_namespaces() {
    let scene = Scene::new();
    for (kind, path) in
        [("DaemonSet", "daemonsets"), ("Deployment", "deployments"), ("StatefulSet", "statefulsets")]
    {
        scene.insert(
            &format!("/apis/apps/v1/{path}"),
            json!({"kind": format!("{kind}List"), "metadata": {}, "items": null}),
        );
    }
    scene.insert("/api/v1/pods", json!({"kind": "PodList", "metadata": {}, "items": []}));
    let mut other = reader("own", "/etc/kubernetes/pki", json!({}));
    other["metadata"]["namespace"] = json!("monitoring");
    scene.change("/apis/apps/v1/deployments", |list| list["items"] = json!([other]));
    let run = scene.run("rollout restart -A --dry-run");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(row(&run.out, "deployment/own")[0], "monitoring");
}

#[test]
fn what_may_not_be_listed_is_told_and_the_rest_goes_on() {
    let scene = Scene::new();
    scene.instead("GET", DEPLOYMENTS, status(403, "Forbidden", "deployments.apps is forbidden"));
    scene.controller(ETCD_DEFRAG, vec![json!({"observedGeneration": 2})]);
    let run = scene.run("rollout restart --yes --timeout 60s");
    // Restarted, and not all is known.
    insta::assert_snapshot!(scene.screen(&run), @r#"
    NAMESPACE     NAME                    ACTION    PODS      OLDEST SINCE   WHY
    kube-system   daemonset/etcd-defrag   restart   1                        container etcd-defrag mounts /etc/kubernetes/pki; known by name
    not listed: deployments: 403: deployments.apps is forbidden
    daemonset.apps/etcd-defrag restarted
    daemon set "etcd-defrag" successfully rolled out
    exit 4
    "#);

    let nobody = Scene::asked_by("nobody");
    let run = nobody.run("rollout restart --yes");
    insta::assert_snapshot!(nobody.screen(&run), @r#"
    error [forbidden]: cannot list workloads: 403: User "nobody" cannot get /apis/apps/v1/namespaces/kube-system/daemonsets (SERVER with CONFIG)
    hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    exit 2
    "#);
    scene.instead("GET", DAEMON_SETS, status(500, "InternalError", "etcdserver: leader changed"));
    let run = scene.run("rollout restart --yes");
    insta::assert_snapshot!(scene.screen(&run), @"
    error [unhealthy]: cannot list the daemonsets: 500: etcdserver: leader changed (SERVER with CONFIG)
    hint: on a control-plane node: sudo kuberescue probe
    exit 2
    ");
}
