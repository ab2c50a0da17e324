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
    assert_eq!(scene.admin.store().asked(), [format!("GET {SECRET}")]);
    assert!(scene.asked().is_empty(), "the cluster itself isn't asked");
    insta::assert_snapshot!(scene.screens(), @"
    fetch --admin-kubeconfig admin --cluster cluster1: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
    ");
}

#[test]
fn other_places() {
    let scene = Scene::new();
    let value = scene.admin.store().object(SECRET).clone();
    scene.admin.store().objects.insert("/api/v1/namespaces/capi/secrets/k".to_owned(), value);
    let run = scene.run("fetch --admin-kubeconfig admin --namespace capi --secret k");
    assert_eq!((run.code, &run.out), (0, &scene.new), "{run}");
    scene.fails("fetch --admin-kubeconfig admin --namespace capi");
    scene.fails("fetch --cluster cluster1");
    scene.fails("fetch --admin-kubeconfig admin --cluster a/b");
    for option in ["--admin-context", "--context"] {
        let run = scene.run(&format!("fetch {FROM} {option} c"));
        assert_eq!((run.code, &run.out), (0, &scene.new), "{run}");
        scene.fails(&format!("fetch {FROM} {option} nope"));
    }
    insta::assert_snapshot!(scene.screens(), @r#"
    fetch --admin-kubeconfig admin --namespace capi --secret k: exit 0
      Secret capi/k: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
    fetch --admin-kubeconfig admin --namespace capi: exit 2
      error [usage]: cannot find the Secret: no cluster is named
      hint: add --cluster NAME, or --namespace NAME --secret NAME
    fetch --cluster cluster1: exit 2
      error [usage]: cannot read the Secret: no kubeconfig of the admin cluster is named
      hint: add --admin-kubeconfig FILE (bmctl: bmctl-workspace/ADMIN/ADMIN-kubeconfig)
    fetch --admin-kubeconfig admin --cluster a/b: exit 2
      note: using namespace cluster-a/b; --namespace names another
      error [usage]: cannot read the Secret cluster-a/b/a/b-kubeconfig: "cluster-a/b" is not a valid name of a namespace (ADMIN with admin)
      hint: names consist of lower-case letters, digits, - and .
    fetch --admin-kubeconfig admin --cluster cluster1 --admin-context c: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
    fetch --admin-kubeconfig admin --cluster cluster1 --admin-context nope: exit 2
      error [kubeconfig-unusable]: cannot use admin, context "nope": unusable kubeconfig: context "nope" not found
      hint: kuberescue kubeconfig check admin
    fetch --admin-kubeconfig admin --cluster cluster1 --context c: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
    fetch --admin-kubeconfig admin --cluster cluster1 --context nope: exit 2
      error [kubeconfig-unusable]: cannot use admin, context "nope": unusable kubeconfig: context "nope" not found
      hint: kuberescue kubeconfig check admin
    "#);
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
    assert!(scene.mode("new.conf") == 0o600, "{run}");
    // Something else stays.
    scene.fails(&format!("fetch {FROM} --out {FILE}"));
    let run = scene.run(&format!("fetch {FROM} --out {FILE} --force"));
    assert_eq!((run.code, scene.read(FILE)), (0, scene.new.clone()), "{run}");
    let copies = scene.copies(FILE);
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!((scene.read(&copies[0]), scene.mode(&copies[0])), (scene.old.clone(), 0o600));
    for out in [".", "/dev/null", "none/x", "x/"] {
        scene.fails(&format!("fetch {FROM} --out {out} --force"));
    }
    insta::assert_snapshot!(scene.screens(), @"
    fetch --admin-kubeconfig admin --cluster cluster1 --out new.conf: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      Wrote new.conf
    fetch --admin-kubeconfig admin --cluster cluster1 --out new.conf: exit 0
      …
      new.conf is up to date
    fetch --admin-kubeconfig admin --cluster cluster1 --out bmctl-workspace/cluster1/cluster1-kubeconfig: exit 2
      …
      error [usage]: cannot write bmctl-workspace/cluster1/cluster1-kubeconfig: it exists with other content
      hint: name a new file, or add --force (the old file is kept under a dated name)
    fetch --admin-kubeconfig admin --cluster cluster1 --out bmctl-workspace/cluster1/cluster1-kubeconfig --force: exit 0
      …
      Wrote bmctl-workspace/cluster1/cluster1-kubeconfig; old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    fetch --admin-kubeconfig admin --cluster cluster1 --out . --force: exit 2
      …
      error [file-error]: cannot use .: it is a directory
      hint: nothing was changed; run the same command again once the cause is gone
    fetch --admin-kubeconfig admin --cluster cluster1 --out /dev/null --force: exit 2
      …
      error [file-error]: cannot read /dev/null: a character device, not a file
      hint: nothing was changed; run the same command again once the cause is gone
    fetch --admin-kubeconfig admin --cluster cluster1 --out none/x --force: exit 2
      …
      error [file-error]: cannot enter none: not found
      hint: check the path; nothing was changed
    fetch --admin-kubeconfig admin --cluster cluster1 --out x/ --force: exit 2
      …
      error [file-error]: cannot use x/: that is no path of a file
      hint: nothing was changed; run the same command again once the cause is gone
    ");
}

#[test]
fn compare_says_what_differs() {
    let scene = Scene::new();
    scene.write("same", format!("# another text\n{}", scene.new));
    let same = scene.run(&format!("fetch {FROM} --compare same"));
    insta::assert_snapshot!(scene.tables(&same), @"
    WHAT  same  Secret cluster-cluster1/cluster1-kubeconfig
    user  CN=kubernetes-admin  CN=kubernetes-admin  same
    serial  HEX  HEX  same
    valid from  1975-01-01 00:00 UTC  1975-01-01 00:00 UTC  same
    valid until  4096-01-01 00:00 UTC  4096-01-01 00:00 UTC  same
    key  HEX  HEX  same
    CA  CN=kubernetes until 4096-01-01, key HEX  CN=kubernetes until 4096-01-01, key HEX  same
    server  CLUSTER  CLUSTER  same
    ");
    let differs = scene.run(&format!("fetch {FROM} --compare {FILE}"));
    insta::assert_snapshot!(scene.tables(&differs), @"
    WHAT  bmctl-workspace/cluster1/cluster1-kubeconfig  Secret cluster-cluster1/cluster1-kubeconfig
    user  CN=kubernetes-admin  CN=kubernetes-admin  same
    serial  HEX  HEX  differs
    valid from  2015-01-01 00:00 UTC  1975-01-01 00:00 UTC  differs
    valid until  2016-01-01 00:00 UTC  4096-01-01 00:00 UTC  differs
    key  HEX  HEX  differs
    CA  CN=kubernetes until 4096-01-01, key HEX  CN=kubernetes until 4096-01-01, key HEX  same
    server  CLUSTER  CLUSTER  same
    ");
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
    scene.run(&format!("fetch {FROM} --compare moved"));
    scene.fails(&format!("fetch {FROM} --compare none"));
    scene.write("junk", "x: [");
    scene.fails(&format!("fetch {FROM} --compare junk"));
    insta::assert_snapshot!(scene.screens(), @"
    fetch --admin-kubeconfig admin --cluster cluster1 --compare same: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      same and Secret cluster-cluster1/cluster1-kubeconfig: same certificate, CA and server
    fetch --admin-kubeconfig admin --cluster cluster1 --compare bmctl-workspace/cluster1/cluster1-kubeconfig: exit 1
      …
      bmctl-workspace/cluster1/cluster1-kubeconfig and Secret cluster-cluster1/cluster1-kubeconfig: different certificates
    fetch --admin-kubeconfig admin --cluster cluster1 --compare bmctl-workspace/cluster1/cluster1-kubeconfig --out new: exit 1
      …
      Wrote new
    fetch --admin-kubeconfig admin --cluster cluster1 --compare moved -o json: exit 1
      …
      moved and Secret cluster-cluster1/cluster1-kubeconfig: same certificate, other CA or server
    fetch --admin-kubeconfig admin --cluster cluster1 --compare moved: exit 1
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      moved and Secret cluster-cluster1/cluster1-kubeconfig: same certificate, other CA or server
    fetch --admin-kubeconfig admin --cluster cluster1 --compare none: exit 2
      …
      error [file-error]: cannot read none: not found
      hint: look in $KUBECONFIG, ~/.kube/config, or bmctl-workspace/NAME/NAME-kubeconfig
    fetch --admin-kubeconfig admin --cluster cluster1 --compare junk: exit 2
      …
      error [kubeconfig-unusable]: cannot read junk: not a kubeconfig: line 1, column 4: not valid YAML
      hint: kuberescue kubeconfig check junk
    ");
}

#[test]
fn a_secret_that_holds_the_old_certificate() {
    let scene = Scene::new();
    scene.keep_in_secret(&scene.old);
    for compared in ["", " --compare bmctl-workspace/cluster1/cluster1-kubeconfig"] {
        scene.run(&format!("fetch {FROM}{compared}"));
    }
    assert_eq!(scene.run(&format!("fetch {FROM}")).out, scene.old);
    // Or one that its own CA did not issue.
    let strange = scene.elsewhere(&scene.cluster.url(), &Authority::new("kubernetes"), &scene.leaf);
    scene.keep_in_secret(&strange);
    scene.run(&format!("fetch {FROM}"));
    insta::assert_snapshot!(scene.screens(), @r#"
    fetch --admin-kubeconfig admin --cluster cluster1: exit 1
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expired on 2016-01-01 (N days ago), server CLUSTER
      blocker [expired]: c: client certificate expired on 2016-01-01 (N days ago)
      The kubeconfig in the Secret cluster-cluster1/cluster1-kubeconfig no longer works.
      hint: on a control-plane node: sudo kuberescue kubeconfig push --namespace cluster-cluster1 --secret cluster1-kubeconfig --admin-kubeconfig FILE
    fetch --admin-kubeconfig admin --cluster cluster1 --compare bmctl-workspace/cluster1/cluster1-kubeconfig: exit 1
      …
      bmctl-workspace/cluster1/cluster1-kubeconfig and Secret cluster-cluster1/cluster1-kubeconfig: same certificate, CA and server
      The kubeconfig in the Secret cluster-cluster1/cluster1-kubeconfig no longer works.
      hint: on a control-plane node: sudo kuberescue kubeconfig push --namespace cluster-cluster1 --secret cluster1-kubeconfig --admin-kubeconfig FILE
    fetch --admin-kubeconfig admin --cluster cluster1: exit 1
      …
      The kubeconfig in the Secret cluster-cluster1/cluster1-kubeconfig no longer works.
      hint: on a control-plane node: sudo kuberescue kubeconfig push --namespace cluster-cluster1 --secret cluster1-kubeconfig --admin-kubeconfig FILE
    fetch --admin-kubeconfig admin --cluster cluster1: exit 1
      …
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      blocker [wrong-authority]: c: client certificate was not issued by the cluster CA: signed by another key than that of "CN=kubernetes"
      The kubeconfig in the Secret cluster-cluster1/cluster1-kubeconfig no longer works.
      hint: on a control-plane node: sudo kuberescue kubeconfig push --namespace cluster-cluster1 --secret cluster1-kubeconfig --admin-kubeconfig FILE
    "#);
}

#[test]
fn what_is_no_kubeconfig() {
    let scene = Scene::new();
    let with = |data: Value| scene.admin.store().object(SECRET)["data"] = data;
    for data in [json!({"kubeconfig": "eA==", "token": "eA=="}), Value::Null] {
        with(data);
        scene.fails(&format!("fetch {FROM}"));
    }
    for value in
        ["no base64!".to_owned(), base64(b"kind: Pod\n"), base64(&vec![b'#'; (1 << 20) + 1]), String::new()]
    {
        with(json!({"value": value}));
        let run = scene.fails(&format!("fetch {FROM}"));
        assert_eq!(run.out, "");
    }
    insta::assert_snapshot!(scene.screens(), @r#"
    fetch --admin-kubeconfig admin --cluster cluster1: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [kubeconfig-unusable]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: no key "value" (keys: kubeconfig, token)
      hint: name another Secret with --secret NAME (usually CLUSTER-kubeconfig)
    fetch --admin-kubeconfig admin --cluster cluster1: exit 2
      …
      error [kubeconfig-unusable]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: no key "value" (keys: none)
      hint: name another Secret with --secret NAME (usually CLUSTER-kubeconfig)
    fetch --admin-kubeconfig admin --cluster cluster1: exit 2
      …
      error [kubeconfig-unusable]: cannot read key "value" of the Secret cluster-cluster1/cluster1-kubeconfig: it is not base64
      hint: kuberescue kubeconfig push replaces it from a control-plane node's admin.conf
    fetch --admin-kubeconfig admin --cluster cluster1: exit 2
      …
      error [kubeconfig-unusable]: cannot read key "value" of the Secret cluster-cluster1/cluster1-kubeconfig: not a kubeconfig: it has neither contexts nor clusters nor users
      hint: kuberescue kubeconfig push replaces it from a control-plane node's admin.conf
    fetch --admin-kubeconfig admin --cluster cluster1: exit 2
      …
      error [kubeconfig-unusable]: cannot read key "value" of the Secret cluster-cluster1/cluster1-kubeconfig: 1048577 bytes, the limit is 1 MiB
      hint: kuberescue kubeconfig push replaces it from a control-plane node's admin.conf
    fetch --admin-kubeconfig admin --cluster cluster1: exit 2
      …
      error [kubeconfig-unusable]: cannot read key "value" of the Secret cluster-cluster1/cluster1-kubeconfig: the file is empty
      hint: kuberescue kubeconfig push replaces it from a control-plane node's admin.conf
    "#);
}
