//! What has to be right before a running node is changed: looked at first, so that a run that can't end well
//! doesn't begin.

use std::path::Path;

use nix::unistd::Uid;

use super::host::{Cri, HostArgs, components, outdated_kubelet, outdated_pods, quorum, recorded};
use crate::analysis::node::plan::Restarts;
use crate::analysis::node::quorum::Quorum;
use crate::error::Error;
use crate::live::kubelet::{self, KubeletStatus, Manager};
use crate::session::change::{Issued, Prepared};
use crate::state::{ChangeSet, Code, Component, catalog};

/// What the journal, the lock and a staged copy of each file take beside the contents, in bytes.
const MARGIN: u64 = 1 << 20;

/// What has to be made beside a file for each that is changed: archive, journal, lock, history, directories.
const MORE_FILES: u64 = 16;

/// A running node that can be changed.
pub struct Preflight {
    /// The container runtime, where it is needed.
    pub cri: Option<Cri>,
    /// etcd's members.
    pub quorum: Option<Quorum>,
    /// What has to be restarted after the change.
    pub restarts: Restarts,
    /// What was looked at, name and result.
    pub lines: Vec<(&'static str, String)>,
}

/// Looks. `issued` is what is going to be written; etcd is asked with a client certificate that is in there.
/// Without `needs_cri` the container runtime is not asked; `archive_elsewhere` says that the archive goes to a
/// place of the operator's.
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
        return Err(Error::could_not_run("a running node is changed by root alone; nothing was changed")
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
    lines.push(("clock", format!("{:.0}, later than everything on the disk", prepared.now)));
    lines.push(("space", enough_space(prepared, &issued.changes, archive_elsewhere)?));
    let restarts = after_change(prepared, cri.as_ref(), &look)?;
    let quorum = quorum(&issued.inventory, restarts.has(Component::Etcd), args)?;
    Ok(Preflight { cri, quorum, restarts, lines })
}

/// What has to be restarted after the plan's change, told before it is made.
fn after_change(prepared: &Prepared, cri: Option<&Cri>, kubelet: &KubeletStatus) -> Result<Restarts, Error> {
    let (inventory, snapshot) = (&prepared.inventory, &prepared.snapshot);
    let recorded = recorded(prepared.root())?;
    let mut tasks: Vec<_> =
        outdated_kubelet(kubelet, inventory, snapshot, &recorded, false).into_iter().collect();
    if let Some(cri) = cri {
        tasks.extend(outdated_pods(inventory, snapshot, &recorded, &cri.running()?));
    }
    for planned in &prepared.plan.restarts.tasks {
        if !tasks.iter().any(|task| task.component == planned.component) {
            tasks.push(planned.clone());
        }
    }
    let known = components(&inventory.facts);
    tasks.retain(|task| task.component == Component::Kubelet || known.contains(&task.component));
    Ok(Restarts::of_tasks(tasks))
}

/// A runtime that doesn't answer can be done without.
pub fn or_without(failure: Error) -> Error {
    let hint = failure.hints.join("; ");
    failure.hint(format!("{hint}; or go without it: --restart=manifest, --restart=none"))
}

/// The kubelet in a line. `client` is the file of its client certificate.
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
    // The archive is compressed; that it isn't is the worst case.
    let archive = if elsewhere { MARGIN } else { prepared.snapshot.size() + MARGIN };
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
                "{}: {files} more files can be made there (inodes) and {files_needed} are needed; nothing was changed",
                place.display()
            );
            return Err(Error::could_not_run(what)
                .code(Code::NoSpace)
                .hint("df -i shows where the files are; make room"));
        }
        if free < needed {
            let what = format!(
                "{}: {} KiB are free and {} KiB needed; nothing was changed",
                place.display(),
                free >> 10,
                needed >> 10
            );
            return Err(Error::could_not_run(what)
                .code(Code::NoSpace)
                .hint("make room; --archive-dir puts the archive elsewhere"));
        }
        let separator = if told.is_empty() { "" } else { ", " };
        told.push_str(&format!("{separator}{} MiB free at {}", free >> 20, place.display()));
    }
    Ok(told)
}
