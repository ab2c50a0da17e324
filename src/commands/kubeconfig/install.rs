//! `kubeconfig install`: a new kubeconfig in the place of the old one, once it is known to work.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::analysis::workstation::difference::compare;
use crate::disk::replacement::Target;
use crate::error::{Error, Exit, Outcome};
use crate::formats::kubeconfig::Kubeconfig;
use crate::live::api::directory_of;
use crate::report::{credential_line, difference_text, later_line, node_list, warning_lines};
use crate::session::Context;
use crate::session::cluster::connect::read;
use crate::session::input::kubeconfigs::of_kubectl;
use crate::session::workstation::credential::{Credential, not_written, refuse_another_cluster, replace};
use crate::session::workstation::secret::{Place, SecretArgs, push_hint};

/// Arguments of `kubeconfig install`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The new kubeconfig; - is the standard input [default: it is fetched from the Secret]
    #[arg(value_name = "NEW")]
    new: Option<PathBuf>,
    /// The file to replace [default: bmctl-workspace/NAME/NAME-kubeconfig of --cluster NAME]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replace only the credential and the CA of this context in FILE [default: ~/.kube/config]; all else stays
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// bmctl's workspace
    #[arg(long, value_name = "DIR", default_value = "bmctl-workspace")]
    workspace: PathBuf,
    /// Which Secret, where it is fetched
    #[command(flatten)]
    secret: SecretArgs,
    /// The new kubeconfig may be of another cluster than the old one
    #[arg(long)]
    accept_cluster: bool,
    /// Show what would be done without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Skip confirmation
    #[arg(short, long)]
    yes: bool,
}

/// Installs a kubeconfig. Nothing is changed before the very bytes that will be on the disk have listed the nodes.
///
/// # Errors
/// The new one does not work or is another cluster's (refused), or something can't be read or written.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let path = target(args)?;
    let target = Target::open(&path).map_err(|error| no_target(args, &error))?;
    let (new, place) = new(args, context)?;
    context.out.say(&credential_line(&new.source, &new.checked, context.now));
    context.out.say(&warning_lines(&new.checked));
    let old = old(args, &path, &target, context)?;
    refuse_what_does_not_work(&new, old.as_ref(), place.as_ref())?;
    let result = compose(args, &path, &target, &new, context)?;
    if target.old().is_some_and(|old| old == result.bytes.as_slice()) {
        return nothing_to_do(args, &path, &target, context);
    }
    if let Some(old) = &old {
        refuse_another_cluster(&compare(&old.checked, &new.checked), (old, &new), args.accept_cluster)?;
    }
    let nodes = result.list_nodes(directory_of(&path), args.secret.patience.time(), context.now);
    let nodes = nodes.map_err(|failure| match (&args.context, &place) {
        (Some(_), _) => failure.hint(format!(
            "its server stays as it is: kuberescue kubeconfig check --connect {} shows whose certificate is served there",
            path.display()
        )),
        (None, Some(_)) => failure.hint(
            "kuberescue kubeconfig fetch --out FILE, then kuberescue kubeconfig check --connect FILE shows what is served there",
        ),
        (None, None) => failure,
    })?;
    context.out.say(&format!("It works: {} lists these nodes:", result.checked.server));
    context.out.result(&node_list(&nodes, context.now));
    tell(args, &path, &target, (old.as_ref(), &result), context);
    if args.dry_run {
        context.out.say("Dry run: nothing was changed.");
        return Ok(Exit::Fine);
    }
    context.confirm(&format!("Put it into {}?", path.display()), args.yes)?;
    let replaced = replace(&target, &result.bytes, context.now)?;
    context.out.say(&format!("Installed in {}", path.display()));
    if let Some(kept) = replaced.kept {
        context.out.say(&format!("The old one is kept in {}", kept.display()));
    }
    match replaced.unsynced {
        None => Ok(Exit::Fine),
        Some(error) => Err(Error::manual_action(format!(
            "it was replaced, but a power loss may still undo that: {error}"
        ))
        .hint("run sync, and look at the file")),
    }
}

/// The file that is to be replaced.
fn target(args: &Args) -> Result<PathBuf, Error> {
    match (&args.file, &args.context, &args.secret.cluster) {
        (Some(file), _, _) => Ok(file.clone()),
        (None, Some(_), _) => {
            let (from, mut found) = of_kubectl();
            match (found.pop(), found.is_empty()) {
                (Some(one), true) => Ok(one),
                (Some(_), false) => Err(Error::could_not_run(format!("{from} lists several kubeconfigs"))
                    .hint("name the one that has the context: --file FILE")),
                (None, _) => Err(Error::could_not_run(format!("no kubeconfig is named, and {from} leads to none"))
                    .hint("name it: --file FILE")),
            }
        }
        (None, None, Some(name)) => {
            // A name is no path.
            if name.is_empty() || name.contains('/') || name.starts_with('.') {
                return Err(Error::could_not_run(format!("\"{name}\" is no name of a cluster"))
                    .hint("a file is named with --file FILE"));
            }
            Ok(args.workspace.join(name).join(format!("{name}-kubeconfig")))
        }
        (None, None, None) => Err(Error::could_not_run("it is not said where to install it").hint(
            "--cluster NAME (bmctl-workspace/NAME/NAME-kubeconfig), --file FILE, or --context NAME of ~/.kube/config",
        )),
    }
}

