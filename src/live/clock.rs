//! The monotonic clock: the live room waits for processes, so it needs one. What time of day it is stays
//! a parameter.

use std::time::Instant;

/// This moment.
pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    Instant::now()
}
