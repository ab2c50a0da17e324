//! The API server: TLS with its certificate, clients by certificate, Nodes and Leases kept in the real etcd.
//!
//! Different from the real one: it does nothing about other objects than to keep them, and knows no authorisation (every client with a valid certificate
//! may do all of it); a Node exists as soon as its Lease does, and is Ready while that is younger than 40 s, which
//! in a real cluster the controller-manager decides; it gives up on etcd after 3 s, not 20; it doesn't reload its
//! serving certificate, which the real one does within a minute.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use crate::etcd::Etcd;
use crate::http::{self, Answer, Asked};
use crate::status::status_object;
use crate::{Failure, Flags, log, objects, stop, table, tls};

/// Where the real one keeps Leases in etcd.
const LEASES: &str = "/registry/leases";
/// The group of Leases.
const COORDINATION: &str = "/apis/coordination.k8s.io/v1";

struct Server {
    etcd: Etcd,
    clients: tls::ClientCheck,
    version: String,
}

pub(crate) async fn run(flags: &Flags) -> Result<(), Failure> {
    let version = std::env::var("TESTNODE_VERSION").unwrap_or_else(|_| "v1.36.0".to_owned());
    log::info("server.go:562", &format!("external host was not specified; Version: {version}"));
    let serving = tls::read_pair(flags.need("tls-cert-file")?, flags.need("tls-private-key-file")?)?;
    let clients = tls::ClientCheck::read(flags.need("client-ca-file")?)?;
    let pair = tls::read_pair(flags.need("etcd-certfile")?, flags.need("etcd-keyfile")?)?;
    let config = tls::client(&tls::read(flags.need("etcd-cafile")?)?, pair, b"h2")?;
    let servers = flags.need("etcd-servers")?;
    let etcd = Etcd::new(servers.split(',').next().unwrap_or_default(), config)?;
    wait_for(&etcd, servers).await?;
    let server = Arc::new(Server { etcd, clients, version });
    let address = format!("0.0.0.0:{}", flags.get("secure-port").unwrap_or("6443"));
    log::info("secure_serving.go:197", &format!("Serving securely on {address}"));
    let handle = move |asked| {
        let server = server.clone();
        async move { server.handle(asked).await }
    };
    http::serve(address, Some(tls::server(serving)?), handle).await?;
    stop::wait().await
}

