//! The pages of codes.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::{json, table};
use crate::state::{CODES, Code, Page};

#[derive(Serialize)]
struct CodeList {
    items: Vec<&'static Page>,
}

pub fn explain_text(code: Code) -> String {
    let Page { code, title, meaning, cause, remedy, .. } = code.page();
    let mut out = String::new();
    let _ = writeln!(out, "{code}: {title}");
    for (heading, text) in [("Meaning", meaning), ("Cause", cause), ("Remedy", remedy)] {
        let _ = writeln!(out, "\n{heading}\n  {text}");
    }
    out
}

pub fn explain_list() -> String {
    let heading = ["CODE", "CLASS", "TITLE"].map(str::to_owned).to_vec();
    let rows = CODES.iter().map(|code| {
        let page = code.page();
        vec![page.code.to_string(), format!("{:?}", page.class).to_lowercase(), page.title.to_owned()]
    });
    table::render(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

/// A `CodeList`: `docs/codes.schema.json`.
pub fn explain_json(codes: &[Code], time: Timestamp) -> String {
    json::document("CodeList", time, &CodeList { items: codes.iter().map(|code| code.page()).collect() })
}
