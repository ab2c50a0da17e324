//! `verify cluster`: each finding from recorded objects that the test changes.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::apiserver::status;
use crate::common::Run;
use crate::scene::{PODS, Scene, truncated};
use crate::server::{closed_port, http};

const NODE: &str = "/api/v1/nodes/lab-cp1";
const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
/// When the recorded containers had been running for an hour.
const AT: &str = "2026-11-23T23:59:00Z";

fn verify(scene: &Scene) -> Run {
    scene.run(&format!("verify cluster --at {AT}"))
}

/// The findings as `CHECK OBJECT RESULT`, and the exit code.
fn findings(scene: &Scene) -> (Vec<String>, i32) {
    let (json, code) = scene.json(&format!("verify cluster --at {AT}"));
    let text = verify(scene);
    let wide = scene.run(&format!("verify cluster --at {AT} -o wide"));
    assert_eq!((text.code, wide.code), (code, code));
    let mut found = Vec::new();
    for check in json["items"].as_array().unwrap() {
        let words = |key: &str| check[key].as_str().unwrap().to_owned();
        let marked = text
            .out
            .lines()
            .any(|line| line.contains(&words("object")) && line.contains(&format!("!{} ", words("result"))));
        let is_bad = [json!("warning"), json!("blocker")].contains(&check["severity"]);
        assert_eq!((marked, check["severity"].is_null()), (is_bad, check["code"].is_null()), "{check:#}");
        if marked {
            assert_eq!(check["code"], check["result"]);
            found.push(format!("{} {} {}", words("part"), words("object"), words("result")));
        }
    }
    assert_eq!(json["green"], found.is_empty(), "{json:#}");
    let head = ["apiVersion", "kind", "time", "server"].map(|key| json[key].as_str().unwrap());
    assert_eq!(head, ["kuberescue/v1", "ClusterVerification", AT, &scene.server.url()]);
    (found, code)
}

