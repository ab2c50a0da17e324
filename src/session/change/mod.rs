//! Changing a node, the same way in `certs renew` and `recover`: issue in memory, check, archive, apply,
//! check again. Undoing a change ([`undo`]), and restoring an archived state ([`restore`]).

pub mod arguments;
pub mod bundle;
pub mod csr;
pub mod etcd_beside;
pub mod etcd_snapshot;
pub mod meanwhile;
mod outcome;
mod report;
pub mod restore;
pub mod signals;
pub mod undo;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use self::arguments::WriteArgs;
use self::meanwhile::{BACK, tell};
use super::Context;
use super::input::source::{about, archived, read_again};
use crate::analysis::node::findings::{Finding, Node, findings};
use crate::analysis::node::host_state::{HostState, Interrupted};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::outside::{ChangedCa, Outside, outside};
use crate::analysis::node::plan::{
    Options, Plan, Refusal, Stage, decide, goes_with_reissue, kubelet_distrusts,
};
use crate::disk::transaction::{self, Lock};
use crate::disk::{Root, archive};
use crate::error::Error;
use crate::formats::kubeconfig::entries::Entries;
use crate::issue::change_set;
use crate::report::{ClusterNames, SavedSnapshot};
use crate::session::input::host_state::{interrupted, look_around};
use crate::state::text::count;
use crate::state::{ChangeSet, Code, Snapshot, catalog};

pub struct Prepared {
    root: Root,
    lock: Option<Lock>,
    pub snapshot: Snapshot,
    pub inventory: Inventory,
    around: HostState,
    pub findings: Vec<Finding>,
    pub plan: Plan,
    pub now: Timestamp,
    /// The snapshot of etcd that was saved, or would be; `None` if none was asked for.
    pub etcd_snapshot: Option<SavedSnapshot>,
}

pub struct Done {
    pub archive: PathBuf,
    pub inventory: Inventory,
    pub findings: Vec<Finding>,
}

/// What will be written, checked in memory.
pub struct Issued {
    pub changes: ChangeSet,
    /// The node after the change.
    pub inventory: Inventory,
    /// Findings that will remain.
    pub findings: Vec<Finding>,
}

/// Reads the node, judges it and plans. Writes nothing, not even a lock.
///
/// # Errors
/// There is no readable node, or an earlier change was interrupted.
pub fn prepare(args: &WriteArgs, options: &Options, context: &Context<'_>) -> Result<Prepared, Error> {
    let now = args.at.unwrap_or(context.now);
    let root = args.root.open()?;
    let (snapshot, inventory) = args.root.read_control_plane(&root)?;
    refuse_if_interrupted(&root)?;
    // A change with --at sets the time: the clock is still compared with the disk.
    let around = look_around(&root, &snapshot, &inventory, true);
    let findings = findings(Node { snapshot: &snapshot, inventory: &inventory, around: &around }, now);
    let plan = decide(&snapshot, &inventory, &findings, options, now);
    Ok(Prepared { root, lock: None, snapshot, inventory, around, findings, plan, now, etcd_snapshot: None })
}

/// Takes the node's lock, and reports a lock that a dead run left behind.
///
/// # Errors
/// Another run is in progress, or the disk can't be written.
pub fn take_lock(root: &Root, context: &mut Context<'_>) -> Result<Lock, Error> {
    let lock = root.lock()?;
    if let Some(left) = lock.left_by() {
        let how = if lock.is_of_this_boot(left) {
            "was killed"
        } else {
            "was interrupted: the machine went down, or the disk was on another one"
        };
        context.out.say(&format!("note: the last kuberescue on this node ({left}) {how}"));
    }
    Ok(lock)
}

/// If nothing is pending: removes unfinished files of a killed run, which may hold keys. Best effort: nothing
/// depends on it.
pub fn sweep(root: &Root, context: &mut Context<'_>) {
    if transaction::has_unfinished(root) && root.lock().is_ok() {
        context.out.say("Removed what a run that was killed had left half written in /var/lib/kuberescue");
    }
}

/// Refuses where an earlier change or restart was interrupted.
///
/// # Errors
/// One was, or its record can't be read.
pub fn refuse_if_interrupted(root: &Root) -> Result<(), Error> {
    match interrupted(root)? {
        None => Ok(()),
        Some(Interrupted::Restart(manifests)) => {
            let names: Vec<_> = manifests.iter().map(|path| path.display().to_string()).collect();
            let what = format!(
                "cannot change the node: an earlier restart was interrupted, and manifests are still moved away: {}",
                names.join(", ")
            );
            Err(Error::refused(Code::InterruptedRestart, what).hint("bring them back with kuberescue resume"))
        }
        Some(Interrupted::Rescue { .. }) => Err(Error::refused(
            Code::InterruptedChange,
            "cannot change the node: an earlier kuberescue etcd rescue was interrupted",
        )
        .hint("finish it with kuberescue resume, or put etcd's old data back with kuberescue rollback")),
        Some(Interrupted::Change { .. } | Interrupted::Unreadable(_)) => Err(Error::refused(
            Code::InterruptedChange,
            "cannot change the node: an earlier change was interrupted",
        )
        .hint("finish it with kuberescue resume, or undo it with kuberescue rollback")),
    }
}

