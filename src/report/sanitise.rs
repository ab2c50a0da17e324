//! Foreign text for a terminal: names from certificates, files and archives may hold escape sequences.

use std::borrow::Cow;

/// How many characters of a line are shown: a certificate may have a subject of a mebibyte.
const LONGEST: usize = 600;

/// `text` on one line, with control characters, invisible direction marks and the like shown as `\u{…}`.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() && !is_invisible(c);
    if text.len() <= LONGEST && text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == LONGEST {
            out.push('…');
            break;
        }
        if harmless(c) { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    Cow::Owned(out)
}

/// At most so many characters of a text; the last one says that something is left out.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// A text of any length and any number of lines, with terminal control characters shown as `\u{…}`.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| c == '\n' || !(c.is_control() || is_invisible(c));
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if harmless(c) { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    Cow::Owned(out)
}

/// A value as an indented JSON document, with terminal control characters escaped.
pub(super) fn document(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{}\n", json(&text))
}

/// JSON with terminal control characters escaped in JSON's way; the meaning is the same. Such characters
/// occur only inside strings.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| c == '\n' || !(c.is_control() || is_invisible(c));
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if harmless(c) {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    Cow::Owned(out)
}

/// Marks that change the order or the look of what follows (Unicode bidi controls, zero widths, tags).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({"a": "x\u{9b}\u{202e}\u{e0001}\u{7f}\u{1b}é"});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let clean = json(&text);
        assert!(clean.chars().all(|c| c == '\n' || !(c.is_control() || is_invisible(c))), "{clean}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&clean).unwrap(), value);
    }

    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(line("CN=\u{1b}[31mred\u{7}\n"), "CN=\\u{1b}[31mred\\u{7}\\u{a}");
        assert_eq!(printable("one\ntwo\u{1b}[31m\t"), "one\ntwo\\u{1b}[31m\\u{9}");
        assert_eq!(printable("one\ntwo"), "one\ntwo");
        assert_eq!(line("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(line("CN=Zürich"), "CN=Zürich");
        assert_eq!(line(&"x".repeat(10_000)).chars().count(), LONGEST + 1);
    }
}
