//! `ca renew`: CA certificates reissued with their own keys.

use crate::analysis::node::plan::{CaSelection, DEFAULT_CA_DAYS, Options, Selection};
use crate::error::{Error, Exit, Outcome};
use crate::report::DocumentFormat;
use crate::session::Context;
use crate::session::change::Prepared;
use crate::session::change::arguments::WriteArgs;
use crate::state::Code;

/// Arguments of `ca renew`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// ca, etcd-ca, front-proxy-ca or all
    #[arg(value_name = "NAME", default_value = "all", value_parser = selection)]
    selection: CaSelection,
    #[command(flatten)]
    write: WriteArgs,
    /// Issue CA certificates that are valid for N days
    #[arg(long, default_value_t = DEFAULT_CA_DAYS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: u32,
    /// Output format; with json and yaml the course of the work goes to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// # Errors
/// See [`Exit`].
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let options = Options {
        selection: Selection::Nothing,
        authorities: args.selection,
        ca_days: args.days,
        accept: args.write.accepted(),
        whole_node: false,
        ..Options::recovery()
    };
    super::change(&args.write, &options, refuse, done, context)
}

fn refuse(prepared: &Prepared) -> Outcome {
    if prepared.plan.authorities.is_empty() {
        return Err(Error::refused(Code::NothingToRenew, "this node has no CA")
            .hint("sudo kuberescue certs check-expiration shows its certificates"));
    }
    Ok(Exit::Fine)
}

fn done(prepared: &Prepared) -> [String; 2] {
    let names: Vec<_> = prepared.plan.authorities.iter().map(|step| step.name).collect();
    let next = if prepared.is_live() {
        "hint: sudo kuberescue recover restarts what has to read them, and updates cluster-info"
    } else {
        "hint: a node that boots from this disk reads them"
    };
    [format!("Renewed with their own keys: {}", names.join(", ")), next.to_owned()]
}

/// The CA of this name, or all.
///
/// # Errors
/// There is none of this name.
fn selection(name: &str) -> Result<CaSelection, String> {
    if name == "all" {
        return Ok(CaSelection::All);
    }
    super::named(name, &["all"]).map(CaSelection::One)
}