/// The cells of a line that are not empty.
fn cells(line: &str) -> Vec<&str> {
    line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// The line that has this text.
fn line(run: &Run, text: &str) -> String {
    let line = run.out.lines().find(|line| line.contains(text));
    line.unwrap_or_else(|| panic!("no {text} in\n{run}")).to_owned()
}

#[test]
fn the_recorded_cluster_has_a_pod_that_is_not_gone() {
    let scene = Scene::new();
    let (found, code) = findings(&scene);
    assert_eq!((found, code), (vec!["pods kube-system/etcd-defrag-kl28x not-gone".to_owned()], 1));
    let run = verify(&scene);
    insta::assert_snapshot!(scene.screen(&run), @"
    CHECK          OBJECT                                        RESULT      DETAIL
    api-server                                                   ok          SERVER is ready
    nodes                                                        ok          1 node Ready
    pods           kube-system/etcd-defrag-kl28x                 !not-gone   Running: deletion deadline 2026-11-23 22:59 UTC passed; container etcd-defrag: exit code 0 (Completed) at 2026-11-23 22:59 UTC
    logs           kube-system/etcd-lab-cp1                      ok          no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-apiserver-lab-cp1            ok          no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-controller-manager-lab-cp1   ok          no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-scheduler-lab-cp1            ok          no TLS errors since its start at 2026-11-23 22:55 UTC
    api-services                                                 ok          35 of 35 API services available
    requests                                                     ok          no pending requests of kubelets
    hint: on lab-cp1: sudo kuberescue probe
    exit 1
    ");
    // A minute before it was being deleted.
    let run = scene.run("verify cluster --at 2026-11-23T22:59:10Z");
    let told = line(&run, "etcd-defrag-kl28x");
    let what = "Running: being deleted, deadline 2026-11-23 22:59 UTC; container etcd-defrag: exit code 0 (Completed) at \
                2026-11-23 22:59 UTC";
    assert_eq!(cells(&told), ["pods", "kube-system/etcd-defrag-kl28x", "terminating", what]);
    assert_eq!(run.code, 0, "{run}");
    let all = line(&run, "pods ready");
    assert_eq!(cells(&all), ["pods", "ok", "4 of 5 pods ready in kube-system, 1 being deleted"]);
}

#[test]
fn a_cluster_that_is_well() {
    let scene = Scene::well();
    let run = verify(&scene);
    insta::assert_snapshot!(scene.screen(&run), @"
    CHECK          OBJECT                                        RESULT    DETAIL
    api-server                                                   ok        SERVER is ready
    nodes                                                        ok        1 node Ready
    pods                                                         ok        4 of 4 pods ready in kube-system
    logs           kube-system/etcd-lab-cp1                      ok        no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-apiserver-lab-cp1            ok        no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-controller-manager-lab-cp1   ok        no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-scheduler-lab-cp1            ok        no TLS errors since its start at 2026-11-23 22:55 UTC
    api-services                                                 ok        35 of 35 API services available
    requests                                                     ok        no pending requests of kubelets
    exit 0
    ");
    let yaml = scene.run(&format!("verify cluster --at {AT} -o yaml"));
    let yaml: Value = serde_saphyr::from_str(&yaml.out).unwrap();
    assert_eq!(yaml, scene.json(&format!("verify cluster --at {AT}")).0);
}

#[test]
fn logs_are_asked_for_since_the_start_of_their_containers() {
    let scene = Scene::well();
    let query = |scene: &Scene| {
        let store = scene.server.store();
        let asked = store.log.iter().rfind(|asked| asked.path == format!("{PODS}/etcd-lab-cp1/log"));
        asked.unwrap().query.clone()
    };
    verify(&scene);
    let bounds = "container=etcd&timestamps=true&tailLines=10000&limitBytes=8388608";
    assert_eq!(query(&scene), format!("{bounds}&sinceTime=2026-11-23T22:55:28Z"));
    scene.run("verify cluster --since 2026-11-23T22:30:00Z");
    assert_eq!(query(&scene), format!("{bounds}&sinceTime=2026-11-23T22:30:00Z"));
}

#[test]
fn an_api_server_that_is_not_ready_says_why() {
    let scene = Scene::well();
    scene.instead(
        "GET",
        "/readyz",
        http(500, "", b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"),
    );
    let (found, code) = findings(&scene);
    assert_eq!((found, code), (vec!["api-server  unhealthy".to_owned()], 1));
    let run = verify(&scene);
    let told = scene.shown(&line(&run, "!unhealthy"));
    assert_eq!(cells(&told), ["api-server", "!unhealthy", "SERVER: 500: these checks fail: etcd"]);
    line(&run, "hint: on a control-plane node: sudo kuberescue probe");
}

#[test]
fn nodes_that_are_not_ready_and_their_pods() {
    let scene = Scene::new();
    scene.change(NODE, |node| {
        let conditions = node["status"]["conditions"].as_array_mut().unwrap();
        let ready = conditions.iter_mut().find(|condition| condition["type"] == "Ready").unwrap();
        (ready["status"], ready["reason"]) = (json!("Unknown"), json!("NodeStatusUnknown"));
        ready["message"] = json!("Kubelet stopped posting node status.");
    });
    let (found, code) = findings(&scene);
    assert_eq!(found, ["nodes lab-cp1 node-not-ready", "pods kube-system/etcd-defrag-kl28x not-gone"]);
    assert_eq!(code, 1);
    let run = verify(&scene);
    insta::assert_snapshot!(scene.screen(&run), @"
    CHECK          OBJECT                                        RESULT            DETAIL
    api-server                                                   ok                SERVER is ready
    nodes          lab-cp1                                       !node-not-ready   not Ready since 2026-11-23 22:55 UTC: NodeStatusUnknown: Kubelet stopped posting node status.
    pods           kube-system/etcd-defrag-kl28x                 !not-gone         Running: deletion deadline 2026-11-23 22:59 UTC passed; container etcd-defrag: exit code 0 (Completed) at 2026-11-23 22:59 UTC; last known state: its node lab-cp1 is not Ready
    logs           kube-system/etcd-lab-cp1                      ok                no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-apiserver-lab-cp1            ok                no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-controller-manager-lab-cp1   ok                no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-scheduler-lab-cp1            ok                no TLS errors since its start at 2026-11-23 22:55 UTC
    api-services                                                 ok                35 of 35 API services available
    requests                                                     ok                no pending requests of kubelets
    hint: on lab-cp1: sudo kuberescue diagnose
    hint: fix the nodes that are not Ready first: their pods follow
    exit 1
    ");
}

/// What is said of a pod whose status is this.
fn pod_is(status: Value) -> (Vec<String>, String) {
    let scene = Scene::well();
    let meta = json!({"name": "coredns-0", "namespace": "kube-system"});
    scene.insert(
        &format!("{PODS}/coredns-0"),
        json!({"metadata": meta, "spec": {"nodeName": "lab-cp1", "restartPolicy": "Always"}, "status": status}),
    );
    let (found, _) = findings(&scene);
    let run = verify(&scene);
    let told = run.out.lines().find(|line| line.contains("coredns-0")).unwrap_or_default().to_owned();
    if !found.is_empty() {
        line(&run, "hint: kubectl -n kube-system describe pod coredns-0");
    }
    (found, told.rsplit("   ").next().unwrap_or_default().to_owned())
}

#[test]
fn pods_that_do_not_run() {
    let container = |state: Value, restarts: u32| json!([{"name": "c", "ready": false, "restartCount": restarts, "state": state}]);
    let waiting = |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    let not = |how: &str| vec![format!("pods kube-system/coredns-0 {how}")];
    let crash = container(waiting("CrashLoopBackOff", "back-off 5m0s"), 12);
    let (found, told) = pod_is(json!({"phase": "Running", "containerStatuses": crash}));
    assert_eq!(found, not("not-ready"));
    assert_eq!(told, "Running, container c: CrashLoopBackOff: back-off 5m0s; 12 restarts");

    let image = container(waiting("ImagePullBackOff", "Back-off pulling image \"x\""), 0);
    let (found, told) = pod_is(json!({"phase": "Pending", "containerStatuses": image}));
    assert_eq!(found, not("not-running"));
    assert_eq!(told, "Pending: container c: ImagePullBackOff: Back-off pulling image \"x\"");

    let conditions =
        json!([{"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": "m"}]);
    let (found, told) =
        pod_is(json!({"phase": "Running", "conditions": conditions, "containerStatuses": null}));
    assert_eq!((found, told.as_str()), (not("not-ready"), "Running, ReadinessGatesNotReady: m"));

    let runs = container(json!({"running": {"startedAt": "2026-11-23T22:59:01Z"}}), 0);
    let (found, told) = pod_is(json!({"phase": "Running", "containerStatuses": runs}));
    assert_eq!((found, told.as_str()), (not("not-ready"), "Running, container c: running, not ready"));

    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory\u{1b}[2J"});
    let (found, told) = pod_is(evicted);
    assert_eq!((found, told.as_str()), (not("not-running"), "Failed: Evicted: low on memory\\u{1b}[2J"));

    let (found, _) = pod_is(json!({"phase": "Unknown"}));
    assert_eq!(found, not("not-running"));
    // A job that is done is no fault.
    let done = container(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}), 0);
    assert_eq!(pod_is(json!({"phase": "Succeeded", "containerStatuses": done})).0, [""; 0]);
}

#[test]
fn all_namespaces_on_request() {
    let scene = Scene::well();
    let pods: Vec<Value> = {
        let store = scene.server.store();
        let all = store
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(&format!("{PODS}/")) && !path.ends_with('/'));
        all.map(|(_, pod)| pod.clone()).collect()
    };
    let meta = json!({"name": "shop", "namespace": "default"});
    let pods = [pods, vec![json!({"metadata": meta, "status": {"phase": "Pending"}})]].concat();
    scene.insert("/api/v1/pods", json!({"metadata": {}, "items": pods}));
    assert_eq!(verify(&scene).code, 0);
    let run = scene.run(&format!("verify cluster -A --at {AT}"));
    assert_eq!(run.code, 1, "{run}");
    let told = line(&run, "default/shop ");
    assert_eq!(cells(&told), ["pods", "default/shop", "!not-running", "Pending: no reason given"]);
    line(&run, "hint: kubectl -n default describe pod shop");
    line(&run, "kube-system/etcd-lab-cp1");
}

/// What is said of etcd's log.
fn log_is(reply: Vec<u8>) -> (Value, i32, Run) {
    let scene = Scene::well();
    scene.instead("GET", &format!("{PODS}/etcd-lab-cp1/log"), reply);
    let (json, code) = scene.json(&format!("verify cluster --at {AT}"));
    let checks = json["items"].as_array().unwrap();
    let check = checks.iter().find(|check| check["object"] == "kube-system/etcd-lab-cp1").unwrap();
    (check.clone(), code, scene.run(&format!("verify cluster -o wide --at {AT}")))
}

/// A recorded log as the API gives it: without the stream.
fn recorded_log(name: &str) -> String {
    let path = format!("{}/testdata/logs/{name}.log", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().replace("Z stderr F ", "Z ")
}

/// A time of the API as it is printed.
fn minute(time: &str) -> String {
    format!("{} UTC", time[..16].replace('T', " "))
}

#[test]
fn tls_errors_in_a_log() {
    // The recorded log is of an hour before the recorded pods: its lines are taken an hour later.
    let log = recorded_log("etcd").replace("T22:", "T23:");
    let expected =
        log.lines().filter(|line| line.contains("x509: ") || line.contains("remote error: tls: ")).count();
    let (check, code, run) = log_is(http(200, "", log.as_bytes()));
    assert_eq!((check["result"].as_str(), code), (Some("tls-errors"), 1), "{check:#}\n{run}");
    assert_eq!(check["lines"]["count"], expected);
    let (first, last) = (check["lines"]["first"].as_str().unwrap(), check["lines"]["last"].as_str().unwrap());
    assert!(first < last && first > "2026-11-23T22:55:28Z", "{check:#}");
    let told = line(&run, "!tls-errors");
    let told = told.replace(&minute(first), "FIRST").replace(&minute(last), "LAST");
    insta::assert_snapshot!(told, @"logs           kube-system/etcd-lab-cp1                      lab-cp1   !tls-errors   78 lines, FIRST to LAST: etcd rejects the certificate of a client or another member");
    assert_eq!((&check["severity"], &check["code"]), (&json!("warning"), &json!("tls-errors")));
    let shown = line(&run, "kube-system/etcd-lab-cp1: 2026-11-23T23:");
    assert!(shown.contains("x509: ") || shown.contains("tls: "), "the last line itself: {shown}");
    line(&run, "hint: kubectl -n kube-system logs etcd-lab-cp1 -c etcd names the rejected client");
}

#[test]
fn errors_while_others_were_being_restarted_are_over() {
    let log = "2026-11-23T22:55:40Z 2026-11-23 22:55:40.1 I | embed: rejected connection from \"10.200.0.4:46108\" \
               (error \"remote error: tls: bad certificate\", ServerName \"\")\n";
    let (check, code, run) = log_is(http(200, "", log.as_bytes()));
    assert_eq!((check["result"].as_str(), code), (Some("tls-errors"), 0), "{run}");
    assert_eq!((&check["severity"], &check["code"]), (&json!("note"), &json!("tls-errors")));
    insta::assert_snapshot!(check["what"].as_str().unwrap(), @"1 line while other components were being restarted (2026-11-23 22:55 UTC), none since: a client or another member rejects etcd's certificate");
    // Later than that it is none of it.
    let (check, code, _) = log_is(http(200, "", log.replace("22:55:40", "22:58:40").as_bytes()));
    assert_eq!((check["result"].as_str(), code), (Some("tls-errors"), 1));
}

#[test]
fn lines_that_are_no_matter_of_certificates() {
    let log = "2026-11-23T23:50:00Z I1123 23:50:00.1 1 log.go:172] http: TLS handshake error from 10.0.0.9:5: EOF\n\
               2026-11-23T23:50:00Z I | embed: rejected connection from \"10.0.0.9:5\" (error \"tls: first record does \
               not look like a TLS handshake\", ServerName \"\")\n\
               2026-11-23T23:50:00Z http: TLS handshake error from 10.0.0.9:6: read: connection reset by peer\n\
               \u{ff}\u{0}\n";
    let (check, code, run) = log_is(http(200, "", log.as_bytes()));
    assert_eq!((check["result"].as_str(), code), (Some("ok"), 0), "{run}");
    // Very many lines, of which the API server gives the last.
    let many = "2026-11-23T23:50:00Z x509: certificate has expired or is not yet valid\n".repeat(10_000);
    let (check, _, _) = log_is(http(200, "", many.as_bytes()));
    insta::assert_snapshot!(check["what"].as_str().unwrap(), @"10000 lines, 2026-11-23 23:50 UTC to 2026-11-23 23:50 UTC (only its end was read): an expired certificate was rejected");
    assert_eq!(check["lines"]["count"], 10_000);
}

#[test]
fn a_log_that_is_not_given_is_a_finding_with_its_meaning() {
    let get = "Get \"https://10.200.0.4:10250/containerLogs/kube-system/etcd-lab-cp1/etcd\":";
    for (code, message, verdict, meaning) in [
        (
            500,
            format!("{get} x509: certificate has expired or is not yet valid"),
            "log-refused",
            "the API server rejects the kubelet's serving certificate",
        ),
        (
            500,
            format!("{get} remote error: tls: bad certificate"),
            "log-refused",
            "the kubelet rejects the API server's client certificate (apiserver-kubelet-client)",
        ),
        (
            401,
            "the server has asked for the client to provide credentials ( pods/log etcd-lab-cp1)".to_owned(),
            "log-refused",
            "the kubelet rejects the API server's client certificate (apiserver-kubelet-client)",
        ),
        (
            403,
            "Forbidden (user=kube-apiserver-kubelet-client, verb=get, resource=nodes, subresource=proxy)"
                .to_owned(),
            "log-refused",
            "the kubelet forbids it to the API server's client certificate (apiserver-kubelet-client)",
        ),
        (
            500,
            format!("{get} dial tcp 10.200.0.4:10250: connect: connection refused"),
            "log-refused",
            "the API server cannot connect to the kubelet",
        ),
        (
            403,
            "pods \"etcd-lab-cp1\" is forbidden: User \"x\" cannot get resource \"pods/log\"".to_owned(),
            "not-asked",
            "permission denied",
        ),
        (
            400,
            "container \"etcd\" in pod \"etcd-lab-cp1\" is waiting to start: ContainerCreating".to_owned(),
            "no-log",
            "no log at the moment",
        ),
    ] {
        let (check, exit, run) = log_is(status(code, "X", &message));
        assert_eq!(check["result"], verdict, "{run}");
        let what = check["what"].as_str().unwrap();
        assert_eq!(what, format!("{meaning}: {code}: {message}"));
        assert_eq!(exit == 1, verdict != "no-log", "{run}");
    }
}

#[test]
fn a_static_pod_that_its_kubelet_does_not_show() {
    let scene = Scene::well();
    scene.server.store().objects.remove(&format!("{PODS}/kube-scheduler-lab-cp1"));
    assert_eq!(findings(&scene).0, ["logs kube-system/kube-scheduler-lab-cp1 static-pod-missing"]);
    // etcd may be elsewhere.
    let scene = Scene::well();
    scene.server.store().objects.remove(&format!("{PODS}/etcd-lab-cp1"));
    assert_eq!(findings(&scene), (Vec::new(), 0));
}

#[test]
fn api_services_that_are_not_available() {
    let scene = Scene::well();
    let path = format!("{SERVICES}/v1beta1.metrics.k8s.io");
    scene.insert(&path, json!({"metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {"service": {"namespace": "kube-system", "name": "metrics-server"}},
        "status": {"conditions": [{"type": "Available", "status": "False", "reason": "FailedDiscoveryCheck",
            "message": "failing or missing response from https://10.96.0.9:443: x509: certificate has expired"}]}}));
    assert_eq!(findings(&scene).0, ["api-services v1beta1.metrics.k8s.io api-service-unavailable"]);
    let told = line(&verify(&scene), "!api-service-unavailable");
    let what = "not available (service kube-system/metrics-server): FailedDiscoveryCheck: failing or missing response \
                from https://10.96.0.9:443: x509: certificate has expired";
    assert!(told.ends_with(what), "{told}");
}

#[test]
fn what_may_not_be_asked_and_what_is_not_known() {
    let scene = Scene::well();
    scene.instead("GET", SERVICES, status(403, "Forbidden", "apiservices is forbidden"));
    let (found, code) = findings(&scene);
    assert_eq!((found, code), (vec!["api-services  not-asked".to_owned()], 1));
    line(&verify(&scene), "   cannot list them: 403: apiservices is forbidden");
    line(&verify(&scene), "   no pending requests of kubelets");
    // An older API server.
    let scene = Scene::well();
    scene.server.store().objects.retain(|path, _| !path.starts_with(REQUESTS));
    assert_eq!(findings(&scene), (Vec::new(), 0));
    let told = line(&verify(&scene), "requests ");
    assert_eq!(cells(&told)[..2], ["requests", "not-served"]);
    assert!(cells(&told)[2].starts_with("this API server does not serve them: 404: "), "{told}");
    // An answer that breaks off.
    let scene = Scene::well();
    scene.instead(
        "GET",
        "/api/v1/nodes",
        truncated(&json!({"metadata": {}, "items": [{"metadata": {"name": "lab-cp1"}}]})),
    );
    assert_eq!(findings(&scene).0, ["nodes  not-asked"]);
    line(&verify(&scene), "   cannot list them: unexpected answer: truncated after ");
    line(&verify(&scene), "hint: kuberescue kubeconfig check --connect ");
}

#[test]
fn nothing_can_be_asked() {
    let nobody = Scene::asked_by("nobody");
    insta::assert_snapshot!(nobody.screen(&verify(&nobody)), @r#"
    error [forbidden]: cannot check the cluster: 403: User "nobody" cannot get /api/v1/nodes (SERVER with CONFIG)
    hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    exit 2
    "#);

    let scene = Scene::new();
    let expired = scene.server.authority.expired("kubernetes-admin");
    scene.write_kubeconfig(&scene.server.kubeconfig(&expired));
    insta::assert_snapshot!(scene.screen(&verify(&scene)), @"
    error [unauthorized]: cannot check the cluster: 401: Unauthorized (SERVER with CONFIG; its client certificate expired on 2016-01-01 (N days ago))
    hint: kuberescue kubeconfig check CONFIG
    exit 2
    ");

    let gone = scene.server.admin().replace(&scene.server.url(), &format!("https://{}", closed_port()));
    scene.write_kubeconfig(&gone);
    insta::assert_snapshot!(scene.screen(&verify(&scene)), @"
    error [not-listening]: cannot check the cluster: connection refused: nothing listens there (https://ADDRESS with CONFIG)
    hint: check the address in CONFIG; on a control-plane node: sudo kuberescue probe
    exit 2
    ");
}

#[test]
fn a_moment_can_be_left_out() {
    let scene = Scene::well();
    // Judged by this machine's clock: what was just begun is not over.
    let started = Timestamp::now() - SignedDuration::from_secs(5);
    scene.change(&format!("{PODS}/etcd-lab-cp1"), |pod| {
        pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = json!(started.to_string());
    });
    let line = format!("{started} remote error: tls: bad certificate\n");
    scene.instead("GET", &format!("{PODS}/etcd-lab-cp1/log"), http(200, "", line.as_bytes()));
    let run = scene.run("verify cluster");
    insta::assert_snapshot!(scene.screen(&run).replace(&minute(&started.to_string()), "TIME"), @"
    CHECK          OBJECT                                        RESULT        DETAIL
    api-server                                                   ok            SERVER is ready
    nodes                                                        ok            1 node Ready
    pods                                                         ok            4 of 4 pods ready in kube-system
    logs           kube-system/etcd-lab-cp1                      !tls-errors   1 line, TIME, possibly only while other components were being restarted: a certificate was rejected
    logs           kube-system/kube-apiserver-lab-cp1            ok            no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-controller-manager-lab-cp1   ok            no TLS errors since its start at 2026-11-23 22:55 UTC
    logs           kube-system/kube-scheduler-lab-cp1            ok            no TLS errors since its start at 2026-11-23 22:55 UTC
    api-services                                                 ok            35 of 35 API services available
    requests                                                     ok            no pending requests of kubelets
    hint: check again in two minutes: kuberescue verify cluster
    exit 1
    ");
}
