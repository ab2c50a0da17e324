//! `kubeconfig push`: updates a cluster's Secret in the admin cluster from a control-plane node's admin.conf.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::analysis::workstation::difference::{Difference, compare};
use crate::disk::replacement::{self, Kept};
use crate::error::{Error, Exit, Outcome};
use crate::formats::kubeconfig::Kubeconfig;
use crate::live::Fault;
use crate::live::api::{ApiError, Node, Secret, directory_of};
use crate::report::{
    DocumentFormat, Replacement, credential_line, difference_text, later_line, node_list, warning_lines,
};
use crate::session::Context;
use crate::session::cluster::connect::read;
use crate::session::workstation::credential::{Credential, refuse_another_cluster, stamp};
use crate::session::workstation::secret::{KEY, Read, SecretArgs};
use crate::state::Code;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    secret: SecretArgs,
    /// Same as --admin-context
    #[arg(long, value_name = "NAME", conflicts_with = "admin_context")]
    context: Option<String>,
    /// Take the new credential from this kubeconfig; - is standard input
    #[arg(long, value_name = "FILE", default_value = "/etc/kubernetes/admin.conf")]
    from: PathBuf,
    /// Keep the old value in DIR, in a file of mode 0600
    #[arg(long, value_name = "DIR", default_value = ".")]
    keep: PathBuf,
    /// Write it without trying it first
    #[arg(long)]
    unverified: bool,
    /// Accept a credential of another cluster
    #[arg(long)]
    accept_cluster: bool,
    /// Show what would be done without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Skip confirmation
    #[arg(short, long)]
    yes: bool,
    /// Output format; with json and yaml the course of the work goes to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// Updates the Secret. Nothing is written before exactly the new bytes have listed the nodes.
///
/// # Errors
/// The new one does not work or is of another cluster (refused); the admin cluster rejects it; or it is not known
/// whether it was written.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let from = args.from.display().to_string();
    let new =
        Credential::of(read(&args.from)?, from.clone(), Some(&directory_of(&args.from)), None, context.now);
    let new = new.map_err(|why| {
        Error::could_not_run(format!("cannot read {from}: {why}"))
            .code(Code::KubeconfigUnusable)
            .hint(format!("kuberescue kubeconfig check {from}"))
    })?;
    if let Some(refusal) = new.refusal() {
        return Err(refusal.hint("on the control-plane node: sudo kuberescue certs renew admin.conf"));
    }
    new.pems()?;
    let found = args.secret.read(args.context.as_deref(), context)?;
    let value = found.secret.value(KEY).map_or_else(|| found.value().map(Some), |value| Ok(value.ok()))?;
    let old =
        value.clone().map(|value| Credential::of(value, found.place.to_string(), None, None, context.now));
    context.out.say(&credential_line(&new.source, &new.checked, context.now));
    context.out.say(&warning_lines(&new.checked));
    let result = compose(value.as_deref().map(Vec::as_slice), &new, context)?;
    let mut done = Replacement::of(found.place.to_string(), &new.source, args.dry_run);
    if value.as_deref().is_some_and(|value| *value == *result.bytes) {
        context.out.document(Replacement::KIND, &done);
        context.out.say(&format!("Nothing to do: the {} is up to date", found.place));
        return Ok(Exit::Fine);
    }
    refuse(&found, old.as_ref().and_then(|old| old.as_ref().ok()), &new, args)?;
    done.nodes = verify(args, &result, context)?;
    done.comparison = show_difference(&found, old.as_ref(), &result, context);
    if args.dry_run {
        context.out.document(Replacement::KIND, &done);
        context.out.say("Dry run: nothing was changed.");
        return Ok(Exit::Fine);
    }
    context.confirm(&format!("Update the {}?", found.place), args.yes)?;
    let kept = match &value {
        Some(value) => Some(keep(args, &found, value, context)?),
        None => None,
    };
    let written = write(&found, &result.bytes, kept.as_ref());
    done.kept = kept.as_ref().map(|kept| kept.path.display().to_string());
    match (&written, kept) {
        (Err(failure), Some(kept)) if failure.exit() == Exit::CouldNotRun => kept.take_back(),
        (_, Some(kept)) => context.out.say(&format!("Old value: {}", kept.path.display())),
        (_, None) => {}
    }
    written?;
    context.out.say(&format!("Updated the {}", found.place));
    done.replaced = true;
    context.out.document(Replacement::KIND, &done);
    Ok(Exit::Fine)
}

/// `old` is nothing where the value is not base64.
fn show_difference(
    found: &Read,
    old: Option<&Result<Credential, String>>,
    new: &Credential,
    context: &mut Context<'_>,
) -> Option<Difference> {
    match old {
        Some(Ok(old)) => {
            let difference = compare(&old.checked, &new.checked);
            context.out.result(&difference_text(&difference, ("OLD", "NEW")));
            context.out.say(&later_line(&old.checked, &new.checked));
            return Some(difference);
        }
        Some(Err(why)) => context.out.note(&format!("the {} holds no kubeconfig: {why}", found.place)),
        None => context.out.note(&format!("the value of the {} is not base64", found.place)),
    }
    None
}

