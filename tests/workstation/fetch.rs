//! `fetch`: what the Secret holds, and how it compares with what is here.

use std::collections::BTreeSet;
use std::path::Path;

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
    let (serial, url) = (scene.serial(), scene.cluster.url());
    let lines: Vec<_> = run.err.lines().collect();
    let [note, line] = lines[..] else { panic!("{run}") };
    assert_eq!(note, "note: using namespace cluster-cluster1; --namespace names another");
    let start = format!(
        "Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial {serial}, expires on 4096-01-01 (in "
    );
    assert!(line.starts_with(&start) && line.ends_with(&format!(" days), server {url}")), "{start}\n{run}");
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
    scene.fails("fetch --admin-kubeconfig admin --namespace capi", 2, &[
        "error [usage]: cannot find the Secret: no cluster is named\nhint: add --cluster NAME, or --namespace NAME --secret NAME\n",
    ]);
    scene.fails("fetch --cluster cluster1", 2, &[
        "error [usage]: cannot read the Secret: no kubeconfig of the admin cluster is named\nhint: add --admin-kubeconfig FILE \
         (bmctl: bmctl-workspace/ADMIN/ADMIN-kubeconfig)\n",
    ]);
    scene.fails(
        "fetch --admin-kubeconfig admin --cluster a/b",
        2,
        &[
            "\"cluster-a/b\" is not a valid name of a namespace",
            "\nhint: names consist of lower-case letters, digits, - and .\n",
        ],
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
        run.code == 0 && run.err.ends_with("\nnew.conf is up to date\n") && scene.mode("new.conf") == 0o600,
        "{run}"
    );
    // Something else stays.
    scene.fails(
        &format!("fetch {FROM} --out {FILE}"),
        2,
        &[&format!(
            "\nerror [usage]: cannot write {FILE}: it exists with other content\nhint: name a new file, or add --force (the old \
             file is kept under a dated name)\n"
        )],
    );
    let run = scene.run(&format!("fetch {FROM} --out {FILE} --force"));
    assert_eq!((run.code, scene.read(FILE)), (0, scene.new.clone()), "{run}");
    let copies = scene.copies(FILE);
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!((scene.read(&copies[0]), scene.mode(&copies[0])), (scene.old.clone(), 0o600));
    assert!(run.err.ends_with(&format!("\nWrote {FILE}; old file: {}\n", copies[0])), "{run}");
    for (out, said) in
        [(".", "it is a directory"), ("/dev/null", ""), ("none/x", "not found"), ("x/", "no path of a file")]
    {
        scene.fails(&format!("fetch {FROM} --out {out} --force"), 2, &[said]);
    }
}

