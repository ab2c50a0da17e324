//! `kubeconfig install`: replaces a kubeconfig with a new one that was tested first.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::analysis::workstation::difference::compare;
use crate::disk;
use crate::disk::replacement::Target;
use crate::error::{Error, Exit, Outcome, ReplaceFailure, WorkspaceFailure};
use crate::formats::kubeconfig::Kubeconfig;
use crate::live::api::directory_of;
use crate::report::{
    DocumentFormat, Replacement, credential_line, difference_text, later_line, node_list, warning_lines,
};
use crate::session::Context;
use crate::session::cluster::connect::read;
use crate::session::input::kubeconfigs::of_kubectl;
use crate::session::workstation::credential::{Credential, refuse_another_cluster, replace};
use crate::session::workstation::secret::{Place, SecretArgs, push_hint};
use crate::state::Code;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Install this kubeconfig; - is standard input [default: fetch it from the Secret]
    #[arg(value_name = "NEW")]
    new: Option<PathBuf>,
    /// Replace FILE [default: bmctl-workspace/NAME/NAME-kubeconfig of --cluster NAME]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replace only this context in FILE: its credential and its CA [default: ~/.kube/config]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Use this workspace of bmctl
    #[arg(long, value_name = "DIR", default_value = "bmctl-workspace")]
    workspace: PathBuf,
    #[command(flatten)]
    secret: SecretArgs,
    /// Accept a new kubeconfig of another cluster
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

/// Installs a kubeconfig. Nothing is changed before exactly the new bytes have listed the nodes.
///
/// # Errors
/// The new one does not work or is of another cluster (refused), or a file cannot be read or written.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let path = target(args)?;
    let target = Target::open(&path).map_err(|error| no_target(args, error))?;
    let (new, place) = new(args, context)?;
    context.out.say(&credential_line(&new.source, &new.checked, context.now));
    context.out.say(&warning_lines(&new.checked));
    let old = old(args, &path, &target, context)?;
    refuse_what_does_not_work(&new, old.as_ref(), place.as_ref())?;
    let result = compose(args, &path, &target, &new, context)?;
    if target.old().is_some_and(|old| old == result.bytes.as_slice()) {
        return nothing_to_do(args, &path, &target, &new, context);
    }
    let mut done = Replacement::of(path.display().to_string(), &new.source, args.dry_run);
    if let Some(old) = &old {
        refuse_another_cluster(&compare(&old.checked, &new.checked), (old, &new), args.accept_cluster)?;
    }
    let nodes = result.list_nodes(directory_of(&path), args.secret.request_timeout.time(), context.now);
    let nodes = nodes.map_err(|failure| match (&args.context, &place) {
        (Some(_), _) => failure.hint(format!("kuberescue kubeconfig check --connect {}", path.display())),
        (None, Some(_)) => failure
            .hint("kuberescue kubeconfig fetch --out FILE, then: kuberescue kubeconfig check --connect FILE"),
        (None, None) => failure,
    })?;
    context.out.say(&format!("The new kubeconfig works. Nodes of {}:", result.checked.server));
    context.out.result(&node_list(&nodes, context.now));
    done.nodes = nodes;
    done.comparison = old.as_ref().map(|old| compare(&old.checked, &result.checked));
    say_plan(args, &path, &target, (old.as_ref(), &result), context);
    if args.dry_run {
        context.out.document(Replacement::KIND, &done);
        context.out.say("Dry run: nothing was changed.");
        return Ok(Exit::Fine);
    }
    context.confirm(&format!("Replace {}?", path.display()), args.yes)?;
    let replaced = replace(&target, &result.bytes, context.now)?;
    context.changed = true;
    context.out.say(&format!("Installed {}", path.display()));
    done.replaced = true;
    if let Some(kept) = replaced.kept {
        context.out.say(&format!("Old file: {}", kept.display()));
        done.kept = Some(kept.display().to_string());
    }
    match replaced.unsynced {
        None => {
            context.out.document(Replacement::KIND, &done);
            Ok(Exit::Fine)
        }
        Some(error) => Err(Error::manual_action(format!(
            "cannot sync {} to disk: {error}; it is installed, but a power loss may undo that",
            path.display()
        ))
        .code(Code::FileError)
        .hint("sync")),
    }
}

