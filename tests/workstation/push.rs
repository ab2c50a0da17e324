//! `push`: the Secret, written from admin.conf, without losing anybody's change.

use serde_json::{Value, json};

use crate::apiserver::{recorded, status};
use crate::common::base64;
use crate::scene::{FROM, SECRET, Scene};
use crate::server::{Authority, http};

/// The Secret holds the old certificate, with a comment of somebody; `admin.conf` the new one.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.keep_in_secret(format!("# made by bmctl\r\n{}", scene.old));
    scene.write("admin.conf", scene.elsewhere(&scene.cluster.url(), &scene.cluster.authority, &scene.leaf));
    scene
}

fn push() -> String {
    format!("push {FROM} --from admin.conf")
}

#[test]
fn the_credential_goes_into_the_secrets_own_kubeconfig() {
    let scene = scene();
    let (old, labels) = (scene.in_secret(), json!({"keep": "me"}));
    scene.admin.store().object(SECRET)["metadata"]["labels"] = labels.clone();
    scene.admin.store().object(SECRET)["data"]["other"] = json!("eA==");
    let before = scene.snapshot();
    let dry = scene.run(&format!("{} --dry-run", push()));
    scene.run(&push());
    assert_eq!((scene.in_secret(), scene.snapshot()), (old.clone(), before));

    let run = scene.run(&format!("{} --yes", push()));
    assert_eq!((run.code, &run.out), (0, &dry.out), "{run}");
    assert_eq!(scene.in_secret(), format!("# made by bmctl\r\n{}", scene.new));
    let secret = scene.admin.store().object(SECRET).clone();
    assert_eq!((&secret["metadata"]["labels"], &secret["data"]["other"]), (&labels, &json!("eA==")));
    let patch = scene.admin.store().log.iter().find(|asked| asked.method == "PATCH").cloned().unwrap();
    assert_eq!(patch.content_type, "application/merge-patch+json");
    let body: Value = serde_json::from_str(&patch.body).unwrap();
    assert_eq!(body["metadata"], json!({"resourceVersion": "612"}));
    assert_eq!(body["data"].as_object().unwrap().len(), 1);
    // The old value is kept here.
    let kept: Vec<_> =
        scene.names(".").into_iter().filter(|name| name.starts_with("cluster1-kubeconfig.")).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!((scene.read(&kept[0]), scene.mode(&kept[0])), (old, 0o600));
    scene.run(&format!("{} --yes", push()));
    // And now it can be installed.
    assert_eq!(scene.run(&format!("install {FROM} --yes")).code, 0);
    insta::assert_snapshot!(scene.screens(), @"
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --dry-run: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      admin.conf: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Dry run: nothing was changed.
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf: exit 2
      …
      error [not-confirmed]: no terminal to confirm on; nothing was changed
      hint: run it again with --yes
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes: exit 0
      …
      Old value: ./cluster1-kubeconfig.TIME
      Updated the Secret cluster-cluster1/cluster1-kubeconfig
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes: exit 0
      …
      Nothing to do: the Secret cluster-cluster1/cluster1-kubeconfig is up to date
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      …
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    ");
}

#[test]
fn what_cannot_be_spliced_is_written_as_a_whole() {
    let scene = scene();
    let token = crate::apiserver::kubeconfig(&scene.cluster.url(), &scene.cluster.authority, "token: x");
    for value in [base64(b"junk: ["), base64(b""), "no base64!".to_owned(), base64(token.as_bytes())] {
        scene.admin.store().object(SECRET)["data"] = json!({"value": value});
        std::fs::create_dir_all(scene.path("kept")).unwrap();
        let run = scene.run(&format!("{} --yes --keep kept", push()));
        assert_eq!((run.code, scene.in_secret()), (0, scene.read("admin.conf")), "{run}");
    }
    // What is no base64 is nothing that could be kept.
    assert_eq!(scene.names("kept").len(), 3);
    scene.admin.store().object(SECRET)["data"] = json!({"kubeconfig": "eA=="});
    scene.fails(&format!("{} --yes", push()));
    insta::assert_snapshot!(scene.screens(), @r#"
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --keep kept: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      admin.conf: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      note: cannot edit the kubeconfig in the Secret: not a kubeconfig: line 1, column 7: not valid YAML; it is replaced with all of admin.conf, including the server
      The new kubeconfig works. Nodes of CLUSTER:
      note: the Secret cluster-cluster1/cluster1-kubeconfig holds no kubeconfig: not a kubeconfig: line 1, column 7: not valid YAML
      Old value: kept/cluster1-kubeconfig.TIME
      Updated the Secret cluster-cluster1/cluster1-kubeconfig
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --keep kept: exit 0
      …
      note: cannot edit the kubeconfig in the Secret: the file is empty; it is replaced with all of admin.conf, including the server
      The new kubeconfig works. Nodes of CLUSTER:
      note: the Secret cluster-cluster1/cluster1-kubeconfig holds no kubeconfig: the file is empty
      Old value: kept/cluster1-kubeconfig.TIME
      Updated the Secret cluster-cluster1/cluster1-kubeconfig
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --keep kept: exit 0
      …
      note: cannot edit the kubeconfig in the Secret: not base64; it is replaced with all of admin.conf, including the server
      The new kubeconfig works. Nodes of CLUSTER:
      note: the value of the Secret cluster-cluster1/cluster1-kubeconfig is not base64
      Updated the Secret cluster-cluster1/cluster1-kubeconfig
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --keep kept: exit 0
      …
      note: cannot edit the kubeconfig in the Secret: user "u" does not have an embedded client certificate: it uses a token; it is replaced with all of admin.conf, including the server
      The new kubeconfig works. Nodes of CLUSTER:
      Old value: kept/cluster1-kubeconfig.TIME
      Updated the Secret cluster-cluster1/cluster1-kubeconfig
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes: exit 2
      …
      error [kubeconfig-unusable]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: no key "value" (keys: kubeconfig)
      hint: name another Secret with --secret NAME (usually CLUSTER-kubeconfig)
    "#);
}

#[test]
fn a_change_at_the_same_time_is_not_lost() {
    let scene = scene();
    scene.admin.store().before = Some(Box::new(|asked, objects| {
        if asked.method == "PATCH" {
            let secret = objects.get_mut(SECRET).unwrap();
            secret["metadata"]["resourceVersion"] = json!("9999");
            secret["data"]["value"] = json!(base64(b"somebody else's"));
        }
    }));
    let run = scene.run(&format!("{} --yes", push()));
    assert_eq!((run.code, scene.in_secret().as_str()), (2, "somebody else's"), "{run}");
    assert!(
        scene.names(".").iter().all(|name| !name.starts_with("cluster1-")),
        "nothing is kept of no change"
    );
    insta::assert_snapshot!(scene.screens(), @r#"
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      admin.conf: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      error [request-failed]: cannot update the Secret cluster-cluster1/cluster1-kubeconfig: 409: Operation cannot be fulfilled on secrets "cluster1-kubeconfig": the object has been modified; please apply your changes to the latest version and try again (ADMIN with admin)
      hint: it was changed by somebody else at the same time; nothing was changed: run the command again
    "#);
}

#[test]
fn refusals() {
    let scene = scene();
    let fails = |more: &str| {
        scene.fails(&format!("{} --yes {more}", push()));
    };
    scene.admin.store().object(SECRET)["immutable"] = json!(true);
    fails("");
    scene.admin.store().object(SECRET)["immutable"] = Value::Null;
    let good = scene.read("admin.conf");
    scene.write("admin.conf", &scene.old);
    fails("");
    scene.write("admin.conf", scene.admin.admin());
    fails("");
    scene.write("admin.conf", scene.elsewhere("https://127.0.0.1:1", &Authority::new("x"), &scene.leaf));
    fails("");
    scene.write("admin.conf", &good);
    fails("--keep none");
    scene.write(
        "admin.conf",
        crate::apiserver::kubeconfig(&scene.cluster.url(), &scene.cluster.authority, "token: x"),
    );
    fails("");
    scene.run(&format!("push {FROM} --yes --from none"));
    insta::assert_snapshot!(scene.screens(), @r#"
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes : exit 5
      note: using namespace cluster-cluster1; --namespace names another
      admin.conf: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [immutable]: cannot update the Secret cluster-cluster1/cluster1-kubeconfig: it is immutable
      hint: kubectl -n cluster-cluster1 delete secret cluster1-kubeconfig, then create it again
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes : exit 5
      error [expired]: cannot use admin.conf: client certificate expired on 2016-01-01 (N days ago)
      hint: on the control-plane node: sudo kuberescue certs renew admin.conf
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes : exit 5
      note: using namespace cluster-cluster1; --namespace names another
      admin.conf: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server ADMIN
      error [another-cluster]: cannot replace Secret cluster-cluster1/cluster1-kubeconfig with admin.conf: other cluster (server ADMIN, was CLUSTER; no common CA key)
      hint: if that is intended: --accept-cluster
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes : exit 5
      error [wrong-authority]: cannot use admin.conf: client certificate was not issued by the cluster CA: issued by "CN=kubernetes", not by "CN=x"
      hint: on the control-plane node: sudo kuberescue certs renew admin.conf
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --keep none: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      admin.conf: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      error [file-error]: cannot enter none: not found
      hint: the old value is kept before anything is changed: add --keep DIR
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes : exit 2
      error [no-credential]: cannot use admin.conf: user "u" has no embedded client certificate, but a token
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    push --admin-kubeconfig admin --cluster cluster1 --yes --from none: exit 2
      error [file-error]: cannot read none: not found
      hint: look in $KUBECONFIG, ~/.kube/config, or bmctl-workspace/NAME/NAME-kubeconfig
    "#);
}

#[test]
fn what_the_admin_cluster_does_not_take() {
    let scene = scene();
    let old = scene.in_secret();
    for reply in [
        status(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set"),
        status(403, "Forbidden", "cannot patch"),
        status(429, "TooManyRequests", "later"),
        // The Secret itself says that nothing arrived.
        status(500, "InternalError", "etcd"),
        http(200, "", b"{\"kind\": \"Sec"),
    ] {
        scene.admin.store().instead.insert(("PATCH".to_owned(), SECRET.to_owned()), reply);
        scene.run(&format!("{} --yes --request-timeout 5s", push()));
        assert_eq!(scene.in_secret(), old);
    }
    insta::assert_snapshot!(scene.screens(), @"
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      admin.conf: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      error [request-failed]: cannot update the Secret cluster-cluster1/cluster1-kubeconfig: 422: data: Forbidden: field is immutable when `immutable` is set (ADMIN with admin)
      hint: check whether the Secret is immutable or guarded by a webhook: kubectl get secret -o yaml
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --request-timeout 5s: exit 2
      …
      error [forbidden]: cannot update the Secret cluster-cluster1/cluster1-kubeconfig: 403: cannot patch (ADMIN with admin)
      hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --request-timeout 5s: exit 2
      …
      error [request-failed]: cannot update the Secret cluster-cluster1/cluster1-kubeconfig: 429: later (ADMIN with admin)
      hint: the API server is overloaded: run the command again later, or with --request-timeout 60s
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --request-timeout 5s: exit 2
      …
      error [unhealthy]: cannot update the Secret cluster-cluster1/cluster1-kubeconfig: 500: etcd (ADMIN with admin)
      hint: on a control-plane node: sudo kuberescue probe
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --request-timeout 5s: exit 2
      …
      error [unhealthy]: cannot update the Secret cluster-cluster1/cluster1-kubeconfig: unexpected answer: truncated after 13 bytes (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    ");
}

#[test]
fn an_answer_that_is_lost() {
    // It was written, and only the answer broke off.
    let scene = scene();
    let broken = http(200, "", b"{\"kind\": \"Sec");
    scene.admin.store().instead.insert(("PATCH".to_owned(), SECRET.to_owned()), broken.clone());
    scene.admin.store().before = Some(Box::new(|asked, objects| {
        if asked.method == "PATCH" {
            let patch: Value = serde_json::from_str(&asked.body).unwrap();
            let secret = objects.get_mut(SECRET).unwrap();
            secret["data"]["value"] = patch["data"]["value"].clone();
            secret["metadata"]["resourceVersion"] = json!("2000");
        }
    }));
    scene.run(&format!("{} --yes --request-timeout 5s", push()));

    // Where nobody can tell, that is said, with where the old value is.
    let scene = self::scene();
    scene.admin.store().instead.insert(("PATCH".to_owned(), SECRET.to_owned()), broken);
    scene.admin.store().before = Some(Box::new(|asked, objects| {
        if asked.method == "PATCH" {
            objects.remove(SECRET);
        }
    }));
    scene.run(&format!("{} --yes --request-timeout 5s", push()));
    let kept = scene.names(".").into_iter().filter(|name| name.starts_with("cluster1-kubeconfig."));
    assert_eq!(kept.count(), 1);
    insta::assert_snapshot!(scene.screens(), @"
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --request-timeout 5s: exit 4
      note: using namespace cluster-cluster1; --namespace names another
      admin.conf: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Old value: ./cluster1-kubeconfig.TIME
      error [unhealthy]: cannot verify the update of the Secret cluster-cluster1/cluster1-kubeconfig: unexpected answer: truncated after 13 bytes
      hint: kuberescue kubeconfig fetch shows its value (old value: ./cluster1-kubeconfig.TIME)
    ");
}

#[test]
fn where_the_cluster_cannot_be_reached() {
    let scene = scene();
    let nowhere = format!("https://{}", crate::server::closed_port());
    let authority = &scene.cluster.authority;
    scene.keep_in_secret(scene.elsewhere(&nowhere, authority, &authority.expired("kubernetes-admin")));
    scene.fails(&format!("{} --yes", push()));
    scene.run(&format!("{} --yes --unverified", push()));
    assert_eq!(scene.in_secret(), scene.elsewhere(&nowhere, authority, &scene.leaf));
    insta::assert_snapshot!(scene.screens(), @"
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes: exit 5
      note: using namespace cluster-cluster1; --namespace names another
      admin.conf: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: connection refused: nothing listens there (https://ADDRESS with the new value); nothing was changed
      hint: if this machine cannot reach that cluster: --unverified writes the Secret without trying first
    push --admin-kubeconfig admin --cluster cluster1 --from admin.conf --yes --unverified: exit 0
      …
      note: not tried first (--unverified)
      Old value: ./cluster1-kubeconfig.TIME
      Updated the Secret cluster-cluster1/cluster1-kubeconfig
    ");
}

#[test]
fn a_recorded_secret_is_read() {
    // As a real API server gave it, with the kubeconfig that a real kubeadm made.
    let scene = Scene::new();
    let recorded: Value = serde_json::from_str(&recorded("secret")).unwrap();
    scene.admin.store().objects.insert(SECRET.to_owned(), recorded);
    let run = scene.run(&format!("fetch {FROM}"));
    assert_eq!(run.out, scene.in_secret(), "{run}");
    insta::assert_snapshot!(scene.screens(), @"
    fetch --admin-kubeconfig admin --cluster cluster1: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, O=system:masters, serial HEX, expires on 2027-11-23 (in N days), server https://10.200.0.4:6443
    ");
}
