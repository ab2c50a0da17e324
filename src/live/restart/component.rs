//! One component from its stop until it is back: the phases, in order, each bounded in time.

use std::collections::HashSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::watch::{Watch, is_live};
use super::{DEFAULT_GRACE, Grace, Options, Order, Outcome, Phase, Progress, Report, Wanted};
use crate::live::clock;
use crate::live::cri::{Container, ContainerState, CriError, GRACE_PERIOD, seconds};
use crate::live::deadline::waited;
use crate::state::Component;

/// Time for the first list: the runtime may be restarting.
const LISTING: Duration = Duration::from_secs(20);

/// Polling interval. A list costs the runtime about a millisecond.
const TICK: Duration = Duration::from_millis(100);

/// Pause before the second try to stop; doubled for each further try, up to the limit.
const BACK_OFF: Duration = Duration::from_millis(200);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);

/// Time for stopping a sandbox: its containers are killed at once.
const SANDBOX: Duration = Duration::from_secs(30);

pub(super) struct ComponentRestart<'a> {
    options: &'a Options,
    wanted: &'a Wanted,
    progress: &'a (dyn Fn(Progress) + Sync),
    began: Instant,
    watch: Watch,
}

/// The phase in which it failed, and why.
type Hung = (Phase, String);

/// What existed before anything was stopped.
struct Before {
    /// Containers that have read the old files; if one of these runs, the component is not back.
    old: HashSet<String>,
    known: HashSet<String>,
}

impl<'a> ComponentRestart<'a> {
    pub(super) fn new(
        options: &'a Options,
        wanted: &'a Wanted,
        progress: &'a (dyn Fn(Progress) + Sync),
    ) -> Self {
        let watch = Watch::new(&options.socket, wanted.component);
        Self { options, wanted, progress, began: clock::now(), watch }
    }

    pub(super) fn restart(mut self) -> Report {
        let outcome = match self.run() {
            Ok(outcome) => {
                // etcd is back when it is healthy, if that is required.
                if self.options.order == Order::Together || self.wanted.component != Component::Etcd {
                    self.tell(Phase::Back);
                }
                outcome
            }
            Err((phase, why)) => {
                self.tell(Phase::Failed);
                Outcome::Failed { phase, why, last_lines: self.watch.last_lines() }
            }
        };
        Report { component: self.wanted.component, outcome, elapsed: self.began.elapsed() }
    }

    fn run(&mut self) -> Result<Outcome, Hung> {
        self.tell(Phase::Listing);
        let listed = self.list()?;
        let (mut old, mut fresh) = (Vec::new(), Vec::new());
        for container in listed.iter().filter(|container| is_live(container)) {
            if self.has_read_the_new_files(container) { &mut fresh } else { &mut old }.push(container);
        }
        let before = Before {
            old: old.iter().map(|container| container.id.clone()).collect(),
            known: listed.iter().map(|container| container.id.clone()).collect(),
        };
        if !fresh.is_empty() {
            self.tell(Phase::StartedByItself);
            let (id, _) = self.wait(&before)?;
            return Ok(Outcome::StartedByItself { id });
        }
        let Some(running) = old.last() else {
            self.tell(Phase::NothingToStop);
            let (new_id, start_took) = self.wait(&before)?;
            return Ok(Outcome::Started { new_id, start_took });
        };
        // One, except while the kubelet replaces a pod whose manifest was changed.
        let mut stop_took = Duration::ZERO;
        for container in &old {
            stop_took += self.stop(container)?;
        }
        self.tell(Phase::Stopped);
        self.tell(Phase::WaitingForNew { note: None });
        let (new_id, start_took) = self.wait(&before)?;
        Ok(Outcome::Back { old_id: running.id.clone(), new_id, stop_took, start_took })
    }

    fn has_read_the_new_files(&self, container: &Container) -> bool {
        let made_since = |since| container.created_at.is_some_and(|made| made >= since);
        container.state == ContainerState::Running && self.options.since.is_some_and(made_since)
    }

    fn list(&mut self) -> Result<Vec<Container>, Hung> {
        let limit = LISTING.min(self.options.patience);
        loop {
            match self.watch.containers() {
                Ok(found) => return Ok(found),
                Err(error) if error.is_transient() && waited(self.began) < limit => thread::sleep(TICK),
                Err(error) => return Err((Phase::Listing, error.to_string())),
            }
        }
    }

    /// Stops the container and returns how long that took. A stop may be repeated, so it is after every
    /// transient error if the container still runs.
    fn stop(&mut self, container: &Container) -> Result<Duration, Hung> {
        let began = clock::now();
        let grace = self.grace(container);
        let each = grace.saturating_add(self.options.stop_slack);
        let limit = each.saturating_add(self.options.patience);
        self.tell(Phase::Stopping { grace });
        for attempt in 1_u32.. {
            let deadline = each.min(limit.saturating_sub(began.elapsed()));
            let stopped = self.watch.call(|runtime| runtime.stop_container(&container.id, grace, deadline));
            let Err(error) = stopped else { break };
            let pause = BACK_OFF.saturating_mul(1 << (attempt - 1).min(10)).min(LONGEST_BACK_OFF);
            let mut told = false;
            loop {
                let exited = self.has_exited(container);
                if exited == Ok(true) {
                    return Ok(began.elapsed());
                }
                if !error.is_transient() || waited(began).saturating_add(pause) >= limit {
                    return Err((Phase::Stopping { grace }, format!("it could not be stopped: {error}")));
                }
                if !std::mem::replace(&mut told, true) {
                    self.tell(Phase::Retrying { attempt, why: error.to_string() });
                }
                if exited == Ok(false) {
                    thread::sleep(pause);
                    break;
                }
                // The runtime is down: a list is cheap.
                thread::sleep(BACK_OFF);
            }
        }
        Ok(began.elapsed())
    }

