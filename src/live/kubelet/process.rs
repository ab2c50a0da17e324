//! The kubelet among the processes of this machine, read from `/proc` (man 5 proc).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nix::time::{ClockId, clock_gettime};

/// The kernel counts a process's start in these units: USER_HZ, 100 on every architecture that Kubernetes
/// supports.
const TICKS_PER_SECOND: u64 = 100;
/// The process name in `/proc/PID/stat` of a program called `kubelet`.
const NAME: &str = "kubelet";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubelet {
    pub pid: i32,
    /// When it was started, by the current setting of the clock.
    pub started: Timestamp,
    /// How long it had been running when it was read; setting the clock doesn't change it.
    pub age: Duration,
    /// Program and arguments. Foreign text.
    pub command: Vec<String>,
    /// Start in ticks since boot: with the pid it identifies one process until the next reboot.
    ticks: u64,
}

impl Kubelet {
    pub fn is(&self, other: &Self) -> bool {
        (self.pid, self.ticks) == (other.pid, other.ticks)
    }

    /// Whether it still runs. A zombie doesn't.
    pub fn is_running(&self) -> bool {
        at(self.pid).is_some_and(|now| self.is(&now))
    }

    #[cfg(test)]
    pub(super) fn for_tests(pid: i32, started: Timestamp) -> Self {
        Self { pid, started, age: Duration::ZERO, command: Vec::new(), ticks: 0 }
    }
}

/// The kubelet of this machine. One in a container (another pid namespace) doesn't count; of several the
/// longest-running one is taken.
pub fn find() -> Option<Kubelet> {
    all().into_iter().min_by_key(|kubelet| (kubelet.ticks, kubelet.pid))
}

/// Every process that could be this machine's kubelet.
pub(super) fn all() -> Vec<Kubelet> {
    let own = namespace(Path::new("/proc/self"));
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse::<i32>().ok());
    let named = pids.filter(|pid| read_stat(*pid).is_some_and(|stat| stat.name == NAME));
    named.filter(|pid| own.is_none() || namespace(&directory(*pid)) == own).filter_map(at).collect()
}

/// The running process of this id, whatever its name.
pub(super) fn at(pid: i32) -> Option<Kubelet> {
    let stat = read_stat(pid)?;
    // Zombies and dead processes have exited.
    if matches!(stat.state, 'Z' | 'X' | 'x') {
        return None;
    }
    let since_boot = Duration::from_millis(stat.ticks.saturating_mul(1000 / TICKS_PER_SECOND));
    let (now, boot) = (clock(ClockId::CLOCK_REALTIME)?, clock(ClockId::CLOCK_BOOTTIME)?);
    let age = boot.saturating_sub(since_boot);
    // `btime` in /proc/stat has the same in whole seconds, too coarse to distinguish a kubelet started just
    // after its certificate was written from one started just before.
    let started =
        Timestamp::UNIX_EPOCH.checked_add(SignedDuration::try_from(now.saturating_sub(age)).ok()?).ok()?;
    let command = fs::read(directory(pid).join("cmdline")).unwrap_or_default();
    Some(Kubelet { pid, started, age, command: arguments(&command), ticks: stat.ticks })
}

fn directory(pid: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// The pid namespace, as the kernel names it: `pid:[4026531836]`.
fn namespace(process: &Path) -> Option<PathBuf> {
    fs::read_link(process.join("ns/pid")).ok()
}

fn clock(id: ClockId) -> Option<Duration> {
    clock_gettime(id).ok().map(Duration::from)
}

fn read_stat(pid: i32) -> Option<Stat> {
    let bytes = fs::read(directory(pid).join("stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&bytes))
}

/// The fields of `/proc/PID/stat` that are read.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    state: char,
    ticks: u64,
}

/// The name is in parentheses and may itself contain parentheses and spaces: the last one closes it.
fn parse_stat(text: &str) -> Option<Stat> {
    let (before, after) = text.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split_ascii_whitespace();
    // Field 3 is the state, 22 the start.
    let state = fields.next()?.chars().next()?;
    let ticks = fields.nth(18)?.parse().ok()?;
    Some(Stat { name: name.to_owned(), state, ticks })
}

fn arguments(command: &[u8]) -> Vec<String> {
    let words = command.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let mut words: Vec<_> = words.collect();
    // Each ends with a NUL, the last one too.
    if words.last().is_some_and(String::is_empty) {
        words.pop();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat() {
        let rest = "1 900 900 0 -1 4194560 33000 0 1 0 100 50 0 0 20 0 14 0 98765 1900000000 24000 1844";
        let parsed = |text: String| parse_stat(&text).map(|stat| (stat.name, stat.state, stat.ticks));
        for name in ["kubelet", "a b", "(sd-pam)", "x) R 1 (y", "", "kube)let"] {
            let expected = Some((name.to_owned(), 'S', 98765));
            assert_eq!(parsed(format!("900 ({name}) S {rest}\n")), expected, "{name}");
        }
        for broken in
            ["", "900", "900 (kubelet", "900 (kubelet) ", "900 (kubelet) S 1 2 3", "900 kubelet S 1"]
        {
            assert_eq!(parse_stat(broken), None, "{broken}");
        }
        let wordy = "900 (kubelet) S 1 900 900 0 -1 0 0 0 0 0 0 0 0 0 20 0 14 0 soon 1";
        assert_eq!(parse_stat(wordy), None);
    }

    #[test]
    fn a_command_line() {
        assert_eq!(
            arguments(b"/usr/bin/kubelet\0--config=/a b\0\0-v\0"),
            ["/usr/bin/kubelet", "--config=/a b", "", "-v"]
        );
        assert_eq!(arguments(b""), Vec::<String>::new());
        assert_eq!(arguments(b"\xff"), ["\u{fffd}"]);
    }

    #[test]
    fn this_process_runs_and_was_started_a_moment_ago() {
        let own = at(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_running());
        assert!(own.age < Duration::from_secs(3600), "{:?}", own.age);
        assert!(
            own.command.first().is_some_and(|program| program.contains("kuberescue")),
            "{:?}",
            own.command
        );
        let successor = Kubelet { ticks: own.ticks + 1, ..own };
        assert!(!successor.is_running(), "the same number, another process");
        assert_eq!(at(i32::MAX), None);
    }
}
