//! The contexts of a kubeconfig at a time: who the user is, when the credential expires, whether the
//! cluster's CA issued it. [`Connection`] holds what the server serves, if it was contacted.
//!
//! Pure: the files that a kubeconfig refers to are passed as a map.

mod credential;
pub mod difference;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::formats::certificate::{CertSummary, Certificate};
use crate::formats::kubeconfig::entries::{Cluster, Context, Entries, Place};
use crate::state::text::shell_word;
use crate::state::time::{day, expired_on};
use crate::state::{Code, Finding, Remedy, Severity, Subject};

/// The files that kubeconfigs refer to, or why one cannot be read.
pub type Files = BTreeMap<PathBuf, Result<Zeroizing<Vec<u8>>, String>>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// CN: the name of the user in Kubernetes.
    pub common_name: String,
    /// O: its groups.
    pub organizations: Vec<String>,
    #[serde(flatten)]
    pub certificate: CertSummary,
    /// `None` if no key can be read.
    pub key_matches: Option<bool>,
    /// Whether a CA of the cluster issued it; `None` if that cannot be checked.
    pub chains: Option<bool>,
    /// Set if it is not embedded.
    pub file: Option<String>,
    #[serde(skip)]
    pub der: Vec<u8>,
    #[serde(skip)]
    pub spki: Vec<u8>,
}

/// A bearer token of a context. The claims of a JSON Web Token are not verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Whether it is a JSON Web Token, and so has claims.
    pub jwt: bool,
    /// Always false: the cluster's public key is not available.
    pub verified: bool,
    /// `sub`.
    pub subject: Option<String>,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `exp`.
    pub not_after: Option<Timestamp>,
    /// Set if it is not embedded.
    pub file: Option<String>,
}

/// The server at the address of a context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// `HOST:PORT`.
    pub address: String,
    /// The served certificate, trusted or not.
    pub served: Option<CertSummary>,
    /// Whether it was verified with the cluster's CA.
    pub verified: bool,
    /// That of the fault, as every command names it.
    pub code: Option<Code>,
    /// Why there is no connection, or none that a client trusts.
    pub error: Option<String>,
    /// Why it was not verified, if that is no fault.
    pub note: Option<String>,
}

/// A context and the state of its credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    pub name: String,
    /// Whether it is the current context.
    pub current: bool,
    pub cluster: String,
    /// URL of the API server, without a password.
    pub server: String,
    pub user: String,
    pub certificate: Option<Identity>,
    pub token: Option<Token>,
    /// Command of an exec plug-in. It was not run.
    pub exec: Option<String>,
    /// Name of an auth provider. It was not used.
    pub auth_provider: Option<String>,
    /// User name of a password.
    pub username: Option<String>,
    pub authorities: Vec<CertSummary>,
    /// `insecure-skip-tls-verify`.
    pub insecure: bool,
    /// `proxy-url`, without a password.
    pub proxy: Option<String>,
    /// A blocker keeps the context from working.
    pub findings: Vec<Finding>,
    /// `None` if no server was contacted.
    pub connection: Option<Connection>,
    #[serde(skip)]
    pub target: Target,
    /// The kubeconfig itself.
    #[serde(skip)]
    path: PathBuf,
}

/// The API server of a context, and how its certificate is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// URL as written in the file.
    pub server: String,
    /// The name that its certificate must be valid for, if it differs from the host of the URL.
    pub tls_server_name: Option<String>,
    /// Whether its certificate is not verified.
    pub insecure: bool,
    /// CA certificates in DER.
    pub authorities: Vec<Vec<u8>>,
}

impl Checked {
    pub fn has_blocker(&self) -> bool {
        self.findings.iter().any(Finding::is_blocker)
    }

    /// When its credential expires: the earlier of certificate and token.
    pub fn end(&self) -> Option<Timestamp> {
        let certificate = self.certificate.as_ref().map(|identity| identity.certificate.not_after);
        let token = self.token.as_ref().and_then(|token| token.not_after);
        certificate.into_iter().chain(token).min()
    }

