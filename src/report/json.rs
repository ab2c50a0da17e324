//! The envelope of every document of ours: `apiVersion`, `kind`, `time`, then what the kind holds.

use jiff::Timestamp;
use serde::Serialize;

use super::{sanitise, yaml};

/// Grows only when a field is taken away or means something else.
const API_VERSION: &str = "kuberescue/v1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, T> {
    api_version: &'static str,
    kind: &'a str,
    time: Timestamp,
    #[serde(flatten)]
    body: &'a T,
}

/// A JSON document of this kind. `body` must serialise as an object.
pub(super) fn document(kind: &str, time: Timestamp, body: &impl Serialize) -> String {
    sanitise::document(&Envelope { api_version: API_VERSION, kind, time, body })
}

/// The same document in YAML.
pub(super) fn yaml_document(kind: &str, time: Timestamp, body: &impl Serialize) -> String {
    let envelope = Envelope { api_version: API_VERSION, kind, time, body };
    // It holds nothing that JSON cannot.
    yaml::render(&serde_json::to_value(envelope).unwrap_or_default())
}
