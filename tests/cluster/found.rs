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
    let etcd = "container etcd-defrag mounts /etc/kubernetes/pki; known by its name";
    let expected = ["kube-system", "daemonset/etcd-defrag", "restart", "1", "2026-11-23T22:58:54Z", etcd];
    assert_eq!(row(&run.out, "daemonset/etcd-defrag"), expected);
    let why = "container c mounts /etc/kubernetes/admin.conf";
    assert_eq!(row(&run.out, "deployment/old")[2..], ["restart", "1", "2026-11-20T00:00:00Z", why]);
    assert_eq!(row(&run.out, "deployment/new")[2], "none: its pods are newer");
    assert_eq!(row(&run.out, "deployment/exporter")[2], "none: it only could");
    assert!(!run.out.contains("cni"), "{run}");
    let hint = "hint: if deployment/exporter does read what was renewed: kuberescue rollout restart deployment/exporter -n kube-system";
    assert!(run.out.contains(hint), "{run}");
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
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(row(&run.out, "daemonset/etcd-defrag")[2], "!none: OnDelete");
    assert!(run.out.contains("hint: kubectl -n kube-system delete pod -l app=etcd-defrag\n"), "{run}");
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
    assert_eq!(run.code, 4, "restarted, and not all is known: {run}");
    assert!(run.out.contains("not asked: deployments: 403: deployments.apps is forbidden\n"), "{run}");
    assert!(run.out.ends_with("daemon set \"etcd-defrag\" successfully rolled out\n"), "{run}");

    let run = Scene::asked_by("nobody").run("rollout restart --yes");
    assert!(run.code == 2 && run.err.contains("could not list what could be restarted"), "{run}");
    scene.instead("GET", DAEMON_SETS, status(500, "InternalError", "etcdserver: leader changed"));
    let run = scene.run("rollout restart --yes");
    assert!(run.code == 2 && run.err.contains("etcdserver: leader changed"), "{run}");
}
