//! The words of the output: what operators read uses the words of kubeadm, kubectl and openssl, always the same one.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::{kuberescue, run};

/// What is not written, and what is written instead. A phrase that begins and ends with a letter is matched as whole words.
const BANNED: &[(&str, &str)] = &[
    ("ended", "expired"),
    ("it ends", "expires"),
    ("certificates end", "certificates expire"),
    ("ends next", "expires next"),
    ("ends soon", "expires soon"),
    ("ends in", "expires in"),
    ("ends the rest", "completes the rest"),
    ("leafs", "leaf certificates"),
    ("anew", "again; reissued"),
    ("made again", "reissued"),
    ("of no use", "no longer works"),
    ("a person is needed", "manual action required"),
    ("nobody is there", "no terminal to confirm on; run again with --yes"),
    ("Ask no question", "Skip confirmation"),
    ("Ask about another moment", "Evaluate as of TIME"),
    ("What keeps it from working", "Blocking problems (root cause first)"),
    ("what fails first at the top", "root cause first"),
    ("should be seen to", "Warnings"),
    ("to be seen to", "Warnings"),
    ("worth knowing", "Notes"),
    ("good to know", "Notes"),
    ("the nodes are told", "nodes listed"),
    ("may not be read by this user", "permission denied"),
    ("Look whether", "Verify"),
    ("the clock says", "the system clock (X) is behind the newest timestamp on disk (Y)"),
    ("vouch", "issued by this CA"),
    ("vouches", "issued by this CA"),
    ("vouched", "issued by this CA"),
    ("gets a node", "pods stay Pending"),
    ("namespaces that don't end", "namespaces stuck in Terminating"),
    ("where it is forgotten", "stray copy of a private key"),
    ("lies about", "stray copy"),
    ("lying about", "stray copy"),
    ("time to end", "terminationGracePeriod"),
    ("who is refused stands", "see kubectl logs for the rejected client"),
    ("the answer was no", "aborted; nothing was changed"),
    ("is whole", "is intact"),
    ("whole, but", "intact, but"),
    ("is well", "is healthy"),
    ("the authority", "the CA"),
    ("its authority", "its CA"),
    ("authorities on the node", "CAs on the node"),
    ("Say what", "Explain; Diagnose"),
    ("What is wrong (", "Blocking problems (root cause first)"),
    ("Looked at before", "Preflight checks"),
    ("at last", "finally"),
    ("held against", "compared with"),
];

/// Sentences that may hold a banned phrase: not ours, or another meaning.
const ALLOWED: &[(&str, &str)] =
    &[("certificate has expired or is not yet valid", "Go's words, quoted from logs")];

/// Words that identifiers and comments are not made of, as whole words: `has_expired`, not `has_ended`.
const BANNED_IDENTIFIERS: &[&str] =
    &["anew", "death", "deaths", "ended", "leafs", "surroundings", "vouch", "vouched", "vouches"];

/// The folders whose texts are compared with the list.
const CLEAN: &[&str] = &["src"];

/// The banned phrases in a text, each with what is written instead.
fn banned(text: &str) -> Vec<String> {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (allowed, _) in ALLOWED {
        text = text.replace(allowed, "");
    }
    let lower = text.to_lowercase();
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let mut found = Vec::new();
    for (phrase, instead) in BANNED {
        let phrase = phrase.to_lowercase();
        let mut from = 0;
        while let Some(at) = lower[from..].find(&phrase).map(|at| from + at) {
            let end = at + phrase.len();
            if !is_word(lower[..at].chars().next_back()) && !is_word(lower[end..].chars().next()) {
                let start = lower[..at].char_indices().rev().nth(40).map_or(0, |(index, _)| index);
                let context: String = lower[start..].chars().take(90).collect();
                found.push(format!("\"{phrase}\" (write: {instead}) in: {context}"));
                break;
            }
            from = end;
        }
    }
    found
}

