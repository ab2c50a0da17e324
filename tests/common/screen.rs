//! What a command shows, as one text without what differs from run to run.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::{Node, Run};

/// What differs, and what stands for it: the clock's own times, digests, serial numbers, sizes.
static VARYING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"/(?:tmp|var/tmp)/\.tmp\w+", "DIR"),
        (r"-\d{8}T\d{6}Z(-\d+)?\.(tar\.gz|etcd\.db)", "-TIME$1.$2"),
        (r"\bsince \d{4}-\d\d-\d\d \d\d:\d\d UTC", "since TIME"),
        (r"\bof \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "of TIME"),
        (r"(?m)^  \d{4}-\d\d-\d\d \d\d:\d\d UTC  uid \d+", "  TIME  uid UID"),
        (r"\(host [^)]+\)", "(host HOST)"),
        (r"\bcreated \d{4}-\d\d-\d\d \d\d:\d\d UTC", "created TIME"),
        (r"entries, \d+ (KiB|bytes);", "entries, SIZE;"),
        // A serial number or a signature is a byte longer now and then.
        (r"content \([\d →]+ bytes\)", "content (SIZE)"),
        (r"\b[0-9a-f]{64}\b", "SHA256"),
        (r"rollback of [0-9a-f]{12}", "rollback of DIGEST"),
        (r"serial [0-9a-f]{6,}", "serial SERIAL"),
        (r"→ [0-9a-f]{6,}", "→ SERIAL"),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
    .into()
});

/// Exit code, result and talk of a run on this root.
pub fn screen(root: &Path, run: &Run) -> String {
    steady(&format!("exit {}\n{}{}", run.code, run.out, run.err).replace(root.to_str().unwrap(), "ROOT"))
}

pub fn steady(text: &str) -> String {
    VARYING
        .iter()
        .fold(text.to_owned(), |text, (pattern, name)| pattern.replace_all(&text, *name).into_owned())
}

/// The screens of several runs, each below what it is of.
#[derive(Default)]
pub struct Screens(pub String);

impl Screens {
    pub fn add(&mut self, name: &str, screen: &str) {
        self.0.push_str(&format!("## {name}\n{screen}\n"));
    }
}

impl Run {
    /// The error and its hints.
    pub fn error(&self) -> String {
        let start = self.err.find("error [").unwrap_or_else(|| panic!("no error\n{self}"));
        steady(&self.err[start..])
    }

    /// The lines of the result that have this word.
    pub fn lines_with(&self, word: &str) -> String {
        let lines = self.out.lines().filter(|line| line.contains(word));
        steady(&lines.map(|line| format!("{}\n", line.trim())).collect::<String>())
    }
}

impl Node {
    /// What a command shows on this node.
    pub fn screen(&self, arguments: &str) -> String {
        self.shown(&self.run(arguments))
    }

    /// What a run on this node has shown.
    pub fn shown(&self, run: &Run) -> String {
        screen(self.root(), run)
    }

    /// What a run on this node has said beside its result.
    pub fn talk(&self, run: &Run) -> String {
        steady(&run.err.replace(self.root().to_str().unwrap(), "ROOT"))
    }
}
