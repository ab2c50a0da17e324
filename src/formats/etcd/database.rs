//! etcd's database: what the members, the cluster and the keys are, without etcd (etcd 3.8.0-alpha.0
//! `server/storage/schema/`, the same records since 3.0; 3.4's lack some). The write-ahead log may be ahead of it by
//! what was committed last: what is read is right as of the revision that is told with it.

use std::ops::ControlFlow;

use super::Member;
use super::keys::{KeyValue, Part, Revision, live};
use super::totals::{Resources, Totals, totals};
use crate::formats::bolt::{LONG, Meta, Order, Pages, ReadError, Reader, SHORT, View};
use crate::formats::json_reason;
use crate::formats::protobuf::fields;

/// The most bytes of a bucket of which each record is kept: a cluster has a few members of 200 bytes.
const MOST: usize = 1 << 20;

/// An etcd database, open.
pub struct Database<'p> {
    reader: Reader<'p>,
}

/// What a database says of its cluster and of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The last transaction of the database.
    pub transaction: u64,
    /// Bytes of its pages, also of free ones: what etcd holds against its quota.
    pub size: u64,
    /// Of the newest change of a key; 0 in a database without keys.
    pub revision: i64,
    /// Older revisions than this one are gone, but for the newest of each key; `None` before the first compaction.
    pub compacted: Option<i64>,
    /// The entry of the raft log that was applied last.
    pub consistent_index: Option<u64>,
    /// Its term; etcd has it here since 3.5.
    pub term: Option<u64>,
    /// Such as `3.4.0`: the lowest version of the members.
    pub cluster_version: Option<String>,
    /// Such as `3.6.0`, since 3.6.
    pub storage_version: Option<String>,
    pub members: Vec<Member>,
    /// IDs of members that were removed, which never come back.
    pub removed: Vec<u64>,
    pub alarms: Vec<Alarm>,
    pub auth_enabled: bool,
    pub leases: usize,
}

/// An alarm that keeps etcd from writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// ID of the member that raised it.
    pub member: u64,
    /// `NOSPACE`, `CORRUPT`, or a number that is neither.
    pub kind: String,
}

impl<'p> Database<'p> {
    /// # Errors
    /// It is no bbolt database, or cannot be read.
    pub fn open(pages: &'p mut dyn Pages) -> Result<Self, ReadError> {
        Ok(Self { reader: Reader::open(pages)? })
    }

    /// The head of the file.
    pub fn meta(&self) -> Meta {
        self.reader.meta()
    }

