//! The one place of this room that reads the monotonic clock: deadlines and how long something took.

use std::time::Instant;

/// Now, for measuring only.
#[expect(
    clippy::disallowed_methods,
    reason = "deadlines are measured here; no decision hangs on the calendar"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
