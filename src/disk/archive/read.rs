//! Reading an archive in one bounded pass, from any stream. With a manifest everything must match it to the
//! byte; a foreign tar is read as a node's tree: what can't be part of it (devices) is an unread entry, a
//! hard link is a copy. Nothing is ever unpacked to a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::fcntl::OFlag;
use tar::{Archive, EntryType, Header};
use zeroize::Zeroizing;

use super::manifest::{FORMAT, Manifest, ManifestEntry};
use super::pax::Extended;
use super::stream::{Unpacked, broken};
use super::{MANIFEST, ManifestKind};
use crate::disk::Error;
use crate::disk::handle::MAX_XATTRS;
use crate::disk::limits::{MAX_BYTES, MAX_ENTRIES, MAX_FILE, MAX_NAMES};
use crate::formats::json_reason;
use crate::state::{Attributes, Content, Digest, Entry, Snapshot, Unread};

/// 10,000 entries at 800 bytes.
const MAX_MANIFEST: u64 = 8 << 20;
/// A long name, and the extended attributes of one entry in all headers before it.
const MAX_EXTENDED: u64 = (MAX_XATTRS as u64) + (8 << 10);

/// The content of an intact archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Files, directories and links in it.
    pub entries: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Paths that existed and could not be archived.
    pub omitted: usize,
    /// Digest of the archive file.
    pub sha256: Digest,
    /// Size of the archive file in bytes.
    pub size: u64,
    /// `None` for a foreign tar.
    pub manifest: Option<Manifest>,
}

/// Reads an archive: the snapshot, including unread entries, and the manifest, which a foreign tar doesn't
/// have.
///
/// # Errors
/// Anything truncated, changed, missing, surplus, too large or outside the root, naming the entry.
pub fn read(file: impl Read) -> Result<(Snapshot, Option<Manifest>), Error> {
    read_verified(file).map(|(snapshot, verified)| (snapshot, verified.manifest))
}

fn read_verified(file: impl Read) -> Result<(Snapshot, Verified), Error> {
    let mut snapshot = Snapshot::default();
    let verified = scan(file, &mut |path, entry| snapshot.insert(path, entry))?;
    if let Some(manifest) = &verified.manifest {
        for (path, entry) in manifest.unread() {
            snapshot.insert(path, entry);
        }
    }
    Ok((snapshot, verified))
}

/// Reads the archive at `path` on the host, and returns what is in it.
///
/// # Errors
/// It can't be opened, or as [`read`].
pub fn open(path: &Path) -> Result<(Snapshot, Verified), Error> {
    let file = open_file(path).map_err(Error::no_archive("open", path))?;
    if !file.metadata().map_err(Error::io("open", path))?.is_file() {
        let why = io::Error::new(io::ErrorKind::InvalidInput, "not a file");
        return Err(Error::io("open", path)(why));
    }
    read_verified(file).map_err(|error| error.of_archive(path))
}

/// Opens a file of the host to look into it.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    // A FIFO must not block, and a terminal not become ours.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let open = |flags: OFlag| File::options().read(true).custom_flags(flags.bits()).open(path);
    // Only the owner and root may keep the access time.
    open(flags | OFlag::O_NOATIME).or_else(|_| open(flags))
}

/// Verifies an archive and keeps nothing of its content.
///
/// # Errors
/// As [`read`].
pub fn verify(file: impl Read) -> Result<Verified, Error> {
    scan(file, &mut |_, _| ())
}

