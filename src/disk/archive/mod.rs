//! stub
use super::{Error, Root};
use crate::state::*;
use std::path::*;
/// x
pub struct About {
    /// x
    pub version: String,
    /// x
    pub created: jiff::Timestamp,
    /// x
    pub host: String,
    /// x
    pub node: String,
    /// x
    pub command: String,
}
/// x
pub struct Written {
    /// x
    pub path: PathBuf,
    /// x
    pub sha256: Digest,
    /// x
    pub size: u64,
}
/// x
pub struct Manifest;
/// x
pub fn write(_: &Root, _: Option<&Path>, _: &Snapshot, _: &About) -> Result<Written, Error> {
    Err(Error::RootDenied { path: "x".into() })
}
/// x
pub fn open(_: &Path) -> Result<(Snapshot, Option<Manifest>), Error> {
    Err(Error::RootDenied { path: "x".into() })
}
