//! The findings: each with its consequence, its remedy, and its evidence.

use super::markup::Markup;
use crate::analysis::forensics::diagnosis::{Diagnosis, RankedFinding};
use crate::analysis::node::findings::{Evidence, Severity};

/// The findings of one severity, in their order.
pub(super) fn section(diagnosis: &Diagnosis, severity: Severity) -> Markup {
    let mut out = Markup::default();
    let found: Vec<_> = diagnosis.findings.iter().filter(|told| told.finding.severity == severity).collect();
    if found.is_empty() {
        return out;
    }
    out.raw(match severity {
        Severity::Blocker => {
            "<section id=\"blockers\" aria-labelledby=\"blockers-h\">\n<h2 id=\"blockers-h\">Blocking problems \
             (root cause first)</h2>\n<p class=\"hint\">What is below the first one may only follow from it."
        }
        Severity::Warning => {
            "<section id=\"warnings\" aria-labelledby=\"warnings-h\">\n<h2 id=\"warnings-h\">Warnings</h2>\n<p class=\"hint\">"
        }
        Severity::Note => {
            "<section id=\"notes\" aria-labelledby=\"notes-h\">\n<h2 id=\"notes-h\">Notes</h2>\n\
             <p class=\"hint\">"
        }
    });
    if found.windows(2).any(|pair| matches!(pair, [above, below] if same_remedy(above, below))) {
        out.raw(" Where nothing is said to do, it is the same as above.");
    }
    out.raw(match severity {
        Severity::Blocker => "</p>\n<ol class=\"findings blocker\">\n",
        Severity::Warning => "</p>\n<ol class=\"findings warning\">\n",
        Severity::Note => "</p>\n<ol class=\"findings note\">\n",
    });
    let mut before: Option<&RankedFinding> = None;
    for told in found {
        out.piece(&finding(told, before));
        before = Some(told);
    }
    out.raw("</ol>\n</section>\n");
    out
}

fn same_remedy(above: &RankedFinding, below: &RankedFinding) -> bool {
    above.finding.remedy == below.finding.remedy
}

/// A finding. What it has in common with the one before is not said again in the open.
fn finding(told: &RankedFinding, before: Option<&RankedFinding>) -> Markup {
    let RankedFinding { finding, consequence } = told;
    let mut out = Markup::default();
    out.raw("<li>\n<h3><span class=\"subject\">")
        .text(&finding.subject.to_string())
        .raw("</span> <span class=\"what\">");
    out.text(&finding.what).raw("</span></h3>\n");
    if let Some(follows) = consequence
        && before.and_then(|before| before.consequence) != Some(*follows)
    {
        out.raw("<p class=\"follows\"><span class=\"label\">Then</span> ");
        out.wrapped("<span>", follows, "</span></p>");
    }
    let said = before.is_some_and(|before| same_remedy(before, told));
    if !said {
        out.piece(&remedy(&finding.remedy.reason));
    }
    out.raw("<details>\n<summary>Evidence: <code>").text(finding.code.as_str()).raw("</code> in ");
    out.wrapped("<span class=\"path\">", &finding.path.display().to_string(), "</span></summary>");
    if !finding.evidence.is_empty() {
        out.piece(&evidence(&finding.evidence));
    }
    if said {
        out.piece(&remedy(&finding.remedy.reason));
    }
    out.raw("<p class=\"hint\">More of it: <code>kuberescue explain ");
    out.wrapped("", finding.code.as_str(), "</code></p>").raw("</details>\n</li>\n");
    out
}

fn remedy(text: &str) -> Markup {
    let mut out = Markup::default();
    out.raw("<p class=\"remedy\"><span class=\"label\">Do</span> ").wrapped("<span>", text, "</span></p>");
    out
}

fn evidence(found: &[Evidence]) -> Markup {
    let mut out = Markup::default();
    out.raw("<ul class=\"evidence\">\n");
    for Evidence { path, line, field, value } in found {
        let at = line.map(|line| format!(":{line}")).unwrap_or_default();
        out.raw("<li><span class=\"path\">").text(&format!("{}{at}", path.display())).raw("</span> ");
        out.text(field).raw(" = <span class=\"value\">").wrapped("", value, "</span></li>");
    }
    out.raw("</ul>\n");
    out
}
