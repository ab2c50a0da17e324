//! What something else has written to the files of a change while it was made.

use crate::disk::transaction::Meanwhile;
use crate::error::Error;
use crate::session::Context;
use crate::state::Code;
use crate::state::text::count;

/// How to undo a change with such a file in it.
pub const BACK: &str = "sudo kuberescue rollback --overwrite archives that, and restores the old state";
/// How to go on after a rollback.
pub const NOW: &str = "kuberescue diagnose shows the node as it is now";

/// Says it. The change is made.
///
/// # Errors
/// A file does not hold what was put there; `hint` says how to go on.
pub fn tell(meanwhile: &Meanwhile, hint: &str, context: &mut Context<'_>) -> Result<(), Error> {
    for path in &meanwhile.lost {
        let what = "was written by something else in the same moment; that is lost, and not in the archive";
        context.out.note(&format!("{} {what}", path.display()));
    }
    let lines: Vec<_> = meanwhile.foreign.iter().map(|path| path.display().to_string()).collect();
    let failure = match lines.as_slice() {
        [] => return Ok(()),
        [only] => Error::manual_action(format!(
            "{only} does not have the content of this change: something else wrote to it at the same time; the rest is made"
        )),
        more => {
            let files = count(more.len(), "file");
            let what =
                "do not have its content: something else wrote to them at the same time; the rest is made";
            Error::manual_action(format!("{files} of the change {what}")).details(lines)
        }
    };
    Err(failure.code(Code::ChangedMeanwhile).hint(hint))
}
