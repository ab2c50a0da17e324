//! Certificates that another machine signs: the requests that a node exports, signing them where the CA's key is, and
//! importing what was signed.

pub mod cas;
pub mod directory;
pub mod export;
pub mod import;
pub mod sign;