impl Prepared {
    pub fn is_live(&self) -> bool {
        self.root.is_live()
    }

    /// The names of this node's cluster and of the context of its admin.conf.
    pub fn names(&self) -> ClusterNames {
        let admin = Path::new(catalog::KUBERNETES_DIR).join("admin.conf");
        let entries = self.root().file(&admin).and_then(|bytes| Entries::parse(&bytes, Path::new("")).ok());
        ClusterNames {
            cluster: self.inventory.facts.cluster_name.value.clone(),
            context: entries.and_then(|entries| entries.current),
        }
    }

    pub fn root(&self) -> &Root {
        &self.root
    }

    /// What has a copy of a CA that the plan renews or replaces, outside of this node.
    pub fn outside(&self) -> Vec<Outside> {
        outside(&self.inventory, &ChangedCa::of(&self.plan), self.now)
    }

    /// Its lock, once taken.
    ///
    /// # Errors
    /// It is not taken.
    pub fn taken_lock(&self) -> Result<&Lock, Error> {
        self.lock.as_ref().ok_or_else(|| {
            Error::could_not_run("nothing is changed without the node's lock").code(Code::Locked)
        })
    }

    /// Takes the node's lock. The transaction detects what another run has changed since the node was read:
    /// it checks each path before it begins.
    ///
    /// # Errors
    /// Another run is in progress, or the disk can't be written.
    pub fn lock(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        self.lock = Some(take_lock(&self.root, context)?);
        refuse_if_interrupted(&self.root)
    }

    /// Refuses if the plan does.
    ///
    /// # Errors
    /// The last refusal; the others are printed before.
    pub fn refuse(&self, context: &mut Context<'_>) -> Result<(), Error> {
        refuse(&self.plan.refusals, context)
    }

    /// Creates keys and certificates in memory and checks the node with them.
    ///
    /// # Errors
    /// Something could not be created, would not be valid, or can't be put in its place.
    pub fn issue(&self) -> Result<Issued, Error> {
        self.checked(change_set(&self.snapshot, &self.inventory, &self.plan)?)
    }

    /// Checks the node with these changes.
    ///
    /// # Errors
    /// Something would not be valid, or can't be put in its place.
    pub fn checked(&self, changes: ChangeSet) -> Result<Issued, Error> {
        let snapshot = self.snapshot.with(&changes);
        // Only credentials change, and where a CA is replaced a manifest: the other facts stay.
        let inventory = Inventory::with_facts(&snapshot, self.inventory.facts.with_manifests(&snapshot));
        let findings = self.findings_after(&snapshot, &inventory);
        verify(&self.plan, &inventory, &findings)
            .map_err(|what| Error::could_not_run(what).code(Code::IssueFailed))?;
        transaction::preview(&self.root, &changes)?;
        Ok(Issued { changes, inventory, findings })
    }

    /// The findings once the credentials have changed. The clock was judged before: what is written now says
    /// nothing about it.
    fn findings_after(&self, snapshot: &Snapshot, inventory: &Inventory) -> Vec<Finding> {
        let around = HostState { time_is_the_clocks: false, ..self.around.clone() };
        findings(Node { snapshot, inventory, around: &around }, self.now)
    }

    /// The metadata of the archive of the old state.
    fn about(&self, context: &Context<'_>) -> archive::About {
        archive::About { created: self.now, ..about(&self.inventory, "before a change", context) }
    }

    /// Archives the old state, makes the change and reads the node again.
    ///
    /// # Errors
    /// The archive could not be created or verified, or the change failed; the error says whether anything
    /// was changed.
    pub fn carry_out(
        &self,
        issued: Issued,
        directory: Option<&Path>,
        context: &mut Context<'_>,
    ) -> Result<Done, Error> {
        let lock = self.taken_lock()?;
        let about = self.about(context);
        let old = Old { snapshot: &self.snapshot, about: &about, directory };
        let Issued { changes, inventory, findings } = issued;
        let archive = replace(&self.root, lock, &old, &changes, context)?;
        let expected = self.snapshot.with(&changes);
        let snapshot = read_again(&self.root, &self.inventory.facts, &expected);
        // The judgement depends on nothing else than what was read, and that was judged before.
        if snapshot.is_same_but_for_times(&expected) {
            return Ok(Done { archive, inventory, findings });
        }
        let inventory = Inventory::with_facts(&snapshot, self.inventory.facts.with_manifests(&snapshot));
        let findings = self.findings_after(&snapshot, &inventory);
        verify(&self.plan, &inventory, &findings).map_err(|what| {
            Error::manual_action(what)
                .code(Code::IssueFailed)
                .hint("kuberescue rollback puts the old state back")
        })?;
        Ok(Done { archive, inventory, findings })
    }
}

