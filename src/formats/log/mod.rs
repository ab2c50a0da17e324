//! Log lines: when they were written and by which program ([`head()`], [`Stamp`]), which times they name
//! ([`named`]), and which known line they are ([`known()`], [`Matcher`]).
//!
//! The forms: CRI (`TIME stderr F text`), klog, etcd's capnslog and zap, journalctl's `short`, `short-iso`
//! and `json`, docker's JSON lines, and text without any time. A line is any bytes; nothing here is an error.

mod json;
mod known;
mod matcher;
mod stamp;

use std::borrow::Cow;

use jiff::Timestamp;
use memchr::memmem;

pub use self::known::{KnownLine, Nature, known};
pub use self::matcher::Matcher;
use self::stamp::Cursor;
pub use self::stamp::Stamp;

/// What precedes the text of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head<'a> {
    pub stamp: Option<Stamp>,
    /// The program, if the line itself names it (`kubelet[9438]:`, `SYSLOG_IDENTIFIER`).
    pub program: Option<Cow<'a, str>>,
}

pub fn head(line: &[u8]) -> Head<'_> {
    match line.first() {
        Some(b'{') => json::head(line),
        Some(b'0'..=b'9') => dated(line),
        Some(b'A'..=b'Z') => klog(line).or_else(|| syslog(line)).unwrap_or_default(),
        _ => Head::default(),
    }
}

/// `2026-11-23T22:21:47.3Z stderr F text`, `2026-11-23 22:26:58.954945 I | text`,
/// `2026-11-23T22:26:53+0100 host kubelet[9438]: text`.
fn dated(line: &[u8]) -> Head<'_> {
    let mut cursor = Cursor(line);
    let Some(stamp) = cursor.date_and_time() else { return Head::default() };
    // A container's text can't name another program: CRI's time is followed by its stream.
    let container = cursor.0.starts_with(b" stderr ") || cursor.0.starts_with(b" stdout ");
    let program = if container { None } else { host_and_program(cursor.0) };
    Head { stamp: Some(stamp), program }
}

/// `E1123 22:26:53.803065    9438 file.go:437] text`
fn klog(line: &[u8]) -> Option<Head<'_>> {
    let (level, rest) = line.split_first()?;
    if !b"IWEFD".contains(level) {
        return None;
    }
    let mut cursor = Cursor(rest);
    let (month, day) = (cursor.number(2)?, cursor.number(2)?);
    cursor.byte(b' ')?;
    let time = cursor.time()?;
    Some(Head { stamp: Some(Stamp::without_year(month, day, time)?), program: None })
}

/// `Nov 23 22:26:53 host kubelet[9438]: text`
fn syslog(line: &[u8]) -> Option<Head<'_>> {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let (name, rest) = line.split_at_checked(3)?;
    let month = MONTHS.iter().position(|month| *month == name)? + 1;
    let mut cursor = Cursor(rest);
    cursor.byte(b' ')?;
    // One digit is padded with a space.
    let day = if cursor.byte(b' ').is_some() { cursor.number(1)? } else { cursor.number(2)? };
    cursor.byte(b' ')?;
    let time = cursor.time()?;
    let stamp = Stamp::without_year(i32::try_from(month).ok()?, day, time)?;
    Some(Head { stamp: Some(stamp), program: host_and_program(cursor.0) })
}

/// ` host program[pid]: text`, or ` host program: text`.
fn host_and_program(rest: &[u8]) -> Option<Cow<'_, str>> {
    const LONGEST: usize = 300;
    let rest = rest.strip_prefix(b" ")?;
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let host = memchr::memchr(b' ', rest)?;
    let rest = rest.get(host + 1..)?;
    let end = memchr::memchr3(b'[', b':', b' ', rest)?;
    let (name, after) = rest.split_at_checked(end)?;
    // A time, or a text with a colon, is no program.
    let is_name = name.first().is_some_and(u8::is_ascii_alphabetic) && !after.starts_with(b" ");
    is_name.then(|| std::str::from_utf8(name).ok().map(Cow::Borrowed))?
}

/// Times in the text of a line. Go's TLS writes `current time T is after T2`, with a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The writer's clock, to the second.
    pub clock: Option<Timestamp>,
    /// When the certificate in question expired.
    pub expired: Option<Timestamp>,
    /// When the certificate in question becomes valid, if it isn't yet.
    pub begins: Option<Timestamp>,
}

/// The times in a line's text.
pub fn named(line: &[u8]) -> Named {
    let mut named = Named::default();
    if let Some(at) = memmem::find(line, b"current time ") {
        let mut cursor = Cursor(line.get(at + 13..).unwrap_or_default());
        named.clock = cursor.date_and_time().and_then(Stamp::absolute);
        if cursor.word(b" is after ").is_some() {
            named.expired = cursor.date_and_time().and_then(Stamp::absolute);
        } else if cursor.word(b" is before ").is_some() {
            named.begins = cursor.date_and_time().and_then(Stamp::absolute);
        }
    } else if let Some(at) = memmem::find(line, b" is expired: ") {
        // The kubelet prints Go's own form: 2026-10-24 22:43:54 +0000 UTC.
        let mut cursor = Cursor(line.get(at + 13..).unwrap_or_default());
        named.expired = cursor.date_time_and_offset();
    }
    named
}

#[cfg(test)]
mod tests;