fn target(args: &Args) -> Result<PathBuf, Error> {
    match (&args.file, &args.context, &args.secret.cluster) {
        (Some(file), _, _) => Ok(file.clone()),
        (None, Some(_), _) => {
            let (from, mut found) = of_kubectl();
            match (found.pop(), found.is_empty()) {
                (Some(one), true) => Ok(one),
                (Some(_), false) => Err(Error::usage(format!("cannot choose a kubeconfig: {from} lists several"))
                    .hint("name the one with the context: --file FILE")),
                (None, _) => Err(Error::usage(format!("cannot find a kubeconfig: {from} leads to none"))
                    .hint("name it: --file FILE")),
            }
        }
        (None, None, Some(name)) => {
            if name.is_empty() || name.contains('/') || name.starts_with('.') {
                return Err(Error::usage(format!("invalid cluster name \"{name}\""))
                    .hint("to name a file: --file FILE"));
            }
            Ok(args.workspace.join(name).join(format!("{name}-kubeconfig")))
        }
        (None, None, None) => Err(Error::usage("cannot install the kubeconfig: no target is named").hint(
            "add --cluster NAME (bmctl-workspace/NAME/NAME-kubeconfig), --file FILE, or --context NAME (~/.kube/config)",
        )),
    }
}

fn no_target(args: &Args, error: disk::Error) -> Error {
    let by_name = args.file.is_none() && args.context.is_none();
    if by_name { WorkspaceFailure(error).into() } else { error.into() }
}

/// The new kubeconfig, and the Secret that it was fetched from.
fn new(args: &Args, context: &mut Context<'_>) -> Result<(Credential, Option<Place>), Error> {
    let Some(path) = &args.new else {
        let found = args.secret.read(None, context)?;
        return Ok((found.credential(context)?, Some(found.place)));
    };
    let name = path.display().to_string();
    let new = Credential::of(read(path)?, name.clone(), Some(&directory_of(path)), None, context.now);
    new.map(|new| (new, None)).map_err(|why| {
        Error::could_not_run(format!("cannot read {name}: {why}"))
            .code(Code::KubeconfigUnusable)
            .hint(format!("kuberescue kubeconfig check {name}"))
    })
}

/// The old kubeconfig. It must be readable if only one of its contexts is replaced.
fn old(
    args: &Args,
    path: &Path,
    target: &Target,
    context: &mut Context<'_>,
) -> Result<Option<Credential>, Error> {
    let name = path.display().to_string();
    let wanted = args.context.as_deref();
    let read = target.old().map(|bytes| {
        let bytes = Zeroizing::new(bytes.to_vec());
        Credential::of(bytes, name.clone(), Some(&directory_of(path)), wanted, context.now)
    });
    match (read, wanted) {
        (Some(Ok(old)), Some(_)) => old.pems().map(drop).map(|()| Some(old)),
        (Some(Ok(old)), None) => Ok(Some(old)),
        (Some(Err(why)), Some(_)) => Err(Error::could_not_run(format!("cannot read {name}: {why}"))
            .code(Code::KubeconfigUnusable)
            .hint(format!("kuberescue kubeconfig check {name}"))),
        (None, Some(_)) => Err(Error::usage(format!("cannot read {name}: not found"))
            .hint("run without --context to write a new file")),
        (Some(Err(why)), None) => {
            context.out.note(&format!("cannot compare with {name}: {why}"));
            Ok(None)
        }
        (None, None) => Ok(None),
    }
}

fn refuse_what_does_not_work(
    new: &Credential,
    old: Option<&Credential>,
    place: Option<&Place>,
) -> Result<(), Error> {
    if let Some(mut refusal) = new.refusal() {
        let same = old.is_some_and(|old| compare(&old.checked, &new.checked).same_certificate);
        if let (Some(place), true) = (place, same) {
            refusal.message = format!("{} (the {place} still holds the old certificate)", refusal.message);
        }
        return Err(refusal.hint(match place {
            Some(place) => push_hint(place),
            None => "sudo kuberescue recover on a control-plane node renews admin.conf; then install that"
                .to_owned(),
        }));
    }
    new.pems().map(drop)
}