#[test]
fn compare_says_what_differs() {
    let scene = Scene::new();
    let secret = "Secret cluster-cluster1/cluster1-kubeconfig";
    scene.write("same", format!("# another text\n{}", scene.new));
    let run = scene.run(&format!("fetch {FROM} --compare same"));
    assert!(
        run.code == 0
            && run.err.ends_with(&format!("\nsame and {secret}: same certificate, CA and server\n")),
        "{run}"
    );
    assert!(!run.out.contains("differs") && run.out.matches("same").count() > 6, "{run}");

    let run = scene.run(&format!("fetch {FROM} --compare {FILE}"));
    assert!(
        run.code == 1 && run.err.ends_with(&format!("\n{FILE} and {secret}: different certificates\n")),
        "{run}"
    );
    let line = run.out.lines().find(|line| line.starts_with("valid until")).unwrap();
    for said in [" 2016-01-01 00:00 UTC ", " 4096-01-01 00:00 UTC ", "differs"] {
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
    // Its fields are those of its schema, no more and no fewer.
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kubeconfig-comparison.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let required = |value: &Value| {
        let names = value["required"].as_array().unwrap().iter();
        names.map(|name| name.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!((fields(&json), fields(&schema["properties"])), (required(&schema), required(&schema)));
    let rows = json["items"].as_array().unwrap();
    let row = &schema["$defs"]["row"];
    assert!(
        rows.iter().all(|found| fields(found) == required(row))
            && fields(&row["properties"]) == required(row)
    );
    let same: Vec<_> = rows.iter().map(|row| (row["what"].as_str().unwrap(), row["same"] == true)).collect();
    let certificate = ["user", "serial", "valid from", "valid until", "key"].map(|what| (what, true));
    assert_eq!(same, [&certificate[..], &[("CA", false), ("server", false)]].concat());
    let run = scene.run(&format!("fetch {FROM} --compare moved -o yaml"));
    assert!(run.out.contains("sameCertificate: true"), "{run}");
    assert!(
        run.err.ends_with(&format!("\nmoved and {secret}: same certificate, other CA or server\n")),
        "{run}"
    );
    scene.fails(
        &format!("fetch {FROM} --compare none"),
        2,
        &["\nerror [file-error]: cannot read none: not found\nhint: "],
    );
    scene.write("junk", "x: [");
    scene.fails(
        &format!("fetch {FROM} --compare junk"),
        2,
        &[
            "\nerror [kubeconfig-unusable]: cannot read junk: not a kubeconfig: ",
            "\nhint: kuberescue kubeconfig check junk\n",
        ],
    );
}

#[test]
fn a_secret_that_holds_the_old_certificate() {
    let scene = Scene::new();
    scene.keep_in_secret(&scene.old);
    for compared in ["", " --compare bmctl-workspace/cluster1/cluster1-kubeconfig"] {
        let run = scene.run(&format!("fetch {FROM}{compared}"));
        assert_eq!(run.code, 1, "{run}");
        assert!(
            run.err.contains("\nblocker [expired]: c: client certificate expired on 2016-01-01 ("),
            "{run}"
        );
        let said = "\nThe kubeconfig in the Secret cluster-cluster1/cluster1-kubeconfig no longer works.\nhint: on a \
                    control-plane node: sudo kuberescue kubeconfig push --namespace cluster-cluster1 --secret \
                    cluster1-kubeconfig --admin-kubeconfig FILE\n";
        assert!(run.err.ends_with(said), "{run}");
    }
    assert_eq!(scene.run(&format!("fetch {FROM}")).out, scene.old);
    // Or one that its own CA did not issue.
    let strange = scene.elsewhere(&scene.cluster.url(), &Authority::new("kubernetes"), &scene.leaf);
    scene.keep_in_secret(&strange);
    let run = scene.run(&format!("fetch {FROM}"));
    let blocker = "\nblocker [wrong-authority]: c: client certificate was not issued by the cluster CA: ";
    assert!(run.code == 1 && run.err.contains(blocker), "{run}");
}

#[test]
fn what_is_no_kubeconfig() {
    let scene = Scene::new();
    let with = |data: Value| scene.admin.store().object(SECRET)["data"] = data;
    with(json!({"kubeconfig": "eA==", "token": "eA=="}));
    let secret = "Secret cluster-cluster1/cluster1-kubeconfig";
    for (data, keys) in
        [(json!({"kubeconfig": "eA==", "token": "eA=="}), "kubeconfig, token"), (Value::Null, "none")]
    {
        with(data);
        let error = format!(
            "\nerror [kubeconfig-unusable]: cannot read the {secret}: no key \"value\" (keys: {keys})\nhint: name another Secret with --secret \
             NAME (usually CLUSTER-kubeconfig)\n"
        );
        scene.fails(&format!("fetch {FROM}"), 2, &[&error]);
    }
    for (value, why) in [
        ("no base64!".to_owned(), "it is not base64"),
        (base64(b"kind: Pod\n"), "not a kubeconfig: it has neither contexts nor clusters nor users"),
        (base64(&vec![b'#'; (1 << 20) + 1]), "1048577 bytes, the limit is 1 MiB"),
        (String::new(), "the file is empty"),
    ] {
        with(json!({"value": value}));
        let error = format!(
            "\nerror [kubeconfig-unusable]: cannot read key \"value\" of the {secret}: {why}\nhint: kuberescue kubeconfig push replaces it from \
             a control-plane node's admin.conf\n"
        );
        let run = scene.fails(&format!("fetch {FROM}"), 2, &[&error]);
        assert_eq!(run.out, "");
    }
}
