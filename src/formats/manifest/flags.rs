//! The flags of a command line, as a list of words.

use std::collections::BTreeMap;

/// `--name=value`, `--name value` and `--name`, with one dash or two, as Go's flag packages read them; of a flag that is
/// given twice the last value.
pub(crate) fn flags(words: impl IntoIterator<Item = String>) -> BTreeMap<String, String> {
    let mut flags = BTreeMap::new();
    each_flag(words, |name, value| drop(flags.insert(name, value)));
    flags
}

/// Hands over each flag and its value, in order: a hostile file has millions of them, too many to be listed.
pub(super) fn each_flag(words: impl IntoIterator<Item = String>, mut take: impl FnMut(String, String)) {
    let mut open: Option<String> = None;
    for word in words {
        if let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) {
            if let Some(name) = open.take() {
                take(name, "true".to_owned());
            }
            match flag.split_once('=') {
                Some((name, value)) => take(name.to_owned(), value.to_owned()),
                None => open = Some(flag.to_owned()),
            }
        } else if let Some(name) = open.take() {
            take(name, word);
        }
    }
    if let Some(name) = open {
        take(name, "true".to_owned());
    }
}
