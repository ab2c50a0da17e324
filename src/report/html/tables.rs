//! What expires next, what happened, who trusts whom, and every credential with its dates.

use jiff::Timestamp;

use super::markup::Markup;
use super::{Story, chart};
use crate::analysis::forensics::diagnosis::Diagnosis;
use crate::report::trust::{Row, RowKind, Status};

/// The deepest nesting of the trust graph that is shown: a hostile file may hold a chain of any length.
const DEEPEST: usize = 12;

/// What expires within the horizon.
pub(super) fn horizon(diagnosis: &Diagnosis) -> Markup {
    let mut out = Markup::default();
    if diagnosis.horizon.is_empty() {
        return out;
    }
    out.raw(
        "<section id=\"horizon\" aria-labelledby=\"horizon-h\">\n<h2 id=\"horizon-h\">What expires next</h2>\n",
    );
    out.raw("<table class=\"cards\">\n<thead><tr><th scope=\"col\">When</th><th scope=\"col\">What</th>");
    out.raw("<th scope=\"col\">Then</th></tr></thead>\n<tbody>\n");
    for expiry in &diagnosis.horizon {
        out.raw("<tr><td class=\"time\">").piece(&time(expiry.at)).raw("</td><th scope=\"row\">");
        out.unbroken(&expiry.name).raw("</th><td>").wrapped("", &expiry.consequence, "</td></tr>");
    }
    out.raw("</tbody>\n</table>\n</section>\n");
    out
}

/// What happened, in order, with a line between past and future.
pub(super) fn timeline(timeline: Option<&Story>, at: Timestamp) -> Markup {
    let mut out = Markup::default();
    let Some(story) = timeline else { return out };
    out.raw(
        "<section id=\"timeline\" aria-labelledby=\"timeline-h\">\n<h2 id=\"timeline-h\">Timeline</h2>\n",
    );
    if let Some(sentence) = &story.first_failure {
        out.wrapped("<p><strong>", sentence, "</strong></p>");
    }
    for remark in &story.remarks {
        out.wrapped("<p class=\"remark\">", remark, "</p>");
    }
    if story.moments.is_empty() {
        out.raw("<p>Nothing that has a time was found.</p>\n</section>\n");
        return out;
    }
    out.raw("<table class=\"cards\">\n<thead><tr><th scope=\"col\">When</th><th scope=\"col\">What</th>");
    out.raw("<th scope=\"col\">Times</th><th scope=\"col\">Says</th></tr></thead>\n<tbody>\n");
    let past = story.moments.partition_point(|moment| moment.at <= at);
    for (index, moment) in story.moments.iter().enumerate() {
        if index == past && index > 0 {
            out.raw("<tr class=\"now\"><td class=\"time\">").piece(&time(at));
            out.raw("</td><td colspan=\"3\">the moment that is asked about; what follows is still to come</td></tr>\n");
        }
        out.raw("<tr><td class=\"time\">")
            .piece(&time(moment.at))
            .raw("</td><th scope=\"row\" class=\"event\">");
        out.text(&moment.event).raw("</th><td class=\"count\">");
        out.text(&moment.count.map(|count| format!("{count} ×")).unwrap_or_default()).raw("</td><td>");
        out.text(&moment.source);
        if let Some(path) = &moment.path {
            out.raw("<br><span class=\"path\">").text(&path.display().to_string()).raw("</span>");
        }
        out.raw("</td></tr>\n");
    }
    out.raw("</tbody>\n</table>\n</section>\n");
    out
}

