//! `etcd …`: etcd's database and snapshots, read without etcd and without a change; a lost quorum.

mod get;
mod members;
mod rescue;
mod snapshot;
mod status;

use std::path::PathBuf;

use crate::error::Outcome;
use crate::report::DocumentFormat;
use crate::session::Context;

/// The commands for etcd.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Show what etcd's database holds: revision, size, members, alarms, keys by resource
    Status(status::Args),
    /// List the members, as etcdctl member list does
    Members(members::Args),
    /// List the names of keys, or show Kubernetes' objects (-o json, yaml)
    Get(get::Args),
    /// Show and verify snapshots of etcd
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    /// Repair a lost quorum: make this node's member a cluster of one, when the others are gone for good
    Rescue(rescue::Args),
}

/// Runs a command for etcd.
///
/// # Errors
/// Those of the command.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Status(args) => status::run(args, context),
        Command::Members(args) => members::run(args, context),
        Command::Get(args) => get::run(args, context),
        Command::Snapshot(command) => snapshot::run(command, context),
        Command::Rescue(args) => rescue::run(args, context),
    }
}

/// Which database, and how it is shown.
#[derive(clap::Args, Debug)]
struct DatabaseArgs {
    /// Database (member/snap/db) or snapshot [default: the database of the node]
    #[arg(value_name = "FILE", conflicts_with = "root")]
    file: Option<PathBuf>,
    /// Root directory of the node: / on the node itself, or where its disk is mounted
    #[arg(long, default_value = "/", value_name = "DIR", alias = "rootfs")]
    root: PathBuf,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}
