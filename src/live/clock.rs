//! The clocks of the live room, which waits for processes. The only place in it that reads them.

use std::time::Instant;

use jiff::Timestamp;

/// The present moment, for deadlines and for what is measured; no date.
#[expect(clippy::disallowed_methods, reason = "the one place in this room that reads the monotonic clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, to be compared with the starts of processes and the times of files. What a certificate
/// is judged by is a parameter instead.
#[expect(clippy::disallowed_methods, reason = "processes and files have the times of this machine's clock")]
pub fn wall() -> Timestamp {
    Timestamp::now()
}
