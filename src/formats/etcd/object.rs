//! Kubernetes' objects as the API server stores them: protobuf in an envelope, JSON or CBOR, or encrypted (k8s.io/apimachinery
//! `pkg/runtime/serializer/{protobuf,cbor}`, k8s.io/apiserver `pkg/storage/value`). Only what is needed of a few kinds
//! is decoded; field numbers are those of k8s.io/api v0.37.0-beta.0 `{core,coordination}/v1/generated.proto` and apimachinery's
//! `meta/v1/generated.proto`, which never change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::cbor;
use crate::formats::protobuf::{Invalid, Value, fields};

/// Before an envelope of protobuf.
const PROTOBUF: &[u8] = b"k8s\0";
/// Tag 55799, with which CBOR describes itself (RFC 8949, 3.4.6).
const CBOR: &[u8] = b"\xd9\xd9\xf7";
const ENCRYPTED: &[u8] = b"k8s:enc:";
/// The largest value that is decoded, in bytes: what is decoded takes up to thirty times as much. etcd's limit of a
/// request is 1.5 MiB unless it was raised.
const MOST: usize = 2 << 20;

/// An object, or why it isn't one.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    Object(Box<Object>),
    /// With the provider's name, such as `aescbc` or `kms`.
    Encrypted(String),
    /// It is nothing that an API server stores, or damaged: with the reason.
    Other(&'static str),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// `protobuf`, `json` or `cbor`.
    pub encoding: &'static str,
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub namespace: String,
    pub labels: BTreeMap<String, String>,
    pub created: Option<Timestamp>,
    pub content: Content,
}

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

impl Stored {
    /// Decodes a value.
    pub fn parse(value: &[u8]) -> Self {
        if let Some(rest) = value.strip_prefix(ENCRYPTED) {
            let end = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len().min(64));
            return Self::Encrypted(
                String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned(),
            );
        }
        if value.len() > MOST {
            return Self::Other("larger than what is decoded");
        }
        if let Some(envelope) = value.strip_prefix(PROTOBUF) {
            return match enveloped(envelope) {
                Ok(Some(object)) => Self::Object(Box::new(object)),
                Ok(None) => Self::Other("an envelope with another encoding than protobuf"),
                Err(Invalid) => Self::Other("damaged protobuf"),
            };
        }
        let (encoding, json) = if value.starts_with(CBOR) {
            ("cbor", cbor::parse(value))
        } else if value.first() == Some(&b'{') {
            ("json", serde_json::from_slice(value).ok())
        } else {
            return Self::Other("not an object of Kubernetes");
        };
        match json {
            Some(json) => Self::Object(Box::new(of_json(encoding, &json))),
            None => Self::Other(if encoding == "cbor" { "damaged CBOR" } else { "damaged JSON" }),
        }
    }
}

fn enveloped(envelope: &[u8]) -> Result<Option<Object>, Invalid> {
    let mut object = Object { encoding: "protobuf", ..Object::default() };
    let (mut raw, mut is_plain) = (&[][..], true);
    for field in fields(envelope) {
        match field? {
            (1, value) => each(value, |number, value| {
                match number {
                    1 => object.api_version = text(value),
                    2 => object.kind = text(value),
                    _ => {}
                }
                Ok(())
            })?,
            (2, value) => raw = value.bytes().ok_or(Invalid)?,
            (3, value) => is_plain &= value.bytes() == Some(&[]),
            (4, value) => {
                let plain = [&b""[..], b"application/vnd.kubernetes.protobuf"];
                is_plain &= value.bytes().is_some_and(|kind| plain.contains(&kind));
            }
            _ => {}
        }
    }
    if !is_plain {
        return Ok(None);
    }
    decode(&mut object, raw)?;
    Ok(Some(object))
}

/// The object itself; its metadata is always field 1.
fn decode(object: &mut Object, raw: &[u8]) -> Result<(), Invalid> {
    let mut rest = Vec::new();
    for field in fields(raw) {
        match field? {
            (1, value) => metadata(object, value)?,
            field => rest.push(field),
        }
    }
    object.content = match (object.api_version.as_str(), object.kind.as_str()) {
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
    };
    Ok(())
}

/// `ObjectMeta`.
fn metadata(object: &mut Object, value: Value<'_>) -> Result<(), Invalid> {
    each(value, |number, value| {
        match number {
            1 => object.name = text(value),
            3 => object.namespace = text(value),
            8 => object.created = time(value)?,
            11 => {
                let (key, value) = entry(value)?;
                object.labels.insert(key, text(Value::Bytes(value)));
            }
            _ => {}
        }
        Ok(())
    })
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
fn each<'a>(
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
fn entry(value: Value<'_>) -> Result<(String, &[u8]), Invalid> {
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

fn text(value: Value<'_>) -> String {
    value.text().unwrap_or_default()
}

/// `Time` and `MicroTime`: seconds and nanoseconds. A zero time is none.
fn time(value: Value<'_>) -> Result<Option<Timestamp>, Invalid> {
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

/// The same of JSON, and of CBOR as JSON.
fn of_json(encoding: &'static str, json: &Json) -> Object {
    let string = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let at = |pointer: &str| json.pointer(pointer).map(string).unwrap_or_default();
    let map = |pointer: &str| json.pointer(pointer).and_then(Json::as_object).cloned().unwrap_or_default();
    let strings =
        |map: Map<String, Json>| map.into_iter().map(|(key, value)| (key, string(&value))).collect();
    let (api_version, kind) = (at("/apiVersion"), at("/kind"));
    let content = match (api_version.as_str(), kind.as_str()) {
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
            let list =
                |pointer: &str| json.pointer(pointer).and_then(Json::as_array).cloned().unwrap_or_default();
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
    };
    Object {
        encoding,
        name: at("/metadata/name"),
        namespace: at("/metadata/namespace"),
        labels: strings(map("/metadata/labels")),
        created: at("/metadata/creationTimestamp").parse().ok(),
        api_version,
        kind,
        content,
    }
}
