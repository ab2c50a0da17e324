//! Putting one flag into a manifest, or another value into one, byte for byte otherwise.

use std::path::Path;

use serde_json::Value;

use super::Manifest;

/// Adds `--NAME=true` before the first flag of the container whose program is `program`. `None` where that is not
/// known to change that and nothing else: a command that is not written as one word a line, or is run by a shell.
pub fn with_flag(manifest: &[u8], program: &str, name: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(manifest).ok()?;
    let (at, first) = first_line(text, "- --")?;
    let (before, rest) = text.split_at_checked(at)?;
    let indent = first.get(..first.len() - first.trim_start().len())?;
    let word = format!("--{name}=true");
    let end = if first.ends_with("\r\n") { "\r\n" } else { "\n" };
    let new = format!("{before}{indent}- {word}{end}{rest}").into_bytes();
    is_only_change(manifest, &new, program, None, &word).then_some(new)
}

/// Puts `value` in the place of the flag's value, in the container whose program is `program`. `None` where that is not known
/// to change that and nothing else: a flag that is not there, or not as one word on a line of its own.
pub fn with_value(manifest: &[u8], program: &str, name: &str, value: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(manifest).ok()?;
    let (at, line) = first_line(text, &format!("- --{name}="))?;
    let (before, rest) = (text.get(..at)?, text.get(at + line.len()..)?);
    let old = line.trim().strip_prefix("- ")?;
    let indent = line.get(..line.len() - line.trim_start().len())?;
    let end = line.get(line.trim_end().len()..)?;
    let word = format!("--{name}={value}");
    let new = format!("{before}{indent}- {word}{end}{rest}").into_bytes();
    is_only_change(manifest, &new, program, Some(old), &word).then_some(new)
}

/// The first line that begins like this, and where it is.
fn first_line<'a>(text: &'a str, start: &str) -> Option<(usize, &'a str)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with(start) {
            return Some((at, line));
        }
        at += line.len();
    }
    None
}

/// Whether `new` is what `old` is but for `word` in the command of the component's container, in the place of `instead`, as
/// any parser reads it.
fn is_only_change(old: &[u8], new: &[u8], program: &str, instead: Option<&str>, word: &str) -> bool {
    let (Ok(was), Ok(is)) = (Manifest::parse(old), Manifest::parse(new)) else { return false };
    let Some((name, value)) = word.trim_start_matches('-').split_once('=') else { return false };
    let mut wanted = was.flags.clone();
    let had = wanted.insert(name.to_owned(), value.to_owned()).is_some();
    let read = |bytes| crate::formats::parse_yaml::<Value>(bytes).ok();
    let (Some(mut was), Some(mut now)) = (read(old), read(new)) else { return false };
    let before = instead.map_or(1, |instead| take_out(&mut was, program, instead));
    let words = take_out(&mut now, program, word);
    had == instead.is_some() && is.flags == wanted && before == 1 && words == 1 && was == now
}

/// Takes `word` out of the command of each container whose program is `program`; how often it was there.
fn take_out(pod: &mut Value, program: &str, word: &str) -> usize {
    let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    let mut taken = 0;
    for container in containers.into_iter().flatten() {
        let Some(command) = container.get_mut("command").and_then(Value::as_array_mut) else { continue };
        let first = command.first().and_then(Value::as_str).map(Path::new);
        if first.and_then(Path::file_name) == Some(program.as_ref()) {
            let before = command.len();
            command.retain(|one| one.as_str() != Some(word));
            taken += before - command.len();
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\nspec:\n  containers:\n  - command:\n    - etcd\n    - --data-dir=/var/lib/etcd\n    - --name=cp-1\n    name: etcd\n";

    fn spliced(text: &str) -> Option<String> {
        with_flag(text.as_bytes(), "etcd", "force-new-cluster").map(|new| String::from_utf8(new).unwrap())
    }

    #[test]
    fn one_line_is_added_and_the_rest_stays() {
        let wanted = POD.replace("    - --data", "    - --force-new-cluster=true\n    - --data");
        assert_eq!(spliced(POD).unwrap(), wanted);
        assert_eq!(spliced(&POD.replace('\n', "\r\n")).unwrap(), wanted.replace('\n', "\r\n"));
        let with_comments = POD.replace("    - etcd\n", "    - etcd  # the program\n\n");
        assert_eq!(spliced(&with_comments).unwrap().len(), with_comments.len() + 31);
    }

    #[test]
    fn one_value_changes_and_the_rest_stays() {
        let set = |text: &str, name| {
            with_value(text.as_bytes(), "etcd", name, "/b").map(|new| String::from_utf8(new).unwrap())
        };
        assert_eq!(set(POD, "data-dir").unwrap(), POD.replace("=/var/lib/etcd", "=/b"));
        let other_lines = POD.replace('\n', "\r\n");
        assert_eq!(set(&other_lines, "data-dir").unwrap(), other_lines.replace("=/var/lib/etcd", "=/b"));
        assert_eq!(set(POD, "wal-dir"), None);
        for (old, new) in [
            ("- --data-dir=/var/lib/etcd", "- \"--data-dir=/var/lib/etcd\""),
            ("- --data-dir=/var/lib/etcd", "- --data-dir=/var/lib/etcd  # here"),
            ("- --data-dir=/var/lib/etcd", "- --data-dir\n    - /var/lib/etcd"),
            ("- --name", "- --data-dir=/c\n    - --name"),
            ("- etcd\n", "- other\n"),
        ] {
            assert_eq!(set(&POD.replace(old, new), "data-dir"), None, "{new}");
        }
    }

    #[test]
    fn what_is_not_known_to_be_right_is_refused() {
        let beside = "  - command:\n    - proxy\n    - --port=1\n    name: proxy\n";
        for (what, other) in [
            (
                "one line",
                POD.replace(
                    "\n    - etcd\n    - --data-dir=/var/lib/etcd\n    - --name=cp-1",
                    " [etcd, --name=cp-1]",
                ),
            ),
            ("a shell", POD.replace("- etcd\n", "- sh\n    - -c\n    - exec etcd \"$@\"\n    - sh\n")),
            ("another container's", POD.replace("  containers:\n", &format!("  containers:\n{beside}"))),
            ("it is there", POD.replace("- --name", "- --force-new-cluster=false\n    - --name")),
            (
                "of the environment",
                POD.replace(
                    "    name: etcd\n",
                    "    env:\n    - name: ETCD_FORCE_NEW_CLUSTER\n      value: \"true\"\n    name: etcd\n",
                ),
            ),
            ("in a text", POD.replace("metadata:\n", "metadata:\n  annotations:\n    a: |\n      - --x\n")),
            ("no YAML", "kind: [".to_owned()),
            ("nothing", String::new()),
        ] {
            assert_eq!(spliced(&other), None, "{what}");
        }
    }
}
