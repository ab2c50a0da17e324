//! The envelope of every JSON document of ours: `apiVersion`, `kind`, `time`, then the fields of the kind.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{sanitise, yaml};

/// Changes only if a field is removed or changes its meaning.
const API_VERSION: &str = "kuberescue/v1";

/// Every kind, with its schema in `docs/`.
pub const KINDS: [(&str, &str); 33] = [
    ("Archive", "archive.schema.json"),
    ("ArchiveComparison", "archive-comparison.schema.json"),
    ("ArchiveList", "archive-list.schema.json"),
    ("ArchiveRestore", "archive-restore.schema.json"),
    ("ArchiveVerification", "archive-verification.schema.json"),
    ("Bundle", "bundle.schema.json"),
    ("BundleApply", "bundle-apply.schema.json"),
    ("CertificateRequests", "certificate-requests.schema.json"),
    ("ClusterVerification", "cluster.schema.json"),
    ("CodeList", "codes.schema.json"),
    ("Diagnosis", "diagnosis.schema.json"),
    ("DiagnosisList", "diagnosis-list.schema.json"),
    ("Error", "error.schema.json"),
    ("EtcdKeyList", "etcd-keys.schema.json"),
    ("EtcdMemberList", "etcd-members.schema.json"),
    ("EtcdRescue", "etcd-rescue.schema.json"),
    ("EtcdSavedSnapshot", "etcd-saved-snapshot.schema.json"),
    ("EtcdSnapshot", "etcd-snapshot.schema.json"),
    ("EtcdStatus", "etcd-status.schema.json"),
    ("KubeconfigCheck", "kubeconfig.schema.json"),
    ("KubeconfigComparison", "kubeconfig-comparison.schema.json"),
    ("KubeconfigReplacement", "kubeconfig-replacement.schema.json"),
    ("NewKubeconfig", "new-kubeconfig.schema.json"),
    ("NodeList", "nodes-list.schema.json"),
    ("Probe", "probe.schema.json"),
    ("Recovery", "recovery.schema.json"),
    ("Restart", "restart.schema.json"),
    ("ResumeResult", "resume.schema.json"),
    ("RollbackResult", "rollback.schema.json"),
    ("Rollout", "rollout.schema.json"),
    ("SignedCertificates", "signed-certificates.schema.json"),
    ("Timeline", "timeline.schema.json"),
    ("TrustGraph", "trust.schema.json"),
];

/// A table, or a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DocumentFormat {
    /// Text for a terminal
    #[default]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

impl DocumentFormat {
    /// `body` as text or as a document of this kind.
    pub(super) fn render<T: Serialize>(
        self,
        kind: &str,
        time: Timestamp,
        body: &T,
        text: impl Fn(&T) -> String,
    ) -> String {
        match self {
            Self::Table => text(body),
            Self::Json => document(kind, time, body),
            Self::Yaml => yaml_document(kind, time, body),
        }
    }
}

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
    sanitise::document(&envelope(kind, time, body))
}

/// A document whose `items` are rendered one after the other, so that many are never in memory as text. `body` has no items
/// yet, and `items` as its first field.
pub(super) fn in_parts<T: Serialize>(
    (kind, time, is_yaml): (&str, Timestamp, bool),
    body: &impl Serialize,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&str),
) {
    let (text, empty) = match is_yaml {
        true => (yaml_document(kind, time, body), "\nitems: []\n"),
        false => (document(kind, time, body), "\n  \"items\": []"),
    };
    let mut items = items.peekable();
    let Some((before, after)) = text.split_once(empty).filter(|_| items.peek().is_some()) else {
        return write(&text);
    };
    write(before);
    write(if is_yaml { "\nitems:\n" } else { "\n  \"items\": [" });
    let mut is_first = true;
    for item in items {
        if is_yaml {
            let item = serde_json::to_value(item).unwrap_or_default();
            write(&yaml::render(&Value::Array(vec![item])));
        } else {
            let item = sanitise::document(&item);
            let item = item.trim_end().replace('\n', "\n    ");
            write(&format!("{}\n    {item}", if is_first { "" } else { "," }));
        }
        is_first = false;
    }
    write(if is_yaml { "" } else { "\n  ]" });
    write(after);
}

/// The same document in YAML.
pub(super) fn yaml_document(kind: &str, time: Timestamp, body: &impl Serialize) -> String {
    // It holds nothing that JSON cannot.
    yaml::render(&serde_json::to_value(envelope(kind, time, body)).unwrap_or_default())
}

fn envelope<'a, T: Serialize>(kind: &'a str, time: Timestamp, body: &'a T) -> Envelope<'a, T> {
    debug_assert!(KINDS.iter().any(|(known, _)| *known == kind), "{kind} has no schema");
    Envelope { api_version: API_VERSION, kind, time, body }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_in_parts_is_the_same_document() {
        #[derive(Serialize)]
        struct Body {
            items: Vec<Value>,
            history: Value,
        }
        let history = json!(["a\nitems: []\n", {"items": []}]);
        let all =
            [vec![], vec![json!({"a": 1})], vec![json!({"a": [1, {"b": "x\ny\u{1b}"}]}), json!({"c": {}})]];
        for items in all {
            let none = Body { items: Vec::new(), history: history.clone() };
            let body = Body { items: items.clone(), history: history.clone() };
            let now = Timestamp::UNIX_EPOCH;
            for (is_yaml, text) in
                [(false, document("Archive", now, &body)), (true, yaml_document("Archive", now, &body))]
            {
                let mut parts = String::new();
                in_parts(("Archive", now, is_yaml), &none, items.iter(), |part| parts.push_str(part));
                assert_eq!(parts, text);
            }
        }
    }
}
