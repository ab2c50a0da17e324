//! `rollout restart` of what is named: what is sent, how it is waited for, and what goes wrong.

use serde_json::{Value, json};

use crate::apiserver::{recorded, status};
use crate::common::Run;
use crate::scene::{DEPLOYMENTS, ETCD_DEFRAG, OLD_POD, PODS, Scene, truncated};
use crate::server::{closed_port, http};

const RESTART: &str = "rollout restart daemonset/etcd-defrag --yes --timeout 1s";

fn value(name: &str) -> Value {
    serde_json::from_str(&recorded(name)).unwrap()
}

/// What the real controller did to the set: the status of the recorded one after the restart, then the new pod.
fn real_steps() -> Vec<Value> {
    let mut after = value("daemonset-after")["status"].clone();
    // Fields that are 0 are left out.
    after["updatedNumberScheduled"] = json!(0);
    after["numberAvailable"] = json!(0);
    vec![
        value("daemonset-restart")["status"].clone(),
        after,
        json!({"updatedNumberScheduled": 1}),
        json!({"updatedNumberScheduled": 1, "numberAvailable": 1, "numberReady": 1}),
    ]
}

#[test]
fn etcd_defrag_is_restarted_and_waited_for() {
    let scene = Scene::new();
    scene.controller(ETCD_DEFRAG, real_steps());
    let run = scene.run("rollout restart daemonset/etcd-defrag -n kube-system --yes --timeout 60s");
    assert_eq!(run.code, 0, "{run}");
    let end = "daemonset.apps/etcd-defrag restarted\ndaemon set \"etcd-defrag\" successfully rolled out\n";
    assert!(run.out.ends_with(end), "{run}");
    let waiting = "Waiting for daemon set \"etcd-defrag\" rollout to finish:";
    let lines: Vec<_> = run.err.lines().collect();
    assert_eq!(
        lines,
        [
            "Waiting for daemon set spec update to be observed...",
            &format!("{waiting} 0 out of 1 new pods have been updated..."),
            &format!("{waiting} 0 of 1 updated pods are available..."),
        ]
    );
}

