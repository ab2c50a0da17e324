//! A lost quorum: this node's etcd becomes a cluster of one. What is needed is checked first; then it goes on in
//! steps that `resume` and `rollback` can take up.

mod steps;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use nix::unistd::Uid;

use self::steps::{FLAG, Manifests, Stage};
use super::host::not_a_host;
use crate::analysis::node::findings::{Node, findings};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::quorum::{Told, is_own};
use crate::disk::rescue::{self, Phase, Rescue};
use crate::disk::transaction::ArchiveRef;
use crate::disk::{Root, data};
use crate::error::Error;
use crate::formats::etcd::{Keys, Member};
use crate::live::etcd::alone::{Other, alone, keys_here, others as others_of};
use crate::live::{etcd, kubelet};
use crate::report::{RescueDone, RescuePlan, UndoReport, Undone};
use crate::session::Context;
use crate::session::change::{Old, archive_of, refuse_if_interrupted, take_lock};
use crate::session::input::host_state::look_around;
use crate::session::input::source::{RootArgs, about};
use crate::state::text::{self, count};
use crate::state::{Code, Component, Snapshot};

/// How long the other members may take to answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Bytes and files beside those of the copy, and how much a file system may need for its own.
const MARGIN: u64 = 16 << 20;

/// What a rescue does on this node, decided before anything is changed.
pub struct Prepared {
    root: Root,
    snapshot: Snapshot,
    inventory: Inventory,
    manifests: Manifests,
    pub plan: RescuePlan,
}

/// Checks whether the quorum is lost, and whether this node's etcd can be rescued. Writes nothing.
///
/// # Errors
/// It can't, or must not be; the error says why.
pub fn prepare(args: &RootArgs, context: &Context<'_>) -> Result<Prepared, Error> {
    if args.root.is_file() {
        return Err(not_a_host(&args.root));
    }
    let root = args.open()?;
    if !root.is_live() {
        return Err(not_a_host(&args.root));
    }
    let (snapshot, inventory) = args.read_control_plane(&root)?;
    refuse_if_interrupted(&root)?;
    if !Uid::effective().is_root() {
        return Err(Error::could_not_run("cannot change a running node: only root may; nothing was changed")
            .code(Code::NotRoot)
            .hint("run it again with sudo"));
    }
    refuse_broken(&root, &snapshot, &inventory, context.now)?;
    let (manifest, manifests) = manifests(&snapshot, &inventory)?;
    let (here, lost, source) = members(&inventory)?;
    refuse_without_kubelet()?;
    let data = data_directory(&root, &inventory)?;
    let size = data::measure(&root, &data)
        .map_err(|error| Error::refused(Code::Unsupported, error).hint("sudo kuberescue diagnose"))?;
    let copy = rescue::copy_of(&data, context.now);
    let (free, must_share) = room(&root, &copy, size)?;
    let keys = keys_here(&inventory, ANSWER);
    let recorded = inventory.facts.etcd_records().and_then(|records| records.status.revision.try_into().ok());
    let revision = keys.map(|keys| keys.revision).max(recorded);
    let plan =
        RescuePlan { here, lost, source, manifest, data, copy, size, free, must_share, keys, revision };
    Ok(Prepared { root, snapshot, inventory, manifests, plan })
}

/// What else is broken is repaired first: a rescue with expired certificates could not be proved.
fn refuse_broken(
    root: &Root,
    snapshot: &Snapshot,
    inventory: &Inventory,
    now: Timestamp,
) -> Result<(), Error> {
    let around = look_around(root, snapshot, inventory, true);
    let found = findings(Node { snapshot, inventory, around: &around }, now);
    let Some(first) = found.iter().find(|finding| finding.is_blocker()) else {
        return Ok(());
    };
    let why = format!("this node has a blocking problem of its own: {}: {}", first.subject, first.what);
    Err(refused(first.code, &why).hint("sudo kuberescue diagnose shows the way out; then run it again"))
}

