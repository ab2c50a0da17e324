//! Every call fails: the Nth, for N = 1, 2, … until a run passes clean, once and from then on. Each time the exit
//! code and the words must be right and the node unchanged, all new, or committed and then completed by `resume`.

use std::path::Path;
use std::time::Instant;

use kuberescue::state::os::reason;
use nix::errno::Errno;
use x509_parser::prelude::{FromDer as _, Pem, X509Certificate};

use super::crash::{Figures, demanded, is_full, is_pending, resumed};
use super::decode::Op;
use super::judge::{End, Judge, New, bring_keys_back, complaint, leftovers, told};
use super::scenarios::{SCENARIOS, words};
use super::tracer::{Answer, Finished, Watch, trace};
use super::tree::{Place, Tree};

/// What fails, and how.
#[derive(Clone, Copy)]
struct Fault {
    answer: Answer,
    /// The error that the message tells of.
    told: Option<Errno>,
    from_then_on: bool,
    /// Reading calls, and not writing ones.
    reads: bool,
}

const fn fault(errno: Errno) -> Fault {
    Fault { answer: Answer::Fail(errno), told: Some(errno), from_then_on: false, reads: false }
}

const FAULTS: [Fault; 6] = [
    fault(Errno::ENOSPC),
    fault(Errno::EIO),
    fault(Errno::EROFS),
    fault(Errno::EACCES),
    // Tried again; one that never ends is a failure of the device.
    Fault { told: Some(Errno::EIO), ..fault(Errno::EINTR) },
    Fault { answer: Answer::Short, told: None, from_then_on: false, reads: false },
];

const READ_FAULTS: [Fault; 2] = [
    Fault { reads: true, told: None, ..fault(Errno::EIO) },
    Fault { reads: true, told: None, ..fault(Errno::EACCES) },
];

impl Fault {
    /// Nobody may notice it.
    fn is_harmless(&self) -> bool {
        let passing = self.answer == Answer::Fail(Errno::EINTR) && !self.from_then_on;
        passing || self.answer == Answer::Short
    }
}

/// Lets a call fail.
struct FailAt {
    fault: Fault,
    left: usize,
    /// The call at which it began.
    hit: Option<String>,
}

impl Watch for FailAt {
    fn before(&mut self, op: &Op) -> Answer {
        let concerns = op.only_reads() == self.fault.reads
            && (self.fault.answer != Answer::Short || matches!(op, Op::Write { .. }));
        if !concerns {
            return Answer::Go;
        }
        self.left = self.left.saturating_sub(1);
        let fails = self.left == 0 && (self.fault.from_then_on || self.hit.is_none());
        if !fails {
            return Answer::Go;
        }
        self.hit.get_or_insert_with(|| shown(op));
        self.fault.answer
    }

    fn reads(&self) -> bool {
        self.fault.reads
    }
}

fn shown(op: &Op) -> String {
    let text = format!("{op:?}");
    let name = match op {
        Op::Look { name, .. } => name,
        _ => text.split_whitespace().next().unwrap_or_default(),
    };
    format!("{name} {}", op.path().display())
}

/// A command on a node, and what may become of it.
struct Case {
    name: String,
    tree: Tree,
    command: String,
    judge: Judge,
    /// Where it leads when nothing fails.
    leads_to: End,
}

impl Case {
    /// Every `stride`th call fails, from `first` on.
    fn fail_everywhere(&self, place: &Place, fault: Fault, first: usize, stride: usize) -> Figures {
        let mut figures = Figures::default();
        let mut number = first;
        loop {
            let root = place.with(&self.tree);
            let mut watch = FailAt { fault, left: number, hit: None };
            let finished = trace(&root, &words(&root, &self.command), &mut watch);
            let Some(hit) = watch.hit else {
                assert_eq!(finished.code, Some(0), "{} without a fault\n{finished}", self.name);
                return figures;
            };
            figures.points += 1;
            match self.is_right(&root, fault, &finished, number.is_multiple_of(16)) {
                Ok(End::Old) => figures.old += 1,
                Ok(End::New) => figures.new += 1,
                Err(why) => {
                    let how = if fault.from_then_on { "from then on" } else { "once" };
                    let Fault { answer, .. } = fault;
                    let what = format!("{}: call {number} ({hit}): {answer:?} {how}", self.name);
                    eprintln!("{what}: {why}");
                    figures.wrong.push(format!("{what}: {why}\n{}", finished.err));
                }
            }
            number += stride;
        }
    }

