//! `kubeconfig fetch`: the kubeconfig of a cluster, from the Secret that the admin cluster keeps.

use std::path::{Path, PathBuf};

use crate::analysis::workstation::difference::compare;
use crate::disk::replacement::Target;
use crate::error::{Error, Exit, Outcome};
use crate::live::api::directory_of;
use crate::report::{Format, credential_line, difference, problem_lines};
use crate::session::Context;
use crate::session::cluster::connect::read;
use crate::session::input::arguments::parse_format;
use crate::session::workstation::credential::{Credential, not_written, replace};
use crate::session::workstation::secret::{SecretArgs, push_hint};

/// Arguments of `kubeconfig fetch`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Which Secret
    #[command(flatten)]
    secret: SecretArgs,
    /// The same as --admin-context
    #[arg(long, value_name = "NAME", conflicts_with = "admin_context")]
    context: Option<String>,
    /// Write it to a file of mode 0600 instead of the standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace what is in that file; it is kept beside it under a dated name
    #[arg(long, requires = "out")]
    force: bool,
    /// Say whether this kubeconfig has the same certificate, CA and server; - is the standard input
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Of the comparison: table, json or yaml
    #[arg(short, long, default_value = "table", value_name = "FORMAT", value_parser = parse_format, requires = "compare")]
    output: Format,
}

/// Fetches a kubeconfig: exit 1 where it does not work itself (its certificate has ended, or its CA does not vouch for
/// it), or where the one that it is compared with differs.
///
/// # Errors
/// The admin cluster does not give it, or the file can't be written.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let found = args.secret.read(args.context.as_deref(), context)?;
    let fetched = found.credential(context)?;
    context.out.say(&credential_line(&fetched.source, &fetched.checked, context.now));
    context.out.say(&problem_lines(&fetched.checked));
    let same = match &args.compare {
        Some(path) => compare_with(path, &fetched, args.output, context)?,
        None => true,
    };
    match (&args.out, &args.compare) {
        (Some(path), _) => write(path, args.force, &fetched, context)?,
        (None, None) => context.out.file(&fetched.bytes),
        (None, Some(_)) => {}
    }
    if fetched.checked.is_wrong() {
        context.out.say("The Secret itself holds a kubeconfig that does not work.");
        context.out.say(&format!("hint: {}", push_hint(&found.place)));
        return Ok(Exit::Findings);
    }
    Ok(if same { Exit::Fine } else { Exit::Findings })
}

fn write(path: &Path, force: bool, fetched: &Credential, context: &mut Context<'_>) -> Result<(), Error> {
    let target = Target::open(path).map_err(|error| not_written(&error))?;
    let shown = path.display();
    match target.old() {
        Some(old) if old == fetched.bytes.as_slice() => {
            if target.too_wide().is_some() {
                target.narrow().map_err(|error| not_written(&error))?;
            }
            context.out.say(&format!("{shown} holds it already"));
        }
        Some(_) if !force => {
            return Err(Error::could_not_run(format!("{shown} is there already, and holds something else"))
                .hint("name a new file, or --force, which keeps the old one under a dated name; kuberescue kubeconfig install tries the new one first"));
        }
        _ => {
            let replaced = replace(&target, &fetched.bytes, context.now)?;
            let kept = replaced.kept.map(|kept| format!("; the old one is kept in {}", kept.display()));
            context.out.say(&format!("Written to {shown}{}", kept.unwrap_or_default()));
            if let Some(error) = replaced.unsynced {
                context.out.say(&format!("warning: a power loss may still undo that: {error}"));
            }
        }
    }
    Ok(())
}

/// Whether that file has the same certificate, CA and server.
fn compare_with(
    path: &Path,
    fetched: &Credential,
    format: Format,
    context: &mut Context<'_>,
) -> Result<bool, Error> {
    let name = path.display().to_string();
    let old = Credential::of(read(path)?, name.clone(), Some(&directory_of(path)), None, context.now);
    let old = old.map_err(|why| {
        Error::could_not_run(format!("{name}: {why}")).hint(format!("kuberescue kubeconfig check {name}"))
    })?;
    let difference_found = compare(&old.checked, &fetched.checked);
    context.out.result(&difference(&difference_found, (&name, &fetched.source), format));
    context.out.say(&match (difference_found.same, difference_found.same_certificate) {
        (true, _) => format!("{name} holds the same certificate as the {}", fetched.source),
        (false, true) => {
            format!("{name} holds the same certificate as the {}, but not all of the same", fetched.source)
        }
        (false, false) => format!("{name} holds another certificate than the {}", fetched.source),
    });
    Ok(difference_found.same)
}
