//! Archives that are damaged at a named place, whatever the bytes are into which they were packed.

use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// One bit of this file's content is another one.
pub fn change(archive: &Path, name: &str) {
    let (mut tar, content) = unpacked(archive, name);
    tar[content] ^= 1;
    std::fs::write(archive, packing(&tar).finish().unwrap()).unwrap();
}

/// The archive ends within this file's content.
pub fn cut(archive: &Path, name: &str) {
    let (tar, content) = unpacked(archive, name);
    let mut out = packing(&tar[..=content]);
    out.flush().unwrap();
    std::fs::write(archive, out.get_ref()).unwrap();
}

/// The tar, and where the content of the file of this name begins.
fn unpacked(archive: &Path, name: &str) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    GzDecoder::new(std::fs::File::open(archive).unwrap()).read_to_end(&mut bytes).unwrap();
    let mut tar = tar::Archive::new(bytes.as_slice());
    let mut entries = tar.entries().unwrap().map(Result::unwrap);
    let entry = entries.find(|entry| *entry.path_bytes() == *name.as_bytes()).unwrap();
    let content = entry.raw_file_position() as usize;
    (bytes, content)
}

/// A gzip without its end.
pub fn packing(tar: &[u8]) -> GzEncoder<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(tar).unwrap();
    out
}
