//! The documents are true: each console block of README.md and docs/ is run, and shows what it shows.
//!
//! A block is fenced as `console`; a line that begins with `$ ` or `# ` is a command, what follows is its output, and a
//! line `…` stands for any number of lines. It runs in a directory that has each tree of testdata/nodes below its name.
//! A block that can't run here has `<!-- not run: REASON -->` on the line before its fence. In an `sh` block every
//! `kuberescue` command must be one that the program's parser takes.
//!
//! A document in Japanese has the commands of the English one: the same blocks, but for comments in `sh` blocks.
//!
//! `KUBERESCUE_DOCUMENTS=update cargo test --test documents` writes what the program says into blocks without `…`.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::{NOW, Node, fixture, kuberescue, run, unpack};

/// Console blocks that are not run, in all documents: a new one needs a reason and a new number here.
const NOT_RUN: usize = 2;

/// README.md is for whoever needs it now; what is longer goes to docs/.
const README_LINES: usize = 200;

/// Each document that is there in two languages.
const TRANSLATED: [(&str, &str); 2] =
    [("README.md", "README.ja.md"), ("docs/emergency.md", "docs/emergency.ja.md")];

const TREES: [&str; 7] =
    ["ecdsa-p256", "expired-all", "expired-ca", "external-ca", "mixed", "rsa2048", "v120-expired"];

struct Block {
    /// From 1, of the fence.
    line: usize,
    language: String,
    not_run: Option<String>,
    text: Vec<String>,
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<_> =
        ["README.md", "README.ja.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root.join(name)).into();
    let docs = std::fs::read_dir(root.join("docs")).unwrap().flatten().map(|entry| entry.path());
    found.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    found.sort();
    found
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let (mut inside, mut before) = (false, "");
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                let reason = before.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
                found.push(Block {
                    line: index + 1,
                    language: language.to_owned(),
                    not_run: reason.map(str::to_owned),
                    text: Vec::new(),
                });
            }
        } else if inside {
            found.last_mut().unwrap().text.push(line.to_owned());
        }
        before = line;
    }
    found
}

/// The line of a shell without its comment.
fn without_comment(line: &str) -> &str {
    line.split("  #").next().unwrap_or(line).trim_end()
}

/// The command of a line, without its comment and without where its result goes.
fn command_of(line: &str) -> Option<&str> {
    let command = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")).unwrap_or(line);
    let command = command.strip_prefix("sudo ").unwrap_or(command);
    let command = without_comment(command).split(" > ").next()?.trim_end();
    (command.split(' ').next() == Some("kuberescue")).then_some(command)
}

/// Whether `shown` is what was printed: `…` stands for any lines.
fn matches(shown: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return printed.is_empty() };
    if first.trim() == "…" {
        return (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]));
    }
    printed.first().is_some_and(|line| line.trim_end() == first.trim_end()) && matches(rest, &printed[1..])
}

/// Runs the commands of a block one after the other; gives the block as it should be where it isn't.
fn wrong(block: &Block, directory: &Path) -> Option<Vec<String>> {
    let is_command =
        |line: &String| command_of(line).is_some() && (line.starts_with("$ ") || line.starts_with("# "));
    let (mut right, mut is_right) = (Vec::new(), true);
    let mut rest = block.text.as_slice();
    while let Some((line, below)) = rest.split_first() {
        let length = below.iter().position(is_command).unwrap_or(below.len());
        let (shown, after) = below.split_at(length);
        rest = after;
        let words: Vec<_> =
            command_of(line).unwrap_or_else(|| panic!("no command: {line}")).split_whitespace().collect();
        let mut command = kuberescue();
        command.args(&words[1..]).current_dir(directory).env("COLUMNS", "150");
        let run = run(command);
        let printed = run.out.clone() + &run.err;
        let printed: Vec<_> = printed.lines().collect();
        is_right &= matches(shown, &printed);
        right.push(line.clone());
        right.extend(printed.iter().map(|line| line.trim_end().to_owned()));
    }
    (!is_right).then_some(right)
}

/// A directory with all trees.
fn trees() -> Node {
    let node = Node::empty();
    for tree in TREES {
        unpack(&fixture(tree), &node.root().join(tree), false);
    }
    node.settle();
    node
}

