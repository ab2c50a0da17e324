//! `explain CODE`: what a finding means, how it comes about, what to do.

use crate::error::{Error, Exit, Outcome};
use crate::report::{Format, explain_json, explain_list, explain_text};
use crate::session::Context;
use crate::session::input::arguments::parse_format;
use crate::state::{CODES, Code};

/// Arguments of `explain`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The code, as in the findings of diagnose, check-expiration and kubeconfig check
    #[arg(value_name = "CODE", required_unless_present = "list")]
    code: Option<String>,
    /// List all codes
    #[arg(long, conflicts_with = "code")]
    list: bool,
    /// table or json
    #[arg(short, long, default_value = "table", value_name = "FORMAT", value_parser = parse_format)]
    output: Format,
}

/// Explains a code.
///
/// # Errors
/// There is no such code.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let json = args.output == Format::Json;
    let Some(name) = &args.code else {
        context.out.result(&if json { explain_json(CODES) } else { explain_list() });
        return Ok(Exit::Fine);
    };
    let Some(code) = Code::named(name) else {
        let near = nearest(name);
        let failure = Error::could_not_run(format!("there is no finding with the code {name}"));
        return Err(failure.hint(match near {
            Some(near) => format!("did you mean {near}? kuberescue explain --list shows all"),
            None => "kuberescue explain --list shows all".to_owned(),
        }));
    };
    context.out.result(&if json { explain_json(&[code]) } else { explain_text(code) });
    Ok(Exit::Fine)
}

/// The code that is nearest to what was typed: mistyped by a few letters, or else the one that shares most of its
/// words.
fn nearest(name: &str) -> Option<&'static str> {
    let typed = name.to_ascii_lowercase().replace(['_', ' '], "-");
    let close = CODES.iter().map(|code| (distance(&typed, code.as_str()), code.as_str())).min();
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

/// How many letters have to be added, removed or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, of_a) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), i + 1);
        let mut left = i + 1;
        for (cell, of_b) in row.iter_mut().skip(1).zip(b.chars()) {
            let best = (diagonal + usize::from(of_a != of_b)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}
