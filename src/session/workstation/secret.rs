//! The Secret in which an admin cluster keeps the kubeconfig of a cluster: `NAME-kubeconfig`, key `value`, as Cluster
//! API and bmctl make it.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::credential::Credential;
use crate::error::Error;
use crate::live::api::{ApiError, Login, Secret, directory_of};
use crate::session::Context;
use crate::session::cluster::connect::{Cluster, Patience, read};

/// The name of the value.
pub const KEY: &str = "value";

/// The most that a value may be, in bytes: what the API server takes of a whole Secret (`MaxSecretSize`).
const MOST: usize = 1 << 20;

/// Which Secret, and where.
#[derive(clap::Args, Debug)]
pub struct SecretArgs {
    /// Kubeconfig of the admin cluster, which keeps the Secret
    #[arg(long, value_name = "FILE")]
    pub admin_kubeconfig: Option<PathBuf>,
    /// Context in it, where it is not the current one
    #[arg(long, value_name = "NAME")]
    admin_context: Option<String>,
    /// Name of the cluster whose kubeconfig it is
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Namespace of the Secret [default: cluster-NAME, which bmctl makes]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// The Secret [default: NAME-kubeconfig]
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// How long it is waited for
    #[command(flatten)]
    pub patience: Patience,
}

/// Where a Secret is.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret {}/{}", self.namespace, self.name)
    }
}

/// A Secret that was read.
pub struct Read {
    /// The admin cluster.
    pub cluster: Cluster,
    /// Where it is.
    pub place: Place,
    /// What it holds.
    pub secret: Secret,
}

impl SecretArgs {
    fn place(&self) -> Result<Place, Error> {
        let missing = || {
            Error::could_not_run("it is not said of which cluster")
                .hint("name it: --cluster NAME; or the Secret: --namespace NAME --secret NAME")
        };
        let of_cluster = |make: fn(&str) -> String| self.cluster.as_deref().map(make).ok_or_else(missing);
        let given = |given: &Option<String>, make| given.clone().map_or_else(|| of_cluster(make), Ok);
        Ok(Place {
            namespace: given(&self.namespace, |name| format!("cluster-{name}"))?,
            name: given(&self.secret, |name| format!("{name}-kubeconfig"))?,
        })
    }

    /// Reads the Secret. `of_kubeconfig` is the admin cluster's context, where the command has another word for it.
    ///
    /// # Errors
    /// It isn't said which, the admin cluster cannot be asked, or doesn't give it.
    pub fn read(&self, of_kubeconfig: Option<&str>, context: &mut Context<'_>) -> Result<Read, Error> {
        let Some(path) = &self.admin_kubeconfig else {
            return Err(Error::could_not_run(
                "the admin cluster keeps the Secret, and its kubeconfig is not named",
            )
            .hint(
                "name it: --admin-kubeconfig FILE; bmctl keeps it in bmctl-workspace/ADMIN/ADMIN-kubeconfig",
            ));
        };
        let place = self.place()?;
        let login = Login {
            files: vec![(read(path)?, directory_of(path))],
            context: self.admin_context.as_deref().or(of_kubeconfig).map(str::to_owned),
        };
        let source = path.display().to_string();
        let cluster = Cluster::log_in(&login, source, self.patience.time(), context.now)?;
        if self.namespace.is_none() {
            let namespace = &place.namespace;
            context
                .out
                .note(&format!("namespace {namespace}, the one that bmctl makes; --namespace names another"));
        }
        match cluster.api.secret(&place.namespace, &place.name, cluster.deadline()) {
            Ok(secret) => Ok(Read { cluster, place, secret }),
            Err(error) => Err(not_read(&cluster, &place, &error)),
        }
    }
}

fn not_read(cluster: &Cluster, place: &Place, error: &ApiError) -> Error {
    let failure = cluster.failure(&format!("read the {place}"), error);
    match error {
        _ if error.is_not_found() => failure.hint(format!(
            "kubectl --kubeconfig {} get secrets -A | grep kubeconfig shows where it is; {} must be of the admin cluster, which keeps the Secrets, not of the cluster itself",
            cluster.source, cluster.source
        )),
        ApiError::Unintelligible(why) if why.contains("is no name of a") => {
            failure.hint("names are lower-case letters, digits, - and .")
        }
        _ => failure,
    }
}

impl Read {
    /// The kubeconfig in it, as bytes.
    ///
    /// # Errors
    /// There is none, or it is not base64, or too large.
    pub fn value(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let place = &self.place;
        let Some(value) = self.secret.value(KEY) else {
            let keys = self.secret.keys();
            let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
            let what = format!("{place} has no key \"{KEY}\"; the keys it has: {keys}");
            return Err(Error::could_not_run(what)
                .hint("--secret NAME names another Secret; that of a cluster is NAME-kubeconfig"));
        };
        let value = value.map_err(|error| broken(place, &error))?;
        if value.len() > MOST {
            return Err(broken(place, &format!("it has {} bytes; 1 MiB is the most", value.len())));
        }
        Ok(value)
    }

    /// The kubeconfig in it.
    ///
    /// # Errors
    /// There is none, or something else.
    pub fn credential(&self, context: &Context<'_>) -> Result<Credential, Error> {
        let value = self.value()?;
        Credential::of(value, self.place.to_string(), None, None, context.now)
            .map_err(|why| broken(&self.place, &why))
    }
}

fn broken(place: &Place, why: &dyn fmt::Display) -> Error {
    Error::could_not_run(format!("{place}, key \"{KEY}\": {why}")).hint(
        "is it the right Secret? kuberescue kubeconfig push writes it anew from a control-plane node's admin.conf",
    )
}

/// What to do where the Secret itself has an old certificate.
pub fn push_hint(place: &Place) -> String {
    format!(
        "kuberescue kubeconfig push --namespace {} --secret {} --admin-kubeconfig FILE --from admin.conf writes it anew; admin.conf is a control-plane node's /etc/kubernetes/admin.conf, renewed there by kuberescue recover",
        place.namespace, place.name
    )
}
