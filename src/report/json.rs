//! The envelope of every JSON document of ours: `apiVersion`, `kind`, `time`, then the fields of the kind.

use jiff::Timestamp;
use serde::Serialize;

use super::{sanitise, yaml};

/// Changes only if a field is removed or changes its meaning.
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
    // JSON can express it.
    yaml::render(&serde_json::to_value(envelope).unwrap_or_default())
}