#[test]
fn console_blocks_show_what_the_program_says() {
    let update = std::env::var_os("KUBERESCUE_DOCUMENTS").is_some_and(|value| value == "update");
    let (mut complaints, mut not_run, mut done) = (Vec::new(), Vec::new(), 0);
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // From the end: what is put in doesn't move what comes before.
        for block in blocks(&text).iter().rev().filter(|block| block.language == "console") {
            let place = format!("{}:{}", document.display(), block.line);
            if let Some(reason) = &block.not_run {
                assert!(reason.len() > 10, "{place}: a reason: {reason}");
                not_run.push(place);
                continue;
            }
            done += 1;
            let trees = trees();
            let Some(right) = wrong(block, trees.root()) else { continue };
            let open = block.text.iter().any(|line| line.trim() == "…");
            if update && !open {
                lines.splice(block.line..block.line + block.text.len(), right);
            } else {
                complaints.push(format!("{place}: the program says\n{}\n", right.join("\n")));
            }
        }
        if update {
            std::fs::write(&document, lines.join("\n") + "\n").unwrap();
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(not_run.len(), NOT_RUN, "not run: {not_run:?}");
    assert!(done > 0, "no block was run; --at {NOW} is the time of the trees");
}

/// The commands in shell blocks exist, and have these flags.
#[test]
fn shell_blocks_hold_commands_that_exist() {
    let mut checked = 0;
    for document in documents() {
        for block in blocks(&std::fs::read_to_string(&document).unwrap()) {
            for line in block.text.iter().filter(|_| block.language == "sh") {
                let parts = without_comment(line).split("&&").flat_map(|part| part.split(" | "));
                for command in parts.filter_map(|part| command_of(part.trim())) {
                    let mut program = kuberescue();
                    program.args(command.split_whitespace().skip(1)).arg("--help");
                    let run = run(program);
                    assert_eq!(run.code, 0, "{}:{}: {command}\n{run}", document.display(), block.line);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 5, "{checked} commands");
}

/// Links from one document to another file lead somewhere.
#[test]
fn files_that_documents_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for name in text.split('`').skip(1).step_by(2) {
            let path = name.trim_end_matches('/');
            let ours = ["docs/", "scripts/", "tests/", "src/", "testdata/", "fuzz/"];
            let plain = !path.contains([' ', '{', '*', '…'])
                && path.chars().all(|c| !c.is_ascii_uppercase() || path.ends_with(".md"));
            if plain && ours.iter().any(|start| path.starts_with(start)) && !root.join(path).exists() {
                missing.push(format!("{}: {name}", document.display()));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The same of links, from the document that has them.
#[test]
fn links_lead_to_files() {
    let (mut missing, mut checked) = (Vec::new(), 0);
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.contains("://") {
                checked += 1;
                let path = document.parent().unwrap().join(target);
                missing.extend((!path.exists()).then(|| format!("{}: {target}", document.display())));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(checked > 10, "{checked} links");
}

#[test]
fn the_readme_is_short() {
    for name in ["README.md", "README.ja.md"] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let lines = text.lines().count();
        assert!(lines <= README_LINES, "{name} has {lines} lines, at most {README_LINES} are allowed");
    }
}

/// What both languages of a document must have alike: the blocks, without the comments in those of a shell, and the rows
/// of tables that begin with a number or a command, each with the commands in it.
fn alike(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in blocks(text) {
        let line = |line: &String| match block.language.as_str() {
            "sh" => without_comment(line).to_owned(),
            _ => line.trim_end().to_owned(),
        };
        found.push(format!("```{}", block.language));
        found.extend(block.text.iter().map(line));
    }
    for row in text.lines().filter_map(|line| line.strip_prefix("| ")) {
        let first = row.split(" | ").next().unwrap_or_default();
        if first.starts_with('`') || first.parse::<u32>().is_ok() {
            let commands: BTreeSet<_> = row.split('`').skip(1).step_by(2).collect();
            found.push(format!("{first}: {commands:?}"));
        }
    }
    found
}

#[test]
fn translations_have_the_same_commands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (english, other) in TRANSLATED {
        let read = |name: &str| alike(&std::fs::read_to_string(root.join(name)).unwrap());
        let (ours, theirs) = (read(english), read(other));
        assert!(ours.len() > 20, "{english}: {ours:?}");
        for (index, line) in ours.iter().enumerate() {
            assert_eq!(theirs.get(index), Some(line), "{other} differs from {english}");
        }
        assert_eq!(ours.len(), theirs.len(), "{other} has more than {english}: {:?}", theirs.last());
    }
}

/// CI goes through them one by one, so that each has its time.
#[test]
fn ci_runs_each_part_of_make_test() {
    let read =
        |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let (makefile, ci) = (read("Makefile"), read(".ci/run"));
    let rule = makefile.lines().skip_while(|line| !line.starts_with("test: "));
    let rule: Vec<_> = rule.take_while(|line| !line.is_empty()).collect();
    let (needed, steps) = rule.split_first().unwrap();
    let needed = needed.split("##").next().unwrap().trim_start_matches("test: ").split_whitespace();
    let steps = steps.iter().map(|step| step.trim().strip_prefix("$(MAKE) ").unwrap());
    let parts: Vec<_> = needed.chain(steps).collect();
    assert_eq!(parts, ["deps", "check", "static", "test-program", "fuzz SECONDS=2", "test-node"]);
    for part in parts {
        assert!(ci.lines().any(|line| line.contains(&format!("make {part}"))), "{part}");
    }
}
