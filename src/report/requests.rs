//! Certificate requests, and what was signed for them.

use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::json;
use super::sanitise::line;
use crate::formats::requests::{KIND, RequestList};
use crate::state::catalog::Usage;
use crate::state::text;
use crate::state::time::{minute, span};

/// The document `SignedCertificates`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedCertificates {
    /// Nothing was written.
    pub dry_run: bool,
    /// The node for which they are; absent without a manifest.
    pub node: Option<String>,
    pub certificates: Vec<SignedCertificate>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedCertificate {
    /// kubeadm's name.
    pub name: String,
    #[serde(serialize_with = "text::serialize")]
    pub file: PathBuf,
    pub subject: String,
    pub names: Vec<String>,
    pub usage: Usage,
    /// The certificate of the CA.
    #[serde(serialize_with = "text::serialize")]
    pub authority: PathBuf,
    pub authority_subject: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// It expires with its CA, before the requested days.
    pub cut_to_authority: bool,
    /// It was signed before, and is not written again.
    pub kept: bool,
}

impl SignedCertificates {
    pub const KIND: &str = "SignedCertificates";

    /// What is signed, for whom, by which CA and until when.
    pub fn text(&self, now: Timestamp) -> String {
        let mut out = match &self.node {
            Some(node) => format!("Certificates for node {}\n", line(node)),
            None => "Certificates for a node of kubeadm certs generate-csr\n".to_owned(),
        };
        for one in &self.certificates {
            let what = if one.kept { "signed already" } else { "sign" };
            let head = format!("- {what} {}: {}", one.name, one.file.display());
            let subject = format!(
                "    subject {}, signed by {} ({})",
                one.subject,
                one.authority.display(),
                one.authority_subject
            );
            let cut = if one.cut_to_authority { ", when its CA expires" } else { "" };
            let end = format!(
                "    {}, valid until {} ({}{cut})",
                purposes(one.usage),
                minute(one.not_after),
                span(one.not_after, now)
            );
            let names = (!one.names.is_empty()).then(|| format!("    for {}", one.names.join(", ")));
            for text in [head, subject].into_iter().chain(names).chain([end]) {
                let _ = writeln!(out, "{}", line(&text));
            }
        }
        out
    }
}

fn purposes(usage: Usage) -> &'static str {
    match usage {
        Usage::Server => "serverAuth",
        Usage::Client => "clientAuth",
        Usage::ServerAndClient => "serverAuth and clientAuth",
    }
}

/// The manifest of requests, as a document.
pub fn requests_document(time: Timestamp, list: &RequestList) -> String {
    json::document(KIND, time, list)
}

/// The requests in words.
pub fn requests_text(list: &RequestList) -> String {
    let mut out = format!("Certificate requests of node {}\n", line(&list.node));
    for request in &list.requests {
        let head = format!("- {}: {}", request.name, request.path.display());
        let subject = format!("    subject {}, to be signed by {}", request.subject, request.authority);
        let names = (!request.names.is_empty()).then(|| format!("    for {}", request.names.join(", ")));
        let days = text::count(request.days, "day");
        let end = format!("    {}, valid for {days}", purposes(request.usage));
        for text in [head, subject].into_iter().chain(names).chain([end]) {
            let _ = writeln!(out, "{}", line(&text));
        }
    }
    for ca in &list.authorities {
        let text = format!("CA {}: {}, SHA-256 fingerprint {}", ca.name, ca.subject, ca.fingerprint);
        let _ = writeln!(out, "{}", line(&text));
    }
    out
}
