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
    let unasked = scene.run(&install);
    let no_terminal = "\nerror [not-confirmed]: no terminal to confirm on; nothing was changed\nhint: run it again with --yes\n";
    assert!(unasked.code == 2 && unasked.err.ends_with(no_terminal), "{unasked}");
    let dry = scene.run(&format!("{install} --dry-run"));
    assert!(dry.code == 0 && dry.err.ends_with("Dry run: nothing was changed.\n"), "{dry}");
    assert_eq!(scene.snapshot(), before);
    assert_eq!(scene.asked(), ["GET /api/v1/nodes", "GET /api/v1/nodes"]);
    assert!(scene.cluster.store().log.iter().all(|asked| asked.user.as_deref() == Some("kubernetes-admin")));

    let run = scene.run(&format!("{install} --yes"));
    assert_eq!((run.code, &run.out), (0, &dry.out), "{run}");
    assert_eq!((scene.read(FILE), scene.mode(FILE)), (scene.new.clone(), 0o600));
    let copies = scene.copies(FILE);
    assert_eq!(copies.len(), 1);
    assert_eq!((scene.read(&copies[0]), scene.mode(&copies[0])), (scene.old.clone(), 0o600));
    let said = format!(
        "\nThe new kubeconfig works. Nodes of {}:\nPlan: {FILE}: replaced; the old file is kept beside it\nInstalled \
         {FILE}\nOld file: {}\n",
        scene.cluster.url(),
        copies[0]
    );
    assert!(run.err.ends_with(&said), "{said}\n{run}");
    for said in
        ["lab-cp1", " 2016-01-01 00:00 UTC ", " 4096-01-01 00:00 UTC ", &scene.serial(), &scene.cluster.url()]
    {
        assert!(run.out.contains(said), "{said}\n{run}");
    }
    // Stamp: what a shell sorts by time.
    let stamp = copies[0].rsplit('.').next().unwrap();
    assert!(stamp.len() == 16 && stamp.ends_with('Z') && stamp.as_bytes()[8] == b'T', "{stamp}");
    assert_eq!(scene.names("bmctl-workspace/cluster1").len(), 2, "nothing else is left");

    let (asked, before) = (scene.asked().len(), scene.snapshot());
    let again = scene.run(&format!("{install} --yes"));
    assert!(
        again.code == 0 && again.err.ends_with(&format!("\nNothing to do: {FILE} is up to date\n")),
        "{again}"
    );
    assert_eq!((scene.asked().len(), scene.snapshot()), (asked, before));
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
}

