//! Values as operators type them: moments, lengths of time, codes.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::analysis::node::facts::host_of;
use crate::state::Code;

/// RFC 3339, or a date.
///
/// # Errors
/// It is neither.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let day = || {
        let date: Date = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()
    };
    let time: Result<Timestamp, _> = text.parse();
    time.ok()
        .or_else(day)
        .ok_or_else(|| "a time such as 2027-03-01T12:00:00Z, or a day such as 2027-03-01".to_owned())
}

/// `30d`, `12h`, Go's `720h30m`.
///
/// # Errors
/// It is no duration.
pub fn parse_duration(text: &str) -> Result<jiff::SignedDuration, String> {
    let wrong = || "a length of time such as 30d, 12h or 90m".to_owned();
    let mut seconds: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let mut chars = tail.chars();
        let unit = match chars.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            Some('y') => 31_536_000,
            _ => return Err(wrong()),
        };
        let number: i64 = number.parse().map_err(|_| wrong())?;
        seconds = number.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
        rest = chars.as_str();
    }
    if text.is_empty() { Err(wrong()) } else { Ok(jiff::SignedDuration::from_secs(seconds)) }
}

/// A code by its name.
///
/// # Errors
/// There is no such code.
pub fn parse_code(text: &str) -> Result<Code, String> {
    Code::named(text).ok_or_else(|| "a code, as it stands in brackets (kuberescue explain --list)".to_owned())
}

/// The URL of an API server.
///
/// # Errors
/// It is none.
pub fn parse_server(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_graphic()) && text.starts_with("https://");
    match host_of(text).filter(|_| plain) {
        Some(_) => Ok(text.to_owned()),
        None => Err("a URL such as https://10.0.0.10:6443".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations() {
        assert_eq!(parse_time("2027-03-01").unwrap().to_string(), "2027-03-01T00:00:00Z");
        assert_eq!(parse_time("2027-03-01T12:00:00Z").unwrap().to_string(), "2027-03-01T12:00:00Z");
        assert!(parse_time("yesterday").is_err());
        assert_eq!(parse_duration("30d").unwrap().as_secs(), 30 * 86_400);
        assert_eq!(parse_duration("1h30m").unwrap().as_secs(), 5400);
        for wrong in ["", "30", "d", "-1d", "99999999999999999999d", "9223372036854775807w"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
