//! A service of systemd: its command line and its environment, from a unit, its drop-ins and the files that these name.
//! Rules: systemd.unit(5), systemd.exec(5) "Environment", systemd.service(5) "Command lines".

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Bytes of a command line at which no more of it is read: what Linux takes (execve(2), a quarter of the 8 MiB stack). A
/// variable may be named any number of times.
const LARGEST_COMMAND: usize = 2 << 20;

/// A word of a command line or the value of a variable, and the file that has it.
pub type Sourced = (String, PathBuf);

/// The service of a unit, in so far as it decides which command runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The command of the last `ExecStart=` as written, and its file.
    command: Option<Sourced>,
    environment: BTreeMap<String, Sourced>,
    /// Files with further variables, in order.
    pub environment_files: Vec<PathBuf>,
}

impl Service {
    /// Adds a unit or a drop-in: what comes later wins, and an empty value resets what came before.
    pub fn add(&mut self, source: &Path, text: &str) {
        let mut in_service = false;
        for line in logical_lines(text) {
            let line = line.trim();
            if let Some(section) = line.strip_prefix('[') {
                in_service = section.starts_with("Service]");
            }
            let Some((name, value)) = line.split_once('=').filter(|_| in_service) else { continue };
            let value = value.trim();
            match name.trim_end() {
                "ExecStart" => {
                    self.command = (!value.is_empty()).then(|| (value.to_owned(), source.to_owned()));
                }
                "Environment" if value.is_empty() => self.environment.clear(),
                "Environment" => words(value).iter().for_each(|word| self.set(word, source)),
                "EnvironmentFile" if value.is_empty() => self.environment_files.clear(),
                "EnvironmentFile" => {
                    let path = PathBuf::from(value.trim_start_matches('-').trim_matches('"'));
                    self.environment_files.extend(path.is_absolute().then_some(path));
                }
                _ => {}
            }
        }
    }

    /// Adds the variables of a file that `EnvironmentFile=` names: they win over `Environment=`.
    pub fn add_environment(&mut self, source: &Path, text: &str) {
        for line in quoted_lines(text) {
            // Quotes are around the value or around parts of it, and a value is one word.
            let Some((name, value)) = line.trim().split_once('=') else { continue };
            self.set(&format!("{name}={}", unquoted(value.trim())), source);
        }
    }

    fn set(&mut self, assignment: &str, source: &Path) {
        if let Some((name, value)) = assignment.split_once('=') {
            self.environment.insert(name.trim().to_owned(), (value.to_owned(), source.to_owned()));
        }
    }

    /// The command line with its variables: `$NAME` as a word is split into words, `${NAME}` is not.
    pub fn words(&self) -> Option<Vec<Sourced>> {
        let (command, source) = self.command.as_ref()?;
        let (mut found, mut size) = (Vec::new(), 0_usize);
        for word in words(command) {
            if size > LARGEST_COMMAND {
                break;
            }
            let before = found.len();
            let whole = word.strip_prefix('$').filter(|name| !name.starts_with(['{', '$']));
            match whole.map(|name| self.environment.get(name)) {
                Some(Some((value, from))) => {
                    found.extend(words(value).into_iter().map(|word| (word, from.clone())));
                }
                Some(None) => {}
                None => found.push(self.expanded(&word, source)),
            }
            let added = found.iter().skip(before);
            size += added.map(|(word, from)| word.len() + from.as_os_str().len()).sum::<usize>();
        }
        Some(found)
    }

    /// A word with each `${NAME}` replaced; its source is the last variable's.
    fn expanded(&self, word: &str, source: &Path) -> Sourced {
        let (mut text, mut rest, mut from) = (String::new(), word, source.to_owned());
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}').filter(|_| text.len() < LARGEST_COMMAND) else {
                break;
            };
            text.push_str(before);
            if let Some((value, file)) = self.environment.get(name) {
                text.push_str(value);
                file.clone_into(&mut from);
            }
            rest = behind;
        }
        text.push_str(rest);
        (text, from)
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

/// Lines of which those that end in a backslash go on in the next one; comments between them are skipped.
fn logical_lines(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().filter(|line| !is_comment(line)) {
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match found.last_mut().filter(|_| goes_on) {
            Some(last) => {
                last.push(' ');
                last.push_str(part);
            }
            None => found.push(part.to_owned()),
        }
        goes_on = more;
    }
    found
}

/// As [`logical_lines`], and a quoted value may have several lines.
fn quoted_lines(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = false;
    for line in logical_lines(text) {
        let quotes = line.matches('"').count() - line.matches("\\\"").count();
        match found.last_mut().filter(|_| open) {
            Some(last) => {
                last.push(' ');
                last.push_str(&line);
            }
            None => found.push(line),
        }
        open ^= quotes % 2 == 1;
    }
    found
}

/// Splits at white space outside quotes; quotes are removed.
fn words(text: &str) -> Vec<String> {
    split(text, char::is_whitespace)
}

fn unquoted(text: &str) -> String {
    split(text, |_| false).concat()
}

