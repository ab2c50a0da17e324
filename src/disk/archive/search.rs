//! Finding the archives in a directory of the host, by their content.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tar::Header;

use super::list::MAX_LISTED;
use super::read::open_file;
use crate::disk::{Error, Packing};

/// Directories below the given one: one for each cluster and in it one for each node.
const DEPTH: usize = 3;
/// Entries that are looked at: a directory of backups, not a disk.
pub const MAX_SEEN: usize = 200_000;
/// A header of tar.
const BLOCK: usize = 512;
/// Names of which every file is listed, whatever is in it: one that is cut off must not be passed over.
const NAMES: [&[u8]; 3] = [b".tar", b".tar.gz", b".tgz"];

/// What [`search`] has found.
#[derive(Debug, Default)]
pub struct Found {
    /// By path.
    pub archives: Vec<PathBuf>,
    /// Directories below the given one that could not be read.
    pub unread: Vec<(PathBuf, Error)>,
    /// Whether there is more than is listed.
    pub more: bool,
}

/// The archives in a directory of the host and in those below it: tar and tar.gz by content or name, and what another
/// program has compressed or encrypted. Hidden names and links are passed over: files that are being written, and
/// second names of the same files.
///
/// # Errors
/// The directory can't be read.
pub fn search(directory: &Path) -> Result<Found, Error> {
    let mut found = Found::default();
    let walk = walkdir::WalkDir::new(directory).min_depth(1).max_depth(DEPTH);
    let walk = walk.into_iter().filter_entry(|entry| !is_passed_over(entry.file_name()));
    for (seen, entry) in walk.enumerate() {
        if found.archives.len() == MAX_LISTED || seen == MAX_SEEN {
            found.more = true;
            break;
        }
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_archive(entry.path()) => {
                found.archives.push(entry.into_path());
            }
            Ok(_) => {}
            Err(error) => {
                let depth = error.depth();
                let path = error.path().unwrap_or(directory).to_owned();
                let failed = Error::no_archive("read the directory", &path)(error.into());
                match (depth, failed) {
                    (0, failed) => return Err(failed),
                    // Removed meanwhile.
                    (_, Error::NoArchive { .. }) => {}
                    (_, failed) => found.unread.push((path, failed)),
                }
            }
        }
    }
    found.archives.sort_unstable();
    Ok(found)
}

/// Hidden names, and what fsck keeps in every file system, readable by root alone.
fn is_passed_over(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") || name == "lost+found"
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let is_named_so = NAMES.iter().any(|end| name.ends_with(end));
    is_named_so || open_file(path).is_ok_and(|file| looks_like_one(file).unwrap_or(false))
}

/// Whether a file is a tar, plain or in gzip, or packed by another program.
fn looks_like_one(file: impl Read) -> std::io::Result<bool> {
    let mut start = Vec::new();
    let mut file = file.take(1 << 16);
    (&mut file).take(BLOCK as u64).read_to_end(&mut start)?;
    if Packing::of(&start).is_some() {
        return Ok(true);
    }
    if !start.starts_with(&[0x1f, 0x8b]) {
        return Ok(is_header(&start));
    }
    let mut inside = Vec::new();
    // A gzip that is cut off has given what it has.
    let _ = GzDecoder::new(start.as_slice().chain(file)).take(BLOCK as u64).read_to_end(&mut inside);
    Ok(is_header(&inside))
}

/// By the checksum, which the oldest tar has too.
fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else { return false };
    let Some((before, rest)) = block.split_at_checked(148) else { return false };
    let sum = before.iter().chain(rest.iter().skip(8)).map(|byte| u32::from(*byte)).sum::<u32>();
    let told = Header::from_byte_slice(block).cksum();
    told.is_ok_and(|told| told == sum + 8 * u32::from(b' '))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn header() -> Vec<u8> {
        let mut header = Header::new_old();
        header.set_path("etc/").unwrap();
        header.set_size(0);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn a_tar_is_known_by_its_checksum() {
        let looks = |bytes: &[u8]| looks_like_one(bytes).unwrap();
        assert!(looks(&header()) && looks(&gzip(&header())));
        let mut other = header();
        other[0] ^= 1;
        for bytes in [&b""[..], b"text", &other, &gzip(&other), &gzip(b"a log"), &gzip(&header())[..20]] {
            assert!(!looks(bytes), "{bytes:?}");
        }
        for start in [&b"\xfd7zXZ\0..."[..], b"\x28\xb5\x2f\xfd", b"BZh9", b"age-encryption.org/v1\n"] {
            assert!(looks(start), "{start:?}");
        }
    }
}
