//! The disk layer: a node's directory → [`Snapshot`](crate::state::Snapshot), the verified archive of it, the
//! transaction, which is the only code that changes a node, the history of changes, the parking of manifests,
//! and the logs, which are only streamed.
//!
//! Everything happens below the handle of the [`Root`], component by component, so that no link on a foreign
//! disk leads out of it. Only [`archive`], [`transaction`], [`parking`], [`pending`] and [`NewFile`] open anything for writing. Must
//! not know what a certificate is, what the time is (it is a parameter), or how to print.

pub mod archive;
pub mod data;
mod effect;
mod error;
mod handle;
pub mod history;
mod journal;
mod limits;
pub mod logs;
mod new_directory;
mod new_file;
mod node;
pub mod obstacle;
mod packing;
mod pages;
pub mod parking;
pub mod pending;
mod record;
pub mod replacement;
pub mod rescue;
mod root;
mod state_dir;
mod strays;
pub mod transaction;
pub mod workstation;

pub use error::{Error, Holder};
pub use limits::{MAX_BYTES, MAX_ENTRIES, MAX_FILE};
pub use new_directory::NewDirectory;
pub use new_file::NewFile;
pub use node::{Depth, Reader};
pub use packing::Packing;
pub use pages::{PagedFile, Trailer};
pub use root::Root;
pub use strays::strays_among;