fn split(text: &str, separates: fn(char) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', quote) if quote != Some('\'') => word.get_or_insert_default().extend(chars.next()),
            (c, None) if separates(c) => found.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word);
    found
}

/// Whether the last part of a path that `EnvironmentFile=` names is a pattern of `glob(7)`: `*` and `?`, no sets.
pub fn is_pattern(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().iter().any(|byte| b"*?".contains(byte)))
}

/// Whether the last part of a path matches that of a pattern; a dot at its beginning only a dot.
pub fn matches(pattern: &Path, path: &Path) -> bool {
    let (Some(pattern), Some(name)) = (pattern.file_name(), path.file_name()) else { return false };
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let is_hidden = |name: &[u8]| name.first() == Some(&b'.');
    is_hidden(pattern) == is_hidden(name) && is_match(pattern, name)
}

fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    // Which beginnings of the name the pattern so far matches: linear in both, whatever the pattern is.
    let mut ends: Vec<bool> = (0..=name.len()).map(|length| length == 0).collect();
    for byte in pattern {
        ends = match byte {
            b'*' => ends
                .iter()
                .scan(false, |any, end| {
                    *any |= end;
                    Some(*any)
                })
                .collect(),
            _ => std::iter::once(false)
                .chain(ends.iter().zip(name).map(|(end, at)| *end && (byte == at || *byte == b'?')))
                .collect(),
        };
    }
    ends.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(units: &[&str], environment: &[&str]) -> Option<String> {
        let mut service = Service::default();
        units.iter().for_each(|text| service.add(Path::new("/unit"), text));
        environment.iter().for_each(|text| service.add_environment(Path::new("/env"), text));
        Some(service.words()?.into_iter().map(|(word, _)| word).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn kubeadms_unit_and_its_drop_in() {
        let unit = "[Unit]\nExecStart=/no\n[Service]\nExecStart=/usr/bin/kubelet\nRestart=always\n";
        let drop_in = "# Note\n[Service]\nEnvironment=\"A=--kubeconfig=/k --b=c\" \"E=\"\nEnvironmentFile=-/env\nExecStart=\nExecStart=/usr/bin/kubelet $A $E $NONE --d=${D} \\\n# between\n  -v 2\n";
        assert_eq!(
            line(&[unit, drop_in], &["# x\nE=\"--config=/1\"\n", "E='--config=/2 --y'\nD=a b\n"]).as_deref(),
            Some("/usr/bin/kubelet|--kubeconfig=/k|--b=c|--config=/2|--y|--d=a b|-v|2")
        );
        assert_eq!(line(&[unit, "[Service]\nExecStart=\n"], &[]), None);
        assert_eq!(line(&["[Service]\nEnvironment=A=b\n"], &[]), None);
        let mut service = Service::default();
        service.add(Path::new("/unit"), drop_in);
        assert_eq!(service.environment_files, [PathBuf::from("/env")]);
        service.add(Path::new("/other"), "[Service]\nEnvironmentFile=\n");
        assert!(service.environment_files.is_empty());
    }

    #[test]
    fn a_value_over_several_lines() {
        let env = "ARGS=\"--a=1 \\\n--b=2 \\\n\"\nMORE=\"--c\n--d\"\n";
        assert_eq!(
            line(&["[Service]\nExecStart=kubelet $ARGS $MORE\n"], &[env]).as_deref(),
            Some("kubelet|--a=1|--b=2|--c|--d")
        );
    }

    #[test]
    fn the_files_of_a_pattern() {
        let names = [".a.env", "a.env", "ab.env", "b.env", "b.env.bak"];
        let of = |pattern: &str| {
            let pattern = Path::new("/etc/kubelet").join(pattern);
            let found = names.iter().filter(|name| matches(&pattern, &Path::new("/etc/kubelet").join(name)));
            found.copied().collect::<Vec<_>>().join(" ")
        };
        let all = ["*", "*.env", "?.env", "a*", ".*", "*b*env", "**?nv", "none*"];
        let table: Vec<_> = all.iter().map(|pattern| format!("{pattern}: {}", of(pattern))).collect();
        insta::assert_snapshot!(table.join("\n"), @"
        *: a.env ab.env b.env b.env.bak
        *.env: a.env ab.env b.env
        ?.env: a.env b.env
        a*: a.env ab.env
        .*: .a.env
        *b*env: ab.env b.env
        **?nv: a.env ab.env b.env
        none*:
        ");
        assert!(is_pattern(Path::new("/etc/*.env")) && !is_pattern(Path::new("/etc/*/a.env")));
    }

    #[test]
    fn a_variable_that_is_named_without_end() {
        let value = "x ".repeat(100_000);
        let size = |word: &str| {
            let unit =
                format!("[Service]\nEnvironment=\"A={value}\"\nExecStart=kubelet {}\n", word.repeat(1000));
            line(&[&unit], &[]).unwrap().len()
        };
        assert!([size("$A "), size("${A}")].iter().all(|size| *size < 2 * LARGEST_COMMAND));
    }
}
