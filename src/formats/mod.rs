//! The foreign formats that a node is made of, one file each: bytes in, plain values out. Nothing here
//! panics on any input, and nothing here knows which file the bytes came from.

pub mod certificate;
pub mod crictl;
pub mod etcd;
pub mod key;
pub mod kubeconfig;
pub mod kubelet;
pub mod manifest;
pub mod pem;

/// The most bytes of YAML that are parsed: what it becomes takes up to fifteen times as much. A kubeconfig with the
/// credentials of four hundred clusters fits.
const LARGEST_YAML: usize = 2 << 20;

/// Why a file is not parsed at all.
fn too_large(data: &[u8]) -> Option<String> {
    (data.len() > LARGEST_YAML)
        .then(|| format!("{} bytes: larger than the {LARGEST_YAML} bytes that are read of one", data.len()))
}

/// Parses YAML or JSON of a bounded size; an error is one line without an excerpt of the file.
fn parse_yaml<T: serde::de::DeserializeOwned>(data: &[u8]) -> Result<T, String> {
    match too_large(data) {
        Some(why) => Err(why),
        None => serde_saphyr::from_slice(data).map_err(|error| first_line(&error)),
    }
}

/// The first line of a parser's message: the rest is an excerpt of the file, which may hold a key.
fn first_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or("unreadable").to_owned()
}
