//! The three lines that are read first, in every report of a diagnosis: VERDICT, CAUSE, NEXT.

use super::sanitise::{cut, line};
use crate::analysis::forensics::diagnosis::Verdict;

/// The columns of the narrowest terminal that is reckoned with.
const WIDTH: usize = 80;
const ROWS: usize = 2;
/// Where the text begins.
const INDENT: usize = 9;

/// VERDICT, CAUSE and NEXT, each with this margin at its left.
pub(super) fn headline(verdict: &Verdict, margin: &str) -> String {
    state(verdict, margin) + &next(margin, &verdict.next)
}

/// VERDICT and CAUSE.
pub(super) fn state(verdict: &Verdict, margin: &str) -> String {
    let mut out = entry(margin, "VERDICT", &verdict.headline);
    if let Some(cause) = &verdict.cause {
        out.push_str(&entry(margin, "CAUSE", cause));
    }
    out
}

pub(super) fn next(margin: &str, text: &str) -> String {
    entry(margin, "NEXT", text)
}

/// A label and a text, cut where it would take more than two rows of the narrowest terminal. The rows are made where it is shown.
fn entry(margin: &str, label: &str, text: &str) -> String {
    let rows = rows(&line(text), WIDTH.saturating_sub(INDENT + margin.len()));
    format!("{margin}{label:<INDENT$}{}\n", rows.join(" "))
}

/// At most two rows of so many characters, broken at spaces.
fn rows(text: &str, width: usize) -> Vec<String> {
    let mut rows: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        // A path from a hostile disk may be longer than a row.
        let word = &cut(word, width);
        let full = rows.len() == ROWS;
        let Some(last) = rows.last_mut() else { break };
        let room = width.saturating_sub(last.chars().count());
        if last.is_empty() {
            last.push_str(word);
        } else if word.chars().count() < room {
            last.push(' ');
            last.push_str(word);
        } else if full {
            last.push_str(if room > 1 { " …" } else { "…" });
            break;
        } else {
            rows.push(word.clone());
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::layout::Layout;
    use super::*;

    #[test]
    fn a_line_has_at_most_two_rows() {
        assert_eq!(entry("", "NEXT", "sudo kuberescue recover"), "NEXT     sudo kuberescue recover\n");
        let long = entry("  ", "CAUSE", &"seven77 ".repeat(40));
        let shown = Layout::of_width(WIDTH).apply(&long).into_owned();
        let rows: Vec<_> = shown.lines().collect();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.chars().count() <= 80 && row.chars().count() > 70), "{shown}");
        assert!(
            rows[0].starts_with("  CAUSE    seven77") && rows[1].starts_with("           seven77"),
            "{shown}"
        );
        assert!(rows[1].ends_with(" …"), "{shown}");
    }
}