    /// Adds the result of a handshake with the server.
    pub fn connected(&mut self, connection: Connection) {
        if let (Some(code), Some(error)) = (connection.code, &connection.error) {
            // Behind a proxy the server need not be reachable directly.
            let severity = if self.proxy.is_some() { Severity::Warning } else { Severity::Blocker };
            self.add(severity, code, None, format!("{}: {error}", connection.address));
        }
        if self.proxy.is_some() {
            self.warning(Code::ProxyNotUsed, None, "connected without the proxy-url of the kubeconfig");
        }
        self.connection = Some(connection);
    }

    fn blocker(&mut self, code: Code, file: Option<&Path>, what: impl Into<String>) {
        self.add(Severity::Blocker, code, file, what);
    }

    fn warning(&mut self, code: Code, file: Option<&Path>, what: impl Into<String>) {
        self.add(Severity::Warning, code, file, what);
    }

    /// `file` is the one that the kubeconfig refers to, where the finding is about that one.
    fn add(&mut self, severity: Severity, code: Code, file: Option<&Path>, what: impl Into<String>) {
        let path = file.unwrap_or(&self.path);
        let mut finding = Finding::new(code, severity, Subject::Other(self.name.clone()), path, what);
        if let Some(reason) = remedy(code, &self.user) {
            finding.remedy = Remedy { command: None, reason: reason.to_owned() };
        } else if code == Code::ContextBroken {
            let file = shell_word(&self.path.display().to_string());
            finding.remedy.command = Some(format!("kubectl config view --kubeconfig {file}"));
        }
        self.findings.push(finding);
    }
}

/// What to do on a workstation, where that differs from what a node's page says.
/// `user` is the name that kubeadm has given the user: a component's kubeconfig is never replaced by admin.conf.
fn remedy(code: Code, user: &str) -> Option<&'static str> {
    Some(match code {
        Code::Expired
        | Code::WrongAuthority
        | Code::KeyMismatch
        | Code::KeyMissing
        | Code::KeyUnreadable
        | Code::Missing
        | Code::Unreadable
        | Code::UsageWrong => match user {
            "system:kube-controller-manager" => {
                "sudo kuberescue certs renew controller-manager.conf on that node"
            }
            "system:kube-scheduler" => "sudo kuberescue certs renew scheduler.conf on that node",
            _ if user.starts_with("system:node:") => "sudo kuberescue diagnose on that node",
            _ => {
                "sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: log in again"
            }
        },
        Code::NotYetValid | Code::CaNotYetValid => {
            "compare the clocks of this machine and the cluster: timedatectl"
        }
        Code::CaExpired | Code::CaUnreadable => {
            "sudo kuberescue diagnose on a control-plane node shows the CA, /etc/kubernetes/pki/ca.crt"
        }
        Code::NotListening
        | Code::TimedOut
        | Code::Unreachable
        | Code::TlsFailed
        | Code::ClientCertificateRejected
        | Code::Unhealthy => "sudo kuberescue probe on a control-plane node shows what is served",
        _ => return None,
    })
}

/// Checks each context of `own`, the kubeconfig at `path`, at `now`. Clusters and users are looked up in `all`, in order: the file itself, or
/// every file that is read as one (`$KUBECONFIG`).
pub fn check(
    path: &Path,
    own: &Entries,
    all: &[&Entries],
    current: Option<&str>,
    files: &Files,
    now: Timestamp,
) -> Vec<Checked> {
    own.contexts.iter().map(|context| check_one(path, context, all, current, files, now)).collect()
}

