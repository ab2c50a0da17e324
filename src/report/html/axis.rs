//! A time axis: its interval, and where years and months begin.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

const DAY: i64 = 86_400;
/// The approximate number of ticks: more can't be read on a phone.
const MOST_TICKS: i64 = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    from: i64,
    to: i64,
}

impl Axis {
    /// The interval that contains `intervals` and `at`. An interval longer than `longest` years that would
    /// squeeze the others is ignored, if there are others.
    pub(super) fn of(intervals: &[(Timestamp, Timestamp)], at: Timestamp, longest: i64) -> Self {
        let all = intervals.iter().map(|(from, to)| (from.as_second(), to.as_second()));
        let short = |(from, to): &(i64, i64)| to.saturating_sub(*from) <= longest * 366 * DAY;
        let mut counted: Vec<_> = all.clone().filter(short).collect();
        if counted.is_empty() {
            counted = all.collect();
        }
        let at = at.as_second();
        let from = counted.iter().map(|(from, _)| *from).chain([at]).min().unwrap_or(at);
        let to = counted.iter().map(|(_, to)| *to).chain([at]).max().unwrap_or(at);
        // Margins at both ends; at least a day, so that the interval isn't empty.
        let room = (to.saturating_sub(from) / 40).max(DAY);
        Self { from: from.saturating_sub(room), to: to.saturating_add(room) }
    }

    /// The position of a time: 0 at the left, 100 at the right; outside that range if it is outside the axis.
    #[allow(clippy::cast_precision_loss, reason = "seconds of ten thousand years fit")]
    pub(super) fn place(self, moment: Timestamp) -> f64 {
        let offset = moment.as_second().saturating_sub(self.from) as f64;
        100.0 * offset / self.to.saturating_sub(self.from) as f64
    }

    /// Where months or years begin, each with its name.
    pub(super) fn ticks(self) -> Vec<(Timestamp, String)> {
        let months = self.to.saturating_sub(self.from) / (30 * DAY);
        let steps = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 6000, 24_000];
        let step = steps.into_iter().find(|step| months / step < MOST_TICKS).unwrap_or(24_000);
        let Ok(from) = Timestamp::from_second(self.from.max(Timestamp::MIN.as_second())) else {
            return Vec::new();
        };
        let first = TimeZone::UTC.to_datetime(from).date();
        let first = i64::from(first.year()) * 12 + i64::from(first.month()) - 1;
        let mut month = first.div_euclid(step) * step;
        let mut ticks = Vec::new();
        while let Some(moment) = beginning(month).filter(|moment| moment.as_second() <= self.to) {
            if moment.as_second() >= self.from {
                let format = if step < 12 { "%Y-%m" } else { "%Y" };
                ticks.push((moment, moment.strftime(format).to_string()));
            }
            month += step;
        }
        ticks
    }
}

/// The first moment of a month that is counted from year 0.
fn beginning(month: i64) -> Option<Timestamp> {
    let year = i16::try_from(month.div_euclid(12)).ok()?;
    let month = i8::try_from(month.rem_euclid(12) + 1).ok()?;
    let date = Date::new(year, month, 1).ok()?;
    TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn a_year_has_marks_every_other_month_or_so() {
        let year = (time("2025-11-23T22:23:25Z"), time("2026-11-23T22:23:25Z"));
        let axis = Axis::of(&[year], time("2026-01-01T00:00:00Z"), 5);
        assert_eq!(labels(axis), ["2026-01", "2026-03", "2026-05", "2026-07", "2026-09", "2026-11"]);
        assert!(axis.place(year.0) > 0.0 && axis.place(year.1) < 100.0);
    }

    #[test]
    fn one_that_lasts_long_does_not_squeeze_the_others() {
        let year = (time("2025-01-01T00:00:00Z"), time("2026-01-01T00:00:00Z"));
        let century = (time("2025-01-01T00:00:00Z"), time("2125-01-01T00:00:00Z"));
        let at = time("2025-06-01T00:00:00Z");
        assert_eq!(Axis::of(&[year, century], at, 5), Axis::of(&[year], at, 5));
        assert!(Axis::of(&[year, century], at, 5).place(century.1) > 100.0);
        let alone = Axis::of(&[century], at, 5);
        assert!(alone.place(century.1) < 100.0);
        assert_eq!(labels(alone), ["2040", "2060", "2080", "2100", "2120"]);
    }

    #[test]
    fn the_ends_of_time_are_no_harm() {
        let all = (Timestamp::MIN, Timestamp::MAX);
        for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            let axis = Axis::of(&[all], at, 5);
            assert!(labels(axis).len() <= 12, "{:?}", labels(axis));
            assert!(axis.place(all.0) >= 0.0);
        }
        // A single moment.
        let axis = Axis::of(&[], time("2026-11-24T00:00:00Z"), 5);
        assert!((axis.place(time("2026-11-24T00:00:00Z")) - 50.0).abs() < 0.01);
    }
}
