//! What is decoded of a few kinds of Kubernetes' objects, from protobuf and from JSON. Field numbers are those of k8s.io/api
//! v0.37.0-beta.0 `{core,coordination}/v1/generated.proto`, which never change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::formats::protobuf::{Invalid, Value, fields};

/// What is decoded of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Content {
    /// A kind that isn't decoded.
    #[default]
    Undecoded,
    ConfigMap(BTreeMap<String, String>),
    Secret {
        kind: String,
        data: BTreeMap<String, Vec<u8>>,
    },
    Lease {
        holder: String,
        renewed: Option<Timestamp>,
        /// Seconds.
        duration: u64,
    },
    Node {
        kubelet_version: String,
        /// Type and address.
        addresses: Vec<(String, String)>,
        /// Type, status and when it was reported last.
        conditions: Vec<(String, String, Option<Timestamp>)>,
    },
}

impl Content {
    /// `rest` is what the object has beside its metadata.
    pub(super) fn of_protobuf(
        api_version: &str,
        kind: &str,
        rest: Vec<(u64, Value<'_>)>,
    ) -> Result<Self, Invalid> {
        Ok(match (api_version, kind) {
            ("v1", "ConfigMap") => {
                let mut data = BTreeMap::new();
                for (_, value) in rest.into_iter().filter(|(number, _)| *number == 2) {
                    let (key, value) = entry(value)?;
                    data.insert(key, text(Value::Bytes(value)));
                }
                Content::ConfigMap(data)
            }
            ("v1", "Secret") => {
                let (mut kind, mut data) = (String::new(), BTreeMap::new());
                for (number, value) in rest {
                    match number {
                        2 => {
                            let (key, value) = entry(value)?;
                            data.insert(key, value.to_vec());
                        }
                        3 => kind = text(value),
                        _ => {}
                    }
                }
                Content::Secret { kind, data }
            }
            ("coordination.k8s.io/v1" | "coordination.k8s.io/v1beta1", "Lease") => lease(&rest)?,
            ("v1", "Node") => node(&rest)?,
            _ => Content::Undecoded,
        })
    }

    /// The same of JSON, and of CBOR as JSON.
    pub(super) fn of_json(api_version: &str, kind: &str, json: &Json) -> Self {
        let string = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let at = |pointer: &str| json.pointer(pointer).map(string).unwrap_or_default();
        let map =
            |pointer: &str| json.pointer(pointer).and_then(Json::as_object).cloned().unwrap_or_default();
        let strings =
            |map: Map<String, Json>| map.into_iter().map(|(key, value)| (key, string(&value))).collect();
        match (api_version, kind) {
            ("v1", "ConfigMap") => Content::ConfigMap(strings(map("/data"))),
            ("v1", "Secret") => {
                let decoded = |value: &Json| {
                    use base64::Engine as _;
                    let text = value.as_str().unwrap_or_default();
                    base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default()
                };
                let data = map("/data").iter().map(|(key, value)| (key.clone(), decoded(value))).collect();
                Content::Secret { kind: at("/type"), data }
            }
            ("coordination.k8s.io/v1" | "coordination.k8s.io/v1beta1", "Lease") => Content::Lease {
                holder: at("/spec/holderIdentity"),
                renewed: at("/spec/renewTime").parse().ok(),
                duration: json.pointer("/spec/leaseDurationSeconds").and_then(Json::as_u64).unwrap_or(0),
            },
            ("v1", "Node") => {
                let list = |pointer: &str| {
                    json.pointer(pointer).and_then(Json::as_array).cloned().unwrap_or_default()
                };
                let of = |value: &Json, key: &str| value.get(key).map(string).unwrap_or_default();
                Content::Node {
                    kubelet_version: at("/status/nodeInfo/kubeletVersion"),
                    addresses: list("/status/addresses")
                        .iter()
                        .map(|one| (of(one, "type"), of(one, "address")))
                        .collect(),
                    conditions: list("/status/conditions")
                        .iter()
                        .map(|one| {
                            (of(one, "type"), of(one, "status"), of(one, "lastHeartbeatTime").parse().ok())
                        })
                        .collect(),
                }
            }
            _ => Content::Undecoded,
        }
    }
}

/// `LeaseSpec` is field 2.
fn lease(rest: &[(u64, Value<'_>)]) -> Result<Content, Invalid> {
    let (mut holder, mut renewed, mut duration) = (String::new(), None, 0);
    for (_, value) in rest.iter().filter(|(number, _)| *number == 2) {
        each(*value, |number, value| {
            match number {
                1 => holder = text(value),
                2 => duration = value.number().unwrap_or(0),
                4 => renewed = time(value)?,
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(Content::Lease { holder, renewed, duration })
}

/// `NodeStatus` is field 3.
fn node(rest: &[(u64, Value<'_>)]) -> Result<Content, Invalid> {
    let (mut kubelet_version, mut addresses, mut conditions) = (String::new(), Vec::new(), Vec::new());
    for (_, value) in rest.iter().filter(|(number, _)| *number == 3) {
        each(*value, |number, value| {
            match number {
                4 => conditions.push(condition(value)?),
                5 => {
                    let (kind, address) = entry(value)?;
                    addresses.push((kind, text(Value::Bytes(address))));
                }
                7 => each(value, |number, value| {
                    if number == 7 {
                        kubelet_version = text(value);
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(Content::Node { kubelet_version, addresses, conditions })
}

fn condition(value: Value<'_>) -> Result<(String, String, Option<Timestamp>), Invalid> {
    let mut found = (String::new(), String::new(), None);
    each(value, |number, value| {
        match number {
            1 => found.0 = text(value),
            2 => found.1 = text(value),
            3 => found.2 = time(value)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

/// Each field of a message in a field.
pub(super) fn each<'a>(
    value: Value<'a>,
    mut visit: impl FnMut(u64, Value<'a>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    for field in fields(value.bytes().ok_or(Invalid)?) {
        let (number, value) = field?;
        visit(number, value)?;
    }
    Ok(())
}

/// A key and its value: fields 1 and 2, as of an entry of a map.
pub(super) fn entry(value: Value<'_>) -> Result<(String, &[u8]), Invalid> {
    let mut found = (String::new(), &[][..]);
    each(value, |number, value| {
        match number {
            1 => found.0 = text(value),
            2 => found.1 = value.bytes().ok_or(Invalid)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

pub(super) fn text(value: Value<'_>) -> String {
    value.text().unwrap_or_default()
}

/// `Time` and `MicroTime`: seconds and nanoseconds. A zero time is none.
pub(super) fn time(value: Value<'_>) -> Result<Option<Timestamp>, Invalid> {
    let (mut seconds, mut nanoseconds) = (0, 0);
    each(value, |number, value| {
        match number {
            1 => seconds = value.number().ok_or(Invalid)?.cast_signed(),
            2 => nanoseconds = value.number().ok_or(Invalid)?,
            _ => {}
        }
        Ok(())
    })?;
    let nanoseconds = i32::try_from(nanoseconds).unwrap_or(0);
    Ok(Timestamp::new(seconds, nanoseconds).ok().filter(|_| seconds > 0))
}
