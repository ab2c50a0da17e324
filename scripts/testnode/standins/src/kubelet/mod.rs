//! The kubelet: static pods over CRI, its serving port, its Lease.
//!
//! Different from the real one: it looks at its manifests every half second and knows nothing of probes, resources
//! or the API server's pods. What stands in for those is a directory of pods (`--api-pods`), which it starts with the
//! labels that such pods have. It renews its Lease every 2 s, not 10. Nothing is rotated.
//!
//! `TESTNODE_BACKOFF` in the environment is the first back-off in seconds (the real one's 10 where it is not set),
//! `TESTNODE_CGROUP` the parent of the pods' cgroups.

mod backoff;
mod manifest;
mod pods;
mod serving;

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::Api;
use crate::{Failure, Flags, kubeconfig, log, tls};

/// What is read of the kubelet's configuration.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    static_pod_path: Option<String>,
    container_runtime_endpoint: Option<String>,
    #[serde(rename = "serverTLSBootstrap")]
    server_tls_bootstrap: bool,
    tls_cert_file: Option<String>,
    tls_private_key_file: Option<String>,
    port: Option<u16>,
    healthz_port: Option<u16>,
    authentication: Authentication,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Authentication {
    x509: X509,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct X509 {
    #[serde(rename = "clientCAFile")]
    client_ca_file: Option<String>,
}

pub(crate) async fn run(flags: &Flags) -> Result<(), Failure> {
    log::info("server.go:416", "Version: stand-in");
    log::info("server.go:837", "Client rotation is on, will bootstrap in background");
    let path = flags.get("kubeconfig").unwrap_or("/etc/kubernetes/kubelet.conf");
    let bootstrap = flags.get("bootstrap-kubeconfig").unwrap_or("/etc/kubernetes/bootstrap-kubelet.conf");
    let credentials = credentials(path, bootstrap)?;
    let text = String::from_utf8(tls::read(flags.get("config").unwrap_or("/var/lib/kubelet/config.yaml"))?)?;
    let configuration: Configuration = serde_saphyr::from_str(&text)?;
    let node = node_name()?;
    serving::start(&node, &configuration).await?;
    let api = Api::new(credentials)?;
    let name = node.clone();
    tokio::spawn(async move { renew_lease(&name, &api).await });
    // Where the runtime's socket is a proxy that refuses v1, the stand-in goes past it: it speaks nothing else.
    let past = std::env::var("TESTNODE_RUNTIME").ok();
    let endpoint = past
        .as_deref()
        .or(flags.get("container-runtime-endpoint"))
        .or(configuration.container_runtime_endpoint.as_deref())
        .unwrap_or("unix:///run/containerd/containerd.sock");
    let pods = Arc::new(pods::Pods::new(
        node,
        endpoint,
        configuration.static_pod_path.as_deref().unwrap_or("/etc/kubernetes/manifests"),
        flags.get("api-pods"),
    ));
    log::info("kubelet.go:1819", "Starting kubelet main sync loop");
    loop {
        if let Err(failure) = pods.clone().sync().await {
            log::error("generic.go:205", &format!("GenericPLEG: Unable to retrieve pods: {failure}"));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn node_name() -> Result<String, Failure> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned())
}

/// The client certificate, unless it has expired and there is nothing to get a new one with.
fn credentials(path: &str, bootstrap: &str) -> Result<kubeconfig::Kubeconfig, Failure> {
    let missing =
        || format!("unable to load bootstrap kubeconfig: stat {bootstrap}: no such file or directory");
    if !std::fs::exists(path)? {
        return Err(missing().into());
    }
    let read = kubeconfig::read(path).map_err(|error| {
        log::error("bootstrap.go:265", &format!("Error loading existing client certificate: {error}"));
        missing()
    })?;
    for certificate in tls::certificates(&read.certificate)? {
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)?;
        let end = jiff::Timestamp::from_second(parsed.validity().not_after.timestamp())?;
        if end < jiff::Timestamp::now() {
            let end = end.strftime("%Y-%m-%d %H:%M:%S +0000 UTC");
            log::error(
                "bootstrap.go:265",
                &format!("part of the existing bootstrap client certificate is expired: {end}"),
            );
            return Err(missing().into());
        }
    }
    Ok(read)
}

/// Renews the node's Lease for ever; makes it (and so the Node) the first time.
async fn renew_lease(node: &str, api: &Api) {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}");
    // Until it has had its lease the real one tries again after 200 ms, 400 ms … 7 s; later with each renewal.
    let (mut had, mut wait) = (false, Duration::from_millis(200));
    loop {
        match renew_once(node, api, &path).await {
            Ok(()) => had = true,
            Err(failure) => {
                let why = crate::apiserver::chain(failure.as_ref());
                let done = if had { "update lease" } else { "ensure lease exists" };
                log::error("controller.go:144", &format!("failed to {done}, error: {why}"));
            }
        }
        tokio::time::sleep(if had { Duration::from_secs(2) } else { wait }).await;
        wait = (wait * 2).min(Duration::from_secs(7));
    }
}

async fn renew_once(node: &str, api: &Api, path: &str) -> Result<(), Failure> {
    let now = jiff::Timestamp::now();
    let (code, body) = api.ask(Method::GET, path, String::new()).await?;
    let mut lease: Value = match code {
        200 => serde_json::from_slice(&body)?,
        404 => {
            let stamp = now.as_nanosecond();
            json!({
                "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
                "metadata": {
                    "name": node, "namespace": "kube-node-lease", "uid": manifest::uuid(&format!("{node}{stamp}")),
                    "creationTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                },
                "spec": { "holderIdentity": node, "leaseDurationSeconds": 40 },
            })
        }
        code => return Err(format!("{code} {}", String::from_utf8_lossy(&body)).into()),
    };
    if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("renewTime".to_owned(), now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string().into());
    }
    match api.ask(Method::PUT, path, lease.to_string()).await? {
        (200, _) => Ok(()),
        (code, body) => Err(format!("{code} {}", String::from_utf8_lossy(&body)).into()),
    }
}
