//! The connection to the API server of a cluster, with the given kubeconfig or kubectl's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use crate::analysis::node::inventory::Inventory;
use crate::analysis::workstation::{Files, check};
use crate::disk::workstation;
use crate::error::{ApiFailure, Error, FileFailure};
use crate::formats::kubeconfig::entries::Entries;
use crate::live::api::{Api, ApiError, Login, Node, Server, directory_of};
use crate::live::clock;
use crate::live::deadline::Deadline;
use crate::live::probe::own_api_server;
use crate::session::Context;
use crate::session::input::arguments::parse_duration;
use crate::session::input::kubeconfigs::of_kubectl;
use crate::state::{Bytes, Code, catalog};

/// Newer than any copy of it, so it takes precedence over `~/.kube/config`.
const ADMIN: &str = "/etc/kubernetes/admin.conf";

#[derive(clap::Args, Debug)]
pub struct ClusterArgs {
    /// Use this kubeconfig [default: $KUBECONFIG, else /etc/kubernetes/admin.conf, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Use this context [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    #[command(flatten)]
    pub request_timeout: RequestTimeout,
}

#[derive(clap::Args, Debug)]
pub struct RequestTimeout {
    /// Wait this long for each answer: 5s, 1m
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = parse_duration)]
    request_timeout: SignedDuration,
}

impl RequestTimeout {
    pub fn time(&self) -> Duration {
        self.request_timeout.unsigned_abs()
    }
}

/// A cluster and the credential for it.
pub struct Cluster {
    pub api: Api,
    /// The kubeconfig, as the user named it.
    pub source: String,
    /// When the client certificate expired, and the time of the run.
    expired: Option<(Timestamp, Timestamp)>,
    timeout: Duration,
}

impl Cluster {
    /// The cluster that the command line names. Nothing is sent yet.
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
        Self::log_in(&login, names.join(", "), args.request_timeout.time(), context.now)
    }

    /// `source` is the kubeconfig's name in messages. Nothing is sent yet.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub fn log_in(login: &Login, source: String, timeout: Duration, now: Timestamp) -> Result<Self, Error> {
        let api = Api::log_in(login).map_err(|error| unusable(&source, login, &error))?;
        Ok(Self { api, source, expired: expired(login, now).map(|end| (end, now)), timeout })
    }

    /// The API server of this node, with one of the node's own kubeconfigs. Nothing is sent yet.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub fn on_node(
        kubeconfig: &[u8],
        server: Option<&Server>,
        source: &str,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let api =
            Api::connect(kubeconfig, server).map_err(|error| unusable(source, &Login::default(), &error))?;
        Ok(Self { api, source: source.to_owned(), expired: None, timeout })
    }

    /// The cluster, with the first of the node's kubeconfigs that its API server accepts, and the nodes that it lists. `read`
    /// returns the node's files as they are now.
    ///
    /// # Errors
    /// There is no such kubeconfig, or no answer.
    pub fn of_this_node(
        inventory: &Inventory,
        read: &dyn Fn(&Path) -> Option<Bytes>,
        timeout: Duration,
    ) -> Result<(Self, Vec<Node>), Error> {
        let server = own_api_server(inventory, read, clock::wall());
        let mut refused = Error::could_not_run("this node has no admin.conf").code(Code::KubeconfigUnusable);
        for name in ["admin.conf", "super-admin.conf"] {
            let path = Path::new(catalog::KUBERNETES_DIR).join(name);
            let bytes = read(&path).filter(|_| !inventory.leads_elsewhere(name));
            let Some(bytes) = bytes else { continue };
            let source = path.display().to_string();
            let cluster = Self::on_node(&bytes, server.as_ref(), &source, timeout)?;
            match cluster.api.nodes(cluster.deadline()) {
                Ok(nodes) => return Ok((cluster, nodes)),
                Err(error) => {
                    refused = cluster.failure("list the nodes", &error);
                    if !error.is_of_identity() {
                        break;
                    }
                }
            }
        }
        Err(refused)
    }

    /// For a request that begins now.
    pub fn deadline(&self) -> Deadline {
        Deadline::within(self.timeout)
    }

    /// `SERVER with KUBECONFIG`.
    pub fn place(&self) -> String {
        let through = self.api.proxy().map(|proxy| format!(" through proxy {proxy}")).unwrap_or_default();
        format!("{}{through} with {}", self.api.server(), self.source)
    }

    /// Sends one request, within its timeout; `what` is verb and object of the error message.
    ///
    /// # Errors
    /// There is no answer, or an unexpected one.
    pub fn ask<T>(
        &self,
        what: &str,
        request: impl FnOnce(&Api, Deadline) -> Result<T, ApiError>,
    ) -> Result<T, Error> {
        request(&self.api, self.deadline()).map_err(|error| self.failure(what, &error))
    }

    /// `what` is verb and object: `list the nodes`.
    pub fn failure(&self, what: &str, error: &ApiError) -> Error {
        self.failed(what, error, false).into()
    }

    /// The same for a request about the Secret of a cluster's kubeconfig.
    pub fn secret_failure(&self, what: &str, error: &ApiError) -> Error {
        self.failed(what, error, true).into()
    }

    fn failed<'a>(&'a self, what: &'a str, error: &'a ApiError, of_secret: bool) -> ApiFailure<'a> {
        let (source, server, proxy) = (self.source.as_str(), self.api.server(), self.api.proxy());
        ApiFailure { what, source, server, proxy, expired: self.expired, error, of_secret }
    }
}

/// The kubeconfigs to use by default.
fn default_files() -> Result<Vec<PathBuf>, Error> {
    let (from, found) = of_kubectl();
    let admin = Path::new(ADMIN);
    if from != "$KUBECONFIG" && admin.symlink_metadata().is_ok() {
        return Ok(vec![admin.to_path_buf()]);
    }
    if found.is_empty() {
        let what = format!("cannot find a kubeconfig: {from} leads to none, and {ADMIN} does not exist");
        return Err(Error::usage(what).hint("name one: --kubeconfig FILE"));
    }
    Ok(found)
}

/// Reads a kubeconfig; `-` is standard input.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let read = if path == Path::new("-") { workstation::read_input() } else { workstation::read(path) };
    read.map_err(|error| FileFailure { path, error: &error }.into())
}

fn unusable(source: &str, login: &Login, error: &ApiError) -> Error {
    let context = login.context.as_ref().map(|name| format!(", context \"{name}\"")).unwrap_or_default();
    let failure = Error::could_not_run(format!("cannot use {source}{context}: {error}"));
    failure.code(error.code()).hint(format!("kuberescue kubeconfig check {source}"))
}

/// When the client certificate of a login expired, if it has.
fn expired(login: &Login, now: Timestamp) -> Option<Timestamp> {
    let parsed: Vec<_> =
        login.files.iter().filter_map(|(bytes, base)| Entries::parse(bytes, base).ok()).collect();
    let all: Vec<&Entries> = parsed.iter().collect();
    let current =
        login.context.as_deref().or_else(|| all.iter().find_map(|entries| entries.current.as_deref()));
    // Only the dates are used, no finding and its path.
    let path = Path::new("");
    let checked = all.iter().flat_map(|own| check(path, own, &all, current, &Files::new(), now));
    let end = checked.into_iter().find(|context| context.current)?.certificate?.certificate.not_after;
    (end < now).then_some(end)
}
