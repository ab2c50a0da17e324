//! One log as a stream of bytes: which known lines it contains, how often, the first and the last time.
//!
//! For speed, a buffer is searched for the texts of known lines, and only matching lines are cut out, dated
//! and counted. The result doesn't depend on how the stream was cut into chunks, and memory is bounded
//! whatever the stream holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use memchr::{memchr, memrchr};

use super::clock::{Jump, Order, Spans};
use crate::formats::log::{self, Head, KnownLine, Matcher, Named, Nature, Stamp};
use crate::state::Code;

/// The longest line: only this much of a longer one is read. The container runtime cuts lines at 16 KiB.
pub const MAX_LINE: usize = 64 << 10;

/// How many bytes of a line are kept as a sample.
const SAMPLE: usize = 400;
/// How many different expiry times are kept for each known line.
const MAX_EXPIRIES: usize = 16;
/// One line in this many bytes is always dated, for the order of times and the period of the log.
const PROBE: u64 = 64 << 10;
/// A node's local time may be this much ahead of UTC.
const WIDEST_ZONE: SignedDuration = SignedDuration::from_hours(14);

/// Programs whose name in a line counts as the source.
const PROGRAMS: [&str; 13] = [
    "chronyd",
    "containerd",
    "crio",
    "dockerd",
    "etcd",
    "kernel",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "ntpd",
    "systemd",
    "systemd-timesyncd",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One program wrote it: a container, by name.
    Program(String),
    /// The system's log: only lines that name one of the relevant programs.
    System,
    /// A file that the user gave. A line's source is the program that it names, the one that alone writes
    /// such lines, or this name.
    Given(String),
}

#[derive(Debug)]
pub struct Scanner<'m> {
    matcher: &'m Matcher,
    origin: Origin,
    not_after: Timestamp,
    /// The beginning of an incomplete line; empty between lines.
    carry: Vec<u8>,
    /// The position of that line in the stream.
    carried_from: u64,
    /// How many bytes have been fed.
    position: u64,
    /// From this position the next line is always dated.
    next_probe: u64,
    /// The time of the last complete line.
    last_line: Option<Stamp>,
    zone: Option<i32>,
    tallies: BTreeMap<(Option<&'static str>, Code), Tally>,
    covered: Spans,
    order: Order,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    pub found: Vec<Found>,
    /// The times of its first and its last line.
    pub covered: Option<(Timestamp, Timestamp)>,
    /// Where its clock went back.
    pub jumps: Vec<Jump>,
    /// Its size in bytes.
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub source: String,
    pub known: &'static KnownLine,
    pub span: Option<(Timestamp, Timestamp)>,
    pub count: u64,
    /// How often without a time.
    pub undated: u64,
    /// The first occurrence.
    pub sample: String,
    /// Expiry times of the certificates that the lines name.
    pub expiries: BTreeSet<Timestamp>,
}

impl PartialEq for KnownLine {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for KnownLine {}

impl<'m> Scanner<'m> {
    /// A scan of a log that was written before `not_after`, which sets the year of lines without one.
    pub fn new(matcher: &'m Matcher, origin: Origin, not_after: Timestamp) -> Self {
        Self {
            matcher,
            origin,
            not_after: not_after.checked_add(WIDEST_ZONE).unwrap_or(Timestamp::MAX),
            carry: Vec::new(),
            carried_from: 0,
            position: 0,
            next_probe: 0,
            last_line: None,
            zone: None,
            tallies: BTreeMap::new(),
            covered: Spans::default(),
            order: Order::default(),
        }
    }

    pub fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        if !self.carry.is_empty() {
            let Some(end) = memchr(b'\n', rest) else { return self.carry(rest) };
            let (line, after) = rest.split_at_checked(end + 1).unwrap_or_default();
            self.carry(line.get(..end).unwrap_or_default());
            self.position += 1;
            rest = after;
            self.carried();
        }
        let whole = memrchr(b'\n', rest).map_or(0, |end| end + 1);
        let (lines, begun) = rest.split_at_checked(whole).unwrap_or_default();
        self.lines(lines, self.position);
        self.position += lines.len() as u64;
        self.carried_from = self.position;
        self.carry(begun);
    }

    pub fn finish(mut self) -> Scan {
        if !self.carry.is_empty() {
            self.carried();
        }
        if let Some((time, local)) = self.last_line.and_then(|stamp| self.moment(stamp)) {
            self.covered.add(time, local);
        }
        let zone = self.zone.unwrap_or(0);
        let name = match self.origin {
            Origin::Program(name) | Origin::Given(name) => name,
            // Not reached: lines of the system's log have a program.
            Origin::System => "system".to_owned(),
        };
        let found = self.tallies.into_iter().map(|((source, _), tally)| Found {
            source: source.map_or_else(|| name.clone(), str::to_owned),
            known: tally.known,
            span: tally.spans.at(zone),
            count: tally.count,
            undated: tally.undated,
            sample: tally.sample,
            expiries: tally.expiries,
        });
        Scan {
            found: found.collect(),
            covered: self.covered.at(zone),
            jumps: self.order.jumps(zone),
            bytes: self.position,
        }
    }

