//! Entry points for the fuzz targets, only in their builds: foreign bytes into the parsers of the running
//! node's answers, without a node.

use super::api;
use super::cri::fuzzing::{containers, sandboxes, status};
use super::cri::{Container, GRACE_PERIOD};
use super::restart::log_lines;

/// An answer of the container runtime, parsed as each message that is read; returns all text found.
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

/// The body of an answer of the API server, parsed as each object that is read.
pub fn api_answer(bytes: &[u8]) -> usize {
    api::fuzzing::answer(bytes)
}

pub fn container_log(text: &[u8]) -> Vec<String> {
    log_lines(&String::from_utf8_lossy(text))
}
