//! What the contexts of a kubeconfig are worth, each of them, at a time: who its user is, until when, and whether the
//! cluster's CA vouches for it. What is behind the address is another question ([`Connection`] is its answer).
//!
//! Pure as all of the analysis: the files that a kubeconfig names come as a map.

mod credential;
pub mod difference;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::analysis::node::findings::Code;
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::entries::{Cluster, Context, Entries, Place};

/// The files that kubeconfigs refer to, or why one cannot be read.
pub type Files = BTreeMap<PathBuf, Result<Zeroizing<Vec<u8>>, String>>;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Worth knowing.
    Warning,
    /// It does not work with it.
    Wrong,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable code.
    pub code: Code,
    /// How much it matters.
    pub weight: Weight,
    /// What is wrong, in plain words.
    pub what: String,
}

impl Problem {
    pub(super) fn wrong(code: Code, what: impl Into<String>) -> Self {
        Self { code, weight: Weight::Wrong, what: what.into() }
    }

    pub(super) fn warning(code: Code, what: impl Into<String>) -> Self {
        Self { code, weight: Weight::Warning, what: what.into() }
    }
}

/// A certificate in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dates {
    /// Subject.
    pub subject: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
}

impl From<&Certificate> for Dates {
    fn from(certificate: &Certificate) -> Self {
        Self {
            subject: certificate.subject.clone(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        }
    }
}

/// The client certificate of a context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// CN: the name of the user for Kubernetes.
    pub common_name: String,
    /// O: its groups.
    pub organizations: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Serial number in hexadecimal digits.
    pub serial: String,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Whether the key beside it is its own; nothing where there is none that can be read.
    pub key_matches: Option<bool>,
    /// Whether the cluster's CA vouches for it; nothing where that cannot be told.
    pub chains: Option<bool>,
    /// Where it stands, if that is a file of its own.
    pub file: Option<String>,
    /// All of it, to be compared.
    #[serde(skip)]
    pub der: Vec<u8>,
    /// Its public key.
    #[serde(skip)]
    pub spki: Vec<u8>,
}

/// A bearer token of a context. What a JSON Web Token says is not verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Whether it is a JSON Web Token, and so says something of itself.
    pub jwt: bool,
    /// Never true: the cluster's key for that isn't at hand.
    pub verified: bool,
    /// `sub`.
    pub subject: Option<String>,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `exp`.
    pub not_after: Option<Timestamp>,
    /// Its file, if it stands in one.
    pub file: Option<String>,
}

/// What answered at the address of a context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Address and port that were asked.
    pub address: String,
    /// The certificate that was served, whatever it is worth.
    pub served: Option<Dates>,
    /// Whether it was verified against the cluster's CA.
    pub verified: bool,
    /// Why there is no connection, or none that a client trusts.
    pub error: Option<String>,
    /// Why it was not verified, where that is nobody's fault.
    pub note: Option<String>,
}

/// A context and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// Whether it is the current one.
    pub current: bool,
    /// Name of its cluster.
    pub cluster: String,
    /// URL of the API server, without a password.
    pub server: String,
    /// Name of its user.
    pub user: String,
    /// The client certificate.
    pub certificate: Option<Identity>,
    /// The bearer token.
    pub token: Option<Token>,
    /// Command of an exec plug-in. It was not run.
    pub exec: Option<String>,
    /// Name of an auth provider. It was not asked.
    pub auth_provider: Option<String>,
    /// Name that goes with a password.
    pub username: Option<String>,
    /// The cluster's CA certificates.
    pub authorities: Vec<Dates>,
    /// `insecure-skip-tls-verify`.
    pub insecure: bool,
    /// `proxy-url`, without a password.
    pub proxy: Option<String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What answered, where that was asked.
    pub connection: Option<Connection>,
    /// How to ask.
    #[serde(skip)]
    pub target: Target,
}

/// Where the API server of a context is and how it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// URL as it stands in the file.
    pub server: String,
    /// The name that its certificate must be valid for, where it is not that in the URL.
    pub tls_server_name: Option<String>,
    /// Whether its certificate is not verified at all.
    pub insecure: bool,
    /// The CA certificates in DER.
    pub authorities: Vec<Vec<u8>>,
}

impl Checked {
    /// Whether it does not work.
    pub fn is_wrong(&self) -> bool {
        self.problems.iter().any(|problem| problem.weight == Weight::Wrong)
    }

    /// When what it authenticates with ends, the earlier of certificate and token.
    pub fn end(&self) -> Option<Timestamp> {
        let certificate = self.certificate.as_ref().map(|identity| identity.not_after);
        let token = self.token.as_ref().and_then(|token| token.not_after);
        certificate.into_iter().chain(token).min()
    }

    /// Takes in what was found at its address.
    pub fn connected(&mut self, connection: Connection) {
        if let Some(error) = &connection.error {
            // Where a proxy is the way, that there is no other is no surprise.
            let weight = if self.proxy.is_some() { Weight::Warning } else { Weight::Wrong };
            let what = format!("{}: {error}", connection.address);
            self.problems.push(Problem { code: Code::NotReachable, weight, what });
        }
        if self.proxy.is_some() {
            let what = "it was asked without the proxy-url of the kubeconfig";
            self.problems.push(Problem::warning(Code::ProxyNotUsed, what));
        }
        self.connection = Some(connection);
    }
}

/// Checks each context of `own` at `now`. Clusters and users are looked up in `all`, in order: the file itself, or
/// every file that is read as one (`$KUBECONFIG`).
pub fn check(
    own: &Entries,
    all: &[&Entries],
    current: Option<&str>,
    files: &Files,
    now: Timestamp,
) -> Vec<Checked> {
    own.contexts.iter().map(|context| check_one(context, all, current, files, now)).collect()
}

