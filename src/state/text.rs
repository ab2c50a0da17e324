//! Paths and file names in JSON without loss: text if it is UTF-8, otherwise `{"base64": …}`, because a file
//! name is any bytes; and numbers of things.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A word as a shell takes it: quoted where the shell would change it.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The end of a command for the node at `root`, which is not the machine's own.
pub fn root_option(root: &Path) -> String {
    format!(" --root {}", shell_word(&root.display().to_string()))
}

/// `1 file`, `2 files`, `2 entries`, as kubectl counts.
pub fn count(number: impl TryInto<u64>, unit: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    match (number, unit.strip_suffix("ry")) {
        (1, _) => format!("1 {unit}"),
        (_, Some(stem)) => format!("{number} {stem}ries"),
        (_, None) => format!("{number} {unit}s"),
    }
}

/// `7`, `1,000`, `1,234,567`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `a, b and 3 more`: the first `most` names, and how many others there are.
pub fn some(names: impl ExactSizeIterator<Item: AsRef<str>>, most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names: Vec<_> = names.take(most).collect();
    format!("{}{more}", names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "))
}

/// `1 path differs`, `2 paths differ`: a regular verb in the plural.
pub fn count_verb(number: impl TryInto<u64>, unit: &str, verb: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {verb}{}", count(number, unit), if number == 1 { "s" } else { "" })
}

/// `9 bytes`, `38 KiB`, `228 GiB`: rounded down.
pub fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = KIB << 10;
    const GIB: u64 = MIB << 10;
    const MANY: u64 = 10;
    if bytes < MANY * KIB {
        count(bytes, "byte")
    } else if bytes < MANY * MIB {
        format!("{} KiB", bytes / KIB)
    } else if bytes < MANY * GIB {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{} GiB", bytes / GIB)
    }
}

#[derive(Serialize)]
struct Raw {
    base64: String,
}

/// A parsed path or name. Only the two forms are accepted: a derived `untagged` parser would first buffer any
/// value, at many times its size.
pub struct Text(pub OsString);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, or {\"base64\": …}")
            }

            fn visit_str<E: Error>(self, plain: &str) -> Result<Text, E> {
                Ok(Text(OsString::from(plain)))
            }

            fn visit_string<E: Error>(self, plain: String) -> Result<Text, E> {
                Ok(Text(OsString::from(plain)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
                let Some((key, base64)) = map.next_entry::<String, String>()? else {
                    return Err(Error::missing_field("base64"));
                };
                if key != "base64" || map.next_key::<IgnoredAny>()?.is_some() {
                    return Err(Error::custom("only base64 is meant here"));
                }
                Ok(Text(OsString::from_vec(STANDARD.decode(base64).map_err(Error::custom)?)))
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

/// For `#[serde(with = "…")]` on a `PathBuf` or `OsString`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(text: &impl AsRef<OsStr>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = text.as_ref();
    match text.to_str() {
        Some(plain) => serializer.serialize_str(plain),
        None => Raw { base64: STANDARD.encode(text.as_bytes()) }.serialize(serializer),
    }
}

/// For `#[serde(serialize_with = "…")]` on one that may be missing.
///
/// # Errors
/// What the serializer reports.
pub fn optional<T: AsRef<OsStr>, S: Serializer>(text: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => serialize(text, serializer),
        None => serializer.serialize_none(),
    }
}

/// For `#[serde(serialize_with = "…")]` on a list of them.
///
/// # Errors
/// Those of the serializer.
pub fn list<T: AsRef<OsStr>, S: Serializer>(texts: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    struct One<'a, T>(&'a T);
    impl<T: AsRef<OsStr>> Serialize for One<'_, T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serialize(self.0, serializer)
        }
    }
    serializer.collect_seq(texts.iter().map(One))
}

/// For `#[serde(with = "…")]` on a `PathBuf` or `OsString`.
///
/// # Errors
/// Neither text nor base64.
pub fn deserialize<'de, D: Deserializer<'de>, T: From<OsString>>(deserializer: D) -> Result<T, D::Error> {
    Text::deserialize(deserializer).map(|text| T::from(text.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Named(#[serde(with = "super")] PathBuf);

    #[test]
    fn a_word_is_quoted_only_where_a_shell_would_change_it() {
        assert_eq!(shell_word("--root=/mnt/sdb1"), "--root=/mnt/sdb1");
        assert_eq!(shell_word("two words"), "'two words'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn any_bytes_come_back() {
        for (name, json) in [(&b"/etc/a"[..], r#""/etc/a""#), (b"/\xff", r#"{"base64":"L/8="}"#)] {
            let named = Named(PathBuf::from(OsString::from_vec(name.to_vec())));
            let text = serde_json::to_string(&named).unwrap();
            assert_eq!(text, json);
            assert_eq!(serde_json::from_str::<Named>(&text).unwrap(), named);
        }
        for wrong in ["7", "[]", "[1,1]", "{}", r#"{"base64":"?"}"#, r#"{"base64":"","a":1}"#, r#"{"a":""}"#]
        {
            assert!(serde_json::from_str::<Named>(wrong).is_err(), "{wrong}");
        }
    }
}