#[test]
fn the_patch_is_the_recorded_one() {
    let scene = Scene::new();
    scene.controller(ETCD_DEFRAG, vec![json!({"observedGeneration": 2})]);
    let before = value("daemonset");
    assert_eq!(scene.run(RESTART).code, 0);
    let patches = scene.patches();
    assert_eq!(patches.len(), 1);
    let sent = &patches[0];
    let request = recorded_request("daemonset-restart");
    assert_eq!(format!("{} {}?{}", sent.method, sent.path, sent.query), request);
    assert_eq!(sent.content_type, "application/strategic-merge-patch+json");
    // The set is then as the real one was, but for the time.
    let now = scene.server.store().object(ETCD_DEFRAG).clone();
    let mut real = value("daemonset-restart");
    let at = &now["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
    real["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = at.clone();
    assert_eq!(now["spec"], real["spec"]);
    assert_ne!(now["spec"], before["spec"]);
    let text = at.as_str().unwrap();
    assert!(text.len() == 20 && text.parse::<jiff::Timestamp>().is_ok(), "{text}");
}

fn recorded_request(name: &str) -> String {
    let path = format!("{}/testdata/api/{name}.request", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn kubectls_spellings_mean_the_same() {
    for names in ["ds/etcd-defrag", "ds etcd-defrag", "daemonsets.apps/etcd-defrag", "daemonset etcd-defrag"]
    {
        let scene = Scene::new();
        let run = scene.run(&format!("rollout restart {names} --yes --no-wait"));
        assert_eq!(run.code, 0, "{run}");
        assert_eq!(scene.patches().len(), 1, "{names}");
        assert!(run.err.contains("kubectl -n kube-system rollout status daemonset/etcd-defrag"), "{run}");
    }
}

#[test]
fn a_dry_run_patches_nothing_and_nobody_is_no_yes() {
    let scene = Scene::new();
    let dry = scene.run("rollout restart ds/etcd-defrag --dry-run");
    assert_eq!(dry.code, 0, "{dry}");
    let row = "kube-system   daemonset/etcd-defrag   restart   1";
    assert!(dry.out.contains(row) && dry.err.contains("Dry run: nothing was restarted."), "{dry}");
    let unanswered = scene.run("rollout restart ds/etcd-defrag");
    assert_eq!(unanswered.code, 2, "{unanswered}");
    assert!(unanswered.out.starts_with(&dry.out) && unanswered.err.contains("--yes"), "{unanswered}");
    assert!(scene.patches().is_empty());
}

#[test]
fn what_a_restart_would_not_change_is_refused() {
    let scene = Scene::new();
    scene.change(ETCD_DEFRAG, |set| set["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
    let run = scene.run(RESTART);
    assert_eq!(run.code, 5, "{run}");
    assert!(run.err.contains("error [on-delete]: daemonset/etcd-defrag "), "{run}");
    assert!(run.err.contains("hint: kubectl -n kube-system delete pod -l app=etcd-defrag"), "{run}");

    let paused = deployment("paused", json!({"paused": true}), json!({}));
    scene.insert(&format!("{DEPLOYMENTS}/paused"), paused);
    let run = scene.run("rollout restart deploy/paused --yes");
    assert_eq!(run.code, 5, "{run}");
    assert!(run.err.contains("hint: kubectl -n kube-system rollout resume deployment/paused"), "{run}");
    assert!(scene.patches().is_empty());
}

pub fn deployment(name: &str, spec: Value, status: Value) -> Value {
    let mut object = json!({"kind": "Deployment", "apiVersion": "apps/v1",
        "metadata": {"name": name, "namespace": "kube-system", "uid": name, "generation": 1},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c"}]}}},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}});
    for (part, more) in [("spec", spec), ("status", status)] {
        for (key, value) in more.as_object().unwrap() {
            object[part][key] = value.clone();
        }
    }
    object
}

/// The set is patched, and the controller does this; nothing of it is done in time.
fn unfinished(steps: Vec<Value>, change: impl FnOnce(&mut Value)) -> Run {
    let scene = Scene::new();
    scene.change(OLD_POD, |pod| pod["metadata"]["deletionTimestamp"] = Value::Null);
    scene.change(OLD_POD, change);
    scene.controller(ETCD_DEFRAG, steps);
    let run = scene.run(RESTART);
    assert_eq!(run.code, 4, "{run}");
    assert_eq!(scene.patches().len(), 1);
    assert!(run.out.ends_with("daemonset.apps/etcd-defrag restarted\n"), "{run}");
    run
}

#[test]
fn a_rollout_that_is_not_done_in_time_names_its_pods() {
    let steps = || vec![json!({"observedGeneration": 2, "updatedNumberScheduled": 0})];
    let run = unfinished(steps(), |pod| {
        pod["status"]["containerStatuses"][0]["state"] = json!({"waiting": {"reason": "CrashLoopBackOff",
            "message": "back-off 5m0s restarting failed container"}});
        pod["status"]["containerStatuses"][0]["restartCount"] = json!(7);
        pod["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": {"exitCode": 1, "reason": "Error",
            "finishedAt": "2026-11-23T23:05:00Z", "message": "a\n\u{1b}[31mx509: expired\n"}});
    });
    assert!(run.err.contains("0 out of 1 new pods have been updated..."), "{run}");
    assert!(run.err.contains("is not back within 1 s"), "{run}");
    let why = "  | pod etcd-defrag-kl28x on lab-cp1: Running, container etcd-defrag: CrashLoopBackOff: back-off 5m0s \
               restarting failed container; started again 7 times; before that it ended with 1 (Error) at \
               2026-11-23T23:05:00Z: \\u{1b}[31mx509: expired";
    assert!(run.err.contains(why), "{run}");
    assert!(run.err.contains("rollout undo daemonset/etcd-defrag"), "{run}");

    let run = unfinished(steps(), |pod| {
        pod["status"]["phase"] = json!("Pending");
        pod["status"]["containerStatuses"][0]["state"] =
            json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}});
    });
    assert!(
        run.err.contains("Pending: container etcd-defrag: ImagePullBackOff: Back-off pulling image"),
        "{run}"
    );

    let run = unfinished(steps(), |pod| {
        pod["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/1 nodes are available"}]});
    });
    assert!(run.err.contains("Pending: Unschedulable: 0/1 nodes are available"), "{run}");

    // Nobody sees to it at all.
    let run = unfinished(Vec::new(), |pod| pod["metadata"]["ownerReferences"] = Value::Null);
    assert!(run.err.contains("Waiting for daemon set spec update to be observed..."), "{run}");
    assert!(run.err.contains("the controller-manager may not see to it"), "{run}");
}

#[test]
fn a_deployment_that_gives_up_ends_the_waiting() {
    let scene = Scene::new();
    const PATH: &str = "/apis/apps/v1/namespaces/kube-system/deployments/coredns";
    scene.insert(PATH, deployment("coredns", json!({}), json!({})));
    let conditions =
        json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    scene.controller(PATH, vec![json!({"observedGeneration": 2, "conditions": conditions})]);
    let run = scene.run("rollout restart deployment coredns --yes --timeout 60s");
    assert_eq!(run.code, 4, "{run}");
    assert!(run.err.contains("deployment \"coredns\" exceeded its progress deadline"), "{run}");

    scene.controller(PATH, vec![json!({"observedGeneration": 3, "conditions": null})]);
    // In the same second the time would be the same.
    scene.change(PATH, |set| {
        set["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
            json!("2020-01-01T00:00:00Z");
    });
    let run = scene.run("rollout restart deployment coredns --yes --timeout 60s");
    assert!(run.code == 0 && run.out.ends_with("deployment \"coredns\" successfully rolled out\n"), "{run}");
}

#[test]
fn a_set_that_vanishes_or_is_another_meanwhile() {
    for (replaced, words) in
        [(false, "and then somebody deleted it"), (true, "then replaced by another of its name")]
    {
        let scene = Scene::new();
        let mut patched = false;
        scene.server.store().before = Some(Box::new(move |asked, objects| {
            if asked.path == ETCD_DEFRAG && patched {
                if replaced {
                    objects.get_mut(ETCD_DEFRAG).unwrap()["metadata"]["uid"] = json!("another");
                } else {
                    objects.remove(ETCD_DEFRAG);
                }
            }
            patched |= asked.method == "PATCH";
        }));
        let run = scene.run(RESTART);
        assert!(run.code == 4 && run.err.contains(words), "{run}");
    }
}

/// A restart whose PATCH is answered like this; nothing was changed.
fn patch_answered(reply: Vec<u8>) -> Run {
    let scene = Scene::new();
    scene.instead("PATCH", ETCD_DEFRAG, reply);
    let run = scene.run(&format!("{RESTART} --request-timeout 1s"));
    assert_eq!(scene.server.store().object(ETCD_DEFRAG)["metadata"]["generation"], 1);
    assert!(run.err.contains("error: could not restart daemonset/etcd-defrag: "), "{run}");
    assert!(!run.out.contains("restarted\n"), "{run}");
    run
}

#[test]
fn refusals_change_nothing() {
    for (code, reason, hint) in [
        (401, "Unauthorized", "kuberescue kubeconfig check"),
        (403, "Forbidden", "admin.conf"),
        (404, "NotFound", "right cluster and namespace"),
        (409, "Conflict", "run it again"),
        (422, "Invalid", "kuberescue probe"),
    ] {
        let run = patch_answered(status(code, reason, "it says why"));
        assert_eq!(run.code, 2, "{run}");
        assert!(run.err.contains(&format!("{code}: it says why")) && run.err.contains(hint), "{run}");
    }
    let busy = status(429, "TooManyRequests", "too many requests");
    let later = String::from_utf8(busy).unwrap().replacen("\r\n", "\r\nretry-after: 7\r\n", 1);
    let run = patch_answered(later.into_bytes());
    assert!(run.code == 2 && run.err.contains("it asks to come back in 7 s"), "{run}");
    // What was asked again says that nothing was done.
    let run = patch_answered(http(502, "", b"<html>bad gateway</html>"));
    assert!(run.code == 2 && run.err.contains("an HTML page"), "{run}");
    let run = patch_answered(truncated(&value("daemonset-restart")));
    assert!(run.code == 2 && run.err.contains("it breaks off after"), "{run}");
}

#[test]
fn a_change_that_was_not_confirmed_is_found() {
    let scene = Scene::new();
    scene.instead("PATCH", ETCD_DEFRAG, truncated(&value("daemonset-restart")));
    scene.server.store().before = Some(Box::new(|asked, objects| {
        if asked.method == "PATCH" {
            let patch: Value = serde_json::from_str(&asked.body).unwrap();
            let set = objects.get_mut(ETCD_DEFRAG).unwrap();
            set["spec"]["template"]["metadata"]["annotations"] =
                patch["spec"]["template"]["metadata"]["annotations"].clone();
        }
    }));
    let run = scene.run(RESTART);
    assert!(run.code == 0 && run.out.contains("successfully rolled out"), "{run}");

    // And where it can't be looked up either, nobody knows.
    let scene = Scene::new();
    scene.instead("PATCH", ETCD_DEFRAG, truncated(&value("daemonset-restart")));
    scene.server.store().before = Some(Box::new(|asked, objects| {
        if asked.method == "PATCH" {
            objects.remove(ETCD_DEFRAG);
        }
    }));
    let run = scene.run(RESTART);
    assert!(run.code == 4 && run.err.contains("whether it was restarted is not known"), "{run}");
}

#[test]
fn a_right_that_ends_meanwhile_leaves_a_person_to_look() {
    let scene = Scene::new();
    let mut patched = false;
    scene.server.store().before = Some(Box::new(move |asked, objects| {
        if patched {
            objects.insert(ETCD_DEFRAG.to_owned(), json!("x"));
        }
        patched |= asked.method == "PATCH";
    }));
    // Something else than a set: it is asked again, until the time is over.
    let run = scene.run(RESTART);
    assert_eq!(run.code, 4, "{run}");
    assert!(
        run.err.contains("it is asked again") && run.err.contains("daemonset/etcd-defrag was restarted; "),
        "{run}"
    );
}

#[test]
fn what_is_not_there_and_who_does_not_answer() {
    let scene = Scene::new();
    let run = scene.run("rollout restart ds/etcd-defrag ds/none --yes");
    assert!(run.code == 2 && run.err.contains("could not look at daemonset/none: "), "{run}");
    assert!(scene.patches().is_empty(), "nothing is restarted before all of them were seen");
    let run = scene.run("rollout restart pod/x --yes");
    assert!(run.code == 2 && run.err.contains("\"pod\" is nothing that can be restarted"), "{run}");
    let run = scene.run("rollout restart ds/../../x --yes");
    assert_eq!(run.code, 2, "{run}");

    let nobody = Scene::asked_by("nobody");
    assert_eq!(nobody.run(RESTART).code, 2);
    let gone = Scene::new();
    gone.write_kubeconfig(
        &gone.server.admin().replace(&gone.server.url(), &format!("https://{}", closed_port())),
    );
    let run = gone.run(RESTART);
    assert!(run.code == 2 && run.err.contains("connection refused"), "{run}");
}

#[test]
fn the_first_that_does_not_come_back_ends_it() {
    let scene = Scene::new();
    scene.insert(&format!("{DEPLOYMENTS}/a"), deployment("a", json!({}), json!({})));
    scene.insert(&format!("{DEPLOYMENTS}/b"), deployment("b", json!({}), json!({})));
    scene.instead("PATCH", &format!("{DEPLOYMENTS}/b"), status(403, "Forbidden", "no"));
    let run = scene.run("rollout restart deploy a b --yes --no-wait");
    assert_eq!(run.code, 4, "{run}");
    assert!(run.err.contains("  | restarted before that: deployment/a"), "{run}");

    let run = scene.run("rollout restart deploy b ds/etcd-defrag --yes --no-wait");
    assert_eq!(run.code, 2, "both forms at once: {run}");
    let run = scene.run("rollout restart deploy/b ds/etcd-defrag --yes --no-wait");
    assert!(run.code == 2 && run.err.contains("  | not restarted: daemonset/etcd-defrag"), "{run}");
    assert_eq!(scene.patches().len(), 3);
    assert!(scene.server.store().asked().iter().any(|asked| asked == &format!("GET {PODS}")));
}

#[test]
fn the_pods_that_a_partition_keeps_are_told() {
    let scene = Scene::new();
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    let spec = json!({"replicas": 3, "updateStrategy": strategy});
    let status = json!({"observedGeneration": 9, "readyReplicas": 3, "updatedReplicas": 1});
    scene.insert("/apis/apps/v1/namespaces/kube-system/statefulsets/db", deployment("db", spec, status));
    let run = scene.run("rollout restart sts db --yes --timeout 60s");
    assert!(run.code == 0 && run.err.contains("warning: its pods below number 2 are not made anew"), "{run}");
    assert!(run.out.ends_with("partitioned roll out complete: 1 new pods have been updated...\n"), "{run}");
}

#[test]
fn an_api_server_that_is_away_for_a_moment_is_asked_again() {
    let scene = Scene::new();
    let (mut patched, mut looks, mut kept) = (false, 0, Value::Null);
    scene.server.store().before = Some(Box::new(move |asked, objects| {
        if patched && asked.path == ETCD_DEFRAG {
            looks += 1;
            match looks {
                1 => kept = objects.insert(ETCD_DEFRAG.to_owned(), json!("no set")).unwrap(),
                3 => {
                    kept["status"]["observedGeneration"] = json!(2);
                    objects.insert(ETCD_DEFRAG.to_owned(), kept.clone());
                }
                _ => {}
            }
        }
        patched |= asked.method == "PATCH";
    }));
    let run = scene.run("rollout restart ds/etcd-defrag --yes --timeout 60s");
    assert!(run.code == 0 && run.out.ends_with("successfully rolled out\n"), "{run}");
    assert_eq!(run.err.matches("it is asked again: ").count(), 1, "{run}");
}