#[test]
fn a_missing_file_is_made_and_a_missing_directory_is_not() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path(FILE)).unwrap();
    let run = scene.run(&format!("install {FROM} --yes"));
    assert_eq!((run.code, scene.read(FILE), scene.mode(FILE)), (0, scene.new.clone(), 0o600), "{run}");
    assert!(scene.copies(FILE).is_empty());
    scene.write("new", &scene.new);
    let bmctl = "\nhint: run it in bmctl's directory, or add --workspace DIR or --file FILE\n";
    for (place, said) in [
        ("--cluster cluster2", bmctl),
        (
            "--cluster cluster1 --workspace elsewhere",
            "error [file-error]: cannot enter elsewhere/cluster1: not found\n",
        ),
        ("--cluster cluster1 --workspace elsewhere", bmctl),
        (
            "--file none/config",
            "error [file-error]: cannot enter none: not found\nhint: check the path; nothing was changed\n",
        ),
        ("--file bmctl-workspace", "error [file-error]: bmctl-workspace: it is a directory\n"),
        ("--file new/x", "not a directory\n"),
        (
            "--cluster ../x",
            "error [usage]: invalid cluster name \"../x\"\nhint: to name a file: --file FILE\n",
        ),
        (
            "",
            "error [usage]: cannot install the kubeconfig: no target is named\nhint: add --cluster NAME \
             (bmctl-workspace/NAME/NAME-kubeconfig), --file FILE, or --context NAME (~/.kube/config)\n",
        ),
    ] {
        scene.fails(&format!("install new {place} --yes"), 2, &[said]);
    }
    std::fs::remove_dir_all(scene.path("bmctl-workspace")).unwrap();
    scene.fails(
        "install new --cluster cluster1 --yes",
        2,
        &["error [file-error]: cannot enter bmctl-workspace/cluster1: not found\n", bmctl],
    );
    std::fs::create_dir_all(scene.path("ws/cluster1")).unwrap();
    let run = scene.run("install new --cluster cluster1 --workspace ws --yes");
    assert_eq!((run.code, scene.read("ws/cluster1/cluster1-kubeconfig")), (0, scene.new.clone()), "{run}");
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
    let renew =
        "\nhint: sudo kuberescue recover on a control-plane node renews admin.conf; then install that\n";
    for (new, code, why) in [
        (scene.old.clone(), "expired", "client certificate expired on 2016-01-01 ("),
        (
            client(&authority.made("early", (4000, 4096))),
            "not-yet-valid",
            "client certificate is not valid before 4000-01-01\n",
        ),
        (mismatched, "key-mismatch", "key does not match the client certificate\n"),
        (
            client(&Authority::new("kubernetes").leaf("admin")),
            "wrong-authority",
            "client certificate was not issued by the cluster CA: ",
        ),
    ] {
        scene.write("new", new);
        let error = format!("\nerror [{code}]: cannot use new: {why}");
        scene.fails("install new --cluster cluster1 --yes", 5, &[&error, renew]);
    }
    for (user, uses) in [
        ("token: s3cret", "a token"),
        (
            "exec: {command: touch, args: [ran], apiVersion: client.authentication.k8s.io/v1}",
            "an exec plug-in",
        ),
        ("client-certificate: /a, client-key: /b", ""),
        ("", "nothing"),
    ] {
        let new = crate::apiserver::kubeconfig(&url, authority, user);
        scene.write("new", &new);
        let run = scene.run("install new --cluster cluster1 --yes");
        assert!([2, 5].contains(&run.code) && run.err.contains(uses), "{run}");
        // Nothing of a Secret is run either.
        scene.keep_in_secret(&new);
        let run = scene.run(&format!("install {FROM} --yes"));
        assert!([2, 5].contains(&run.code), "{run}");
    }
    assert!(!scene.path("ran").exists());
    scene.fails(
        "install none --cluster cluster1 --yes",
        2,
        &["error [file-error]: cannot read none: not found\nhint: "],
    );
    scene.write("new", "kind: Pod\n");
    scene.fails("install new --cluster cluster1 --yes", 2, &[
        "error [kubeconfig-unusable]: cannot read new: not a kubeconfig: it has neither contexts nor clusters nor users\nhint: kuberescue \
         kubeconfig check new\n",
    ]);
    assert!(scene.asked().is_empty(), "nobody was asked");
}

#[test]
fn a_secret_with_the_old_certificate_leads_to_push() {
    let scene = Scene::new();
    scene.keep_in_secret(&scene.old);
    let expired = "\nerror [expired]: cannot use Secret cluster-cluster1/cluster1-kubeconfig: client certificate expired \
                   on 2016-01-01 (";
    let push = "\nhint: on a control-plane node: sudo kuberescue kubeconfig push --namespace cluster-cluster1 --secret \
                cluster1-kubeconfig --admin-kubeconfig FILE\n";
    let same = format!(
        " days ago) (the Secret cluster-cluster1/cluster1-kubeconfig still holds the old certificate){push}"
    );
    scene.fails(&format!("install {FROM} --yes"), 5, &[expired, &same]);
    // Another one that has expired is not the old one.
    scene.keep_in_secret(scene.cluster.kubeconfig(&scene.cluster.authority.expired("kubernetes-admin")));
    let run = scene.fails(&format!("install {FROM} --yes"), 5, &[expired, &format!(" days ago){push}")]);
    assert!(!run.err.contains("still holds"), "{run}");
}

#[test]
fn another_clusters_kubeconfig_is_refused() {
    let scene = Scene::new();
    scene.write("new", scene.admin.admin());
    let install = "install new --cluster cluster1 --yes";
    let error = format!(
        "\nerror [another-cluster]: cannot replace {FILE} with new: other cluster (server {}, was {}; no common CA \
         key)\nhint: if that is intended: --accept-cluster\n",
        scene.admin.url(),
        scene.cluster.url()
    );
    scene.fails(install, 5, &[&error]);
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
    let run = scene.run(&format!("install {FROM} --dry-run"));
    let later = "\nwarning: the old credential expires on 5000-01-01, later than the new one (4096-01-01)\n";
    assert!(run.code == 0 && run.err.contains(later), "{run}");
    // What cannot be read cannot be compared; it is kept as well.
    scene.write(FILE, "junk: [");
    let run = scene.run(&format!("install {FROM} --yes"));
    assert!(
        run.code == 0 && run.err.contains(&format!("\nnote: cannot compare with {FILE}: not a kubeconfig: ")),
        "{run}"
    );
    assert!(scene.copies(FILE).iter().any(|copy| scene.read(copy) == "junk: ["));
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
}