fn scan(file: impl Read, keep: &mut dyn FnMut(PathBuf, Entry)) -> Result<Verified, Error> {
    let mut stream = Unpacked::new(file)?;
    let mut scan =
        Scan { manifest: None, found: BTreeSet::new(), files: BTreeMap::new(), bytes: 0, names: 0 };
    scan.stream(&mut stream, keep)?;
    let (sha256, size) = stream.end()?;
    let mut omitted = 0;
    if let Some(manifest) = &scan.manifest {
        let paths = manifest.by_path().map_err(|path| Error::entry(shown(path), "twice in the manifest"))?;
        if let Some(path) = paths.keys().find(|path| !scan.found.contains(**path)) {
            return Err(Error::entry(shown(path), "in the manifest, but not in the archive"));
        }
        omitted = manifest.omitted.len();
    }
    let Scan { manifest, found, bytes, .. } = scan;
    Ok(Verified { entries: found.len(), bytes, omitted, sha256, size, manifest })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

struct Scan {
    manifest: Option<Manifest>,
    /// Every path so far.
    found: BTreeSet<PathBuf>,
    /// In a foreign tar: the files so far, for hard links to them.
    files: BTreeMap<PathBuf, Entry>,
    bytes: u64,
    /// Bytes of paths, link targets and extended attributes.
    names: u64,
}

impl Scan {
    fn stream(&mut self, stream: impl Read, keep: &mut dyn FnMut(PathBuf, Entry)) -> Result<(), Error> {
        let mut archive = Archive::new(stream);
        let mut extended = Extended::default();
        let mut extended_left = MAX_EXTENDED;
        let mut expected: BTreeMap<PathBuf, usize> = BTreeMap::new();
        // Raw: the tar crate would read long names of any size into memory.
        for (index, entry) in archive.entries().map_err(|error| broken(&error))?.raw(true).enumerate() {
            let mut entry = entry.map_err(|error| broken(&error))?;
            let header = entry.header().clone();
            let kind = header.entry_type();
            if matches!(kind, EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink) {
                let data = small(&mut entry, extended_left, MAX_EXTENDED)?;
                extended_left -= data.len() as u64;
                let name = |data: &[u8]| Some(data.split(|byte| *byte == 0).next()?.to_vec());
                match kind {
                    EntryType::GNULongName => extended.path = name(&data),
                    EntryType::GNULongLink => extended.link = name(&data),
                    _ => extended.add(&data).map_err(|why| Error::entry(lossy(&header), why))?,
                }
                continue;
            }
            // Defaults for all entries; git archive writes a comment there.
            if kind == EntryType::XGlobalHeader {
                continue;
            }
            let extended = std::mem::take(&mut extended);
            extended_left = MAX_EXTENDED;
            let raw = extended.path.clone().unwrap_or_else(|| header.path_bytes().into_owned());
            let shown = String::from_utf8_lossy(&raw).into_owned();
            let fail = |why: &str| Error::entry(shown.clone(), why);
            if index == 0 && raw == MANIFEST.as_bytes() {
                let manifest = parse_manifest(&small(&mut entry, MAX_MANIFEST, MAX_MANIFEST)?)?;
                let entries = manifest.entries.iter().enumerate();
                expected = entries.map(|(at, entry)| (entry.path.clone(), at)).collect();
                self.manifest = Some(manifest);
                continue;
            }
            let strict = self.manifest.is_some();
            if extended.sparse || kind == EntryType::GNUSparse {
                return Err(fail("sparse files are not supported"));
            }
            if extended.size.is_some_and(|size| Some(size) != header.entry_size().ok()) {
                return Err(fail("its two sizes differ"));
            }
            let Some(path) = inside(&raw, strict).map_err(fail)? else { continue };
            if self.found.len() >= MAX_ENTRIES {
                return Err(fail("too many entries"));
            }
            let item = self.item(&mut entry, &header, extended, &path).map_err(|error| match error {
                Error::Archive { entry: None, why } => fail(&why),
                error => error,
            })?;
            self.names += item.size_of_names(&path);
            if self.names > MAX_NAMES {
                return Err(fail(&format!("more than {} MiB of names and attributes", MAX_NAMES >> 20)));
            }
            let again = self.found.contains(&path);
            if again && (strict || item.content != Content::Directory) {
                return Err(fail("twice in the archive"));
            }
            let item = if strict {
                let entries = self.manifest.as_ref().map_or(&[][..], |manifest| &manifest.entries);
                let expected = expected.remove_entry(&path);
                let expected = expected.and_then(|(path, at)| Some((path, entries.get(at)?)));
                let (path, expected) = expected.ok_or_else(|| fail("not in the manifest"))?;
                // The path moves from the expected to the found ones, and is held once.
                self.found.insert(path);
                fit(item, expected).map_err(fail)?
            } else {
                self.found.insert(path.clone());
                if matches!(item.content, Content::File(_)) {
                    self.files.insert(path.clone(), item.clone());
                }
                item
            };
            keep(path, item);
        }
        Ok(())
    }

    /// The entry as the tar has it.
    fn item(
        &mut self,
        data: &mut impl Read,
        header: &Header,
        extended: Extended,
        path: &Path,
    ) -> Result<Entry, Error> {
        let strict = self.manifest.is_some();
        let wrong = |error: std::io::Error| broken(&error);
        let link = || match &extended.link {
            Some(link) => link.clone(),
            None => header.link_name_bytes().unwrap_or_default().into_owned(),
        };
        let content = match header.entry_type() {
            EntryType::Directory => Content::Directory,
            EntryType::Symlink => Content::Link(OsString::from_vec(link()).into()),
            EntryType::Regular | EntryType::Continuous => {
                // Old tars mark directories only by a trailing slash.
                if header.path_bytes().ends_with(b"/") {
                    Content::Directory
                } else {
                    self.file(data, header.entry_size().map_err(wrong)?)?
                }
            }
            EntryType::Link if !strict => {
                let target = inside(&link(), false).map_err(Error::archive)?;
                let target = target.and_then(|target| self.files.get(&target)).cloned();
                let target = target.ok_or_else(|| Error::archive("a hard link to nothing in the archive"))?;
                // It counts as the copy that it is: what is read can be archived again.
                self.count(target.size())?;
                return Ok(target);
            }
            EntryType::Fifo if !strict => Content::Unread(Unread::Special("FIFO")),
            EntryType::Block if !strict => Content::Unread(Unread::Special("block device")),
            EntryType::Char if !strict => Content::Unread(Unread::Special("character device")),
            EntryType::Link => return Err(Error::archive("a hard link")),
            kind => {
                let kind = kind.as_byte().escape_ascii();
                return Err(Error::entry(shown(path), format!("an entry of the kind '{kind}'")));
            }
        };
        let id = |number: std::io::Result<u64>| {
            let number = number.map_err(wrong)?;
            u32::try_from(number).map_err(|_| Error::archive("an owner that no system has"))
        };
        let attributes = Attributes {
            mode: header.mode().map_err(wrong)? & 0o7777,
            uid: extended.uid.map_or_else(|| id(header.uid()), Ok)?,
            gid: extended.gid.map_or_else(|| id(header.gid()), Ok)?,
            mtime: mtime(header, extended.mtime.as_deref()),
            xattrs: extended.xattrs.into_iter().collect(),
        };
        Ok(Entry { content, attributes })
    }

    fn file(&mut self, data: &mut impl Read, size: u64) -> Result<Content, Error> {
        if size > MAX_FILE {
            let unread = Unread::TooLarge { size, limit: MAX_FILE };
            // A foreign tar may hold an etcd snapshot; our own never does.
            return match self.manifest {
                Some(_) => Err(Error::archive(unread.to_string())),
                None => Ok(Content::Unread(unread)),
            };
        }
        self.count(size)?;
        // One allocation of the right size: growing would leave copies of a key behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
        let read = data.take(size).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        if read as u64 != size {
            return Err(Error::archive("truncated"));
        }
        Ok(Content::File(bytes.into()))
    }

    fn count(&mut self, size: u64) -> Result<(), Error> {
        self.bytes += size;
        match self.bytes > MAX_BYTES {
            true => Err(Error::archive(format!("more than {} MiB of files", MAX_BYTES >> 20))),
            false => Ok(()),
        }
    }
}

/// All of an entry that must be small: `left` is what is left of the limit.
fn small(entry: &mut impl Read, left: u64, limit: u64) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let read = entry.take(left + 1).read_to_end(&mut data).map_err(|error| broken(&error))?;
    match read as u64 > left {
        true => Err(Error::archive(format!("a header of more than {} KiB", limit >> 10))),
        false => Ok(data),
    }
}