/// The new content: the new file, or the old one with the values of one context replaced.
fn compose(
    args: &Args,
    path: &Path,
    target: &Target,
    new: &Credential,
    context: &mut Context<'_>,
) -> Result<Credential, Error> {
    let (wanted, old) = (args.context.as_deref(), target.old());
    let bytes = match (wanted, old) {
        (Some(wanted), Some(old)) => spliced(old, wanted, new, context).map_err(|why| {
            Error::could_not_run(format!("cannot edit context \"{wanted}\" of {}: {why}", path.display()))
                .code(Code::KubeconfigUnusable)
                .hint("run without --context to replace the whole file")
        })?,
        _ => new.bytes.clone(),
    };
    let source = match wanted {
        Some(wanted) => format!("{} with the new credential in context \"{wanted}\"", path.display()),
        None => new.source.clone(),
    };
    let composed = Credential::of(bytes, source, Some(&directory_of(path)), wanted, context.now);
    let composed = composed.map_err(Error::could_not_run)?;
    // The cluster entry of the old file may have another CA.
    match composed.refusal() {
        Some(refusal) => Err(refusal.hint(
            "its cluster entry has another CA: kubectl config set-cluster NAME --certificate-authority FILE",
        )),
        None => composed.pems().map(drop).map(|()| composed),
    }
}

fn spliced(
    old: &[u8],
    wanted: &str,
    new: &Credential,
    context: &mut Context<'_>,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let parsed = Kubeconfig::parse_context(old, Some(wanted)).map_err(|error| error.to_string())?;
    let pems = new.pems().map_err(|failure| failure.message)?;
    let spliced = pems.splice_into(&parsed, old)?;
    if parsed.authority_pem().is_none() {
        context.out.note("the cluster entry embeds no CA and stays unchanged");
    }
    Ok(spliced)
}

fn nothing_to_do(
    args: &Args,
    path: &Path,
    target: &Target,
    new: &Credential,
    context: &mut Context<'_>,
) -> Outcome {
    let nothing = Replacement::of(path.display().to_string(), &new.source, args.dry_run);
    context.out.document(Replacement::KIND, &nothing);
    context.out.say(&format!("Nothing to do: {} is up to date", path.display()));
    if let Some(mode) = target.too_wide() {
        if args.dry_run {
            context.out.note(&format!("mode {mode:04o} would become 0600"));
        } else {
            target.narrow().map_err(ReplaceFailure)?;
            context.out.say(&format!("Changed its mode from {mode:04o} to 0600"));
        }
    }
    Ok(Exit::Fine)
}

fn say_plan(
    args: &Args,
    path: &Path,
    target: &Target,
    (old, new): (Option<&Credential>, &Credential),
    context: &mut Context<'_>,
) {
    let shown = path.display();
    if let Some(old) = old {
        context.out.result("\n");
        context.out.result(&difference_text(&compare(&old.checked, &new.checked), ("OLD", "NEW")));
        context.out.say(&later_line(&old.checked, &new.checked));
    }
    let how = match (target.old(), &args.context) {
        (None, _) => "created".to_owned(),
        (Some(_), None) => "replaced; the old file is kept beside it".to_owned(),
        (Some(_), Some(name)) => {
            format!(
                "context \"{name}\" gets the new credential, the rest stays; the old file is kept beside it"
            )
        }
    };
    context.out.say(&format!("Plan: {shown}: {how}"));
    if let Some(real) = target.behind_link() {
        context.out.note(&format!("{shown} is a symlink: {} is replaced, the symlink stays", real.display()));
    }
    if let Some(mode) = target.too_wide() {
        context.out.note(&format!("mode {mode:04o} becomes 0600"));
    }
    if args.context.is_some() && !new.siblings.is_empty() {
        let names = new.siblings.join("\", \"");
        context.out.note(&format!("contexts of the same user change too: \"{names}\""));
    }
}
