//! `kubeconfig push`: the Secret that the admin cluster keeps, written from a control-plane node's admin.conf.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::analysis::workstation::difference::compare;
use crate::disk::replacement::{self, Kept};
use crate::error::{Error, Exit, Outcome};
use crate::formats::kubeconfig::Kubeconfig;
use crate::live::Fault;
use crate::live::api::{ApiError, Secret, directory_of};
use crate::report::{credential_line, difference_text, later_line, node_list, warning_lines};
use crate::session::Context;
use crate::session::cluster::connect::read;
use crate::session::workstation::credential::{Credential, not_written, refuse_another_cluster, stamp};
use crate::session::workstation::secret::{KEY, Read, SecretArgs};
use crate::state::Code;

/// Arguments of `kubeconfig push`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Which Secret
    #[command(flatten)]
    secret: SecretArgs,
    /// The same as --admin-context
    #[arg(long, value_name = "NAME", conflicts_with = "admin_context")]
    context: Option<String>,
    /// The kubeconfig with the new credential; - is the standard input
    #[arg(long, value_name = "FILE", default_value = "/etc/kubernetes/admin.conf")]
    from: PathBuf,
    /// Where the old value is kept, in a file of mode 0600
    #[arg(long, value_name = "DIR", default_value = ".")]
    keep: PathBuf,
    /// Write it although this machine cannot try it
    #[arg(long)]
    unverified: bool,
    /// The new credential may be of another cluster than the Secret's
    #[arg(long)]
    accept_cluster: bool,
    /// Show what would be done without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Skip confirmation
    #[arg(short, long)]
    yes: bool,
}

/// Writes the Secret. Nothing is written before the very bytes that will be in it have listed the nodes.
///
/// # Errors
/// The new one does not work or is another cluster's (refused); the admin cluster does not take it; or it is not known
/// whether it did.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let from = args.from.display().to_string();
    let new =
        Credential::of(read(&args.from)?, from.clone(), Some(&directory_of(&args.from)), None, context.now);
    let new = new.map_err(|why| {
        Error::could_not_run(format!("{from}: {why}")).hint(format!("kuberescue kubeconfig check {from}"))
    })?;
    if let Some(refusal) = new.refusal() {
        return Err(refusal.hint("renew it first, on the control-plane node: kuberescue recover, or kuberescue certs renew admin.conf"));
    }
    new.pems()?;
    let found = args.secret.read(args.context.as_deref(), context)?;
    let value = found.secret.value(KEY).map_or_else(|| found.value().map(Some), |value| Ok(value.ok()))?;
    let old =
        value.clone().map(|value| Credential::of(value, found.place.to_string(), None, None, context.now));
    context.out.say(&credential_line(&new.source, &new.checked, context.now));
    context.out.say(&warning_lines(&new.checked));
    let result = compose(value.as_deref().map(Vec::as_slice), &new, context)?;
    if value.as_deref().is_some_and(|value| *value == *result.bytes) {
        context.out.say(&format!("Nothing to do: the {} holds this certificate already", found.place));
        return Ok(Exit::Fine);
    }
    refuse(&found, old.as_ref().and_then(|old| old.as_ref().ok()), &new, args)?;
    verify(args, &result, context)?;
    match &old {
        Some(Ok(old)) => {
            let difference = compare(&old.checked, &result.checked);
            context.out.result(&difference_text(&difference, ("OLD", "NEW")));
        }
        Some(Err(why)) => {
            context.out.note(&format!("what the {} holds now is no kubeconfig: {why}", found.place))
        }
        None => context.out.note(&format!("what the {} holds now is not base64", found.place)),
    }
    if let Some(Ok(old)) = &old {
        context.out.say(&later_line(&old.checked, &result.checked));
    }
    if args.dry_run {
        context.out.say("Dry run: nothing was changed.");
        return Ok(Exit::Fine);
    }
    context.confirm(&format!("Write it into the {}?", found.place), args.yes)?;
    let kept = match &value {
        Some(value) => Some(keep(args, &found, value, context)?),
        None => None,
    };
    let written = write(&found, &result.bytes, kept.as_ref());
    match (&written, kept) {
        (Err(failure), Some(kept)) if failure.exit() == Exit::CouldNotRun => kept.take_back(),
        (_, Some(kept)) => context.out.say(&format!("The old value is kept in {}", kept.path.display())),
        (_, None) => {}
    }
    written?;
    context.out.say(&format!("Written: the {} holds the new kubeconfig", found.place));
    Ok(Exit::Fine)
}

