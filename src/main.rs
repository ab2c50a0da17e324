//! The binary: parses the command line, reads the clock, runs, gives the exit code.
#![warn(unreachable_pub)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::dbg_macro,
    clippy::todo
)]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use kuberescue::cli::Cli;
use kuberescue::error::Exit;
use kuberescue::live::{clock, invoker};
use kuberescue::report::Output;
use kuberescue::session::Context;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a closed pipe is none either.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                Exit::CouldNotRun as u8
            } else {
                Exit::Fine as u8
            });
        }
    };
    let arguments: Vec<_> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let (begun, waited) = (clock::now(), Duration::ZERO);
    let mut out = Output::process();
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    let now = jiff::Timestamp::now();
    if let Some(yaml) = wants_document(&arguments) {
        out.expect_document(yaml, now);
    }
    let command_line = format!("kuberescue {}", arguments.join(" "));
    let exit =
        cli.run(&mut Context { now, command_line, operator: invoker::look(), out: &mut out, begun, waited });
    let exit = if out.is_broken() && exit == Exit::Fine { Exit::CouldNotRun } else { exit };
    ExitCode::from(exit as u8)
}

/// Whether `-o json` or, as `true`, `-o yaml` is asked for: then errors are documents too.
fn wants_document(arguments: &[String]) -> Option<bool> {
    let flag = |word: &str| matches!(word, "-o" | "--output");
    let beside = arguments.windows(2).filter_map(|pair| match pair {
        [word, format] if flag(word) => Some(format.as_str()),
        _ => None,
    });
    let within =
        arguments.iter().filter_map(|word| word.strip_prefix("--output=").or(word.strip_prefix("-o")));
    beside.chain(within).find_map(|format| match format.trim_start_matches('=') {
        "json" => Some(false),
        "yaml" => Some(true),
        _ => None,
    })
}