    fn is_right(
        &self,
        root: &Path,
        fault: Fault,
        finished: &Finished,
        thorough: bool,
    ) -> Result<End, String> {
        let tree = Tree::read(root);
        let code = finished.code.ok_or("it died")?;
        if fault.is_harmless() && code != 0 {
            return Err("not tolerated".to_owned());
        }
        said(code, fault, finished)?;
        let changed = self.tree.differences(&tree);
        match code {
            0 if is_pending(&tree) => return Err("finished well, and a change is pending".to_owned()),
            0 => {}
            2 | 3 | 5 => {
                let left = leftovers(&tree);
                if fault.from_then_on {
                    // What it could not take away it says.
                    let taken = left == leftovers(&self.tree)
                        || finished.err.contains("kuberescue resume")
                        || !is_pending(&tree);
                    if !taken {
                        return Err(format!("left over, and not said: {left:?}"));
                    }
                    if changed.iter().any(|path| !path.to_string_lossy().contains(".kuberescue-")) {
                        return Err(format!("MIXED: changed: {changed:?}"));
                    }
                } else if left != leftovers(&self.tree) || !changed.is_empty() {
                    return Err(format!("MIXED: left over: {left:?}, changed: {changed:?}"));
                }
            }
            4 if is_pending(&tree) && !finished.err.contains("[interrupted-") => {
                return Err("pending, and not said".to_owned());
            }
            4 => {}
            code => return Err(format!("exit code {code}")),
        }
        let resumed = told(root, "resume");
        if resumed.code != 0 {
            return Err(format!("resume afterwards\n{resumed}"));
        }
        let after = Tree::read(root);
        let end = match self.judge.end(&after) {
            // A credential that can't be read is reissued or left out: another plan than without the fault,
            // carried out as a whole.
            Err(_) if fault.reads && self.judge.is_whole_by_its_record(&after) => {
                bring_keys_back(root);
                let bad = complaint(root, &self.judge.now).filter(|_| code == 0);
                if let Some(good) = bad {
                    return Err(format!("finished well, and all is not well\n{good}"));
                }
                return Ok(End::New);
            }
            end => end?,
        };
        let wanted = match code {
            0 => Some(self.leads_to),
            _ => demanded(&tree, "resume", &self.judge),
        };
        if wanted.is_some_and(|wanted| end != wanted) && !self.judge.is_one_state() {
            return Err(format!("finished {end:?}"));
        }
        let left = leftovers(&after);
        if !left.is_empty() {
            return Err(format!("left over after resume: {left:?}"));
        }
        if end == End::New {
            self.names_are_kept(&after)?;
        }
        if thorough && end == End::Old && !self.command.starts_with("r") {
            let again = told(root, &self.command);
            if again.code != 0 {
                return Err(format!("the same again\n{again}"));
            }
        }
        Ok(end)
    }

    /// Subjects and names of new certificates are those of a run without faults.
    fn names_are_kept(&self, tree: &Tree) -> Result<(), String> {
        let (New::Exactly(new) | New::Like(new)) = &self.judge.new;
        let certificates = new.0.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "crt"));
        for (path, wanted) in certificates {
            let found = tree.0.get(path).ok_or_else(|| format!("{} is gone", path.display()))?;
            if names(found.bytes()) != names(wanted.bytes()) {
                return Err(format!("{} has other names", path.display()));
            }
        }
        Ok(())
    }
}

/// Subject and extensions, without identifiers of keys.
fn names(pem: &[u8]) -> Vec<Vec<u8>> {
    let Some(Ok(pem)) = Pem::iter_from_buffer(pem).next() else { return Vec::new() };
    let (_, certificate) = X509Certificate::from_der(&pem.contents).unwrap();
    let mut found = vec![certificate.subject().as_raw().to_vec()];
    let kept = certificate.extensions().iter().filter(|extension| {
        // Subject and authority key identifier.
        !["2.5.29.14", "2.5.29.35"].contains(&extension.oid.to_id_string().as_str())
    });
    found.extend(kept.map(|extension| extension.value.to_vec()));
    found
}

