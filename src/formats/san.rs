//! Subject alternative names (RFC 5280 section 4.2.1.6) of the two kinds that kubeadm writes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A DNS name or an address; shown as openssl prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum San {
    Dns(String),
    Address(IpAddr),
}

impl San {
    /// The number of the `GeneralName`'s tag, and its content.
    pub fn general_name(&self) -> (u32, Vec<u8>) {
        match self {
            Self::Dns(name) => (2, name.as_bytes().to_vec()),
            Self::Address(IpAddr::V4(address)) => (7, address.octets().to_vec()),
            Self::Address(IpAddr::V6(address)) => (7, address.octets().to_vec()),
        }
    }

    /// Whether a `GeneralName` with this tag and content is this name: DNS names in any case (RFC 5280 section 7.2).
    pub fn is(&self, tag: u32, content: &[u8]) -> bool {
        let (own_tag, own) = self.general_name();
        own_tag == tag
            && match self {
                Self::Dns(_) => own.eq_ignore_ascii_case(content),
                Self::Address(_) => own == content,
            }
    }
}

impl fmt::Display for San {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(out, "DNS:{name}"),
            Self::Address(address) => write!(out, "IP:{address}"),
        }
    }
}

impl Serialize for San {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What kubeadm takes as a certSAN (`validation.go` ValidateCertSANs): an address, or a DNS-1123 subdomain that
/// may begin with `*.`.
impl FromStr for San {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_label = |label: &str| {
            !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
        };
        let name = text.strip_prefix("*.").unwrap_or(text);
        if text.len() <= 253 && name.split('.').all(is_label) {
            return Ok(Self::Dns(text.to_owned()));
        }
        Err("neither an IP address nor a DNS name in lower case".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kubeadm_takes() {
        let long = "a.".repeat(127);
        let read = |text: &str| text.parse::<San>().map_or_else(|_| "-".to_owned(), |san| san.to_string());
        let shown: Vec<_> = [
            "10.0.0.1",
            "fd00::1",
            "cp-1",
            "*.example.test",
            "LB.example.test",
            "a_b",
            "-a",
            "a-",
            "",
            "*",
            "a..b",
            "a,DNS:b",
            "ü",
            &long,
        ]
        .into_iter()
        .map(read)
        .collect();
        assert_eq!(
            shown,
            ["IP:10.0.0.1", "IP:fd00::1", "DNS:cp-1", "DNS:*.example.test"]
                .into_iter()
                .chain(["-"; 10])
                .collect::<Vec<_>>()
        );
    }
}
