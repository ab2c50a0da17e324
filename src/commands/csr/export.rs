//! `csr export DIR`: the requests for what an external CA signs.

use std::path::PathBuf;
use std::str::FromStr as _;

use jiff::Timestamp;

use super::certificate_name;
use crate::analysis::node::plan::{Elsewhere, Options};
use crate::error::{Error, Exit, Outcome};
use crate::formats::key::KeyAlgorithm;
use crate::formats::requests::KIND;
use crate::report::{DocumentFormat, requests_text};
use crate::session::Context;
use crate::session::change::arguments::WriteArgs;
use crate::session::change::csr::export::{Made, make, refuse_used, replaced, write};
use crate::session::change::csr::import::options;
use crate::session::change::{Prepared, prepare};
use crate::session::input::arguments::{parse_code, parse_time};
use crate::session::input::source::RootArgs;
use crate::state::Code;
use crate::state::text::shell_word;
use crate::state::time::minute;

const EXAMPLES: &str = "\
Subject and names are those of the old certificates. New private keys stay on this node, in \
/var/lib/kuberescue, until csr import; DIR holds requests and a manifest, and nothing secret.

Examples:
  sudo kuberescue csr export /media/usb/cp-1
  sudo kuberescue csr export /media/usb/cp-1 apiserver admin.conf";

/// Arguments of `csr export`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A new or an empty directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Only these, such as apiserver or admin.conf [default: everything whose CA has no key on this node]
    #[arg(value_name = "NAME", value_parser = certificate_name)]
    names: Vec<String>,
    #[command(flatten)]
    root: RootArgs,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Request the existing private keys, and make no new ones
    #[arg(long)]
    reuse_keys: bool,
    /// Make new keys of this algorithm: rsa-2048, rsa-3072, rsa-4096, ecdsa-p256 or ecdsa-p384 [default: that of the old one]
    #[arg(long, value_name = "ALGORITHM", value_parser = KeyAlgorithm::from_str, conflicts_with = "reuse_keys")]
    key_algorithm: Option<KeyAlgorithm>,
    /// Request certificates that are valid for N days [default: 365, or certificateValidityPeriod of kubeadm-config in
    /// etcd's database]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: Option<u32>,
    /// Go on in spite of a blocking problem, such as clock-behind; may be given several times
    #[arg(long, value_name = "CODE", value_parser = parse_code)]
    accept: Vec<Code>,
    /// Show the requests without writing anything
    #[arg(long)]
    dry_run: bool,
    /// Skip confirmation where keys of an earlier export are replaced
    #[arg(short, long)]
    yes: bool,
    /// Print the requests as a table or a document
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    refuse_used(&args.directory)?;
    let write_args = args.write();
    let mut prepared = prepare(&write_args, &args.options(&write_args), context)?;
    prepared.refuse(context)?;
    args.refuse_missing(&prepared)?;
    let made = make(&prepared)?;
    context.out.result(&requests_text(&made.list));
    if args.dry_run {
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        context.out.document(KIND, &made.list);
        return Ok(Exit::Fine);
    }
    args.confirm(&prepared, &made, context)?;
    prepared.lock(context)?;
    write(&prepared, &made, &args.directory, context)?;
    let shown = shell_word(&args.directory.display().to_string());
    context
        .out
        .say(&format!("Wrote the requests and their manifest to {shown}; no private key left this node."));
    context.out.say(&format!(
        "hint: on the machine that has the CA's key: kuberescue csr sign {shown} --ca PATH\n\
         hint: then here: sudo kuberescue csr import {shown}"
    ));
    context.out.document(KIND, &made.list);
    Ok(Exit::Fine)
}

impl Args {
    fn write(&self) -> WriteArgs {
        let Self { root, at, dry_run, yes, .. } = self;
        let root = RootArgs { root: root.root.clone(), cert_dir: root.cert_dir.clone() };
        let (dry_run, yes, at) = (*dry_run, *yes, *at);
        WriteArgs {
            root,
            at,
            dry_run,
            yes,
            accept: self.accept.clone(),
            accept_clock: false,
            archive_dir: None,
        }
    }

    fn options(&self, write: &WriteArgs) -> Options {
        let elsewhere = match self.names.as_slice() {
            [] => Elsewhere::All,
            names => Elsewhere::Named(names.to_vec()),
        };
        Options {
            reuse_keys: self.reuse_keys,
            key_algorithm: self.key_algorithm.clone(),
            days: self.days,
            ..options(elsewhere, write)
        }
    }

    /// # Errors
    /// There is nothing to request, or one of the names cannot be requested.
    fn refuse_missing(&self, prepared: &Prepared) -> Result<(), Error> {
        let plan = &prepared.plan;
        let has = |name: &&String| plan.steps.iter().any(|step| step.name == **name);
        if let Some(name) = self.names.iter().find(|name| !has(name)) {
            let skipped = plan.skipped.iter().find(|skipped| skipped.name == *name);
            let why = skipped.map(|skipped| skipped.why.to_string());
            let why = why.unwrap_or_else(|| "this node has no such certificate".to_owned());
            return Err(Error::refused(Code::NothingToRenew, format!("cannot request {name}: {why}"))
                .hint(format!("sudo kuberescue certs renew {name}")));
        }
        if plan.steps.is_empty() {
            let what = "there is nothing to request: the keys of all CAs are on this node";
            return Err(Error::refused(Code::NothingToRenew, what).hint("sudo kuberescue certs renew all"));
        }
        Ok(())
    }

    /// Asks before keys are replaced for which certificates may be on their way.
    fn confirm(&self, prepared: &Prepared, made: &Made, context: &mut Context<'_>) -> Result<(), Error> {
        let old = replaced(prepared, made)?;
        let Some(first) = old.first() else { return Ok(()) };
        let names: Vec<_> = old.iter().map(|key| key.name.as_str()).collect();
        context.out.say(&format!(
            "The keys of the export of {} are replaced: {}. What is signed for that export can then not be imported.",
            minute(first.exported),
            names.join(", ")
        ));
        context.confirm("Replace them?", self.yes)
    }
}
