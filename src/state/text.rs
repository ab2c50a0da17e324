//! Paths and names of files in JSON without loss: text where it is UTF-8, `{"base64": …}` where it
//! isn't, because a file name is any bytes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Raw { base64: String },
}

/// For `#[serde(with = "…")]` on a `PathBuf` or `OsString`.
///
/// # Errors
/// What the serializer reports.
pub fn serialize<S: Serializer>(text: &impl AsRef<OsStr>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = text.as_ref();
    match text.to_str() {
        Some(plain) => serializer.serialize_str(plain),
        None => Text::Raw { base64: STANDARD.encode(text.as_bytes()) }.serialize(serializer),
    }
}

/// For `#[serde(with = "…")]` on a `PathBuf` or `OsString`.
///
/// # Errors
/// Neither text nor base64.
pub fn deserialize<'de, D: Deserializer<'de>, T: From<OsString>>(deserializer: D) -> Result<T, D::Error> {
    let text = match Text::deserialize(deserializer)? {
        Text::Plain(plain) => OsString::from(plain),
        Text::Raw { base64 } => {
            OsString::from_vec(STANDARD.decode(base64).map_err(serde::de::Error::custom)?)
        }
    };
    Ok(T::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Named(#[serde(with = "super")] PathBuf);

    #[test]
    fn any_bytes_come_back() {
        for (name, json) in [(&b"/etc/a"[..], r#""/etc/a""#), (b"/\xff", r#"{"base64":"L/8="}"#)] {
            let named = Named(PathBuf::from(OsString::from_vec(name.to_vec())));
            let text = serde_json::to_string(&named).unwrap();
            assert_eq!(text, json);
            assert_eq!(serde_json::from_str::<Named>(&text).unwrap(), named);
        }
    }
}
