//! The API server of a cluster, asked with a kubeconfig that the operator names or that kubectl would take, and what
//! its refusals mean in words that lead on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use crate::analysis::workstation::{Files, check};
use crate::disk::workstation;
use crate::error::Error;
use crate::formats::kubeconfig::entries::Entries;
use crate::live::Fault;
use crate::live::api::{Api, ApiError, Login, Server, directory_of};
use crate::live::deadline::Deadline;
use crate::session::Context;
use crate::session::input::arguments::parse_duration;
use crate::session::input::kubeconfigs::{hint, of_kubectl, why};

/// What a control-plane node has: newer than any copy of it, so it goes before `~/.kube/config`.
const ADMIN: &str = "/etc/kubernetes/admin.conf";

/// Which cluster, and as whom.
#[derive(clap::Args, Debug)]
pub struct ClusterArgs {
    /// Kubeconfig [default: what $KUBECONFIG lists, else /etc/kubernetes/admin.conf, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context in it, where it is not the current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// How long it is waited for
    #[command(flatten)]
    pub patience: Patience,
}

/// How long the API server is waited for.
#[derive(clap::Args, Debug)]
pub struct Patience {
    /// How long one request may take
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = parse_duration)]
    request_timeout: SignedDuration,
}

impl Patience {
    /// So long.
    pub fn time(&self) -> Duration {
        self.request_timeout.unsigned_abs()
    }
}

/// A cluster that can be asked.
pub struct Cluster {
    /// The connection.
    pub api: Api,
    /// The kubeconfig, as it was named.
    pub source: String,
    /// When the client certificate ended, where it has.
    ended: Option<Timestamp>,
    patience: Duration,
}

impl Cluster {
    /// Prepares to ask the cluster that is named on the command line.
    ///
    /// # Errors
    /// There is no kubeconfig, or it cannot be used.
    pub fn connect(args: &ClusterArgs, context: &Context<'_>) -> Result<Self, Error> {
        let paths = match &args.kubeconfig {
            Some(path) => vec![path.clone()],
            None => default_files()?,
        };
        let mut login = Login { files: Vec::new(), context: args.context.clone() };
        for path in &paths {
            login.files.push((read(path)?, directory_of(path)));
        }
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        Self::log_in(&login, names.join(", "), args.patience.time(), context.now)
    }

