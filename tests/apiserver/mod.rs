//! A stand-in of the API server: real HTTPS, client certificates and tokens as the real one takes them, and objects
//! that begin as a real API server once gave them (`testdata/api`: kubeadm 1.20.2, one node). It keeps what is
//! patched, with resource versions, conflicts and generations as the real one; it has no controllers: what they would
//! do a test does itself ([`Store`]).
//!
//! As the real one it asks for a client certificate and doesn't insist: one that it doesn't accept is answered with
//! 401, no alert.
#![allow(dead_code, reason = "each story uses a part of it")]

#[path = "../../scripts/testnode/standins/src/status.rs"]
mod status;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use kuberescue::formats::certificate::Certificate;
use serde_json::{Value, json};

use status::status_object;

use crate::server::{self, Authority, BOTH, Clients, Leaf, Request, config, http, https};

/// A bearer token that is accepted.
pub const TOKEN: &str = "s3cret-good-token";

/// A request as the server sees it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    /// Path without the query.
    pub path: String,
    pub query: String,
    pub content_type: String,
    pub user_agent: String,
    pub body: String,
    /// Whom the credential names, if it is accepted.
    pub user: Option<String>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        Self {
            method: request.method.clone(),
            path: path.to_owned(),
            query: query.to_owned(),
            content_type: request.header("content-type").to_owned(),
            user_agent: request.header("user-agent").to_owned(),
            body: request.body.clone(),
            user: None,
        }
    }
}

/// What happens before a request is answered.
pub type Hook = Box<dyn FnMut(&Asked, &mut BTreeMap<String, Value>) + Send>;

/// Objects by path, and what is answered instead.
#[derive(Default)]
pub struct Store {
    pub objects: BTreeMap<String, Value>,
    /// Answers that go before the objects, by method and path: raw HTTP.
    pub instead: BTreeMap<(String, String), Vec<u8>>,
    /// Answers to the next requests, whatever they ask for.
    pub next: VecDeque<Vec<u8>>,
    /// Bearer tokens that are accepted beside [`TOKEN`], and whose they are.
    pub tokens: BTreeMap<String, String>,
    /// Called before each request is answered.
    pub before: Option<Hook>,
    pub log: Vec<Asked>,
    version: u64,
}

/// A running server; it lives as long as the test program.
pub struct ApiServer {
    pub address: SocketAddr,
    pub authority: Authority,
    store: Arc<Mutex<Store>>,
}

/// Collections of the recorded cluster that are answered as lists.
const COLLECTIONS: [(&str, &str); 4] = [
    ("/api/v1/nodes", "nodes"),
    ("/api/v1/namespaces/kube-system/pods", "pods"),
    ("/apis/apiregistration.k8s.io/v1/apiservices", "apiservices"),
    ("/apis/certificates.k8s.io/v1/certificatesigningrequests", "csrs"),
];

/// Single objects.
const OBJECTS: [(&str, &str); 4] = [
    ("/apis/apps/v1/namespaces/kube-system/daemonsets/etcd-defrag", "daemonset"),
    ("/api/v1/namespaces/cluster-cluster1/secrets/cluster1-kubeconfig", "secret"),
    ("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/lab-cp1", "lease"),
    ("/version", "version"),
];

/// A recorded body.
pub fn recorded(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/api/{name}.body"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn recorded_value(name: &str) -> Value {
    serde_json::from_str(&recorded(name)).unwrap()
}

/// An answer of kind Status, as the real one gives it.
pub fn status(code: u16, reason: &str, message: &str) -> Vec<u8> {
    answer(code, &status_object(code, reason, message))
}

pub fn answer(code: u16, value: &Value) -> Vec<u8> {
    http(code, "content-type: application/json\r\n", value.to_string().as_bytes())
}

impl ApiServer {
    /// The recorded cluster, with a CA of its own.
    pub fn start() -> Self {
        Self::of(Authority::new("kubernetes"), |ca| ca.leaf("kube-apiserver"))
    }

    /// The same with this CA and this serving certificate.
    pub fn of(authority: Authority, serving: impl Fn(&Authority) -> Leaf) -> Self {
        let mut store = Store { version: 1000, ..Store::default() };
        for (path, name) in OBJECTS {
            store.objects.insert(path.to_owned(), recorded_value(name));
        }
        for (path, name) in COLLECTIONS {
            let list = recorded_value(name);
            store
                .objects
                .insert(format!("{path}/"), json!({"kind": list["kind"], "apiVersion": list["apiVersion"]}));
            for item in list["items"].as_array().unwrap() {
                let name = item["metadata"]["name"].as_str().unwrap();
                store.objects.insert(format!("{path}/{name}"), item.clone());
            }
        }
        for (group, kind) in
            [("daemonsets", "DaemonSet"), ("deployments", "Deployment"), ("statefulsets", "StatefulSet")]
        {
            let list = json!({"kind": format!("{kind}List"), "apiVersion": "apps/v1"});
            store.objects.insert(format!("/apis/apps/v1/namespaces/kube-system/{group}/"), list);
        }
        let store = Arc::new(Mutex::new(store));
        let (kept, ca) = (store.clone(), authority.certificate.clone());
        let tls = config(&serving(&authority), Clients::Asked, &BOTH);
        let (address, _) = https(tls, move |request| {
            let (mut asked, token) =
                (Asked::of(request), request.header("authorization").strip_prefix("Bearer "));
            let mut store = kept.lock().unwrap();
            let named = token.and_then(|token| store.tokens.get(token).cloned());
            match who(request.certificate.as_ref(), token, &ca).or(named.map(Some).ok_or(())) {
                Ok(user) => {
                    asked.user = user;
                    store.reply(&asked)
                }
                Err(()) => {
                    store.log.push(asked);
                    http(401, "content-type: application/json\r\n", recorded("bad-token-401").as_bytes())
                }
            }
        });
        Self { address, authority, store }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    /// A kubeconfig of this client, with this server's CA.
    pub fn kubeconfig(&self, client: &Leaf) -> String {
        kubeconfig(&self.url(), &self.authority, &certificate_user(client))
    }

    /// A kubeconfig of an administrator.
    pub fn admin(&self) -> String {
        self.kubeconfig(&self.authority.leaf("kubernetes-admin"))
    }
}

/// A kubeconfig whose context `c` leads cluster `k` and user `u`; `user` is YAML in flow style.
pub fn kubeconfig(server: &str, authority: &Authority, user: &str) -> String {
    server::kubeconfig(&server::cluster(server, authority), user)
}

/// The user entry of a client certificate.
pub fn certificate_user(client: &Leaf) -> String {
    server::user(client, client)
}

/// Whom the API server takes a client for: a certificate goes before a token, neither is nobody.
fn who(leaf: Option<&Certificate>, token: Option<&str>, ca: &Certificate) -> Result<Option<String>, ()> {
    let now = Timestamp::now();
    match (leaf, token) {
        (Some(leaf), _) => {
            let good = leaf.signed_by(ca).is_ok() && !leaf.expired_at(now) && !leaf.not_yet_valid_at(now);
            good.then(|| Some(leaf.common_name().to_owned())).ok_or(())
        }
        (None, Some(TOKEN)) => Ok(Some("token-user".to_owned())),
        (None, Some(_)) => Err(()),
        (None, None) => Ok(None),
    }
}

impl Store {
    /// The object at a path.
    pub fn object(&mut self, path: &str) -> &mut Value {
        self.objects.get_mut(path).unwrap_or_else(|| panic!("no {path}"))
    }

