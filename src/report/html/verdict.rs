//! The top of the page: which node, what is wrong, what to run.

use super::markup::Markup;
use super::name;
use crate::analysis::forensics::diagnosis::{Diagnosis, EtcdPlace, Role, State};
use crate::report::condition_text;

/// The verdict in a few words, for a badge.
pub(super) const fn badge(state: State) -> &'static str {
    match state {
        State::Well => "well",
        State::Warnings => "works, with warnings",
        State::Credentials => "broken: certificates, keys or kubeconfigs",
        State::Other => "broken: not a certificate problem",
    }
}

/// A circle with a tick, a triangle, an octagon: they differ without colour.
const fn icon(state: State) -> &'static str {
    match state {
        State::Well => {
            "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" r=\"11\"/>\
             <path d=\"M6.5 12.5l3.8 3.8 7.2-8\"/></svg>"
        }
        State::Warnings => {
            "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path class=\"shape\" d=\"M12 1.5L23.5 \
             22H.5z\"/><path d=\"M12 9v6M12 18.4v.2\"/></svg>"
        }
        State::Credentials | State::Other => {
            "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path class=\"shape\" d=\"M7.4 1h9.2L23 \
             7.4v9.2L16.6 23H7.4L1 16.6V7.4z\"/><path d=\"M8 8l8 8M16 8l-8 8\"/></svg>"
        }
    }
}

const fn opening(state: State) -> &'static str {
    match state {
        State::Well => "<section class=\"verdict well\" aria-labelledby=\"verdict\">\n",
        State::Warnings => "<section class=\"verdict warnings\" aria-labelledby=\"verdict\">\n",
        State::Credentials | State::Other => {
            "<section class=\"verdict broken\" aria-labelledby=\"verdict\">\n"
        }
    }
}

/// The node's name and facts.
pub(super) fn header(diagnosis: &Diagnosis) -> Markup {
    let node = &diagnosis.node;
    let mut out = Markup::default();
    out.raw("<header>\n<p class=\"kicker\">kuberescue diagnosis</p>\n").wrapped(
        "<h1>",
        name(diagnosis),
        "</h1>",
    );
    out.raw("<dl class=\"facts\">\n");
    let role = match node.role {
        Role::ControlPlane => "control-plane node",
        Role::Worker => "worker",
    };
    let etcd = match node.etcd {
        EtcdPlace::Local => "on this node",
        EtcdPlace::External => "elsewhere",
        EtcdPlace::None => "none here",
    };
    for (term, value) in [
        ("<div><dt>Role</dt><dd>", role.to_owned()),
        ("<div><dt>Kubernetes</dt><dd>", node.version.clone().unwrap_or_else(|| "not known".to_owned())),
        ("<div><dt>etcd</dt><dd>", etcd.to_owned()),
        ("<div><dt>Asked about</dt><dd>", format!("{:.0}", diagnosis.at)),
        ("<div><dt>Read from</dt><dd>", diagnosis.source.clone()),
    ] {
        out.wrapped(term, &value, "</dd></div>");
    }
    out.raw("</dl>\n</header>\n");
    out
}

/// Verdict, cause and next step, as in the text; then what happens to the workloads, conditions, and what remains.
pub(super) fn verdict(diagnosis: &Diagnosis) -> Markup {
    let verdict = &diagnosis.verdict;
    let mut out = Markup::default();
    out.raw(opening(verdict.state)).raw("<p class=\"badge\">").raw(icon(verdict.state)).raw("<span>");
    out.text(badge(verdict.state)).raw("</span></p>\n");
    let line = &verdict.headline;
    // The part before the colon is the most important, the rest is its extent.
    let (head, rest) = match line.split_once(": ") {
        Some((head, rest)) => (head, Some(rest)),
        None => (line.as_str(), None),
    };
    out.raw("<h2 id=\"verdict\">").text(head);
    if let Some(rest) = rest {
        out.raw("<span class=\"sep\">: </span><span class=\"why\">").unbroken(rest).raw("</span>");
    }
    out.raw("</h2>\n");
    let mut add = |label: &'static str, tag: (&'static str, &'static str), text: &str| {
        out.raw("<p class=\"run\"><span class=\"label\">")
            .raw(label)
            .raw("</span> ")
            .wrapped(tag.0, text, tag.1);
    };
    let text = ("<span>", "</span></p>");
    if let Some(cause) = &verdict.cause {
        add("Cause", text, cause);
    }
    let is_command = verdict.repair.is_some() || verdict.state != State::Well;
    add("Next", if is_command { ("<code>", "</code></p>") } else { text }, &verdict.next);
    for condition in &verdict.conditions {
        add("Condition", text, condition_text(*condition));
    }
    if let Some(obstacle) = &verdict.obstacle {
        add("Manual action required", text, obstacle);
    }
    if matches!(verdict.state, State::Credentials | State::Other) {
        out.wrapped("<p class=\"workloads\">", &verdict.workloads, "</p>");
    }
    out.raw("</section>\n");
    out
}