fn output(arguments: &[&str]) -> String {
    let mut command = kuberescue();
    command.args(arguments).env("COLUMNS", "200");
    let run = run(command);
    assert_eq!(run.code, 0, "{arguments:?}\n{run}");
    run.out
}

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    lines
        .filter(|line| !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

/// Every command's help text, with the words that lead to it.
fn help_texts(path: &[String], into: &mut Vec<(String, String)>) {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = output(&arguments);
    for name in subcommands(&help) {
        let mut path = path.to_vec();
        path.push(name);
        help_texts(&path, into);
    }
    into.push((format!("kuberescue {}", arguments.join(" ")), help));
}

fn assert_clean(texts: &[(String, String)]) {
    let mut complaints = Vec::new();
    for (place, text) in texts {
        complaints.extend(banned(text).into_iter().map(|phrase| format!("{place}: {phrase}")));
    }
    assert!(complaints.is_empty(), "{} banned phrases:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn help_texts_use_the_words_of_the_field() {
    let mut texts = Vec::new();
    help_texts(&[], &mut texts);
    assert!(texts.len() > 25, "{} help texts", texts.len());
    assert_clean(&texts);
}

/// A command's one line begins with a verb in the imperative, and says it without a full stop.
#[test]
fn summaries_begin_with_a_verb() {
    let verbs: BTreeSet<_> = [
        "Add", "Apply", "Archive", "Check", "Compare", "Complete", "Create", "Diagnose", "Explain", "Export",
        "Fetch", "Generate", "Import", "Install", "List", "Print", "Push", "Renew", "Repair", "Replace",
        "Restart", "Restore", "Save", "Show", "Sign", "Undo", "Update", "Verify",
    ]
    .into();
    let mut texts = Vec::new();
    help_texts(&[], &mut texts);
    let mut wrong = Vec::new();
    for (place, help) in &texts {
        let first = help.lines().next().unwrap_or_default();
        if !verbs.contains(first.split([' ', ',']).next().unwrap_or_default()) {
            wrong.push(format!("{place}: {first}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn explained_codes_use_the_words_of_the_field() {
    let list = output(&["explain", "--list"]);
    let is_code =
        |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let codes: Vec<_> =
        list.lines().filter_map(|line| line.split_whitespace().next()).filter(is_code).collect();
    assert!(codes.len() > 60, "{list}");
    let pages = codes.iter().map(|code| (format!("explain {code}"), output(&["explain", code])));
    let texts: Vec<_> = pages.chain([("explain --list".to_owned(), list.clone())]).collect();
    assert_clean(&texts);
}

#[test]
fn texts_in_sources_use_the_words_of_the_field() {
    let mut texts = Vec::new();
    for place in CLEAN {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
        for file in sources(&path) {
            let text = std::fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            let without_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (line, literal) in literals(without_tests) {
                texts.push((format!("{name}:{line}"), literal));
            }
        }
    }
    assert_clean(&texts);
}

#[test]
fn documents_use_the_words_of_the_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md"), root.join("SECURITY.md")];
    let docs = std::fs::read_dir(root.join("docs")).unwrap().flatten().map(|entry| entry.path());
    files.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    let text = |file: PathBuf| (file.display().to_string(), std::fs::read_to_string(&file).unwrap());
    let texts: Vec<_> = files.into_iter().map(text).collect();
    assert!(texts.len() > 10, "{} documents", texts.len());
    assert_clean(&texts);
}

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The string literals of a source, each with its line. Comments are left out; clap's help texts are held elsewhere.
fn literals(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let characters: Vec<char> = source.chars().collect();
    let (mut at, mut line) = (0, 1);
    while at < characters.len() {
        match characters[at] {
            '\n' => line += 1,
            '/' if characters.get(at + 1) == Some(&'/') => {
                while characters.get(at + 1).is_some_and(|next| *next != '\n') {
                    at += 1;
                }
            }
            // A character, not the begin of a lifetime.
            '\'' if characters.get(at + 1) == Some(&'\\') => at += 3,
            '\'' if characters.get(at + 2) == Some(&'\'') => at += 2,
            '"' => {
                let hashes = characters[..at].iter().rev().take_while(|c| **c == '#').count();
                let raw = characters[..at - hashes].last() == Some(&'r');
                let (start, mut literal) = (line, String::new());
                at += 1;
                while let Some(&next) = characters.get(at) {
                    let closes =
                        characters[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
                    if next == '"' && (!raw || closes) {
                        break;
                    }
                    if next == '\n' {
                        line += 1;
                    }
                    if next == '\\' && !raw {
                        at += 1;
                        let escaped = characters.get(at).copied().unwrap_or_default();
                        line += usize::from(escaped == '\n');
                        literal.push(if escaped == 'n' || escaped == '\n' { ' ' } else { escaped });
                    } else {
                        literal.push(next);
                    }
                    at += 1;
                }
                found.push((start, literal));
            }
            _ => {}
        }
        at += 1;
    }
    found
}

#[test]
fn identifiers_and_comments_use_the_words_of_the_field() {
    let mut complaints = Vec::new();
    for place in ["src", "tests", "fuzz/fuzz_targets", "scripts/testnode/standins/src"] {
        for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place)) {
            if file.ends_with(file!()) {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                // Literals are checked elsewhere.
                let code =
                    line.split('"').step_by(2).collect::<Vec<_>>().join(" ").replace("DoubleEnded", "");
                let words = words_of(&code);
                let found =
                    BANNED_IDENTIFIERS.iter().filter(|banned| words.iter().any(|word| word == *banned));
                complaints.extend(found.map(|word| format!("{}:{}: {word}", file.display(), number + 1)));
            }
        }
    }
    assert_eq!(complaints, Vec::<String>::new());
}

/// The words of a line, those inside of identifiers too, in lower case.
fn words_of(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in line.chars() {
        if !character.is_alphabetic() || character.is_uppercase() && was_lower {
            words.push(String::new());
        }
        was_lower = character.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| character.is_alphabetic()) {
            word.extend(character.to_lowercase());
        }
    }
    words
}

fn rust_files(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_check_finds_what_is_banned() {
    assert_eq!(
        words_of("fn has_ended(a: HasEnded) -> X"),
        ["fn", "has", "ended", "a", "", "has", "ended", "", "", "", "", "x"]
    );
    assert_eq!(banned("its leaf certificate expired, the pod was suspended").len(), 0);
    assert_eq!(banned("apiserver.crt has\n    ended").len(), 1);
    assert_eq!(banned("The CA vouches for it; of no use").len(), 2);
    let source =
        "fn a() { b('\"', \"one \\\" two\", r#\"three \"quoted\" four\"#); } // \"no\"\nlet c = \"five\";";
    let texts: Vec<_> = literals(source).into_iter().map(|(line, text)| format!("{line} {text}")).collect();
    assert_eq!(texts, ["1 one \" two", "1 three \"quoted\" four", "2 five"]);
}
