//! The foreign formats that a node is made of, one file each: bytes in, plain values out. Nothing here
//! panics on any input, and nothing here knows which file the bytes came from.

pub mod certificate;
pub mod crictl;
pub mod etcd;
pub mod key;
pub mod kubeconfig;
pub mod kubelet;
pub mod log;
pub mod manifest;
pub mod pem;

/// The first line of a parser's message: the rest is an excerpt of the file, which may hold a key.
fn first_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or("unreadable").to_owned()
}
