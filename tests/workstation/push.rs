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

/// The Secret in messages.
const NAMED: &str = "Secret cluster-cluster1/cluster1-kubeconfig";

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
    assert!(dry.code == 0 && dry.err.ends_with("Dry run: nothing was changed.\n"), "{dry}");
    let unasked = scene.run(&push());
    assert!(
        unasked.code == 2
            && unasked.err.ends_with(
                "\nerror [not-confirmed]: no terminal to confirm on; nothing was changed\nhint: run it again with --yes\n"
            ),
        "{unasked}"
    );
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
    let said = format!("\nOld value: ./{}\nUpdated the {NAMED}\n", kept[0]);
    assert!(run.err.ends_with(&said), "{run}");
    for said in ["lab-cp1", " 2016-01-01 00:00 UTC ", " 4096-01-01 00:00 UTC "] {
        assert!(run.out.contains(said), "{run}");
    }
    let again = scene.run(&format!("{} --yes", push()));
    assert!(
        again.code == 0 && again.err.ends_with(&format!("\nNothing to do: the {NAMED} is up to date\n")),
        "{again}"
    );
    // And now it can be installed.
    assert_eq!(scene.run(&format!("install {FROM} --yes")).code, 0);
}

#[test]
fn what_cannot_be_spliced_is_written_as_a_whole() {
    let scene = scene();
    let token = crate::apiserver::kubeconfig(&scene.cluster.url(), &scene.cluster.authority, "token: x");
    for (value, why) in [
        (base64(b"junk: ["), "not a kubeconfig: "),
        (base64(b""), "the file is empty"),
        ("no base64!".to_owned(), "not base64"),
        (
            base64(token.as_bytes()),
            "user \"u\" does not have an embedded client certificate: it uses a token",
        ),
    ] {
        scene.admin.store().object(SECRET)["data"] = json!({"value": value});
        std::fs::create_dir_all(scene.path("kept")).unwrap();
        let run = scene.run(&format!("{} --yes --keep kept", push()));
        assert_eq!((run.code, scene.in_secret()), (0, scene.read("admin.conf")), "{run}");
        let note = format!("\nnote: cannot edit the kubeconfig in the Secret: {why}");
        let whole = "; it is replaced with all of admin.conf, including the server\n";
        assert!(run.err.contains(&note) && run.err.contains(whole), "{note}\n{run}");
    }
    // What is no base64 is nothing that could be kept.
    assert_eq!(scene.names("kept").len(), 3);
    scene.admin.store().object(SECRET)["data"] = json!({"kubeconfig": "eA=="});
    scene.fails(
        &format!("{} --yes", push()),
        2,
        &[&format!("\nerror [kubeconfig-unusable]: cannot read the {NAMED}: no key \"value\" (keys: kubeconfig)\nhint: ")],
    );
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
    let error = format!(
        "\nerror [request-failed]: cannot update the {NAMED}: 409: Operation cannot be fulfilled on secrets "
    );
    let hint = "\nhint: it was changed by somebody else at the same time; nothing was changed: run the command again\n";
    assert!(run.err.contains(&error) && run.err.ends_with(hint), "{run}");
}

#[test]
fn refusals() {
    let scene = scene();
    let fails = |more: &str, code: i32, said: &[&str]| {
        scene.fails(&format!("{} --yes {more}", push()), code, said);
    };
    scene.admin.store().object(SECRET)["immutable"] = json!(true);
    let error = format!(
        "\nerror [immutable]: cannot update the {NAMED}: it is immutable\nhint: kubectl -n cluster-cluster1 delete secret \
         cluster1-kubeconfig, then create it again\n"
    );
    fails("", 5, &[&error]);
    scene.admin.store().object(SECRET)["immutable"] = Value::Null;
    let good = scene.read("admin.conf");
    scene.write("admin.conf", &scene.old);
    let expired = "error [expired]: cannot use admin.conf: client certificate expired on 2016-01-01 (";
    fails("", 5, &[expired, "\nhint: on the control-plane node: sudo kuberescue certs renew admin.conf\n"]);
    scene.write("admin.conf", scene.admin.admin());
    let error = format!(
        "\nerror [another-cluster]: cannot replace {NAMED} with admin.conf: other cluster (server {}, was {}; no common \
         CA key)\nhint: if that is intended: --accept-cluster\n",
        scene.admin.url(),
        scene.cluster.url()
    );
    fails("", 5, &[&error]);
    scene.write("admin.conf", scene.elsewhere("https://127.0.0.1:1", &Authority::new("x"), &scene.leaf));
    fails(
        "",
        5,
        &[
            "error [wrong-authority]: cannot use admin.conf: client certificate was not issued by the cluster CA: ",
        ],
    );
    scene.write("admin.conf", &good);
    fails(
        "--keep none",
        2,
        &[
            "\nerror [file-error]: cannot enter none: not found\nhint: the old value is kept before anything is changed: \
         add --keep DIR\n",
        ],
    );
    scene.write(
        "admin.conf",
        crate::apiserver::kubeconfig(&scene.cluster.url(), &scene.cluster.authority, "token: x"),
    );
    let token = "error [no-credential]: cannot use admin.conf: user \"u\" has no embedded client certificate, but a token\nhint: use a \
                 kubeconfig with embedded certificates, such as admin.conf\n";
    fails("", 2, &[token]);
    let run = scene.run(&format!("push {FROM} --yes --from none"));
    assert!(
        run.code == 2 && run.err.starts_with("error [file-error]: cannot read none: not found\nhint: "),
        "{run}"
    );
}

