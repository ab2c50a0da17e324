//! `csr sign DIR --ca PATH`: where the CA's key is, on a machine that is no node.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::error::{Error, Exit, Outcome};
use crate::report::{DocumentFormat, SignedCertificates};
use crate::session::Context;
use crate::session::change::csr::cas::read_cas;
use crate::session::change::csr::directory::Directory;
use crate::session::change::csr::import::refuse_all;
use crate::session::change::csr::sign::{Options, Signing};
use crate::session::input::arguments::{parse_code, parse_time};
use crate::state::Code;
use crate::state::text::shell_word;

const EXAMPLES: &str = "\
Takes subject, names and key from each request, and nothing else: usage and constraints are those that kubeadm gives a \
certificate of this name. Which CA signs is decided by its key, not by the name of its file. A directory of \
kubeadm certs generate-csr is taken too.

Examples:
  kuberescue csr sign /media/usb/cp-1 --ca /secure/pki
  kuberescue csr sign /media/usb/cp-1 --ca /secure/ca.crt --ca /secure/etcd-ca.crt --days 90";

/// Arguments of `csr sign`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Directory of the requests: what csr export or kubeadm certs generate-csr has written
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A directory laid out as /etc/kubernetes/pki, or the certificate of a CA with its key beside it (ca.crt, ca.key); may be
    /// given several times
    #[arg(long = "ca", value_name = "PATH", required = true)]
    cas: Vec<PathBuf>,
    /// Issue certificates that are valid for N days, never longer than their CA [default: as requested]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: Option<u32>,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Sign again what is signed already, and replace other certificates that are there
    #[arg(long)]
    overwrite: bool,
    /// Go on in spite of a problem: request-exceeds
    #[arg(long, value_name = "CODE", value_parser = parse_code)]
    accept: Vec<Code>,
    /// Show what would be signed without writing anything
    #[arg(long)]
    dry_run: bool,
    /// Skip confirmation
    #[arg(short, long)]
    yes: bool,
    /// Print what is signed as a table or a document
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let now = args.at.unwrap_or(context.now);
    let directory = Directory::open(&args.directory)?;
    let cas = read_cas(&args.cas)?;
    let Args { days, overwrite, accept, .. } = args;
    let options = Options { days: *days, overwrite: *overwrite, accept: accept.clone(), now };
    let mut signing = match Signing::plan(&directory, &cas, &options) {
        Ok(signing) => signing,
        Err(errors) => {
            refuse_all(errors, context)?;
            return Err(Error::could_not_run("cannot sign the requests").code(Code::IssueFailed));
        }
    };
    signing.document.dry_run = args.dry_run;
    context.out.result(&signing.document.text(now));
    let signed = signing.sign(&cas)?;
    if args.dry_run {
        context.out.say("Dry run: everything was signed and checked in memory, nothing was written.");
    } else if signing.is_empty() {
        context.out.say("Everything is signed already: nothing was written.");
    } else {
        context.confirm("Sign these certificates?", args.yes)?;
        signing.write(&directory, &signed, args.overwrite, context)?;
        let shown = shell_word(&args.directory.display().to_string());
        context.out.say(&format!("Wrote {shown}: each certificate is beside its request."));
        context.out.say(&format!("hint: on the node: sudo kuberescue csr import {shown}"));
    }
    context.out.document(SignedCertificates::KIND, &signing.document);
    Ok(Exit::Fine)
}
