//! Restarts the kubelet and watches that it keeps running: with an expired client certificate and no
//! bootstrap kubeconfig it exits one or two seconds after its start, again and again.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::systemctl;
use super::{Kubelet, KubeletError, Manager, look, process};
use crate::live::clock;
use crate::live::deadline::is_interrupted;

/// How long it must run before it counts as up, if nothing more urgent is to be done.
pub const SETTLED: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(50);
/// How often systemd is asked for its main process if none is called `kubelet`.
const ASK: Duration = Duration::from_secs(1);
/// At this number of exits the restart fails: one is tolerated, since the runtime's socket may come a moment
/// later than the kubelet.
const EXITS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Systemd,
    /// SIGTERM, and its supervisor started it again. Or it only had to be waited for.
    Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It got SIGTERM; the process, if one runs.
    Stopping(Option<i32>),
    /// Waiting for the next one.
    Waiting,
    /// It runs; whether it keeps running is not known yet.
    Settling(i32),
}

/// A kubelet that was restarted and keeps running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restarted {
    pub how: How,
    pub old_pid: Option<i32>,
    pub kubelet: Kubelet,
    /// How long it took until the new one was running, without the time in which it was watched.
    pub took: Duration,
}

/// Restarts the kubelet and watches it until it has run for `settled`, by default [`SETTLED`]. A caller
/// without time to watch checks [`Kubelet::is_running`] of the new one later. Takes at most about `within`,
/// plus the time of watching the last one.
///
/// # Errors
/// See [`KubeletError`].
pub fn restart(
    within: Duration,
    settled: Duration,
    progress: &mut dyn FnMut(Progress),
) -> Result<Restarted, KubeletError> {
    let begun = clock::now();
    let deadline = begun + within;
    let found = look();
    let old = found.running;
    let how = match &found.manager {
        Manager::Systemd(unit) if unit.is_masked() => return Err(KubeletError::Masked),
        Manager::Systemd(unit) if unit.is_loaded() => {
            progress(Progress::Stopping(old.as_ref().map(|old| old.pid)));
            if unit.has_given_up() {
                // If this fails and it matters, the restart reports it.
                let _forgiven = systemctl::forgive(deadline);
            }
            systemctl::restart(deadline)?;
            How::Systemd
        }
        Manager::Systemd(_) if old.is_none() => return Err(KubeletError::NotInstalled),
        // systemd runs, but something else has started the kubelet; or systemd doesn't answer.
        Manager::Systemd(_) | Manager::Silent(_) | Manager::Other => {
            if let Some(old) = &old {
                progress(Progress::Stopping(Some(old.pid)));
                stop(old, deadline, within)?;
            }
            How::Signal
        }
    };
    progress(Progress::Waiting);
    let mut watch = Watch { how, old: old.as_ref(), settled, asked: None, restarts: None, more: 0 };
    let (new, since) = watch.until_it_stays(deadline, within, progress)?;
    let took = since.saturating_duration_since(begun);
    Ok(Restarted { how, old_pid: old.map(|old| old.pid), kubelet: new, took })
}

/// Sends SIGTERM and waits until the process has exited.
fn stop(old: &Kubelet, deadline: Instant, within: Duration) -> Result<(), KubeletError> {
    let pid = old.pid;
    // The pid may belong to another process by now.
    if !old.is_running() {
        return Ok(());
    }
    match kill(Pid::from_raw(pid), Signal::SIGTERM) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => return Err(KubeletError::Signal { pid, why: errno.desc().to_lowercase() }),
    }
    while old.is_running() {
        if clock::now() >= deadline || is_interrupted() {
            return Err(KubeletError::WontStop { pid, waited: within });
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

struct Watch<'a> {
    how: How,
    old: Option<&'a Kubelet>,
    settled: Duration,
    asked: Option<Instant>,
    /// systemd's count of its own restarts at the first query.
    restarts: Option<u32>,
    /// How many restarts since: of a kubelet that exits too soon to be seen.
    more: u32,
}

impl Watch<'_> {
    /// The kubelet that has run for long enough, and when it was first seen.
    fn until_it_stays(
        &mut self,
        deadline: Instant,
        within: Duration,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Kubelet, Instant), KubeletError> {
        let systemd = self.how == How::Systemd;
        let mut seen: Option<(Kubelet, Instant)> = None;
        let mut exits = 0;
        loop {
            let running = match &seen {
                Some((known, since)) if known.is_running() => {
                    if clock::now().saturating_duration_since(*since) >= self.settled {
                        return Ok((known.clone(), *since));
                    }
                    std::thread::sleep(POLL);
                    continue;
                }
                _ => self.running(deadline),
            };
            if seen.take().is_some() {
                exits += 1;
                if exits >= EXITS {
                    return Err(KubeletError::CrashLoop { exits, systemd });
                }
                progress(Progress::Waiting);
            }
            match running {
                Some(running) => {
                    progress(Progress::Settling(running.pid));
                    seen = Some((running, clock::now()));
                }
                None if self.more >= EXITS => {
                    return Err(KubeletError::CrashLoop { exits: self.more, systemd });
                }
                None if clock::now() < deadline && !is_interrupted() => std::thread::sleep(POLL),
                None if exits > 0 => return Err(KubeletError::CrashLoop { exits, systemd }),
                None => return Err(KubeletError::NotRunning { waited: within, systemd }),
            }
        }
    }

    /// A kubelet that is not the old one.
    fn running(&mut self, deadline: Instant) -> Option<Kubelet> {
        let other = |kubelet: &Kubelet| self.old.is_none_or(|old| !old.is(kubelet));
        if let Some(found) = process::all().into_iter().find(other) {
            return Some(found);
        }
        let now = clock::now();
        let due = self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ASK);
        if self.how != How::Systemd || !due {
            return None;
        }
        self.asked = Some(now);
        let unit = systemctl::unit(deadline).ok()?;
        let first = *self.restarts.get_or_insert(unit.restarts);
        self.more = unit.restarts.saturating_sub(first);
        unit.main_pid.and_then(process::at).filter(other)
    }
}
