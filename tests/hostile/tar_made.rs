//! Tars and gzip streams made by hand, as no program makes them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::{Compress, Compression, FlushCompress};
use tar::{EntryType, Header};

/// A header, whatever it claims.
pub fn header(kind: EntryType, name: &[u8], link: &[u8], size: u64) -> [u8; 512] {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    let old = header.as_old_mut();
    old.name[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    old.linkname[..link.len().min(100)].copy_from_slice(&link[..link.len().min(100)]);
    header.set_size(size);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    *header.as_bytes()
}

/// An entry with its content.
pub fn entry(kind: EntryType, name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut entry = header(kind, name, b"", content.len() as u64).to_vec();
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

pub fn file(name: &[u8], content: &[u8]) -> Vec<u8> {
    entry(EntryType::Regular, name, content)
}

/// One record of an extended header.
pub fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length =
        (1..12).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length);
    [length.unwrap().to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// The files of a fixture as a tar, without its end: what follows is part of a real node.
pub fn node() -> Vec<u8> {
    let mut tar = Vec::new();
    let packed = std::fs::File::open(super::common::fixture("ecdsa-p256")).unwrap();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut tar).unwrap();
    while tar.ends_with(&[0; 512]) {
        tar.truncate(tar.len() - 512);
    }
    tar
}

/// Some tar with its end.
pub fn with_end(parts: &[&[u8]]) -> Vec<u8> {
    [&parts.concat()[..], &[0; 1024]].concat()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Gzip of `start`, then of `part` as often as is said, without ever compressing it more than once: a full flush
/// makes a piece of a stream that stands for itself.
pub fn bomb(start: &[u8], part: &[u8], times: usize) -> Vec<u8> {
    let piece = |bytes: &[u8]| {
        let mut packer = Compress::new(Compression::best(), false);
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        packer.compress_vec(bytes, &mut out, FlushCompress::Full).unwrap();
        assert_eq!(packer.total_in(), bytes.len() as u64);
        out
    };
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    out.extend(piece(start));
    let part = piece(part);
    for _ in 0..times {
        out.extend_from_slice(&part);
    }
    // The last, empty block; the check sums are wrong, if anyone comes that far.
    out.extend_from_slice(&[3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out
}

/// A place with one archive in it.
pub struct Archive {
    directory: tempfile::TempDir,
}

impl Archive {
    pub fn of(bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.tar.gz"), bytes).unwrap();
        Self { directory }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("a.tar.gz")
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
