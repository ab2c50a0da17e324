//! The user of a context: its certificate and key, its token, and what only has a name here.

use std::path::Path;

use jiff::Timestamp;

use super::{Checked, Files, Identity, Problem, Token, at, text_of};
use crate::analysis::node::findings::Code;
use crate::formats::certificate::{Certificate, ChainError};
use crate::formats::key::PrivateKey;
use crate::formats::kubeconfig::entries::{Place, User};
use crate::formats::token::Claims;

/// How many certificates lead from a leaf to its CA at most; kubeadm's have none between.
const LONGEST_CHAIN: usize = 8;

/// Adds what a user authenticates with, and what is wrong with it.
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
        let what = "its user has no credential: no certificate, token, plug-in or password";
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
            let what = "its user has a key and no certificate";
            return checked.problems.push(Problem::wrong(Code::Missing, what));
        }
        (Some(certificate), key) => (certificate, key.as_ref()),
    };
    let read = text_of(place, files)
        .and_then(|pem| Certificate::all_from_pem(pem).map_err(|error| error.to_string()));
    let mut chain = match read {
        Ok(chain) => chain.into_iter(),
        Err(why) => {
            let what = format!("its certificate{}: {why}", at(place));
            return checked.problems.push(Problem::wrong(Code::Unreadable, what));
        }
    };
    let Some(leaf) = chain.next() else { return };
    let between: Vec<Certificate> = chain.collect();
    let problems = &mut checked.problems;
    if leaf.expired_at(now) {
        problems.push(Problem::wrong(Code::Expired, format!("its certificate ended {}", leaf.not_after)));
    } else if leaf.not_yet_valid_at(now) {
        problems
            .push(Problem::wrong(Code::NotYetValid, format!("its certificate starts {}", leaf.not_before)));
    }
    if !leaf.may_be_client {
        let what = "its certificate is not made for clients (extended key usage)";
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
        organizations: leaf.organizations,
        subject: leaf.subject,
        issuer: leaf.issuer,
        serial: leaf.serial,
        not_before: leaf.not_before,
        not_after: leaf.not_after,
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
        problems.push(Problem::wrong(Code::KeyMissing, "its certificate has no key beside it"));
        return None;
    };
    let read =
        text_of(place, files).and_then(|pem| PrivateKey::from_pem(pem).map_err(|error| error.to_string()));
    match read {
        Ok(key) => {
            let matches = leaf.is_of(&key);
            if !matches {
                let what = format!("its key{} belongs to another certificate", at(place));
                problems.push(Problem::wrong(Code::KeyMismatch, what));
            }
            Some(matches)
        }
        Err(why) => {
            problems.push(Problem::wrong(Code::KeyUnreadable, format!("its key{}: {why}", at(place))));
            None
        }
    }
}

/// Whether one of the authorities has signed the leaf, or what is sent along with it has.
fn chains(
    leaf: &Certificate,
    between: &[Certificate],
    authorities: &[Certificate],
    problems: &mut Vec<Problem>,
) -> Option<bool> {
    // Without a CA there is nothing to hold it against; that is said already.
    let nearest = authorities.first()?;
    let signs = |authority: &Certificate, certificate: &Certificate| {
        // What cannot be checked is no evidence of a fault.
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
    let what = format!("its certificate is signed by another CA than the cluster's{why}");
    problems.push(Problem::wrong(Code::WrongAuthority, what));
    Some(false)
}

fn token(checked: &mut Checked, user: &User, files: &Files, now: Timestamp) {
    let file = user.token_file.as_deref();
    let text = match (file.map(|path| (path, read_token(path, files))), &user.token) {
        (Some((_, Ok(text))), _) => text,
        // What the file cannot give, the field does.
        (_, Some(token)) => token.as_str(),
        (Some((path, Err(why))), None) => {
            let what = format!("its token ({}): {why}", path.display());
            return checked.problems.push(Problem::wrong(Code::Unreadable, what));
        }
        (None, None) => return,
    };
    let claims = Claims::read(text);
    let jwt = claims.is_some();
    let claims = claims.unwrap_or_default();
    let said = "as it says itself: it is not verified";
    if let Some(end) = claims.end.filter(|end| *end <= now) {
        checked.problems.push(Problem::wrong(Code::Expired, format!("its token ended {end}, {said}")));
    } else if let Some(start) = claims.start.filter(|start| now < *start) {
        checked.problems.push(Problem::wrong(Code::NotYetValid, format!("its token starts {start}, {said}")));
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
            Ok("") => Err("it is empty".to_owned()),
            Ok(text) => Ok(text),
            Err(_) => Err("not UTF-8".to_owned()),
        },
        Some(Err(why)) => Err(why.clone()),
        None => Err("it was not read".to_owned()),
    }
}
