//! The Secret with a cluster's kubeconfig in the admin cluster: `NAME-kubeconfig`, key `value`, as Cluster API and bmctl
//! create it.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::credential::Credential;
use crate::error::Error;
use crate::live::api::{Login, Secret, directory_of};
use crate::session::Context;
use crate::session::cluster::connect::{Cluster, RequestTimeout, read};
use crate::state::Code;

/// The key of the kubeconfig in the Secret.
pub const KEY: &str = "value";

/// Largest value in bytes: the API server's limit for a whole Secret (`MaxSecretSize`).
const MOST: usize = 1 << 20;

#[derive(clap::Args, Debug)]
pub struct SecretArgs {
    /// Use this kubeconfig of the admin cluster
    #[arg(long, value_name = "FILE")]
    pub admin_kubeconfig: Option<PathBuf>,
    /// Use this context of it [default: the current one]
    #[arg(long, value_name = "NAME")]
    admin_context: Option<String>,
    /// Name the cluster whose kubeconfig it is
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Name the namespace of the Secret [default: cluster-NAME, as bmctl does]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Name the Secret [default: NAME-kubeconfig]
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    #[command(flatten)]
    pub request_timeout: RequestTimeout,
}

#[derive(Clone, Debug)]
pub struct Place {
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret {}/{}", self.namespace, self.name)
    }
}

pub struct Read {
    /// The admin cluster.
    pub cluster: Cluster,
    pub place: Place,
    pub secret: Secret,
}

impl SecretArgs {
    fn place(&self) -> Result<Place, Error> {
        let missing = || {
            Error::usage("cannot find the Secret: no cluster is named")
                .hint("add --cluster NAME, or --namespace NAME --secret NAME")
        };
        let of_cluster = |make: fn(&str) -> String| self.cluster.as_deref().map(make).ok_or_else(missing);
        let given = |given: &Option<String>, make| given.clone().map_or_else(|| of_cluster(make), Ok);
        Ok(Place {
            namespace: given(&self.namespace, |name| format!("cluster-{name}"))?,
            name: given(&self.secret, |name| format!("{name}-kubeconfig"))?,
        })
    }

    /// Reads the Secret. `admin_context` is that of the command's own `--context`.
    ///
    /// # Errors
    /// No Secret is named, or it cannot be read.
    pub fn read(&self, admin_context: Option<&str>, context: &mut Context<'_>) -> Result<Read, Error> {
        let Some(path) = &self.admin_kubeconfig else {
            return Err(Error::usage("cannot read the Secret: no kubeconfig of the admin cluster is named")
                .hint("add --admin-kubeconfig FILE (bmctl: bmctl-workspace/ADMIN/ADMIN-kubeconfig)"));
        };
        let place = self.place()?;
        let login = Login {
            files: vec![(read(path)?, directory_of(path))],
            context: self.admin_context.as_deref().or(admin_context).map(str::to_owned),
        };
        let source = path.display().to_string();
        let cluster = Cluster::log_in(&login, source, self.request_timeout.time(), context.now)?;
        if self.namespace.is_none() {
            let namespace = &place.namespace;
            context.out.note(&format!("using namespace {namespace}; --namespace names another"));
        }
        match cluster.api.secret(&place.namespace, &place.name, cluster.deadline()) {
            Ok(secret) => Ok(Read { cluster, place, secret }),
            Err(error) => Err(cluster.secret_failure(&format!("read the {place}"), &error)),
        }
    }
}

impl Read {
    /// The bytes of the kubeconfig.
    ///
    /// # Errors
    /// There is none, or it is not base64, or too large.
    pub fn value(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let place = &self.place;
        let Some(value) = self.secret.value(KEY) else {
            let keys = self.secret.keys();
            let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
            let what = format!("cannot read the {place}: no key \"{KEY}\" (keys: {keys})");
            return Err(Error::could_not_run(what)
                .code(Code::KubeconfigUnusable)
                .hint("name another Secret with --secret NAME (usually CLUSTER-kubeconfig)"));
        };
        let value = value.map_err(|error| broken(place, &error))?;
        if value.len() > MOST {
            return Err(broken(place, &format!("{} bytes, the limit is 1 MiB", value.len())));
        }
        Ok(value)
    }

    /// # Errors
    /// There is no kubeconfig in it.
    pub fn credential(&self, context: &Context<'_>) -> Result<Credential, Error> {
        let value = self.value()?;
        Credential::of(value, self.place.to_string(), None, None, context.now)
            .map_err(|why| broken(&self.place, &why))
    }
}

fn broken(place: &Place, why: &dyn fmt::Display) -> Error {
    Error::could_not_run(format!("cannot read key \"{KEY}\" of the {place}: {why}"))
        .code(Code::KubeconfigUnusable)
        .hint("kuberescue kubeconfig push replaces it from a control-plane node's admin.conf")
}

/// The command that updates a Secret with an old certificate.
pub fn push_hint(place: &Place) -> String {
    format!(
        "on a control-plane node: sudo kuberescue kubeconfig push --namespace {} --secret {} --admin-kubeconfig FILE",
        place.namespace, place.name
    )
}
