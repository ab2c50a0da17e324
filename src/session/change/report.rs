//! What a person sees of a change while it is prepared, and what is kept of it beside the archive.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::{Issued, Prepared};
use crate::disk::NewFile;
use crate::disk::archive::{EXTENSION, base_name, planned};
use crate::error::Error;
use crate::report::Progress;
use crate::session::Context;
use crate::state::text::count;

/// Refresh interval of the elapsed time on a terminal.
const TICK: Duration = Duration::from_millis(200);
const KEPT: &str = ".txt";

impl Prepared {
    /// [`Prepared::issue`], with its progress on a terminal: RSA keys of 4096 bits take many seconds.
    ///
    /// # Errors
    /// As [`Prepared::issue`].
    pub fn issue_shown(&self, context: &mut Context<'_>) -> Result<Issued, Error> {
        if !context.out.is_terminal() {
            return self.issue();
        }
        let mut board = Progress::new(["keys"], true);
        let what = format!("creating {} and certificates", count(self.plan.steps.len(), "key"));
        let (sender, receiver) = channel::<()>();
        let issued = std::thread::scope(|scope| {
            let work = scope.spawn(move || {
                let issued = self.issue();
                drop(sender);
                issued
            });
            while receiver.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let text = board.step("keys", &what, false, context.elapsed());
                context.out.draw(&text);
            }
            // A panic in there is one of ours: pass it on.
            work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        context.out.draw(&board.erase());
        issued
    }

    /// Where the archive of the old state will be, on the host.
    pub fn planned_archive(&self, directory: Option<&Path>, context: &Context<'_>) -> PathBuf {
        planned(&self.root, directory, &self.about(context), EXTENSION)
    }

    /// Keeps the details of a change beside its archive. The change is made: a failure is only told.
    pub fn keep_report(&self, directory: Option<&Path>, details: &str, context: &mut Context<'_>) {
        let written = NewFile::begin(&self.root, directory, base_name(&self.about(context)), KEPT).and_then(
            |mut new| {
                new.write(details.as_bytes())?;
                new.sync()?;
                new.name()
            },
        );
        match written {
            Ok(path) => context.out.say(&format!("Report: {}", path.display())),
            Err(error) => context.out.note(&format!("the details were not kept beside the archive: {error}")),
        }
    }
}
