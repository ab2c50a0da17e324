//! The kubelet of this machine: whether it runs and since when, and its restart, through systemd or another
//! supervisor.
//!
//! It must run before a static pod is stopped, since nothing else starts the pod again. A running one keeps
//! its client certificate in memory, so after a renewal it must be restarted.

mod error;
mod process;
mod restart;
mod systemctl;

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use error::KubeletError;
pub use process::{Kubelet, find};
pub use restart::{How, Progress, Restarted, SETTLED, restart};
pub use systemctl::Unit;

use super::clock;

/// A kubelet that is younger than this and was restarted before counts as crash looping: with an expired
/// client certificate it exits within one or two seconds.
const YOUNG: Duration = Duration::from_secs(5);
/// How long systemd may take to return the unit's state.
const ANSWER: Duration = Duration::from_secs(10);
/// Precision of process start times and file times from the kernel's clocks, in milliseconds: a process's is
/// counted in 1/100 s, a file's in ticks of up to 10 ms.
const CLOCK_GRAIN_MS: i64 = 30;

/// What restarts the kubelet when it exits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manager {
    /// systemd, and the state of the unit `kubelet`.
    Systemd(Unit),
    /// systemd runs but didn't answer, and why.
    Silent(String),
    Other,
}

/// The state of the kubelet at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletStatus {
    /// The process, if one runs.
    pub running: Option<Kubelet>,
    pub manager: Manager,
    /// It crashes again and again. Only systemd shows it; elsewhere one reading is not enough.
    pub crash_looping: bool,
}

/// Reads the state of this machine's kubelet. What can't be read counts as missing.
pub fn look() -> KubeletStatus {
    let manager = if systemctl::is_systemd_running() {
        match systemctl::unit(clock::now() + ANSWER) {
            Ok(unit) => Manager::Systemd(unit),
            Err(error) => Manager::Silent(error.to_string()),
        }
    } else {
        Manager::Other
    };
    let main_process = match &manager {
        // systemd knows the process that it started, whatever its name.
        Manager::Systemd(unit) => unit.main_pid.and_then(process::at),
        _ => None,
    };
    let running = main_process.or_else(find);
    let crash_looping = match &manager {
        Manager::Systemd(unit) => unit.is_crash_looping(running.as_ref().map(|kubelet| kubelet.age)),
        _ => false,
    };
    KubeletStatus { running, manager, crash_looping }
}

/// When the kubelet's certificate file was last changed, or the link to it was last swapped: the kernel's
/// change time (ctime), which no rollback resets. `None` if it doesn't exist.
pub fn changed_at(path: &Path) -> Option<Timestamp> {
    let time =
        |found: Metadata| Timestamp::new(found.ctime(), i32::try_from(found.ctime_nsec()).unwrap_or(0)).ok();
    let link = fs::symlink_metadata(path).ok().and_then(time);
    let file = fs::metadata(path).ok().and_then(time)?;
    Some(link.map_or(file, |link| link.max(file)))
}

/// Whether a kubelet may have an older client certificate in memory than the file that was changed at
/// `file_changed_at`: it reads the file when it starts. (While it runs it reads the file only when it rotates
/// the certificate itself, client-go `certificate_manager.go`: after such a rotation the answer is yes too,
/// and wrong. So this shows whether a restart is due after a change of ours, not whether a node is broken.)
pub fn uses_old_certificate(kubelet: &Kubelet, file_changed_at: Timestamp) -> bool {
    kubelet
        .started
        .saturating_add(SignedDuration::from_millis(CLOCK_GRAIN_MS))
        .is_ok_and(|started| started < file_changed_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_that_is_older_than_the_file_has_the_old_certificate() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let kubelet = Kubelet::for_tests(10, at("2026-11-24T10:00:00.50Z"));
        for (changed, old) in [
            ("2026-11-24T10:00:01Z", true),
            ("2026-11-24T10:00:00.60Z", true),
            ("2026-11-24T10:00:00.51Z", false),
            ("2026-11-24T09:59:59Z", false),
        ] {
            assert_eq!(uses_old_certificate(&kubelet, at(changed)), old, "{changed}");
        }
    }
}
