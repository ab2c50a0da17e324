//! `version`: which build this is.

use crate::error::{Exit, Outcome};
use crate::session::Context;

#[derive(clap::Args, Debug)]
pub struct Args {}

/// What the build script found.
///
/// # Errors
/// None.
pub fn run(_: &Args, context: &mut Context<'_>) -> Outcome {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("KUBERESCUE_COMMIT"));
    let (date, target) = (env!("KUBERESCUE_DATE"), env!("KUBERESCUE_TARGET"));
    let linked = if cfg!(target_feature = "crt-static") {
        "static: runs on any Linux of this architecture"
    } else {
        "dynamic: needs the C library that it was built with"
    };
    context.out.result(&format!(
        "kuberescue {version}\ncommit  {commit}\ndate    {date}\ntarget  {target}\nlinked  {linked}\n"
    ));
    Ok(Exit::Fine)
}