    fn carry(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.carry.len()).min(bytes.len());
        self.carry.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.position += bytes.len() as u64;
    }

    fn carried(&mut self) {
        let mut line = std::mem::take(&mut self.carry);
        self.lines(&line, self.carried_from);
        line.clear();
        self.carry = line;
    }

    /// Complete lines; the first begins at `start` of the stream.
    fn lines(&mut self, lines: &[u8], start: u64) {
        let matcher = self.matcher;
        let mut at = 0;
        while let Some((from, to)) = matcher.find(lines, at) {
            let begin =
                lines.get(at..from).and_then(|before| memrchr(b'\n', before)).map_or(at, |end| at + end + 1);
            let end =
                lines.get(to..).and_then(|after| memchr(b'\n', after)).map_or(lines.len(), |end| to + end);
            self.probe(lines, start, begin);
            self.candidate(bounded(lines.get(begin..end).unwrap_or_default()));
            at = end + 1;
        }
        self.probe(lines, start, lines.len());
        if let Some(last) = lines.strip_suffix(b"\n").or((!lines.is_empty()).then_some(lines)) {
            let begin = memrchr(b'\n', last).map_or(0, |end| end + 1);
            let last = bounded(last.get(begin..).unwrap_or_default());
            self.last_line = log::head(last).stamp;
        }
    }

    /// Dates the lines that are due, up to the one that begins at `upto`.
    fn probe(&mut self, lines: &[u8], start: u64, upto: usize) {
        while self.next_probe <= start + upto as u64 {
            let due = usize::try_from(self.next_probe.saturating_sub(start)).unwrap_or(usize::MAX);
            let begin = match due.checked_sub(1) {
                None => 0,
                Some(before) => match lines.get(before..).and_then(|rest| memchr(b'\n', rest)) {
                    Some(end) => before + end + 1,
                    None => return,
                },
            };
            if begin > upto || begin >= lines.len() {
                return;
            }
            let rest = lines.get(begin..).unwrap_or_default();
            let line = bounded(rest.get(..memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default());
            self.next_probe = ((start + begin as u64) / PROBE + 1) * PROBE;
            if let Some((time, local)) = log::head(line).stamp.and_then(|stamp| self.moment(stamp)) {
                self.covered.add(time, local);
                self.order.add(time, local);
            }
        }
    }

    fn candidate(&mut self, line: &[u8]) {
        let Some(known) = self.matcher.classify(line) else { return };
        let head = log::head(line);
        let Some(source) = self.source(&head, known) else { return };
        let speaks_of_times = matches!(known.nature, Nature::Tls | Nature::KubeletStart);
        let named = if speaks_of_times { log::named(line) } else { Named::default() };
        let moment = head.stamp.and_then(|stamp| {
            if let Some((time, east)) = named.clock.and_then(|clock| stamp.resolve_by(clock)) {
                self.zone.get_or_insert(east);
                return Some((time, false));
            }
            self.moment(stamp)
        });
        let tally = self.tallies.entry((source, known.code)).or_insert_with(|| Tally::new(known, line));
        tally.count += 1;
        match moment {
            Some((time, local)) => {
                tally.spans.add(time, local);
                self.covered.add(time, local);
                // A line with a time zone cannot be ordered against lines without one.
                if local || head.stamp.is_some_and(|stamp| stamp.absolute().is_some()) {
                    self.order.add(time, local);
                }
            }
            None => tally.undated += 1,
        }
        if let Some(end) = named.expired {
            tally.expiries.insert(end);
            if tally.expiries.len() > MAX_EXPIRIES {
                tally.expiries.pop_last();
            }
        }
    }

    /// The program that wrote it: `Some(None)` is the log's own name, `None` an irrelevant program.
    fn source(&self, head: &Head<'_>, known: &KnownLine) -> Option<Option<&'static str>> {
        let named = || {
            let program = head.program.as_deref()?;
            PROGRAMS.iter().find(|known| **known == program).copied()
        };
        match &self.origin {
            Origin::Program(_) => Some(None),
            Origin::System => named().map(Some),
            Origin::Given(_) => Some(named().or(known.writer)),
        }
    }

    /// The time of a line, and whether its time zone is not known yet.
    fn moment(&self, stamp: Stamp) -> Option<(Timestamp, bool)> {
        Some((stamp.resolve(0, self.not_after)?, stamp.absolute().is_none()))
    }
}

fn bounded(line: &[u8]) -> &[u8] {
    line.get(..MAX_LINE).unwrap_or(line)
}

/// The counts of one known line.
#[derive(Debug)]
struct Tally {
    known: &'static KnownLine,
    count: u64,
    undated: u64,
    spans: Spans,
    sample: String,
    expiries: BTreeSet<Timestamp>,
}

impl Tally {
    fn new(known: &'static KnownLine, line: &[u8]) -> Self {
        let start = line.get(..SAMPLE).unwrap_or(line);
        let mut sample = String::from_utf8_lossy(start.trim_ascii_end()).into_owned();
        if start.len() < line.len() {
            // A character that was cut.
            sample.truncate(sample.trim_end_matches('\u{fffd}').len());
            sample.push('…');
        }
        Self { known, count: 0, undated: 0, spans: Spans::default(), sample, expiries: BTreeSet::new() }
    }
}
