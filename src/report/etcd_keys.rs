//! Keys of etcd's database with what is decoded of their values. The values of Secrets are left out unless they were
//! asked for.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::json::DocumentFormat;
use crate::formats::etcd::{CaBundle, Content, KeyValue, Object, Stored};

/// An `EtcdKeyList`: `docs/etcd-keys.schema.json`.
pub struct EtcdKeys {
    items: Vec<(String, Value)>,
    reveal: bool,
    secrets: usize,
}

impl EtcdKeys {
    /// `reveal`: with the values of Secrets.
    pub fn new(reveal: bool) -> Self {
        Self { items: Vec::new(), reveal, secrets: 0 }
    }

    pub fn add(&mut self, entry: &KeyValue<'_>) {
        let stored = Stored::parse(entry.value);
        let (encoding, provider, problem, object) = match &stored {
            Stored::Object(object) => (object.encoding, None, None, Some(self.object(object))),
            Stored::Encrypted(provider) => ("encrypted", Some(provider.as_str()), None, None),
            Stored::Other(why) => ("unknown", None, Some(*why), None),
        };
        if let Stored::Object(object) = &stored
            && matches!(object.content, Content::Secret { .. })
        {
            self.secrets += 1;
        }
        let key = String::from_utf8_lossy(entry.key).into_owned();
        let item = json!({
            "key": key,
            "createRevision": entry.create_revision,
            "modRevision": entry.mod_revision,
            "version": entry.version,
            "lease": (entry.lease != 0).then(|| format!("{:x}", entry.lease)),
            "size": entry.value.len(),
            "encoding": encoding,
            "provider": provider,
            "problem": problem,
            "object": object,
        });
        self.items.push((key, item));
    }

    /// How many of them are Secrets.
    pub fn secrets(&self) -> usize {
        self.secrets
    }

    pub fn count(&self) -> u64 {
        self.items.len() as u64
    }

    pub fn render(
        mut self,
        format: DocumentFormat,
        file: &Path,
        modified: Timestamp,
        revision: i64,
        now: Timestamp,
    ) -> String {
        self.items.sort_by(|one, other| one.0.cmp(&other.0));
        let items: Vec<_> = self.items.into_iter().map(|(_, item)| item).collect();
        let body = json!({
            "file": file.display().to_string(),
            "modified": modified,
            "revision": revision,
            "items": items,
        });
        format.render("EtcdKeyList", now, &body, |_| String::new())
    }

    fn object(&self, object: &Object) -> Value {
        let mut found = Map::new();
        let mut set = |key: &str, value: Value| drop(found.insert(key.to_owned(), value));
        set("apiVersion", json!(object.api_version));
        set("kind", json!(object.kind));
        set("name", json!(object.name));
        set("namespace", json!(object.namespace));
        set("labels", json!(object.labels));
        set("creationTimestamp", json!(object.created));
        match &object.content {
            Content::Undecoded => {}
            Content::ConfigMap(data) => set("data", json!(data)),
            Content::Secret { kind, data } => {
                set("type", json!(kind));
                set("keys", json!(data.keys().collect::<Vec<_>>()));
                if self.reveal {
                    let encoded =
                        data.iter().map(|(key, value)| (key.clone(), json!(STANDARD.encode(value))));
                    set("data", Value::Object(encoded.collect()));
                }
            }
            Content::Lease { holder, renewed, duration } => {
                set("holderIdentity", json!(holder));
                set("renewTime", json!(renewed));
                set("leaseDurationSeconds", json!(duration));
            }
            Content::Node { kubelet_version, addresses, conditions } => {
                set("kubeletVersion", json!(kubelet_version));
                let address = |(kind, address): &(String, String)| json!({"type": kind, "address": address});
                set("addresses", addresses.iter().map(address).collect());
                let condition = |(kind, status, time): &(String, String, Option<Timestamp>)| json!({"type": kind, "status": status, "lastHeartbeatTime": time});
                set("conditions", conditions.iter().map(condition).collect());
            }
            Content::CaBundles(bundles) => {
                let bundle =
                    |one: &CaBundle| json!({"name": one.name, "caBundle": String::from_utf8_lossy(&one.pem)});
                set("caBundles", bundles.iter().map(bundle).collect());
            }
            Content::SigningRequest { signer, username, is_pending } => {
                set("signerName", json!(signer));
                set("username", json!(username));
                set("pending", json!(is_pending));
            }
        }
        Value::Object(found)
    }
}
