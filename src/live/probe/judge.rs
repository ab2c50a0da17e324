//! What an exchange means: pure functions from what was served and answered to verdicts.

use std::path::PathBuf;

use jiff::Timestamp;

use super::check::{Check, OnDisk, Phase, Phases, Verdict};
use crate::analysis::node::endpoints::{Endpoint, Healthy, Scheme};
use crate::formats::certificate::Certificate;
use crate::live::api::{failing_checks, first_line};
use crate::live::fault::Fault;
use crate::live::https::{Exchange, Reply};
use crate::state::{Code, Component, Severity, time};

/// The certificate file of an endpoint.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) leaf: Result<Certificate, String>,
}

impl File {
    fn expired(&self, now: Timestamp) -> bool {
        self.leaf.as_ref().is_ok_and(|leaf| leaf.expired_at(now))
    }
}

/// The client certificate for the request to an endpoint.
pub(super) struct Client {
    pub(super) name: &'static str,
    /// Why the request was sent without it.
    pub(super) unusable: Option<String>,
    /// Since when it has been expired, if it is.
    pub(super) expired: Option<Timestamp>,
}

/// What is known about an endpoint besides the exchange.
pub(super) struct Known<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) file: Option<&'a File>,
    pub(super) client: Option<&'a Client>,
    pub(super) now: Timestamp,
}

impl Known<'_> {
    /// The check of an endpoint. `more` is what else is known to be wrong.
    pub(super) fn check(&self, exchange: &Exchange, more: Vec<Verdict>) -> Check {
        let mut found = Vec::new();
        let endpoint = self.endpoint;
        let mut check = Check::new(endpoint.name, Some(endpoint.address.to_string()));
        let (chain, phases) = phases(endpoint.scheme, exchange);
        check.phases = phases;
        let served = chain.first().map(|der| Certificate::from_der(der.clone()));
        if let Some(Ok(leaf)) = &served {
            check.served = Some(leaf.summary());
        }
        check.disk = self.file.map(|file| OnDisk {
            path: file.path.clone(),
            leaf: file.leaf.as_ref().ok().map(Certificate::summary),
            error: file.leaf.as_ref().err().cloned(),
        });
        match &served {
            Some(Ok(leaf)) => found.extend(self.certificate(leaf)),
            Some(Err(error)) => {
                found.push(Verdict::new(Code::TlsFailed, format!("the served certificate: {error}")));
            }
            None => {}
        }
        match exchange {
            Exchange::NoConnection(fault) | Exchange::NoHandshake(_, fault) => found.push(self.fault(fault)),
            Exchange::Connected { reply: Err(fault), .. } => found.push(self.fault(fault)),
            Exchange::Connected { reply: Ok(reply), .. } => {
                if let Some(verdict) = self.reply(reply) {
                    check.phases.answer = Phase::Failed(verdict.what.clone());
                    found.push(verdict);
                }
            }
        }
        found.extend(more);
        check.judged(found, || match &served {
            Some(Ok(leaf)) => format!("healthy; certificate valid until {}", time::minute(leaf.not_after)),
            _ => "healthy".to_owned(),
        })
    }

    /// The served certificate compared with the one on the disk, and with the time.
    fn certificate(&self, served: &Certificate) -> Option<Verdict> {
        let now = self.now;
        let (code, what, hint) = match self.file.map(|file| (&file.path, &file.leaf)) {
            Some((path, Err(why))) => {
                let what = format!("cannot read {}: {why}", path.display());
                // The kubelet creates a new one itself.
                let hint = if self.endpoint.is_verified { recover() } else { self.restart() };
                (Code::CertificateFileUnusable, what, hint)
            }
            Some((path, Ok(disk))) if disk.der != served.der => {
                // kubeadm before 1.31 begins every certificate when its CA begins: then the end decides. One with the
                // same dates is what the file held when the server read it.
                let dates = |one: &Certificate| (one.not_before, one.not_after);
                let newer = dates(disk) >= dates(served) || (served.expired_at(now) && !disk.expired_at(now));
                let path = path.display();
                if newer {
                    let end = if served.expired_at(now) {
                        time::expired_on(served.not_after, now)
                    } else {
                        time::expires_on(served.not_after, now)
                    };
                    let what = format!("serves an old certificate that {end}; {path} has a newer one");
                    (Code::OldCertificateStillServed, what, self.restart())
                } else {
                    let what = format!("serves a certificate that differs from {path} and is not older");
                    (Code::CertificateDiffers, what, self.restart())
                }
            }
            on_disk => {
                // A certificate that is created in memory is new after a restart.
                let hint = if on_disk.is_some() { recover() } else { self.restart() };
                if served.expired_at(now) {
                    let what = format!("the served certificate {}", time::expired_on(served.not_after, now));
                    (Code::ExpiredCertificateServed, what, hint)
                } else if served.not_yet_valid_at(now) {
                    let what = format!(
                        "the served certificate is not valid before {}",
                        time::minute(served.not_before)
                    );
                    (Code::CertificateNotYetValid, what, hint)
                } else {
                    return None;
                }
            }
        };
        let verdict = Verdict::new(code, what).hint(hint);
        if self.endpoint.is_verified || matches!(code, Code::OldCertificateStillServed) {
            return Some(verdict);
        }
        let what = format!("{}; the API server does not verify it", verdict.what);
        Some(Verdict { what, ..verdict }.severity(Severity::Warning))
    }

    fn fault(&self, fault: &Fault) -> Verdict {
        let verdict = of_fault(fault);
        match (fault, self.client) {
            (Fault::ClientCertificateRejected(_), Some(client)) => self.of_client(verdict, client),
            (Fault::ClientCertificateRejected(_), None) => verdict,
            // A component with an expired certificate is not repaired by a restart.
            _ if self.file.is_some_and(|file| file.expired(self.now)) => verdict.hint(recover()),
            (Fault::TimedOut, _) => verdict.hint(self.awaited()),
            _ => verdict.hint(self.restart()),
        }
    }

    /// What to do about a component that is running and not healthy. An etcd without a leader isn't
    /// restarted: that doesn't give it one.
    fn awaited(&self) -> String {
        match self.endpoint.component {
            Component::Etcd => "etcd may have no leader: run sudo kuberescue recover on the nodes of the other members first, or, with one member, sudo kuberescue restart etcd"
                .to_owned(),
            _ => self.restart(),
        }
    }

    fn of_client(&self, verdict: Verdict, client: &Client) -> Verdict {
        let name = client.name;
        let (why, hint) = match (&client.unusable, client.expired) {
            (Some(why), _) => (format!("asked without {name}: {why}"), recover()),
            (None, Some(end)) => (format!("{name} {}", time::expired_on(end, self.now)), recover()),
            // The certificate is valid: the server knows only an older CA.
            (None, None) => (format!("asked with {name}"), self.restart()),
        };
        let what = format!("{} ({why})", verdict.what);
        Verdict { what, ..verdict }.hint(hint)
    }

    fn reply(&self, reply: &Reply) -> Option<Verdict> {
        let good = match self.endpoint.health.healthy {
            Healthy::Status => reply.status == 200,
            Healthy::EtcdHealth => reply.status == 200 && says_healthy(&reply.body),
            Healthy::Answer => matches!(reply.status, 200 | 401 | 403),
        };
        if good {
            return None;
        }
        let line = failing_checks(&reply.body).unwrap_or_else(|| first_line(&reply.body));
        let path = self.endpoint.health.path;
        let what = format!("{path} answers {}: {line}", reply.status);
        let code = match reply.status {
            401 => Code::Unauthorized,
            403 => Code::Forbidden,
            _ => Code::Unhealthy,
        };
        let verdict = Verdict::new(code, what);
        Some(match self.client {
            Some(client) if code != Code::Unhealthy => self.of_client(verdict, client),
            // It asks the API server whether the client is authorised, and has no answer without it.
            _ if self.endpoint.component == Component::Kubelet && reply.status == 500 => {
                verdict.hint("the kubelet asks the API server; fix the API server first: kuberescue diagnose")
            }
            _ => verdict.hint(self.awaited()),
        })
    }

    fn restart(&self) -> String {
        restart(self.endpoint.component)
    }
}

