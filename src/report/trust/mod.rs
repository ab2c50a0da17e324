//! The trust graph as an indented tree, as JSON, and for drawing (DOT, Mermaid).
//!
//! All of them show the same [`Graph`]; the tree is the text of [`rows`], which other reports lay out in
//! their own way.

mod diagram;
mod dot;
mod mermaid;
mod rows;
mod words;

use std::fmt::Write as _;

pub use self::dot::dot;
pub use self::mermaid::mermaid;
pub use self::rows::{Row, RowKind, rows};
pub use self::words::Status;
use super::json::document;
use super::sanitise::line;
use crate::analysis::forensics::trust::Graph;

/// The maximum width of a padded column; longer text shifts the rest.
const WIDEST: [usize; 2] = [72, 24];
/// The deepest indentation that is shown.
const DEEPEST: usize = 16;

/// The graph as an indented tree: label, state, detail, and below it the faults and what breaks if it is
/// gone.
pub fn tree(graph: &Graph) -> String {
    let lines: Vec<_> = rows(graph)
        .into_iter()
        .map(|row| {
            let indent = "  ".repeat(row.depth.min(DEEPEST));
            let label = format!("{indent}{}", line(&row.label));
            (indent, label, line(&row.state).into_owned(), row)
        })
        .collect();
    let width = |lengths: &mut dyn Iterator<Item = usize>, widest: usize| {
        lengths.filter(|length| *length <= widest).max().unwrap_or(0)
    };
    let [label_widest, state_widest] = WIDEST;
    let labels = width(&mut lines.iter().map(|(_, label, ..)| label.chars().count()), label_widest);
    let states = width(&mut lines.iter().map(|(_, _, state, _)| state.chars().count()), state_widest);
    let mut out = String::new();
    for (indent, label, state, row) in &lines {
        if row.kind == RowKind::Heading {
            let _ = writeln!(out, "\n{label}");
            continue;
        }
        let text = format!("{label:labels$}  {state:states$}  {}", line(&row.detail));
        let _ = writeln!(out, "{}", text.trim_end());
        for note in &row.notes {
            let _ = writeln!(out, "{indent}  ! {}", line(note));
        }
        if let Some(sentence) = &row.if_gone {
            let _ = writeln!(out, "{indent}  if gone: {}", line(sentence));
        }
    }
    out
}

/// A `TrustGraph`.
pub fn trust_json(graph: &Graph) -> String {
    document("TrustGraph", graph.at, graph)
}
