//! The times of one log: its period, and whether its times are in order.

use jiff::{SignedDuration, Timestamp};

/// How many jumps of the clock are kept.
const MAX_JUMPS: usize = 4;
/// Lines of several threads and streams may be out of order by this much.
const JUMP: SignedDuration = SignedDuration::from_secs(10);

/// A line that was written earlier than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The time of the previous line.
    pub from: Timestamp,
    pub to: Timestamp,
}

/// First and last time, separately for absolute and local times.
#[derive(Debug, Default)]
pub(super) struct Spans {
    absolute: Option<(Timestamp, Timestamp)>,
    local: Option<(Timestamp, Timestamp)>,
}

impl Spans {
    pub(super) fn add(&mut self, time: Timestamp, local: bool) {
        let span = if local { &mut self.local } else { &mut self.absolute };
        let (first, last) = span.get_or_insert((time, time));
        (*first, *last) = ((*first).min(time), (*last).max(time));
    }

    /// Both as one, with local times `east` seconds ahead of UTC.
    pub(super) fn at(&self, east: i32) -> Option<(Timestamp, Timestamp)> {
        let local = self.local.map(|(first, last)| (shifted(first, east), shifted(last, east)));
        match (self.absolute, local) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        }
    }
}

fn shifted(time: Timestamp, east: i32) -> Timestamp {
    time.checked_sub(SignedDuration::from_secs(i64::from(east))).unwrap_or(time)
}

/// Whether times are in order.
#[derive(Debug, Default)]
pub(super) struct Order {
    latest: Option<(Timestamp, bool)>,
    jumps: Vec<(Jump, bool)>,
    seen: u64,
    backward: u64,
}

impl Order {
    pub(super) fn add(&mut self, time: Timestamp, local: bool) {
        self.seen += 1;
        if let Some((before, same)) = self.latest.replace((time, local))
            && same == local
            && time < before
        {
            self.backward += 1;
            if before.duration_since(time) > JUMP && self.jumps.len() < MAX_JUMPS {
                self.jumps.push((Jump { from: before, to: time }, local));
            }
        }
    }

    /// None if most lines go back: that log is printed newest first.
    pub(super) fn jumps(self, east: i32) -> Vec<Jump> {
        if self.backward * 2 > self.seen {
            return Vec::new();
        }
        let jumps = self.jumps.into_iter().map(|(jump, local)| match local {
            true => Jump { from: shifted(jump.from, east), to: shifted(jump.to, east) },
            false => jump,
        });
        jumps.collect()
    }
}
