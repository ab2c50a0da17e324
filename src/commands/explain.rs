//! `explain CODE`: meaning, cause and remedy of a code.

use crate::error::{Error, Exit, Outcome};
use crate::report::{explain_json, explain_list, explain_text, yaml_of};
use crate::session::Context;
use crate::state::{CODES, Code};

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
    /// Explain this code, as printed in brackets: explain ca-expired
    #[arg(value_name = "CODE", required_unless_present = "list")]
    code: Option<String>,
    /// List all codes
    #[arg(long, conflicts_with = "code")]
    list: bool,
    /// Select the output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: Format,
}

/// Prints the page of a code.
///
/// # Errors
/// There is no such code.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let chosen = args.code.as_deref().map(find).transpose()?;
    let codes = chosen.as_ref().map_or(CODES, std::slice::from_ref);
    context.out.result(&match (args.output, chosen) {
        (Format::Table, Some(code)) => explain_text(code),
        (Format::Table, None) => explain_list(),
        (Format::Json, _) => explain_json(codes, context.now),
        (Format::Yaml, _) => yaml_of(&explain_json(codes, context.now)),
    });
    Ok(Exit::Fine)
}

fn find(name: &str) -> Result<Code, Error> {
    Code::named(name).ok_or_else(|| {
        let hint = match nearest(name) {
            Some(near) => format!("kuberescue explain {near}"),
            None => "kuberescue explain --list".to_owned(),
        };
        Error::usage(format!("cannot explain {name}: no such code")).hint(hint)
    })
}

/// The code nearest to the given name: mistyped by a few letters, otherwise the one that shares most of its
/// words.
fn nearest(name: &str) -> Option<&'static str> {
    let typed = name.to_ascii_lowercase().replace(['_', ' '], "-");
    let close = CODES.iter().map(|code| (strsim::levenshtein(&typed, code.as_str()), code.as_str())).min();
    if let Some((letters, code)) = close
        && letters <= typed.chars().count() / 4 + 1
    {
        return Some(code);
    }
    let words: Vec<&str> = name.split(['-', '_', ' ']).filter(|word| word.len() > 1).collect();
    let shared = |code: &Code| {
        code.as_str()
            .split('-')
            .filter(|word| words.iter().any(|typed| word.eq_ignore_ascii_case(typed)))
            .count()
    };
    CODES.iter().max_by_key(|code| shared(code)).filter(|code| shared(code) > 0).map(|code| code.as_str())
}
