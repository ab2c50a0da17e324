//! Lines that are JSON objects: journald's (`journalctl -o json`), docker's, etcd's zap and klog's JSON form.
//!
//! Only the top level is parsed, as far as it is valid: a truncated line still has its time.

use std::borrow::Cow;

use jiff::Timestamp;

use super::Head;
use super::stamp::{Cursor, Stamp};

pub(super) fn head(line: &[u8]) -> Head<'_> {
    let mut head = Head::default();
    let mut command = None;
    for (key, value) in Fields(line.get(1..).unwrap_or_default()) {
        match key {
            b"__REALTIME_TIMESTAMP" => head.stamp = microseconds(value).or(head.stamp),
            // docker, zap, klog; journald's own time counts first.
            b"time" | b"ts" if head.stamp.is_none() => head.stamp = text_or_number(value),
            b"SYSLOG_IDENTIFIER" => head.program = name(value),
            b"_COMM" => command = name(value),
            _ => {}
        }
    }
    head.program = head.program.or(command);
    head
}

fn name(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
        Value::Other(_) => None,
    }
}

fn microseconds(value: Value<'_>) -> Option<Stamp> {
    let (Value::Text(text) | Value::Other(text)) = value;
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Timestamp::from_microsecond(number).ok().map(Stamp::Absolute)
}

fn text_or_number(value: Value<'_>) -> Option<Stamp> {
    match value {
        Value::Text(text) => Cursor(text).date_and_time(),
        Value::Other(text) => {
            let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            // zap counts seconds, klog milliseconds; seconds are below 10^11.
            let milliseconds = if number.abs() < 1e11 { number * 1e3 } else { number };
            let in_range = milliseconds.is_finite() && milliseconds.abs() < 1e15;
            // A float has no more than microseconds anyway.
            #[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
            let microseconds = in_range.then_some((milliseconds * 1e3) as i64)?;
            Timestamp::from_microsecond(microseconds).ok().map(Stamp::Absolute)
        }
    }
}

#[derive(Clone, Copy)]
enum Value<'a> {
    /// Between the quotes, escapes unchanged.
    Text(&'a [u8]),
    /// A number, an object, …
    Other(&'a [u8]),
}

/// The fields of an object, from behind its brace.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip(b" \t,");
        let key = self.string()?;
        self.skip(b" \t");
        self.0 = self.0.strip_prefix(b":")?;
        self.skip(b" \t");
        let value =
            if self.0.starts_with(b"\"") { Value::Text(self.string()?) } else { Value::Other(self.other()?) };
        Some((key, value))
    }
}

impl<'a> Fields<'a> {
    fn skip(&mut self, bytes: &[u8]) {
        while let Some((first, rest)) = self.0.split_first()
            && bytes.contains(first)
        {
            self.0 = rest;
        }
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let all = self.0.strip_prefix(b"\"")?;
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', all.get(at..)?)?;
            if all.get(at) == Some(&b'"') {
                break;
            }
            at += 2;
        }
        self.0 = all.get(at + 1..)?;
        all.get(..at)
    }

    /// Up to the comma or the closing brace.
    fn other(&mut self) -> Option<&'a [u8]> {
        let start = self.0;
        let mut depth = 0_usize;
        loop {
            match self.0.first()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b',' | b'}' if depth == 0 => break,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.0 = self.0.get(1..)?;
        }
        start.get(..start.len() - self.0.len()).map(<[u8]>::trim_ascii)
    }
}
