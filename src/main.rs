//! The binary: parses the command line, reads the clock, runs, returns the exit code.
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

use clap::ArgMatches;
use kuberescue::cli;
use kuberescue::error::Exit;
use kuberescue::live::{clock, invoker};
use kuberescue::report::Output;
use kuberescue::session::Context;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    invoker::keep_memory_private();
    let (cli, matches) = match cli::parse(std::env::args_os().skip(1).collect()) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are no errors, nor is a closed pipe.
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
    let command = of_command(&matches);
    if let Some(yaml) = wants_document(command) {
        let at = command.try_get_one::<jiff::Timestamp>("at").ok().flatten();
        out.expect_document(yaml, at.copied().unwrap_or(now));
    } else if has_own_format(command) {
        out.expect_format();
    }
    if let Ok(Some(path)) = command.try_get_one::<std::path::PathBuf>("output_file") {
        out.into_file(path.clone());
    }
    let command_line = format!("kuberescue {}", arguments.join(" "));
    let operator = invoker::look();
    let (changed, held) = (false, None);
    let mut context = Context { now, command_line, operator, out: &mut out, begun, waited, changed, held };
    let exit = cli.run(&mut context);
    ExitCode::from(context.last_word(exit) as u8)
}

/// The command's own arguments.
fn of_command(mut matches: &ArgMatches) -> &ArgMatches {
    while let Some((_, below)) = matches.subcommand() {
        matches = below;
    }
    matches
}

/// Whether what is asked for is for another program: lines of it are not to be wrapped.
fn has_own_format(command: &ArgMatches) -> bool {
    let given = command.try_get_raw("output").ok().flatten().and_then(|mut formats| formats.next());
    given.is_some_and(|format| ["html", "prometheus", "dot", "mermaid"].iter().any(|own| format == *own))
}

/// Whether `-o json` or, as `true`, `-o yaml` is asked for: then errors are documents too.
fn wants_document(command: &ArgMatches) -> Option<bool> {
    let mut formats = command.try_get_raw("output").ok()??;
    match formats.next()?.to_str()? {
        "json" => Some(false),
        "yaml" => Some(true),
        _ => None,
    }
}
