//! The file itself: modes, owners, links, other writers, and an end at the wrong moment.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::process::Command;

use crate::common::{Run, is_root, skip};
use crate::scene::{FILE, FROM, Scene};

const DIRECTORY: &str = "bmctl-workspace/cluster1";

#[test]
fn modes_are_narrow_from_the_first_instant() {
    let scene = Scene::new();
    scene.chmod(FILE, 0o644);
    let log = scene.directory.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(&log).args([
        "-e",
        "trace=open,openat,creat,fchmod,chmod,fchmodat",
        "sh",
        "-c",
    ]);
    strace.args(["umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_kuberescue")]);
    let install = format!("install {FROM} --yes");
    let run = scene.run_as(scene.dressed(strace, &install), &install);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(scene.mode(FILE), 0o600);
    assert_eq!(scene.mode(&scene.copies(FILE)[0]), 0o600);
    let trace = std::fs::read_to_string(log).expect("strace is needed: make deps");
    let made: Vec<_> = trace.lines().filter(|line| line.contains("O_CREAT")).collect();
    assert_eq!(made.len(), 2, "{trace}");
    for line in made {
        assert!(line.contains("O_EXCL") && line.contains(", 0600)"), "{line}");
    }
    assert!(
        trace.lines().filter(|line| line.contains("chmod(")).all(|line| line.contains("0600)")),
        "{trace}"
    );
    // A mode that is too wide is no reason to write it again.
    scene.chmod(FILE, 0o640);
    scene.run(&format!("install {FROM} --dry-run"));
    assert_eq!(scene.mode(FILE), 0o640);
    scene.run(&format!("install {FROM}"));
    assert_eq!((scene.mode(FILE), scene.copies(FILE).len()), (0o600, 1));
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      note: mode 0644 becomes 0600
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    install --admin-kubeconfig admin --cluster cluster1 --dry-run: exit 0
      …
      Nothing to do: bmctl-workspace/cluster1/cluster1-kubeconfig is up to date
      note: mode 0640 would become 0600
    install --admin-kubeconfig admin --cluster cluster1: exit 0
      …
      Changed its mode from 0640 to 0600
    ");
}

/// An install in which the system call that puts a file in place goes wrong.
fn with_rename(scene: &Scene, what: &str) -> Run {
    let mut strace = Command::new("strace");
    let inject = format!("inject=rename,renameat,renameat2:{what}");
    strace.args(["-f", "-o", "/dev/null", "-e", "trace=rename,renameat,renameat2", "-e", &inject]);
    strace.arg(env!("CARGO_BIN_EXE_kuberescue"));
    let install = format!("install {FROM} --yes");
    scene.run_as(scene.dressed(strace, &install), &install)
}

#[test]
fn a_rename_that_fails_leaves_all_as_it_was() {
    let scene = Scene::new();
    let before = scene.snapshot();
    for errno in ["EIO", "ENOSPC", "EROFS"] {
        with_rename(&scene, &format!("error={errno}"));
        assert_eq!(scene.snapshot(), before);
    }
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      error [file-error]: cannot write bmctl-workspace/cluster1/cluster1-kubeconfig: input/output error of the device
      hint: nothing was changed; run the same command again once the cause is gone
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      …
      error [no-space]: cannot write bmctl-workspace/cluster1/cluster1-kubeconfig: no space left on the device
      hint: nothing was changed; run the same command again once the cause is gone
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      …
      error [disk-read-only]: cannot write bmctl-workspace/cluster1/cluster1-kubeconfig: the file system is read-only
      hint: nothing was changed; run the same command again once the cause is gone
    ");
}

