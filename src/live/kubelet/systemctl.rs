//! systemd, through `systemctl`: the only place of the program that starts another one.
//!
//! D-Bus would be a second protocol for one unit; where systemd runs, `systemctl` exists. Each call has a
//! deadline, no input, and a limit on its output.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::YOUNG;
use crate::live::clock;

/// systemd's own test whether it is the running init system (man sd_booted).
const BOOTED: &str = "/run/systemd/system";
/// Bytes.
const MAX_ANSWER: u64 = 64 << 10;
/// How often to check whether a call has finished.
const POLL: Duration = Duration::from_millis(5);
/// How long to wait for its remaining output after it has exited.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The properties that are read. systemd before 235 doesn't know `NRestarts` and leaves it out.
const PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,NRestarts,MainPID,UnitFileState";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SystemctlError {
    /// There is no such program in PATH, or it can't be run.
    #[error("cannot run systemctl: {0}")]
    CannotRun(String),
    /// It didn't finish in time and was killed.
    #[error("cannot run systemctl {0}: no answer in time")]
    TimedOut(String),
    #[error("cannot run systemctl {verb}: {why}")]
    Failed {
        verb: String,
        /// The first line of its message. Foreign text.
        why: String,
    },
}

/// The state of the unit `kubelet` in systemd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `activating`, `failed`, …
    pub active: String,
    /// `running`, `auto-restart`, `dead`, …
    pub sub: String,
    /// Why it last stopped: `success`, `exit-code`, `start-limit-hit`, …
    pub result: String,
    /// `enabled`, `disabled`, …: whether it starts at boot.
    pub file_state: String,
    /// How often systemd has restarted it automatically.
    pub restarts: u32,
    pub main_pid: Option<i32>,
}

impl Unit {
    /// Parses the lines `KEY=VALUE` of `systemctl show`.
    fn parse(text: &str) -> Self {
        let mut unit = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let value = value.trim();
            match key.trim() {
                "LoadState" => value.clone_into(&mut unit.load),
                "ActiveState" => value.clone_into(&mut unit.active),
                "SubState" => value.clone_into(&mut unit.sub),
                "Result" => value.clone_into(&mut unit.result),
                "UnitFileState" => value.clone_into(&mut unit.file_state),
                "NRestarts" => unit.restarts = value.parse().unwrap_or(0),
                "MainPID" => unit.main_pid = value.parse().ok().filter(|pid| *pid > 0),
                _ => {}
            }
        }
        unit
    }

    /// Whether there is such a unit that can be started.
    pub fn is_loaded(&self) -> bool {
        self.load == "loaded"
    }

    pub fn is_masked(&self) -> bool {
        self.load == "masked"
    }

    /// Whether it has reached the start limit: it needs `reset-failed` before it may be started again.
    pub fn has_given_up(&self) -> bool {
        self.active == "failed" || self.result == "start-limit-hit"
    }

    /// Whether it crashes again and again; `age` is that of its running process.
    pub(super) fn is_crash_looping(&self, age: Option<Duration>) -> bool {
        let between_two_tries = self.active == "activating" && self.sub == "auto-restart";
        let just_tried_again = self.restarts > 1 && age.is_some_and(|age| age < YOUNG);
        between_two_tries || just_tried_again || self.result == "start-limit-hit"
    }
}

pub(super) fn is_systemd_running() -> bool {
    Path::new(BOOTED).is_dir()
}

/// The state of the unit `kubelet`.
pub(super) fn unit(deadline: Instant) -> Result<Unit, SystemctlError> {
    run(&["show", "kubelet", "--property", PROPERTIES], deadline).map(|text| Unit::parse(&text))
}

/// Resets a failed unit, so that it may be started again.
pub(super) fn forgive(deadline: Instant) -> Result<(), SystemctlError> {
    run(&["reset-failed", "kubelet"], deadline).map(drop)
}

