//! How much of a node is read: every bound that more than one module keeps.

/// The most that is read of one file, in bytes: far above anything kubeadm or the kubelet keeps.
pub const MAX_FILE: u64 = 8 << 20;
/// The most that a snapshot holds of all files, in bytes: with what they are parsed to, and the archive of them, it
/// stays below the 64 MiB that the tool may use (tests/hostile). A node has less than one.
pub const MAX_BYTES: u64 = 20 << 20;
/// The most entries of a snapshot.
pub const MAX_ENTRIES: usize = 10_000;
/// Of these, what whole directories must leave for files that are read by name.
pub(super) const RESERVED_ENTRIES: usize = 500;
/// The most bytes of the paths, link targets and extended attributes of a snapshot: 200 for each entry, where a
/// path has some 80 and a label some 50. Without it names alone could fill the memory: a path is as long as
/// directories are deep.
pub(super) const MAX_NAMES: u64 = 2 << 20;