fn refused(code: Code, why: &str) -> Error {
    Error::refused(code, format!("cannot rescue etcd: {why}"))
}

fn manifests(snapshot: &Snapshot, inventory: &Inventory) -> Result<(PathBuf, Manifests), Error> {
    let Some((path, pod)) = inventory.facts.pod(Component::Etcd) else {
        let directory = inventory.facts.manifest_dir.value.display();
        return Err(refused(Code::ManifestMissing, &format!("no manifest of it in {directory}")).hint(
            "etcd rescue is for the etcd that kubeadm runs as a static pod; sudo kuberescue diagnose",
        ));
    };
    let unclear = |why: &str| {
        Error::refused(Code::EtcdManifestUnclear, format!("cannot use {}: {why}", path.display()))
            .hint("kuberescue explain etcd-manifest-unclear")
    };
    if pod.flag("wal-dir").is_some() {
        return Err(unclear("--wal-dir keeps etcd's log outside its data directory"));
    }
    let resolved =
        snapshot.resolve(path).ok().filter(|resolved| resolved.path.file_name() == path.file_name());
    let Some((resolved, entry)) = resolved.and_then(|one| Some((one.path, one.entry?))) else {
        return Err(unclear("it is a link"));
    };
    match Manifests::of(entry) {
        Some(manifests) => Ok((resolved, manifests)),
        None => Err(unclear(&format!("--{FLAG} cannot be put in without changing more than that"))),
    }
}

/// This node's member, the others, and where they were read.
fn members(inventory: &Inventory) -> Result<(String, Vec<Other>, String), Error> {
    let Some(Told { members, source }) = etcd::members(inventory, ANSWER) else {
        return Err(
            refused(Code::EtcdManifestUnclear, "its members are not known").hint("sudo kuberescue diagnose")
        );
    };
    // The manifest may still name members that were removed.
    if alone(inventory, ANSWER).is_ok() {
        return Err(refused(Code::EtcdNotLost, "it has one member, this node's, and is healthy")
            .hint("sudo kuberescue probe"));
    }
    let (here, others): (Vec<&Member>, Vec<&Member>) =
        members.iter().partition(|member| is_own(member, &inventory.facts));
    let here = match here.as_slice() {
        [here] => here.name.clone(),
        _ => {
            let what =
                format!("this node's etcd is not a voting member of its cluster (members from {source})");
            return Err(refused(Code::EtcdNotLost, &what).hint("sudo kuberescue diagnose"));
        }
    };
    if others.is_empty() {
        let what = format!("it has one member, this node's, and needs no other one (members from {source})");
        return Err(refused(Code::EtcdNotLost, &what).hint("sudo kuberescue probe"));
    }
    let mut lost = others_of(inventory, &others, ANSWER);
    // etcd lists them by their random ids.
    lost.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some(other) = lost.iter().find(|other| other.answers.is_some()) {
        let at = other.answers.map(|address| address.to_string()).unwrap_or_default();
        let what = format!(
            "{} answers at {at}: a quorum may come back, and may have what this node lacks",
            other.name
        );
        return Err(refused(Code::EtcdNotLost, &what)
            .hint("bring the other members back: sudo kuberescue recover on each of them"));
    }
    if let Some((other, url)) = lost.iter().find_map(|other| Some((other, other.unasked.as_ref()?))) {
        let what = format!("{} cannot be asked: its address is a name ({url})", other.name);
        return Err(refused(Code::EtcdNotLost, &what).hint("kuberescue explain etcd-not-lost"));
    }
    Ok((here, lost, source))
}

/// The kubelet stops and starts etcd.
fn refuse_without_kubelet() -> Result<(), Error> {
    let look = kubelet::look();
    if look.running.is_some() && !look.crash_looping {
        return Ok(());
    }
    Err(refused(Code::KubeletCrashLoop, "the kubelet does not run, and nothing else starts etcd")
        .hint("sudo kuberescue recover"))
}

