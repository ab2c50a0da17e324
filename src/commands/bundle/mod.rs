//! `bundle …`: what another node needs from the machine with the CA keys.

use std::path::PathBuf;

use clap::Subcommand;

use crate::error::{Error, Outcome};
use crate::session::Context;

pub mod apply;
pub mod create;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Create what another node needs from the CA keys of this one, encrypted
    Create(create::Args),
    /// Apply a bundle to this node: archive, replace, restart, verify
    Apply(apply::Args),
}

pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Create(args) => create::run(args, context),
        Command::Apply(args) => apply::run(args, context),
    }
}

/// A secret is typed or shown on a terminal only.
fn no_terminal(what: &str) -> Error {
    Error::usage(format!("cannot {what}: there is no terminal"))
}

/// `--passphrase-file`, the same for both.
#[derive(clap::Args, Debug)]
struct PassphraseArgs {
    /// Read the passphrase from the first line of FILE; - is stdin
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}