/// Refuses if a plan does.
///
/// # Errors
/// The last refusal; the others are printed before.
pub fn refuse(refusals: &[Refusal], context: &mut Context<'_>) -> Result<(), Error> {
    let Some((last, others)) = refusals.split_last() else { return Ok(()) };
    for other in others {
        let mut failure = Error::from(other);
        // The same way out for all of them stands at the end.
        failure.hints.retain(|hint| *hint != last.hint);
        context.out.fail(&failure);
    }
    Err(last.into())
}

/// What a change replaces, and where its archive goes.
pub struct Old<'a> {
    /// The node before the change.
    pub snapshot: &'a Snapshot,
    /// The archive's metadata.
    pub about: &'a archive::About,
    /// The directory of the archive, if it isn't the default.
    pub directory: Option<&'a Path>,
}

/// Archives the old state and applies `changes`; returns the archive's path.
///
/// # Errors
/// The archive could not be created or verified, or the change failed; the error says whether anything was
/// changed.
pub fn replace(
    root: &Root,
    lock: &Lock,
    old: &Old<'_>,
    changes: &ChangeSet,
    context: &mut Context<'_>,
) -> Result<PathBuf, Error> {
    let written = archive_of(root, old, context)?;
    let path = written.path.clone();
    let record = transaction::Context {
        command: context.command_line.clone(),
        operator: context.operator.clone(),
        archive: Some(written),
        now: context.now,
    };
    context.hold_signals();
    if let Some(signal) = signals::arrived() {
        return Err(Error::could_not_run(format!("interrupted by {signal}; nothing was changed"))
            .code(Code::Interrupted)
            .hint("run the same command again"));
    }
    let outcome = transaction::apply(root, lock, changes, &record)?;
    context.changed = true;
    tell(&outcome.meanwhile, BACK, context)?;
    let done = format!("the change of {} is made", count(changes.len(), "path"));
    signals::stop_here(
        &done,
        "sudo kuberescue recover goes on; sudo kuberescue rollback restores the old state",
    )?;
    Ok(path)
}

/// Archives the old state.
///
/// # Errors
/// The archive could not be created or verified. Nothing was changed.
pub fn archive_of(
    root: &Root,
    old: &Old<'_>,
    context: &mut Context<'_>,
) -> Result<transaction::ArchiveRef, Error> {
    let written = archive::write(root, old.directory, &archived(old.snapshot), old.about);
    let written = written.map_err(|error| {
        Error::from(error).hint("nothing was changed; another place for the archive: --archive-dir DIR")
    })?;
    context.out.say(&format!("Archive of the old state, read back and verified: {}", written.path.display()));
    Ok(transaction::ArchiveRef { path: written.path, sha256: written.sha256 })
}

/// Every credential that was made must be free of the faults that reissuing repairs, by the judgement that any node gets.
fn verify(plan: &Plan, inventory: &Inventory, findings: &[Finding]) -> Result<(), String> {
    for step in &plan.authorities {
        let renewed = inventory.authority(step.authority).and_then(|row| row.certificate.get());
        if renewed.is_none_or(|ca| ca.not_after != step.new.not_after) {
            return Err(format!(
                "{}: the renewed one is not where it should be, {}",
                step.name,
                step.path.display()
            ));
        }
    }
    if let Some(new) = &plan.replacement {
        let row = inventory.authority(new.authority);
        let is_there =
            row.and_then(|row| row.certificate.get()).is_some_and(|ca| ca.not_after == new.new.not_after);
        let olds = row.map_or(0, |row| row.predecessors().count());
        if !is_there || (new.stage == Stage::Finish) != (olds < new.olds.len()) {
            let path = new.path.display();
            return Err(format!("{}: the new one is not where it should be, {path}", new.name));
        }
    }
    if plan.signing.is_some()
        && let Some(finding) = findings.iter().find(|finding| finding.code == Code::SigningCaBundle)
    {
        return Err(format!("{}: {}", finding.subject, finding.what));
    }
    for step in &plan.steps {
        let Some(row) = inventory.row(&step.name) else {
            return Err(format!("{}: it is not where it should be", step.name));
        };
        let faulty =
            |finding: &&Finding| finding.subject == step.subject() && goes_with_reissue(finding.code);
        if let Some(finding) = findings.iter().find(faulty) {
            let path = row.path.display();
            return Err(format!("{}: the new certificate {path} is not right: {}", step.name, finding.what));
        }
        let fresh =
            row.certificate.get().is_some_and(|certificate| certificate.not_after == step.new.not_after);
        if !fresh {
            let path = row.path.display();
            return Err(format!("{}: the new one is not where it should be, {path}", step.name));
        }
    }
    for change in &plan.store {
        let faulty = |finding: &&Finding| {
            finding.subject == change.name.as_str().into() && goes_with_reissue(finding.code)
        };
        if let Some(finding) = findings.iter().find(faulty) {
            return Err(format!("{}: its store is not right: {}", change.name, finding.what));
        }
    }
    match findings.iter().find(|finding| kubelet_distrusts(inventory, finding)) {
        Some(finding) if plan.trust.is_some() => Err(format!("{}: {}", finding.subject, finding.what)),
        _ => Ok(()),
    }
}
