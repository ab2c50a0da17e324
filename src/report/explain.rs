//! The pages of findings' codes.

use std::fmt::Write as _;

use super::table;
use crate::state::{CODES, Code, Page};

/// One page in words.
pub fn explain_text(code: Code) -> String {
    let Page { code, title, meaning, cause, remedy, .. } = code.page();
    let mut out = String::new();
    let _ = writeln!(out, "{code}: {title}\n");
    for (heading, text) in [("What it means", meaning), ("How it comes about", cause), ("What to do", remedy)]
    {
        let _ = writeln!(out, "{heading}\n  {text}\n");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// All codes with their titles.
pub fn explain_list() -> String {
    let heading = ["CODE", "CLASS", "TITLE"].map(str::to_owned).to_vec();
    let rows = CODES.iter().map(|code| {
        let page = code.page();
        vec![page.code.to_string(), format!("{:?}", page.class).to_lowercase(), page.title.to_owned()]
    });
    table::render(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

/// Pages as JSON.
pub fn explain_json(codes: &[Code]) -> String {
    let pages: Vec<_> = codes.iter().map(|code| code.page()).collect();
    format!("{}\n", serde_json::to_string_pretty(&pages).unwrap_or_default())
}
