//! The keys of a database: bucket `key` holds each change of a key under its revision, until it is compacted (etcd
//! 3.8.0-alpha.0 `server/storage/mvcc/revision.go`, `api/mvccpb/kv.proto`).

use std::hash::Hasher;
use std::ops::ControlFlow;

use crate::formats::bolt::{Order, ReadError, Reader};
use crate::formats::protobuf::{Invalid, Value, fields};

/// A revision, and whether the key was deleted with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    pub main: i64,
    /// Several keys may change in one transaction.
    pub sub: i64,
    pub is_tombstone: bool,
}

impl Revision {
    /// 8 bytes, `_`, 8 bytes, the highest first, and `t` for a tombstone.
    pub fn parse(key: &[u8]) -> Option<Self> {
        let is_tombstone = match (key.len(), key.get(17)) {
            (17, _) => false,
            (18, Some(mark)) => *mark == b't',
            _ => return None,
        };
        let number = |at: usize| Some(i64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?));
        let (main, sub) = (number(0)?, number(9)?);
        (key.get(8) == Some(&b'_') && main >= 0 && sub >= 0).then_some(Self { main, sub, is_tombstone })
    }
}

/// A change of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyValue<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub create_revision: i64,
    pub mod_revision: i64,
    /// Changes since it was created.
    pub version: i64,
    /// ID of its lease; 0 if it has none.
    pub lease: i64,
}

impl<'a> KeyValue<'a> {
    /// # Errors
    /// It is no such message.
    pub fn parse(message: &'a [u8]) -> Result<Self, Invalid> {
        let mut found = Self::default();
        for field in fields(message) {
            found.add(field?)?;
        }
        Ok(found)
    }

    /// The same of the beginning of a message, which may be cut off in its value: that is left out then.
    ///
    /// # Errors
    /// It doesn't begin with a key.
    pub fn parse_head(message: &'a [u8]) -> Result<Self, Invalid> {
        let mut found = Self::default();
        for field in fields(message).map_while(Result::ok) {
            found.add(field)?;
        }
        if found.key.is_empty() { Err(Invalid) } else { Ok(found) }
    }

    fn add(&mut self, (number, value): (u64, Value<'a>)) -> Result<(), Invalid> {
        let signed = || value.number().map(u64::cast_signed).ok_or(Invalid);
        match number {
            1 => self.key = value.bytes().ok_or(Invalid)?,
            2 => self.create_revision = signed()?,
            3 => self.mod_revision = signed()?,
            4 => self.version = signed()?,
            5 => self.value = value.bytes().ok_or(Invalid)?,
            6 => self.lease = signed()?,
            _ => {}
        }
        Ok(())
    }
}

/// The newest value of each key below `prefix` as of a revision, but of those that were deleted. The changes are read
/// from the newest on, so that the first one of a key is the one that counts.
pub(super) fn live(
    reader: &mut Reader<'_>,
    prefix: &[u8],
    revision: i64,
    part: Part,
    visit: &mut dyn FnMut(&KeyValue<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    live_with(reader, prefix, (revision, part), MOST_HASHES, visit)
}

/// How much of each change is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// Its beginning, with the key: most of a large database is values in pages of their own.
    Head,
}

/// Bytes of a head; keys of Kubernetes have some hundred.
const HEAD: usize = 4 << 10;

/// Hashes that are kept in one pass: 16 MiB.
pub(super) const MOST_HASHES: usize = 1 << 21;

/// One pass over all changes, for the keys whose hashes have these low bits.
struct Pass {
    bits: u32,
    low: u64,
    /// Where it begins to tell of keys: those that changed at this revision or later were told by another pass.
    below: Option<Vec<u8>>,
}

impl Pass {
    fn takes(&self, hash: u64) -> bool {
        let above = u64::MAX.checked_shl(self.bits).unwrap_or(0);
        hash & !above == self.low
    }

    fn is_due(&self, key: &[u8]) -> bool {
        self.below.as_deref().is_none_or(|below| key < below)
    }

