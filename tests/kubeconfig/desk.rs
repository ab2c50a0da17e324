//! A workstation's directory with kubeconfigs in it, and the program run there.

use std::cell::RefCell;
use std::io::Write as _;
use std::ops::Deref;
use std::process::Stdio;

use regex::Regex;
use serde_json::Value;

use crate::common::{NOW, Run, desk, run};
pub use crate::server::{cluster, kubeconfig, user};

/// What must never be seen: every secret of these stories has this in it.
pub const SECRET: &str = "s3cret";

pub struct Desk {
    pub desk: desk::Desk,
    /// What each check has shown, since the last look at it.
    shown: RefCell<String>,
}

impl Deref for Desk {
    type Target = desk::Desk;

    fn deref(&self) -> &desk::Desk {
        &self.desk
    }
}

impl Desk {
    pub fn new() -> Self {
        Self { desk: desk::Desk::new(), shown: RefCell::default() }
    }

    pub fn command(&self, arguments: &str) -> std::process::Command {
        let mut command = self.desk.command(&format!("kubeconfig check {arguments}"));
        if !arguments.contains("--at") {
            command.args(["--at", NOW]);
        }
        command
    }

    /// Runs the check in this directory. No secret is seen in any form of the output.
    pub fn check(&self, arguments: &str) -> Run {
        for form in ["wide", "json", "yaml"] {
            let other = run(self.command(&format!("{arguments} -o {form}")));
            assert!(!format!("{other}").contains(SECRET), "{other}");
            assert!(!format!("{other}").contains("PRIVATE KEY"), "{other}");
        }
        let run = run(self.command(arguments));
        assert!(!format!("{run}").contains(SECRET), "{run}");
        self.keep(arguments, &run);
        run
    }

    pub fn keep(&self, arguments: &str, run: &Run) {
        let screen = format!("## {arguments}: exit {}\n{}{}", run.code, run.out, run.err);
        self.shown.borrow_mut().push_str(&screen);
    }

    /// What the checks since the last look have shown.
    pub fn screens(&self) -> String {
        let directory = self.directory.path().canonicalize().unwrap().display().to_string();
        let padding = Regex::new(" {3,}").unwrap();
        padding.replace_all(&self.shown.take().replace(&directory, "DIR"), "  ").replace("  \n", "\n")
    }

    /// The same as JSON, and the exit code.
    pub fn json(&self, arguments: &str) -> (Value, i32) {
        let run = run(self.command(&format!("{arguments} -o json")));
        let value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}\n{run}"));
        (value, run.code)
    }

    pub fn with_input(&self, arguments: &str, input: &[u8]) -> Run {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let done = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { out: text(&done.stdout), err: text(&done.stderr), code: done.status.code().unwrap_or(-1) }
    }
}

/// The codes of what is wrong with the first context of the first file.
pub fn codes(json: &Value) -> Vec<&str> {
    let findings = json["items"][0]["contexts"][0]["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}
