//! A diagnosis for node_exporter's textfile collector. Metrics about certificates have the names and labels
//! of x509-certificate-exporter (enix), so that its alerts and dashboards work; our own start with
//! `kuberescue_`.
//!
//! Labels that are always `""` for a file are left out: to Prometheus an empty label is none.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::path::Path;

use super::sanitise::line;
use crate::analysis::forensics::diagnosis::{Diagnosis, State, Validity};
use crate::analysis::forensics::fleet::Nodes;
use crate::analysis::node::findings::Severity;

/// Metrics about one certificate, with the exporter's names.
const CERTIFICATE_METRICS: [(&str, &str, Value); 5] = [
    ("x509_cert_not_before", "Indicates the certificate's not before timestamp", |row, _| {
        row.not_before.as_second()
    }),
    ("x509_cert_not_after", "Indicates the certificate's not after timestamp", |row, _| {
        row.not_after.as_second()
    }),
    ("x509_cert_expired", "Indicates if the certificate is expired", |row, at| {
        i64::from(row.not_after.as_second() < at)
    }),
    (
        "x509_cert_expires_in_seconds",
        "Indicates the remaining time before the certificate's not after timestamp",
        |row, at| row.not_after.as_second().saturating_sub(at),
    ),
    (
        "x509_cert_valid_since_seconds",
        "Indicates the elapsed time since the certificate's not before timestamp",
        |row, at| at.saturating_sub(row.not_before.as_second()),
    ),
];

type Value = fn(&Validity, i64) -> i64;

/// A diagnosis, and the labels that tell its node from others.
struct Series<'a> {
    diagnosis: &'a Diagnosis,
    node: String,
}

pub fn diagnosis_metrics(diagnosis: &Diagnosis) -> String {
    metrics(&[Series { diagnosis, node: String::new() }]).0
}

/// Several nodes, each as it was last seen.
pub fn nodes_metrics(nodes: &Nodes) -> String {
    let series: Vec<_> = nodes
        .latest()
        .map(|node| Series {
            diagnosis: &node.diagnosis,
            node: format!("node=\"{}\",source=\"{}\"", value(node.name()), value(&node.source)),
        })
        .collect();
    let mut out = metrics(&series);
    out.family("kuberescue_source_error", "Indicates whether a node could not be read");
    for node in &series {
        out.sample("kuberescue_source_error", &with("", &node.node), 0);
    }
    for failed in &nodes.unreadable {
        out.sample("kuberescue_source_error", &format!("{{source=\"{}\"}}", value(&failed.source)), 1);
    }
    out.0
}