    /// What was asked, as `METHOD path`.
    pub fn asked(&self) -> Vec<String> {
        self.log.iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }

    fn reply(&mut self, asked: &Asked) -> Vec<u8> {
        self.log.push(asked.clone());
        if let Some(mut before) = self.before.take() {
            before(asked, &mut self.objects);
            self.before = Some(before);
        }
        if let Some(next) = self.next.pop_front() {
            return next;
        }
        if let Some(instead) = self.instead.get(&(asked.method.clone(), asked.path.clone())) {
            return instead.clone();
        }
        let open = ["/livez", "/readyz", "/version"].contains(&asked.path.as_str());
        match &asked.user {
            None if !open => {
                let what = asked.path.rsplit('/').next().unwrap_or_default();
                let message =
                    format!("{what} is forbidden: User \"system:anonymous\" cannot list resource \"{what}\"");
                return status(403, "Forbidden", &message);
            }
            Some(user) if user.starts_with("nobody") => {
                let message =
                    format!("User \"{user}\" cannot {} {}", asked.method.to_lowercase(), asked.path);
                return status(403, "Forbidden", &message);
            }
            _ => {}
        }
        match asked.path.as_str() {
            "/livez" => return http(200, "", recorded("livez").as_bytes()),
            "/readyz" => return http(200, "", recorded("readyz").as_bytes()),
            _ => {}
        }
        match asked.method.as_str() {
            "GET" => self.get(asked),
            "PATCH" => self.patch(asked),
            _ => status(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ),
        }
    }

    fn get(&self, asked: &Asked) -> Vec<u8> {
        if let Some(object) = self.objects.get(&asked.path) {
            return answer(200, object);
        }
        let below = format!("{}/", asked.path);
        if let Some(list) = self.objects.get(&below) {
            let items: Vec<&Value> = self
                .objects
                .iter()
                .filter(|(path, _)| {
                    path.strip_prefix(&below).is_some_and(|name| !name.is_empty() && !name.contains('/'))
                })
                .map(|(_, object)| object)
                .collect();
            let mut list = list.clone();
            list["metadata"] = json!({"resourceVersion": self.version.to_string()});
            list["items"] = json!(items);
            return answer(200, &list);
        }
        // A pod that is there has a log; what is in it a test says.
        if asked.path.strip_suffix("/log").is_some_and(|pod| self.objects.contains_key(pod)) {
            return http(200, "content-type: text/plain\r\n", b"");
        }
        not_found(&asked.path)
    }

    fn patch(&mut self, asked: &Asked) -> Vec<u8> {
        let Some(object) = self.objects.get_mut(&asked.path) else { return not_found(&asked.path) };
        let merge = ["application/merge-patch+json", "application/strategic-merge-patch+json"];
        if !merge.contains(&asked.content_type.as_str()) {
            return status(415, "UnsupportedMediaType", "the body of the request was in an unknown format");
        }
        let patch: Value = serde_json::from_str(&asked.body).unwrap();
        let (old, wanted) =
            (object["metadata"]["resourceVersion"].clone(), &patch["metadata"]["resourceVersion"]);
        if !wanted.is_null() && *wanted != old {
            let name = object["metadata"]["name"].as_str().unwrap();
            let message = format!(
                "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your changes to the latest version and try again",
                object["kind"].as_str().unwrap().to_lowercase() + "s"
            );
            return status(409, "Conflict", &message);
        }
        let spec = object["spec"].clone();
        apply(object, &patch);
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object["spec"] != spec
            && let Some(generation) = object["metadata"]["generation"].as_u64()
        {
            object["metadata"]["generation"] = json!(generation + 1);
        }
        answer(200, object)
    }
}

/// RFC 7386; a strategic merge patch of maps alone means the same.
fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            apply(&mut target[key.as_str()], value);
        }
    }
}

fn not_found(path: &str) -> Vec<u8> {
    let mut parts = path.rsplit('/');
    let (name, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    status(404, "NotFound", &format!("{kind} \"{name}\" not found"))
}