#[test]
fn a_kill_leaves_the_old_file_and_nothing_wide() {
    let scene = Scene::new();
    scene.chmod(FILE, 0o644);
    with_rename(&scene, "signal=KILL");
    assert_eq!(scene.read(FILE), scene.old);
    let names = scene.names(DIRECTORY);
    assert_eq!(names.len(), 3, "the file, its copy, what was to become the new one: {names:?}");
    for name in names.iter().filter(|name| *name != "cluster1-kubeconfig") {
        assert_eq!(scene.mode(&format!("{DIRECTORY}/{name}")), 0o600, "{name}");
    }
    assert_eq!(scene.read(&scene.copies(FILE)[0]), scene.old);
    // The next run clears up.
    let run = scene.run(&format!("install {FROM} --yes"));
    assert_eq!((run.code, scene.read(FILE)), (0, scene.new.clone()), "{run}");
    assert!(scene.names(DIRECTORY).iter().all(|name| !name.starts_with('.')), "{:?}", scene.names(DIRECTORY));
    assert_eq!(scene.copies(FILE).len(), 2);
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit -1
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      note: mode 0644 becomes 0600
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      …
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    ");
}

#[test]
fn a_signal_waits_until_the_file_is_whole() {
    let scene = Scene::new();
    let run = with_rename(&scene, "signal=TERM");
    assert_ne!(run.code, 0, "{run}");
    assert_eq!(scene.read(FILE), scene.new);
    assert_eq!(scene.names(DIRECTORY).len(), 2, "{:?}", scene.names(DIRECTORY));
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit -1
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
    ");
}

#[test]
fn a_file_that_changes_meanwhile_stays() {
    let scene = Scene::new();
    let (file, text) = (scene.path(FILE), scene.old.clone());
    scene.cluster.store().before = Some(Box::new(move |_, _| {
        // In place, with the same length.
        std::fs::write(&file, text.replacen("kind: Config", "kind: ConfiG", 1)).unwrap();
    }));
    scene.run(&format!("install {FROM} --yes"));
    assert!(scene.read(FILE).contains("kind: ConfiG"));
    assert_eq!(scene.names(DIRECTORY), ["cluster1-kubeconfig"]);
    // The same where none was.
    let file = scene.path("fresh");
    scene.cluster.store().before = Some(Box::new(move |_, _| std::fs::write(&file, "mine").unwrap()));
    scene.run(&format!("install {FROM} --file fresh --yes"));
    assert_eq!(scene.read("fresh"), "mine");
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      error [changed-meanwhile]: cannot replace bmctl-workspace/cluster1/cluster1-kubeconfig: changed since it was read; nothing was written
      hint: nothing was changed; run the same command again
    install --admin-kubeconfig admin --cluster cluster1 --file fresh --yes: exit 2
      …
      Plan: fresh: created
      error [changed-meanwhile]: cannot replace fresh: changed since it was read; nothing was written
      hint: nothing was changed; run the same command again
    ");
}

