//! How long something may take, whatever it is made of.

use std::time::{Duration, Instant};

use super::clock;

/// A moment by which something is given up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn within(time: Duration) -> Self {
        let now = clock::now();
        // Longer than the clock can count is as good as a day.
        Self(now.checked_add(time).unwrap_or(now + Duration::from_secs(86_400)))
    }

    /// What is left of it; zero once it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(clock::now())
    }

    /// The earlier of this one and one so long from now.
    #[must_use]
    pub fn at_most(self, time: Duration) -> Self {
        Self(self.0.min(Self::within(time).0))
    }
}
