//! Checks before a running node is changed, so that a run that can't succeed doesn't begin.

use std::path::Path;

use nix::unistd::Uid;

use super::host::{Cri, HostArgs, component, outdated_kubelet, outdated_pods, quorum, recorded, with_others};
use super::startable::refuse_unstartable;
use crate::analysis::node::plan::Restarts;
use crate::analysis::node::quorum::Quorum;
use crate::error::Error;
use crate::live::cri::Container;
use crate::live::kubelet::{self, KubeletStatus, Manager};
use crate::session::change::{Issued, Prepared};
use crate::state::text::{count, size};
use crate::state::{ChangeSet, Code, Component, catalog};

/// Bytes for the journal, the lock and a staged copy of each file, besides the contents.
const MARGIN: u64 = 1 << 20;

/// Inodes besides one for each changed file: archive, journal, lock, history, directories.
const MORE_FILES: u64 = 16;

/// The result for a running node that can be changed.
pub struct Preflight {
    /// The container runtime, if it is needed.
    pub cri: Option<Cri>,
    pub quorum: Option<Quorum>,
    /// What must be restarted after the change.
    pub restarts: Restarts,
    /// What was checked: name and result.
    pub lines: Vec<(&'static str, String)>,
}

/// Checks. `issued` is what will be written; it includes the client certificate for etcd. Without `needs_cri`
/// the container runtime is not used; `archive_elsewhere` means that the user chose the archive's directory.
///
/// # Errors
/// Something is missing, or etcd would lose its quorum. Nothing was changed.
pub fn preflight(
    prepared: &Prepared,
    issued: &Issued,
    args: &HostArgs,
    needs_cri: bool,
    archive_elsewhere: bool,
) -> Result<Preflight, Error> {
    let mut lines = Vec::new();
    if !Uid::effective().is_root() {
        return Err(Error::could_not_run("cannot change a running node: only root may; nothing was changed")
            .code(Code::NotRoot)
            .hint("run it again with sudo"));
    }
    lines.push(("root", "uid 0".to_owned()));
    let facts = &prepared.inventory.facts;
    let cri = if needs_cri {
        let cri = Cri::connect(args, facts).map_err(or_without)?;
        let (about, endpoint) = (&cri.about, &cri.endpoint);
        lines.push((
            "runtime",
            format!(
                "{} {}, CRI {}, at {} ({})",
                about.runtime,
                about.version,
                about.api,
                endpoint.socket.display(),
                endpoint.source
            ),
        ));
        Some(cri)
    } else {
        None
    };
    let look = kubelet::look();
    let client = prepared.root().on_host(&prepared.inventory.kubelet_client.path);
    lines.push(("kubelet", in_words(&look, &client)));
    let behind = prepared.findings.iter().any(|finding| finding.code == Code::ClockBehind);
    let when = if behind { "earlier than the newest timestamp" } else { "later than everything" };
    lines.push(("clock", format!("{:.0}, {when} on the disk", prepared.now)));
    lines.push(("space", enough_space(prepared, &issued.changes, archive_elsewhere)?));
    let restarts = after_change(prepared, cri.as_ref(), &look)?;
    if let Some(cri) = &cri {
        lines.push(("images", refuse_unstartable(cri, prepared.root(), facts, &restarts)?));
    }
    let quorum = quorum(&issued.inventory, restarts.has(Component::Etcd), args)?;
    Ok(Preflight { cri, quorum, restarts, lines })
}

/// What must be restarted after the plan's change, determined before it.
fn after_change(prepared: &Prepared, cri: Option<&Cri>, kubelet: &KubeletStatus) -> Result<Restarts, Error> {
    let (inventory, snapshot) = (&prepared.inventory, &prepared.snapshot);
    let recorded = recorded(prepared.root())?;
    let mut tasks: Vec<_> =
        outdated_kubelet(kubelet, inventory, snapshot, &recorded, false).into_iter().collect();
    let running = cri.map(Cri::running).transpose()?;
    if let Some(running) = &running {
        tasks.extend(outdated_pods(inventory, snapshot, &recorded, running));
    }
    // One that keeps exiting reads the new files by itself, and may have other reasons.
    let is_left = |planned: Component| {
        let runs = |container: &Container| component(container) == planned.name();
        planned.is_other() && running.as_ref().is_some_and(|all| !all.iter().any(runs))
    };
    for planned in &prepared.plan.restarts.tasks {
        if !tasks.iter().any(|task| task.component == planned.component) && !is_left(planned.component) {
            tasks.push(planned.clone());
        }
    }
    let known = with_others(&inventory.facts);
    tasks.retain(|task| task.component == Component::Kubelet || known.contains(&task.component));
    Ok(Restarts::of_tasks(tasks))
}

/// Adds how to continue without a runtime that doesn't answer.
pub fn or_without(failure: Error) -> Error {
    let hint = failure.hints.join("; ");
    failure.hint(format!("{hint}; or go without it: --restart=manifest, --restart=none"))
}

/// The kubelet in one line. `client` is the file of its client certificate.
fn in_words(look: &KubeletStatus, client: &Path) -> String {
    let by = match &look.manager {
        Manager::Systemd(_) => "under systemd",
        Manager::Silent(why) => return format!("systemd doesn't tell: {why}"),
        Manager::Other => "not under systemd",
    };
    match &look.running {
        _ if look.crash_looping => format!("keeps dying, {by}"),
        Some(running) => {
            let old = kubelet::changed_at(client)
                .is_some_and(|changed| kubelet::uses_old_certificate(running, changed));
            let with = if old { "; its client certificate's file is newer than that" } else { "" };
            format!("runs since {:.0} (process {}), {by}{with}", running.started, running.pid)
        }
        None => format!("doesn't run, {by}"),
    }
}

fn enough_space(prepared: &Prepared, changes: &ChangeSet, elsewhere: bool) -> Result<String, Error> {
    let new: u64 = changes.iter().filter_map(|change| change.after.as_ref()).map(|entry| entry.size()).sum();
    // The archive is compressed; the worst case is that it can't be.
    let archive = prepared.snapshot.size() + prepared.etcd_snapshot.as_ref().map_or(0, |saved| saved.size);
    let archive = if elsewhere { MARGIN } else { archive + MARGIN };
    let places =
        [(Path::new(catalog::RESCUE_DIR), archive), (Path::new(catalog::KUBERNETES_DIR), new + MARGIN)];
    let mut told = String::new();
    for (place, needed) in places {
        let (_, free) = prepared.root().file_system(place)?;
        let (free, files) = (free.bytes, free.files);
        let files_needed =
            u64::try_from(changes.iter().count()).unwrap_or(u64::MAX).saturating_add(MORE_FILES);
        if let Some(files) = files.filter(|files| *files < files_needed) {
            let what = format!(
                "cannot write to {}: {} can be made there (inodes) and {files_needed} are needed; nothing was changed",
                place.display(),
                count(files, "more file")
            );
            return Err(Error::could_not_run(what)
                .code(Code::NoSpace)
                .hint("df -i shows where the files are; make room"));
        }
        if free < needed {
            let what = format!(
                "cannot write to {}: {} are free and {} needed; nothing was changed",
                place.display(),
                size(free),
                size(needed)
            );
            return Err(Error::could_not_run(what)
                .code(Code::NoSpace)
                .hint("make room; --archive-dir puts the archive elsewhere"));
        }
        let separator = if told.is_empty() { "" } else { ", " };
        told.push_str(&format!("{separator}{} free at {}", size(free), place.display()));
    }
    Ok(told)
}
