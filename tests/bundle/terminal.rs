//! A passphrase, which is shown and typed on a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::common::desk::Desk;
use crate::common::{NOW, Node};
use crate::lost_worker;

/// Runs the program on a terminal of its own, types `input` at its question, and returns the exit code and what the terminal
/// shows.
fn on_a_terminal(desk: &Desk, arguments: &str, input: &str) -> (Option<i32>, String) {
    let pty = nix::pty::openpty(None, None).unwrap();
    let stream = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut child = Command::new("setsid")
        .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_kuberescue")])
        .args(arguments.split_whitespace())
        .current_dir(desk.directory.path())
        .stdin(stream())
        .stdout(stream())
        .stderr(stream())
        .spawn()
        .unwrap();
    drop(pty.slave);
    let mut terminal = File::from(pty.master);
    let mut shown = Vec::new();
    let mut byte = [0];
    while !input.is_empty() && !shown.ends_with(b"bundle: ") && terminal.read(&mut byte).unwrap_or(0) == 1 {
        shown.extend(byte);
    }
    // What is typed before that is shown by the terminal itself.
    let is_shown = || tcgetattr(&terminal).unwrap().local_flags.contains(LocalFlags::ECHO);
    while !input.is_empty() && is_shown() {
        std::thread::yield_now();
    }
    (&terminal).write_all(input.as_bytes()).unwrap();
    // A terminal without a program is an error.
    while terminal.read(&mut byte).unwrap_or(0) == 1 {
        shown.extend(byte);
    }
    (child.wait().unwrap().code(), String::from_utf8_lossy(&shown).replace("\r\n", "\n"))
}

#[test]
fn it_is_made_shown_once_and_typed_there() {
    let (desk, here, there) = (Desk::new(), Node::of("ecdsa-p256"), lost_worker());
    let root = here.root().display();
    let (code, shown) =
        on_a_terminal(&desk, &format!("bundle create --node worker-1 --at {NOW} --root {root}"), "");
    assert_eq!(code, Some(0), "{shown}");
    let passphrase = shown.lines().find_map(|line| line.strip_prefix("Passphrase, shown only this once: "));
    let passphrase = passphrase.unwrap_or_else(|| panic!("{shown}"));
    assert!(!here.text("/var/lib/kuberescue/history.jsonl").contains(passphrase));
    let apply = |words: &str, typed: &str| {
        let root = there.root().display();
        let arguments =
            format!("bundle apply worker-1.bundle.age --at {NOW} --root {root} --accept-clock {words}");
        on_a_terminal(&desk, &arguments, typed)
    };
    let (code, shown) = apply("--yes", "wrong\n");
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("error [not-decrypted]") && !shown.contains("wrong\n"), "{shown}");
    let (code, shown) = apply("--yes", &format!("{passphrase}\n"));
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(passphrase), "{shown}");
    // The same from a file; and nothing is shown where nobody reads.
    let file = desk.write("passphrase", format!("{passphrase}\nmore\n"));
    let more = format!("--passphrase-file {}", file.display());
    let bundle = desk.path("worker-1.bundle.age").display().to_string();
    let again = there.run(&format!("bundle apply {bundle} --yes {more}"));
    assert_eq!(again.code, 0, "{again}");
    let silent = here.run("bundle create --node worker-2 --out /nowhere/x");
    assert_eq!(silent.code, 2, "{silent}");
    let out = desk.path("worker-2.age").display().to_string();
    let silent = here.run(&format!("bundle create --node worker-2 --out {out}"));
    silent.fails(2, "usage");
    assert!(silent.err.contains("there is no terminal"), "{silent}");
    let made = here.run(&format!("bundle create --node worker-2 --out {out} {more}"));
    assert_eq!(made.code, 0, "{made}");
}
