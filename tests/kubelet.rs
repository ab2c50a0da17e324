//! The kubelet of a machine, found and restarted. Each story plays in a pid and mount namespace of its own, on
//! real processes that are called `kubelet` (copies of `sleep`); a shell loop plays their supervisor.
//!
//! No systemd runs in a test, so `systemctl` is a script there, put first in PATH: it judges what it is told and
//! answers as systemd would. These stories show our calls, not systemd's behaviour.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kuberescue::live::kubelet::{
    How, KubeletError, Manager, Progress, SETTLED, changed_at, find, look, restart, uses_old_certificate,
};

const STORY: &str = "KUBERESCUE_STORY";

/// Tells a story in namespaces of its own: the test runs itself again inside them. Whatever it starts ends with it.
fn in_a_machine_of_its_own(name: &str, story: impl FnOnce(&Machine)) {
    if let Some(directory) = std::env::var_os(STORY) {
        return story(&Machine { directory: directory.into() });
    }
    if !common::is_root() {
        return common::skip("only root may make a pid namespace");
    }
    let directory = tempfile::tempdir().unwrap();
    let machine = Machine { directory: directory.path().to_owned() };
    std::fs::create_dir(machine.path("bin")).unwrap();
    std::fs::copy("/bin/sleep", machine.path("kubelet")).unwrap();
    let path = format!("{}:{}", machine.path("bin").display(), std::env::var("PATH").unwrap());
    let done = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(STORY, directory.path())
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success() && out.contains("1 passed"), "{name}\n{out}\n{err}");
}

struct Machine {
    directory: PathBuf,
}

impl Machine {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts a kubelet that runs for `seconds`.
    fn kubelet(&self, seconds: &str) -> Child {
        Command::new(self.path("kubelet")).arg(seconds).spawn().unwrap()
    }

    /// A supervisor that starts a kubelet as soon as the one before has exited, or this file is there.
    fn supervisor(&self, seconds: &str, waits_for: Option<&str>) -> Child {
        let kubelet = self.path("kubelet");
        let wait = match waits_for {
            Some(file) => format!("while ! test -e {}; do sleep 0.02; done; ", self.path(file).display()),
            None => String::new(),
        };
        let script = format!("{wait}while :; do {} {seconds}; sleep 0.1; done", kubelet.display());
        Command::new("sh").args(["-c", &script]).spawn().unwrap()
    }

