//! Doors for the fuzz targets, in their builds only: foreign bytes into what the running node's answers are read
//! with, without a node.

use super::api;
use super::cri::fuzzing::{containers, sandboxes, status};
use super::cri::{Container, GRACE_PERIOD};
use super::restart::log_lines;

/// An answer of the container runtime, as each of the messages that are asked for; all text that was found.
pub fn cri_reply(bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    for Container { id, name, labels, annotations, created_at, .. } in containers(bytes) {
        let grace = annotations.get(GRACE_PERIOD).and_then(|text| text.parse::<u64>().ok());
        texts.extend([id, name, format!("{created_at:?} {grace:?}")]);
        texts.extend(labels.into_values());
    }
    for sandbox in sandboxes(bytes) {
        texts.push(format!("{} {} {}", sandbox.pod_uid, sandbox.pod_name, sandbox.is_static()));
    }
    texts.extend(status(bytes).map(|status| status.message));
    texts
}

/// The body of an answer of the API server, as each of the objects that are asked for.
pub fn api_answer(bytes: &[u8]) -> usize {
    api::fuzzing::answer(bytes)
}

/// The end of a container's log.
pub fn container_log(text: &[u8]) -> Vec<String> {
    log_lines(&String::from_utf8_lossy(text))
}
