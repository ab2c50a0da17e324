//! Nothing is stopped that can't start again: what the kubelet will start has its image and its mounts on the node, and
//! etcd its data.

use super::host::Cri;
use crate::analysis::node::facts::Facts;
use crate::analysis::node::findings::{Node, findings};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::Restarts;
use crate::disk::Root;
use crate::error::Error;
use crate::live::registry;
use crate::session::Context;
use crate::session::input::host_state::look_around;
use crate::state::{Code, Component, Snapshot};

/// Looks for what these static pods need to start again. Returns what was found of their images, in a line.
///
/// # Errors
/// Something is not on this node, or the runtime doesn't answer. Nothing was stopped.
pub fn refuse_unstartable(
    cri: &Cri,
    root: &Root,
    facts: &Facts,
    restarts: &Restarts,
) -> Result<String, Error> {
    refuse_missing_paths(root, facts, restarts)?;
    refuse_missing_images(cri, facts, restarts)
}

/// Refuses to stop an etcd that could not start again: `recover` does it by its findings.
///
/// # Errors
/// Its data is gone, or its disk is full. Nothing was stopped.
pub fn refuse_lost_data(
    root: &Root,
    snapshot: &Snapshot,
    inventory: &Inventory,
    restarts: &Restarts,
    context: &Context<'_>,
) -> Result<(), Error> {
    if !restarts.has(Component::Etcd) {
        return Ok(());
    }
    let around = look_around(root, snapshot, inventory, true);
    let found = findings(Node { snapshot, inventory, around: &around }, context.now);
    let keeps_down = |code| matches!(code, Code::EtcdDataMissing | Code::DiskFull);
    let Some(finding) = found.iter().find(|finding| finding.is_blocker() && keeps_down(finding.code)) else {
        return Ok(());
    };
    let what =
        format!("cannot restart etcd: it could not start again: {}: {}", finding.subject, finding.what);
    Err(Error::refused(finding.code, what).hint(format!("kuberescue explain {}", finding.code)))
}

fn refuse_missing_paths(root: &Root, facts: &Facts, restarts: &Restarts) -> Result<(), Error> {
    let mut missing = Vec::new();
    for task in restarts.pods() {
        let Some((_, manifest)) = facts.pod(task.component) else { continue };
        for (path, kind) in &manifest.required_paths {
            let is_there = if kind == "Directory" { root.has_directory(path) } else { root.is_there(path) };
            if !is_there {
                missing.push(format!("{} ({}, {kind})", path.display(), task.component.name()));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    let what = format!(
        "what would be stopped could not start again: not on this node: {missing}; nothing was changed"
    );
    Err(Error::refused(Code::HostPathMissing, what).hint("kuberescue explain host-path-missing"))
}

/// Of these static pods, and of the sandbox that every pod has.
fn refuse_missing_images(cri: &Cri, facts: &Facts, restarts: &Restarts) -> Result<String, Error> {
    let of = |component: Component| {
        let (_, manifest) = facts.pod(component)?;
        Some((component.name(), manifest.image.clone()))
    };
    let mut wanted: Vec<_> = restarts.pods().filter_map(|task| of(task.component)).collect();
    if wanted.is_empty() {
        return Ok("none is needed".to_owned());
    }
    let sandbox = cri.runtime().sandbox_image()?;
    wanted.extend(sandbox.map(|image| ("every pod's sandbox", image)));
    wanted.retain(|(_, image)| !image.is_empty());
    let mut missing = Vec::new();
    for (user, image) in &wanted {
        match cri.runtime().has_image(image)? {
            None => return Ok("the runtime's socket does not say".to_owned()),
            Some(true) => {}
            Some(false) => missing.push((*user, image)),
        }
    }
    let Some((_, first)) = missing.first() else {
        refuse_unreachable_registries(facts, restarts)?;
        return Ok(format!("{} of {} are on this node", wanted.len(), wanted.len()));
    };
    let what: Vec<_> = missing.iter().map(|(user, image)| format!("{image} ({user})")).collect();
    let what = format!(
        "what would be stopped could not start again: not on this node: {}; nothing was changed",
        what.join(", ")
    );
    Err(Error::refused(Code::ImageMissing, what).hint(format!(
        "crictl pull {first}; without a registry, from another node: ctr -n k8s.io images export IMAGE.tar {first}, and here: ctr -n k8s.io images import IMAGE.tar"
    )))
}

/// With `imagePullPolicy: Always` a container starts only after its registry has answered, though the image is there.
fn refuse_unreachable_registries(facts: &Facts, restarts: &Restarts) -> Result<(), Error> {
    for task in restarts.pods() {
        let Some((path, manifest)) = facts.pod(task.component).filter(|(_, pod)| pod.pulls_always) else {
            continue;
        };
        let registry = registry::of_image(&manifest.image);
        if let Err(why) = registry::reach(&registry) {
            let name = task.component.name();
            let what = format!(
                "what would be stopped could not start again: {name} pulls {} at every start (imagePullPolicy Always), and {registry} cannot be reached: {why}; nothing was changed",
                manifest.image
            );
            return Err(Error::refused(Code::ImageMissing, what).hint(format!(
                "the image is on this node: set imagePullPolicy: IfNotPresent in {}, then run it again",
                path.display()
            )));
        }
    }
    Ok(())
}