    /// The members in the order of their IDs, as etcd lists them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn members(&mut self) -> Result<Vec<Member>, ReadError> {
        self.reader.read(SHORT, members)
    }

    /// What the small buckets say, as of one transaction.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn status(&mut self) -> Result<Status, ReadError> {
        self.reader.read(SHORT, status)
    }

    /// The newest value of each key that begins with `prefix` and was not deleted, each once, the one that was
    /// changed last first. Gives the revision as of which they are right.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn live(
        &mut self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&KeyValue<'_>) -> ControlFlow<()>,
    ) -> Result<i64, ReadError> {
        let revision = self.revision()?;
        self.live_at(revision, Part::Whole, prefix, visit)?;
        Ok(revision)
    }

    /// The newest revision.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn revision(&mut self) -> Result<i64, ReadError> {
        self.reader.read(SHORT, revision)
    }

    /// As [`Database::live`], as of this revision.
    ///
    /// # Errors
    /// [`ReadError::Busy`] if etcd has compacted that revision meanwhile.
    pub(super) fn live_at(
        &mut self,
        revision: i64,
        part: Part,
        prefix: &[u8],
        visit: &mut dyn FnMut(&KeyValue<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        live(&mut self.reader, prefix, revision, part, visit)?;
        // A compaction up to a newer revision may have removed what was the newest value as of this one.
        let compacted = self.reader.read(SHORT, compacted)?;
        if compacted > revision {
            return Err(ReadError::Busy { attempts: 1 });
        }
        Ok(())
    }

    /// What `read` makes of the heads of values, or of whole ones where a key is longer than a head.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn of_heads<T>(
        &mut self,
        mut read: impl FnMut(&mut Self, Part) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        match read(self, Part::Head) {
            Err(ReadError::Record { .. }) => read(self, Part::Whole),
            found => found,
        }
    }

    /// The value that a key got with this revision; `None` if that was compacted.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn value_at(&mut self, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>, ReadError> {
        let start = revision.to_be_bytes();
        self.reader.read(SHORT, |view| {
            let mut found = None;
            view.walk(b"key", Order::From(&start), &mut |at, value| {
                if Revision::parse(at).is_none_or(|at| at.main != revision) {
                    return ControlFlow::Break(());
                }
                match KeyValue::parse(value) {
                    Ok(entry) if entry.key == key => {
                        found = Some(entry.value.to_vec());
                        ControlFlow::Break(())
                    }
                    _ => ControlFlow::Continue(()),
                }
            })?;
            Ok(found)
        })
    }

    /// The newest value of one key, with the revision as of which it is.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get(&mut self, key: &[u8]) -> Result<(Option<Vec<u8>>, i64), ReadError> {
        let mut found = None;
        let revision = self.live(key, &mut |entry| {
            if entry.key == key {
                found = Some(entry.value.to_vec());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok((found, revision))
    }

    /// The figures that etcdctl prints, from every page in use as of one transaction.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn totals(&mut self) -> Result<Totals, ReadError> {
        self.reader.read(LONG, totals)
    }

    /// Bytes of the file.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub fn size(&mut self) -> Result<u64, ReadError> {
        self.reader.size()
    }

    /// Bytes of the pages in use: etcd's `dbSizeInUse`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn in_use(&mut self) -> Result<u64, ReadError> {
        self.reader.read(LONG, |view| view.in_use())
    }

    /// How many keys there are of each resource, and the revision as of which it is so. The keys of the cluster's objects
    /// begin with `prefix`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn resources(&mut self, prefix: &str) -> Result<(Resources, i64), ReadError> {
        let revision = self.revision()?;
        let found = self.of_heads(|database, part| {
            let mut found = Resources::default();
            database.live_at(revision, part, b"", &mut |entry| {
                found.add(entry.key, prefix);
                ControlFlow::Continue(())
            })?;
            Ok(found)
        })?;
        Ok((found, revision))
    }
}

fn status(view: &mut View<'_>) -> Result<Status, ReadError> {
    let mut removed = Vec::new();
    let mut bad = None;
    each(view, "members_removed", &mut |key, _| match id(key) {
        Some(id) => removed.push(id),
        None => bad = Some("a key that is no member's ID"),
    })?;
    if let Some(why) = bad {
        return Err(record("members_removed", why));
    }
    let mut leases = 0;
    view.walk(b"lease", Order::From(&[]), &mut |_, _| {
        leases += 1;
        ControlFlow::Continue(())
    })?;
    let text = |value: Option<Vec<u8>>| value.map(|value| String::from_utf8_lossy(&value).into_owned());
    let compacted = compacted(view)?;
    Ok(Status {
        transaction: view.meta().transaction,
        size: view.meta().pages.saturating_mul(view.meta().page_size),
        revision: revision(view)?,
        compacted: (compacted > 0).then_some(compacted),
        consistent_index: number(view, "consistent_index")?,
        term: number(view, "term")?,
        cluster_version: text(view.get(b"cluster", b"clusterVersion")?),
        storage_version: text(view.get(b"meta", b"storageVersion")?),
        members: members(view)?,
        removed,
        alarms: alarms(view)?,
        auth_enabled: view.get(b"auth", b"authEnabled")?.as_deref() == Some(&[1]),
        leases,
    })
}

