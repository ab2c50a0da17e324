//! The validity chart: a bar for each certificate, on one time axis for leaf certificates and on another for
//! CAs, whose ten years would squeeze the others.
//!
//! Positions along the axis are percentages, so that the chart is as wide as the page and its text keeps its
//! size. Patterns and words explain a bar, not colour alone.

use jiff::Timestamp;

use super::axis::Axis;
use super::markup::Markup;
use crate::analysis::forensics::diagnosis::{Diagnosis, Validity};
use crate::analysis::node::findings::Code;
use crate::state::text::count;

/// Height of the axis above the bars, and of one bar with its name.
const TOP: usize = 46;
const ROW: usize = 32;
/// Where the bar begins in it.
const BAR: usize = 19;
/// How many characters of a name are shown above its bar: the end, because names may be paths.
const LONGEST_NAME: usize = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Expired,
    NotYet,
    Expiring,
    Valid,
}

impl Condition {
    pub(super) fn of(validity: &Validity, diagnosis: &Diagnosis) -> Self {
        let soon = |code| matches!(code, Code::Expiring | Code::CaExpiring);
        let subject = (&validity.name).into();
        let expiring = || {
            let mut findings = diagnosis.findings.iter().map(|told| &told.finding);
            findings.any(|finding| finding.subject == subject && soon(finding.code))
        };
        match diagnosis.at {
            at if validity.not_after < at => Self::Expired,
            at if validity.not_before > at => Self::NotYet,
            _ if expiring() => Self::Expiring,
            _ => Self::Valid,
        }
    }

    const fn bar(self) -> &'static str {
        match self {
            Self::Expired => "<rect class=\"bar expired\"",
            Self::NotYet => "<rect class=\"bar not-yet\"",
            Self::Expiring => "<rect class=\"bar expiring\"",
            Self::Valid => "<rect class=\"bar valid\"",
        }
    }

    const fn words_opening(self) -> &'static str {
        match self {
            Self::Expired => "<text class=\"words expired\"",
            Self::NotYet => "<text class=\"words not-yet\"",
            Self::Expiring => "<text class=\"words expiring\"",
            Self::Valid => "<text class=\"words\"",
        }
    }
}

/// `EXPIRED 53 days ago`.
pub(super) fn words(validity: &Validity, diagnosis: &Diagnosis) -> String {
    let at = diagnosis.at;
    match Condition::of(validity, diagnosis) {
        Condition::Expired => format!("EXPIRED {} ago", span(validity.not_after, at)),
        Condition::NotYet => format!("STARTS in {}", span(at, validity.not_before)),
        Condition::Expiring => format!("EXPIRES in {}", span(at, validity.not_after)),
        Condition::Valid => format!("{} left", span(at, validity.not_after)),
    }
}

/// `5 hours`, `53 days`, `9 years`: rounded down.
fn span(from: Timestamp, to: Timestamp) -> String {
    let hours = to.as_second().saturating_sub(from.as_second()).max(0) / 3600;
    let (number, unit) = match hours {
        0..48 => (hours, "hour"),
        48..26_280 => (hours / 24, "day"),
        _ => (hours / 8766, "year"),
    };
    count(number, unit)
}

/// Both charts, and the legend of their patterns.
pub(super) fn section(diagnosis: &Diagnosis) -> Markup {
    let mut out = Markup::default();
    if diagnosis.credentials.is_empty() && diagnosis.unreadable.is_empty() {
        return out;
    }
    out.raw(
        "<section id=\"validity\" aria-labelledby=\"validity-h\">\n<h2 id=\"validity-h\">Validity</h2>\n",
    );
    out.raw(LEGEND);
    let (authorities, others): (Vec<_>, Vec<_>) =
        diagnosis.credentials.iter().partition(|validity| validity.authority);
    if !others.is_empty() {
        out.raw("<figure>\n<figcaption>Certificates and kubeconfigs</figcaption>\n");
        out.piece(&chart(&others, diagnosis, 5)).raw("</figure>\n");
    }
    if !authorities.is_empty() {
        out.raw("<figure>\n<figcaption>Authorities (another scale)</figcaption>\n");
        out.piece(&chart(&authorities, diagnosis, 30)).raw("</figure>\n");
    }
    if !diagnosis.unreadable.is_empty() {
        out.raw("<p>Without dates, because they can&#39;t be read:</p>\n<ul>\n");
        for unreadable in &diagnosis.unreadable {
            out.raw("<li><strong>").text(&unreadable.name).raw("</strong>: ").text(&unreadable.why);
            out.raw(" <span class=\"path\">")
                .text(&unreadable.path.display().to_string())
                .raw("</span></li>\n");
        }
        out.raw("</ul>\n");
    }
    out.raw("</section>\n");
    out
}

