//! What is decoded of a few kinds of Kubernetes' objects, from protobuf and from JSON. Field numbers are those of k8s.io/api
//! v0.37.0-beta.0 `{core,coordination,admissionregistration,certificates}/v1/generated.proto`, which never change.
//! APIServices and CustomResourceDefinitions are stored as JSON (kubernetes 1.36 `pkg/controlplane/apiserver/
//! {aggregator,apiextensions}.go`: `LegacyCodec`).

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
    /// Of a webhook configuration, an APIService or a CustomResourceDefinition: where the API server verifies another
    /// server with CAs that are given.
    CaBundles(Vec<CaBundle>),
    SigningRequest {
        signer: String,
        /// Who asks.
        username: String,
        /// Neither approved nor denied nor failed.
        is_pending: bool,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaBundle {
    /// The webhook's name, or the field.
    pub name: String,
    /// The server is named by a URL, and may be anywhere, rather than by a service of the cluster.
    pub has_url: bool,
    pub pem: Vec<u8>,
}

impl CaBundle {
    fn of_json(name: &str, config: &Json) -> Option<Self> {
        use base64::Engine as _;
        let pem = config.get("caBundle").and_then(Json::as_str)?;
        Some(Self {
            name: name.to_owned(),
            has_url: config.get("url").is_some_and(Json::is_string),
            pem: base64::engine::general_purpose::STANDARD.decode(pem).ok()?,
        })
    }
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
            (version, "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration")
                if version.starts_with("admissionregistration.k8s.io/") =>
            {
                webhooks(&rest)?
            }
            (version, "CertificateSigningRequest") if version.starts_with("certificates.k8s.io/") => {
                signing_request(&rest)?
            }
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
            (version, "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration")
                if version.starts_with("admissionregistration.k8s.io/") =>
            {
                let webhooks = json.pointer("/webhooks").and_then(Json::as_array);
                let bundle = |webhook: &Json| {
                    let name = webhook.get("name").and_then(Json::as_str).unwrap_or_default();
                    CaBundle::of_json(name, webhook.get("clientConfig")?)
                };
                Content::CaBundles(webhooks.into_iter().flatten().filter_map(bundle).collect())
            }
            (version, "APIService") if version.starts_with("apiregistration.k8s.io/") => {
                let spec = json.pointer("/spec");
                Content::CaBundles(
                    spec.and_then(|spec| CaBundle::of_json("spec", spec)).into_iter().collect(),
                )
            }
            (version, "CustomResourceDefinition") if version.starts_with("apiextensions.k8s.io/") => {
                // v1, and v1beta1.
                let places =
                    ["/spec/conversion/webhook/clientConfig", "/spec/conversion/webhookClientConfig"];
                let config = places.into_iter().find_map(|place| json.pointer(place));
                let bundle = config.and_then(|config| CaBundle::of_json("spec.conversion", config));
                Content::CaBundles(bundle.into_iter().collect())
            }
            (version, "CertificateSigningRequest") if version.starts_with("certificates.k8s.io/") => {
                let has = |pointer: &str| {
                    json.pointer(pointer).is_some_and(|value| {
                        value.as_array().is_some_and(|list| !list.is_empty())
                            || value.as_str().is_some_and(|text| !text.is_empty())
                    })
                };
                Content::SigningRequest {
                    signer: at("/spec/signerName"),
                    username: at("/spec/username"),
                    is_pending: !has("/status/conditions") && !has("/status/certificate"),
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

/// The webhooks are field 2 of both kinds.
fn webhooks(rest: &[(u64, Value<'_>)]) -> Result<Content, Invalid> {
    let mut bundles = Vec::new();
    for (_, value) in rest.iter().filter(|(number, _)| *number == 2) {
        let mut bundle = CaBundle::default();
        each(*value, |number, value| {
            match number {
                1 => bundle.name = text(value),
                2 => each(value, |number, value| {
                    match number {
                        2 => bundle.pem = value.bytes().ok_or(Invalid)?.to_vec(),
                        3 => bundle.has_url = true,
                        _ => {}
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        if !bundle.pem.is_empty() {
            bundles.push(bundle);
        }
    }
    Ok(Content::CaBundles(bundles))
}

/// `CertificateSigningRequestSpec` is field 2, its status field 3. A request without conditions is pending (kubernetes
/// `pkg/controller/certificates/cleaner/cleaner.go` `isPendingPastDeadline`).
fn signing_request(rest: &[(u64, Value<'_>)]) -> Result<Content, Invalid> {
    let (mut signer, mut username, mut is_pending) = (String::new(), String::new(), true);
    for (part, value) in rest {
        match part {
            2 => each(*value, |number, value| {
                match number {
                    2 => username = text(value),
                    7 => signer = text(value),
                    _ => {}
                }
                Ok(())
            })?,
            3 => each(*value, |number, value| {
                let is_certificate = number == 2 && value.bytes().is_some_and(|bytes| !bytes.is_empty());
                is_pending &= number != 1 && !is_certificate;
                Ok(())
            })?,
            _ => {}
        }
    }
    Ok(Content::SigningRequest { signer, username, is_pending })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(version: &str, kind: &str, json: &Json) -> Content {
        Content::of_json(version, kind, json)
    }

    fn bundle(name: &str, has_url: bool, pem: &[u8]) -> CaBundle {
        CaBundle { name: name.to_owned(), has_url, pem: pem.to_vec() }
    }

    #[test]
    fn bundles_of_webhooks() {
        let json = json!({"webhooks": [
            {"name": "a.example.com", "clientConfig": {"service": {"name": "s"}, "caBundle": "QQ=="}},
            {"name": "b.example.com", "clientConfig": {"url": "https://b", "caBundle": "Qg=="}},
            // The API server's own CAs are used for these, or it isn't base64.
            {"name": "c.example.com", "clientConfig": {"url": "https://c"}},
            {"name": "d.example.com", "clientConfig": {"caBundle": "?"}},
            {"name": "e.example.com"},
            7,
        ]});
        let expected = Content::CaBundles(vec![
            bundle("a.example.com", false, b"A"),
            bundle("b.example.com", true, b"B"),
        ]);
        for version in ["v1", "v1beta1"] {
            for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
                assert_eq!(of(&format!("admissionregistration.k8s.io/{version}"), kind, &json), expected);
            }
        }
        let none = Content::CaBundles(Vec::new());
        for json in [json!({}), json!({"webhooks": null}), json!({"webhooks": {}})] {
            assert_eq!(of("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", &json), none);
        }
        assert_eq!(of("example.com/v1", "MutatingWebhookConfiguration", &json), Content::Undecoded);
    }

    #[test]
    fn bundles_of_api_services_and_definitions() {
        let service = json!({"spec": {"service": {"name": "s"}, "caBundle": "QQ=="}});
        let of_service = |json: &Json| of("apiregistration.k8s.io/v1", "APIService", json);
        assert_eq!(of_service(&service), Content::CaBundles(vec![bundle("spec", false, b"A")]));
        for none in [json!({"spec": {"insecureSkipTLSVerify": true}}), json!({"spec": null}), json!({})] {
            assert_eq!(of_service(&none), Content::CaBundles(Vec::new()), "{none}");
        }
        let of_definition = |version: &str, conversion: Json| {
            let json = json!({"spec": {"conversion": conversion}});
            of(&format!("apiextensions.k8s.io/{version}"), "CustomResourceDefinition", &json)
        };
        let config = json!({"url": "https://a", "caBundle": "QQ=="});
        let expected = Content::CaBundles(vec![bundle("spec.conversion", true, b"A")]);
        assert_eq!(of_definition("v1", json!({"webhook": {"clientConfig": config}})), expected);
        assert_eq!(of_definition("v1beta1", json!({"webhookClientConfig": config})), expected);
        assert_eq!(of_definition("v1", json!({"strategy": "None"})), Content::CaBundles(Vec::new()));
    }

    #[test]
    fn requests_that_wait() {
        let is_pending = |status: Json| {
            let json = json!({"spec": {"signerName": "s", "username": "u"}, "status": status});
            match of("certificates.k8s.io/v1", "CertificateSigningRequest", &json) {
                Content::SigningRequest { signer, username, is_pending } => {
                    assert_eq!((signer.as_str(), username.as_str()), ("s", "u"));
                    is_pending
                }
                other => panic!("{other:?}"),
            }
        };
        assert!(is_pending(json!({})) && is_pending(json!(null)));
        assert!(is_pending(json!({"conditions": [], "certificate": ""})));
        assert!(!is_pending(json!({"conditions": [{"type": "Approved"}]})));
        assert!(!is_pending(json!({"conditions": [{"type": "Denied"}]})));
        assert!(!is_pending(json!({"certificate": "QQ=="})));
    }
}
