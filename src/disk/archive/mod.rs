//! Snapshot ⇄ `tar.gz`: the archive of a node's old state.
//!
//! The first entry is `.kuberescue-archive.json`, the manifest with all digests; then come directories, files
//! and links as relative paths, so that a plain `tar -xzpf A -C / --exclude=.kuberescue-archive.json`
//! restores by hand. A plain tar of a node (gzip or not) is read as well, more leniently. Archives are
//! foreign input: reading is one pass, bounded, and writes nothing. Must not know what the files mean.

mod list;
mod manifest;
mod pax;
mod read;
mod search;
mod stream;
#[cfg(test)]
mod tests;
mod write;

pub use list::{EXTENSION, MAX_LISTED, list};
pub use manifest::{About, Manifest, ManifestEntry, ManifestKind, Omitted, Reason};
pub use read::{Verified, open, read, verify};
pub use search::{Found, MAX_SEEN, search};
pub use write::{Written, base_name, planned, to_bytes, write};

/// The manifest's name in the archive.
pub const MANIFEST: &str = ".kuberescue-archive.json";
