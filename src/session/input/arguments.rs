//! Values as operators type them: moments, lengths of time, codes.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::{Date, Time};

use crate::analysis::node::facts::host_of;
use crate::session::Context;
use crate::state::Code;

/// Options of `kubeadm certs` that have no effect here.
#[derive(clap::Args, Debug)]
pub struct KubeadmArgs {
    /// Accepted as kubeadm does, and not read: names and paths come from the disk
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    config: Option<PathBuf>,
    /// Accepted as kubeadm does, and not read: names and paths come from the disk
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    kubeconfig: Option<PathBuf>,
}

impl KubeadmArgs {
    /// Says that what was given is not read.
    pub fn tell(&self, context: &mut Context<'_>) {
        for (flag, given) in [("--config", &self.config), ("--kubeconfig", &self.kubeconfig)] {
            if given.is_some() {
                context
                    .out
                    .note(&format!("{flag} is not read: names and paths come from the disk of this node"));
            }
        }
    }
}

/// RFC 3339; or a date, with or without a time of day, in UTC.
///
/// # Errors
/// It is none of these.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time: Result<Timestamp, _> = text.parse();
    time.ok().or_else(|| parse_utc(text)).ok_or_else(|| {
        "a time such as 2027-03-01T12:00:00Z or '2027-03-01 12:00' (UTC), or a day such as 2027-03-01"
            .to_owned()
    })
}

/// A date and a time of day without an offset: `2027-03-01 12:00`, as the output shows it. A plain parser of dates
/// passes over what comes after the date.
fn parse_utc(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let (date, time) = text.split_once([' ', 'T']).map_or((text, None), |(date, time)| (date, Some(time)));
    let plain = |part: &str, beside: char| part.chars().all(|c| c.is_ascii_digit() || c == beside);
    if !plain(date, '-') || time.is_some_and(|time| !plain(time, ':')) {
        return None;
    }
    let date: Date = date.parse().ok()?;
    let time: Time = time.map_or(Some(Time::midnight()), |time| time.parse().ok())?;
    jiff::tz::TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()
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
        let noon = "2027-03-01T12:00:00Z";
        for text in
            ["2027-03-01 12:00", "2027-03-01T12:00:00", "2027-03-01 12:00 UTC", "2027-03-01 21:00+09:00"]
        {
            assert_eq!(parse_time(text).unwrap().to_string(), noon, "{text}");
        }
        let wrong = [
            "yesterday",
            "2027-03-01 noon",
            "2027-03-01 12:00 JST",
            "2027-03-01 25:00",
            "2027-03-01 ",
            "2027-03-01 12:00-1",
        ];
        for text in wrong {
            assert!(parse_time(text).is_err(), "{text}");
        }
        assert_eq!(parse_duration("30d").unwrap().as_secs(), 30 * 86_400);
        assert_eq!(parse_duration("1h30m").unwrap().as_secs(), 5400);
        for wrong in ["", "30", "d", "-1d", "99999999999999999999d", "9223372036854775807w"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