const LEGEND: &str = "<ul class=\"legend\" aria-label=\"How bars are to be read\">\n\
    <li><svg aria-hidden=\"true\" width=\"34\" height=\"14\"><defs>\
    <pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
    <rect class=\"hatch-ground\" width=\"7\" height=\"7\"/><rect class=\"hatch-line\" width=\"3\" height=\"7\"/></pattern>\
    <pattern id=\"dots\" width=\"8\" height=\"7\" patternUnits=\"userSpaceOnUse\">\
    <rect class=\"dots-ground\" width=\"8\" height=\"7\"/><circle class=\"dots-dot\" cx=\"4\" cy=\"3.5\" r=\"2\"/></pattern>\
    </defs><rect class=\"bar valid\" x=\"1\" y=\"1\" width=\"32\" height=\"12\"/></svg> valid</li>\n\
    <li><svg aria-hidden=\"true\" width=\"34\" height=\"14\"><rect class=\"bar expiring\" x=\"1\" y=\"1\" width=\"32\" \
    height=\"12\"/></svg> expires soon</li>\n\
    <li><svg aria-hidden=\"true\" width=\"34\" height=\"14\"><rect class=\"bar expired\" x=\"1\" y=\"1\" width=\"32\" \
    height=\"12\"/></svg> expired</li>\n\
    <li><svg aria-hidden=\"true\" width=\"34\" height=\"14\"><rect class=\"bar not-yet\" x=\"1\" y=\"1\" width=\"32\" \
    height=\"12\"/></svg> not yet valid</li>\n\
    <li><svg aria-hidden=\"true\" width=\"34\" height=\"14\"><line class=\"at\" x1=\"17\" x2=\"17\" y1=\"0\" y2=\"14\"/>\
    </svg> the moment that is asked about</li>\n</ul>\n";

/// One chart. An interval of more than `longest` years is cut at the edge if others are shorter.
fn chart(rows: &[&Validity], diagnosis: &Diagnosis, longest: i64) -> Markup {
    let intervals: Vec<_> = rows.iter().map(|row| (row.not_before, row.not_after)).collect();
    let axis = Axis::of(&intervals, diagnosis.at, longest);
    let bottom = TOP + ROW * rows.len();
    let mut out = Markup::default();
    out.raw("<svg class=\"chart\" width=\"100%\" height=\"").text(&(bottom + 4).to_string());
    out.raw(
        "\" role=\"group\" aria-label=\"Bars from start to end of validity\">\n<g aria-hidden=\"true\">\n",
    );
    for (index, (moment, label)) in axis.ticks().iter().enumerate() {
        let place = axis.place(*moment);
        // Every other tick has no name if there is little space.
        out.raw(if index % 2 == 1 { "<g class=\"tick odd\">" } else { "<g class=\"tick\">" });
        vertical(&mut out, "<line", place, TOP - 10, bottom);
        label_at(&mut out, "<text", place, TOP - 16, label);
        out.raw("</g>\n");
    }
    out.raw("</g>\n");
    let at = axis.place(diagnosis.at);
    // Down to the bars; at each of them it goes on, clear of the names between them.
    vertical(&mut out, "<line class=\"at\"", at, 18, TOP);
    label_at(
        &mut out,
        "<text class=\"at\"",
        at,
        12,
        &diagnosis.at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    );
    out.raw("\n");
    for (index, row) in rows.iter().enumerate() {
        bar(&mut out, row, diagnosis, axis, TOP + ROW * index);
    }
    out.raw("</svg>\n");
    out
}

