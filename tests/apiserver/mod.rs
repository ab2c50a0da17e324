//! A stand-in of the API server: real HTTPS, client certificates and tokens as the real one takes them, and objects
//! that begin as a real API server once gave them (`testdata/api`: kubeadm 1.20.2, one node). It keeps what is
//! patched, with resource versions, conflicts and generations as the real one; it has no controllers: what they would
//! do a test does itself ([`Store`]).
//!
//! As the real one it asks for a client certificate and doesn't insist: one that it doesn't accept is answered with
//! 401, no alert.
#![allow(dead_code, reason = "each story uses a part of it")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use kuberescue::formats::certificate::Certificate;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use serde_json::{Value, json};

use crate::server::{Authority, Leaf, accept, http};

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

/// What happens before a request is answered.
pub type Hook = Box<dyn FnMut(&Asked, &mut BTreeMap<String, Value>) + Send>;

/// Objects by path, and what is answered instead.
#[derive(Default)]
pub struct Store {
    pub objects: BTreeMap<String, Value>,
    /// Answers that go before the objects, by method and path: raw HTTP.
    pub instead: BTreeMap<(String, String), Vec<u8>>,
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
    let value = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    answer(code, &value)
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
        let config = Arc::new(config(&serving(&authority)));
        let (kept, ca) = (store.clone(), authority.certificate.clone());
        let address = accept(move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let Some((mut asked, token)) = read_request(&mut stream) else { return };
            let leaf = stream.conn.peer_certificates().and_then(|chain| chain.first()).cloned();
            let leaf = leaf.map(|der| Certificate::from_der(der.to_vec()).unwrap());
            let reply = match who(leaf.as_ref(), token.as_deref(), &ca) {
                Ok(user) => {
                    asked.user = user;
                    kept.lock().unwrap().reply(&asked)
                }
                Err(()) => {
                    kept.lock().unwrap().log.push(asked);
                    http(401, "content-type: application/json\r\n", recorded("bad-token-401").as_bytes())
                }
            };
            let _ = stream.write_all(&reply);
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.sock.shutdown(std::net::Shutdown::Write);
            let _ = stream.sock.read(&mut [0; 64]);
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
    let ca = crate::common::base64(authority.certificate.to_pem().as_bytes());
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {{cluster: k, user: \
         u}}\nclusters:\n- name: k\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\nusers:\n\
         - name: u\n  user: {{{user}}}\n"
    )
}

/// The user entry of a client certificate.
pub fn certificate_user(client: &Leaf) -> String {
    format!(
        "client-certificate-data: {}, client-key-data: {}",
        crate::common::base64(client.certificate.to_pem().as_bytes()),
        crate::common::base64(client.key.to_pem().as_bytes())
    )
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

/// Reads a request; with its bearer token.
fn read_request(stream: &mut impl std::io::Read) -> Option<(Asked, Option<String>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, uri) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let asked = Asked {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        content_type: header("content-type"),
        user_agent: header("user-agent"),
        body: String::from_utf8(body).unwrap(),
        user: None,
    };
    Some((asked, header("authorization").strip_prefix("Bearer ").map(str::to_owned)))
}

/// TLS that asks for a client certificate and takes any: who it is is decided by [`who`].
fn config(leaf: &Leaf) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = leaf.key.to_pkcs8().unwrap().to_vec();
    ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(AskAll(provider)))
        .with_single_cert(
            vec![CertificateDer::from(leaf.certificate.der.clone())],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.into()),
        )
        .unwrap()
}

#[derive(Debug)]
struct AskAll(Arc<rustls::crypto::CryptoProvider>);

impl ClientCertVerifier for AskAll {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
