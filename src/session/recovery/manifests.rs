//! Restoring static-pod manifests that a restart has parked: at its end, and after an interruption.

use crate::disk::Root;
use crate::disk::parking::{ParkedJournal, unpark};
use crate::disk::transaction::{Journal, Lock, State};
use crate::error::{Error, Exit};
use crate::session::Context;
use crate::state::Code;

/// Restores them and says so. Does nothing if none is parked. [`Exit::ActionRequired`] if one is lost, or
/// another file is in its place.
///
/// # Errors
/// They can't be restored: the next `resume` tries again.
pub fn bring_back(root: &Root, lock: &Lock, context: &mut Context<'_>) -> Result<Exit, Error> {
    let done = unpark(root, lock).map_err(|error| {
        Error::manual_action(error)
            .code(Code::InterruptedRestart)
            .hint("once the cause is gone, kuberescue resume brings the manifests back")
    })?;
    for path in &done.back {
        context.out.result(&format!("{} is in its place again.\n", path.display()));
    }
    for manifest in &done.superseded {
        let (path, parked) = (manifest.path.display(), manifest.parked_path());
        let parked = parked.display();
        context.out.fail(
            &Error::manual_action(format!(
                "cannot move {path} back: another file was put there meanwhile; it stays"
            ))
            .code(Code::ChangedMeanwhile)
            .hint(format!("compare it with the one that was there before, {parked}, and remove that one")),
        );
    }
    for manifest in &done.lost {
        let (path, parked) = (manifest.path.display(), manifest.parked_path());
        let parked = parked.display();
        context.out.fail(
            &Error::manual_action(format!(
                "cannot move {path} back: it is neither there nor in {parked}, where it was moved to"
            ))
            .code(Code::InterruptedRestart)
            .hint("take it from the archive of the old state: kuberescue archive list"),
        );
    }
    Ok(if done.is_complete() { Exit::Fine } else { Exit::ActionRequired })
}

/// The paths of manifests that were moved away.
pub fn moved(away: Option<&ParkedJournal>) -> Vec<String> {
    let manifests = away.into_iter().flat_map(|away| &away.manifests);
    manifests.map(|manifest| manifest.path.display().to_string()).collect()
}

/// The failure of [`bring_back`], with a word on the change that is still to be completed beside it.
pub fn beside(failure: Error, pending: Option<&Journal>) -> Error {
    let is_committed = pending.is_some_and(|journal| journal.state == State::Committed);
    let too = "a change is committed but not finished besides: the same command completes it once the manifests are back";
    let details = failure.details.clone().into_iter().chain(is_committed.then(|| too.to_owned()));
    failure.details(details)
}
