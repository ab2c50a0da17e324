//! The pages of codes, and the steps of situations.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::{json, table};
use crate::state::{CODES, Code, Page, SITUATIONS, Situation, Steps};

/// What `explain` is asked about: a code, a situation, or a name that both have.
#[derive(Clone, Debug)]
pub struct Topic {
    pub codes: Vec<Code>,
    pub situations: Vec<Situation>,
}

impl Topic {
    pub fn all() -> Self {
        Self { codes: CODES.to_vec(), situations: SITUATIONS.to_vec() }
    }

    /// The code and the situation of this name, if there is either.
    pub fn named(name: &str) -> Option<Self> {
        let codes: Vec<_> = Code::named(name).into_iter().collect();
        let situations: Vec<_> = Situation::named(name).into_iter().collect();
        (!codes.is_empty() || !situations.is_empty()).then_some(Self { codes, situations })
    }
}

#[derive(Serialize)]
struct CodeList {
    items: Vec<&'static Page>,
    situations: Vec<&'static Steps>,
}

/// The page of a code first, then the steps.
pub fn explain_text(topic: &Topic) -> String {
    let mut out = String::new();
    for code in &topic.codes {
        let Page { code, title, meaning, cause, remedy, .. } = code.page();
        let _ = writeln!(out, "{code}: {title}");
        for (heading, text) in [("Meaning", meaning), ("Cause", cause), ("Remedy", remedy)] {
            let _ = writeln!(out, "\n{heading}\n  {text}");
        }
        let steps = Situation::of(*code).filter(|situation| !topic.situations.contains(situation));
        if let Some(situation) = steps {
            let _ = writeln!(out, "\nSteps\n  kuberescue explain {situation}");
        }
    }
    for situation in &topic.situations {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&steps_text(situation.steps()));
    }
    out
}

fn steps_text(steps: &Steps) -> String {
    let Steps { situation, title, when, steps } = steps;
    let mut out = format!("{situation}: {title}\n\n  {when}\n\n");
    // Without a command it is a table.
    let is_table = steps.iter().all(|step| step.command.is_none());
    for (index, step) in steps.iter().enumerate() {
        if is_table {
            let _ = writeln!(out, "  {}", step.text);
            continue;
        }
        let _ = writeln!(out, "{:>3}. {}", index + 1, step.text);
        if let Some(command) = step.command {
            let _ = writeln!(out, "       {command}");
        }
    }
    out
}

/// Situations first: they are what a person looks for; codes are read in messages.
pub fn explain_list() -> String {
    let situations = SITUATIONS.iter().map(|situation| {
        let steps = situation.steps();
        vec![situation.to_string(), steps.title.to_owned()]
    });
    let heading = ["SITUATION", "TITLE"].map(str::to_owned).to_vec();
    let situations = table::render(&[heading].into_iter().chain(situations).collect::<Vec<_>>());
    let heading = ["CODE", "CLASS", "TITLE"].map(str::to_owned).to_vec();
    let codes = CODES.iter().map(|code| {
        let page = code.page();
        vec![page.code.to_string(), format!("{:?}", page.class).to_lowercase(), page.title.to_owned()]
    });
    format!("{situations}\n{}", table::render(&[heading].into_iter().chain(codes).collect::<Vec<_>>()))
}

/// A `CodeList`: `docs/codes.schema.json`.
pub fn explain_json(topic: &Topic, time: Timestamp) -> String {
    let items = topic.codes.iter().map(|code| code.page()).collect();
    let situations = topic.situations.iter().map(|situation| situation.steps()).collect();
    json::document("CodeList", time, &CodeList { items, situations })
}