fn parse_manifest(text: &[u8]) -> Result<Manifest, Error> {
    let fail = |why: String| Error::entry(MANIFEST, why);
    let manifest: Manifest = serde_json::from_slice(text).map_err(|error| fail(json_reason(&error)))?;
    if manifest.format != FORMAT {
        return Err(fail(format!("format {} is of another version", manifest.format)));
    }
    if manifest.entries.len() + manifest.omitted.len() > MAX_ENTRIES {
        return Err(fail("too many entries".to_owned()));
    }
    let omitted = manifest.omitted.iter().map(|omitted| &omitted.path);
    for path in manifest.entries.iter().map(|entry| &entry.path).chain(omitted) {
        let bytes = path.as_os_str().as_bytes();
        let relative = bytes.strip_prefix(b"/").ok_or_else(|| fail(shown(path)))?;
        if !relative.is_empty() {
            inside(relative, true).map_err(|why| Error::entry(shown(path), why))?;
        }
    }
    Ok(manifest)
}

/// The path inside the root for an entry's name; `None` is the root itself in a foreign tar. In our own
/// archives a name has only its plain form.
fn inside(name: &[u8], strict: bool) -> Result<Option<PathBuf>, &'static str> {
    if name.contains(&0) {
        return Err("a zero byte in its name");
    }
    if strict {
        if name == b"./" {
            return Ok(Some(PathBuf::from("/")));
        }
        if name.starts_with(b"/") {
            return Err("an absolute path");
        }
    }
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let mut path = PathBuf::from("/");
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b".." => return Err("a path that leads outside"),
            b"" | b"." if !strict => {}
            b"" | b"." => return Err("a path that is not plain"),
            part => path.push(OsString::from_vec(part.to_vec())),
        }
    }
    if path.as_os_str().len() > 4096 {
        return Err("a path of more than 4096 bytes");
    }
    Ok((path.parent().is_some()).then_some(path))
}

