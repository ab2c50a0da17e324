//! `etcd …`: etcd's database and snapshots, read without etcd and without a change.

mod get;
mod members;
mod snapshot;
mod status;

use std::path::PathBuf;

use crate::error::Outcome;
use crate::session::Context;

/// The commands for etcd's database.
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
}

/// Runs a command for etcd's database.
///
/// # Errors
/// There is no database, or it cannot be read.
pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Status(args) => status::run(args, context),
        Command::Members(args) => members::run(args, context),
        Command::Get(args) => get::run(args, context),
        Command::Snapshot(command) => snapshot::run(command, context),
    }
}

/// Which database.
#[derive(clap::Args, Debug)]
struct FileArgs {
    /// Database (member/snap/db) or snapshot [default: the database of the node]
    #[arg(value_name = "FILE", conflicts_with = "root")]
    file: Option<PathBuf>,
    /// Root directory of the node: / on the node itself, or where its disk is mounted
    #[arg(long, default_value = "/", value_name = "DIR", visible_alias = "rootfs")]
    root: PathBuf,
}
