//! `explain NAME`: meaning, cause and remedy of a code; the steps of a situation.

use crate::error::{Error, Exit, Outcome};
use crate::report::{Topic, explain_json, explain_list, explain_text, yaml_of};
use crate::session::Context;
use crate::state::{CODES, SITUATIONS};

/// The forms of a page.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    #[value(alias = "text")]
    Table,
    Json,
    Yaml,
}

/// Arguments of `explain`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Explain this code, as printed in brackets, or this situation: explain ca-expired
    #[arg(value_name = "NAME", required_unless_present = "list")]
    name: Option<String>,
    /// List all situations and codes
    #[arg(long, conflicts_with = "name")]
    list: bool,
    /// Select the output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: Format,
}

/// Prints the page of a code, the steps of a situation.
///
/// # Errors
/// There is no such code or situation.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let chosen = args.name.as_deref().map(find).transpose()?;
    let json = || explain_json(chosen.as_ref().unwrap_or(&Topic::all()), context.now);
    let text = match (args.output, &chosen) {
        (Format::Table, Some(topic)) => explain_text(topic),
        (Format::Table, None) => explain_list(),
        (Format::Json, _) => json(),
        (Format::Yaml, _) => yaml_of(&json()),
    };
    context.out.result(&text);
    Ok(Exit::Fine)
}

fn find(name: &str) -> Result<Topic, Error> {
    Topic::named(name).ok_or_else(|| {
        let hint = match nearest(name) {
            Some(near) => format!("kuberescue explain {near}"),
            None => "kuberescue explain --list".to_owned(),
        };
        Error::usage(format!("cannot explain {name}: no such code or situation")).hint(hint)
    })
}

/// The name nearest to the given one: mistyped by a few letters, otherwise the one that shares most of its
/// words.
fn nearest(name: &str) -> Option<&'static str> {
    let typed = name.to_ascii_lowercase().replace(['_', ' '], "-");
    let situations = SITUATIONS.iter().map(|situation| situation.as_str());
    let names = || CODES.iter().map(|code| code.as_str()).chain(situations.clone());
    let close = names().map(|known| (strsim::levenshtein(&typed, known), known)).min();
    if let Some((letters, known)) = close
        && letters <= typed.chars().count() / 4 + 1
    {
        return Some(known);
    }
    let words: Vec<&str> = name.split(['-', '_', ' ']).filter(|word| word.len() > 1).collect();
    let shared = |known: &str| {
        known.split('-').filter(|word| words.iter().any(|typed| word.eq_ignore_ascii_case(typed))).count()
    };
    names().max_by_key(|known| shared(known)).filter(|known| shared(known) > 0)
}
