//! The layers, read off the sources of src/: who imports whom, who prints, how long a file is.
//!
//! Code under `#[cfg(test)]` is exempt. Paths are read from tokens, not by the compiler: a path through a renamed
//! import is not seen here (clippy's `disallowed_methods` sees the calls that matter).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// From the top down. A layer imports only from layers further down, and those of one line don't know each other.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["commands"],
    &["session"],
    &["report"],
    &["error"],
    &["issue", "disk", "live"],
    &["analysis"],
    &["formats"],
    &["state"],
];

/// The same inside a module: its children from the top down. Children of one line may know each other where they are
/// the same child only; `mod.rs` itself is above all of them.
const INSIDE: &[(&str, &[&[&str]])] = &[
    ("analysis", &[&["forensics", "workstation", "cluster"], &["node"]]),
    ("session", &[&["recovery"], &["workstation"], &["forensics", "cluster"], &["change"], &["input"]]),
];

/// Circles among the children of one folder, each with its reason; there are no others.
const CIRCLES: &[&str] = &[
    // A change set is what leads from one snapshot to another, and so made from two of them and put onto one.
    "state: changes, snapshot",
];

/// The only layer that prints.
const PRINTING_LAYER: &str = "report";
const PRINT_MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg"];

/// The only file that starts another program: systemd is told to restart the kubelet, where it runs.
const SPAWNING_FILE: &str = "live/kubelet/systemctl.rs";

/// Lines of a file, its tests not counted.
const LONGEST_FILE: usize = 400;