fn refuse(found: &Read, old: Option<&Credential>, new: &Credential, args: &Args) -> Result<(), Error> {
    if let Some(old) = old {
        refuse_another_cluster(&compare(&old.checked, &new.checked), (old, new), args.accept_cluster)?;
    }
    if found.secret.immutable {
        let what = format!("the {} is immutable: the API server lets nobody change it", found.place);
        return Err(Error::refused(Code::SecretImmutable, what)
            .hint("delete it and make it anew, if what made it (bmctl, Cluster API) does not"));
    }
    Ok(())
}

/// What will be in the Secret: its own kubeconfig with the new credential and CA; where that is not possible, all of the
/// new file.
fn compose(old: Option<&[u8]>, new: &Credential, context: &mut Context<'_>) -> Result<Credential, Error> {
    let bytes = match spliced(old, new)? {
        Ok(bytes) => bytes,
        Err(why) => {
            context.out.note(&format!("the credential cannot be replaced within the Secret's own kubeconfig ({why}); all of {} is written, its server included",
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
                .hint("the Secret's kubeconfig has another CA, and the new one none to replace it with"))
        }
        None => composed.pems().map(drop).map(|()| composed),
    }
}

/// The old value with the new credential, or why that can't be.
fn spliced(old: Option<&[u8]>, new: &Credential) -> Result<Result<Zeroizing<Vec<u8>>, String>, Error> {
    let pems = new.pems()?;
    let Some(old) = old else { return Ok(Err("it is not base64".to_owned())) };
    let parsed = match Kubeconfig::parse(old) {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if let Some(error) = parsed.authority_error() {
        return Ok(Err(error.to_string()));
    }
    let authority = pems.authority.as_deref().map(Vec::as_slice);
    let authority = authority.filter(|pem| parsed.authority_pem().is_some_and(|there| there != *pem));
    Ok(parsed.splice(old, &pems.certificate, &pems.key, authority).map_err(|error| error.to_string()))
}

fn verify(args: &Args, result: &Credential, context: &mut Context<'_>) -> Result<(), Error> {
    if args.unverified {
        context.out.note("it is not tried: --unverified");
        return Ok(());
    }
    let nodes = result.list_nodes(PathBuf::new(), args.secret.patience.time(), context.now);
    let nodes = nodes.map_err(|failure| {
        failure.hint("is the server in the Secret's kubeconfig that cluster's, and can this machine reach it? where it cannot: --unverified writes it without trying it")
    })?;
    context.out.say(&format!("It works: {} lists these nodes:", result.checked.server));
    context.out.result(&node_list(&nodes, context.now));
    context.out.result("\n");
    Ok(())
}

fn keep(args: &Args, found: &Read, value: &[u8], context: &Context<'_>) -> Result<Kept, Error> {
    let kept = replacement::keep(&args.keep, &found.place.name, &stamp(context.now), value);
    kept.map_err(|error| {
        not_written(&error)
            .hint("the old value is kept before anything is changed: --keep DIR names a directory for it")
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
        // Whether it arrived only the Secret itself knows.
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
            let other = ApiError::Unintelligible("the Secret now holds something else".to_owned());
            Err(unknown(found, kept, &other))
        }
    }
}

/// Whether nothing was changed for certain.
fn is_certain(error: &ApiError) -> bool {
    match error {
        ApiError::Kubeconfig(_) | ApiError::Credential(_) => true,
        ApiError::Status { status, .. } => (400..500).contains(status),
        ApiError::Fault(
            Fault::Refused | Fault::ServerCertificate(_) | Fault::ClientCertificateRejected(_),
        ) => true,
        ApiError::Fault(_) | ApiError::Unintelligible(_) => false,
    }
}

fn not_taken(found: &Read, error: &ApiError) -> Error {
    let failure = found.cluster.failure(&format!("write the {}", found.place), error);
    match error {
        ApiError::Status { status: 422, .. } => failure
            .hint("the API server does not take it: is the Secret immutable, or does a webhook guard it?"),
        _ => failure,
    }
}

fn unknown(found: &Read, kept: Option<&Kept>, error: &ApiError) -> Error {
    let what = format!("it is not known whether the {} was written: {error}", found.place);
    let kept = kept.map(|kept| format!("; the old value is in {}", kept.path.display())).unwrap_or_default();
    Error::manual_action(what).hint(format!("kuberescue kubeconfig fetch says what it holds{kept}"))
}