fn check_one(
    context: &Context,
    all: &[&Entries],
    current: Option<&str>,
    files: &Files,
    now: Timestamp,
) -> Checked {
    let cluster =
        all.iter().flat_map(|entries| &entries.clusters).find(|entry| entry.name == context.cluster);
    let user = all.iter().flat_map(|entries| &entries.users).find(|entry| entry.name == context.user);
    let mut problems = Vec::new();
    let mut missing = |kind: &str, name: &str| {
        let what = if name.is_empty() {
            format!("it names no {kind}")
        } else {
            format!("its {kind} \"{name}\" is not in the kubeconfig")
        };
        problems.push(Problem::wrong(Code::ContextBroken, what));
    };
    if cluster.is_none() {
        missing("cluster", &context.cluster);
    }
    if user.is_none() {
        missing("user", &context.user);
    }
    let authorities =
        cluster.map_or_else(Vec::new, |cluster| authorities(cluster, files, now, &mut problems));
    let mut checked = Checked {
        name: context.name.clone(),
        current: current == Some(context.name.as_str()),
        cluster: context.cluster.clone(),
        server: cluster.map(|cluster| without_password(&cluster.server)).unwrap_or_default(),
        user: context.user.clone(),
        certificate: None,
        token: None,
        exec: user.and_then(|user| user.exec.clone()),
        auth_provider: user.and_then(|user| user.auth_provider.clone()),
        username: user.and_then(|user| user.username.clone()),
        authorities: authorities.iter().map(Dates::from).collect(),
        insecure: cluster.is_some_and(|cluster| cluster.insecure),
        proxy: cluster.and_then(|cluster| cluster.proxy.as_deref()).map(without_password),
        problems,
        connection: None,
        target: Target {
            server: cluster.map(|cluster| cluster.server.clone()).unwrap_or_default(),
            tls_server_name: cluster.and_then(|cluster| cluster.tls_server_name.clone()),
            insecure: cluster.is_some_and(|cluster| cluster.insecure),
            authorities: authorities.iter().map(|authority| authority.der.clone()).collect(),
        },
    };
    if let Some(user) = user {
        credential::check(&mut checked, user, &authorities, files, now);
    }
    checked
}

/// The CA certificates of a cluster, and what is wrong with them.
fn authorities(
    cluster: &Cluster,
    files: &Files,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Vec<Certificate> {
    if cluster.server.is_empty() {
        problems.push(Problem::wrong(Code::ContextBroken, "its cluster names no server"));
    }
    if cluster.insecure {
        let more = if cluster.authority.is_some() {
            "; kubectl refuses that beside a CA"
        } else {
            ": whoever answers is trusted"
        };
        let what = format!("insecure-skip-tls-verify is set{more}");
        problems.push(Problem::warning(Code::Insecure, what));
    }
    let Some(place) = &cluster.authority else {
        if !cluster.insecure {
            let what = "the cluster has no CA of its own: kubectl takes those of the machine";
            problems.push(Problem::warning(Code::NoCa, what));
        }
        return Vec::new();
    };
    let read = text_of(place, files)
        .and_then(|pem| Certificate::all_from_pem(pem).map_err(|error| error.to_string()));
    let found = match read {
        Ok(found) => found,
        Err(why) => {
            problems
                .push(Problem::wrong(Code::CaUnreadable, format!("the cluster's CA{}: {why}", at(place))));
            return Vec::new();
        }
    };
    let live = |authority: &Certificate| !authority.expired_at(now) && !authority.not_yet_valid_at(now);
    // While a CA is being replaced both are here; the old one may end before it is taken out.
    let all_dead = !found.iter().any(live);
    for dead in found.iter().filter(|authority| !live(authority)) {
        let (code, how) = if dead.expired_at(now) {
            (Code::CaExpired, format!("ended {}", dead.not_after))
        } else {
            (Code::CaNotYetValid, format!("starts {}", dead.not_before))
        };
        let weight = if all_dead { Weight::Wrong } else { Weight::Warning };
        let what = format!("the cluster's CA \"{}\" {how}", dead.subject);
        problems.push(Problem { code, weight, what });
    }
    found
}

/// What stands at a place.
fn text_of<'a>(place: &'a Place, files: &'a Files) -> Result<&'a [u8], String> {
    match place {
        Place::Embedded(bytes) => Ok(bytes),
        Place::NotBase64(field) => Err(format!("{field} is not base64; kubectl refuses the whole file")),
        Place::File(path) => match files.get(path) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(why)) => Err(why.clone()),
            None => Err("it was not read".to_owned()),
        },
    }
}

/// ` (path)` where it is a file.
fn at(place: &Place) -> String {
    match place {
        Place::File(path) => format!(" ({})", path.display()),
        Place::Embedded(_) | Place::NotBase64(_) => String::new(),
    }
}

/// A URL as it may be shown: a name and a password before the host are left out.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((_, host)) = rest.get(..end).and_then(|authority| authority.rsplit_once('@')) else {
        return url.to_owned();
    };
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}…@{host}{}", rest.get(end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn passwords_in_urls_are_not_shown() {
        for (url, shown) in [
            ("https://10.0.0.1:6443", "https://10.0.0.1:6443"),
            ("https://u:p@h:1/x@y", "https://…@h:1/x@y"),
            ("http://u:p@q@h", "http://…@h"),
            ("u:p@h/", "…@h/"),
            ("https://h/a@b", "https://h/a@b"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
