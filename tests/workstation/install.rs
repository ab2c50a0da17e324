//! `install`: nothing takes the old file's place before it has listed the nodes.

use std::io::Write as _;
use std::process::Stdio;

use crate::scene::{FILE, FROM, SECRET, Scene};
use crate::server::Authority;

#[test]
fn a_fetched_one_takes_the_old_ones_place() {
    let scene = Scene::new();
    let install = format!("install {FROM}");
    // Without a yes, and dry, it is the same story, and nothing happens.
    let before = scene.snapshot();
    scene.run(&install);
    let dry = scene.run(&format!("{install} --dry-run"));
    assert_eq!(scene.snapshot(), before);
    assert_eq!(scene.asked(), ["GET /api/v1/nodes", "GET /api/v1/nodes"]);
    assert!(scene.cluster.store().log.iter().all(|asked| asked.user.as_deref() == Some("kubernetes-admin")));

    let run = scene.run(&format!("{install} --yes"));
    assert_eq!((run.code, &run.out), (0, &dry.out), "{run}");
    assert_eq!((scene.read(FILE), scene.mode(FILE)), (scene.new.clone(), 0o600));
    let copies = scene.copies(FILE);
    assert_eq!(copies.len(), 1);
    assert_eq!((scene.read(&copies[0]), scene.mode(&copies[0])), (scene.old.clone(), 0o600));
    insta::assert_snapshot!(scene.tables(&run), @"
    NAME  STATUS  ROLES  AGE  VERSION
    lab-cp1  Ready  control-plane,master  AGE  v1.20.2

    WHAT  OLD  NEW
    user  CN=kubernetes-admin  CN=kubernetes-admin  same
    serial  HEX  HEX  differs
    valid from  2015-01-01 00:00 UTC  1975-01-01 00:00 UTC  differs
    valid until  2016-01-01 00:00 UTC  4096-01-01 00:00 UTC  differs
    key  HEX  HEX  differs
    CA  CN=kubernetes until 4096-01-01, key HEX  CN=kubernetes until 4096-01-01, key HEX  same
    server  CLUSTER  CLUSTER  same
    ");
    // Stamp: what a shell sorts by time.
    let stamp = copies[0].rsplit('.').next().unwrap();
    assert!(stamp.len() == 16 && stamp.ends_with('Z') && stamp.as_bytes()[8] == b'T', "{stamp}");
    assert_eq!(scene.names("bmctl-workspace/cluster1").len(), 2, "nothing else is left");

    let (asked, before) = (scene.asked().len(), scene.snapshot());
    scene.run(&format!("{install} --yes"));
    assert_eq!((scene.asked().len(), scene.snapshot()), (asked, before));
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      error [not-confirmed]: no terminal to confirm on; nothing was changed
      hint: run it again with --yes
    install --admin-kubeconfig admin --cluster cluster1 --dry-run: exit 0
      …
      Dry run: nothing was changed.
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      …
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      …
      Nothing to do: bmctl-workspace/cluster1/cluster1-kubeconfig is up to date
    ");
}

#[test]
fn from_a_file_or_a_pipe() {
    let scene = Scene::new();
    scene.write("new", format!("# mine\r\n{}", scene.new));
    let run = scene.run("install new --cluster cluster1 --yes");
    assert_eq!((run.code, scene.read(FILE)), (0, scene.read("new")), "{run}");
    assert!(scene.admin.store().asked().is_empty(), "no Secret is asked for");

    scene.write("other", &scene.old);
    let mut command = scene.command("install - --file other --yes");
    let mut child =
        command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(scene.new.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(scene.read("other"), scene.new);
    insta::assert_snapshot!(scene.screens(), @"
    install new --cluster cluster1 --yes: exit 0
      new: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    ");
}

#[test]
fn a_missing_file_is_made_and_a_missing_directory_is_not() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path(FILE)).unwrap();
    let run = scene.run(&format!("install {FROM} --yes"));
    assert_eq!((run.code, scene.read(FILE), scene.mode(FILE)), (0, scene.new.clone(), 0o600), "{run}");
    assert!(scene.copies(FILE).is_empty());
    scene.write("new", &scene.new);
    for place in [
        "--cluster cluster2",
        "--cluster cluster1 --workspace elsewhere",
        "--file none/config",
        "--file bmctl-workspace",
        "--file new/x",
        "--cluster ../x",
        "",
    ] {
        scene.fails(&format!("install new {place} --yes"));
    }
    std::fs::remove_dir_all(scene.path("bmctl-workspace")).unwrap();
    scene.fails("install new --cluster cluster1 --yes");
    std::fs::create_dir_all(scene.path("ws/cluster1")).unwrap();
    let run = scene.run("install new --cluster cluster1 --workspace ws --yes");
    assert_eq!((run.code, scene.read("ws/cluster1/cluster1-kubeconfig")), (0, scene.new.clone()), "{run}");
    insta::assert_snapshot!(scene.screens(), @r#"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: created
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
    install new --cluster cluster2 --yes: exit 2
      error [file-error]: cannot enter bmctl-workspace/cluster2: not found
      hint: run it in bmctl's directory, or add --workspace DIR or --file FILE
    install new --cluster cluster1 --workspace elsewhere --yes: exit 2
      error [file-error]: cannot enter elsewhere/cluster1: not found
      hint: run it in bmctl's directory, or add --workspace DIR or --file FILE
    install new --file none/config --yes: exit 2
      error [file-error]: cannot enter none: not found
      hint: check the path; nothing was changed
    install new --file bmctl-workspace --yes: exit 2
      error [file-error]: cannot use bmctl-workspace: it is a directory
      hint: nothing was changed; run the same command again once the cause is gone
    install new --file new/x --yes: exit 2
      error [file-error]: cannot read new/x: a part of the path is not a directory
      hint: nothing was changed; run the same command again once the cause is gone
    install new --cluster ../x --yes: exit 2
      error [usage]: invalid cluster name "../x"
      hint: to name a file: --file FILE
    install new  --yes: exit 2
      error [usage]: cannot install the kubeconfig: no target is named
      hint: add --cluster NAME (bmctl-workspace/NAME/NAME-kubeconfig), --file FILE, or --context NAME (~/.kube/config)
    install new --cluster cluster1 --yes: exit 2
      error [file-error]: cannot enter bmctl-workspace/cluster1: not found
      hint: run it in bmctl's directory, or add --workspace DIR or --file FILE
    install new --cluster cluster1 --workspace ws --yes: exit 0
      new: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: ws/cluster1/cluster1-kubeconfig: created
      Installed ws/cluster1/cluster1-kubeconfig
    "#);
}

#[test]
fn what_does_not_fit_is_refused() {
    let scene = Scene::new();
    let (authority, url) = (&scene.cluster.authority, scene.cluster.url());
    let client = |leaf: &crate::server::Leaf| scene.elsewhere(&url, authority, leaf);
    let mismatched = {
        let other = crate::server::Leaf { key: authority.leaf("x").key, ..scene.leaf.clone() };
        client(&other)
    };
    for new in [
        scene.old.clone(),
        client(&authority.made("early", (4000, 4096))),
        mismatched,
        client(&Authority::new("kubernetes").leaf("admin")),
    ] {
        scene.write("new", new);
        scene.fails("install new --cluster cluster1 --yes");
    }
    for user in [
        "token: s3cret",
        "exec: {command: touch, args: [ran], apiVersion: client.authentication.k8s.io/v1}",
        "client-certificate: /a, client-key: /b",
        "",
    ] {
        let new = crate::apiserver::kubeconfig(&url, authority, user);
        scene.write("new", &new);
        let run = scene.run("install new --cluster cluster1 --yes");
        assert!([2, 5].contains(&run.code), "{run}");
        // Nothing of a Secret is run either.
        scene.keep_in_secret(&new);
        let run = scene.run(&format!("install {FROM} --yes"));
        assert!([2, 5].contains(&run.code), "{run}");
    }
    assert!(!scene.path("ran").exists());
    scene.fails("install none --cluster cluster1 --yes");
    scene.write("new", "kind: Pod\n");
    scene.fails("install new --cluster cluster1 --yes");
    assert!(scene.asked().is_empty(), "nobody was asked");
    insta::assert_snapshot!(scene.screens(), @r#"
    install new --cluster cluster1 --yes: exit 5
      new: CN=kubernetes-admin, serial HEX, expired on 2016-01-01 (N days ago), server CLUSTER
      error [expired]: cannot use new: client certificate expired on 2016-01-01 (N days ago)
      hint: sudo kuberescue recover on a control-plane node renews admin.conf; then install that
    install new --cluster cluster1 --yes: exit 5
      new: CN=early, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-yet-valid]: cannot use new: client certificate is not valid before 4000-01-01
      hint: sudo kuberescue recover on a control-plane node renews admin.conf; then install that
    install new --cluster cluster1 --yes: exit 5
      new: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [key-mismatch]: cannot use new: key does not match the client certificate
      hint: sudo kuberescue recover on a control-plane node renews admin.conf; then install that
    install new --cluster cluster1 --yes: exit 5
      new: CN=admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [wrong-authority]: cannot use new: client certificate was not issued by the cluster CA: signed by another key than that of "CN=kubernetes"
      hint: sudo kuberescue recover on a control-plane node renews admin.conf; then install that
    install new --cluster cluster1 --yes: exit 2
      new: token (opaque), server CLUSTER
      error [no-credential]: cannot use new: user "u" has no embedded client certificate, but a token
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: token (opaque), server CLUSTER
      error [no-credential]: cannot use Secret cluster-cluster1/cluster1-kubeconfig: user "u" has no embedded client certificate, but a token
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install new --cluster cluster1 --yes: exit 2
      new: exec (not run) touch, server CLUSTER
      error [no-credential]: cannot use new: user "u" has no embedded client certificate, but an exec plug-in
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: exec (not run) touch, server CLUSTER
      error [no-credential]: cannot use Secret cluster-cluster1/cluster1-kubeconfig: user "u" has no embedded client certificate, but an exec plug-in
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install new --cluster cluster1 --yes: exit 5
      new: <unreadable>, server CLUSTER
      error [unreadable]: cannot use new: client certificate (/a): not found
      hint: sudo kuberescue recover on a control-plane node renews admin.conf; then install that
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 5
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: <unreadable>, server CLUSTER
      error [unreadable]: cannot use Secret cluster-cluster1/cluster1-kubeconfig: client certificate (/a): not read
      hint: on a control-plane node: sudo kuberescue kubeconfig push --namespace cluster-cluster1 --secret cluster1-kubeconfig --admin-kubeconfig FILE
    install new --cluster cluster1 --yes: exit 2
      new: <none>, server CLUSTER
      warning [no-credential]: c: the user has no credential: no certificate, token, plug-in or password
      error [no-credential]: cannot use new: user "u" has no embedded client certificate, but nothing
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: <none>, server CLUSTER
      warning [no-credential]: c: the user has no credential: no certificate, token, plug-in or password
      error [no-credential]: cannot use Secret cluster-cluster1/cluster1-kubeconfig: user "u" has no embedded client certificate, but nothing
      hint: use a kubeconfig with embedded certificates, such as admin.conf
    install none --cluster cluster1 --yes: exit 2
      error [file-error]: cannot read none: not found
      hint: look in $KUBECONFIG, ~/.kube/config, or bmctl-workspace/NAME/NAME-kubeconfig
    install new --cluster cluster1 --yes: exit 2
      error [kubeconfig-unusable]: cannot read new: not a kubeconfig: it has neither contexts nor clusters nor users
      hint: kuberescue kubeconfig check new
    "#);
}

#[test]
fn a_secret_with_the_old_certificate_leads_to_push() {
    let scene = Scene::new();
    scene.keep_in_secret(&scene.old);
    scene.fails(&format!("install {FROM} --yes"));
    // Another one that has expired is not the old one.
    scene.keep_in_secret(scene.cluster.kubeconfig(&scene.cluster.authority.expired("kubernetes-admin")));
    scene.fails(&format!("install {FROM} --yes"));
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 5
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expired on 2016-01-01 (N days ago), server CLUSTER
      error [expired]: cannot use Secret cluster-cluster1/cluster1-kubeconfig: client certificate expired on 2016-01-01 (N days ago) (the Secret cluster-cluster1/cluster1-kubeconfig still holds the old certificate)
      hint: on a control-plane node: sudo kuberescue kubeconfig push --namespace cluster-cluster1 --secret cluster1-kubeconfig --admin-kubeconfig FILE
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 5
      …
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expired on 2016-01-01 (N days ago), server CLUSTER
      error [expired]: cannot use Secret cluster-cluster1/cluster1-kubeconfig: client certificate expired on 2016-01-01 (N days ago)
      hint: on a control-plane node: sudo kuberescue kubeconfig push --namespace cluster-cluster1 --secret cluster1-kubeconfig --admin-kubeconfig FILE
    ");
}

#[test]
fn another_clusters_kubeconfig_is_refused() {
    let scene = Scene::new();
    scene.write("new", scene.admin.admin());
    let install = "install new --cluster cluster1 --yes";
    scene.fails(install);
    let run = scene.run(&format!("{install} --accept-cluster"));
    assert_eq!((run.code, scene.read(FILE)), (0, scene.read("new")), "{run}");
    // A new address, or a new CA, is no other cluster.
    let authority = &scene.cluster.authority;
    scene.write(FILE, scene.elsewhere("https://10.0.0.1:6443", authority, &authority.expired("a")));
    assert_eq!(scene.run(&format!("install {FROM} --yes")).code, 0);
    let other = Authority::new("kubernetes");
    scene.write(FILE, scene.elsewhere(&scene.cluster.url(), &other, &other.expired("a")));
    assert_eq!(scene.run(&format!("install {FROM} --yes")).code, 0);
    // One that lives longer is not replaced without a word.
    scene.write(FILE, scene.cluster.kubeconfig(&authority.made("kubernetes-admin", (2000, 5000))));
    scene.run(&format!("install {FROM} --dry-run"));
    // What cannot be read cannot be compared; it is kept as well.
    scene.write(FILE, "junk: [");
    scene.run(&format!("install {FROM} --yes"));
    assert!(scene.copies(FILE).iter().any(|copy| scene.read(copy) == "junk: ["));
    insta::assert_snapshot!(scene.screens(), @"
    install new --cluster cluster1 --yes: exit 5
      new: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server ADMIN
      error [another-cluster]: cannot replace bmctl-workspace/cluster1/cluster1-kubeconfig with new: other cluster (server ADMIN, was CLUSTER; no common CA key)
      hint: if that is intended: --accept-cluster
    install new --cluster cluster1 --yes --accept-cluster: exit 0
      …
      The new kubeconfig works. Nodes of ADMIN:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      …
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    install --admin-kubeconfig admin --cluster cluster1 --dry-run: exit 0
      …
      warning: the old credential expires on 5000-01-01, later than the new one (4096-01-01)
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      Dry run: nothing was changed.
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      …
      note: cannot compare with bmctl-workspace/cluster1/cluster1-kubeconfig: not a kubeconfig: line 1, column 7: not valid YAML
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    ");
}

#[test]
fn names_from_outside_do_not_reach_the_terminal() {
    let scene = Scene::new();
    let leaf = scene.cluster.authority.leaf("a\u{1b}[31mdmin");
    scene.keep_in_secret(scene.cluster.kubeconfig(&leaf));
    scene.cluster.store().object("/api/v1/nodes/lab-cp1")["metadata"]["name"] = "lab\u{1b}[2J".into();
    let fetched = scene.run(&format!("fetch {FROM} --compare {FILE}"));
    let installed = scene.run(&format!("install {FROM} --yes"));
    for run in [fetched, installed] {
        assert!(!run.out.contains('\u{1b}') && !run.err.contains('\u{1b}'), "{run}");
        assert!(run.err.contains("a\\u{1b}[31mdmin"), "{run}");
    }
    assert_eq!(scene.admin.store().asked().iter().filter(|asked| asked.ends_with(SECRET)).count(), 2);
    insta::assert_snapshot!(scene.screens(), @r"
    fetch --admin-kubeconfig admin --cluster cluster1 --compare bmctl-workspace/cluster1/cluster1-kubeconfig: exit 1
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=a\u{1b}[31mdmin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      bmctl-workspace/cluster1/cluster1-kubeconfig and Secret cluster-cluster1/cluster1-kubeconfig: different certificates
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      …
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    ");
}