/// The command that restarts a component.
pub(super) fn restart(component: Component) -> String {
    if component == Component::Kubelet {
        "sudo systemctl restart kubelet".to_owned()
    } else {
        format!("sudo kuberescue restart {component}")
    }
}

pub(super) fn recover() -> String {
    "sudo kuberescue recover".to_owned()
}

pub(super) fn of_fault(fault: &Fault) -> Verdict {
    Verdict::new(fault.code(), fault.to_string())
}

/// The served certificates, and how far the request got.
pub(super) fn phases(scheme: Scheme, exchange: &Exchange) -> (&[Vec<u8>], Phases) {
    let failed = |fault: &Fault| Phase::Failed(fault.to_string());
    match exchange {
        Exchange::NoConnection(fault) => (&[], Phases { tcp: failed(fault), ..Phases::default() }),
        Exchange::NoHandshake(chain, fault) => {
            (chain, Phases { tcp: Phase::Ok, tls: failed(fault), answer: Phase::NotTried })
        }
        Exchange::Connected { chain, reply } => {
            let tls = if scheme == Scheme::Https { Phase::Ok } else { Phase::NotTried };
            let answer = reply.as_ref().map_or_else(failed, |_| Phase::Ok);
            (chain, Phases { tcp: Phase::Ok, tls, answer })
        }
    }
}

/// etcd's `{"health": "true"}`, a string in all its versions.
fn says_healthy(body: &[u8]) -> bool {
    let health = |answer: serde_json::Value| match answer.get("health") {
        Some(serde_json::Value::String(text)) => text == "true",
        Some(serde_json::Value::Bool(good)) => *good,
        _ => false,
    };
    serde_json::from_slice(body).is_ok_and(health)
}
