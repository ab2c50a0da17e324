//! A command that reads writes nothing, anywhere: seen with strace, and by every time on a file system that keeps the
//! time of the last reading.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::common::{self, NOW, Node, Run, skip};
use super::{COMPARING, READING, READING_ARCHIVES, VERIFYING};

/// System calls that leave the world as it is. One that is not here needs a look before it is added.
const HARMLESS: &[&str] = &[
    "access",
    "arch_prctl",
    "brk",
    "clock_gettime",
    "close",
    "dup",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fgetxattr",
    "flistxattr",
    "fstat",
    "fstatfs",
    "futex",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getrandom",
    "gettid",
    "getuid",
    "getxattr",
    "lgetxattr",
    "listxattr",
    "llistxattr",
    "lseek",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "newfstatat",
    "poll",
    "ppoll",
    "pread64",
    "prlimit64",
    "read",
    "readlink",
    "readlinkat",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "signalfd4",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "statfs",
    "statx",
    "sysinfo",
    "uname",
];

/// Runs a command on a root (or an archive) under strace; what it did.
pub fn trace(command: &str, root: &Path) -> (Run, String) {
    let more = [std::ffi::OsStr::new("--root"), root.as_os_str()];
    traced(command, &more)
}

fn traced(command: &str, more: &[&std::ffi::OsStr]) -> (Run, String) {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "0", "-o"]).arg(&log).arg(env!("CARGO_BIN_EXE_kuberescue"));
    strace.args(command.split(' ')).args(more);
    if ["certs", "recover", "kubeconfig"].iter().any(|start| command.starts_with(start)) {
        strace.args(["--at", NOW]);
    }
    let run = common::run(strace);
    let log = std::fs::read(&log).expect("strace is needed: make deps");
    (run, String::from_utf8_lossy(&log).into_owned())
}

/// Before the first file of the node is opened: a core would hold its keys.
#[test]
fn the_memory_is_kept_out_of_core_dumps_from_the_beginning() {
    let node = Node::of("ecdsa-p256");
    let (run, trace) = trace("diagnose", node.root());
    let opened = trace
        .lines()
        .position(|line| line.contains(node.root().to_str().unwrap()) && !line.contains(" execve("));
    let before: Vec<_> = trace.lines().take(opened.unwrap()).collect();
    let called = |call: &str| before.iter().any(|line| line.contains(call));
    assert!(called("prlimit64(0, RLIMIT_CORE, {rlim_cur=0, rlim_max=0}"), "{run}\n{trace}");
    assert_eq!(called("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)"), common::is_root(), "{run}\n{trace}");
}

/// The lines of a trace that are more than reading.
fn more_than_reading(trace: &str) -> Vec<&str> {
    let harmful = |line: &&str| {
        let Some((_, call)) = line.split_once(' ') else { return true };
        let call = call.trim_start();
        // The process's end, a signal.
        if call.starts_with("+++") || call.starts_with("---") {
            return false;
        }
        let resumed = call.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed"));
        let (name, arguments) = match resumed {
            // Its beginning was judged.
            Some(_) => return false,
            None => call.split_once('(').unwrap_or((call, "")),
        };
        match name {
            "open" | "openat" => ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"]
                .iter()
                .any(|flag| arguments.contains(flag)),
            // Standard output and error.
            "write" => !(arguments.starts_with("1<") || arguments.starts_with("2<")),
            // Threads, no processes.
            "clone" | "clone3" => !arguments.contains("CLONE_THREAD"),
            "ioctl" => !arguments.contains("TCGETS") && !arguments.contains("TIOCGWINSZ"),
            "fcntl" => !["F_GETFD", "F_GETFL", "F_SETFD", "F_DUPFD_CLOEXEC"]
                .iter()
                .any(|command| arguments.contains(command)),
            // A thread's name; no core dumps.
            "prctl" => !["PR_SET_NAME", "PR_SET_DUMPABLE"].iter().any(|what| arguments.contains(what)),
            name => !HARMLESS.contains(&name),
        }
    };
    // The first call is the program's own start.
    let start = |line: &&str| !line.contains(" execve(\"");
    let started = trace.lines().filter(|line| line.contains(" execve(")).count();
    assert_eq!(started, 1, "another program was started");
    trace.lines().filter(start).filter(harmful).collect()
}

fn only_reads(what: &str, run: &Run, trace: &str) {
    let found = more_than_reading(trace);
    assert!(found.is_empty(), "{what}\n{}\n{run}", found.join("\n"));
    assert!(trace.lines().count() > 50, "{what}: nothing was traced\n{trace}");
}

