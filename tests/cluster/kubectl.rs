//! The real kubectl against the same server: it sends the same patch, and judges rollouts with the same words.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::{Run, run, skip};
use crate::scene::{ETCD_DEFRAG, Scene};

/// `$KUBECTL`, what `make deps` installs, or the machine's own.
fn kubectl() -> Option<PathBuf> {
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/kubectl");
    let named = std::env::var_os("KUBECTL").map(PathBuf::from);
    let candidates = named.into_iter().chain([installed, PathBuf::from("kubectl")]);
    candidates.into_iter().find(|path| {
        Command::new(path).args(["version", "--client"]).output().is_ok_and(|done| done.status.success())
    })
}

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
    for (generation, step) in [
        (9, json!({})),
        (2, json!({"observedGeneration": 2, "updatedNumberScheduled": 0})),
        (2, json!({"observedGeneration": 2, "updatedNumberScheduled": 1, "numberAvailable": 0})),
        (2, json!({"observedGeneration": 2})),
    ] {
        let scene = Scene::new();
        discovery(&scene);
        scene.change(ETCD_DEFRAG, |set| {
            set["metadata"]["generation"] = json!(generation - 1);
            for (key, value) in step.as_object().unwrap() {
                set["status"][key] = value.clone();
            }
        });
        scene.run("rollout restart ds/etcd-defrag --yes --no-wait");
        let theirs = asked_of(&kubectl, &scene, "rollout status ds/etcd-defrag -n kube-system --watch=false");
        scene.change(ETCD_DEFRAG, |set| {
            set["metadata"]["generation"] = json!(generation - 1);
            set["spec"]["template"]["metadata"]["annotations"] = json!({});
        });
        let ours = scene.run("rollout restart ds/etcd-defrag --yes --timeout 0s");
        assert_eq!(theirs.code, 0, "{theirs}");
        let words = theirs.out.trim();
        assert!(
            ours.out.lines().chain(ours.err.lines()).any(|line| line.contains(words)),
            "{theirs}\n{ours}"
        );
        assert_eq!(ours.code == 0, words.ends_with("successfully rolled out"), "{ours}");
    }
}
