//! `bundle apply FILE`: on the node for which a bundle was made.

use std::path::PathBuf;

use jiff::SignedDuration;

use super::{PassphraseArgs, no_terminal};
use crate::analysis::node::findings::Finding;
use crate::error::{Error, Exit, Outcome};
use crate::issue::encryption::DecryptWith;
use crate::report::{BundleApply, DocumentFormat, Role, bundle_text, finding_lines};
use crate::session::Context;
use crate::session::change::arguments::WriteArgs;
use crate::session::change::bundle::{Delivery, Encrypted, identities_in, passphrase_in, prepare};
use crate::session::input::arguments::parse_duration;
use crate::session::recovery::bundle::revive;
use crate::session::recovery::host::HostArgs;
use crate::session::recovery::{Live, Restart};

const EXAMPLES: &str = "\
The bundle is decrypted in memory. It must be for this node and from its \
cluster's CA, and the node must work with it; otherwise nothing is changed. The \
old files are archived first: kuberescue rollback puts them back. On a worker \
kubelet.conf keeps its API server.

Examples:
  sudo kuberescue bundle apply worker-1.bundle.age --dry-run
  sudo kuberescue bundle apply worker-1.bundle.age
  sudo kuberescue bundle apply worker-1.bundle.age --passphrase-file FILE --yes";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The bundle: what bundle create has written for this node
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Decrypt it with the private keys in FILE, as age-keygen writes them
    #[arg(short, long, value_name = "FILE", conflicts_with = "passphrase_file")]
    identity: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    write: WriteArgs,
    #[command(flatten)]
    host: HostArgs,
    /// Restart static pods this way, on a running node; with none nothing is restarted, not even the kubelet
    #[arg(long, value_enum, default_value_t = Restart::Cri, value_name = "HOW")]
    restart: Restart,
    /// Wait this long for the node to be healthy again
    #[arg(long, default_value = "300s", value_name = "DURATION", value_parser = parse_duration)]
    proof_timeout: SignedDuration,
    /// Output format; with json and yaml the course of the work goes to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let encrypted = Encrypted::read(&args.file)?;
    let (bundle, manifest) = encrypted.open(&args.decrypt_with(&encrypted, context)?)?;
    let mut delivery = prepare((&bundle, &manifest), &args.write, context)?;
    args.write.refuse_other_time(&delivery.root)?;
    context.out.result(&bundle_text(&delivery.plan));
    let left: Vec<_> = delivery.findings.iter().filter(|finding| finding.is_blocker()).collect();
    if !left.is_empty() {
        let heading = "Blocking problems that remain after this change (manual action required)";
        context.out.result(&format!("\n{heading}:\n{}", finding_lines(left.iter().copied())));
    }
    let nothing = delivery.changes.is_empty();
    if args.write.dry_run || nothing {
        context.out.say(if nothing {
            "Everything is in place already: nothing was written."
        } else {
            "Dry run: nothing was written."
        });
        let exit = exit(&delivery);
        return Ok(args.end(&delivery, None, exit, context));
    }
    context.confirm("Apply this bundle?", args.write.yes)?;
    let archive = delivery.carry_out(&args.write, context)?;
    context
        .out
        .say(&format!("hint: sudo kuberescue rollback restores the old state from {}", archive.display()));
    if delivery.root.is_live() && args.restart != Restart::None {
        revive(&delivery, &args.write, &args.live(), context)?;
    }
    let left: Vec<_> = delivery.findings.iter().filter(|finding| finding.is_blocker()).collect();
    if !left.is_empty() {
        let lines = finding_lines(left.iter().copied());
        context.out.say(&format!("Blocking problems that remain:\n{}", lines.trim_end()));
        context.out.say("hint: sudo kuberescue diagnose");
    }
    let exit = exit(&delivery);
    Ok(args.end(&delivery, Some(archive), exit, context))
}

impl Args {
    fn decrypt_with(&self, encrypted: &Encrypted, context: &mut Context<'_>) -> Result<DecryptWith, Error> {
        if let Some(path) = &self.identity {
            return Ok(DecryptWith::Identities(identities_in(path)?));
        }
        if let Some(path) = &self.passphrase.passphrase_file {
            return Ok(DecryptWith::Passphrase(passphrase_in(path)?));
        }
        if !encrypted.needs_passphrase {
            let what = "cannot decrypt the bundle: it is encrypted to a public key";
            return Err(Error::usage(what).hint("name the file with its private key: --identity FILE"));
        }
        match context.out.ask_secret("Passphrase of the bundle: ") {
            Some(passphrase) => Ok(DecryptWith::Passphrase(passphrase)),
            None => Err(no_terminal("ask for the passphrase")
                .hint("name a file that holds it: --passphrase-file FILE")),
        }
    }

    fn live(&self) -> Live<'_> {
        Live {
            host: &self.host,
            restart: self.restart,
            proof_timeout: self.proof_timeout.unsigned_abs(),
            rollback_on_failure: false,
            etcd_snapshot: false,
            archive_dir: self.write.archive_dir.as_deref(),
            rollout: false,
            yes: true,
            dry_run: false,
            verbose: true,
            left: 0,
        }
    }

    fn end(
        &self,
        delivery: &Delivery,
        archive: Option<PathBuf>,
        exit: Exit,
        context: &mut Context<'_>,
    ) -> Exit {
        let document = BundleApply {
            dry_run: self.write.dry_run,
            applied: archive.is_some(),
            role: if delivery.is_worker { Role::Worker } else { Role::ControlPlane },
            source: &self.file,
            archive: archive.as_deref(),
            plan: &delivery.plan,
            after: &delivery.findings,
            exit_code: exit as u8,
        };
        context.out.document(BundleApply::KIND, &document);
        exit
    }
}

/// Whether anything still keeps the node from working.
fn exit(delivery: &Delivery) -> Exit {
    if delivery.findings.iter().any(Finding::is_blocker) { Exit::ActionRequired } else { Exit::Fine }
}
