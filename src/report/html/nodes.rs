//! Several nodes in one file: a table of all of them, then each one as it was last seen.

use super::markup::Markup;
use super::{Page, document, verdict};
use crate::analysis::forensics::fleet::{Brief, Cluster, Nodes};
use crate::report::nodes::{across, heading, next_step, role, state};
use crate::state::text::count;
use crate::state::time;

pub fn nodes_html(nodes: &Nodes) -> String {
    let latest: Vec<_> = nodes.latest().collect();
    let mut body = Markup::default();
    body.raw("<header>\n<p class=\"kicker\">kuberescue diagnosis</p>\n");
    let title = count(latest.len(), "node");
    body.wrapped("<h1>", &title, "</h1>");
    body.raw("<dl class=\"facts\">\n");
    body.wrapped("<div><dt>Asked about</dt><dd>", &format!("{:.0}", nodes.at), "</dd></div>");
    body.raw("</dl>\n</header>\n<main>\n<p class=\"run\"><span class=\"label\">Next</span> ");
    body.wrapped("<span>", &next_step(nodes), "</span></p>");
    for cluster in &nodes.clusters {
        body.piece(&overview(cluster, &latest));
    }
    if !nodes.unreadable.is_empty() {
        body.raw("<section>\n<h2>Not read</h2>\n<ul>\n");
        for failed in &nodes.unreadable {
            body.wrapped("<li>", &format!("{}: {}", failed.source, failed.why), "</li>");
        }
        body.raw("</ul>\n</section>\n");
    }
    // The patterns of the bars are looked up by their names, which the first chart keeps.
    let plain = latest.iter().position(|node| !node.diagnosis.credentials.is_empty()).unwrap_or_default();
    for (index, node) in latest.iter().enumerate() {
        let diagnosis = &node.diagnosis;
        let mut part = verdict::header(diagnosis);
        part.raw("<div>\n").piece(&Page { diagnosis, trust: &[], timeline: None }.sections()).raw("</div>\n");
        let prefix = if index == plain { String::new() } else { anchor(index) + "-" };
        body.raw("<article id=\"").text(&anchor(index)).raw("\">\n").piece(&part.renamed(&prefix));
        body.raw("</article>\n");
    }
    body.raw("</main>\n");
    let sources = count(nodes.clusters.iter().map(|cluster| cluster.nodes.len()).sum::<usize>(), "source");
    document(&format!("{title} – kuberescue"), &body, &sources, nodes.at)
}

fn anchor(index: usize) -> String {
    format!("node-{}", index + 1)
}

/// The nodes of a cluster, with a link to each, and what is wrong between them.
fn overview(cluster: &Cluster, latest: &[&Brief]) -> Markup {
    let mut out = Markup::default();
    out.raw("<section>\n").wrapped("<h2>", &heading(cluster), "</h2>");
    out.raw("<table class=\"cards\">\n<thead><tr><th scope=\"col\">Node</th><th scope=\"col\">Role</th>");
    out.raw("<th scope=\"col\">State</th><th scope=\"col\">Verdict</th><th scope=\"col\">As of</th>");
    out.raw("<th scope=\"col\">Source</th></tr></thead>\n<tbody>\n");
    for node in cluster.latest() {
        let place = latest.iter().position(|other| std::ptr::eq(*other, node)).map(anchor);
        out.piece(&row(node, place.as_deref()));
        let is_earlier = |other: &&Brief| !other.latest && other.identity() == node.identity();
        for earlier in cluster.nodes.iter().rev().filter(is_earlier) {
            out.piece(&row(earlier, None));
        }
    }
    out.raw("</tbody>\n</table>\n");
    let etcd = cluster.etcd.iter().map(|etcd| etcd.sentence());
    let between: Vec<_> = across(cluster).into_iter().chain(etcd).collect();
    if !between.is_empty() {
        out.raw("<ul class=\"evidence\">\n");
        for text in between {
            out.wrapped("<li>", text.trim(), "</li>");
        }
        out.raw("</ul>\n");
    }
    out.raw("</section>\n");
    out
}

fn row(node: &Brief, place: Option<&str>) -> Markup {
    let mut out = Markup::default();
    out.raw("<tr><th scope=\"row\">");
    match place {
        Some(place) => {
            out.raw("<a href=\"#").text(place).raw("\">").unbroken(node.name()).raw("</a>");
        }
        None => {
            out.text(&format!("{} (earlier)", node.name()));
        }
    }
    out.raw("</th><td>").text(role(node)).raw("</td><td>").text(&state(node)).raw("</td><td>");
    out.text(&node.verdict.headline).raw("</td><td class=\"time\">");
    out.text(&node.as_of.map(time::minute).unwrap_or_default()).raw("</td><td>");
    out.wrapped("<span class=\"path\">", &node.source, "</span></td></tr>");
    out
}