fn bar(out: &mut Markup, row: &Validity, diagnosis: &Diagnosis, axis: Axis, top: usize) {
    let condition = Condition::of(row, diagnosis);
    let words = words(row, diagnosis);
    let (start, end) = (axis.place(row.not_before), axis.place(row.not_after));
    let told = format!("{}: {words}; valid from {:.0} until {:.0}", row.name, row.not_before, row.not_after);
    out.raw("<g class=\"row\" role=\"img\" aria-label=\"")
        .text(&told)
        .raw("\"><title>")
        .text(&told)
        .raw("</title>\n");
    // The pointer reacts to the entire row.
    out.raw("<rect class=\"ground\" x=\"0\" width=\"100%\" height=\"")
        .text(&ROW.to_string())
        .raw("\" y=\"")
        .text(&top.to_string())
        .raw("\"/>");
    out.raw("<text class=\"name\" x=\"0\" y=\"").text(&(top + 14).to_string()).raw("\">");
    out.text(&short(&row.name)).raw("</text>");
    out.raw(condition.words_opening())
        .raw(" x=\"100%\" text-anchor=\"end\" y=\"")
        .text(&(top + 14).to_string());
    out.raw("\">").text(&words).raw("</text>\n");
    let (left, right) = (start.clamp(0.0, 100.0), end.clamp(0.0, 100.0));
    out.raw(condition.bar()).raw(" x=\"").text(&percent(left)).raw("\" width=\"");
    out.text(&percent((right - left).max(0.3))).raw("\" y=\"").text(&(top + BAR).to_string());
    out.raw("\" height=\"10\" rx=\"2\"/>");
    // A bar that continues beyond the edge has a torn end there.
    if start < 0.0 {
        torn(
            out,
            "<svg class=\"torn\" x=\"0%\" overflow=\"visible\" y=\"",
            top,
            "<path d=\"M8-2l4 4-4 3 4 4-4 4\"/></svg>",
        );
    }
    if end > 100.0 {
        torn(
            out,
            "<svg class=\"torn\" x=\"100%\" overflow=\"visible\" y=\"",
            top,
            "<path d=\"M-8-2l-4 4 4 3-4 4 4 4\"/></svg>",
        );
    }
    let at = axis.place(diagnosis.at);
    let (above, below) = (top + BAR - 1, top + ROW);
    vertical(out, "<line class=\"at-halo\"", at, above, below);
    vertical(out, "<line class=\"at\"", at, above, below);
    out.raw("</g>\n");
}

fn torn(out: &mut Markup, opening: &'static str, top: usize, path: &'static str) {
    out.raw(opening).text(&(top + BAR).to_string()).raw("\">").raw(path);
}

fn vertical(out: &mut Markup, opening: &'static str, place: f64, top: usize, bottom: usize) {
    let place = percent(place);
    out.raw(opening).raw(" x1=\"").text(&place).raw("\" x2=\"").text(&place);
    out.raw("\" y1=\"").text(&top.to_string()).raw("\" y2=\"").text(&bottom.to_string()).raw("\"/>");
}

/// Text that stays inside the chart.
fn label_at(out: &mut Markup, opening: &'static str, place: f64, y: usize, label: &str) {
    let anchor = match place {
        place if place < 12.0 => " text-anchor=\"start\" x=\"",
        place if place > 88.0 => " text-anchor=\"end\" x=\"",
        _ => " text-anchor=\"middle\" x=\"",
    };
    out.raw(opening).raw(anchor).text(&percent(place)).raw("\" y=\"").text(&y.to_string()).raw("\">");
    out.text(label).raw("</text>");
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

fn short(name: &str) -> String {
    let length = name.chars().count();
    if length <= LONGEST_NAME {
        return name.to_owned();
    }
    format!("…{}", name.chars().skip(length - LONGEST_NAME + 1).collect::<String>())
}