    /// Leaves half of the hashes to a later pass, which tells of keys below `key` at most.
    fn split(&mut self, key: &[u8]) -> Self {
        let low = self.low | 1_u64.checked_shl(self.bits).unwrap_or(0);
        self.bits += 1;
        let below = if self.is_due(key) { Some(key.to_vec()) } else { self.below.clone() };
        Self { bits: self.bits, low, below }
    }
}

pub(super) fn live_with(
    reader: &mut Reader<'_>,
    prefix: &[u8],
    (revision, part): (i64, Part),
    most: usize,
    visit: &mut dyn FnMut(&KeyValue<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let end = revision.saturating_add(1).to_be_bytes();
    let mut passes = vec![Pass { bits: 0, low: 0, below: None }];
    while let Some(mut pass) = passes.pop() {
        let mut seen = Hashes::new(most);
        let (mut is_damaged, mut is_enough) = (false, false);
        let limit = if part == Part::Whole { usize::MAX } else { HEAD };
        reader.scan(b"key", Order::Before(&end), limit, &mut |key, value| {
            let entry =
                if part == Part::Whole { KeyValue::parse(value) } else { KeyValue::parse_head(value) };
            let (Some(at), Ok(entry)) = (Revision::parse(key), entry) else {
                is_damaged = true;
                return ControlFlow::Break(());
            };
            if !entry.key.starts_with(prefix) {
                return ControlFlow::Continue(());
            }
            let hash = hash(entry.key);
            if !pass.takes(hash) || !seen.insert(hash) {
                return ControlFlow::Continue(());
            }
            is_enough = pass.is_due(key) && !at.is_tombstone && visit(&entry).is_break();
            while seen.is_full() && pass.bits < u64::BITS {
                passes.push(pass.split(key));
                seen.retain(|hash| pass.takes(hash));
            }
            if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if is_damaged {
            return Err(ReadError::Record { bucket: "key", why: "it holds no change of a key".to_owned() });
        }
        if is_enough {
            break;
        }
    }
    Ok(())
}

/// Never 0. Two of a million keys have the same one with a probability of 3e-8; the second would be missing.
fn hash(key: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(key);
    hasher.finish().max(1)
}

/// A set of hashes with a limit, eight bytes each.
struct Hashes {
    /// 0 for a free one; a power of two of them.
    slots: Vec<u64>,
    count: usize,
    most: usize,
}

impl Hashes {
    fn new(most: usize) -> Self {
        Self { slots: vec![0; most.min(1 << 12)], count: 0, most }
    }

    /// Whether it is new.
    fn insert(&mut self, hash: u64) -> bool {
        if self.is_crowded() && self.slots.len() < self.most {
            let larger = vec![0; self.slots.len() * 2];
            for hash in std::mem::replace(&mut self.slots, larger).into_iter().filter(|hash| *hash != 0) {
                self.place(hash);
            }
        }
        let is_new = self.place(hash);
        self.count += usize::from(is_new);
        is_new
    }

    fn place(&mut self, hash: u64) -> bool {
        let mask = self.slots.len().wrapping_sub(1);
        // The low bits say which pass it belongs to.
        let mut at = usize::try_from(hash >> 32).unwrap_or(0) & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == hash {
                return false;
            }
            if *slot == 0 {
                *slot = hash;
                return true;
            }
            at = (at + 1) & mask;
        }
        false
    }

    fn is_crowded(&self) -> bool {
        self.count >= self.slots.len() / 8 * 7
    }

    fn is_full(&self) -> bool {
        self.is_crowded() && self.slots.len() >= self.most
    }

    fn retain(&mut self, wanted: impl Fn(u64) -> bool) {
        let same = vec![0; self.slots.len()];
        let old = std::mem::replace(&mut self.slots, same);
        self.count = 0;
        for hash in old.into_iter().filter(|hash| *hash != 0 && wanted(*hash)) {
            self.count += usize::from(self.place(hash));
        }
    }
}
