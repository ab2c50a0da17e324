//! The command line: kubeadm's words wherever kubeadm has one.

mod layout;
mod pages;
mod tips;

use std::ffi::OsString;

use clap::{ArgMatches, Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{
    archive, bundle, ca, check_expiration, completions, csr, diagnose, etcd, explain, help, kubeconfig, man,
    nodes, probe, recover, renew, restart, resume, rollback, rollout, verify, version,
};
use crate::error::{Exit, Outcome};
use crate::session::Context;

/// Repair a kubeadm control-plane node whose certificates have expired.
///
/// Needs nothing but this binary: no kubeadm, openssl, crictl, kubectl, network or working API server.
/// Start with `kuberescue diagnose` (read-only), then `kuberescue recover --dry-run`, then `kuberescue recover`.
///
/// Exit codes: 0 success; 1 problems found; 2 usage error or could not run, nothing changed;
/// 3 failed and rolled back; 4 changed, manual action required; 5 refused for safety, nothing changed.
#[derive(Parser, Debug)]
#[command(name = "kuberescue", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Repair this node: renew what has expired, restart, verify
    Recover(recover::Args),
    /// Diagnose the node (read-only)
    Diagnose(diagnose::Args),
    /// Explain the code of a finding or an error
    Explain(explain::Args),
    /// Check and renew certificates (the commands of kubeadm certs)
    #[command(subcommand)]
    Certs(Certs),
    /// Renew CAs before or after they expire
    #[command(subcommand)]
    Ca(ca::Command),
    /// Renew certificates of a CA whose key is on another machine
    #[command(subcommand)]
    Csr(csr::Command),
    /// Renew another node with the CA keys of this one
    #[command(subcommand)]
    Bundle(bundle::Command),
    /// Create, list, verify, compare and restore archives of the node
    #[command(subcommand)]
    Archive(archive::Command),
    /// Check, fetch, install, push and create kubeconfigs
    #[command(subcommand)]
    Kubeconfig(kubeconfig::Command),
    /// Show etcd's data without etcd, repair a lost quorum
    #[command(subcommand)]
    Etcd(etcd::Command),
    /// Check live ports, served certificates and API health
    Probe(probe::Args),
    /// List the nodes of the cluster, as kubectl get nodes does
    Nodes(nodes::Args),
    /// Restart static pods and the kubelet that still use old files
    Restart(restart::Args),
    /// Restart workloads that still use old certificates
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Verify cluster health
    #[command(subcommand)]
    Verify(verify::Command),
    /// Complete a change that was interrupted
    Resume(resume::Args),
    /// Undo the last change, from its archive
    Rollback(rollback::Args),
    /// Show the help of a command
    Help(help::Args),
    /// Show version, commit, date and target of this binary
    #[command(hide = true)]
    Version(version::Args),
    /// Print the completions of a shell
    #[command(hide = true)]
    Completions(completions::Args),
    /// Print the man page, or write one for each command to a directory
    #[command(hide = true)]
    Man(man::Args),
}

/// `kubeadm certs …`.
#[derive(Subcommand, Debug)]
pub enum Certs {
    /// Show when certificates expire
    CheckExpiration(check_expiration::Args),
    /// Renew certificates with the CAs on this node
    Renew(renew::Args),
}

/// The parser.
pub fn command() -> clap::Command {
    layout::lay_out(Cli::command())
}

type Setup = fn(clap::Command) -> clap::Command;

/// The setup of each command by its name: that of all of them takes as long as a short run beside it.
const COMMANDS: [(&str, Setup); 21] = [
    ("recover", recover::Args::augment_args),
    ("diagnose", diagnose::Args::augment_args),
    ("explain", explain::Args::augment_args),
    ("certs", group::<Certs>),
    ("ca", group::<ca::Command>),
    ("csr", group::<csr::Command>),
    ("bundle", group::<bundle::Command>),
    ("archive", group::<archive::Command>),
    ("kubeconfig", group::<kubeconfig::Command>),
    ("etcd", group::<etcd::Command>),
    ("probe", probe::Args::augment_args),
    ("nodes", nodes::Args::augment_args),
    ("restart", restart::Args::augment_args),
    ("rollout", group::<rollout::Command>),
    ("verify", group::<verify::Command>),
    ("resume", resume::Args::augment_args),
    ("rollback", rollback::Args::augment_args),
    ("help", help::Args::augment_args),
    ("version", version::Args::augment_args),
    ("completions", completions::Args::augment_args),
    ("man", man::Args::augment_args),
];

