//! A real process, stopped at its system calls: what it does to the files below a directory is told call by call,
//! and each call can be let through, made to fail, cut short, or be the moment at which the process is killed.
//!
//! Every thread and every child is traced. Nothing is left over: the kernel kills them when the tracing thread ends.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::decode::{Decoded, Op, Registers, decode};

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The call is made.
    Go,
    /// The process dies before the call is made.
    Kill,
    /// The call is not made and fails.
    Fail(Errno),
    /// The process gets this signal, and the call is made.
    Signal(Signal),
    /// A write writes half of what it should; any other call is made.
    Short,
}

/// How a call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// What it returned; negative: the error's number.
    pub result: i64,
    /// What is at the call's path or behind its handle after it; `None` where nothing is.
    pub inode: Option<u64>,
}

/// Who is told of the calls. Those of several threads come in the order in which they begin and end.
pub trait Watch {
    /// Before a call.
    fn before(&mut self, _op: &Op) -> Answer {
        Answer::Go
    }

    /// After a call.
    fn after(&mut self, _op: &Op, _done: Done) {}

    /// Whether reading calls are told too.
    fn reads(&self) -> bool {
        false
    }
}

/// Watches nothing.
impl Watch for () {}

/// How a traced run finished.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl std::fmt::Display for Finished {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "exit {:?}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

/// More calls than any run makes: one that never ends is a failure, not a test that hangs.
const MAX_STOPS: u64 = 1_000_000;

