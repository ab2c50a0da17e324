//! The graph as a Mermaid flowchart, for Markdown renderers. (Mermaid draws 500 edges and 50,000 characters
//! by default: enough for a node, not for a disk full of certificates.)

use std::fmt::Write as _;

use super::diagram::{COLOURS, arrow, lines};
use super::words::Index;
use crate::analysis::forensics::trust::{Graph, Kind};

pub fn mermaid(graph: &Graph) -> String {
    let index = Index::of(graph);
    let mut out = String::from("flowchart LR\n");
    for node in &graph.nodes {
        let (open, close) = match &node.kind {
            Kind::Key(_) => ("([", "])"),
            Kind::Certificate(_) => ("[", "]"),
            Kind::Ca(_) => ("{{", "}}"),
            Kind::Consumer(_) => ("[[", "]]"),
        };
        let status = index.status(node.id);
        let class = COLOURS.iter().find(|(of, ..)| *of == status).map_or("unknown", |(_, class, ..)| class);
        let _ = writeln!(out, "  n{}{open}{}{close}:::{class}", node.id, quoted(&lines(&index, node.id)));
    }
    for edge in &graph.edges {
        let arrow_head = if edge.fault.is_some() { "-.->" } else { "-->" };
        let label = quoted(&arrow(&index, edge));
        let _ = writeln!(out, "  n{} {arrow_head}|{label}| n{}", edge.from, edge.to);
    }
    let faulty = graph.edges.iter().enumerate().filter(|(_, edge)| edge.fault.is_some());
    let faulty: Vec<_> = faulty.map(|(at, _)| at.to_string()).collect();
    if !faulty.is_empty() {
        let _ = writeln!(out, "  linkStyle {} stroke:#c5221f,color:#c5221f", faulty.join(","));
    }
    for (_, class, [fill, border, text]) in COLOURS {
        let _ = writeln!(out, "  classDef {class} fill:{fill},stroke:{border},color:{text}");
    }
    out
}

/// A string in double quotes. Mermaid processes it with regular expressions, its own entities, Markdown and
/// HTML: every character that any of these might interpret is written as an entity (`#35;`), and the rest is
/// safe in all of them.
fn quoted(lines: &[String]) -> String {
    let mut out = String::from("\"");
    for (index, text) in lines.iter().enumerate() {
        if index > 0 {
            out.push_str("<br/>");
        }
        for c in text.chars() {
            if c.is_alphanumeric() || matches!(c, ' ' | '.' | '/' | ',') {
                out.push(c);
            } else {
                let _ = write!(out, "#{};", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}
