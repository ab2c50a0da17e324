//! Kubernetes' objects as the API server stores them: protobuf in an envelope, JSON or CBOR, or encrypted (k8s.io/apimachinery
//! `pkg/runtime/serializer/{protobuf,cbor}`, k8s.io/apiserver `pkg/storage/value`). Only what is needed of a few kinds
//! is decoded ([`Content`]); field numbers are those of apimachinery's `meta/v1/generated.proto`, which never change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use super::cbor;
use super::content::{Content, each, entry, text, time};
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
    object.content = Content::of_protobuf(&object.api_version, &object.kind, rest)?;
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

/// The same of JSON, and of CBOR as JSON.
fn of_json(encoding: &'static str, json: &Json) -> Object {
    let string = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let at = |pointer: &str| json.pointer(pointer).map(string).unwrap_or_default();
    let map = |pointer: &str| json.pointer(pointer).and_then(Json::as_object).cloned().unwrap_or_default();
    let strings =
        |map: Map<String, Json>| map.into_iter().map(|(key, value)| (key, string(&value))).collect();
    let (api_version, kind) = (at("/apiVersion"), at("/kind"));
    Object {
        encoding,
        name: at("/metadata/name"),
        namespace: at("/metadata/namespace"),
        labels: strings(map("/metadata/labels")),
        created: at("/metadata/creationTimestamp").parse().ok(),
        content: Content::of_json(&api_version, &kind, json),
        api_version,
        kind,
    }
}
