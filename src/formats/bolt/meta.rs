//! The head of a database: two meta pages, of which the newer valid one counts (bbolt 1.5.0
//! `internal/common/meta.go`, `db.go` `meta`). Enough to detect a truncated or overwritten database.

/// How many bytes of the file's beginning are needed: the second meta page begins after the largest page, 64
/// KiB.
pub const HEAD: usize = (64 << 10) + META_END;

const PAGE_HEADER: usize = 16;
const META: usize = 64;
/// Bytes of the beginning of a meta page that count.
pub(super) const META_END: usize = PAGE_HEADER + META;
const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
/// bbolt `PgidNoFreelist`.
const NO_FREELIST: u64 = u64::MAX;

/// The valid meta page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes.
    pub page_size: u64,
    /// Pages in use: the file has at least this many.
    pub pages: u64,
    /// Page of the root bucket, which holds all others.
    pub root: u64,
    /// Page of the list of free pages; `None` if it is not kept in the file, as etcd has it since 3.4.
    pub freelist: Option<u64>,
    /// Number of the last transaction.
    pub transaction: u64,
}

/// Why etcd cannot open a file as a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoltError {
    /// Too short for a header.
    #[error("{0} bytes: too short for a database")]
    Short(u64),
    /// Neither meta page is valid.
    #[error("neither of its two headers is valid")]
    NoMeta,
    /// Its header names pages that the file doesn't have.
    #[error("cut off: its header speaks of {wanted} bytes, and it has {size}")]
    CutOff { wanted: u64, size: u64 },
}

impl Meta {
    /// Reads the head of a file of `size` bytes.
    ///
    /// # Errors
    /// It is no database.
    pub fn parse(head: &[u8], size: u64) -> Result<Self, BoltError> {
        if size < META_END as u64 {
            return Err(BoltError::Short(size));
        }
        let first = meta(head, 0);
        // If the first page is damaged its size isn't known: try the usual ones.
        let sizes = first.map_or_else(|| vec![4096, 8192, 16384, 65536], |meta| vec![meta.page_size]);
        let second = sizes.into_iter().find_map(|size| meta(head, usize::try_from(size).ok()?));
        let newest = [first, second].into_iter().flatten().max_by_key(|meta| meta.transaction);
        let meta = newest.ok_or(BoltError::NoMeta)?;
        let wanted = meta.pages.saturating_mul(meta.page_size);
        if wanted > size { Err(BoltError::CutOff { wanted, size }) } else { Ok(meta) }
    }
}

fn meta(head: &[u8], page: usize) -> Option<Meta> {
    let start = page.checked_add(PAGE_HEADER)?;
    let bytes = head.get(start..start.checked_add(META)?)?;
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let page_size = word(8)?;
    let valid = word(0)? == MAGIC
        && word(4)? == VERSION
        && page_size.is_power_of_two()
        && (512..=65536).contains(&page_size)
        && long(56)? == fnv1a(bytes.get(..56)?);
    let (root, freelist, pages, transaction) = (long(16)?, long(32)?, long(40)?, long(48)?);
    let freelist = (freelist != NO_FREELIST).then_some(freelist);
    valid.then_some(Meta { page_size: page_size.into(), pages, root, freelist, transaction })
}

/// FNV-1a of 64 bits, as Go's `hash/fnv`.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// The head of an empty database of four pages, as bbolt creates it; for tests.
#[cfg(test)]
fn empty_database() -> Vec<u8> {
    let mut file = vec![0; 4 * 4096];
    for (page, transaction) in [(0_usize, 0_u64), (1, 1)] {
        let mut meta = Vec::new();
        for word in [MAGIC, VERSION, 4096, 0] {
            meta.extend(word.to_le_bytes());
        }
        for long in [3, 0, 2, 4, transaction] {
            meta.extend(u64::to_le_bytes(long));
        }
        meta.extend(fnv1a(&meta).to_le_bytes());
        let start = page * 4096 + PAGE_HEADER;
        file.splice(start..start + META, meta);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_valid_header_counts() {
        let mut file = empty_database();
        let size = file.len() as u64;
        assert_eq!(
            Meta::parse(&file, size),
            Ok(Meta { page_size: 4096, pages: 4, root: 3, freelist: Some(2), transaction: 1 })
        );
        file[4096 + 20] ^= 1;
        assert_eq!(Meta::parse(&file, size).unwrap().transaction, 0);
        file[20] ^= 1;
        assert_eq!(Meta::parse(&file, size), Err(BoltError::NoMeta));
        let mut file = empty_database();
        file[20] ^= 1;
        assert_eq!(Meta::parse(&file, size).unwrap().transaction, 1);
    }

    #[test]
    fn a_short_or_empty_file_is_none() {
        let file = empty_database();
        assert_eq!(Meta::parse(&file[..8192], 8192), Err(BoltError::CutOff { wanted: 16384, size: 8192 }));
        assert_eq!(Meta::parse(&[], 0), Err(BoltError::Short(0)));
        assert_eq!(Meta::parse(&[0; 16384], 16384), Err(BoltError::NoMeta));
    }
}
