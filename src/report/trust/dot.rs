//! The graph in Graphviz's language, for `dot -Tsvg`.

use std::fmt::Write as _;

use super::diagram::{COLOURS, arrow, lines};
use super::words::Index;
use crate::analysis::forensics::trust::{Graph, Kind};

pub fn dot(graph: &Graph) -> String {
    let index = Index::of(graph);
    let mut out = String::from(
        "digraph trust {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=10, style=filled];\n  \
         edge [fontname=\"sans-serif\", fontsize=9, color=\"#5f6368\"];\n",
    );
    for node in &graph.nodes {
        let shape = match &node.kind {
            Kind::Key(_) => "ellipse",
            Kind::Certificate(_) => "note",
            Kind::Ca(_) => "octagon",
            Kind::Consumer(_) => "box",
        };
        let status = index.status(node.id);
        let colours = COLOURS.iter().find(|(of, ..)| *of == status).map(|(.., colours)| *colours);
        let [fill, border, text] = colours.unwrap_or_default();
        let label = quoted(&lines(&index, node.id));
        let tooltip = quoted(node.if_gone.as_slice());
        let _ = writeln!(
            out,
            "  n{} [label={label}, tooltip={tooltip}, shape={shape}, fillcolor=\"{fill}\", color=\"{border}\", fontcolor=\"{text}\"];",
            node.id
        );
    }
    for edge in &graph.edges {
        let label = quoted(&arrow(&index, edge));
        let colour =
            if edge.fault.is_some() { ", color=\"#c5221f\", fontcolor=\"#c5221f\", style=bold" } else { "" };
        let _ = writeln!(out, "  n{} -> n{} [label={label}{colour}];", edge.from, edge.to);
    }
    out.push_str("}\n");
    out
}

/// A string in double quotes, one line below the other. Graphviz reads backslashes and HTML entities in it.
fn quoted(lines: &[String]) -> String {
    let mut out = String::from("\"");
    for (index, text) in lines.iter().enumerate() {
        if index > 0 {
            out.push_str("\\n");
        }
        for c in crate::report::sanitise::line(text).chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '&' => out.push_str("&amp;"),
                c => out.push(c),
            }
        }
    }
    out.push('"');
    out
}