    /// Makes it a machine that systemd runs, with this script as `systemctl`. What it is told is in `told`.
    fn systemd(&self, script: &str) {
        mount_over_run();
        let script =
            format!("#!/bin/sh\ncd {}\nshift 2\necho \"$@\" >>told\n{script}\n", self.directory.display());
        let path = self.path("bin/systemctl");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn mount_over_run() {
    let done = Command::new("mount").args(["-t", "tmpfs", "story", "/run"]).status().unwrap();
    assert!(done.success());
    std::fs::create_dir_all("/run/systemd/system").unwrap();
}

#[track_caller]
fn eventually(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

const ENOUGH: Duration = Duration::from_secs(20);
/// Long enough to have settled, where the watching itself is not the story.
const SOON: Duration = Duration::from_millis(300);
const A_MOMENT: Duration = Duration::from_millis(400);

#[test]
fn a_kubelet_is_found_by_name_and_its_age_is_known() {
    in_a_machine_of_its_own("a_kubelet_is_found_by_name_and_its_age_is_known", |machine| {
        assert_eq!(find(), None);
        // A file that is written before it is older than it; one that is written after isn't.
        let changed = |name: &str| {
            std::fs::write(machine.path(name), "").unwrap();
            std::thread::sleep(Duration::from_millis(60));
            changed_at(&machine.path(name)).unwrap()
        };
        let before = changed("before");
        let mut child = machine.kubelet("1000");
        eventually("a kubelet", || find().is_some());
        std::thread::sleep(Duration::from_millis(60));
        let after = changed("after");
        let found = find().unwrap();
        assert_eq!(found.pid, pid(&child));
        assert_eq!(found.command[1..], ["1000"]);
        assert!(found.age < Duration::from_secs(10) && found.is_running());
        assert!(!uses_old_certificate(&found, before), "{before} {}", found.started);
        assert!(uses_old_certificate(&found, after), "{after} {}", found.started);
        // A link that is swapped counts, however old the file is that it leads to.
        std::os::unix::fs::symlink(machine.path("before"), machine.path("link")).unwrap();
        assert!(uses_old_certificate(&found, changed_at(&machine.path("link")).unwrap()));
        assert_eq!(changed_at(&machine.path("none")), None);
        let seen = look();
        assert!(seen.running.is_some_and(|running| running.is(&found)));
        assert_eq!((seen.manager, seen.crash_looping), (Manager::Other, false));
        // Dead, and not yet collected by anybody.
        child.kill().unwrap();
        eventually("it is gone", || find().is_none() && !found.is_running());
        child.wait().unwrap();
    });
}

#[test]
fn the_kubelet_of_a_container_is_not_the_machines() {
    in_a_machine_of_its_own("the_kubelet_of_a_container_is_not_the_machines", |machine| {
        let mut inner = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child"])
            .arg(machine.path("kubelet"))
            .arg("1000")
            .spawn()
            .unwrap();
        let there = || {
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            let names =
                processes.map(|entry| std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default());
            names.filter(|name| name == "kubelet\n").count() == 1
        };
        eventually("a kubelet in another namespace", there);
        assert_eq!(find(), None);
        inner.kill().unwrap();
        inner.wait().unwrap();
    });
}

#[test]
fn without_systemd_it_gets_sigterm_and_the_next_one_is_watched() {
    in_a_machine_of_its_own("without_systemd_it_gets_sigterm_and_the_next_one_is_watched", |machine| {
        let mut supervisor = machine.supervisor("1000", None);
        eventually("a kubelet", || find().is_some());
        let old = find().unwrap();
        let mut told = Vec::new();
        let done = restart(ENOUGH, SETTLED, &mut |progress| told.push(progress)).unwrap();
        let new = find().unwrap();
        assert_eq!((done.how, done.old_pid, done.kubelet.pid), (How::Signal, Some(old.pid), new.pid));
        assert!(!old.is_running() && !new.is(&old));
        assert!(new.age >= Duration::from_secs(3), "it was watched: {:?}", new.age);
        assert!(done.took < Duration::from_secs(3), "the watching is not counted: {:?}", done.took);
        assert_eq!(told, [Progress::Stopping(Some(old.pid)), Progress::Waiting, Progress::Settling(new.pid)]);
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
    });
}

#[test]
fn a_supervisor_that_takes_its_time_is_waited_for() {
    in_a_machine_of_its_own("a_supervisor_that_takes_its_time_is_waited_for", |machine| {
        let mut supervisor = machine.supervisor("1000", Some("go"));
        let go = machine.path("go");
        let done = restart(ENOUGH, SOON, &mut |progress| {
            if progress == Progress::Waiting {
                std::fs::write(&go, "").unwrap();
            }
        });
        let done = done.unwrap();
        assert_eq!((done.how, done.old_pid), (How::Signal, None));
        // Who is in a hurry doesn't watch it.
        let begun = Instant::now();
        let again = restart(ENOUGH, Duration::ZERO, &mut |_| ()).unwrap();
        assert!(begun.elapsed() < SETTLED && again.kubelet.is_running(), "{:?}", begun.elapsed());
        assert_eq!(again.old_pid, Some(done.kubelet.pid));
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
    });
}

#[test]
fn where_nothing_starts_it_that_is_said() {
    in_a_machine_of_its_own("where_nothing_starts_it_that_is_said", |machine| {
        let error = restart(A_MOMENT, SOON, &mut |_| ()).unwrap_err();
        assert_eq!(error, KubeletError::NotRunning { waited: A_MOMENT, systemd: false });
        insta::assert_snapshot!(kuberescue::error::Error::from(error.clone()).hints[0], @"systemd does not run here: start the kubelet as this machine starts it, then run this again");
        // The same after one that did run was stopped.
        let mut child = machine.kubelet("1000");
        eventually("a kubelet", || find().is_some());
        let error = restart(A_MOMENT, SOON, &mut |_| ()).unwrap_err();
        assert!(matches!(error, KubeletError::NotRunning { .. }), "{error}");
        child.wait().unwrap();
    });
}

#[test]
fn one_that_dies_again_and_again_is_not_up() {
    in_a_machine_of_its_own("one_that_dies_again_and_again_is_not_up", |machine| {
        let mut supervisor = machine.supervisor("0.2", Some("go"));
        std::fs::write(machine.path("go"), "").unwrap();
        let error = restart(ENOUGH, SETTLED, &mut |_| ()).unwrap_err();
        assert_eq!(error, KubeletError::CrashLoop { exits: 2, systemd: false });
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
    });
}

#[test]
fn one_that_ignores_sigterm_is_not_killed() {
    in_a_machine_of_its_own("one_that_ignores_sigterm_is_not_killed", |machine| {
        // An ignored signal stays ignored in the program that the shell becomes.
        let script = format!("trap '' TERM; exec {} 1000", machine.path("kubelet").display());
        let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        eventually("a kubelet", || find().is_some());
        let error = restart(A_MOMENT, SOON, &mut |_| ()).unwrap_err();
        assert_eq!(error, KubeletError::WontStop { pid: pid(&child), waited: A_MOMENT });
        assert!(find().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

/// `systemctl` for one kubelet in a file `main`; `restart` ends it and starts the next one.
const SYSTEMCTL: &str = r#"
case $1 in
show) echo "MainPID=$(cat main 2>/dev/null || echo 0)"; cat shown ;;
reset-failed) ;;
restart)
    test -e main && kill $(cat main)
    ./kubelet 1000 >/dev/null 2>&1 & echo $! >main ;;
*) exit 1 ;;
esac"#;
const ACTIVE: &str = "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts=0\n";
const CRASHING: &str =
    "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=40\n";
const GIVEN_UP: &str =
    "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=start-limit-hit\nNRestarts=5\n";

#[test]
fn with_systemd_the_unit_is_restarted() {
    in_a_machine_of_its_own("with_systemd_the_unit_is_restarted", |machine| {
        machine.systemd(SYSTEMCTL);
        std::fs::write(machine.path("shown"), ACTIVE).unwrap();
        let mut child = machine.kubelet("1000");
        std::fs::write(machine.path("main"), child.id().to_string()).unwrap();
        let seen = look();
        assert_eq!(seen.running.map(|running| running.pid), Some(pid(&child)));
        assert!(matches!(&seen.manager, Manager::Systemd(unit) if unit.is_loaded()), "{:?}", seen.manager);
        let done = restart(ENOUGH, SOON, &mut |_| ()).unwrap();
        assert_eq!((done.how, done.old_pid), (How::Systemd, Some(pid(&child))));
        assert_eq!(done.kubelet.pid.to_string(), machine.text("main").trim());
        let told = machine.text("told");
        assert!(told.contains("restart kubelet\n") && !told.contains("reset-failed"), "{told}");
        child.wait().unwrap();
    });
}

#[test]
fn with_systemd_a_crash_loop_is_seen_and_revived() {
    in_a_machine_of_its_own("with_systemd_a_crash_loop_is_seen_and_revived", |machine| {
        machine.systemd(SYSTEMCTL);
        for (name, shown, forgiven) in [("crashing", CRASHING, false), ("given-up", GIVEN_UP, true)] {
            std::fs::write(machine.path("shown"), shown).unwrap();
            std::fs::write(machine.path("told"), "").unwrap();
            if let Some(last) = find() {
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(last.pid), nix::sys::signal::SIGKILL)
                    .unwrap();
                eventually("none runs", || find().is_none());
                std::fs::remove_file(machine.path("main")).unwrap();
            }
            let seen = look();
            assert!(seen.crash_looping && seen.running.is_none(), "{name}: {seen:?}");
            let done = restart(ENOUGH, SOON, &mut |_| ()).unwrap();
            assert_eq!((done.how, done.old_pid), (How::Systemd, None), "{name}");
            let told = machine.text("told");
            assert_eq!(told.contains("reset-failed kubelet\nrestart kubelet\n"), forgiven, "{name}: {told}");
        }
    });
}

#[test]
fn what_systemd_refuses_is_told_in_its_words() {
    in_a_machine_of_its_own("what_systemd_refuses_is_told_in_its_words", |machine| {
        machine.systemd("case $1 in show) cat shown;; *) echo \"Job for kubelet.service failed.\nSee status\" >&2; exit 1;; esac");
        std::fs::write(machine.path("shown"), ACTIVE).unwrap();
        let error = restart(ENOUGH, SOON, &mut |_| ()).unwrap_err();
        assert_eq!(error.to_string(), "cannot run systemctl restart: Job for kubelet.service failed.");
        insta::assert_snapshot!(kuberescue::error::Error::from(error.clone()).hints[0], @"see systemctl status kubelet and journalctl -u kubelet -n 20, then systemctl restart kubelet");

        std::fs::write(machine.path("shown"), "LoadState=masked\nActiveState=inactive\n").unwrap();
        assert_eq!(restart(ENOUGH, SOON, &mut |_| ()).unwrap_err(), KubeletError::Masked);
        std::fs::write(machine.path("shown"), "LoadState=not-found\nActiveState=inactive\n").unwrap();
        assert_eq!(restart(ENOUGH, SOON, &mut |_| ()).unwrap_err(), KubeletError::NotInstalled);
    });
}

#[test]
fn a_systemctl_that_hangs_is_given_up() {
    in_a_machine_of_its_own("a_systemctl_that_hangs_is_given_up", |machine| {
        machine.systemd("case $1 in show) cat shown;; *) exec sleep 1000;; esac");
        std::fs::write(machine.path("shown"), ACTIVE).unwrap();
        let begun = Instant::now();
        let error = restart(A_MOMENT, SOON, &mut |_| ()).unwrap_err();
        assert_eq!(error.to_string(), "cannot run systemctl restart: no answer in time");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_kubelet_that_systemd_does_not_know_gets_sigterm() {
    in_a_machine_of_its_own("a_kubelet_that_systemd_does_not_know_gets_sigterm", |machine| {
        machine.systemd("case $1 in show) echo LoadState=not-found;; *) exit 1;; esac");
        let mut supervisor = machine.supervisor("1000", None);
        eventually("a kubelet", || find().is_some());
        let done = restart(ENOUGH, SOON, &mut |_| ()).unwrap();
        assert_eq!(done.how, How::Signal);
        assert!(!machine.text("told").contains("restart"), "{}", machine.text("told"));
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
    });
}

#[test]
fn without_a_systemctl_to_run_it_is_done_by_signal() {
    in_a_machine_of_its_own("without_a_systemctl_to_run_it_is_done_by_signal", |machine| {
        mount_over_run();
        std::fs::write(machine.path("bin/systemctl"), "").unwrap(); // not executable
        let mut supervisor = machine.supervisor("1000", None);
        eventually("a kubelet", || find().is_some());
        let silent = matches!(look().manager, Manager::Silent(_));
        // A systemctl of this machine itself, further down in PATH, may answer too.
        assert!(silent || Path::new("/usr/bin/systemctl").exists() || Path::new("/bin/systemctl").exists());
        let done = restart(ENOUGH, SOON, &mut |_| ()).unwrap();
        assert_eq!(done.how, How::Signal);
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
    });
}