    /// Prepares to ask with this login; `source` is what it is called in messages.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn log_in(login: &Login, source: String, patience: Duration, now: Timestamp) -> Result<Self, Error> {
        let api = Api::log_in(login).map_err(|error| unusable(&source, login, &error))?;
        Ok(Self { api, source, ended: ended(login, now), patience })
    }

    /// Prepares to ask a node's own API server with one of its kubeconfigs, from the node itself.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub fn on_node(
        kubeconfig: &[u8],
        server: Option<&Server>,
        source: &str,
        patience: Duration,
    ) -> Result<Self, Error> {
        let api =
            Api::connect(kubeconfig, server).map_err(|error| unusable(source, &Login::default(), &error))?;
        Ok(Self { api, source: source.to_owned(), ended: None, patience })
    }

    /// By when a request that begins now has to be answered.
    pub fn deadline(&self) -> Deadline {
        Deadline::within(self.patience)
    }

    /// Where is asked, and how.
    pub fn place(&self) -> String {
        let through = self.api.proxy().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
        format!("{}{through} with {}", self.api.server(), self.source)
    }

    /// Why something could not be had: `what` is what was to be done ("list the nodes").
    pub fn failure(&self, what: &str, error: &ApiError) -> Error {
        let ended = match error {
            ApiError::Status { status: 401, .. } | ApiError::Fault(Fault::ClientCertificateRejected(_)) => {
                self.ended.map(|end| format!(" (its certificate ended {end})")).unwrap_or_default()
            }
            _ => String::new(),
        };
        let message = format!("could not {what}: {}: {error}{ended}", self.place());
        Error::could_not_run(message).hint(self.remedy(error))
    }

    fn remedy(&self, error: &ApiError) -> String {
        let source = &self.source;
        match error {
            ApiError::Kubeconfig(_) => format!("kuberescue kubeconfig check {source}"),
            ApiError::Credential(_) => {
                "run the plug-in by hand, or name another kubeconfig with --kubeconfig; on a control-plane node /etc/kubernetes/admin.conf"
                    .to_owned()
            }
            ApiError::Status { status: 401, .. } | ApiError::Fault(Fault::ClientCertificateRejected(_)) => format!(
                "kuberescue kubeconfig check {source} says why; a control-plane node's /etc/kubernetes/admin.conf is renewed by kuberescue recover"
            ),
            ApiError::Status { status: 403, .. } => {
                "this user may not do that: take the cluster's admin.conf (or super-admin.conf where its role binding is gone)"
                    .to_owned()
            }
            ApiError::Status { status: 404, .. } => {
                "is this the right cluster and namespace? kuberescue nodes shows whose API server answers".to_owned()
            }
            ApiError::Status { status: 409, .. } => {
                "somebody else changed it at the same time; nothing was changed here: run it again".to_owned()
            }
            ApiError::Status { status: 429, .. } => {
                "the API server has too much to do: run it again later, or with a longer --request-timeout".to_owned()
            }
            ApiError::Status { status: 502..=504, .. } if self.api.proxy().is_some() => {
                "the proxy or a load balancer says so: take it out of the way (NO_PROXY, proxy-url in the kubeconfig)".to_owned()
            }
            ApiError::Status { .. } => "kuberescue probe on a control-plane node shows what is wrong there".to_owned(),
            ApiError::Fault(Fault::ServerCertificate(_)) => format!(
                "the certificate authority in {source} is another one than the server's: the wrong cluster, an old file, or a proxy that opens TLS; kuberescue kubeconfig check --connect {source}"
            ),
            ApiError::Fault(_) if self.api.proxy().is_some() => {
                "is the proxy the right way? NO_PROXY=HOST in the environment goes around it".to_owned()
            }
            ApiError::Fault(Fault::TimedOut) => {
                "the address may be behind a firewall, or the server overloaded: --request-timeout 60s waits longer".to_owned()
            }
            ApiError::Fault(Fault::Refused | Fault::Unreachable(_)) => format!(
                "is the address in {source} right? on a control-plane node: kuberescue probe, kuberescue diagnose"
            ),
            ApiError::Fault(Fault::Tls(_) | Fault::Answer(_) | Fault::Proxy(_)) | ApiError::Unintelligible(_) => {
                "something else than an API server, or something between here and there: kuberescue kubeconfig check --connect shows whose certificate is served"
                    .to_owned()
            }
        }
    }
}

/// The kubeconfigs that are taken where none is named.
fn default_files() -> Result<Vec<PathBuf>, Error> {
    let (from, found) = of_kubectl();
    let admin = Path::new(ADMIN);
    if from != "$KUBECONFIG" && admin.symlink_metadata().is_ok() {
        return Ok(vec![admin.to_path_buf()]);
    }
    if found.is_empty() {
        let what = format!("no kubeconfig is named, there is no {ADMIN}, and {from} leads to none");
        return Err(Error::could_not_run(what).hint("name one: --kubeconfig FILE"));
    }
    Ok(found)
}

/// Reads a kubeconfig that the operator names; `-` is the standard input.
///
/// # Errors
/// It isn't there, or cannot be read.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let read = if path == Path::new("-") { workstation::read_input() } else { workstation::read(path) };
    read.map_err(|error| {
        Error::could_not_run(format!("{}: {}", path.display(), why(&error))).hint(hint(&error))
    })
}

fn unusable(source: &str, login: &Login, error: &ApiError) -> Error {
    let context = login.context.as_ref().map(|name| format!(", context \"{name}\"")).unwrap_or_default();
    let failure = Error::could_not_run(format!("{source}{context}: {error}"));
    match error {
        ApiError::Credential(_) => {
            failure.hint("run the plug-in by hand, or name another kubeconfig with --kubeconfig")
        }
        _ => {
            failure.hint(format!("kuberescue kubeconfig check {source} shows its contexts and what is wrong"))
        }
    }
}

/// When the client certificate of a login ended, where it has.
fn ended(login: &Login, now: Timestamp) -> Option<Timestamp> {
    let parsed: Vec<_> =
        login.files.iter().filter_map(|(bytes, base)| Entries::parse(bytes, base).ok()).collect();
    let all: Vec<&Entries> = parsed.iter().collect();
    let current =
        login.context.as_deref().or_else(|| all.iter().find_map(|entries| entries.current.as_deref()));
    let checked = all.iter().flat_map(|own| check(own, &all, current, &Files::new(), now));
    let end = checked.into_iter().find(|context| context.current)?.certificate?.not_after;
    (end < now).then_some(end)
}
