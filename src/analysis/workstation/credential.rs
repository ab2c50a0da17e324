//! The user of a context: certificate and key, token, plug-in.

use std::path::Path;

use jiff::Timestamp;

use super::{Checked, Files, Identity, Problem, Token, at, text_of};
use crate::formats::certificate::{Certificate, ChainError};
use crate::formats::key::PrivateKey;
use crate::formats::kubeconfig::entries::{Place, User};
use crate::formats::token::Claims;
use crate::state::Code;
use crate::state::time::{day, expired_on};

/// The longest chain from a leaf certificate to its CA; kubeadm has no intermediate CAs.
const LONGEST_CHAIN: usize = 8;

pub(super) fn check(
    checked: &mut Checked,
    user: &User,
    authorities: &[Certificate],
    files: &Files,
    now: Timestamp,
) {
    certificate(checked, user, authorities, files, now);
    token(checked, user, files, now);
    let named = [&user.exec, &user.auth_provider, &user.username];
    let pair = user.certificate.is_some() || user.key.is_some();
    let token = user.token.is_some() || user.token_file.is_some();
    if !pair && !token && named.iter().all(|named| named.is_none()) {
        let what = "the user has no credential: no certificate, token, plug-in or password";
        checked.problems.push(Problem::warning(Code::NoCredential, what));
    }
}

fn certificate(
    checked: &mut Checked,
    user: &User,
    authorities: &[Certificate],
    files: &Files,
    now: Timestamp,
) {
    let (place, key) = match (&user.certificate, &user.key) {
        (None, None) => return,
        (None, Some(_)) => {
            let what = "the user has a key and no certificate";
            return checked.problems.push(Problem::blocker(Code::Missing, what));
        }
        (Some(certificate), key) => (certificate, key.as_ref()),
    };
    let read = text_of(place, files)
        .and_then(|pem| Certificate::all_from_pem(pem).map_err(|error| error.to_string()));
    let mut chain = match read {
        Ok(chain) => chain.into_iter(),
        Err(why) => {
            let what = format!("client certificate{}: {why}", at(place));
            return checked.problems.push(Problem::blocker(Code::Unreadable, what));
        }
    };
    let Some(leaf) = chain.next() else { return };
    let between: Vec<Certificate> = chain.collect();
    let problems = &mut checked.problems;
    if leaf.expired_at(now) {
        problems.push(Problem::blocker(
            Code::Expired,
            format!("client certificate {}", expired_on(leaf.not_after, now)),
        ));
    } else if leaf.not_yet_valid_at(now) {
        problems.push(Problem::blocker(
            Code::NotYetValid,
            format!("client certificate is not valid before {}", day(leaf.not_before)),
        ));
    }
    if !leaf.may_be_client {
        let what = "client certificate without the usage client authentication (extended key usage)";
        problems.push(Problem::warning(Code::UsageWrong, what));
    }
    let key_matches = key_matches(&leaf, key, files, problems);
    let chains = chains(&leaf, &between, authorities, problems);
    let file = match place {
        Place::File(path) => Some(path.display().to_string()),
        Place::Embedded(_) | Place::NotBase64(_) => None,
    };
    checked.certificate = Some(Identity {
        common_name: leaf.common_name().to_owned(),
        certificate: leaf.summary(),
        organizations: leaf.organizations,
        key_matches,
        chains,
        file,
        der: leaf.der,
        spki: leaf.spki,
    });
}

fn key_matches(
    leaf: &Certificate,
    key: Option<&Place>,
    files: &Files,
    problems: &mut Vec<Problem>,
) -> Option<bool> {
    let Some(place) = key else {
        problems.push(Problem::blocker(Code::KeyMissing, "client certificate without a key"));
        return None;
    };
    let read =
        text_of(place, files).and_then(|pem| PrivateKey::from_pem(pem).map_err(|error| error.to_string()));
    match read {
        Ok(key) => {
            let matches = leaf.is_of(&key);
            if !matches {
                let what = format!("key{} does not match the client certificate", at(place));
                problems.push(Problem::blocker(Code::KeyMismatch, what));
            }
            Some(matches)
        }
        Err(why) => {
            problems.push(Problem::blocker(Code::KeyUnreadable, format!("key{}: {why}", at(place))));
            None
        }
    }
}

/// Whether one of the CAs issued the leaf certificate, directly or through the intermediates in the
/// kubeconfig.
fn chains(
    leaf: &Certificate,
    between: &[Certificate],
    authorities: &[Certificate],
    problems: &mut Vec<Problem>,
) -> Option<bool> {
    // A missing CA is a problem of its own.
    let nearest = authorities.first()?;
    let signs = |authority: &Certificate, certificate: &Certificate| {
        // A signature that cannot be verified is no evidence of a fault.
        matches!(certificate.signed_by(authority), Ok(()) | Err(ChainError::Unsupported(_)))
    };
    let mut link = leaf;
    for _ in 0..LONGEST_CHAIN {
        if let Some(authority) = authorities.iter().find(|authority| signs(authority, link)) {
            if let Err(error) = link.signed_by(authority) {
                problems.push(Problem::warning(Code::NotChecked, error.to_string()));
                return None;
            }
            return Some(true);
        }
        match between.iter().find(|next| next.is_ca && *next != link && signs(next, link)) {
            Some(next) => link = next,
            None => break,
        }
    }
    let why = link.signed_by(nearest).err().map(|error| format!(": {error}")).unwrap_or_default();
    let what = format!("client certificate was not issued by the cluster CA{why}");
    problems.push(Problem::blocker(Code::WrongAuthority, what));
    Some(false)
}

fn token(checked: &mut Checked, user: &User, files: &Files, now: Timestamp) {
    let file = user.token_file.as_deref();
    let text = match (file.map(|path| (path, read_token(path, files))), &user.token) {
        (Some((_, Ok(text))), _) => text,
        // The field is the fallback if the file cannot be read.
        (_, Some(token)) => token.as_str(),
        (Some((path, Err(why))), None) => {
            let what = format!("token ({}): {why}", path.display());
            return checked.problems.push(Problem::blocker(Code::Unreadable, what));
        }
        (None, None) => return,
    };
    let claims = Claims::read(text);
    let jwt = claims.is_some();
    let claims = claims.unwrap_or_default();
    if let Some(end) = claims.end.filter(|end| *end <= now) {
        checked.problems.push(Problem::blocker(
            Code::Expired,
            format!("token {} (claim exp, not verified)", expired_on(end, now)),
        ));
    } else if let Some(start) = claims.start.filter(|start| now < *start) {
        checked.problems.push(Problem::blocker(
            Code::NotYetValid,
            format!("token is not valid before {} (claim nbf, not verified)", day(start)),
        ));
    }
    checked.token = Some(Token {
        jwt,
        verified: false,
        subject: claims.subject,
        not_before: claims.start,
        not_after: claims.end,
        file: file.map(|path| path.display().to_string()),
    });
}

fn read_token<'a>(path: &Path, files: &'a Files) -> Result<&'a str, String> {
    match files.get(path) {
        Some(Ok(bytes)) => match std::str::from_utf8(bytes).map(str::trim) {
            Ok("") => Err("empty file".to_owned()),
            Ok(text) => Ok(text),
            Err(_) => Err("not UTF-8".to_owned()),
        },
        Some(Err(why)) => Err(why.clone()),
        None => Err("not read".to_owned()),
    }
}
