//! What has to follow outside of a node when its CAs have been renewed or replaced, in words.

use super::sanitise::line;
use crate::analysis::node::outside::{Outside, RenewedBy};

/// The list with its headings; empty if there is nothing.
pub fn outside_text(outside: &[Outside]) -> String {
    let mut out = String::new();
    let headings = [
        (RenewedBy::Administrator, "Copies of the CAs elsewhere (manual action required)"),
        (RenewedBy::Recover, "Renewed by kuberescue"),
        (RenewedBy::Kubernetes, "Renewed by Kubernetes"),
    ];
    for (renewed_by, heading) in headings {
        let mut of_it = outside.iter().filter(|one| one.renewed_by == renewed_by).peekable();
        if of_it.peek().is_none() {
            continue;
        }
        out.push_str(&format!("{heading}:\n"));
        for one in of_it {
            let end = if one.commands.is_empty() { "." } else { ":" };
            out.push_str(&format!("  - {}\n", line(&format!("{}: {}{end}", one.what, one.how))));
            for command in &one.commands {
                out.push_str(&format!("      {}\n", line(command)));
            }
        }
    }
    out
}
