//! The tracer sees what a program does, and can stop it.

use std::path::Path;

use nix::errno::Errno;

use super::common::{NOW, Node};
use super::decode::Op;
use super::tracer::{Answer, Done, Watch, kuberescue_on, trace};

#[derive(Default)]
struct Log(Vec<(Op, i64)>);

impl Watch for Log {
    fn after(&mut self, op: &Op, done: Done) {
        self.0.push((op.clone(), done.result));
    }
}

fn renew(node: &Node) -> Vec<std::ffi::OsString> {
    kuberescue_on(node.root(), &format!("certs renew all --at {NOW} --accept-clock"))
}

#[test]
fn every_writing_call_of_every_thread_is_seen() {
    let node = Node::of("ecdsa-p256");
    let root = node.root().canonicalize().unwrap();
    let mut log = Log::default();
    let finished = trace(node.root(), &renew(&node), &mut log);
    assert_eq!(finished.code, Some(0), "{finished}");
    let count = |wanted: &dyn Fn(&Op) -> bool| log.0.iter().filter(|(op, _)| wanted(op)).count();
    // 22 staged files, each created, dressed, synced and renamed; the key pairs and four kubeconfigs.
    let staged = |path: &Path| super::decode::is_staged(path.file_name().unwrap());
    assert!(count(&|op| matches!(op, Op::Open { path, .. } if staged(path))) >= 18);
    assert!(count(&|op| matches!(op, Op::Rename { from, .. } if staged(from))) >= 18);
    assert!(count(&|op| matches!(op, Op::Sync { file, .. } if staged(&file.path))) >= 18);
    assert!(count(&|op| matches!(op, Op::Rename { to, .. } if to.ends_with("kuberescue/journal.json"))) == 1);
    assert!(log.0.iter().all(|(op, _)| op.path().starts_with(&root)));
    // What was written is what is there.
    let mut written = Vec::new();
    for (op, result) in &log.0 {
        if let Op::Write { file, offset, data } = op
            && file.path.to_string_lossy().contains("/.apiserver.crt.kuberescue-")
        {
            assert_eq!(*offset as usize, written.len());
            written.extend_from_slice(&data[..usize::try_from(*result).unwrap()]);
        }
    }
    assert_eq!(written, node.read("/etc/kubernetes/pki/apiserver.crt"));
}

struct At(usize, Answer);

impl Watch for At {
    fn before(&mut self, _op: &Op) -> Answer {
        self.0 = self.0.wrapping_sub(1);
        if self.0 == 0 { self.1 } else { Answer::Go }
    }
}

#[test]
fn a_killed_program_does_not_make_the_call() {
    let node = Node::of("ecdsa-p256");
    let before = node.state();
    let finished = trace(node.root(), &renew(&node), &mut At(1, Answer::Kill));
    assert_eq!(finished.code, None, "{finished}");
    before.assert_identical(&node.state(), "killed at its first call");
}

#[test]
fn a_failed_call_is_a_failure_to_the_program() {
    let node = Node::of("ecdsa-p256");
    let finished = trace(node.root(), &renew(&node), &mut At(1, Answer::Fail(Errno::ENOSPC)));
    assert_eq!(finished.code, Some(2), "{finished}");
    assert!(finished.err.contains("error [no-space]: "), "{finished}");
}

struct Halves(Vec<u8>);

impl Watch for Halves {
    fn before(&mut self, _op: &Op) -> Answer {
        Answer::Short
    }

    fn after(&mut self, op: &Op, done: Done) {
        if let Op::Write { data, .. } = op {
            assert_eq!(done.result as usize, (data.len() / 2).max(1));
            self.0.extend_from_slice(&data[..done.result as usize]);
        }
    }
}

#[test]
fn a_write_can_be_cut_short() {
    let node = Node::empty();
    let file = node.path("/file");
    let mut halves = Halves(Vec::new());
    let script = format!("printf 0123456789 > {}", file.display());
    trace(node.root(), &["sh", "-c", &script], &mut halves);
    assert_eq!(halves.0, b"0123456789");
    assert_eq!(std::fs::read(file).unwrap(), b"0123456789");
}

#[test]
fn children_are_traced_too() {
    let node = Node::empty();
    let file = node.path("/file");
    let script = format!("(echo a > {0}; mv {0} {0}2; chmod 600 {0}2); rm {0}2", file.display());
    let mut log = Log::default();
    let finished = trace(node.root(), &["sh", "-c", &script], &mut log);
    assert_eq!(finished.code, Some(0), "{finished}");
    let kinds = log.0.iter().map(|(op, _)| format!("{op:?}").split_whitespace().next().unwrap().to_owned());
    assert_eq!(kinds.collect::<Vec<_>>(), ["Open", "Write", "Rename", "Mode", "Unlink"]);
}
