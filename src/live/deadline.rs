//! A deadline for any operation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::clock;

/// Whether nothing is waited for any more.
static ENDED: AtomicBool = AtomicBool::new(false);

/// Ends every waiting of this process: no deadline has any time left.
pub fn end_all() {
    ENDED.store(true, Ordering::Relaxed);
}

pub fn has_ended() -> bool {
    ENDED.load(Ordering::Relaxed)
}

/// How long something was waited for; without end once waiting has ended.
pub fn waited(since: Instant) -> Duration {
    if has_ended() { Duration::MAX } else { since.elapsed() }
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
        if has_ended() {
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
