//! ConfigMaps: one value is read and replaced.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::objects::Versioned;
use super::{Api, ApiError, Patch, parse, segment};
use crate::live::deadline::Deadline;

#[derive(Deserialize)]
pub struct ConfigMap {
    metadata: Versioned,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

impl ConfigMap {
    pub fn value(&self, key: &str) -> Option<&str> {
        self.data.as_ref()?.get(key).map(String::as_str)
    }
}

impl Api {
    /// Reads a ConfigMap.
    ///
    /// # Errors
    /// No answer, or an unexpected one; one of the names is invalid.
    pub fn config_map(&self, namespace: &str, name: &str, deadline: Deadline) -> Result<ConfigMap, ApiError> {
        parse(&self.get(&path(namespace, name)?, deadline)?.good()?)
    }

    /// Replaces one value of a ConfigMap if it is still the one that was read.
    ///
    /// # Errors
    /// 409 if it was changed meanwhile, or as any request.
    pub fn replace_in_config_map(
        &self,
        (namespace, name): (&str, &str),
        (key, value): (&str, &str),
        read: &ConfigMap,
        deadline: Deadline,
    ) -> Result<(), ApiError> {
        let patch = json!({"metadata": {"resourceVersion": read.metadata.version}, "data": {key: value}});
        self.patch::<ConfigMap>(&path(namespace, name)?, (Patch::Merge, &patch), deadline).map(|_| ())
    }
}

fn path(namespace: &str, name: &str) -> Result<String, ApiError> {
    let (namespace, name) = (segment("namespace", namespace)?, segment("ConfigMap", name)?);
    Ok(format!("/api/v1/namespaces/{namespace}/configmaps/{name}"))
}
