//! The monotonic clock. The only place in this room that reads it.

use std::time::Instant;

/// The present moment, for deadlines and for what is measured; no date.
#[expect(clippy::disallowed_methods, reason = "the one place in this room that reads the monotonic clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