fn data_directory(root: &Root, inventory: &Inventory) -> Result<PathBuf, Error> {
    let data = inventory.facts.etcd_data().unwrap_or_default();
    data::real(root, &data).map_err(|error| Error::refused(Code::EtcdDataMissing, error))
}

/// Whether there is room for the copy: the free bytes, and whether they are enough only for one that shares its content.
fn room(root: &Root, copy: &Path, size: data::Size) -> Result<(u64, bool), Error> {
    let place = copy.parent().unwrap_or(copy);
    let (_, free) = root.file_system(place)?;
    let files = size.files.saturating_add(16);
    if let Some(free) = free.files.filter(|free| *free < files) {
        let what = format!("{} can be made there and {files} are needed", count(free, "more file"));
        return Err(no_space(copy, &what));
    }
    let must_share = free.bytes < size.bytes.saturating_add(MARGIN);
    if must_share && (free.bytes < MARGIN || !data::may_share(root, copy)?) {
        return Err(too_little(copy, free.bytes, size));
    }
    Ok((free.bytes, must_share))
}

fn too_little(copy: &Path, free: u64, size: data::Size) -> Error {
    let needed = size.bytes.saturating_add(MARGIN);
    no_space(copy, &format!("{} are free and {} needed", text::size(free), text::size(needed)))
}

fn no_space(copy: &Path, what: &str) -> Error {
    let place = copy.parent().unwrap_or(copy);
    Error::could_not_run(format!("cannot copy to {}: {what}; nothing was changed", place.display()))
        .code(Code::NoSpace)
        .hint("make room there: etcd's data is copied before it is changed")
}

/// Archives the node, and makes its etcd a cluster of one.
///
/// # Errors
/// A step failed. Before etcd was changed everything is put back; after that `resume` goes on and `rollback` puts the
/// old data back.
pub fn carry_out(
    prepared: &Prepared,
    patience: Duration,
    context: &mut Context<'_>,
) -> Result<RescueDone, Error> {
    let Prepared { root, snapshot, inventory, manifests, plan } = prepared;
    let lock = take_lock(root, context)?;
    refuse_if_interrupted(root)?;
    if plan.must_share && !data::shares(root, &plan.data, &plan.copy)? {
        return Err(too_little(&plan.copy, plan.free, plan.size));
    }
    let about = about(inventory, "before etcd rescue", context);
    let archive = archive_of(root, &Old { snapshot, about: &about, directory: None }, context)?;
    let path = archive.path.clone();
    context.hold_signals();
    let mut rescue = record(plan, archive, context);
    rescue.write(&lock)?;
    let stage = Stage { root, lock: &lock, manifests, inventory, patience };
    match stage.go_on(&mut rescue, context) {
        Ok(Some(keys)) => Ok(RescueDone { archive: path, keys, took: context.elapsed() }),
        Ok(None) => Err(taken_back("etcd rescue was taken back")),
        Err(failure) if rescue.phase == Phase::Copying => {
            rescue.phase = Phase::Abandoning;
            rescue.write(&lock)?;
            stage.go_on(&mut rescue, context)?;
            Err(Error { kind: crate::error::Kind::RolledBack, hints: Vec::new(), ..failure }
                .hint("etcd's data and its manifest are as they were; once the cause is gone run it again"))
        }
        Err(failure) => Err(failure),
    }
}

fn record(plan: &RescuePlan, archive: ArchiveRef, context: &Context<'_>) -> Rescue {
    Rescue::new(
        (context.command_line.clone(), context.now),
        plan.manifest.clone(),
        archive,
        (plan.data.clone(), plan.copy.clone()),
        plan.lost_names(),
        plan.revision,
    )
}

fn taken_back(what: &str) -> Error {
    Error::rolled_back(what).code(Code::RolledBack)
}

