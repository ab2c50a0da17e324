//! Comparison of two kubeconfigs for the same user and cluster.

use serde::Serialize;

use super::{Checked, Identity};
use crate::formats::certificate::Certificate;
use crate::state::Digest;
use crate::state::time::{day, minute};

/// The port of `https` if a URL has none.
const HTTPS: &str = "443";

/// One property of both kubeconfigs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub what: &'static str,
    pub old: String,
    pub new: String,
    pub same: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Whether certificate, CA and server are the same.
    pub same: bool,
    /// Byte for byte.
    pub same_certificate: bool,
    pub same_authorities: bool,
    /// Host and port.
    pub same_server: bool,
    /// Whether both the server and the keys of all CAs differ.
    pub another_cluster: bool,
    #[serde(rename = "items")]
    pub rows: Vec<Row>,
}

pub fn compare(old: &Checked, new: &Checked) -> Difference {
    let (was, is) = (old.certificate.as_ref(), new.certificate.as_ref());
    let both = |what: &'static str, of: &dyn Fn(&Identity) -> String| {
        let (old, new) = (was.map(of), is.map(of));
        let same = old == new && old.is_some();
        let none = || "<none>".to_owned();
        Row { what, old: old.unwrap_or_else(none), new: new.unwrap_or_else(none), same }
    };
    let same_certificate = matches!((was, is), (Some(old), Some(new)) if old.der == new.der);
    let (old_keys, new_keys) = (authority_keys(old), authority_keys(new));
    let same_authorities = set(&old.target.authorities) == set(&new.target.authorities);
    let (old_host, new_host) = (host_and_port(&old.target.server), host_and_port(&new.target.server));
    let same_server = old_host == new_host;
    let rows = vec![
        both("user", &|identity| identity.certificate.subject.clone()),
        both("serial", &|identity| identity.certificate.serial.clone()),
        both("valid from", &|identity| minute(identity.certificate.not_before)),
        both("valid until", &|identity| minute(identity.certificate.not_after)),
        both("key", &|identity| short(&identity.spki)),
        Row {
            what: "CA",
            old: authorities(old, &old_keys),
            new: authorities(new, &new_keys),
            same: same_authorities,
        },
        Row { what: "server", old: old.server.clone(), new: new.server.clone(), same: same_server },
    ];
    Difference {
        same: same_certificate && same_authorities && same_server,
        same_certificate,
        same_authorities,
        same_server,
        another_cluster: !same_server && !old_keys.iter().any(|key| new_keys.contains(key)),
        rows,
    }
}

fn set(authorities: &[Vec<u8>]) -> Vec<&[u8]> {
    let mut set: Vec<_> = authorities.iter().map(Vec::as_slice).collect();
    set.sort_unstable();
    set.dedup();
    set
}

/// The public keys of the CA certificates: a CA that was renewed with its key is the same one.
fn authority_keys(checked: &Checked) -> Vec<Vec<u8>> {
    let authorities = checked.target.authorities.iter();
    authorities.filter_map(|der| Certificate::from_der(der.clone()).ok()).map(|ca| ca.spki.clone()).collect()
}

/// `SUBJECT until DATE, key DIGEST` of each CA certificate.
fn authorities(checked: &Checked, keys: &[Vec<u8>]) -> String {
    let named = checked.authorities.iter().zip(keys);
    let named: Vec<_> = named
        .map(|(ca, key)| format!("{} until {}, key {}", ca.subject, day(ca.not_after), short(key)))
        .collect();
    if named.is_empty() { "<none>".to_owned() } else { named.join("; ") }
}

/// The beginning of the SHA-256 digest of a public key.
fn short(spki: &[u8]) -> String {
    Digest::of(spki).to_string().chars().take(16).collect()
}

/// Host and port of a URL; of anything else as much as can be read.
fn host_and_port(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() => {
            (host, port)
        }
        _ => (authority, HTTPS),
    };
    (host.to_ascii_lowercase(), port.to_owned())
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn hosts_and_ports_of_urls() {
        for (url, host, port) in [
            ("https://10.0.0.1:6443", "10.0.0.1", "6443"),
            ("https://API.example/x:1", "api.example", "443"),
            ("https://u:p@h", "h", "443"),
            ("https://[fd00::1]:6443/", "[fd00::1]", "6443"),
            ("https://[fd00::1]", "[fd00::1]", "443"),
            ("", "", "443"),
        ] {
            assert_eq!(host_and_port(url), (host.to_owned(), port.to_owned()), "{url}");
        }
    }
}
