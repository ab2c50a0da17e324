//! `kubeconfig fetch`: the kubeconfig of a cluster, from its Secret in the admin cluster.

use std::path::{Path, PathBuf};

use crate::analysis::workstation::difference::compare;
use crate::disk::replacement::Target;
use crate::error::{Error, Exit, Outcome, ReplaceFailure};
use crate::live::api::directory_of;
use crate::report::{DocumentFormat, credential_finding_lines, credential_line, difference};
use crate::session::Context;
use crate::session::cluster::connect::read;
use crate::session::workstation::credential::{Credential, replace};
use crate::session::workstation::secret::{SecretArgs, push_hint};
use crate::state::Code;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    secret: SecretArgs,
    /// Same as --admin-context
    #[arg(long, value_name = "NAME", conflicts_with = "admin_context")]
    context: Option<String>,
    /// Write to FILE (mode 0600) instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace FILE; the old one is kept beside it under a dated name
    #[arg(long, requires = "out")]
    force: bool,
    /// Compare with this kubeconfig: certificate, CA and server; - is standard input
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Output format of the comparison
    #[arg(short, long, default_value = "table", value_name = "FORMAT", requires = "compare")]
    output: DocumentFormat,
}

/// Fetches a kubeconfig: exit 1 if it has a blocker, or differs from the one that it is compared with.
///
/// # Errors
/// The Secret cannot be read, or the file cannot be written.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let found = args.secret.read(args.context.as_deref(), context)?;
    let fetched = found.credential(context)?;
    context.out.say(&credential_line(&fetched.source, &fetched.checked, context.now));
    context.out.say(&credential_finding_lines(&fetched.checked));
    let same = match &args.compare {
        Some(path) => compare_with(path, &fetched, args.output, context)?,
        None => true,
    };
    match (&args.out, &args.compare) {
        (Some(path), _) => write(path, args.force, &fetched, context)?,
        (None, None) => context.out.file(&fetched.bytes),
        (None, Some(_)) => {}
    }
    if fetched.checked.has_blocker() {
        context.out.say(&format!("The kubeconfig in the {} no longer works.", found.place));
        context.out.say(&format!("hint: {}", push_hint(&found.place)));
        return Ok(Exit::Findings);
    }
    Ok(if same { Exit::Fine } else { Exit::Findings })
}

fn write(path: &Path, force: bool, fetched: &Credential, context: &mut Context<'_>) -> Result<(), Error> {
    let target = Target::open(path)?;
    let shown = path.display();
    match target.old() {
        Some(old) if old == fetched.bytes.as_slice() => {
            if target.too_wide().is_some() {
                target.narrow().map_err(ReplaceFailure)?;
            }
            context.out.say(&format!("{shown} is up to date"));
        }
        Some(_) if !force => {
            return Err(Error::usage(format!("cannot write {shown}: it exists with other content"))
                .hint("name a new file, or add --force (the old file is kept under a dated name)"));
        }
        _ => {
            let replaced = replace(&target, &fetched.bytes, context.now)?;
            context.changed = true;
            let kept = replaced.kept.map(|kept| format!("; old file: {}", kept.display()));
            context.out.say(&format!("Wrote {shown}{}", kept.unwrap_or_default()));
            if let Some(error) = replaced.unsynced {
                context.out.say(&format!("warning: {shown} is written, but not synced to disk: {error}"));
            }
        }
    }
    Ok(())
}

fn compare_with(
    path: &Path,
    fetched: &Credential,
    format: DocumentFormat,
    context: &mut Context<'_>,
) -> Result<bool, Error> {
    let name = path.display().to_string();
    let old = Credential::of(read(path)?, name.clone(), Some(&directory_of(path)), None, context.now);
    let old = old.map_err(|why| {
        Error::could_not_run(format!("cannot read {name}: {why}"))
            .code(Code::KubeconfigUnusable)
            .hint(format!("kuberescue kubeconfig check {name}"))
    })?;
    let found = compare(&old.checked, &fetched.checked);
    context.out.result(&difference(&found, (&name, &fetched.source), context.now, format));
    context.out.say(&match (found.same, found.same_certificate) {
        (true, _) => format!("{name} and {}: same certificate, CA and server", fetched.source),
        (false, true) => format!("{name} and {}: same certificate, other CA or server", fetched.source),
        (false, false) => format!("{name} and {}: different certificates", fetched.source),
    });
    Ok(found.same)
}