    fn has_exited(&mut self, container: &Container) -> Result<bool, CriError> {
        let still = |found: &Container| found.id == container.id && is_live(found);
        Ok(!self.watch.containers()?.iter().any(still))
    }

    fn grace(&self, container: &Container) -> Duration {
        match self.wanted.grace {
            Grace::Fixed(grace) => grace,
            Grace::OfThePod => {
                let said = container.annotations.get(GRACE_PERIOD).and_then(|text| text.parse().ok());
                said.filter(|seconds| *seconds > 0).map_or(DEFAULT_GRACE, Duration::from_secs)
            }
        }
    }

    /// Waits until a new container runs and keeps running. Returns its ID and how long it took.
    fn wait(&mut self, before: &Before) -> Result<(String, Duration), Hung> {
        let (began, patience, steady) = (clock::now(), self.options.patience, self.options.steady);
        let mut running: Option<(String, Instant)> = None;
        let mut note = None;
        let (mut came, mut sandbox_tried, mut sandbox_stopped) = (false, false, false);
        loop {
            match self.watch.containers() {
                Ok(found) => {
                    came |= found.iter().any(|container| !before.known.contains(&container.id));
                    let new = found.iter().rev().find(|container| {
                        container.state == ContainerState::Running && !before.old.contains(&container.id)
                    });
                    came |= new.is_some();
                    running = match (new, running) {
                        (Some(new), Some((id, since))) if new.id == id => Some((id, since)),
                        (Some(new), _) => {
                            self.tell(Phase::Running);
                            Some((new.id.clone(), clock::now()))
                        }
                        (None, Some(_)) => {
                            note = Some(self.how_it_exited());
                            self.tell(Phase::WaitingForNew { note: note.clone() });
                            None
                        }
                        (None, None) => None,
                    };
                }
                Err(error) => self.note(&mut note, &error),
            }
            match running.take() {
                Some((id, since)) if since.elapsed() >= steady => {
                    return Ok((id, since.saturating_duration_since(began)));
                }
                // One that came in time gets the time to prove that it keeps running.
                Some((id, since)) if waited(began) < patience + steady => running = Some((id, since)),
                None if waited(began) < patience => {}
                _ => return Err((Phase::WaitingForNew { note }, self.why_not_back(came, sandbox_stopped))),
            }
            if !came && running.is_none() && !sandbox_tried && began.elapsed() >= patience / 2 {
                sandbox_tried = true;
                sandbox_stopped = self.stop_sandbox(&mut note, patience.saturating_sub(began.elapsed()));
            }
            thread::sleep(TICK);
        }
    }

    /// The second step: the kubelet recreates the pod. Returns whether there was a sandbox and it was
    /// stopped. A failure is reported, and the waiting continues.
    fn stop_sandbox(&mut self, note: &mut Option<String>, left: Duration) -> bool {
        let stopped = self.watch.ready_sandbox().and_then(|sandbox| {
            let Some(sandbox) = sandbox else { return Ok(false) };
            self.tell(Phase::StoppingSandbox);
            self.watch.call(|runtime| runtime.stop_sandbox(&sandbox, SANDBOX.min(left)))?;
            self.tell(Phase::WaitingForNew { note: note.clone() });
            Ok(true)
        });
        stopped.unwrap_or_else(|error| {
            self.note(note, &error);
            false
        })
    }

    fn note(&self, note: &mut Option<String>, error: &CriError) {
        let text = error.to_string();
        if note.as_ref() != Some(&text) {
            *note = Some(text);
            self.tell(Phase::WaitingForNew { note: note.clone() });
        }
    }

    /// The exit of a container that ran and no longer does.
    fn how_it_exited(&mut self) -> String {
        match self.watch.newest() {
            Some(status) if status.reason.is_empty() => format!("it exited with code {}", status.exit_code),
            Some(status) => format!("it exited with code {} ({})", status.exit_code, status.reason),
            None => "it exited".to_owned(),
        }
    }

    fn why_not_back(&mut self, came: bool, sandbox_stopped: bool) -> String {
        let patience = seconds(self.options.patience);
        match (self.watch.containers(), came) {
            (Err(error), _) => format!("it is not known to be back after {patience}: {error}"),
            (Ok(_), true) => format!(
                "new containers came, but none kept running within {patience}: {}",
                self.how_it_exited()
            ),
            (Ok(_), false) if sandbox_stopped => format!(
                "no new container came within {patience}, although its sandbox was stopped too: is the kubelet running?"
            ),
            (Ok(_), false) => format!("no new container came within {patience}: is the kubelet running?"),
        }
    }

    fn tell(&self, phase: Phase) {
        let component = self.wanted.component;
        (self.progress)(Progress { component, phase, elapsed: self.began.elapsed() });
    }
}

/// The last log lines of a component's newest container.
pub(super) fn last_lines_of(socket: &Path, component: Component) -> Vec<String> {
    Watch::new(socket, component).last_lines()
}
