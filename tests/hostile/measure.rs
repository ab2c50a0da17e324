//! Running the program measured: peak memory, time, exit code, output; and what holds for all of these.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use super::common::{NOW, Node};

/// What the program may use, in KiB: 64 MiB of its own, and the pages of an unoptimised program, of which up to 28 MiB are
/// resident; those of the static binary are 8.
const MOST_MEMORY: i64 = (64 + 20) << 10;
/// When a run is taken for a hanging one.
const HANGS: Duration = Duration::from_secs(120);
/// Where the inner process finds its order.
const ORDER: &str = "KUBERESCUE_MEASURED_RUN";

/// How a run finished.
pub struct Measured {
    pub what: String,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub code: i32,
    /// Peak resident memory in KiB.
    pub memory: i64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(3000)]).into_owned();
        let Self { what, code, memory, .. } = self;
        write!(f, "{what}\nexit {code}, {memory} KiB\n{}\n{}", head(&self.out), head(&self.err))
    }
}

impl Measured {
    /// What holds for every run on anything: it ends by itself, in bounded memory, without a panic, and only
    /// printable text comes out.
    pub fn tame(self) -> Self {
        assert!((0..=5).contains(&self.code), "{self}");
        for stream in [&self.out, &self.err] {
            let text = std::str::from_utf8(stream).unwrap_or_else(|_| panic!("not UTF-8: {self}"));
            let odd = text.chars().find(|c| *c != '\n' && (c.is_control() || is_invisible(*c)));
            assert!(odd.is_none(), "{odd:?} is printed: {self:.3000}");
        }
        let err = String::from_utf8_lossy(&self.err);
        assert!(!err.contains("panicked"), "{self}");
        // An operator is told what to do next.
        assert!(self.code < 2 || self.code == 4 || err.contains("\nhint: "), "{self}");
        assert!(self.memory <= MOST_MEMORY, "too much memory: {self}");
        self
    }

    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    pub fn says(self, text: &str) -> Self {
        let all = [&self.out[..], &self.err].concat();
        assert!(String::from_utf8_lossy(&all).contains(text), "not said: {text}\n{self}");
        self
    }
}

/// Marks that change the look of what is around them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A command on a root.
pub fn on(root: &Path, command: &str) -> Measured {
    run(command, &[OsStr::new("--root"), root.as_os_str()])
}

/// A command on a node's root.
pub fn on_node(node: &Node, command: &str) -> Measured {
    on(node.root(), command)
}

/// A command whose last word is a file.
pub fn of(file: &Path, command: &str) -> Measured {
    run(command, &[file.as_os_str()])
}

/// Runs a command, at [`NOW`] where it has a time.
pub fn run(command: &str, more: &[&OsStr]) -> Measured {
    let mut words: Vec<&OsStr> = command.split(' ').map(OsStr::new).collect();
    let timed = (command.starts_with("certs") || command.starts_with("recover")) && !command.contains("--at");
    if timed {
        words.extend([OsStr::new("--at"), OsStr::new(NOW)]);
    }
    words.extend(more);
    let place = tempfile::tempdir().unwrap();
    let order: Vec<u8> = words.join(OsStr::new("\n")).into_encoded_bytes();
    std::fs::write(place.path().join("order"), order).unwrap();
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "--ignored", "measured_run"]).env(ORDER, place.path());
    let done = inner.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{command}\n{}", String::from_utf8_lossy(&done.stdout));
    let read = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    let number = |name: &str| String::from_utf8(read(name)).unwrap().parse::<i64>().unwrap();
    let code = i32::try_from(number("code")).unwrap();
    let what = format!("{command} {}", more.join(OsStr::new(" ")).display());
    let memory = number("memory");
    if std::env::var_os("KUBERESCUE_SHOW_MEMORY").is_some() {
        eprintln!("{memory:>8} KiB {:>6} ms  exit {code}  {what}", number("time"));
    }
    Measured { what, out: read("out"), err: read("err"), code, memory }
}

/// The inner process: runs the ordered command, and says what it took.
pub fn inner() {
    let Some(place) = std::env::var_os(ORDER).map(PathBuf::from) else { return };
    let order = std::fs::read(place.join("order")).unwrap();
    let words = order.split(|byte| *byte == b'\n');
    let words = words.map(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes);
    let put = |name: &str| std::fs::File::create(place.join(name)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kuberescue"));
    command.args(words).stdin(Stdio::null()).stdout(put("out")).stderr(put("err"));
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > HANGS {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    std::fs::write(place.join("memory"), memory.to_string()).unwrap();
    std::fs::write(place.join("time"), begun.elapsed().as_millis().to_string()).unwrap();
    std::fs::write(place.join("code"), status.code().unwrap_or(-1).to_string()).unwrap();
}