#[test]
fn what_the_admin_cluster_does_not_take() {
    let scene = scene();
    let old = scene.in_secret();
    for (reply, code, said) in [
        (
            status(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set"),
            2,
            "422: data: Forbidden: field is immutable when `immutable` is set (",
        ),
        (status(403, "Forbidden", "cannot patch"), 2, "403: cannot patch"),
        (status(429, "TooManyRequests", "later"), 2, "429: later"),
        // The Secret itself says that nothing arrived.
        (status(500, "InternalError", "etcd"), 2, "500: etcd"),
        (http(200, "", b"{\"kind\": \"Sec"), 2, "unexpected answer: truncated after 13 bytes ("),
    ] {
        scene.admin.store().instead.insert(("PATCH".to_owned(), SECRET.to_owned()), reply);
        let run = scene.run(&format!("{} --yes --request-timeout 5s", push()));
        assert!(
            run.code == code && run.err.contains(&format!(": cannot update the {NAMED}: {said}")),
            "{run}"
        );
        assert_eq!(
            run.err.ends_with(
                "\nhint: check whether the Secret is immutable or guarded by a webhook: kubectl get secret -o yaml\n"
            ),
            said.starts_with("422"),
            "{run}"
        );
        assert_eq!(scene.in_secret(), old);
    }
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
    let run = scene.run(&format!("{} --yes --request-timeout 5s", push()));
    assert!(run.code == 0 && run.err.ends_with(&format!("\nUpdated the {NAMED}\n")), "{run}");

    // Where nobody can tell, that is said, with where the old value is.
    let scene = self::scene();
    scene.admin.store().instead.insert(("PATCH".to_owned(), SECRET.to_owned()), broken);
    scene.admin.store().before = Some(Box::new(|asked, objects| {
        if asked.method == "PATCH" {
            objects.remove(SECRET);
        }
    }));
    let run = scene.run(&format!("{} --yes --request-timeout 5s", push()));
    let kept: Vec<_> =
        scene.names(".").into_iter().filter(|name| name.starts_with("cluster1-kubeconfig.")).collect();
    let said = format!(
        "\nOld value: ./{0}\nerror [unhealthy]: cannot verify the update of the {NAMED}: unexpected answer: truncated after 13 \
         bytes\nhint: kuberescue kubeconfig fetch shows its value (old value: ./{0})\n",
        kept[0]
    );
    assert!(run.code == 4 && kept.len() == 1 && run.err.ends_with(&said), "{said}\n{run}");
}

#[test]
fn where_the_cluster_cannot_be_reached() {
    let scene = scene();
    let nowhere = format!("https://{}", crate::server::closed_port());
    let authority = &scene.cluster.authority;
    scene.keep_in_secret(scene.elsewhere(&nowhere, authority, &authority.expired("kubernetes-admin")));
    scene.fails(&format!("{} --yes", push()), 5, &[
        "\nerror [not-working]: cannot list the nodes: connection refused: nothing listens there (",
        "with the new value); nothing was changed\nhint: if this machine cannot reach that cluster: --unverified writes \
         the Secret without trying first\n",
    ]);
    let run = scene.run(&format!("{} --yes --unverified", push()));
    assert!(run.code == 0 && run.err.contains("\nnote: not tried first (--unverified)\n"), "{run}");
    assert_eq!(scene.in_secret(), scene.elsewhere(&nowhere, authority, &scene.leaf));
}

#[test]
fn a_recorded_secret_is_read() {
    // As a real API server gave it, with the kubeconfig that a real kubeadm made.
    let scene = Scene::new();
    let recorded: Value = serde_json::from_str(&recorded("secret")).unwrap();
    scene.admin.store().objects.insert(SECRET.to_owned(), recorded);
    let run = scene.run(&format!("fetch {FROM}"));
    assert_eq!(run.out, scene.in_secret(), "{run}");
    assert!(
        run.err.contains("CN=kubernetes-admin, O=system:masters")
            && run.err.contains("https://10.200.0.4:6443"),
        "{run}"
    );
}
