//! The API's objects, only with the fields that are read: the same object of another version works too.

use jiff::Timestamp;
use serde::Deserialize;

use crate::formats::objects::nullable;

#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct List<T> {
    pub(super) metadata: ListMetadata,
    /// Some aggregated APIs return `null` if there are none.
    #[serde(deserialize_with = "nullable")]
    pub(super) items: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct ListMetadata {
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Versioned {
    /// An update that names it is refused where the object was changed meanwhile.
    #[serde(rename = "resourceVersion")]
    pub(super) version: String,
}

#[derive(Deserialize)]
pub(super) struct LeaseObject {
    pub(super) spec: LeaseSpec,
}

#[derive(Deserialize)]
pub(super) struct LeaseSpec {
    #[serde(rename = "leaseDurationSeconds")]
    pub(super) seconds: Option<i64>,
    #[serde(rename = "renewTime")]
    pub(super) renewed: Option<Timestamp>,
}