/// Stops the unit if it runs, and starts it.
pub(super) fn restart(deadline: Instant) -> Result<(), SystemctlError> {
    run(&["restart", "kubelet"], deadline).map(drop)
}

/// Runs `systemctl` and returns its output. After `deadline` it is killed.
fn run(arguments: &[&str], deadline: Instant) -> Result<String, SystemctlError> {
    let verb = || arguments.first().copied().unwrap_or_default().to_owned();
    let cannot = |error: std::io::Error| SystemctlError::CannotRun(crate::state::os::reason(&error));
    #[expect(clippy::disallowed_methods, reason = "systemd is told through systemctl: see the module")]
    let mut child = Command::new("systemctl")
        .args(["--no-pager", "--no-ask-password"])
        .args(arguments)
        // Its output is parsed and quoted: in English, without colours.
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let (out, err) = (listen(child.stdout.take()), listen(child.stderr.take()));
    let status = loop {
        match child.try_wait().map_err(cannot)? {
            Some(status) => break status,
            None if clock::now() >= deadline => {
                end(&mut child);
                return Err(SystemctlError::TimedOut(verb()));
            }
            None => std::thread::sleep(POLL),
        }
    };
    if status.success() {
        return Ok(out.recv_timeout(LAST_WORDS).unwrap_or_default());
    }
    let said = err.recv_timeout(LAST_WORDS).unwrap_or_default();
    let first = said.lines().map(str::trim).find(|line| !line.is_empty());
    let why = first.map_or_else(|| format!("exited with {status}"), str::to_owned);
    Err(SystemctlError::Failed { verb: verb(), why })
}

fn end(child: &mut Child) {
    // It may just have exited; either way it is reaped.
    let _killed = child.kill();
    let _collected = child.wait();
}

/// Reads the child's output in a thread of its own. A grandchild may keep the pipe open, so the wait for the
/// thread is bounded.
fn listen(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(pipe) = pipe {
        let read = move || {
            let mut bytes = Vec::new();
            let _until_it_broke = pipe.take(MAX_ANSWER).read_to_end(&mut bytes);
            let _nobody_listens = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        };
        // Without a thread the output is empty.
        let _thread = std::thread::Builder::new().spawn(read);
    }
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_shows() {
        let text = "MainPID=913\nNRestarts=3\nLoadState=loaded\nActiveState=active\nSubState=running\n\
                    UnitFileState=enabled\nResult=success\nExtra=a=b\nnoise\n";
        let unit = Unit::parse(text);
        let expected = Unit {
            load: "loaded".to_owned(),
            active: "active".to_owned(),
            sub: "running".to_owned(),
            result: "success".to_owned(),
            file_state: "enabled".to_owned(),
            restarts: 3,
            main_pid: Some(913),
        };
        assert_eq!(unit, expected);
        assert!(unit.is_loaded() && !unit.is_masked() && !unit.has_given_up());
        let missing = Unit::parse("MainPID=0\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n");
        assert_eq!((missing.main_pid, missing.is_loaded(), missing.restarts), (None, false, 0));
        assert_eq!(Unit::parse(""), Unit::default());
    }

    #[test]
    fn a_unit_that_dies_again_and_again() {
        let unit = |text: &str| Unit::parse(text);
        let waiting = unit("ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nNRestarts=812");
        assert!(waiting.is_crash_looping(None));
        let tried = unit("ActiveState=active\nSubState=running\nResult=success\nNRestarts=812");
        assert!(tried.is_crash_looping(Some(Duration::from_secs(1))));
        assert!(!tried.is_crash_looping(Some(Duration::from_secs(60))), "it stays up now");
        let fresh = unit("ActiveState=active\nSubState=running\nResult=success\nNRestarts=0");
        assert!(!fresh.is_crash_looping(Some(Duration::from_secs(1))), "somebody has just started it");
        let given_up = unit("ActiveState=failed\nSubState=failed\nResult=start-limit-hit\nNRestarts=5");
        assert!(given_up.is_crash_looping(None) && given_up.has_given_up());
    }
}
