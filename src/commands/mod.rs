//! One file a subcommand: its arguments beside what it does. [`source`] and [`change`] are what several of
//! them do alike: reading a node, and changing one.

pub mod archive;
pub mod change;
pub mod check_expiration;
pub mod recover;
pub mod renew;
pub mod resume;
pub mod rollback;
pub mod source;

use jiff::Timestamp;

use crate::cli::{Certs, Cli, Command};
use crate::report::{Exit, Outcome, Output};

/// What a run knows of the world.
pub struct Context<'a> {
    /// The clock, read once.
    pub now: Timestamp,
    /// The command line, for records.
    pub command_line: String,
    /// Where to print.
    pub out: &'a mut Output,
}

/// Runs a command and tells why it failed, if it does.
pub fn run(cli: &Cli, context: &mut Context<'_>) -> Exit {
    match dispatch(cli, context) {
        Ok(exit) => exit,
        Err(failure) => context.out.fail(&failure),
    }
}

fn dispatch(cli: &Cli, context: &mut Context<'_>) -> Outcome {
    match &cli.command {
        Command::Recover(args) => recover::run(args, context),
        Command::Certs(Certs::CheckExpiration(args)) => check_expiration::run(args, context),
        Command::Certs(Certs::Renew(args)) => renew::run(args, context),
        Command::Archive(command) => archive::run(command, context),
        Command::Resume(args) => resume::run(args, context),
        Command::Rollback(args) => rollback::run(args, context),
    }
}
