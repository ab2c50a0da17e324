//! YAML as kubectl and the kubelet read it (`sigs.k8s.io/yaml` over goyaml.v2, not strict; tried with kubectl 1.36): of
//! several documents the first counts, of a key that occurs twice in one mapping the last.

use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, Error};

/// A key that occurs twice in one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey {
    /// The key, where it is text.
    pub key: Option<String>,
    /// The line of its second occurrence, from 1.
    pub line: u64,
}

/// The first document. A marker at the beginning of a line ends a document wherever it stands: no scalar may hold one
/// (YAML 1.2.2, 9.1.2). The text is a prefix, so that places in it are places in the file.
pub(super) fn first_document(text: &str) -> &str {
    let is_marker = |line: &str, marker: &str| {
        line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
    };
    let (mut at, mut begun) = (0, false);
    for whole in text.split_inclusive('\n') {
        let line = if at == 0 { whole.trim_start_matches('\u{feff}') } else { whole };
        let marker = is_marker(line, "---") || is_marker(line, "...");
        if marker && begun {
            return text.get(..at).unwrap_or(text);
        }
        let nothing = line.trim().is_empty() || line.trim_start().starts_with('#') || line.starts_with('%');
        begun |= !nothing;
        at += whole.len();
    }
    text
}

/// Whether there is nothing but white space, comments and markers.
pub(super) fn is_empty(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    })
}

/// Parses the first document, and tells whether a key occurs twice in it: parts that `T` passes over count too. An error
/// is one line in our own words and without an excerpt of the file, which may hold a key.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<(T, bool), String> {
    let text = first_document(text);
    match serde_saphyr::from_str(text) {
        Err(error) if duplicate(&error).is_some() => {
            let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
            let parsed = serde_saphyr::from_str_with_options(text, options);
            parsed.map(|value| (value, true)).map_err(|error| why(&error))
        }
        parsed => parsed.map(|value| (value, false)).map_err(|error| why(&error)),
    }
}

/// The first key of a file that occurs twice in one mapping.
pub fn duplicate_key(data: &[u8]) -> Option<DuplicateKey> {
    let text = std::str::from_utf8(data).ok().filter(|_| super::too_large(data).is_none())?;
    duplicate(&serde_saphyr::from_str::<serde_json::Value>(first_document(text)).err()?)
}

fn duplicate(error: &Error) -> Option<DuplicateKey> {
    match error.without_snippet() {
        Error::DuplicateMappingKey { key, location } => {
            Some(DuplicateKey { key: key.clone(), line: location.line() })
        }
        _ => None,
    }
}

/// Where and what is wrong, without an excerpt.
pub fn why(error: &Error) -> String {
    let what = match error.without_snippet() {
        Error::Unexpected { .. }
        | Error::InvalidScalar { .. }
        | Error::SerdeInvalidType { .. }
        | Error::SerdeInvalidValue { .. }
        | Error::SerdeInvalidLength { .. }
        | Error::NullIntoString { .. }
        | Error::InvalidBooleanStrict { .. } => "a value has another type than expected",
        Error::SerdeMissingField { .. } => "a field is missing",
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => "more aliases or levels than are read of one file",
        _ => "not valid YAML",
    };
    match error.location().filter(|at| at.line() > 0) {
        Some(at) => format!("line {}, column {}: {what}", at.line(), at.column()),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_document_counts() {
        for (text, first) in [
            ("a: 1\n", "a: 1\n"),
            ("# x\n---\na: 1\n---\nb: 2\n", "# x\n---\na: 1\n"),
            ("a: 1\r\n...\r\n", "a: 1\r\n"),
            ("\u{feff}---\na: 1\n---\n", "\u{feff}---\na: 1\n"),
            ("---\n---\na: 1\n", "---\n"),
            ("a: ---\nb: '--- x'\n----\n", "a: ---\nb: '--- x'\n----\n"),
            ("a: |\n  ---\n", "a: |\n  ---\n"),
        ] {
            assert_eq!(first_document(text), first, "{text:?}");
        }
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let text = "a: 1\nb: {c: 1, c: 2}\na: 3\n";
        let (value, twice): (serde_json::Value, _) = parse(text).unwrap();
        assert!(twice);
        assert_eq!(value, serde_json::json!({"a": 3, "b": {"c": 2}}));
        for (text, twice) in [("a: {b: [{c: 1, c: 2}]}\n", true), ("a: [{c: 1}, {c: 2}]\n", false)] {
            #[derive(serde::Deserialize)]
            struct PassedOver {}
            assert_eq!(parse::<PassedOver>(text).unwrap().1, twice, "{text}");
        }
        let found = duplicate_key(text.as_bytes()).unwrap();
        assert_eq!((found.key.as_deref(), found.line), (Some("c"), 2));
        assert_eq!(duplicate_key(b"a: {b: 1}\nb: 1\n"), None);
    }

    #[test]
    fn errors_are_in_our_own_words() {
        for text in ["a: [1\n", "a: \"x\n", "a: *b\n"] {
            let error = parse::<serde_json::Value>(text).unwrap_err();
            assert!(error.starts_with("line ") && error.ends_with(": not valid YAML"), "{text:?}: {error}");
        }
        let error = parse::<std::collections::BTreeMap<String, i32>>("[1, 2]\n").unwrap_err();
        assert_eq!(error, "line 1, column 1: a value has another type than expected");
    }
}
