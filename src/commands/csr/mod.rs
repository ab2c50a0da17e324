//! `csr …`: certificates of an external CA, whose key is not on the node.

use clap::Subcommand;

use crate::error::Outcome;
use crate::session::Context;
use crate::state::catalog::{CERT_SPECS, KUBELET_CLIENT, KUBELET_SERVING, cert_spec};

pub mod export;
pub mod import;
pub mod sign;

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Export certificate signing requests to a directory; private keys stay on this node
    Export(export::Args),
    /// Sign the requests of a directory, on the machine that has the CA's key
    Sign(sign::Args),
    /// Import signed certificates: each is checked, then all are put in place or none
    Import(import::Args),
}

pub fn run(command: &Command, context: &mut Context<'_>) -> Outcome {
    match command {
        Command::Export(args) => export::run(args, context),
        Command::Sign(args) => sign::run(args, context),
        Command::Import(args) => import::run(args, context),
    }
}

/// The name of a certificate that a CA signs for a node.
///
/// # Errors
/// There is none of this name.
fn certificate_name(name: &str) -> Result<String, String> {
    if cert_spec(name).is_some() || [KUBELET_CLIENT, KUBELET_SERVING].contains(&name) {
        return Ok(name.to_owned());
    }
    let names: Vec<_> = CERT_SPECS.iter().map(|spec| spec.name).collect();
    Err(format!("one of {}, {KUBELET_CLIENT}, {KUBELET_SERVING}", names.join(", ")))
}
