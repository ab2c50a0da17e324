//! Nothing is stopped that can't start again: what the kubelet will start has its image on the node.

use super::host::Cri;
use crate::analysis::node::facts::Facts;
use crate::analysis::node::plan::Restarts;
use crate::error::Error;
use crate::state::{Code, Component};

/// Looks for the images of these static pods, and of the sandbox that every pod has. Returns what was found, in a line.
///
/// # Errors
/// One is not on this node, or the runtime doesn't answer. Nothing was stopped.
pub fn refuse_missing(cri: &Cri, facts: &Facts, restarts: &Restarts) -> Result<String, Error> {
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