/// Nodes in the states in which a command has something to read: as made, renewed, interrupted.
fn nodes() -> Vec<(&'static str, Node)> {
    let expired = Node::of("expired-all");
    let renewed = Node::of("ecdsa-p256");
    renewed.must("certs renew all");
    let interrupted = Node::of("ecdsa-p256");
    interrupted.must("certs renew apiserver");
    interrupted.rename("/var/lib/kuberescue/last.json", "/var/lib/kuberescue/journal.json");
    vec![("expired", expired), ("renewed", renewed), ("interrupted", interrupted), ("empty", Node::empty())]
}

#[test]
fn strace_sees_no_writing() {
    for (name, node) in nodes() {
        let before = node.state();
        for command in READING {
            let (run, trace) = trace(command, node.root());
            only_reads(&format!("{command} on {name}"), &run, &trace);
        }
        before.assert_identical(&node.state(), name);
    }
}

#[test]
fn strace_sees_no_writing_of_archives() {
    let node = Node::of("ecdsa-p256");
    node.must("certs renew all");
    let own =
        std::fs::read_dir(node.path("/var/lib/kuberescue")).unwrap().flatten().map(|entry| entry.path());
    let own = own.filter(|path| path.extension().is_some_and(|extension| extension == "gz"));
    let broken = node.path("/broken.tar.gz");
    std::fs::write(&broken, [0x1f, 0x8b, 8, 0]).unwrap();
    let all: Vec<PathBuf> = own.chain([common::fixture("rsa2048"), broken]).collect();
    assert_eq!(all.len(), 3);
    let before = node.state();
    for file in &all {
        for command in READING_ARCHIVES {
            let (run, trace) = trace(command, file);
            only_reads(&format!("{command} {}", file.display()), &run, &trace);
        }
        for command in VERIFYING.iter().chain(COMPARING) {
            let (run, trace) = traced(command, &[file.as_os_str()]);
            only_reads(&format!("{command} {}", file.display()), &run, &trace);
        }
    }
    before.assert_identical(&node.state(), "archives");
}

#[test]
fn the_judge_of_traces_sees_a_writer() {
    let node = Node::of("ecdsa-p256");
    let (run, trace) = trace("certs renew apiserver", node.root());
    assert_eq!(run.code, 0, "{run}");
    let found = more_than_reading(&trace).join("\n");
    for call in ["O_CREAT", "rename", "fsync", "mkdirat(", "fchmod"] {
        assert!(found.contains(call), "{call} was not seen\n{found}");
    }
}

/// A file system of its own that keeps the time of every reading; away when dropped.
struct Strict(Node);

impl Strict {
    fn of(tree: &str) -> Option<Self> {
        let node = Node::empty();
        let mount = ["-t", "tmpfs", "-o", "strictatime,mode=0755,size=64m", "kuberescue-test"];
        let mounted = Command::new("mount").args(mount).arg(node.root()).output().unwrap();
        if !mounted.status.success() {
            skip(&format!("a tmpfs can't be mounted: {}", String::from_utf8_lossy(&mounted.stderr)));
            return None;
        }
        let strict = Self(node);
        let from = Node::of(tree);
        let all = format!("{}/.", from.root().display());
        assert!(Command::new("cp").args(["-a", &all]).arg(strict.0.root()).status().unwrap().success());
        Some(strict)
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.root()).status();
    }
}

/// Every time of every file; links without that of their reading, which the kernel sets whoever asks.
fn times(paths: &[PathBuf]) -> BTreeMap<&PathBuf, [(i64, i64); 3]> {
    let of = |path| {
        let found = std::fs::symlink_metadata(path).unwrap();
        let read = if found.is_symlink() { (0, 0) } else { (found.atime(), found.atime_nsec()) };
        (path, [read, (found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())])
    };
    paths.iter().map(of).collect()
}

#[test]
fn not_even_the_time_of_reading_changes() {
    let Some(disk) = Strict::of("ecdsa-p256") else { return };
    let node = &disk.0;
    node.must("certs renew apiserver");
    let found = Command::new("find").arg(node.root()).output().unwrap().stdout;
    let paths: Vec<PathBuf> = String::from_utf8(found).unwrap().lines().map(PathBuf::from).collect();
    let before = times(&paths);
    for command in READING {
        let run = node.run(&command.replace("recover", "recover --accept-clock"));
        assert!((0..=5).contains(&run.code), "{command}\n{run}");
        let now = times(&paths);
        let changed: Vec<_> = paths.iter().filter(|path| before[path] != now[path]).collect();
        assert!(changed.is_empty(), "{command}: {changed:?}");
    }
    // And the file system does keep it.
    std::fs::read(node.path("/etc/kubernetes/admin.conf")).unwrap();
    assert_ne!(before, times(&paths), "the time of reading is not kept");
}
