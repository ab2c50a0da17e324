//! `fetch`: what the Secret holds, and how it compares with what is here.

use serde_json::{Value, json};

use crate::common::base64;
use crate::scene::{FILE, FROM, SECRET, Scene};
use crate::server::Authority;

#[test]
fn the_file_comes_out_byte_for_byte() {
    let scene = Scene::new();
    // Comments, line ends of another system, no line end at the end.
    let odd = format!("# by hand\r\n{}#\tend \u{e9}", scene.new.replace('\n', "\r\n"));
    scene.keep_in_secret(&odd);
    let run = scene.run(&format!("fetch {FROM}"));
    assert_eq!((run.code, &run.out), (0, &odd), "{run}");
    assert!(run.err.contains("namespace cluster-cluster1, the one that bmctl makes"), "{run}");
    let line = run.err.lines().last().unwrap();
    for said in [
        "Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin",
        "until 4096-01-01T00:00:00Z",
        &scene.cluster.url(),
    ] {
        assert!(line.contains(said), "{said}\n{run}");
    }
    assert_eq!(scene.admin.store().asked(), [format!("GET {SECRET}")]);
    assert!(scene.asked().is_empty(), "the cluster itself isn't asked");
}

#[test]
fn other_places() {
    let scene = Scene::new();
    let value = scene.admin.store().object(SECRET).clone();
    scene.admin.store().objects.insert("/api/v1/namespaces/capi/secrets/k".to_owned(), value);
    let run = scene.run("fetch --admin-kubeconfig admin --namespace capi --secret k");
    assert_eq!((run.code, &run.out), (0, &scene.new), "{run}");
    assert!(!run.err.contains("note:"), "{run}");
    scene.fails("fetch --admin-kubeconfig admin --namespace capi", 2, &["not said of which cluster"]);
    scene.fails("fetch --cluster cluster1", 2, &["its kubeconfig is not named", "bmctl-workspace/ADMIN"]);
    scene.fails(
        "fetch --admin-kubeconfig admin --cluster a/b",
        2,
        &["\"cluster-a/b\" is no name of a namespace"],
    );
    for option in ["--admin-context", "--context"] {
        let run = scene.run(&format!("fetch {FROM} {option} c"));
        assert_eq!((run.code, &run.out), (0, &scene.new), "{run}");
        scene.fails(&format!("fetch {FROM} {option} nope"), 2, &["context \"nope\""]);
    }
}

#[test]
fn out_is_0600_and_over_nothing_else() {
    let scene = Scene::new();
    let run = scene.run(&format!("fetch {FROM} --out new.conf"));
    assert_eq!((run.code, run.out.as_str(), scene.mode("new.conf")), (0, "", 0o600), "{run}");
    assert_eq!(scene.read("new.conf"), scene.new);
    // The same again is fine, and narrows the mode.
    scene.chmod("new.conf", 0o644);
    let run = scene.run(&format!("fetch {FROM} --out new.conf"));
    assert!(
        run.code == 0 && run.err.contains("holds it already") && scene.mode("new.conf") == 0o600,
        "{run}"
    );
    // Something else stays.
    scene.fails(
        &format!("fetch {FROM} --out {FILE}"),
        2,
        &["is there already, and holds something else", "--force"],
    );
    let run = scene.run(&format!("fetch {FROM} --out {FILE} --force"));
    assert_eq!((run.code, scene.read(FILE)), (0, scene.new.clone()), "{run}");
    let copies = scene.copies(FILE);
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!((scene.read(&copies[0]), scene.mode(&copies[0])), (scene.old.clone(), 0o600));
    assert!(run.err.contains(&copies[0]), "{run}");
    for (out, said) in [
        (".", "it is a directory"),
        ("/dev/null", ""),
        ("none/x", "no such file"),
        ("x/", "no path of a file"),
    ] {
        scene.fails(&format!("fetch {FROM} --out {out} --force"), 2, &[said]);
    }
}