/// Each record of a small bucket.
fn each(
    view: &mut View<'_>,
    bucket: &'static str,
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), ReadError> {
    let mut size = 0;
    view.walk(bucket.as_bytes(), Order::From(&[]), &mut |key, value| {
        size += key.len() + value.len();
        if size > MOST {
            return ControlFlow::Break(());
        }
        visit(key, value);
        ControlFlow::Continue(())
    })?;
    if size > MOST { Err(record(bucket, "it is larger than that of any cluster")) } else { Ok(()) }
}

/// `server/storage/schema/membership.go`: the key is the ID in hexadecimal digits, the value JSON.
fn members(view: &mut View<'_>) -> Result<Vec<Member>, ReadError> {
    let (mut members, mut bad) = (Vec::new(), None);
    each(view, "members", &mut |key, value| {
        let parsed = serde_json::from_slice::<Member>(value).map_err(|error| json_reason(&error));
        match (id(key), parsed) {
            (Some(id), Ok(member)) => members.push(Member { id: Some(id), ..member }),
            (None, _) => bad = Some("a key that is no member's ID".to_owned()),
            (_, Err(why)) => bad = Some(why),
        }
    })?;
    match bad {
        Some(why) => Err(ReadError::Record { bucket: "members", why }),
        None => Ok(members),
    }
}

fn id(key: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(key).ok()?, 16).ok()
}

/// `server/storage/schema/alarm.go`: the key is an `AlarmMember` (`api/etcdserverpb/rpc.proto`).
fn alarms(view: &mut View<'_>) -> Result<Vec<Alarm>, ReadError> {
    let (mut alarms, mut bad) = (Vec::new(), false);
    each(view, "alarm", &mut |key, _| {
        let (mut member, mut kind) = (0, 0);
        for field in fields(key) {
            match field {
                Ok((1, value)) => member = value.number().unwrap_or(0),
                Ok((2, value)) => kind = value.number().unwrap_or(0),
                Ok(_) => {}
                Err(_) => bad = true,
            }
        }
        let kind = match kind {
            1 => "NOSPACE".to_owned(),
            2 => "CORRUPT".to_owned(),
            other => other.to_string(),
        };
        alarms.push(Alarm { member, kind });
    })?;
    if bad { Err(record("alarm", "a key that is no alarm")) } else { Ok(alarms) }
}

/// `server/storage/schema/cindex.go`: 8 bytes, the highest first.
fn number(view: &mut View<'_>, key: &'static str) -> Result<Option<u64>, ReadError> {
    let Some(value) = view.get(b"meta", key.as_bytes())? else { return Ok(None) };
    let value = value.try_into().map_err(|_| record("meta", "a number that has no 8 bytes"))?;
    Ok(Some(u64::from_be_bytes(value)))
}

/// The newest revision. After a compaction that left no key behind it is that of the compaction
/// (`server/storage/mvcc/kvstore.go` `restore`).
fn revision(view: &mut View<'_>) -> Result<i64, ReadError> {
    let mut last = None;
    view.walk(b"key", Order::FromEnd, &mut |key, _| {
        last = Some(Revision::parse(key).map(|revision| revision.main));
        ControlFlow::Break(())
    })?;
    let last = match last {
        Some(revision) => revision.ok_or_else(|| record("key", "a key that is no revision"))?,
        None => 0,
    };
    Ok(last.max(compacted(view)?))
}

/// The revision up to which was or is being compacted; 0 if none was. etcd writes the first record before it removes
/// anything (`server/storage/mvcc/kvstore_compaction.go`).
fn compacted(view: &mut View<'_>) -> Result<i64, ReadError> {
    let mut newest = 0;
    for key in ["scheduledCompactRev", "finishedCompactRev"] {
        if let Some(value) = view.get(b"meta", key.as_bytes())? {
            let revision =
                Revision::parse(&value).ok_or_else(|| record("meta", "a value that is no revision"))?;
            newest = newest.max(revision.main);
        }
    }
    Ok(newest)
}

fn record(bucket: &'static str, why: &str) -> ReadError {
    ReadError::Record { bucket, why: why.to_owned() }
}
