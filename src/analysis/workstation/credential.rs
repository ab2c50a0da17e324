//! The user of a context: certificate and key, token, plug-in.

use std::path::Path;

use jiff::Timestamp;

use super::{Checked, Files, Identity, Token, at, text_of};
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
        checked.warning(Code::NoCredential, None, what);
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
            return checked.blocker(Code::Missing, None, what);
        }
        (Some(certificate), key) => (certificate, key.as_ref()),
    };
    let read = text_of(place, files)
        .and_then(|pem| Certificate::all_from_pem(pem).map_err(|error| error.to_string()));
    let mut chain = match read {
        Ok(chain) => chain.into_iter(),
        Err(why) => {
            let what = format!("client certificate{}: {why}", at(place));
            return checked.blocker(Code::Unreadable, place.file(), what);
        }
    };
    let Some(leaf) = chain.next() else { return };
    let between: Vec<Certificate> = chain.collect();
    let file = place.file();
    if leaf.expired_at(now) {
        let what = format!("client certificate {}", expired_on(leaf.not_after, now));
        checked.blocker(Code::Expired, file, what);
    } else if leaf.not_yet_valid_at(now) {
        let what = format!("client certificate is not valid before {}", day(leaf.not_before));
        checked.blocker(Code::NotYetValid, file, what);
    }
    if !leaf.may_be_client {
        let what = "client certificate without the usage client authentication (extended key usage)";
        checked.warning(Code::UsageWrong, file, what);
    }
    let key_matches = key_matches(checked, &leaf, key, files);
    let chains = chains(checked, &leaf, &between, authorities, file);
    checked.certificate = Some(Identity {
        common_name: leaf.common_name().to_owned(),
        certificate: leaf.summary(),
        organizations: leaf.organizations.clone(),
        key_matches,
        chains,
        file: file.map(|path| path.display().to_string()),
        der: leaf.der.clone(),
        spki: leaf.spki.clone(),
    });
}

fn key_matches(
    checked: &mut Checked,
    leaf: &Certificate,
    key: Option<&Place>,
    files: &Files,
) -> Option<bool> {
    let Some(place) = key else {
        checked.blocker(Code::KeyMissing, None, "client certificate without a key");
        return None;
    };
    let read =
        text_of(place, files).and_then(|pem| PrivateKey::from_pem(pem).map_err(|error| error.to_string()));
    match read {
        Ok(key) => {
            let matches = leaf.is_of(&key);
            if !matches {
                let what = format!("key{} does not match the client certificate", at(place));
                checked.blocker(Code::KeyMismatch, place.file(), what);
            }
            Some(matches)
        }
        Err(why) => {
            checked.blocker(Code::KeyUnreadable, place.file(), format!("key{}: {why}", at(place)));
            None
        }
    }
}

/// Whether one of the CAs issued the leaf certificate, directly or through the intermediates in the
/// kubeconfig.
fn chains(
    checked: &mut Checked,
    leaf: &Certificate,
    between: &[Certificate],
    authorities: &[Certificate],
    file: Option<&Path>,
) -> Option<bool> {
    // A missing CA is a finding of its own.
    let nearest = authorities.first()?;
    let signs = |authority: &Certificate, certificate: &Certificate| {
        // A signature that cannot be verified is no evidence of a fault.
        matches!(certificate.signed_by(authority), Ok(()) | Err(ChainError::Unsupported(_)))
    };
    let mut link = leaf;
    for _ in 0..LONGEST_CHAIN {
        if let Some(authority) = authorities.iter().find(|authority| signs(authority, link)) {
            if let Err(error) = link.signed_by(authority) {
                checked.warning(Code::NotChecked, file, error.to_string());
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
    checked.blocker(Code::WrongAuthority, file, what);
    Some(false)
}

fn token(checked: &mut Checked, user: &User, files: &Files, now: Timestamp) {
    let file = user.token_file.as_deref();
    let (read, text) = match (file.map(|path| (path, read_token(path, files))), &user.token) {
        (Some((path, Ok(text))), _) => (Some(path), text),
        // The field is the fallback if the file cannot be read.
        (_, Some(token)) => (None, token.as_str()),
        (Some((path, Err(why))), None) => {
            let what = format!("token ({}): {why}", path.display());
            return checked.blocker(Code::Unreadable, Some(path), what);
        }
        (None, None) => return,
    };
    let claims = Claims::read(text);
    let jwt = claims.is_some();
    let claims = claims.unwrap_or_default();
    if let Some(end) = claims.end.filter(|end| *end <= now) {
        let what = format!("token {} (claim exp, not verified)", expired_on(end, now));
        checked.blocker(Code::Expired, read, what);
    } else if let Some(start) = claims.start.filter(|start| now < *start) {
        let what = format!("token is not valid before {} (claim nbf, not verified)", day(start));
        checked.blocker(Code::NotYetValid, read, what);
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