#[test]
fn compare_says_what_differs() {
    let scene = Scene::new();
    scene.write("same", format!("# another text\n{}", scene.new));
    let run = scene.run(&format!("fetch {FROM} --compare same"));
    assert!(run.code == 0 && run.err.contains("same holds the same certificate as the Secret"), "{run}");
    assert!(!run.out.contains("differs") && run.out.matches("same").count() > 6, "{run}");

    let run = scene.run(&format!("fetch {FROM} --compare {FILE}"));
    assert!(run.code == 1 && run.err.contains("holds another certificate than"), "{run}");
    let line = run.out.lines().find(|line| line.starts_with("valid until")).unwrap();
    for said in ["2016-01-01T00:00:00Z", "4096-01-01T00:00:00Z", "differs"] {
        assert!(line.contains(said), "{run}");
    }
    // With --out both.
    let run = scene.run(&format!("fetch {FROM} --compare {FILE} --out new"));
    assert_eq!((run.code, scene.read("new")), (1, scene.new.clone()), "{run}");

    // The certificate alone is not all.
    let moved = scene.elsewhere("https://10.0.0.9:6443", &Authority::new("other"), &scene.leaf);
    scene.write("moved", moved);
    let run = scene.run(&format!("fetch {FROM} --compare moved -o json"));
    let json: Value = serde_json::from_str(&run.out).unwrap();
    let bools = ["same", "sameCertificate", "sameAuthorities", "sameServer", "anotherCluster"]
        .map(|key| json[key] == true);
    assert_eq!((run.code, bools), (1, [false, true, false, false, true]), "{run}");
    assert_eq!((&json["kind"], &json["old"]), (&json!("KubeconfigComparison"), &json!("moved")));
    let run = scene.run(&format!("fetch {FROM} --compare moved -o yaml"));
    assert!(run.out.contains("sameCertificate: true"), "{run}");
    scene.fails(&format!("fetch {FROM} --compare none"), 2, &["none: there is no such file"]);
    scene.write("junk", "x: [");
    scene.fails(&format!("fetch {FROM} --compare junk"), 2, &["junk: not a kubeconfig"]);
}

#[test]
fn a_secret_that_holds_the_old_certificate() {
    let scene = Scene::new();
    scene.keep_in_secret(&scene.old);
    for compared in ["", " --compare bmctl-workspace/cluster1/cluster1-kubeconfig"] {
        let run = scene.run(&format!("fetch {FROM}{compared}"));
        assert_eq!(run.code, 1, "{run}");
        for said in
            ["wrong [expired]", "ended 2016-01-01", "The Secret itself holds", "kuberescue kubeconfig push"]
        {
            assert!(run.err.contains(said), "{said}\n{run}");
        }
    }
    assert_eq!(scene.run(&format!("fetch {FROM}")).out, scene.old);
    // Or one that its own CA doesn't vouch for.
    let strange = scene.elsewhere(&scene.cluster.url(), &Authority::new("kubernetes"), &scene.leaf);
    scene.keep_in_secret(&strange);
    let run = scene.run(&format!("fetch {FROM}"));
    assert!(run.code == 1 && run.err.contains("wrong [wrong-authority]"), "{run}");
}

#[test]
fn what_is_no_kubeconfig() {
    let scene = Scene::new();
    let with = |data: Value| scene.admin.store().object(SECRET)["data"] = data;
    with(json!({"kubeconfig": "eA==", "token": "eA=="}));
    scene.fails(&format!("fetch {FROM}"), 2, &["has no key \"value\"; the keys it has: kubeconfig, token"]);
    with(Value::Null);
    scene.fails(&format!("fetch {FROM}"), 2, &["the keys it has: none"]);
    with(json!({"value": "no base64!"}));
    scene.fails(&format!("fetch {FROM}"), 2, &["key \"value\": it is not base64"]);
    with(json!({"value": base64(b"kind: Pod\n")}));
    let run = scene.fails(&format!("fetch {FROM}"), 2, &["not a kubeconfig"]);
    assert_eq!(run.out, "");
    with(json!({"value": base64(&vec![b'#'; (1 << 20) + 1])}));
    scene.fails(&format!("fetch {FROM}"), 2, &["1048577 bytes; 1 MiB is the most"]);
    with(json!({"value": ""}));
    scene.fails(&format!("fetch {FROM}"), 2, &["the file is empty"]);
}