async fn wait_for(etcd: &Etcd, servers: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        match etcd.get("health").await {
            Ok(_) => return Ok(()),
            Err(failure) => {
                let why = chain(failure.as_ref());
                log::error(
                    "clientconn.go:1223",
                    &format!(
                        "grpc: addrConn.createTransport failed to connect to {{{servers}}}. Err: {why}. Reconnecting..."
                    ),
                );
                if Instant::now() > deadline {
                    return Err("Error: context deadline exceeded".into());
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// What is behind an error, in its own words; those around it repeat it or say nothing.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// An answer of the kind Status.
fn status(code: u16, reason: &str, message: &str) -> Answer {
    http::json(code, &status_object(code, reason, message))
}

impl Server {
    async fn handle(&self, asked: Asked) -> Answer {
        let path = asked.uri.path().trim_end_matches('/').to_owned();
        let anonymous = asked.client.is_empty();
        if !anonymous && let Err(failure) = self.clients.check(&asked.client) {
            log::error(
                "authentication.go:63",
                &format!("\"Unable to authenticate the request\" err=\"[{failure}]\""),
            );
            return status(401, "Unauthorized", "Unauthorized");
        }
        match path.as_str() {
            "/livez" | "/readyz" | "/healthz" => return self.health(&path, asked.uri.query()).await,
            "/version" => return http::json(200, &self.version()),
            _ if anonymous => {
                let message = format!("forbidden: User \"system:anonymous\" cannot get path \"{path}\"");
                return status(403, "Forbidden", &message);
            }
            _ => {}
        }
        match self.resource(&asked, &path).await {
            Ok(answer) => answer,
            Err(failure) => status(500, "InternalError", &chain(failure.as_ref())),
        }
    }

    fn version(&self) -> Value {
        let minor = self.version.split('.').nth(1).unwrap_or_default();
        json!({
            "major": "1", "minor": minor, "gitVersion": self.version,
            "gitCommit": "0000000000000000000000000000000000000000", "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z", "goVersion": "stand-in", "compiler": "rustc",
            "platform": "linux/amd64",
        })
    }

    async fn health(&self, path: &str, query: Option<&str>) -> Answer {
        let name = path.trim_start_matches('/');
        let etcd = self.etcd.get("health").await;
        let mut lines = vec!["[+]ping ok".to_owned(), "[+]log ok".to_owned()];
        lines.push(match &etcd {
            Ok(_) => "[+]etcd ok".to_owned(),
            Err(_) => "[-]etcd failed: reason withheld".to_owned(),
        });
        lines.push("[+]poststarthook/start-kube-apiserver-admission-initializer ok".to_owned());
        match etcd {
            Err(_) => {
                lines.push(format!("{name} check failed"));
                http::text(500, lines.join("\n") + "\n")
            }
            Ok(_) if query.is_some_and(|query| query.contains("verbose")) => {
                lines.push(format!("{name} check passed"));
                http::text(200, lines.join("\n") + "\n")
            }
            Ok(_) => http::text(200, "ok"),
        }
    }

    async fn resource(&self, asked: &Asked, path: &str) -> Result<Answer, Failure> {
        if let Some(value) = discovery(path) {
            return Ok(http::json(200, &value));
        }
        if path == "/api/v1/nodes" {
            let nodes = self.nodes().await?;
            let as_table = asked.accept.contains("as=Table");
            return Ok(http::json(
                200,
                &if as_table { table::nodes(&nodes) } else { list("NodeList", "v1", nodes) },
            ));
        }
        if let Some(name) = path.strip_prefix("/api/v1/nodes/") {
            let found = self
                .nodes()
                .await?
                .into_iter()
                .find(|node| node.pointer("/metadata/name") == Some(&name.into()));
            return Ok(match found {
                Some(node) => http::json(200, &node),
                None => status(404, "NotFound", &format!("nodes \"{name}\" not found")),
            });
        }
        if path == format!("{COORDINATION}/leases") {
            let items = self.etcd.list(&format!("{LEASES}/")).await?.iter().filter_map(object).collect();
            return Ok(http::json(200, &list("LeaseList", "coordination.k8s.io/v1", items)));
        }
        if let Some(rest) = path.strip_prefix(&format!("{COORDINATION}/namespaces/")) {
            return self.lease(asked, rest).await;
        }
        Ok(match objects::reply(&self.etcd, asked, path).await? {
            Some(objects::Reply::Object(code, object)) => http::json(code, &object),
            Some(objects::Reply::Refused(code, reason, message)) => status(code, reason, &message),
            None => status(404, "NotFound", "the server could not find the requested resource"),
        })
    }

    /// `rest` is `NAMESPACE/leases` or `NAMESPACE/leases/NAME`.
    async fn lease(&self, asked: &Asked, rest: &str) -> Result<Answer, Failure> {
        let mut parts = rest.split('/');
        let (namespace, name) = (parts.next().unwrap_or_default(), parts.nth(1));
        let Some(name) = name else {
            let found = self.etcd.list(&format!("{LEASES}/{namespace}/")).await?;
            let items = found.iter().filter_map(object).collect();
            return Ok(http::json(200, &list("LeaseList", "coordination.k8s.io/v1", items)));
        };
        let key = format!("{LEASES}/{namespace}/{name}");
        match asked.method {
            Method::GET => {}
            Method::PUT => {
                let _: Value = serde_json::from_slice(&asked.body)?;
                self.etcd.put(&key, &asked.body).await?;
            }
            _ => return Ok(status(405, "MethodNotAllowed", "the server does not allow this method")),
        }
        Ok(match self.etcd.get(&key).await?.as_ref().and_then(object) {
            Some(lease) => http::json(200, &lease),
            None => status(404, "NotFound", &format!("leases.coordination.k8s.io \"{name}\" not found")),
        })
    }

    async fn nodes(&self) -> Result<Vec<Value>, Failure> {
        let leases = self.etcd.list(&format!("{LEASES}/kube-node-lease/")).await?;
        Ok(leases.iter().filter_map(object).map(|lease| self.node(&lease)).collect())
    }

    fn node(&self, lease: &Value) -> Value {
        let text = |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (name, renewed) = (text("/metadata/name"), text("/spec/renewTime"));
        let age =
            renewed.parse::<jiff::Timestamp>().map(|at| jiff::Timestamp::now().duration_since(at).as_secs());
        let fresh = age.is_ok_and(|age| age < 40);
        let (ready, reason, message) = if fresh {
            ("True", "KubeletReady", "kubelet is posting ready status")
        } else {
            ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
        };
        let created = text("/metadata/creationTimestamp");
        json!({
            "kind": "Node", "apiVersion": "v1",
            "metadata": {
                "name": name, "uid": text("/metadata/uid"), "creationTimestamp": created,
                "resourceVersion": text("/metadata/resourceVersion"),
                "labels": {
                    "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
                    "node-role.kubernetes.io/control-plane": "",
                },
            },
            "spec": { "taints": [{ "key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule" }] },
            "status": {
                "conditions": [{
                    "type": "Ready", "status": ready, "reason": reason, "message": message,
                    "lastHeartbeatTime": renewed, "lastTransitionTime": created,
                }],
                "nodeInfo": {
                    "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "6", "osImage": "test node",
                    "containerRuntimeVersion": "containerd://1.6.20", "kubeletVersion": self.version,
                    "kubeProxyVersion": self.version, "operatingSystem": "linux", "architecture": "amd64",
                },
            },
        })
    }
}

/// What is stored, with the resource version that etcd gives it.
pub(crate) fn object(stored: &crate::etcd::KeyValue) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(&stored.value).ok()?;
    let metadata = value.get_mut("metadata")?.as_object_mut()?;
    metadata.insert("resourceVersion".to_owned(), stored.mod_revision.to_string().into());
    Some(value)
}

fn list(kind: &str, version: &str, items: Vec<Value>) -> Value {
    json!({ "kind": kind, "apiVersion": version, "metadata": { "resourceVersion": "1" }, "items": items })
}

/// What a client asks before it asks for something.
fn discovery(path: &str) -> Option<Value> {
    let verbs = json!(["get", "list", "update"]);
    Some(match path {
        "/api" => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        "/apis" => {
            let version = json!({ "groupVersion": "coordination.k8s.io/v1", "version": "v1" });
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [
                { "name": "coordination.k8s.io", "versions": [version], "preferredVersion": version },
            ]})
        }
        "/api/v1" => json!({ "kind": "APIResourceList", "groupVersion": "v1", "resources": [
            { "name": "nodes", "singularName": "node", "namespaced": false, "kind": "Node", "verbs": verbs, "shortNames": ["no"] },
        ]}),
        COORDINATION => {
            json!({ "kind": "APIResourceList", "groupVersion": "coordination.k8s.io/v1", "resources": [
                { "name": "leases", "singularName": "lease", "namespaced": true, "kind": "Lease", "verbs": verbs },
            ]})
        }
        _ => return None,
    })
}