fn check_one(
    path: &Path,
    context: &Context,
    all: &[&Entries],
    current: Option<&str>,
    files: &Files,
    now: Timestamp,
) -> Checked {
    let cluster =
        all.iter().flat_map(|entries| &entries.clusters).find(|entry| entry.name == context.cluster);
    let user = all.iter().flat_map(|entries| &entries.users).find(|entry| entry.name == context.user);
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
        authorities: Vec::new(),
        insecure: cluster.is_some_and(|cluster| cluster.insecure),
        proxy: cluster.and_then(|cluster| cluster.proxy.as_deref()).map(without_password),
        findings: Vec::new(),
        connection: None,
        target: Target {
            server: cluster.map(|cluster| cluster.server.clone()).unwrap_or_default(),
            tls_server_name: cluster.and_then(|cluster| cluster.tls_server_name.clone()),
            insecure: cluster.is_some_and(|cluster| cluster.insecure),
            authorities: Vec::new(),
        },
        path: path.to_owned(),
    };
    let mut missing = |kind: &str, name: &str| {
        let what = if name.is_empty() {
            format!("no {kind} is set")
        } else {
            format!("{kind} \"{name}\" is not in the kubeconfig")
        };
        checked.blocker(Code::ContextBroken, None, what);
    };
    if cluster.is_none() {
        missing("cluster", &context.cluster);
    }
    if user.is_none() {
        missing("user", &context.user);
    }
    let authorities = cluster.map_or_else(Vec::new, |cluster| authorities(&mut checked, cluster, files, now));
    checked.authorities = authorities.iter().map(Certificate::summary).collect();
    checked.target.authorities = authorities.iter().map(|authority| authority.der.clone()).collect();
    if let Some(user) = user {
        credential::check(&mut checked, user, &authorities, files, now);
    }
    checked
}

fn authorities(checked: &mut Checked, cluster: &Cluster, files: &Files, now: Timestamp) -> Vec<Certificate> {
    if cluster.server.is_empty() {
        checked.blocker(Code::ContextBroken, None, "the cluster has no server");
    }
    if cluster.insecure {
        let more = if cluster.authority.is_some() {
            "; kubectl refuses it together with a CA"
        } else {
            ": the server certificate is not verified"
        };
        checked.warning(Code::Insecure, None, format!("insecure-skip-tls-verify is set{more}"));
    }
    let Some(place) = &cluster.authority else {
        if !cluster.insecure {
            let what = "the cluster has no CA: kubectl uses the CAs of the operating system";
            checked.warning(Code::NoCa, None, what);
        }
        return Vec::new();
    };
    let read = text_of(place, files)
        .and_then(|pem| Certificate::all_from_pem(pem).map_err(|error| error.to_string()));
    let found = match read {
        Ok(found) => found,
        Err(why) => {
            checked.blocker(Code::CaUnreadable, place.file(), format!("cluster CA{}: {why}", at(place)));
            return Vec::new();
        }
    };
    let live = |authority: &Certificate| !authority.expired_at(now) && !authority.not_yet_valid_at(now);
    // While a CA is being replaced the bundle holds both; the old one may expire before it is removed.
    let severity = if found.iter().any(live) { Severity::Warning } else { Severity::Blocker };
    for invalid in found.iter().filter(|authority| !live(authority)) {
        let (code, how) = if invalid.expired_at(now) {
            (Code::CaExpired, expired_on(invalid.not_after, now))
        } else {
            (Code::CaNotYetValid, format!("is not valid before {}", day(invalid.not_before)))
        };
        let what = format!("cluster CA \"{}\" {how}", invalid.subject);
        checked.add(severity, code, place.file(), what);
    }
    found
}

fn text_of<'a>(place: &'a Place, files: &'a Files) -> Result<&'a [u8], String> {
    match place {
        Place::Embedded(bytes) => Ok(bytes),
        Place::NotBase64(field) => Err(format!("{field} is not base64 (kubectl refuses the whole file)")),
        Place::File(path) => match files.get(path) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(why)) => Err(why.clone()),
            None => Err("not read".to_owned()),
        },
    }
}

/// ` (path)` if it is a file.
fn at(place: &Place) -> String {
    place.file().map(|path| format!(" ({})", path.display())).unwrap_or_default()
}

/// A URL for display: without a user name and a password.
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
