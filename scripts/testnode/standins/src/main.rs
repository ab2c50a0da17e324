//! Stand-ins for what a test node can't have from Debian's packages: the kubelet, the API server, the
//! controller-manager and the scheduler; and, beside them, what the tests need around a real containerd and a real etcd.
//!
//! One program under many names: the name it is started by says what it is. Each stand-in does what the product can see
//! of the real one, and nothing else. Where it differs from the real one, its module says so.

mod apiserver;
mod ask_only;
mod cri;
mod etcd;
mod etcd_exec;
mod http;
mod kubeconfig;
mod kubelet;
mod leader;
mod list;
mod log;
mod objects;
mod proxy;
mod status;
mod stop;
mod table;
mod tls;
mod vip;

use std::process::ExitCode;

/// What ends a stand-in: its last words.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().collect();
    let called = arguments.first().map(String::as_str).unwrap_or_default();
    let mut name = called.rsplit('/').next().unwrap_or_default().to_owned();
    if name == "standins" && arguments.len() > 1 {
        arguments.remove(0);
        name = arguments.first().cloned().unwrap_or_default();
    }
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        log::info("main", "a TLS provider was installed already");
    }
    let flags = Flags(arguments.into_iter().skip(1).collect());
    match run(&name, &flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let name = if name == "kubelet" { "Kubelet" } else { &name };
            log::fatal("server.go:269", &format!("failed to run {name}: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, flags: &Flags) -> Result<(), Failure> {
    if name == "etcd" {
        return Err(etcd_exec::exec(flags));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match name {
            "kube-apiserver" => apiserver::run(flags).await,
            "kube-controller-manager" | "kube-scheduler" => leader::run(name, flags).await,
            "kubelet" => kubelet::run(flags).await,
            "kube-vip" => vip::run(flags).await,
            "etcd-defrag" | "sleep" => stop::wait().await,
            "cri-proxy" => proxy::run(flags).await,
            "containers" => list::run(flags).await,
            "client" => http::client(flags).await,
            other => Err(format!("no stand-in is called {other:?}").into()),
        }
    })
}

/// A command line as kubeadm's manifests write it: `--name=value`, or a bare `--name`.
pub(crate) struct Flags(pub(crate) Vec<String>);

impl Flags {
    /// The value of a flag that may be absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find_map(|argument| {
            let rest = argument.strip_prefix("--")?.strip_prefix(name)?;
            rest.strip_prefix('=')
        })
    }

    /// The value of a flag without which the program doesn't start.
    pub(crate) fn need(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| format!("required flag --{name} not set").into())
    }
}