#[test]
fn sources_keep_the_layers() {
    let sources = read_sources(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(sources.len() > 2, "found no sources in src/");
    let found = violations(&sources);
    assert!(found.is_empty(), "{} against the layers of src/:\n{}", found.len(), found.join("\n"));
}

#[test]
fn children_of_a_folder_do_not_import_each_other_in_a_circle() {
    let sources = read_sources(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(circles(&sources), CIRCLES, "left: what is found; right: what the table allows");
}

// ---------------------------------------------------------------------------------------------------------------
// The rules

/// A source file: its path below src/, and its text.
struct Source {
    path: String,
    text: String,
}

fn violations(sources: &[Source]) -> Vec<String> {
    let files: Vec<File> = sources.iter().map(File::parse).collect();
    let only_for_tests: BTreeSet<&Vec<String>> = files.iter().flat_map(|file| &file.test_modules).collect();
    let modules: BTreeSet<&Vec<String>> = files.iter().map(|file| &file.module).collect();

    let mut found = Vec::new();
    for file in files.iter().filter(|file| !only_for_tests.contains(&file.module)) {
        let mut report =
            |line: usize, what: String| found.push(format!("  src/{}:{line}: {what}", file.path));
        if file.lines > LONGEST_FILE {
            report(1, format!("{} lines without its tests; the limit is {LONGEST_FILE}", file.lines));
        }
        if file.layer() != "lib" && rank(file.layer()).is_none() {
            report(1, format!("the layer `{}` is not in the table of layers", file.layer()));
            continue;
        }
        for used in &file.paths {
            if let Some(wrong) = file.wrong_import(used, &modules) {
                report(used.line, wrong);
            }
            if file.path != SPAWNING_FILE && spawns_a_process(&used.segments) {
                report(
                    used.line,
                    "std::process::Command: no process is spawned, the node may have none".into(),
                );
            }
        }
        for (line, name) in &file.macros {
            if PRINT_MACROS.contains(&name.as_str()) && file.layer() != PRINTING_LAYER {
                report(*line, format!("{name}! outside of {PRINTING_LAYER}, the only layer that prints"));
            }
        }
    }
    found
}

/// For each folder of src/ whose children import each other in a circle, their names. A name that a `mod.rs` re-exports
/// is followed to where it is defined.
fn circles(sources: &[Source]) -> Vec<String> {
    let files: Vec<File> = sources.iter().map(File::parse).collect();
    let only_for_tests: BTreeSet<&Vec<String>> = files.iter().flat_map(|file| &file.test_modules).collect();
    let modules: BTreeSet<&Vec<String>> = files.iter().map(|file| &file.module).collect();
    let exported: BTreeMap<Vec<String>, Vec<String>> =
        files.iter().flat_map(|file| file.exports(&modules)).collect();

    let mut folders: BTreeMap<Vec<String>, BTreeSet<(String, String)>> = BTreeMap::new();
    for file in files.iter().filter(|file| !only_for_tests.contains(&file.module)) {
        for used in &file.paths {
            let Some(target) = file.resolve(used) else { continue };
            let target = defined(target, &modules, &exported);
            let shared = file.module.iter().zip(&target).take_while(|(own, other)| own == other).count();
            if let (Some(own), Some(other)) = (file.module.get(shared), target.get(shared))
                && modules.contains(&target[..=shared].to_vec())
            {
                let folder = folders.entry(target[..shared].to_vec()).or_default();
                folder.insert((own.clone(), other.clone()));
            }
        }
    }
    folders.into_iter().filter_map(|(folder, edges)| circle(&folder, edges)).collect()
}

/// What is left of the imports after all that lead to a child without imports, or start at one that nobody imports,
/// have been taken away, again and again.
fn circle(folder: &[String], mut edges: BTreeSet<(String, String)>) -> Option<String> {
    loop {
        let starts: BTreeSet<String> = edges.iter().map(|(from, _)| from.clone()).collect();
        let ends: BTreeSet<String> = edges.iter().map(|(_, to)| to.clone()).collect();
        let before = edges.len();
        edges.retain(|(from, to)| ends.contains(from) && starts.contains(to));
        if edges.len() == before {
            let left: Vec<String> = starts.into_iter().collect();
            return (!left.is_empty()).then(|| format!("{}: {}", folder.join("/"), left.join(", ")));
        }
    }
}

/// Where a path leads once the re-exports on it are followed.
fn defined(
    mut path: Vec<String>,
    modules: &BTreeSet<&Vec<String>>,
    exported: &BTreeMap<Vec<String>, Vec<String>>,
) -> Vec<String> {
    let mut followed = 0;
    while followed < 8
        && let Some((length, target)) = (1..=path.len())
            .filter(|length| !modules.contains(&path[..*length].to_vec()))
            .find_map(|length| Some((length, exported.get(&path[..length])?)))
    {
        path = [target, &path[length..]].concat();
        followed += 1;
    }
    path
}

fn rank(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}

fn spawns_a_process(path: &[String]) -> bool {
    path.windows(2).any(|pair| pair[0] == "process" && (pair[1] == "Command" || pair[1] == "*"))
}

impl File {
    /// `main`, `lib`, `cli` or the folder below src/.
    fn layer(&self) -> &str {
        &self.module[0]
    }

    fn wrong_import(&self, used: &Used, modules: &BTreeSet<&Vec<String>>) -> Option<String> {
        let target = self.resolve(used)?;
        let (from, to) = (self.layer(), target.first()?.as_str());
        let shown = target.join("::");
        if from == "lib" {
            return None;
        }
        let Some(below) = rank(to) else {
            return Some(format!("crate::{shown} is in no layer of the table of layers"));
        };
        if from == to {
            return self.another_command(&target, modules).or_else(|| self.wrong_inside(&target));
        }
        let own = rank(from)?;
        if below == own {
            return Some(format!("{from} imports crate::{shown}, but {from} and {to} don't know each other"));
        }
        (below < own).then(|| format!("{from} imports crate::{shown}, but {to} is above {from}"))
    }

    /// The order of a module's children. What a child takes from the parent's `mod.rs` itself is not looked at.
    fn wrong_inside(&self, target: &[String]) -> Option<String> {
        let (_, order) = INSIDE.iter().find(|(module, _)| *module == self.layer())?;
        let place = |name: &String| order.iter().position(|line| line.contains(&name.as_str()));
        let (from, to) = (self.module.get(1)?, target.get(1)?);
        let (own, below) = (place(from), place(to)?);
        let shown = target.join("::");
        let Some(own) = own else {
            return Some(format!("`{from}` is not in the table of the modules inside {}", self.layer()));
        };
        if from == to || below > own {
            return None;
        }
        let why = if below == own { "they don't know each other" } else { "that is above it" };
        Some(format!("{from} imports crate::{shown}, but {why}"))
    }

    /// A command may use what stands in its own file, in files below it and in the mod.rs of the folders around it.
    fn another_command(&self, target: &[String], modules: &BTreeSet<&Vec<String>>) -> Option<String> {
        if self.layer() != "commands" {
            return None;
        }
        let mut module = target.to_vec();
        while !modules.contains(&module) && module.len() > 1 {
            module.pop();
        }
        let related = self.module.starts_with(&module) || module.starts_with(&self.module);
        (!related).then(|| format!("commands import each other: crate::{}", target.join("::")))
    }

    /// The names that come into this file's module from others, and where from: `pub use` and `use` alike.
    fn exports(&self, modules: &BTreeSet<&Vec<String>>) -> Vec<(Vec<String>, Vec<String>)> {
        let from = |used: &Used| {
            let child = [self.module.as_slice(), &used.segments[..1]].concat();
            let target = match self.resolve(used) {
                Some(target) => target,
                None if modules.contains(&child) => [child.as_slice(), &used.segments[1..]].concat(),
                None => return None,
            };
            let name = [self.module.as_slice(), target.last().map(std::slice::from_ref)?].concat();
            (used.inside.is_empty() && name != target).then_some((name, target))
        };
        self.paths.iter().filter_map(from).collect()
    }

    /// The path from the crate's root, if it is one into this crate.
    fn resolve(&self, used: &Used) -> Option<Vec<String>> {
        let mut base = match used.segments.first()?.as_str() {
            "crate" | "kuberescue" => Vec::new(),
            "self" | "super" => [self.module.as_slice(), &used.inside].concat(),
            _ => return None,
        };
        let mut rest = used.segments.as_slice();
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "super" => drop(base.pop()),
                "self" | "crate" | "kuberescue" => {}
                _ => break,
            }
            rest = others;
        }
        base.extend_from_slice(rest);
        (!rest.is_empty()).then_some(base)
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Reading a source

/// What the rules ask of a file; nothing of it comes from comments, strings or tests.
struct File {
    path: String,
    /// `commands/certs/mod.rs` is `[commands, certs]`.
    module: Vec<String>,
    /// Without those of its tests.
    lines: usize,
    paths: Vec<Used>,
    macros: Vec<(usize, String)>,
    /// Modules in files of their own that are declared under `#[cfg(test)]`.
    test_modules: Vec<Vec<String>>,
}

/// A path of at least two segments, and where it stands. A `use` of a group gives one for each name.
struct Used {
    line: usize,
    /// The `mod name { … }` around it in the same file.
    inside: Vec<String>,
    segments: Vec<String>,
}

struct Token {
    line: usize,
    text: String,
}

impl File {
    fn parse(source: &Source) -> Self {
        let mut module: Vec<String> =
            source.path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.len() > 1 && module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        let (tokens, test_modules, test_lines) = without_tests(tokens(&source.text));
        let macros = tokens
            .windows(2)
            .filter(|pair| pair[1].text == "!")
            .map(|pair| (pair[0].line, pair[0].text.clone()))
            .collect();
        Self {
            path: source.path.clone(),
            lines: source.text.lines().count() - test_lines,
            paths: paths(&tokens),
            macros,
            test_modules: test_modules
                .into_iter()
                .map(|name| module.iter().cloned().chain([name]).collect())
                .collect(),
            module,
        }
    }
}

/// Identifiers, `::` and single other characters; comments, strings and character literals are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut tokens, mut i, mut line) = (Vec::new(), 0, 1);
    while i < chars.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 1;
                i += 2;
                while i < chars.len() && depth > 0 {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                }
            }
            '"' => i = end_of_string(&chars, i),
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            '\'' => i += 1, // a lifetime: its name follows as a word
            ':' if at(i + 1) == ':' => {
                i += 2;
                tokens.push(Token { line, text: "::".into() });
            }
            c if word(c) => {
                while word(at(i)) {
                    i += 1;
                }
                let name: String = chars[start..i].iter().collect();
                let raw = (0..).take_while(|n| at(i + n) == '#').count();
                if ["r", "br", "cr"].contains(&name.as_str()) && at(i + raw) == '"' {
                    i = end_of_raw_string(&chars, i + raw + 1, raw);
                } else if !(["b", "c"].contains(&name.as_str()) && ['"', '\''].contains(&at(i))) {
                    tokens.push(Token { line, text: name });
                }
            }
            c => {
                i += 1;
                if !c.is_whitespace() {
                    tokens.push(Token { line, text: c.into() });
                }
            }
        }
        i = i.min(chars.len());
        line += chars[start..i].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn end_of_string(chars: &[char], quote: usize) -> usize {
    let mut i = quote + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw_string(chars: &[char], from: usize, hashes: usize) -> usize {
    let closes = |i: usize| {
        chars[i] == '"' && chars.len() > i + hashes && chars[i + 1..=i + hashes].iter().all(|c| *c == '#')
    };
    (from..chars.len()).find(|i| closes(*i)).map_or(chars.len(), |i| i + 1 + hashes)
}

/// Takes every item under `#[cfg(test)]` out; also gives the names of modules in files of their own among them, and how
/// many lines went.
fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, Vec<String>, usize) {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut modules, mut lines) = (Vec::new(), Vec::new(), 0);
    let mut rest = tokens.as_slice();
    while let Some(first) = rest.first() {
        let is_test = rest.len() > attribute.len() && rest.iter().zip(attribute).all(|(t, a)| t.text == a);
        if !is_test {
            kept.push(Token { line: first.line, text: first.text.clone() });
            rest = &rest[1..];
            continue;
        }
        // The item ends with the first `;` or the brace that closes its first one.
        let (mut depth, mut end) = (0_usize, attribute.len());
        while let Some(token) = rest.get(end) {
            end += 1;
            match token.text.as_str() {
                "{" | "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                "}" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
                ";" if depth == 0 => break,
                _ => {}
            }
        }
        let item = &rest[..end];
        lines += item[end - 1].line - first.line + 1;
        if let Some(declared) = item.windows(3).find(|w| w[0].text == "mod" && w[2].text == ";") {
            modules.push(declared[1].text.clone());
        }
        rest = &rest[end..];
    }
    (kept, modules, lines)
}

