//! x
use super::Context;
use crate::report::{Exit, Outcome};
/// x
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// x
    X,
}
/// x
pub fn run(_: &Command, _: &mut Context<'_>) -> Outcome {
    Ok(Exit::Fine)
}
