//! The controller-manager and the scheduler: a self-signed certificate made at each start, and the leader election
//! without which they exit.
//!
//! Different from the real ones: there is no work that a leader does, and the lease is written without looking at who
//! held it.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::json;

use crate::http::{self, Api, Asked};
use crate::{Failure, Flags, kubeconfig, log, stop, tls};

/// The real ones' renew deadline. `TESTNODE_RENEW_DEADLINE`, in seconds, is for stories in which none of them may exit
/// by itself.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// The real ones' retry period.
const RETRY: Duration = Duration::from_secs(2);

pub(crate) async fn run(name: &str, flags: &Flags) -> Result<(), Failure> {
    let api = Api::new(kubeconfig::read(flags.need("kubeconfig")?)?)?;
    let (certificate, key) = tls::self_signed("localhost")?;
    let pair = tls::pair(certificate.as_bytes(), key.as_bytes())?;
    let port = if name == "kube-scheduler" { 10259 } else { 10257 };
    let address = format!("{}:{port}", flags.get("bind-address").unwrap_or("127.0.0.1"));
    log::info("secure_serving.go:197", &format!("Serving securely on {address}"));
    http::serve(address, Some(tls::server(pair)?), |asked: Asked| async move {
        match asked.uri.path() {
            "/healthz" | "/livez" | "/readyz" => http::text(200, "ok"),
            path => {
                http::text(403, format!("forbidden: User \"system:anonymous\" cannot get path \"{path}\"\n"))
            }
        }
    })
    .await?;
    let name = name.to_owned();
    let election = tokio::spawn(async move { elect(&name, &api).await });
    let stopped = tokio::spawn(stop::wait());
    loop {
        if stopped.is_finished() {
            return stopped.await?;
        }
        if election.is_finished() {
            return election.await?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn elect(name: &str, api: &Api) -> Result<(), Failure> {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}");
    let deadline = std::env::var("TESTNODE_RENEW_DEADLINE").ok().and_then(|seconds| seconds.parse().ok());
    let deadline = deadline.map_or(RENEW_DEADLINE, Duration::from_secs);
    let mut last = Instant::now();
    loop {
        let renewed = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let lease = json!({
            "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
            "metadata": { "name": name, "namespace": "kube-system" },
            "spec": { "holderIdentity": format!("{name}_stand-in"), "leaseDurationSeconds": 15, "renewTime": renewed },
        });
        match api.ask(Method::PUT, &path, lease.to_string()).await {
            Ok((200, _)) => last = Instant::now(),
            Ok((code, _)) => complain(name, &code.to_string()),
            Err(failure) => complain(name, &crate::apiserver::chain(failure.as_ref())),
        }
        if last.elapsed() > deadline {
            return Err("leaderelection lost".into());
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn complain(name: &str, why: &str) {
    log::error("leaderelection.go:325", &format!("error retrieving resource lock kube-system/{name}: {why}"));
}
