//! What several targets need: tars that get past their check sums, a node that inputs are laid over.

use std::path::PathBuf;
use std::sync::LazyLock;

use kuberescue::disk::archive;
use kuberescue::state::{Attributes, Content, Entry, Snapshot};

/// A healthy node, the ground that the `inventory` target lays its input over.
pub const NODE: &[u8] = include_bytes!("../../testdata/nodes/ecdsa-p256.tar.gz");

/// What separates the files of an input: no UTF-8 has it.
const MARK: &[u8] = b"\xfe\xff";

const BLOCK: usize = 512;

/// Sets the check sum of every block that looks like the header of an entry, so that a changed one is read.
pub fn with_check_sums(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    for header in tar.chunks_exact_mut(BLOCK).filter(|block| &block[257..262] == b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    tar
}

/// A tar of files, each a name and its content.
pub fn tar(files: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        let mut header = [0; BLOCK];
        let length = name.len().min(100);
        header[..length].copy_from_slice(&name[..length]);
        header[100..107].copy_from_slice(b"0000600");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        tar.extend_from_slice(&header);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    with_check_sums(&tar)
}

/// The parts of an input, each a first line and what follows it.
pub fn parts(data: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        let part = &rest[at + MARK.len()..];
        let end = part.windows(MARK.len()).position(|window| window == MARK).unwrap_or(part.len());
        let line = part[..end].iter().position(|byte| *byte == b'\n').unwrap_or(end);
        parts.push((&part[..line], part.get(line + 1..end).unwrap_or_default()));
        rest = &part[end..];
    }
    parts
}

/// The entries of an input: `KIND/PATH`, where the kind is `l` for a link, `d` for a directory, `u` for something that
/// was not read, `-` for nothing, and a file otherwise.
pub fn entries(data: &[u8]) -> Vec<(PathBuf, Option<Entry>)> {
    use std::os::unix::ffi::OsStringExt as _;
    let entry = |(line, content): (&[u8], &[u8])| {
        let slash = line.iter().position(|byte| *byte == b'/')?;
        let (kind, path) = line.split_at(slash);
        let name = |bytes: &[u8]| std::ffi::OsString::from_vec(bytes.to_vec());
        let content = match kind {
            b"l" => Content::Link(name(content).into()),
            b"d" => Content::Directory,
            b"u" => Content::Unread(kuberescue::state::Unread::Failed("refused".to_owned())),
            b"-" => return Some((PathBuf::from(name(path)), None)),
            _ => Content::File(content.to_vec().into()),
        };
        let attributes = Attributes { mode: 0o600, ..Attributes::default() };
        Some((PathBuf::from(name(path)), Some(Entry { content, attributes })))
    };
    parts(data).into_iter().filter_map(entry).collect()
}

/// The node with the input's entries laid over it.
pub fn node_with(data: &[u8]) -> Snapshot {
    static READ: LazyLock<Snapshot> = LazyLock::new(|| archive::read(NODE).expect("the fixture is one").0);
    let node = &*READ;
    let over = entries(data);
    let kept = node.iter().filter(|(path, _)| !over.iter().any(|(other, _)| other == path));
    let kept = kept.map(|(path, entry)| (path.to_owned(), entry.clone()));
    kept.chain(over.iter().filter_map(|(path, entry)| Some((path.clone(), entry.clone()?)))).collect()
}

/// A directory of this process in memory, for what can only be read from a disk.
pub fn scratch() -> PathBuf {
    let base = PathBuf::from("/dev/shm");
    let base = if base.is_dir() { base } else { std::env::temp_dir() };
    let path = base.join(format!("kuberescue-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a directory for the target");
    path
}