#[test]
fn links_lead_to_what_is_replaced() {
    let scene = Scene::new();
    scene.write("real/config", &scene.old);
    symlink("real/config", scene.path("link")).unwrap();
    let run = scene.run(&format!("install {FROM} --file link --yes"));
    assert_eq!((run.code, scene.read("real/config")), (0, scene.new.clone()), "{run}");
    assert_eq!(std::fs::read_link(scene.path("link")).unwrap().to_str(), Some("real/config"));
    let copies = scene.copies("real/config");
    assert_eq!((copies.len(), scene.read(&copies[0])), (1, scene.old.clone()));
    symlink("nowhere", scene.path("dangling")).unwrap();
    scene.fails(&format!("install {FROM} --file dangling --yes"));
    nix::unistd::mkfifo(&scene.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    scene.fails(&format!("install {FROM} --file pipe --yes"));
    scene.fails(&format!("install {FROM} --file /dev/null --yes"));
    scene.fails(&format!("install {FROM} --file /proc/self/status --yes"));
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --file link --yes: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: link: replaced; the old file is kept beside it
      note: link is a symlink: DIR/real/config is replaced, the symlink stays
      Installed link
      Old file: DIR/real/config.TIME
    install --admin-kubeconfig admin --cluster cluster1 --file dangling --yes: exit 2
      error [file-error]: cannot use dangling: it is a link to a file that is not there
      hint: nothing was changed; run the same command again once the cause is gone
    install --admin-kubeconfig admin --cluster cluster1 --file pipe --yes: exit 2
      error [file-error]: cannot read pipe: a FIFO, not a file
      hint: nothing was changed; run the same command again once the cause is gone
    install --admin-kubeconfig admin --cluster cluster1 --file /dev/null --yes: exit 2
      error [file-error]: cannot read /dev/null: a character device, not a file
      hint: nothing was changed; run the same command again once the cause is gone
    install --admin-kubeconfig admin --cluster cluster1 --file /proc/self/status --yes: exit 2
      error [file-error]: cannot read /proc/self/status: on a file system of the kernel
      hint: nothing was changed; run the same command again once the cause is gone
    ");
}

#[test]
fn copies_never_take_each_others_name() {
    let scene = Scene::new();
    // Every second of the next minute has its copy already.
    let now = jiff::Timestamp::now();
    for second in 0..60 {
        let stamp = (now + jiff::SignedDuration::from_secs(second)).strftime("%Y%m%dT%H%M%SZ").to_string();
        scene.write(&format!("{FILE}.{stamp}"), "precious");
    }
    let run = scene.run(&format!("install {FROM} --yes"));
    assert_eq!(run.code, 0, "{run}");
    let copies = scene.copies(FILE);
    assert_eq!(copies.iter().filter(|copy| scene.read(copy) == "precious").count(), 60);
    let mine: Vec<_> = copies.iter().filter(|copy| scene.read(copy) == scene.old).collect();
    assert!(mine.len() == 1 && mine[0].ends_with("Z-1"), "{mine:?}");
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    ");
}

#[test]
fn another_run_is_not_disturbed() {
    let scene = Scene::new();
    let hidden = scene.path(&format!("{DIRECTORY}/.cluster1-kubeconfig.kuberescue-new"));
    let file = std::fs::File::create(&hidden).unwrap();
    file.lock().unwrap();
    scene.fails(&format!("install {FROM} --yes"));
    drop(file);
    assert_eq!(scene.run(&format!("install {FROM} --yes")).code, 0);
    assert!(!hidden.exists());
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      error [file-error]: cannot use DIR/bmctl-workspace/cluster1/.cluster1-kubeconfig.kuberescue-new: another kuberescue is about to write there
      hint: nothing was changed; run the same command again once the cause is gone
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 0
      …
      Installed bmctl-workspace/cluster1/cluster1-kubeconfig
      Old file: bmctl-workspace/cluster1/cluster1-kubeconfig.TIME
    ");
}

#[test]
fn owners_stay() {
    if !is_root() {
        return skip("only root can give files away");
    }
    let scene = Scene::new();
    let chown = |name: &str| std::os::unix::fs::chown(scene.path(name), Some(12345), Some(54321)).unwrap();
    let owner =
        |name: &str| std::fs::metadata(scene.path(name)).map(|found| (found.uid(), found.gid())).unwrap();
    chown(FILE);
    assert_eq!(scene.run(&format!("install {FROM} --yes")).code, 0);
    assert_eq!((owner(FILE), owner(&scene.copies(FILE)[0])), ((12345, 54321), (12345, 54321)));
    // A new file in somebody's directory is theirs.
    std::fs::create_dir(scene.path("theirs")).unwrap();
    chown("theirs");
    assert_eq!(scene.run(&format!("install {FROM} --file theirs/config --yes")).code, 0);
    assert_eq!((owner("theirs/config"), scene.mode("theirs/config")), ((12345, 54321), 0o600));

    // Another user can neither write into a directory that isn't theirs nor take over a file.
    scene.write(FILE, &scene.old);
    for name in ["", "bmctl-workspace", DIRECTORY] {
        scene.chmod(name, 0o755);
    }
    scene.chmod(FILE, 0o644);
    scene.chmod("admin", 0o644);
    let as_other = || {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=12345", "--regid=54321", "--clear-groups"])
            .arg(env!("CARGO_BIN_EXE_kuberescue"));
        let install = format!("install {FROM} --yes");
        scene.run_as(scene.dressed(command, &install), &install)
    };
    scene.screens();
    std::os::unix::fs::chown(scene.path(FILE), Some(12345), Some(54321)).unwrap();
    let before = scene.snapshot();
    let run = as_other();
    if run.code == 126 || run.code == 127 || run.err.contains("setpriv: ") {
        return skip(&format!("another user cannot run the program here: {run}"));
    }
    std::os::unix::fs::chown(scene.path(FILE), Some(0), Some(0)).unwrap();
    scene.chmod(DIRECTORY, 0o777);
    as_other();
    assert_eq!(scene.snapshot(), before);
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: bmctl-workspace/cluster1/cluster1-kubeconfig: replaced; the old file is kept beside it
      note: mode 0644 becomes 0600
      error [not-root]: cannot write DIR/bmctl-workspace/cluster1/.cluster1-kubeconfig.kuberescue-new: permission denied (uid 12345)
      hint: sudo kuberescue kubeconfig install --admin-kubeconfig admin --cluster cluster1 --yes
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 2
      …
      error [file-error]: cannot use bmctl-workspace/cluster1/cluster1-kubeconfig: it belongs to another user: run it as that user, or as root
      hint: nothing was changed; run the same command again once the cause is gone
    ");
}

/// A small disk of its own; away when dropped.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(at: std::path::PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at).output().unwrap();
        if !done.status.success() {
            skip(&format!("a tmpfs can't be mounted: {}", String::from_utf8_lossy(&done.stderr)));
            return None;
        }
        Some(Self(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_and_one_that_is_read_only() {
    let scene = Scene::new();
    let page = 4096;
    assert!(scene.old.len() < page && scene.new.len() < page);
    let install = format!("install {FROM} --file small/config --yes");
    // Room for the old file alone, and for the new one beside it but not for the copy.
    for pages in 1..=2 {
        let Some(_disk) = Disk::mount(scene.path("small"), &format!("size={}", pages * page)) else { return };
        scene.write("small/config", &scene.old);
        scene.fails(&install);
    }
    let Some(_disk) = Disk::mount(scene.path("small"), "size=64k") else { return };
    scene.write("small/config", &scene.old);
    let remounted =
        Command::new("mount").args(["-o", "remount,ro"]).arg(scene.path("small")).status().unwrap();
    assert!(remounted.success());
    scene.fails(&install);
    scene.write("from", &scene.new);
    scene.keep_in_secret(&scene.old);
    scene.fails(&format!("push {FROM} --from from --keep small --yes"));
    scene.keep_in_secret(&scene.new);
    Command::new("mount").args(["-o", "remount,rw"]).arg(scene.path("small")).status().unwrap();
    assert_eq!(scene.run(&install).code, 0);
    assert_eq!(scene.read("small/config"), scene.new);
    insta::assert_snapshot!(scene.screens(), @"
    install --admin-kubeconfig admin --cluster cluster1 --file small/config --yes: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: small/config: replaced; the old file is kept beside it
      error [no-space]: cannot write DIR/small/.config.kuberescue-new: no space left on the device
      hint: nothing was changed; run the same command again once the cause is gone
    install --admin-kubeconfig admin --cluster cluster1 --file small/config --yes: exit 2
      …
      error [no-space]: cannot write DIR/small/.config.kuberescue-copy: no space left on the device
      hint: nothing was changed; run the same command again once the cause is gone
    install --admin-kubeconfig admin --cluster cluster1 --file small/config --yes: exit 2
      …
      error [disk-read-only]: cannot write DIR/small/.config.kuberescue-new: the file system is read-only
      hint: nothing was changed; run the same command again once the cause is gone
    push --admin-kubeconfig admin --cluster cluster1 --from from --keep small --yes: exit 2
      …
      from: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      error [disk-read-only]: cannot write small/.cluster1-kubeconfig.kuberescue-copy: the file system is read-only
      hint: the old value is kept before anything is changed: add --keep DIR
    install --admin-kubeconfig admin --cluster cluster1 --file small/config --yes: exit 0
      …
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      The new kubeconfig works. Nodes of CLUSTER:
      Plan: small/config: replaced; the old file is kept beside it
      Installed small/config
      Old file: small/config.TIME
    ");
}
