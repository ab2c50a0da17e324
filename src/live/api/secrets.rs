//! Secrets: one value is read and replaced. Their content is zeroized when dropped, except in the buffers of
//! the HTTP client.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use zeroize::{Zeroize as _, Zeroizing};

use super::objects::Versioned;
use super::{Api, ApiError, Patch, parse, segment};
use crate::live::deadline::Deadline;

pub struct Secret {
    /// The resourceVersion that was read; an update names it, so that no concurrent change is lost.
    pub version: String,
    /// Whether the API server refuses to change its data.
    pub immutable: bool,
    /// The values, in base64.
    data: BTreeMap<String, Zeroizing<String>>,
}

/// A value of a Secret that is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not base64")]
pub struct NotBase64;

impl Secret {
    pub fn keys(&self) -> Vec<&str> {
        self.data.keys().map(String::as_str).collect()
    }

    /// The value of this name, decoded.
    pub fn value(&self, key: &str) -> Option<Result<Zeroizing<Vec<u8>>, NotBase64>> {
        let text = self.data.get(key)?;
        // Go's decoder skips newlines.
        let one_line: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
        Some(STANDARD.decode(one_line.as_bytes()).map(Zeroizing::new).map_err(|_| NotBase64))
    }
}

impl Api {
    /// Reads a Secret.
    ///
    /// # Errors
    /// No answer, or an unexpected one; one of the names is invalid.
    pub fn secret(&self, namespace: &str, name: &str, deadline: Deadline) -> Result<Secret, ApiError> {
        let body = Zeroizing::new(self.get(&path(namespace, name)?, deadline)?.good()?);
        parse::<SecretObject>(&body).map(Secret::from)
    }

    /// Replaces one value of a Secret if it still has the read `version`; returns the new Secret.
    ///
    /// # Errors
    /// 409 if it was changed meanwhile, 422 if it is immutable, or as any request.
    pub fn replace_value(
        &self,
        (namespace, name): (&str, &str),
        (key, value): (&str, &[u8]),
        version: &str,
        deadline: Deadline,
    ) -> Result<Secret, ApiError> {
        let mut patch =
            json!({"metadata": {"resourceVersion": version}, "data": {key: STANDARD.encode(value)}});
        let changed = self.patch::<SecretObject>(&path(namespace, name)?, (Patch::Merge, &patch), deadline);
        if let Some(serde_json::Value::String(text)) = patch.pointer_mut(&format!("/data/{key}")) {
            text.zeroize();
        }
        changed.map(Secret::from)
    }
}

fn path(namespace: &str, name: &str) -> Result<String, ApiError> {
    let (namespace, name) = (segment("namespace", namespace)?, segment("Secret", name)?);
    Ok(format!("/api/v1/namespaces/{namespace}/secrets/{name}"))
}

#[derive(Deserialize)]
struct SecretObject {
    metadata: Versioned,
    #[serde(default)]
    immutable: Option<bool>,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

impl From<SecretObject> for Secret {
    fn from(object: SecretObject) -> Self {
        let data = object.data.unwrap_or_default().into_iter();
        Self {
            version: object.metadata.version,
            immutable: object.immutable.unwrap_or_default(),
            data: data.map(|(key, value)| (key, Zeroizing::new(value))).collect(),
        }
    }
}