/// Each family once, with the samples of all nodes.
fn metrics(all: &[Series<'_>]) -> Metrics {
    let mut out = Metrics(String::new());
    let mut seen = BTreeSet::new();
    // Two paths of one file with one certificate are one series; Prometheus rejects duplicates.
    let rows: Vec<_> = all
        .iter()
        .flat_map(|node| {
            let at = node.diagnosis.at.as_second();
            let labels = |row| with(&certificate_labels(row), &node.node);
            node.diagnosis.credentials.iter().map(move |row| (row, at, labels(row)))
        })
        .filter(|(_, _, labels)| seen.insert(labels.clone()))
        .collect();
    for (metric, help, value) in CERTIFICATE_METRICS {
        out.family(metric, help);
        for (row, at, labels) in &rows {
            out.sample(metric, labels, value(row, *at));
        }
    }
    out.family("x509_cert_error", "Indicates whether the certificate could not be read");
    for (_, _, labels) in &rows {
        out.sample("x509_cert_error", labels, 0);
    }
    for node in all {
        for unreadable in &node.diagnosis.unreadable {
            let labels = with(&file_labels(&unreadable.path), &node.node);
            if seen.insert(labels.clone()) {
                out.sample("x509_cert_error", &labels, 1);
            }
        }
    }
    out.family("x509_read_errors", "Indicates the number of read failure(s)");
    for node in all {
        out.sample("x509_read_errors", &with("", &node.node), node.diagnosis.unreadable.len());
    }
    own(&mut out, all);
    out
}

/// Findings, verdict, version.
fn own(out: &mut Metrics, all: &[Series<'_>]) {
    out.family("kuberescue_findings", "Number of findings of a code, see kuberescue explain");
    let severity = |severity| match severity {
        Severity::Blocker => "blocker",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    for node in all {
        let findings = node.diagnosis.findings.iter().map(|told| &told.finding);
        let kinds: Vec<_> = findings.map(|finding| (finding.code.as_str(), finding.severity)).collect();
        for (code, how) in kinds.iter().collect::<BTreeSet<_>>() {
            let count = kinds.iter().filter(|kind| **kind == (*code, *how)).count();
            let labels = format!("{{code=\"{}\",severity=\"{}\"}}", value(code), severity(*how));
            out.sample("kuberescue_findings", &with(&labels, &node.node), count);
        }
    }
    out.family("kuberescue_verdict", "How the node is: 1 for the state that it is in");
    for node in all {
        for (state, name) in [
            (State::Well, "well"),
            (State::Warnings, "warnings"),
            (State::Credentials, "credentials"),
            (State::Other, "other"),
        ] {
            let is = i32::from(node.diagnosis.verdict.state == state);
            out.sample("kuberescue_verdict", &with(&format!("{{state=\"{name}\"}}"), &node.node), is);
        }
    }
    out.family("kuberescue_build_info", "The version that wrote this");
    let version = value(env!("CARGO_PKG_VERSION"));
    out.sample("kuberescue_build_info", &format!("{{version=\"{version}\"}}"), 1);
}

/// `{a="1"}` with more labels at its end.
fn with(labels: &str, more: &str) -> String {
    match labels.strip_suffix('}') {
        _ if more.is_empty() => labels.to_owned(),
        Some(open) => format!("{open},{more}}}"),
        None => format!("{{{more}}}"),
    }
}

struct Metrics(String);

impl Metrics {
    fn family(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn certificate_labels(row: &Validity) -> String {
    let mut labels = file_labels(&row.path);
    labels.pop();
    for (who, parts) in [("issuer", &row.issuer_parts), ("subject", &row.subject_parts)] {
        for (part, text) in parts {
            let _ = write!(labels, ",{who}_{part}=\"{}\"", value(text));
        }
    }
    let _ = write!(labels, ",serial_number=\"{}\"}}", decimal(&row.serial));
    labels
}

fn file_labels(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{{filename=\"{}\",filepath=\"{}\"}}", value(&name), value(&path.to_string_lossy()))
}

/// A label's value: sanitised, then with quotes, backslashes and newlines escaped.
fn value(text: &str) -> String {
    line(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Hexadecimal digits in decimal, as the exporter has serial numbers. Anything else stays as it is.
fn decimal(hexadecimal: &str) -> String {
    // Nine decimal digits each, the lowest first.
    const BASE: u64 = 1_000_000_000;
    // A serial number has at most twenty bytes (RFC 5280 section 4.1.2.2); a longer one comes from a hostile
    // file.
    const LONGEST: usize = 128;
    let mut groups = vec![0_u64];
    for digit in hexadecimal.chars() {
        let Some(mut carry) = digit.to_digit(16).map(u64::from).filter(|_| hexadecimal.len() <= LONGEST)
        else {
            return value(hexadecimal);
        };
        for group in &mut groups {
            let product = *group * 16 + carry;
            *group = product % BASE;
            carry = product / BASE;
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let mut out = String::new();
    for group in groups.iter().rev() {
        let _ = if out.is_empty() { write!(out, "{group}") } else { write!(out, "{group:09}") };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_decimal() {
        for (hexadecimal, expected) in [
            ("0", "0"),
            ("00", "0"),
            ("ff", "255"),
            ("3b9aca00", "1000000000"),
            ("deadbeefdeadbeef", "16045690984833335023"),
            ("7fffffffffffffffffffffffffffffffffffffff", "730750818665451459101842416358141509827966271487"),
            ("-1", "-1"),
        ] {
            assert_eq!(decimal(hexadecimal), expected);
        }
    }

    #[test]
    fn nothing_ends_a_label_early() {
        assert_eq!(value("a\"} 1\nb 2\\"), "a\\\"} 1\\\\u{a}b 2\\\\");
    }
}
