//! A deadline for any operation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::clock;

/// Whether nothing is waited for any more.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Interrupts every waiting of this process: no deadline has any time left.
pub fn interrupt_all() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// How long something was waited for; `MAX` once waiting is interrupted.
pub fn waited(since: Instant) -> Duration {
    if is_interrupted() { Duration::MAX } else { since.elapsed() }
}

#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn within(time: Duration) -> Self {
        let now = clock::now();
        // Longer than the clock can count: a day.
        Self(now.checked_add(time).unwrap_or(now + Duration::from_secs(86_400)))
    }

    /// Zero once it has passed.
    pub fn left(self) -> Duration {
        if is_interrupted() {
            return Duration::ZERO;
        }
        self.0.saturating_duration_since(clock::now())
    }

    /// The earlier of this deadline and one that far from now.
    #[must_use]
    pub fn at_most(self, time: Duration) -> Self {
        Self(self.0.min(Self::within(time).0))
    }
}