fn no_target(args: &Args, error: &crate::disk::Error) -> Error {
    let failure = not_written(error);
    let by_name = args.file.is_none() && args.context.is_none();
    match error {
        crate::disk::Error::Io { source, .. } if by_name && source.kind() == std::io::ErrorKind::NotFound => {
            failure.hint("run it in the directory in which bmctl was run, or name the workspace with --workspace DIR, or the file with --file FILE")
        }
        _ => failure,
    }
}

/// The new kubeconfig; and the Secret, where it comes from one.
fn new(args: &Args, context: &mut Context<'_>) -> Result<(Credential, Option<Place>), Error> {
    let Some(path) = &args.new else {
        let found = args.secret.read(None, context)?;
        return Ok((found.credential(context)?, Some(found.place)));
    };
    let name = path.display().to_string();
    let new = Credential::of(read(path)?, name.clone(), Some(&directory_of(path)), None, context.now);
    new.map(|new| (new, None)).map_err(|why| {
        Error::could_not_run(format!("{name}: {why}"))
            .hint("the new kubeconfig comes first: kuberescue kubeconfig install NEW --cluster NAME")
    })
}

/// What is there now, if that can be read. Of a file of which only one context is replaced it must be.
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
        (Some(Err(why)), Some(_)) => Err(Error::could_not_run(format!("{name}: {why}"))
            .hint(format!("kuberescue kubeconfig check {name} shows its contexts"))),
        (None, Some(_)) => Err(Error::could_not_run(format!("{name}: there is no such file"))
            .hint("without --context the whole file is written")),
        (Some(Err(why)), None) => {
            context.out.note(&format!("what is in {name} now cannot be compared: {why}"));
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
            refusal.message = format!("the {place} still holds the old certificate: {}", refusal.message);
        }
        return Err(refusal.hint(match place {
            Some(place) => push_hint(place),
            None => "take it from its source again: admin.conf of a control-plane node, where kuberescue recover renews it; kuberescue kubeconfig fetch reads the Secret".to_owned(),
        }));
    }
    new.pems().map(drop)
}

/// What will be on the disk: the new file, or the old one with the values of one context replaced.
fn compose(
    args: &Args,
    path: &Path,
    target: &Target,
    new: &Credential,
    context: &mut Context<'_>,
) -> Result<Credential, Error> {
    let (wanted, old) = (args.context.as_deref(), target.old());
    let bytes = match (wanted, old) {
        (Some(wanted), Some(old)) => spliced(old, wanted, new, context)
            .map_err(|why| Error::could_not_run(format!("{}, context \"{wanted}\": {why}", path.display()))
                .hint("only values that stand in the file on one line are replaced; without --context the whole file is"))?,
        _ => new.bytes.clone(),
    };
    let source = match wanted {
        Some(wanted) => format!("{} with the new credential in context \"{wanted}\"", path.display()),
        None => new.source.clone(),
    };
    let composed = Credential::of(bytes, source, Some(&directory_of(path)), wanted, context.now);
    let composed = composed.map_err(Error::could_not_run)?;
    // In its new place it may have another CA.
    match composed.refusal() {
        Some(refusal) => {
            Err(refusal.hint("its cluster entry there has another CA, which stays: see to that by hand"))
        }
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
    if let Some(error) = parsed.authority_error() {
        return Err(error.to_string());
    }
    let pems = new.pems().map_err(|failure| failure.message)?;
    let authority = pems.authority.as_deref().map(Vec::as_slice);
    let authority = match parsed.authority_pem() {
        // The same certificates, perhaps written in another way.
        Some(there) if authority == Some(there) => None,
        Some(_) => authority,
        None => {
            context.out.note("its cluster entry embeds no CA; that stays as it is");
            None
        }
    };
    parsed.splice(old, &pems.certificate, &pems.key, authority).map_err(|error| error.to_string())
}

fn nothing_to_do(args: &Args, path: &Path, target: &Target, context: &mut Context<'_>) -> Outcome {
    context.out.say(&format!("Nothing to do: {} holds it already", path.display()));
    if let Some(mode) = target.too_wide() {
        if args.dry_run {
            context.out.note(&format!("its mode is {mode:04o}; it would be made 0600"));
        } else {
            target.narrow().map_err(|error| not_written(&error))?;
            context.out.say(&format!("Its mode was {mode:04o}; now it is 0600"));
        }
    }
    Ok(Exit::Fine)
}

/// Says what is going to change.
fn tell(
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
        (None, _) => "is made".to_owned(),
        (Some(_), None) => "is replaced; the old one is kept beside it".to_owned(),
        (Some(_), Some(name)) => {
            format!(
                "gets the new credential in context \"{name}\"; all else stays, and the old file is kept beside it"
            )
        }
    };
    context.out.say(&format!("{shown} {how}"));
    if let Some(real) = target.behind_link() {
        context.out.note(&format!("it is a link: {} is replaced, the link stays", real.display()));
    }
    if let Some(mode) = target.too_wide() {
        context.out.note(&format!("its mode is {mode:04o}; the new one has 0600"));
    }
    if args.context.is_some() && !new.siblings.is_empty() {
        let names = new.siblings.join("\", \"");
        context.out.note(&format!("these contexts have the same user, and change with it: \"{names}\""));
    }
}
