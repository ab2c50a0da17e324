//! Certificates that another machine has signed: whether each is what its step issues.

use jiff::Timestamp;

use super::elsewhere::usage_of;
use super::{Added, Dates, KeyPlan, Refusal, Step};
use crate::analysis::node::inventory::{CaRow, Inventory};
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::state::Code;
use crate::state::catalog::{self, Usage};
use crate::state::time::{expired_on, minute};

/// Checks a certificate that was delivered for `step`, and plans it: its key, its names, its dates. `keys` are those that it
/// may have been requested with; that of the old certificate is one of them anyway. Returns its key.
///
/// # Errors
/// It is not what the step issues: another CA, key, subject, name, usage or date.
pub fn deliver(
    step: &mut Step,
    inventory: &Inventory,
    certificate: &Certificate,
    keys: &[PrivateKey],
    now: Timestamp,
) -> Result<PrivateKey, Refusal> {
    let wrong = |(code, what, hint): (Code, String, &str)| Refusal {
        code,
        what: format!("cannot import {}: {what}", step.name),
        hint: hint.to_owned(),
        partial_helps: false,
    };
    let authority = step.authority.authority().and_then(|authority| inventory.authority(authority));
    if let Some(authority) = authority {
        signature(certificate, authority).map_err(wrong)?;
        dates(certificate, authority, now).map_err(wrong)?;
    }
    identity(step, certificate).map_err(wrong)?;
    let row = inventory.row(&step.name);
    let old = row.and_then(|row| row.key.get()).filter(|key| certificate.is_of(key));
    let key = old.or_else(|| keys.iter().find(|key| certificate.is_of(key))).ok_or_else(|| {
        let what = "its key is neither that of the last csr export nor the existing one".to_owned();
        wrong((
            Code::KeyMismatch,
            what,
            "sign the requests of the last export, or begin again: sudo kuberescue csr export DIR",
        ))
    })?;
    let reuse = old.is_some();
    if reuse && step.target.key_file() != step.target.path() {
        // The file of the key is not written.
        step.narrowed.clear();
    }
    step.key = KeyPlan { algorithm: key.algorithm.clone(), encoding: key.encoding, reuse };
    take(step, certificate);
    Ok(key.clone())
}

/// The step issues exactly this.
fn take(step: &mut Step, certificate: &Certificate) {
    let names = certificate.alternative_names();
    let is_new = |name: &&String| !step.names.iter().any(|own| own.eq_ignore_ascii_case(name));
    let more = names.iter().filter(is_new).filter_map(|name| {
        let name = name.strip_prefix("DNS:").or_else(|| name.strip_prefix("IP:"))?.parse().ok()?;
        Some(Added { name, reason: "the CA added it".to_owned() })
    });
    step.added.extend(more.collect::<Vec<_>>());
    step.subject.clone_from(&certificate.subject);
    step.names = names;
    step.new = Dates { not_before: certificate.not_before, not_after: certificate.not_after };
    step.cut_to_authority = false;
}

type Wrong = (Code, String, &'static str);

fn signature(certificate: &Certificate, authority: &CaRow) -> Result<(), Wrong> {
    let path = authority.certificate_path.display();
    let signed = authority.bundle.iter().map(|ca| certificate.signed_by(ca));
    let Err(error) = signed.reduce(Result::or).unwrap_or(Ok(())) else {
        return match certificate.weak_hash {
            None => Ok(()),
            Some(hash) => Err((
                Code::WeakSignature,
                format!("it is signed with {hash}, which Go and openssl reject"),
                "have it signed with SHA-256: kuberescue csr sign DIR --ca PATH",
            )),
        };
    };
    let hint = "sign it with the CA that the manifest names: kuberescue csr sign DIR --ca PATH --overwrite";
    Err((Code::WrongAuthority, format!("{error} (this node's {path})"), hint))
}

fn dates(certificate: &Certificate, authority: &CaRow, now: Timestamp) -> Result<(), Wrong> {
    let again = "have it signed again: kuberescue csr sign DIR --ca PATH --overwrite";
    if certificate.expired_at(now) {
        return Err((Code::Expired, format!("it {}", expired_on(certificate.not_after, now)), again));
    }
    if certificate.not_yet_valid_at(now) {
        let what = format!("it is valid only from {}", minute(certificate.not_before));
        return Err((Code::NotYetValid, what, "compare the clocks of both machines: date -u"));
    }
    match authority.certificate.get() {
        Some(ca) if certificate.not_after > ca.not_after => {
            let (own, its) = (minute(certificate.not_after), minute(ca.not_after));
            let what = format!("it is valid until {own}, its CA {} until {its}", authority.authority.name());
            Err((Code::LeafOutlivesCa, what, again))
        }
        _ => Ok(()),
    }
}

/// What Kubernetes reads of it: user and groups, names, usage.
fn identity(step: &Step, certificate: &Certificate) -> Result<(), Wrong> {
    let again = "have it signed as requested: kuberescue csr sign DIR --ca PATH --overwrite";
    let usage = usage_of(&step.name).unwrap_or(Usage::Client);
    let may_serve = usage == Usage::Client || certificate.may_serve;
    let may_ask = usage == Usage::Server || certificate.may_be_client;
    if certificate.is_ca || !may_serve || !may_ask || !certificate.may_sign {
        let what = match certificate.is_ca {
            true => "it is a CA certificate".to_owned(),
            false => "its key usage or extended key usage does not allow what it is for".to_owned(),
        };
        return Err((Code::UsageWrong, what, again));
    }
    if !has_subject(step, certificate) {
        let what = format!("its subject is {}, not {}", certificate.subject, step.subject);
        return Err((Code::RequestMismatch, what, again));
    }
    let has = certificate.alternative_names();
    let lacks = |name: &&String| !has.iter().any(|own| own.eq_ignore_ascii_case(name));
    let missing: Vec<_> = step.names.iter().filter(lacks).map(String::as_str).collect();
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err((Code::NamesMissing, format!("it lacks {}", missing.join(", ")), again)),
    }
}

/// Whether user (CN) and groups (O) are those of the step, or those that a kubeadm of some version gives it.
fn has_subject(step: &Step, certificate: &Certificate) -> bool {
    let (name, groups) = match (&step.template, &step.profile) {
        (Some(old), _) => (old.common_name(), &old.organizations),
        (None, Some(profile)) => (profile.common_name.as_str(), &profile.organizations),
        (None, None) => return false,
    };
    let sorted = |groups: &[String]| {
        let mut groups = groups.to_vec();
        groups.sort();
        groups
    };
    let is_of_kubeadm = || {
        let has: Vec<_> = certificate.organizations.iter().map(String::as_str).collect();
        catalog::cert_spec(&step.name).is_some_and(|spec| spec.organization.is_known(&has))
    };
    certificate.common_names == [name]
        && (sorted(&certificate.organizations) == sorted(groups) || is_of_kubeadm())
}