/// Takes up a rescue that was interrupted: goes on in its direction, or, with `back`, puts etcd's old data and manifest
/// back. Returns etcd's keys where it is a cluster of one then.
///
/// # Errors
/// A step failed; the record stays.
pub fn take_up(
    args: &RootArgs,
    root: &Root,
    mut rescue: Rescue,
    (back, patience): (bool, Duration),
    context: &mut Context<'_>,
) -> Result<Option<Keys>, Error> {
    let forward = !back && !rescue.phase.is_backward();
    if forward && !root.is_live() {
        let what = "cannot complete the rescue of etcd: it does not run on a disk";
        return Err(Error::could_not_run(what).code(Code::NotAHost).hint(format!(
            "kuberescue rollback --root {} puts etcd's old data and its manifest back",
            args.root.display()
        )));
    }
    let manifests = Manifests::archived(root, &rescue)?;
    let (mut snapshot, _) = args.read_from(root)?;
    snapshot.insert(&rescue.manifest, manifests.old().clone());
    let inventory = args.inventory_of(&snapshot)?;
    let lock = take_lock(root, context)?;
    context.hold_signals();
    if back && !rescue.phase.is_backward() {
        let unchanged = rescue.phase == Phase::Copying;
        rescue.phase = if unchanged { Phase::Abandoning } else { Phase::Undoing };
        rescue.write(&lock)?;
    }
    let stage = Stage { root, lock: &lock, manifests: &manifests, inventory: &inventory, patience };
    stage.go_on(&mut rescue, context)
}

/// `resume` and `rollback` of a rescue that was interrupted, with their report.
///
/// # Errors
/// A step failed; the record stays.
pub fn end(
    args: &RootArgs,
    root: &Root,
    rescue: Rescue,
    back: bool,
    context: &mut Context<'_>,
) -> Result<UndoReport, Error> {
    let mut report = planned(&rescue);
    report.dry_run = false;
    let (copy, undone) = (rescue.copy.clone(), !matches!(rescue.phase, Phase::Copying | Phase::Abandoning));
    let kept = rescue.data.join(&rescue.kept);
    (report.result, report.text) = match take_up(args, root, rescue, (back, PATIENCE), context)? {
        Some(keys) => (
            Undone::Resumed,
            format!(
                "Resumed: etcd has one member and is healthy with its old manifest ({} at revision {}).\nThe data before the rescue: {}\n",
                count(keys.count, "key"),
                keys.revision,
                copy.display()
            ),
        ),
        None if undone => (
            Undone::RolledBack,
            format!(
                "Rolled back: etcd's old data and its old manifest are in their places. What the rescued etcd has written: {}\n",
                kept.display()
            ),
        ),
        None => {
            let text = "Rolled back: etcd's old manifest is in its place, and its data was not changed.\n";
            (Undone::RolledBack, text.to_owned())
        }
    };
    Ok(report)
}

/// The report of a dry run: the manifest and the data directory are what it is about.
pub fn planned(rescue: &Rescue) -> UndoReport {
    let items = [&rescue.manifest, &rescue.data].map(|path| path.display().to_string()).to_vec();
    let text = items.iter().map(|item| format!("{item}\n")).collect();
    UndoReport {
        result: Undone::Planned,
        command: Some(rescue.command.clone()),
        started: Some(rescue.started),
        items,
        text,
        ..UndoReport::nothing("", true)
    }
}

/// What becomes of a rescue that was interrupted.
pub fn in_words(rescue: &Rescue, back: bool) -> String {
    let what = if back || rescue.phase.is_backward() {
        "puts etcd's old data and its old manifest back"
    } else {
        "goes on until etcd is a healthy cluster of one with its old manifest"
    };
    let Rescue { command, started, .. } = rescue;
    format!("\"{command}\" of {started:.0} was interrupted: {what}")
}

/// How long etcd may take to stop, and to be healthy, if nothing else is said: a container that has kept exiting is
/// started again after 5 minutes only (kubernetes `pkg/kubelet/kubelet.go` MaxCrashLoopBackOff).
const PATIENCE: Duration = Duration::from_secs(600);
