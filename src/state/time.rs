//! Times as text.

use jiff::Timestamp;

use super::text::count;

/// `2027-11-26 22:40 UTC`.
pub fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `2027-11-26`.
pub fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// `expired on 2024-12-31 (695 days ago)`.
pub fn expired_on(end: Timestamp, now: Timestamp) -> String {
    format!("expired on {} ({} ago)", day(end), span(now, end))
}

/// `expires on 2027-11-26 (in 365 days)`.
pub fn expires_on(end: Timestamp, now: Timestamp) -> String {
    format!("expires on {} (in {})", day(end), span(end, now))
}

/// `53 days`, `1 day`, `5 hours`: from the earlier to the later time, rounded down.
pub fn span(later: Timestamp, earlier: Timestamp) -> String {
    let seconds = later.as_second().saturating_sub(earlier.as_second()).max(0);
    match seconds {
        0..3600 => count(seconds / 60, "minute"),
        3600..86_400 => count(seconds / 3600, "hour"),
        _ => count(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_by_people() {
        let [now, then] = ["2026-11-27T01:30:00Z", "2024-12-31T00:00:00Z"].map(|time| time.parse().unwrap());
        assert_eq!(expired_on(then, now), "expired on 2024-12-31 (696 days ago)");
        assert_eq!(expires_on(now, then), "expires on 2026-11-27 (in 696 days)");
        assert_eq!(minute(now), "2026-11-27 01:30 UTC");
        for (seconds, told) in [(59, "0 minutes"), (60, "1 minute"), (7200, "2 hours"), (86_400, "1 day")] {
            assert_eq!(span(Timestamp::from_second(seconds).unwrap(), Timestamp::UNIX_EPOCH), told);
        }
    }
}
