//! The foreign formats of a node, one file each: bytes in, plain values out. Nothing here panics on any
//! input, and nothing here knows which file the bytes came from.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

pub mod access;
pub mod bolt;
pub mod ca_copies;
pub mod cert_sans;
pub mod certificate;
pub mod crictl;
pub mod etcd;
pub mod key;
pub mod kubeconfig;
pub mod kubelet;
pub mod log;
pub mod manifest;
pub mod name;
pub mod objects;
pub mod pem;
pub mod protobuf;
pub mod reason;
pub mod request;
pub mod requests;
pub mod san;
pub mod systemd;
pub mod token;
pub mod yaml;

/// Limit of YAML in bytes: the parsed form takes up to fifteen times as much. A kubeconfig with the
/// credentials of four hundred clusters fits.
const LARGEST_YAML: usize = 2 << 20;

/// Why a file is not parsed at all.
fn too_large(data: &[u8]) -> Option<String> {
    (data.len() > LARGEST_YAML)
        .then(|| format!("{} bytes: larger than the {LARGEST_YAML} bytes that are read of one", data.len()))
}

/// Parses YAML or JSON of a bounded size; an error is one line without an excerpt of the file.
fn parse_yaml<T: serde::de::DeserializeOwned>(data: &[u8]) -> Result<T, String> {
    parse_yaml_strictly(data).map(|(value, _)| value)
}

/// The same, and whether a key occurs twice.
fn parse_yaml_strictly<T: serde::de::DeserializeOwned>(data: &[u8]) -> Result<(T, bool), String> {
    match too_large(data) {
        Some(why) => Err(why),
        None => yaml::parse(std::str::from_utf8(data).map_err(|_| "not UTF-8".to_owned())?),
    }
}

/// Limit of the items of a list.
const MOST_ITEMS: usize = 2_000;

/// A list limited to the first items, so that a hostile file can't fill the memory. The rest is ignored.
fn first_items<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct First<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for First<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut found = Vec::new();
            while found.len() < MOST_ITEMS {
                match list.next_element()? {
                    Some(item) => found.push(item),
                    None => return Ok(found),
                }
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(found)
        }
    }

    struct Items<T>(Vec<T>);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_seq(First(PhantomData)).map(Self)
        }
    }

    Ok(Option::<Items<T>>::deserialize(deserializer)?.map(|items| items.0))
}

/// What is wrong with JSON, in the words of every command and without an excerpt.
pub fn json_reason(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Eof => return "truncated".to_owned(),
        Category::Io => return "not read to its end".to_owned(),
        Category::Syntax => "not valid JSON",
        Category::Data => "a field or value that is missing or unexpected",
    };
    format!("line {}, column {}: {what}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_not_parsed_and_not_worthless() {
        let large = vec![b'#'; LARGEST_YAML + 1];
        assert!(parse_yaml::<serde_json::Value>(&large).unwrap_err().contains("larger than"));
        let error = kubeconfig::Kubeconfig::parse(&large).err().unwrap();
        assert!(!error.is_worthless(), "no new file may replace it");
        // So many users that the current one is cut off: not worthless either.
        let many = format!("current-context: a\ncontexts: [{}{{name: a}}]\n", "{},".repeat(3000));
        let error = kubeconfig::Kubeconfig::parse(many.as_bytes()).err().unwrap();
        assert!(matches!(error, kubeconfig::KubeconfigError::Missing(_)), "{error}");
        let error = certificate::Certificate::from_der(vec![0x30; 300 << 10]).unwrap_err();
        assert!(matches!(error, certificate::CertificateError::TooLarge(_)));
    }
}