/// A failure is told in plain words: what, where, why, and what to do next.
fn said(code: i32, fault: Fault, finished: &Finished) -> Result<(), String> {
    let text = &finished.err;
    if text.contains("os error") || text.contains("panicked") || finished.out.contains("os error") {
        return Err("not in plain words".to_owned());
    }
    if code == 0 {
        return Ok(());
    }
    let error = text.lines().find(|line| line.starts_with("error"));
    // Of what is left to be seen to the result tells, without a failure.
    if fault.reads && code == 4 && error.is_none() {
        let tells = ["permission denied", "input/output error", "unreadable", "cannot read"]
            .iter()
            .any(|why| finished.out.contains(why) || finished.err.contains(why));
        return if tells { Ok(()) } else { Err(format!("not told\n{}", finished.out)) };
    }
    let error = error.ok_or("no error is told")?;
    if !error.contains('/') {
        return Err("no path is told".to_owned());
    }
    let words = fault.told.map(|errno| reason(&errno.into())).unwrap_or_default();
    if !text.contains(&words) {
        return Err(format!("nothing of: {words}"));
    }
    if !text.lines().any(|line| line.starts_with("hint: ")) {
        return Err("no hint".to_owned());
    }
    Ok(())
}

/// The commands of the crash points, and both ways out of a change that was killed in the middle.
fn cases(place: &Place) -> Vec<Case> {
    let mut cases = Vec::new();
    // Making RSA keys takes its time and makes no other calls.
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.full == 1) {
        let (tree, command, judge) = scenario.prepare(place);
        let name = scenario.name.to_owned();
        cases.push(Case { name, tree, command, judge, leads_to: End::New });
    }
    let renew = &cases[0];
    // Between two of the renames.
    let half = half_done(place, renew);
    let judge = Judge { new: New::Exactly(resumed(place, &half)), ..renew.judge.clone() };
    let case = |name: &str, command: &str, leads_to| Case {
        name: name.to_owned(),
        tree: half.clone(),
        command: command.to_owned(),
        judge: judge.clone(),
        leads_to,
    };
    let ways = [
        case("resume of a change that was killed", "resume", End::New),
        case("rollback of a change that was killed", "rollback --yes", End::Old),
    ];
    cases.extend(ways);
    cases
}

/// Kills at the tenth rename of a staged file.
struct InTheMiddle(usize);

impl Watch for InTheMiddle {
    fn before(&mut self, op: &Op) -> Answer {
        if matches!(op, Op::Rename { from, .. } if from.to_string_lossy().contains(".kuberescue-")) {
            self.0 += 1;
        }
        if self.0 == 10 { Answer::Kill } else { Answer::Go }
    }
}

fn half_done(place: &Place, case: &Case) -> Tree {
    let root = place.with(&case.tree);
    let finished = trace(&root, &words(&root, &case.command), &mut InTheMiddle(0));
    assert_eq!(finished.code, None, "{finished}");
    Tree::read(&root)
}

/// A full run looks at every `full`th call, a quick one at every `quick`th.
fn run_all(faults: &[Fault], full: usize, quick: usize, what: &str) {
    let stride = if is_full() { full } else { quick };
    let place = Place::new();
    let mut all = Figures::default();
    for (index, case) in cases(&place).iter().enumerate() {
        let began = Instant::now();
        let mut figures = Figures::default();
        // The ways out of a crash make few calls.
        let stride = if case.name.ends_with("killed") { stride.min(11) } else { stride };
        for (at, fault) in faults.iter().enumerate() {
            let first = 1 + (index * 5 + at * 7) % stride;
            figures.add(case.fail_everywhere(&place, *fault, first, stride));
        }
        figures.print(&format!("{}, {what}", case.name), began);
        all.add(figures);
    }
    all.assert_right();
}

#[test]
fn any_writing_call_may_fail_once() {
    run_all(&FAULTS, 1, 113, "a writing call fails once");
}

#[test]
fn any_writing_call_and_all_after_it_may_fail() {
    let faults = FAULTS.map(|fault| Fault { from_then_on: true, ..fault });
    run_all(&faults, 1, 113, "writing calls fail from then on");
}

#[test]
fn any_reading_call_may_fail_once() {
    run_all(&READ_FAULTS, 13, 271, "a reading call fails once");
}