fn refuse(found: &Read, old: Option<&Credential>, new: &Credential, args: &Args) -> Result<(), Error> {
    if let Some(old) = old {
        refuse_another_cluster(&compare(&old.checked, &new.checked), (old, new), args.accept_cluster)?;
    }
    if found.secret.immutable {
        let what = format!("cannot update the {}: it is immutable", found.place);
        return Err(Error::refused(Code::SecretImmutable, what).hint(format!(
            "kubectl -n {} delete secret {}, then create it again",
            found.place.namespace, found.place.name
        )));
    }
    Ok(())
}

/// The new value: the Secret's own kubeconfig with the new credential and CA, or the entire new file if that
/// is not possible.
fn compose(old: Option<&[u8]>, new: &Credential, context: &mut Context<'_>) -> Result<Credential, Error> {
    let bytes = match spliced(old, new)? {
        Ok(bytes) => bytes,
        Err(why) => {
            context.out.note(&format!("cannot edit the kubeconfig in the Secret: {why}; it is replaced with all of {}, including the server",
                new.source
            ));
            new.bytes.clone()
        }
    };
    let composed = Credential::of(bytes, "the new value".to_owned(), None, None, context.now);
    let composed = composed.map_err(Error::could_not_run)?;
    match composed.refusal() {
        Some(refusal) => {
            Err(refusal
                .hint("the Secret has another CA, and the new kubeconfig embeds none: use an admin.conf with certificate-authority-data"))
        }
        None => composed.pems().map(drop).map(|()| composed),
    }
}

/// The old value with the new credential, or why it cannot be edited.
fn spliced(old: Option<&[u8]>, new: &Credential) -> Result<Result<Zeroizing<Vec<u8>>, String>, Error> {
    let pems = new.pems()?;
    let Some(old) = old else { return Ok(Err("not base64".to_owned())) };
    let parsed = Kubeconfig::parse(old).map_err(|error| error.to_string());
    Ok(parsed.and_then(|parsed| pems.splice_into(&parsed, old)))
}

fn verify(args: &Args, result: &Credential, context: &mut Context<'_>) -> Result<Vec<Node>, Error> {
    if args.unverified {
        context.out.note("not tried first (--unverified)");
        return Ok(Vec::new());
    }
    let nodes = result.list_nodes(PathBuf::new(), args.secret.request_timeout.time(), context.now);
    let nodes = nodes.map_err(|failure| {
        failure.hint(
            "if this machine cannot reach that cluster: --unverified writes the Secret without trying first",
        )
    })?;
    context.out.say(&format!("The new kubeconfig works. Nodes of {}:", result.checked.server));
    context.out.result(&node_list(&nodes, context.now));
    context.out.result("\n");
    Ok(nodes)
}

fn keep(args: &Args, found: &Read, value: &[u8], context: &Context<'_>) -> Result<Kept, Error> {
    let kept = replacement::keep(&args.keep, &found.place.name, &stamp(context.now), value);
    kept.map_err(|error| {
        Error::from(error).hint("the old value is kept before anything is changed: add --keep DIR")
    })
}

fn write(found: &Read, value: &[u8], kept: Option<&Kept>) -> Result<(), Error> {
    let Read { cluster, place, secret } = found;
    let (api, at) = (&cluster.api, (place.namespace.as_str(), place.name.as_str()));
    let written = api.replace_value(at, (KEY, value), &secret.version, cluster.deadline());
    let holds = |secret: &Secret| secret.value(KEY).and_then(Result::ok).is_some_and(|now| *now == *value);
    let (now, error) = match written {
        Ok(now) => (now, None),
        Err(error) if is_certain(&error) => return Err(not_taken(found, &error)),
        // Only the Secret itself shows whether it was written.
        Err(error) => match api.secret(at.0, at.1, cluster.deadline()) {
            Ok(now) => (now, Some(error)),
            Err(_) => return Err(unknown(found, kept, &error)),
        },
    };
    if holds(&now) {
        return Ok(());
    }
    match error {
        Some(error) if now.version == secret.version => Err(not_taken(found, &error)),
        Some(error) => Err(unknown(found, kept, &error)),
        None => {
            let other = ApiError::Unintelligible("the Secret holds another value".to_owned());
            Err(unknown(found, kept, &other))
        }
    }
}

/// Whether it is certain that nothing was changed.
fn is_certain(error: &ApiError) -> bool {
    match error {
        ApiError::Kubeconfig(_) | ApiError::Credential(_) | ApiError::Name { .. } => true,
        ApiError::Status { status, .. } => (400..500).contains(status),
        ApiError::Fault(
            Fault::Refused
            | Fault::ServerCertificate(_)
            | Fault::ServerExpired(_)
            | Fault::ClientCertificateRejected(_),
        ) => true,
        ApiError::Fault(_) | ApiError::Unintelligible(_) => false,
    }
}

fn not_taken(found: &Read, error: &ApiError) -> Error {
    found.cluster.secret_failure(&format!("update the {}", found.place), error)
}

fn unknown(found: &Read, kept: Option<&Kept>, error: &ApiError) -> Error {
    let what = format!("cannot verify the update of the {}: {error}", found.place);
    let kept = kept.map(|kept| format!(" (old value: {})", kept.path.display())).unwrap_or_default();
    Error::manual_action(what)
        .code(error.code())
        .hint(format!("kuberescue kubeconfig fetch shows its value{kept}"))
}
