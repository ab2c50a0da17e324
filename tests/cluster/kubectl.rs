//! The real kubectl against the same server: it sends the same patch, and judges rollouts with the same words.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::{Run, kubectl, run, skip};
use crate::rollout::deployment;
use crate::scene::{ETCD_DEFRAG, Scene};

/// What kubectl asks before anything else: which kinds there are.
fn discovery(scene: &Scene) {
    scene.insert("/api", json!({"kind": "APIVersions", "versions": ["v1"]}));
    scene.insert("/api/v1", json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": []}));
    let version = json!({"groupVersion": "apps/v1", "version": "v1"});
    let apps = json!({"name": "apps", "versions": [version], "preferredVersion": version});
    scene.insert("/apis", json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [apps]}));
    let verbs = ["get", "list", "patch", "watch"];
    let kind = |name: &str, kind: &str, short: &str| {
        json!({"name": name, "singularName": kind.to_lowercase(), "namespaced": true, "kind": kind, "verbs": verbs,
            "shortNames": [short]})
    };
    let kinds = [
        kind("daemonsets", "DaemonSet", "ds"),
        kind("deployments", "Deployment", "deploy"),
        kind("statefulsets", "StatefulSet", "sts"),
    ];
    scene.insert(
        "/apis/apps/v1",
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1", "resources": kinds}),
    );
}

fn asked_of(kubectl: &PathBuf, scene: &Scene, arguments: &str) -> Run {
    let mut command = Command::new(kubectl);
    command.args(arguments.split_whitespace()).arg("--kubeconfig").arg(scene.kubeconfig());
    command.env("HOME", scene.home()).env("KUBECACHEDIR", scene.home()).env_remove("KUBECONFIG");
    run(command)
}

/// The body without the time of the restart.
fn timeless(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap();
    let annotations = &value["spec"]["template"]["metadata"]["annotations"];
    let at = annotations["kubectl.kubernetes.io/restartedAt"].as_str().unwrap();
    body.replace(at, "TIME")
}

#[test]
fn kubectl_sends_the_same_patch() {
    let Some(kubectl) = kubectl() else { return skip("kubectl sends the same patch: there is no kubectl") };
    let theirs = Scene::new();
    discovery(&theirs);
    let done = asked_of(&kubectl, &theirs, "rollout restart daemonset etcd-defrag -n kube-system");
    assert_eq!((done.code, done.out.as_str()), (0, "daemonset.apps/etcd-defrag restarted\n"), "{done}");
    let ours = Scene::new();
    let run = ours.run("rollout restart daemonset etcd-defrag -n kube-system --yes --no-wait");
    assert!(run.code == 0 && run.out.ends_with(&done.out), "{run}");
    let (theirs, ours) = (theirs.patches(), ours.patches());
    assert_eq!((theirs.len(), ours.len()), (1, 1));
    let (theirs, ours) = (&theirs[0], &ours[0]);
    assert_eq!(
        (&ours.path, &ours.query, &ours.content_type, timeless(&ours.body)),
        (&theirs.path, &theirs.query, &theirs.content_type, timeless(&theirs.body))
    );
}

#[test]
fn kubectl_judges_a_rollout_alike() {
    let Some(kubectl) = kubectl() else { return skip("kubectl judges a rollout alike: there is no kubectl") };
    let sets = [json!({"replicas": 3, "readyReplicas": 3, "updatedReplicas": 3, "currentReplicas": 3,
        "currentRevision": "a", "updateRevision": "a"})];
    let rolling = json!({"type": "RollingUpdate"});
    let parted = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    let progress = |reason: &str| json!([{"type": "Progressing", "status": "False", "reason": reason}]);
    let cases = [
        ("daemonset", json!({}), json!({"observedGeneration": 1}), "observed"),
        ("daemonset", json!({}), json!({"updatedNumberScheduled": 0}), "0 out of 1 new pods"),
        ("daemonset", json!({}), json!({"numberAvailable": 0}), "0 of 1 updated pods"),
        ("daemonset", json!({}), json!({}), "successfully rolled out"),
        ("deployment", json!({}), json!({"observedGeneration": 1}), "observed"),
        ("deployment", json!({"replicas": 2}), json!({}), "1 out of 2 new replicas"),
        ("deployment", json!({}), json!({"replicas": 2}), "1 old replicas"),
        ("deployment", json!({}), json!({"availableReplicas": 0}), "0 of 1 updated replicas"),
        (
            "deployment",
            json!({}),
            json!({"conditions": progress("ProgressDeadlineExceeded")}),
            "exceeded its progress",
        ),
        ("deployment", json!({}), json!({"conditions": progress("Other")}), "successfully rolled out"),
        ("statefulset", json!({"updateStrategy": rolling}), json!({"observedGeneration": 0}), "observed"),
        (
            "statefulset",
            json!({"updateStrategy": rolling}),
            json!({"readyReplicas": 1}),
            "Waiting for 2 pods",
        ),
        (
            "statefulset",
            json!({"updateStrategy": rolling}),
            json!({"updateRevision": "b"}),
            "3 pods at revision b",
        ),
        ("statefulset", json!({"updateStrategy": rolling}), json!({}), "complete 3 pods at revision a"),
        (
            "statefulset",
            json!({"updateStrategy": parted}),
            json!({"updatedReplicas": 1}),
            "1 out of 2 new pods",
        ),
        ("statefulset", json!({"updateStrategy": parted}), json!({}), "partitioned roll out complete"),
    ];
    for (kind, spec, status, words) in cases {
        let scene = Scene::new();
        discovery(&scene);
        let path = format!("/apis/apps/v1/namespaces/kube-system/{kind}s/x");
        let mut set = match kind {
            "daemonset" => serde_json::from_str(&crate::apiserver::recorded("daemonset")).unwrap(),
            "deployment" => deployment("x", json!({}), json!({})),
            _ => deployment("x", json!({"replicas": 3}), sets[0].clone()),
        };
        set["kind"] = json!(match kind {
            "daemonset" => "DaemonSet",
            "deployment" => "Deployment",
            _ => "StatefulSet",
        });
        set["metadata"]["name"] = json!("x");
        // As after the restart, which both look at.
        (set["metadata"]["generation"], set["status"]["observedGeneration"]) = (json!(1), json!(2));
        for (part, more) in [("spec", &spec), ("status", &status)] {
            more.as_object().unwrap().iter().for_each(|(key, value)| set[part][key] = value.clone());
        }
        // The stand-in gives all of a kind, whichever is asked for.
        scene.server.store().objects.remove(ETCD_DEFRAG);
        scene.insert(&path, set);
        let ours = scene.run(&format!("rollout restart {kind}/x --yes --timeout 0s"));
        let theirs =
            asked_of(&kubectl, &scene, &format!("rollout status {kind}/x -n kube-system --watch=false"));
        // On its standard error it talks of the stand-in too, which knows no watches.
        let error = theirs.err.lines().find_map(|line| line.strip_prefix("error: "));
        let said = theirs.out.lines().next().or(error).unwrap_or_default().trim();
        assert!(said.contains(words), "{kind} {spec} {status}: {theirs}");
        let found = ours.out.lines().chain(ours.err.lines()).any(|line| line.contains(said));
        assert!(found, "{kind} {spec} {status}\n{theirs}\n{ours}");
        let is_done =
            ["successfully", "update complete", "out complete"].iter().any(|done| said.contains(done));
        assert_eq!(ours.code, if is_done { 0 } else { 4 }, "{ours}");
    }
}