/// Every path of two or more segments.
fn paths(tokens: &[Token]) -> Vec<Used> {
    let text = |i: usize| tokens.get(i).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    // For each brace that is open, the inline module that it opened.
    let mut braces: Vec<Option<String>> = Vec::new();
    for i in 0..tokens.len() {
        match text(i) {
            "{" if i > 1 && text(i - 2) == "mod" => braces.push(Some(text(i - 1).to_owned())),
            "{" => braces.push(None),
            "}" => drop(braces.pop()),
            _ => {}
        }
        if is_name(text(i)) && text(i + 1) == "::" && (i == 0 || text(i - 1) != "::") {
            let inside = braces.iter().flatten().cloned().collect();
            follow(tokens, i, Used { line: tokens[i].line, inside, segments: Vec::new() }, &mut found);
        }
    }
    found
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Follows one path or group from `i` on and returns where it ends.
fn follow(tokens: &[Token], mut i: usize, mut used: Used, found: &mut Vec<Used>) -> usize {
    let text = |i: usize| tokens.get(i).map_or("", |token| token.text.as_str());
    loop {
        match text(i) {
            "{" => {
                i += 1;
                while !matches!(text(i), "}" | "") {
                    let line = tokens[i].line;
                    let one = Used { line, inside: used.inside.clone(), segments: used.segments.clone() };
                    i = follow(tokens, i, one, found);
                    while !matches!(text(i), "," | "}" | "") {
                        i += 1; // `as name`
                    }
                    if text(i) == "," {
                        i += 1;
                    }
                }
                return i + 1;
            }
            "*" => {
                used.segments.push("*".into());
                i += 1;
                break;
            }
            name if is_name(name) => {
                used.segments.push(name.to_owned());
                i += 1;
                if text(i) != "::" {
                    break;
                }
                i += 1;
            }
            _ => break, // `Vec::<u8>`
        }
    }
    found.push(used);
    i
}

fn read_sources(root: &Path) -> Vec<Source> {
    let src = root.join("src");
    let mut folders: Vec<PathBuf> = vec![src.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("src/ is readable") {
            let path = entry.expect("src/ is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source is text");
                let path = path.strip_prefix(&src).expect("below src/").to_string_lossy().into_owned();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

// ---------------------------------------------------------------------------------------------------------------
// The checker, checked: what it must find and what it must leave alone

/// What is found in one file, in a crate that has a few others.
fn found_in(path: &str, text: &str) -> String {
    let others = ["state/mod.rs", "commands/mod.rs", "commands/recover.rs", "commands/certs/renew.rs"];
    let sources: Vec<Source> = others
        .iter()
        .filter(|other| **other != path)
        .map(|other| Source { path: (*other).into(), text: String::new() })
        .chain([Source { path: path.into(), text: text.into() }])
        .collect();
    violations(&sources).join("\n")
}

#[test]
fn finds_what_is_against_the_layers() {
    let bad = [
        ("state/changes.rs", "use crate::formats::pem;", "formats is above state"),
        ("formats/pem.rs", "fn f(x: crate::analysis::Plan) {}", "formats imports crate::analysis::Plan"),
        ("disk/node.rs", "use crate::live::cri;", "disk and live don't know each other"),
        (
            "issue/mod.rs",
            "use crate::{state::Snapshot, disk::{Node, archive}};",
            "issue imports crate::disk::Node",
        ),
        ("analysis/plan.rs", "use super::super::report::human;", "report is above analysis"),
        ("report/human.rs", "use crate::commands::recover;", "commands is above report"),
        ("commands/archive.rs", "use super::recover::Args;", "commands import each other"),
        ("commands/archive.rs", "use crate::commands::certs::renew::*;", "commands import each other"),
        ("state/mod.rs", "use crate::Thing;", "crate::Thing is in no layer"),
        ("analysis/node/facts.rs", "use crate::analysis::forensics::compare;", "that is above it"),
        ("analysis/forensics/a.rs", "use crate::analysis::cluster::pods;", "they don't know each other"),
        ("session/input/a.rs", "use super::super::change::Lock;", "that is above it"),
        ("session/other.rs", "use crate::session::change::Lock;", "not in the table"),
        ("utils.rs", "", "the layer `utils` is not in the table"),
        ("disk/lock.rs", "fn f() { println!(\"x\") }", "println! outside of report"),
        ("main.rs", "fn main() { eprintln!() }", "eprintln! outside of report"),
        ("live/kubelet.rs", "use std::process::{Command, Stdio};", "no process is spawned"),
        ("live/kubelet.rs", "fn f() { std::process::Command::new(\"sh\"); }", "no process is spawned"),
        ("live/kubelet/restart.rs", "use std::process::Command;", "no process is spawned"),
        ("disk/systemctl.rs", "use std::process::Command;", "no process is spawned"),
        ("live/kubelet.rs", "\n\nuse crate::disk::Node;", "src/live/kubelet.rs:3: "),
        ("disk/a.rs", "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::live::X;", "src/disk/a.rs:3: "),
    ];
    let mut missed = String::new();
    for (path, text, expected) in bad {
        let found = found_in(path, text);
        if !found.contains(expected) {
            let _ = writeln!(missed, "{path}: {text:?}: expected {expected:?}, found {found:?}");
        }
    }
    assert!(missed.is_empty(), "{missed}");
}

#[test]
fn finds_circles() {
    let sources = |files: &[(&str, &str)]| -> Vec<Source> {
        files.iter().map(|(path, text)| Source { path: (*path).into(), text: (*text).into() }).collect()
    };
    let through_an_export = sources(&[
        ("disk/mod.rs", "mod a; mod b; mod c; pub use a::{Root, Other as Another};"),
        ("disk/a.rs", "use super::b::walk;"),
        ("disk/b.rs", "use super::c; use crate::disk::Root;"),
        ("disk/c.rs", "pub struct C;"),
        ("session/mod.rs", "use crate::disk::Root;"),
    ]);
    assert_eq!(circles(&through_an_export), ["disk: a, b"]);

    let none = sources(&[
        ("disk/mod.rs", "mod a; mod b; mod deep; pub use a::Root; pub use b::walk;"),
        ("disk/a.rs", "pub struct Root; #[cfg(test)] mod tests { use super::super::walk; }"),
        ("disk/b.rs", "use super::Root;"),
        ("disk/deep/mod.rs", "mod one; use self::one::One; use super::walk;"),
        ("disk/deep/one.rs", "use super::super::Root; use crate::disk::b;"),
    ]);
    assert_eq!(circles(&none), Vec::<String>::new());
}

#[test]
fn finds_files_that_are_too_long() {
    let long = "fn f() {}\n".repeat(LONGEST_FILE + 1);
    assert!(found_in("state/long.rs", &long).contains("401 lines without its tests"));

    let mostly_tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(found_in("state/long.rs", &mostly_tests), "");
}

#[test]
fn leaves_the_rest_alone() {
    let good = [
        ("state/changes.rs", "use super::snapshot::Snapshot;"),
        ("analysis/plan.rs", "use crate::formats::pem; use crate::state::{self, Snapshot};"),
        ("commands/recover.rs", "use crate::{analysis, disk, issue, report}; use super::Context;"),
        ("commands/mod.rs", "pub mod recover; use self::recover::Args;"),
        ("commands/certs/mod.rs", "use crate::commands::certs::renew;"),
        ("report/human.rs", "fn f() { println!(\"x\") }"),
        ("main.rs", "use kuberescue::{cli, commands}; use std::process::ExitCode;"),
        ("lib.rs", "pub use crate::state::Snapshot;"),
        ("state/a.rs", "// crate::live\n/* println!() /* nested */ crate::disk::X */"),
        (
            "state/a.rs",
            r##"const A: &str = "crate::live::x"; const B: &str = r#"println!("crate::disk::x")"#;"##,
        ),
        (
            "state/a.rs",
            "fn f<'a>(x: &'a str) -> char { let _ = ('\\'', '\"', b'\"'); '\"' } // \" crate::live::x",
        ),
        ("state/a.rs", "#[cfg(test)]\nmod tests { use crate::disk::Node; fn f() { println!(\"}\") } }"),
        ("state/mod.rs", "struct A; mod oid { use super::A; mod b { use super::super::A; } } use self::A;"),
        ("state/a.rs", "#[cfg(test)]\n#[allow(dead_code)]\nuse crate::disk::Node;"),
        ("live/kubelet/systemctl.rs", "use std::process::{Command, Stdio};"),
        ("analysis/forensics/a.rs", "use crate::analysis::node::facts; use super::compare;"),
        ("session/recovery/a.rs", "use crate::session::{Context, change::Lock};"),
        ("cli.rs", "use clap::Command; use crate::commands::recover;"),
    ];
    for (path, text) in good {
        assert_eq!(found_in(path, text), "", "{path}: {text:?}");
    }
}

#[test]
fn files_of_test_modules_are_exempt() {
    let sources = [
        Source { path: "disk/mod.rs".into(), text: "#[cfg(test)]\nmod tests;".into() },
        Source { path: "disk/tests.rs".into(), text: "use crate::live::X; fn f() { println!() }".into() },
    ];
    assert_eq!(violations(&sources), Vec::<String>::new());
}
