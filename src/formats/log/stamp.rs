//! The time at the head of a line: with a zone, without one, or even without a year.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// When a line was written, as far as the line itself shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// With a zone.
    Absolute(Timestamp),
    /// The node's local time.
    Local(DateTime),
    /// Local time of an unknown year; the date is one of the year 2000, which has every day.
    WithoutYear(DateTime),
}

/// How many years back a line without a year is searched for: leap days come back after 4, or 8 around 1900
/// and 2100.
const YEARS_BACK: i16 = 8;

impl Stamp {
    pub(super) fn without_year(month: i32, day: i32, time: Time) -> Option<Self> {
        let date = Date::new(2000, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        Some(Self::WithoutYear(date.to_datetime(time)))
    }

    /// The time, if a zone is given.
    pub fn absolute(self) -> Option<Timestamp> {
        match self {
            Self::Absolute(time) => Some(time),
            Self::Local(_) | Self::WithoutYear(_) => None,
        }
    }

    /// The time, with local times in a zone that is `east` seconds ahead of UTC. A missing year is the last
    /// one that doesn't put the line after `not_after`.
    pub fn resolve(self, east: i32, not_after: Timestamp) -> Option<Timestamp> {
        let offset = Offset::from_seconds(east).ok()?;
        match self {
            Self::Absolute(time) => Some(time),
            Self::Local(local) => offset.to_timestamp(local).ok(),
            Self::WithoutYear(local) => {
                // In another zone it may be another year.
                let latest = Offset::UTC.to_datetime(not_after).year().saturating_add(1);
                let years = (0..=YEARS_BACK + 1).map(|back| latest.saturating_sub(back));
                let times = years.filter_map(|year| offset.to_timestamp(in_year(local, year)?).ok());
                times.into_iter().find(|time| *time <= not_after)
            }
        }
    }

    /// The time, and by how many seconds the node's local time is ahead of UTC, for a line that names its own
    /// `clock`. `None` if the two are unrelated.
    pub fn resolve_by(self, clock: Timestamp) -> Option<(Timestamp, i32)> {
        /// Zones differ from UTC by multiples of 15 minutes, and by 14 hours at most.
        const QUARTER: i64 = 900;
        const WIDEST: i64 = 14 * 3600;
        /// Seconds between reading the clock and writing the line.
        const SLACK: i64 = 60;
        let candidates: Vec<DateTime> = match self {
            Self::Absolute(_) => return None,
            Self::Local(local) => vec![local],
            Self::WithoutYear(local) => {
                let year = Offset::UTC.to_datetime(clock).year();
                let years = [year.saturating_sub(1), year, year.saturating_add(1)];
                years.into_iter().filter_map(|year| in_year(local, year)).collect()
            }
        };
        candidates.into_iter().find_map(|local| {
            let as_utc = Offset::UTC.to_timestamp(local).ok()?;
            let ahead = as_utc.as_second() - clock.as_second();
            let east = (ahead + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
            if east.abs() > WIDEST || (ahead - east).abs() > SLACK {
                return None;
            }
            let east = i32::try_from(east).ok()?;
            Some((Offset::from_seconds(east).ok()?.to_timestamp(local).ok()?, east))
        })
    }
}

fn in_year(local: DateTime, year: i16) -> Option<DateTime> {
    Some(Date::new(year, local.month(), local.day()).ok()?.to_datetime(local.time()))
}

/// The rest of a text while a time is parsed from its start. A part that doesn't match leaves it unchanged.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl Cursor<'_> {
    pub(super) fn byte(&mut self, byte: u8) -> Option<()> {
        self.word(&[byte])
    }

    pub(super) fn word(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    /// Exactly `digits` digits.
    pub(super) fn number(&mut self, digits: usize) -> Option<i32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let value = number.iter().try_fold(0, |value: i32, digit| {
            digit.is_ascii_digit().then(|| value * 10 + i32::from(digit - b'0'))
        })?;
        self.0 = rest;
        Some(value)
    }

    /// `22:26:53` with any fraction; a leap second is the one before it.
    pub(super) fn time(&mut self) -> Option<Time> {
        let mut here = *self;
        let hour = here.number(2)?;
        here.byte(b':')?;
        let minute = here.number(2)?;
        here.byte(b':')?;
        let second = here.number(2)?.min(59);
        let small = |number: i32| i8::try_from(number).ok();
        let time = Time::new(small(hour)?, small(minute)?, small(second)?, here.nanoseconds()).ok()?;
        *self = here;
        Some(time)
    }

    fn nanoseconds(&mut self) -> i32 {
        let Some((b'.' | b',', rest)) = self.0.split_first() else { return 0 };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = rest.split_at_checked(digits).unwrap_or_default();
        self.0 = rest;
        let padded = number.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        padded.fold(0, |value, digit| value * 10 + i32::from(digit - b'0'))
    }

    /// `2026-11-23` or `2026/11/23`, `T` or a space, the time, and a zone if there is one.
    pub(super) fn date_and_time(&mut self) -> Option<Stamp> {
        let mut here = *self;
        let local = here.local()?;
        let stamp = match here.offset() {
            Some(offset) => Stamp::Absolute(offset.to_timestamp(local).ok()?),
            None => Stamp::Local(local),
        };
        *self = here;
        Some(stamp)
    }

    /// `2026-10-24 22:43:54 +0000`: a space before the zone.
    pub(super) fn date_time_and_offset(&mut self) -> Option<Timestamp> {
        let mut here = *self;
        let local = here.local()?;
        here.byte(b' ')?;
        here.offset()?.to_timestamp(local).ok()
    }

    fn local(&mut self) -> Option<DateTime> {
        let year = self.number(4)?;
        let separator = if self.0.starts_with(b"/") { b'/' } else { b'-' };
        self.byte(separator)?;
        let month = self.number(2)?;
        self.byte(separator)?;
        let day = self.number(2)?;
        if self.byte(b'T').is_none() {
            self.byte(b' ')?;
        }
        let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        Some(date.ok()?.to_datetime(self.time()?))
    }

    /// `Z`, `+01:00` or `+0100`.
    fn offset(&mut self) -> Option<Offset> {
        if self.byte(b'Z').is_some() {
            return Some(Offset::UTC);
        }
        let mut here = *self;
        let sign = if here.byte(b'-').is_some() {
            -1
        } else {
            here.byte(b'+')?;
            1
        };
        let hours = here.number(2)?;
        let _colon = here.byte(b':');
        let minutes = here.number(2)?;
        let offset = Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()?;
        *self = here;
        Some(offset)
    }
}