/// Every certificate with its dates, issuer and file: the data of the charts, to read and search.
pub(super) fn credentials(diagnosis: &Diagnosis) -> Markup {
    let mut out = Markup::default();
    if diagnosis.credentials.is_empty() {
        return out;
    }
    out.raw("<section id=\"credentials\" aria-labelledby=\"credentials-h\">\n<h2 id=\"credentials-h\">Credentials</h2>\n");
    out.raw("<table class=\"cards\">\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">State</th>");
    out.raw("<th scope=\"col\">From, until</th><th scope=\"col\">Subject, issuer, file</th>");
    out.raw("</tr></thead>\n<tbody>\n");
    for validity in &diagnosis.credentials {
        out.raw("<tr><th scope=\"row\">").unbroken(&validity.name);
        out.raw(if validity.authority { "<br><span class=\"hint\">authority</span>" } else { "" })
            .raw("</th><td>");
        out.text(&chart::words(validity, diagnosis)).raw("</td><td class=\"time\">");
        out.piece(&time(validity.not_before)).raw("<br>").piece(&time(validity.not_after));
        out.raw("</td><td class=\"about\">").text(&validity.subject);
        out.raw("<br>by ").text(&validity.issuer).raw("<br><span class=\"path\">");
        out.text(&validity.path.display().to_string()).raw("</span></td></tr>\n");
    }
    out.raw("</tbody>\n</table>\n</section>\n");
    out
}

/// The trust graph as nested lists.
pub(super) fn trust(rows: &[Row]) -> Markup {
    let mut out = Markup::default();
    if rows.is_empty() {
        return out;
    }
    out.raw("<section id=\"trust\" aria-labelledby=\"trust-h\">\n<h2 id=\"trust-h\">Trust</h2>\n");
    out.raw("<p class=\"hint\">Below each authority what it signed, below that who uses it.</p>\n");
    // How many lists are open; the item at each of them is open too, once there is one.
    let mut open = 0;
    for row in rows {
        // A row is at most one step deeper than the previous one, whatever its own depth says.
        let wanted = (row.depth.min(DEEPEST) + 1).min(open + 1);
        if wanted > open {
            out.raw(if open == 0 { "<ul class=\"tree\">\n" } else { "\n<ul>\n" });
            open = wanted;
        } else {
            out.raw("</li>\n");
            while open > wanted {
                out.raw("</ul>\n</li>\n");
                open -= 1;
            }
        }
        out.piece(&trust_row(row));
    }
    out.raw("</li>\n");
    for _ in 1..open {
        out.raw("</ul>\n</li>\n");
    }
    out.raw("</ul>\n</section>\n");
    out
}

/// A row, its item left open for the rows below it.
fn trust_row(row: &Row) -> Markup {
    let mut out = Markup::default();
    out.raw(match (row.kind, row.status) {
        (RowKind::Heading, _) => "<li class=\"heading\">",
        (_, Status::Ok) => "<li>",
        (_, Status::Unknown) => "<li class=\"unknown\">",
        (_, Status::Affected) => "<li class=\"affected\">",
        (_, Status::Faulty) => "<li class=\"faulty\">",
    });
    out.raw(match row.kind {
        RowKind::Ca | RowKind::Certificate => "<span class=\"node\"><strong>",
        _ => "<span class=\"node\"><span>",
    });
    out.unbroken(&row.label).raw(match row.kind {
        RowKind::Ca | RowKind::Certificate => "</strong>",
        _ => "</span>",
    });
    if !row.state.is_empty() {
        out.raw(" <span class=\"state\">").text(&row.state).raw("</span>");
    }
    if !row.detail.is_empty() {
        out.raw(" <span class=\"path\">").text(&row.detail).raw("</span>");
    }
    out.raw("</span>");
    for note in &row.notes {
        out.raw("<p class=\"wrong\">").text(note).raw("</p>");
    }
    if let Some(sentence) = &row.if_gone {
        out.raw("<p class=\"gone\">If gone: ").text(sentence).raw("</p>");
    }
    out
}

fn time(moment: Timestamp) -> Markup {
    let mut out = Markup::default();
    out.raw("<time datetime=\"").text(&format!("{moment:.0}")).raw("\">");
    out.text(&moment.strftime("%Y-%m-%d %H:%M:%S").to_string()).raw("</time>");
    out
}