/// As clap's derive sets it up: without a command it shows its help.
fn group<Below: Subcommand>(command: clap::Command) -> clap::Command {
    Below::augment_subcommands(command).subcommand_required(true).arg_required_else_help(true)
}

/// The parser of one command, for words that are right.
fn alone(name: &str) -> Option<clap::Command> {
    let (name, set_up) = COMMANDS.into_iter().find(|(other, _)| *other == name)?;
    let command = set_up(clap::Command::new(name));
    Some(clap::Command::new("kuberescue").disable_help_subcommand(true).subcommand(command))
}

/// Reads the words after the program's name.
///
/// # Errors
/// They are no command of this program, or ask for help or the version.
pub fn parse(words: Vec<OsString>) -> Result<(Cli, ArgMatches), clap::Error> {
    let shown: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let named: Vec<OsString> = std::iter::once("kuberescue".into()).chain(words).collect();
    let alone = named.get(1).and_then(|name| name.to_str()).and_then(alone);
    let matches = alone.and_then(|command| command.try_get_matches_from(&named).ok());
    // What is shown, help or what is wrong, is from the whole one.
    let matches = matches.map_or_else(|| command().try_get_matches_from(&named), Ok);
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    match parsed {
        Ok((Cli { command: Command::Help(help) }, _)) => parse(help.as_words()),
        Ok(parsed) => Ok(parsed),
        Err(error) => Err(tips::with_tip(error, &command(), &shown)),
    }
}

impl Cli {
    pub fn run(&self, context: &mut Context<'_>) -> Exit {
        match self.dispatch(context) {
            Ok(exit) => exit,
            Err(failure) => context.out.end_with(&failure),
        }
    }

    fn dispatch(&self, context: &mut Context<'_>) -> Outcome {
        match &self.command {
            Command::Recover(args) => recover::run(args, context),
            Command::Diagnose(args) => diagnose::run(args, context),
            Command::Explain(args) => explain::run(args, context),
            Command::Certs(Certs::CheckExpiration(args)) => check_expiration::run(args, context),
            Command::Certs(Certs::Renew(args)) => renew::run(args, context),
            Command::Ca(command) => ca::run(command, context),
            Command::Csr(command) => csr::run(command, context),
            Command::Bundle(command) => bundle::run(command, context),
            Command::Archive(command) => archive::run(command, context),
            Command::Kubeconfig(command) => kubeconfig::run(command, context),
            Command::Etcd(command) => etcd::run(command, context),
            Command::Probe(args) => probe::run(args, context),
            Command::Nodes(args) => nodes::run(args, context),
            Command::Restart(args) => restart::run(args, context),
            Command::Rollout(command) => rollout::run(command, context),
            Command::Verify(command) => verify::run(command, context),
            Command::Resume(args) => resume::run(args, context),
            Command::Rollback(args) => rollback::run(args, context),
            // Turned into --help by the parser.
            Command::Help(_) => Ok(Exit::Fine),
            Command::Version(args) => version::run(args, context),
            Command::Completions(args) => completions::run(args, command(), context),
            Command::Man(args) => man::run(args, command(), context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All arguments of a command and of those below it.
    fn arguments(command: &clap::Command) -> String {
        let required = (command.is_subcommand_required_set(), command.is_arg_required_else_help_set());
        let arguments_here: Vec<_> = command.get_arguments().collect();
        let own = format!("{} {required:?} {arguments_here:?}\n", command.get_name());
        command.get_subcommands().map(arguments).fold(own, |text, below| text + &below)
    }

    #[test]
    fn a_command_alone_is_what_it_is_among_all() {
        let all = Cli::command();
        let names: Vec<_> = all.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(names, COMMANDS.map(|(name, _)| name));
        for whole in all.get_subcommands() {
            let top = alone(whole.get_name()).unwrap();
            let alone: Vec<_> = top.get_subcommands().map(arguments).collect();
            assert_eq!(alone, [arguments(whole)]);
        }
    }
}
