//! A snapshot of etcd beside the archive of a change or of `archive create`: called after the archive, and saved before
//! anything is stopped or changed.

use std::path::Path;
use std::time::Duration;

use super::Prepared;
use super::etcd_snapshot::Source;
use crate::analysis::node::inventory::Inventory;
use crate::disk::NewFile;
use crate::disk::archive::{self, base_name, planned};
use crate::error::{Error, Kind};
use crate::report::SavedSnapshot;
use crate::session::Context;

/// How long a snapshot may take: 10 GiB, more than etcd recommends as the size of a database, at 6 MiB/s.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// What a snapshot beside an archive is called after the archive's name.
const EXTENSION: &str = ".etcd.db";

/// The archive beside which a snapshot is saved.
pub struct Beside<'a> {
    /// The directory of the archive, if it isn't the default.
    pub directory: Option<&'a Path>,
    pub about: &'a archive::About,
}

impl Source<'_> {
    /// [`Source::look`] for [`Source::save_beside`].
    ///
    /// # Errors
    /// As [`Source::look`].
    pub fn look_beside(&self, beside: &Beside<'_>) -> Result<SavedSnapshot, Error> {
        self.look(planned(self.root, beside.directory, beside.about, EXTENSION))
    }

    /// [`Source::save`], to the name of the archive with `.etcd.db`.
    ///
    /// # Errors
    /// As [`Source::save`].
    pub fn save_beside(
        &self,
        beside: &Beside<'_>,
        context: &mut Context<'_>,
    ) -> Result<SavedSnapshot, Error> {
        let new = NewFile::begin(self.root, beside.directory, base_name(beside.about), EXTENSION)?;
        self.save(new, TIMEOUT, context)
    }
}

impl Prepared {
    /// Says which snapshot of etcd would be saved beside the archive. `issued` holds a client certificate that is not
    /// written yet.
    ///
    /// # Errors
    /// There is nothing to save: this node has no etcd, or etcd does not answer and has no database.
    pub fn look_at_etcd(
        &mut self,
        issued: Option<&Inventory>,
        directory: Option<&Path>,
        context: &mut Context<'_>,
    ) -> Result<(), Error> {
        let about = self.about(context);
        let source = Source::of(&self.root, issued.unwrap_or(&self.inventory)).map_err(without_flag)?;
        let found = source.look_beside(&Beside { directory, about: &about }).map_err(without_flag)?;
        context.out.result(&format!("{}\n\n", found.text()));
        self.etcd_snapshot = Some(found);
        Ok(())
    }

    /// Saves a snapshot of etcd beside the archive, before anything is changed.
    ///
    /// # Errors
    /// It can't be saved: the change is refused.
    pub fn save_etcd(
        &mut self,
        issued: Option<&Inventory>,
        directory: Option<&Path>,
        context: &mut Context<'_>,
    ) -> Result<(), Error> {
        let about = self.about(context);
        let beside = Beside { directory, about: &about };
        let saved = Source::of(&self.root, issued.unwrap_or(&self.inventory))
            .and_then(|source| source.save_beside(&beside, context));
        let saved = saved.map_err(without_flag)?;
        context.out.say(&saved.text());
        self.etcd_snapshot = Some(saved);
        Ok(())
    }
}

/// A snapshot that was asked for and can't be saved: nothing is changed without it.
fn without_flag(error: Error) -> Error {
    let mut refused = Error { kind: Kind::Refused, ..error };
    refused.hints.push("to go on without a snapshot, leave out --etcd-snapshot".to_owned());
    refused
}