fn mtime(header: &Header, extended: Option<&str>) -> Timestamp {
    let seconds = || i64::try_from(header.mtime().ok()?).ok();
    let plain = || Timestamp::from_second(seconds()?).ok();
    let exact = extended.and_then(|text| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let nanoseconds: i32 = digits.parse().ok()?;
        let seconds: i64 = whole.parse().ok()?;
        Timestamp::new(seconds, if seconds < 0 { -nanoseconds } else { nanoseconds }).ok()
    });
    exact.or_else(plain).unwrap_or_default()
}

/// Compares an entry of our own archive with its line of the manifest, which has the exact time.
fn fit(mut item: Entry, expected: &ManifestEntry) -> Result<Entry, &'static str> {
    let header_time = u64::try_from(expected.attributes.mtime.as_second()).unwrap_or(0);
    if u64::try_from(item.attributes.mtime.as_second()).unwrap_or(0) != header_time {
        return Err("its time is not the manifest's");
    }
    item.attributes.mtime = expected.attributes.mtime;
    let Ok(found) = ManifestEntry::new(&expected.path, &item) else {
        return Err("its kind is not the manifest's");
    };
    match (&found.kind, &expected.kind) {
        (ManifestKind::File { sha256, .. }, ManifestKind::File { sha256: wanted, .. })
            if sha256 != wanted =>
        {
            Err("its content is not what the manifest's digest says")
        }
        (found, wanted) if found != wanted => Err("its kind, size or target is not the manifest's"),
        _ if found.attributes != expected.attributes => {
            Err("its mode, owner or attributes are not the manifest's")
        }
        _ => Ok(item),
    }
}

fn lossy(header: &Header) -> String {
    String::from_utf8_lossy(&header.path_bytes()).into_owned()
}