/// Runs a program with umask 0 and nobody at the terminal, and tells `watch` of every call that acts below `root`.
#[expect(clippy::zombie_processes, reason = "the tracer itself waits for every process")]
pub fn trace<S: AsRef<OsStr>>(root: &Path, words: &[S], watch: &mut dyn Watch) -> Finished {
    let root = root.canonicalize().unwrap();
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    // No code may run between fork and exec here (that would be unsafe): a shell waits for the tracer instead.
    let child = Command::new("sh")
        .args(["-c", "umask 0; kill -STOP $$; exec \"$@\"", "sh"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(err.try_clone().unwrap())
        .spawn()
        .unwrap();
    let main = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let stopped = waitpid(main, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(stopped, WaitStatus::Stopped(main, Signal::SIGSTOP));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(main, options).unwrap();
    kill(main, Signal::SIGCONT).unwrap();
    let code =
        Run { root: &root, main, calls: HashMap::new(), killed: false, signalled: false, watch }.follow();
    Finished { code, out: text(&mut out), err: text(&mut err) }
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A call that a thread is in.
struct Call {
    /// `None` where nobody is told.
    op: Option<Op>,
    fails: Option<Errno>,
}

struct Run<'a> {
    root: &'a Path,
    main: Pid,
    /// Every thread that is known; `None`: not in a call.
    calls: HashMap<Pid, Option<Call>>,
    killed: bool,
    signalled: bool,
    watch: &'a mut dyn Watch,
}

impl Run<'_> {
    /// Until none of its processes is left.
    fn follow(mut self) -> Option<i32> {
        // Other tests trace other processes, each on a thread of its own.
        let flags = Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD);
        let mut code = None;
        for _ in 0..MAX_STOPS {
            let status = match waitpid(None, flags) {
                Ok(status) => status,
                Err(Errno::ECHILD) => return code,
                Err(Errno::EINTR) => continue,
                Err(error) => panic!("waitpid: {error}"),
            };
            match status {
                WaitStatus::PtraceSyscall(pid) => {
                    self.at_call(pid);
                    go_on(pid, None);
                }
                WaitStatus::PtraceEvent(pid, _, _) => {
                    self.calls.entry(pid).or_default();
                    go_on(pid, None);
                }
                WaitStatus::Stopped(pid, signal) => go_on(pid, Some(signal)),
                WaitStatus::Exited(pid, exit) => {
                    self.calls.remove(&pid);
                    if pid == self.main {
                        code = Some(exit);
                    }
                }
                WaitStatus::Signaled(pid, signal, _) => {
                    self.calls.remove(&pid);
                    assert!(
                        self.killed || self.signalled || pid != self.main || signal == Signal::SIGPIPE,
                        "the program died of {signal}"
                    );
                }
                _ => {}
            }
        }
        panic!("the program does not come to an end");
    }

    fn at_call(&mut self, pid: Pid) {
        // A thread that was killed meanwhile has none.
        let Ok(registers) = ptrace::getregs(pid) else { return };
        match self.calls.entry(pid).or_default().take() {
            None => {
                let call = self.begin(pid, registers);
                self.calls.insert(pid, Some(call));
            }
            Some(call) => self.end(pid, registers, call),
        }
    }

    fn begin(&mut self, pid: Pid, mut registers: libc::user_regs_struct) -> Call {
        let none = Call { op: None, fails: None };
        if self.killed {
            return none;
        }
        assert_eq!(registers.rax.cast_signed(), -i64::from(libc::ENOSYS), "not at the beginning of a call");
        let op = match decode(pid, self.root, &Registers::of(&registers), self.watch.reads()) {
            Decoded::Elsewhere => return none,
            Decoded::Below(op) => op,
            Decoded::Unknown(what) => {
                panic!("what the system call {} does to files is not known: {what}", registers.orig_rax)
            }
        };
        if op.only_reads() && !self.watch.reads() {
            return none;
        }
        let mut fails = None;
        match self.watch.before(&op) {
            Answer::Go => {}
            Answer::Signal(signal) => {
                self.signalled = true;
                kill(self.main, signal).unwrap();
            }
            Answer::Kill => {
                self.killed = true;
                registers.orig_rax = u64::MAX;
                let _gone = ptrace::setregs(pid, registers);
                // Threads share their process: the second signal finds it dying.
                for thread in self.calls.keys().chain([&self.main]) {
                    let _gone = kill(*thread, Signal::SIGKILL);
                }
            }
            Answer::Fail(errno) => {
                registers.orig_rax = u64::MAX;
                ptrace::setregs(pid, registers).unwrap();
                fails = Some(errno);
            }
            Answer::Short => {
                if matches!(op, Op::Write { .. }) && is_plain_write(registers.orig_rax) && registers.rdx > 1 {
                    registers.rdx /= 2;
                    ptrace::setregs(pid, registers).unwrap();
                }
            }
        }
        Call { op: Some(op), fails }
    }

    fn end(&mut self, pid: Pid, mut registers: libc::user_regs_struct, call: Call) {
        if let Some(errno) = call.fails {
            registers.rax = (-i64::from(errno as i32)).cast_unsigned();
            if ptrace::setregs(pid, registers).is_err() {
                return;
            }
        }
        let Some(op) = call.op.filter(|_| !self.killed) else { return };
        let result = registers.rax.cast_signed();
        let found = match &op {
            Op::Open { .. } if result >= 0 => std::fs::metadata(format!("/proc/{pid}/fd/{result}")),
            op => std::fs::symlink_metadata(op.path()),
        };
        self.watch.after(&op, Done { result, inode: found.ok().map(|found| found.ino()) });
    }
}

/// Those whose third argument is a length.
fn is_plain_write(number: u64) -> bool {
    [libc::SYS_write, libc::SYS_pwrite64].contains(&number.cast_signed())
}

fn go_on(pid: Pid, signal: Option<Signal>) {
    match ptrace::syscall(pid, signal) {
        // It was killed.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("ptrace: {error}"),
    }
}

/// The program under test with its arguments.
pub fn kuberescue_on(root: &Path, arguments: &str) -> Vec<OsString> {
    let mut words = vec![OsString::from(env!("CARGO_BIN_EXE_kuberescue"))];
    words.extend(arguments.split_whitespace().map(OsString::from));
    words.extend([OsString::from("--root"), root.into()]);
    words
}
