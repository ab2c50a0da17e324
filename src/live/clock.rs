//! The clocks for waiting on processes. The only place in `live` that reads them.

use std::time::Instant;

use jiff::Timestamp;

/// The monotonic clock, for deadlines and durations; no date.
#[expect(clippy::disallowed_methods, reason = "the one place in this room that reads the monotonic clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, to compare with process starts and file times. The time of evaluation of certificates is
/// a parameter instead.
#[expect(clippy::disallowed_methods, reason = "processes and files have the times of this machine's clock")]
pub fn wall() -> Timestamp {
    Timestamp::now()
}
