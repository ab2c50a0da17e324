//! The names of all live keys in their order, in bounded memory: what doesn't fit is read in another pass.

use std::ops::ControlFlow;

use super::database::Database;
use crate::formats::bolt::ReadError;

/// How much is kept of names in one pass, in bytes: 70,000 to 140,000 names of Kubernetes. A vector that grows holds
/// twice as much for a moment.
const MOST: usize = 12 << 20;

impl Database<'_> {
    /// Each live key that begins with `prefix`, sorted, and the revision as of which it is so.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn names(&mut self, prefix: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<i64, ReadError> {
        self.names_with(prefix, MOST, visit)
    }

    pub(super) fn names_with(
        &mut self,
        prefix: &[u8],
        most: usize,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<i64, ReadError> {
        let revision = self.revision()?;
        let mut after = None;
        loop {
            let mut smallest = self.of_heads(|database, part| {
                let mut smallest = Smallest { most, after: after.clone(), ..Smallest::default() };
                database.live_at(revision, part, prefix, &mut |entry| {
                    smallest.add(entry.key);
                    ControlFlow::Continue(())
                })?;
                Ok(smallest)
            })?;
            smallest.sort();
            smallest.names().for_each(&mut *visit);
            after = smallest.end;
            if after.is_none() {
                return Ok(revision);
            }
        }
    }
}

/// The smallest names of those that come after the ones of the pass before, as many as fit.
#[derive(Default)]
struct Smallest {
    bytes: Vec<u8>,
    /// Offset and length of each.
    places: Vec<(u32, u32)>,
    /// Of the pass before.
    after: Option<Vec<u8>>,
    /// Larger names are left to the next pass.
    end: Option<Vec<u8>>,
    most: usize,
}

impl Smallest {
    fn add(&mut self, name: &[u8]) {
        let is_early = self.after.as_deref().is_some_and(|after| name <= after);
        if is_early || self.end.as_deref().is_some_and(|end| name > end) {
            return;
        }
        let (Ok(start), Ok(length)) = (u32::try_from(self.bytes.len()), u32::try_from(name.len())) else {
            return;
        };
        self.bytes.extend_from_slice(name);
        self.places.push((start, length));
        if self.places.len() > 1 && self.bytes.len() + self.places.len() * size_of::<(u32, u32)>() > self.most
        {
            self.drop_half();
        }
    }

    fn drop_half(&mut self) {
        self.sort();
        self.places.truncate(self.places.len() / 2);
        let old = std::mem::take(&mut self.bytes);
        self.end = self.places.last().map(|place| name(&old, *place).to_vec());
        for place in &mut self.places {
            let kept = name(&old, *place);
            place.0 = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
            self.bytes.extend_from_slice(kept);
        }
    }

    fn sort(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.places.sort_unstable_by(|one, other| name(&bytes, *one).cmp(name(&bytes, *other)));
        self.bytes = bytes;
    }

    fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| name(&self.bytes, *place))
    }
}

fn name(bytes: &[u8], (start, length): (u32, u32)) -> &[u8] {
    let start = start as usize;
    bytes.get(start..start.saturating_add(length as usize)).unwrap_or_default()
}
