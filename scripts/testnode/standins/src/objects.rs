//! Objects of other kinds than Nodes and Leases, kept in the real etcd: whoever may, puts them in (POST), reads, lists
//! and patches them. Nothing is done about them, with one exception: a DaemonSet that is patched is rolled out at once,
//! which in a real cluster the controller-manager and the kubelet do.

use hyper::Method;
use serde_json::{Value, json};

use crate::Failure;
use crate::etcd::Etcd;
use crate::http::Asked;

/// Where they are kept in etcd, by their paths.
const KEPT: &str = "/registry/objects";

/// Group, resource, kind.
const KINDS: [(&str, &str, &str); 7] = [
    ("/api/v1", "pods", "Pod"),
    ("/api/v1", "secrets", "Secret"),
    ("/apis/apps/v1", "daemonsets", "DaemonSet"),
    ("/apis/apps/v1", "deployments", "Deployment"),
    ("/apis/apps/v1", "statefulsets", "StatefulSet"),
    ("/apis/apiregistration.k8s.io/v1", "apiservices", "APIService"),
    ("/apis/certificates.k8s.io/v1", "certificatesigningrequests", "CertificateSigningRequest"),
];

/// What is to be answered: a status, its reason, and an object or a message.
pub(crate) enum Reply {
    Object(u16, Value),
    Refused(u16, &'static str, String),
}

/// What a path means: of which kind, in which namespace, which one.
struct Place<'a> {
    group: &'a str,
    resource: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

fn place(path: &str) -> Option<Place<'_>> {
    KINDS.iter().find_map(|&(group, resource, kind)| {
        let rest = path.strip_prefix(group)?.strip_prefix('/')?;
        let parts: Vec<&str> = rest.split('/').collect();
        let (namespace, rest) = match parts.as_slice() {
            ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let name = match rest {
            [found] if *found == resource => None,
            [found, name] if *found == resource => Some(*name),
            _ => return None,
        };
        Some(Place { group, resource, kind, namespace, name })
    })
}

/// Answers what is asked about one of these kinds; nothing where it is about something else.
pub(crate) async fn reply(etcd: &Etcd, asked: &Asked, path: &str) -> Result<Option<Reply>, Failure> {
    let Some(place) = place(path) else { return Ok(None) };
    Ok(Some(match (&asked.method, place.name) {
        (&Method::GET, None) => Reply::Object(200, list(etcd, &place).await?),
        (&Method::GET, Some(_)) => match read(etcd, path).await? {
            Some(object) => Reply::Object(200, object),
            None => not_found(&place),
        },
        (&Method::POST, None) => {
            let object: Value = serde_json::from_slice(&asked.body)?;
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let path = format!("{path}/{name}");
            write(etcd, &path, &object).await?;
            Reply::Object(201, read(etcd, &path).await?.unwrap_or_default())
        }
        (&Method::PATCH, Some(_)) => match read(etcd, path).await? {
            Some(object) => patch(etcd, path, object, &serde_json::from_slice(&asked.body)?).await?,
            None => not_found(&place),
        },
        _ => Reply::Refused(405, "MethodNotAllowed", "the server does not allow this method".to_owned()),
    }))
}

fn not_found(place: &Place<'_>) -> Reply {
    let name = place.name.unwrap_or_default();
    Reply::Refused(404, "NotFound", format!("{} \"{name}\" not found", place.resource))
}

async fn list(etcd: &Etcd, place: &Place<'_>) -> Result<Value, Failure> {
    let stored = etcd.list(&format!("{KEPT}{}/", place.group)).await?;
    let wanted = |object: &Value| {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        text("/kind") == Some(place.kind)
            && place.namespace.is_none_or(|namespace| text("/metadata/namespace") == Some(namespace))
    };
    let items: Vec<Value> = stored.iter().filter_map(crate::apiserver::object).filter(wanted).collect();
    let version = place.group.trim_start_matches("/api/").trim_start_matches("/apis/");
    Ok(
        json!({ "kind": format!("{}List", place.kind), "apiVersion": version, "metadata": { "resourceVersion": "1" }, "items": items }),
    )
}

async fn read(etcd: &Etcd, path: &str) -> Result<Option<Value>, Failure> {
    Ok(etcd.get(&format!("{KEPT}{path}")).await?.as_ref().and_then(crate::apiserver::object))
}

async fn write(etcd: &Etcd, path: &str, object: &Value) -> Result<(), Failure> {
    etcd.put(&format!("{KEPT}{path}"), object.to_string().as_bytes()).await
}

async fn patch(etcd: &Etcd, path: &str, mut object: Value, patch: &Value) -> Result<Reply, Failure> {
    let wanted = patch.pointer("/metadata/resourceVersion");
    if wanted.is_some() && wanted != object.pointer("/metadata/resourceVersion") {
        let what = "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again";
        return Ok(Reply::Refused(409, "Conflict", what.to_owned()));
    }
    let before = object.get("spec").cloned();
    merge(&mut object, patch);
    if object.get("spec") != before.as_ref() && object.pointer("/kind") == Some(&"DaemonSet".into()) {
        roll_out(&mut object);
    }
    write(etcd, path, &object).await?;
    Ok(Reply::Object(200, read(etcd, path).await?.unwrap_or_default()))
}

/// RFC 7386; a strategic merge patch of maps alone means the same.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn roll_out(set: &mut Value) {
    let generation = set.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1) + 1;
    let wanted = set.pointer("/status/desiredNumberScheduled").cloned().unwrap_or_else(|| json!(1));
    let done = json!({
        "metadata": { "generation": generation },
        "status": {
            "observedGeneration": generation, "desiredNumberScheduled": wanted, "currentNumberScheduled": wanted,
            "updatedNumberScheduled": wanted, "numberReady": wanted, "numberAvailable": wanted,
            "numberMisscheduled": 0, "numberUnavailable": null,
        },
    });
    merge(set, &done);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let read = |path| {
            place(path)
                .map(|p| (p.kind.to_owned(), p.namespace.map(str::to_owned), p.name.map(str::to_owned)))
        };
        let some = |kind: &str, namespace: Option<&str>, name: Option<&str>| {
            Some((kind.to_owned(), namespace.map(str::to_owned), name.map(str::to_owned)))
        };
        let sets = "/apis/apps/v1/namespaces/kube-system/daemonsets";
        assert_eq!(read(sets), some("DaemonSet", Some("kube-system"), None));
        assert_eq!(read("/apis/apps/v1/namespaces/x/daemonsets/y"), some("DaemonSet", Some("x"), Some("y")));
        assert_eq!(read("/apis/apiregistration.k8s.io/v1/apiservices"), some("APIService", None, None));
        assert_eq!(read("/api/v1/pods"), some("Pod", None, None));
        assert_eq!(read("/api/v1/nodes"), None);
        assert_eq!(read("/api/v1/namespaces/x/pods/y/log"), None);
    }

    #[test]
    fn a_patched_daemon_set_is_rolled_out() {
        let mut set = json!({"metadata": {"generation": 1}, "status": {"desiredNumberScheduled": 3, "numberUnavailable": 1}});
        roll_out(&mut set);
        assert_eq!(set["metadata"]["generation"], 2);
        assert_eq!(
            (&set["status"]["observedGeneration"], &set["status"]["numberAvailable"]),
            (&json!(2), &json!(3))
        );
        assert!(set["status"].get("numberUnavailable").is_none());
    }
}
