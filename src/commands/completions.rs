//! `completions SHELL`, from the parser.

use clap::Command;
use clap_complete::{Generator, generate, shells};

use crate::error::{Exit, Outcome};
use crate::session::Context;

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Shell {
    Bash,
    Fish,
    Zsh,
}

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Complete for this shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// None.
pub fn run(args: &Args, command: Command, context: &mut Context<'_>) -> Outcome {
    let text = match args.shell {
        Shell::Bash => generated(shells::Bash, command),
        Shell::Fish => generated(shells::Fish, command),
        Shell::Zsh => generated(shells::Zsh, command),
    };
    context.out.file(&text);
    Ok(Exit::Fine)
}

fn generated(shell: impl Generator, mut command: Command) -> Vec<u8> {
    let mut text = Vec::new();
    generate(shell, &mut command, "kuberescue", &mut text);
    text
}
