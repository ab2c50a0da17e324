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
        insta::allow_duplicates! { insta::assert_snapshot!(scene.screen(&run), @"
        NAMESPACE     NAME                    ACTION    PODS      OLDEST SINCE   WHY
        kube-system   daemonset/etcd-defrag   restart   1                        named
        daemonset.apps/etcd-defrag restarted
        hint: kubectl -n kube-system rollout status daemonset/etcd-defrag
        exit 0
        ") };
    }
}

#[test]
fn a_dry_run_patches_nothing_and_nobody_is_no_yes() {
    let scene = Scene::new();
    let dry = scene.run("rollout restart ds/etcd-defrag --dry-run");
    insta::assert_snapshot!(scene.screen(&dry), @"
    NAMESPACE     NAME                    ACTION    PODS      OLDEST SINCE   WHY
    kube-system   daemonset/etcd-defrag   restart   1                        named
    Dry run: nothing was restarted.
    exit 0
    ");
    let unanswered = scene.run("rollout restart ds/etcd-defrag");
    assert!(unanswered.out.starts_with(&dry.out), "{unanswered}");
    insta::assert_snapshot!(scene.screen(&unanswered), @"
    NAMESPACE     NAME                    ACTION    PODS      OLDEST SINCE   WHY
    kube-system   daemonset/etcd-defrag   restart   1                        named
    error [not-confirmed]: no terminal to confirm on; nothing was changed
    hint: run it again with --yes
    exit 2
    ");
    assert!(scene.patches().is_empty());
}

#[test]
fn what_a_restart_would_not_change_is_refused() {
    let scene = Scene::new();
    scene.change(ETCD_DEFRAG, |set| set["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
    let run = scene.run(RESTART);
    insta::assert_snapshot!(scene.screen(&run), @"
    NAMESPACE     NAME                    ACTION            PODS      OLDEST SINCE   WHY
    kube-system   daemonset/etcd-defrag   !none: OnDelete   1                        named
    hint: kubectl -n kube-system delete pod -l app=etcd-defrag
    error [on-delete]: cannot restart daemonset/etcd-defrag: updateStrategy OnDelete replaces pods only after they are deleted
    hint: kubectl -n kube-system delete pod -l app=etcd-defrag
    exit 5
    ");

    // A part of the selector would delete pods of others.
    scene.change(ETCD_DEFRAG, |set| {
        set["spec"]["selector"]["matchExpressions"] = json!([
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "canary", "operator": "DoesNotExist"},
        ]);
    });
    assert_eq!(
        scene.run(RESTART).err.lines().last(),
        Some("hint: kubectl -n kube-system delete pod -l 'app=etcd-defrag,tier in (a,b),!canary'")
    );

    let paused = deployment("paused", json!({"paused": true}), json!({}));
    scene.insert(&format!("{DEPLOYMENTS}/paused"), paused);
    let run = scene.run("rollout restart deploy/paused --yes");
    insta::assert_snapshot!(scene.screen(&run), @"
    NAMESPACE     NAME                ACTION          PODS      OLDEST SINCE   WHY
    kube-system   deployment/paused   !none: paused   0                        named
    hint: kubectl -n kube-system rollout resume deployment/paused
    error [paused]: cannot restart deployment/paused: its rollout is paused
    hint: kubectl -n kube-system rollout resume deployment/paused
    exit 5
    ");
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
    insta::assert_snapshot!(run.err, @r#"
    Waiting for daemon set "etcd-defrag" rollout to finish: 0 out of 1 new pods have been updated...
    error [not-ready]: daemonset/etcd-defrag was restarted, but is not ready after 1 s: Waiting for daemon set "etcd-defrag" rollout to finish: 0 out of 1 new pods have been updated...
      | pod etcd-defrag-kl28x on lab-cp1: Running, container etcd-defrag: CrashLoopBackOff: back-off 5m0s restarting failed container; 7 restarts; before: exit code 1 (Error) at 2026-11-23 23:05 UTC: \u{1b}[31mx509: expired
    hint: kubectl -n kube-system rollout status daemonset/etcd-defrag
    "#);

    let run = unfinished(steps(), |pod| {
        pod["status"]["phase"] = json!("Pending");
        pod["status"]["containerStatuses"][0]["state"] =
            json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}});
    });
    let why = "  | pod etcd-defrag-kl28x on lab-cp1: Pending: container etcd-defrag: ImagePullBackOff: Back-off pulling image";
    assert_eq!(run.err.lines().nth(2), Some(why), "{run}");

    let run = unfinished(steps(), |pod| {
        pod["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/1 nodes are available"}]});
    });
    let why = "  | pod etcd-defrag-kl28x on lab-cp1: Pending: Unschedulable: 0/1 nodes are available";
    assert_eq!(run.err.lines().nth(2), Some(why), "{run}");

    // Nobody sees to it at all.
    let run = unfinished(Vec::new(), |pod| pod["metadata"]["ownerReferences"] = Value::Null);
    let waiting = "Waiting for daemon set spec update to be observed...";
    let error = format!(
        "error [not-ready]: daemonset/etcd-defrag was restarted, but is not ready after 1 s: {waiting}"
    );
    let lines: Vec<_> = run.err.lines().collect();
    assert_eq!(lines[..2], [waiting, &error], "{run}");
    assert!(lines[2].starts_with("  | ") && lines[2].ends_with(": check kube-controller-manager"), "{run}");
    assert_eq!(lines[3..], ["hint: kubectl -n kube-system rollout status daemonset/etcd-defrag"], "{run}");
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
    let error = "error [not-ready]: deployment/coredns was restarted, but deployment \"coredns\" exceeded its progress deadline";
    assert_eq!(run.err.lines().next(), Some(error), "{run}");
    assert!(run.err.ends_with("\nhint: kubectl -n kube-system rollout status deployment/coredns\n"), "{run}");

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
    for (replaced, words) in [
        (
            false,
            "error [changed-meanwhile]: daemonset/etcd-defrag was restarted, then deleted by somebody else\n",
        ),
        (
            true,
            "error [changed-meanwhile]: daemonset/etcd-defrag was restarted, then replaced by another object of the same name\n\
             hint: kuberescue rollout restart daemonset/etcd-defrag -n kube-system\n",
        ),
    ] {
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
        assert_eq!((run.code, run.err.as_str()), (4, words), "{run}");
    }
}

/// What is printed of a restart whose PATCH is answered like this; nothing was changed.
fn patch_answered(reply: Vec<u8>) -> String {
    let scene = Scene::new();
    scene.instead("PATCH", ETCD_DEFRAG, reply);
    let run = scene.run(&format!("{RESTART} --request-timeout 1s"));
    assert_eq!(scene.server.store().object(ETCD_DEFRAG)["metadata"]["generation"], 1);
    assert_eq!(run.code, 2, "{run}");
    let planned = scene.run("rollout restart ds/etcd-defrag --dry-run");
    assert_eq!(run.out, planned.out);
    scene.shown(&run.err)
}

#[test]
fn refusals_change_nothing() {
    let mut refusals = String::new();
    for (code, reason) in
        [(401, "Unauthorized"), (403, "Forbidden"), (404, "NotFound"), (409, "Conflict"), (422, "Invalid")]
    {
        refusals += &patch_answered(status(code, reason, "it says why"));
    }
    insta::assert_snapshot!(refusals, @"
    error [unauthorized]: cannot restart daemonset/etcd-defrag: 401: it says why (SERVER with CONFIG)
    hint: kuberescue kubeconfig check CONFIG
    error [forbidden]: cannot restart daemonset/etcd-defrag: 403: it says why (SERVER with CONFIG)
    hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    error [request-failed]: cannot restart daemonset/etcd-defrag: 404: it says why (SERVER with CONFIG)
    hint: kuberescue nodes --kubeconfig CONFIG shows which cluster answers
    error [request-failed]: cannot restart daemonset/etcd-defrag: 409: it says why (SERVER with CONFIG)
    hint: it was changed by somebody else at the same time; nothing was changed: run the command again
    error [request-failed]: cannot restart daemonset/etcd-defrag: 422: it says why (SERVER with CONFIG)
    hint: on a control-plane node: sudo kuberescue probe
    ");
    let busy = status(429, "TooManyRequests", "too many requests");
    let later = String::from_utf8(busy).unwrap().replacen("\r\n", "\r\nretry-after: 7\r\n", 1);
    insta::assert_snapshot!(patch_answered(later.into_bytes()), @"
    error [request-failed]: cannot restart daemonset/etcd-defrag: 429: too many requests (retry after 7 s) (SERVER with CONFIG)
    hint: the API server is overloaded: run the command again later, or with --request-timeout 60s
    ");
    // What was asked again says that nothing was done.
    insta::assert_snapshot!(patch_answered(http(502, "", b"<html>bad gateway</html>")), @"
    error [unhealthy]: cannot restart daemonset/etcd-defrag: 502: an HTML page, from a proxy or a login page instead of an API server (SERVER with CONFIG)
    hint: on a control-plane node: sudo kuberescue probe
    ");
    insta::assert_snapshot!(patch_answered(truncated(&value("daemonset-restart"))), @"
    error [unhealthy]: cannot restart daemonset/etcd-defrag: unexpected answer: truncated after 1891 bytes (SERVER with CONFIG)
    hint: kuberescue kubeconfig check --connect CONFIG
    ");
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
    insta::assert_snapshot!(scene.screen(&run), @r#"
    NAMESPACE     NAME                    ACTION    PODS      OLDEST SINCE   WHY
    kube-system   daemonset/etcd-defrag   restart   1                        named
    daemonset.apps/etcd-defrag restarted
    daemon set "etcd-defrag" successfully rolled out
    exit 0
    "#);

    // And where it can't be looked up either, nobody knows.
    let scene = Scene::new();
    scene.instead("PATCH", ETCD_DEFRAG, truncated(&value("daemonset-restart")));
    scene.server.store().before = Some(Box::new(|asked, objects| {
        if asked.method == "PATCH" {
            objects.remove(ETCD_DEFRAG);
        }
    }));
    let run = scene.run(RESTART);
    insta::assert_snapshot!(scene.screen(&run), @"
    NAMESPACE     NAME                    ACTION    PODS      OLDEST SINCE   WHY
    kube-system   daemonset/etcd-defrag   restart   1                        named
    error [unhealthy]: cannot restart daemonset/etcd-defrag: unexpected answer: truncated after 1891 bytes (SERVER with CONFIG); it is not known whether it was restarted
    hint: kuberescue kubeconfig check --connect CONFIG
    exit 4
    ");
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
    insta::assert_snapshot!(scene.screen(&run), @"
    NAMESPACE     NAME                    ACTION    PODS      OLDEST SINCE   WHY
    kube-system   daemonset/etcd-defrag   restart   1                        named
    daemonset.apps/etcd-defrag restarted
    no answer from the API server, retrying: unexpected answer: line 1, column 3: a field or value that is missing or unexpected
    error [unhealthy]: daemonset/etcd-defrag was restarted; cannot read the status of daemonset/etcd-defrag: unexpected answer: line 1, column 3: a field or value that is missing or unexpected (SERVER with CONFIG)
    hint: kuberescue kubeconfig check --connect CONFIG
    exit 4
    ");
}

#[test]
fn what_is_not_there_and_who_does_not_answer() {
    let scene = Scene::new();
    let run = scene.run("rollout restart ds/etcd-defrag ds/none --yes");
    insta::assert_snapshot!(scene.screen(&run), @r#"
    error [request-failed]: cannot read daemonset/none: 404: daemonsets "none" not found (SERVER with CONFIG)
    hint: kuberescue nodes --kubeconfig CONFIG shows which cluster answers
    exit 2
    "#);
    assert!(scene.patches().is_empty(), "nothing is restarted before all of them were seen");
    let run = scene.run("rollout restart pod/x --yes");
    insta::assert_snapshot!(scene.screen(&run), @r#"
    error [usage]: cannot restart a "pod"
    hint: use daemonset/NAME, deployment/NAME or statefulset/NAME; for static pods: sudo kuberescue restart
    exit 2
    "#);
    let run = scene.run("rollout restart ds/../../x --yes");
    assert_eq!(run.code, 2, "{run}");

    let nobody = Scene::asked_by("nobody");
    assert_eq!(nobody.run(RESTART).code, 2);
    let gone = Scene::new();
    gone.write_kubeconfig(
        &gone.server.admin().replace(&gone.server.url(), &format!("https://{}", closed_port())),
    );
    let run = gone.run(RESTART);
    insta::assert_snapshot!(gone.screen(&run), @"
    error [not-listening]: cannot read daemonset/etcd-defrag: connection refused: nothing listens there (https://ADDRESS with CONFIG)
    hint: check the address in CONFIG; on a control-plane node: sudo kuberescue probe
    exit 2
    ");
}

#[test]
fn the_first_that_does_not_come_back_ends_it() {
    let scene = Scene::new();
    scene.insert(&format!("{DEPLOYMENTS}/a"), deployment("a", json!({}), json!({})));
    scene.insert(&format!("{DEPLOYMENTS}/b"), deployment("b", json!({}), json!({})));
    scene.instead("PATCH", &format!("{DEPLOYMENTS}/b"), status(403, "Forbidden", "no"));
    let run = scene.run("rollout restart deploy a b --yes --no-wait");
    insta::assert_snapshot!(scene.screen(&run), @"
    NAMESPACE     NAME           ACTION    PODS      OLDEST SINCE   WHY
    kube-system   deployment/a   restart   0                        named
    kube-system   deployment/b   restart   0                        named
    deployment.apps/a restarted
    hint: kubectl -n kube-system rollout status deployment/a
    error [forbidden]: cannot restart deployment/b: 403: no (SERVER with CONFIG)
      | already restarted: deployment/a
    hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    exit 4
    ");

    let run = scene.run("rollout restart deploy b ds/etcd-defrag --yes --no-wait");
    assert_eq!(run.code, 2, "both forms at once: {run}");
    let run = scene.run("rollout restart deploy/b ds/etcd-defrag --yes --no-wait");
    insta::assert_snapshot!(scene.screen(&run), @"
    NAMESPACE     NAME                    ACTION    PODS      OLDEST SINCE   WHY
    kube-system   deployment/b            restart   0                        named
    kube-system   daemonset/etcd-defrag   restart   1                        named
    error [forbidden]: cannot restart deployment/b: 403: no (SERVER with CONFIG)
      | not restarted: daemonset/etcd-defrag
    hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    exit 2
    ");
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
    insta::assert_snapshot!(scene.screen(&run), @"
    NAMESPACE     NAME             ACTION    PODS      OLDEST SINCE   WHY
    kube-system   statefulset/db   restart   0                        named
    statefulset.apps/db restarted
    partitioned roll out complete: 1 new pods have been updated...
    warning: pods below number 2 are not restarted (partition 2)
    hint: kubectl -n kube-system delete pod db-0 db-1
    exit 0
    ");
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
    insta::assert_snapshot!(scene.screen(&run), @r#"
    NAMESPACE     NAME                    ACTION    PODS      OLDEST SINCE   WHY
    kube-system   daemonset/etcd-defrag   restart   1                        named
    daemonset.apps/etcd-defrag restarted
    daemon set "etcd-defrag" successfully rolled out
    no answer from the API server, retrying: unexpected answer: line 1, column 8: a field or value that is missing or unexpected
    exit 0
    "#);
}
