//! `certs check-expiration`: kubeadm's two tables byte for byte (1.31 and later), its JSON and YAML
//! (`CertificateExpirationInfo`), and below the tables what kubeadm doesn't check.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;

use super::alike::alike;
use super::table;
use crate::analysis::node::findings::{Code, Finding};
use crate::analysis::node::inventory::{CaRow, Inventory, Parsed, Row};
use crate::formats::certificate::Certificate;
use crate::state::catalog::Ca;

/// Output formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The tables of kubeadm, which calls them text
    #[default]
    #[value(alias = "text")]
    Table,
    /// The tables with keys, serial numbers, issuers and paths
    Wide,
    /// JSON of kubeadm
    Json,
    /// YAML of kubeadm
    Yaml,
}

/// kubeadm's CertificateExpirationInfo (apis/output/v1alpha3).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    kind: &'static str,
    api_version: &'static str,
    certificates: Vec<Entry>,
    certificate_authorities: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    expiration_date: Option<Timestamp>,
    residual_time: i64,
    externally_managed: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    ca_name: &'static str,
    missing: bool,
    /// Not kubeadm's: why the certificate cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The report on a node's certificates at a given time.
pub struct Expiration<'a> {
    pub inventory: &'a Inventory,
    pub findings: &'a [Finding],
    /// The time of evaluation.
    pub now: Timestamp,
    /// The columns of a row; `None` if there is no limit.
    pub width: Option<usize>,
}

impl Expiration<'_> {
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Table => format!("{}{}", self.tables(false), self.more()),
            Format::Wide => format!("{}{}", self.tables(true), self.more()),
            Format::Json => self.json(),
            Format::Yaml => yaml(&self.info()),
        }
    }

    pub fn tables(&self, wide: bool) -> String {
        let info = self.info();
        let mut leaves = vec![heading(
            &["CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", "EXTERNALLY MANAGED"],
            wide,
        )];
        for (entry, leaf) in info.certificates.iter().zip(&self.inventory.leaves) {
            let row = self.entry(entry, true);
            leaves.push(widened(row, wide, leaf.row.certificate.get(), &leaf.row.path));
        }
        let mut authorities =
            vec![heading(&["CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", "EXTERNALLY MANAGED"], wide)];
        for (entry, row) in info.certificate_authorities.iter().zip(&self.inventory.authorities) {
            let cells = self.entry(entry, false);
            authorities.push(widened(cells, wide, row.certificate.get(), &row.certificate_path));
        }
        let width = self.width.filter(|_| !wide);
        format!("{}\n{}", table::narrowed(&leaves, width), table::narrowed(&authorities, width))
    }

    fn entry(&self, entry: &Entry, with_authority: bool) -> Vec<String> {
        let Some(end) = entry.expiration_date else {
            let mark = if entry.missing { "!MISSING!" } else { "!INVALID!" };
            let mut cells = vec![format!("{mark} {}", entry.name)];
            cells.resize(if with_authority { 5 } else { 4 }, String::new());
            return cells;
        };
        let mut cells = vec![entry.name.clone(), date(end), residual_time(seconds_between(self.now, end))];
        if with_authority {
            cells.push(entry.ca_name.to_owned());
        }
        // kubeadm pads this last cell to eight characters.
        cells.push(format!("{:<8}", if entry.externally_managed { "yes" } else { "no" }));
        cells
    }

    /// What kubeadm doesn't check.
    fn more(&self) -> String {
        let mut out = String::new();
        let heading = |name: &str| vec![name.into(), "EXPIRES".into(), "RESIDUAL TIME".into(), "PATH".into()];
        if self.inventory.has_kubelet() {
            let mut rows = vec![heading("KUBELET CERTIFICATE")];
            rows.push(self.row(&self.inventory.kubelet_client));
            rows.push(self.row(&self.inventory.kubelet_serving));
            out.push_str(&format!("\n{}", table::render(&rows)));
        }
        if !self.inventory.elsewhere.is_empty() {
            let mut rows = vec![heading("OTHER KUBECONFIG")];
            rows.extend(self.inventory.elsewhere.iter().map(|row| self.row(row)));
            out.push_str(&format!("\n{}", table::render(&rows)));
        }
        if !self.inventory.foreign_authorities.is_empty() {
            let mut rows =
                vec![vec!["EMBEDDED CA".into(), "EXPIRES".into(), "RESIDUAL TIME".into(), "WHAT".into()]];
            for copy in &self.inventory.foreign_authorities {
                let end = copy.not_after;
                rows.push(vec![
                    copy.path.display().to_string(),
                    end.map(date).unwrap_or_default(),
                    end.map(|end| residual_time(seconds_between(self.now, end))).unwrap_or_default(),
                    copy.what.clone(),
                ]);
            }
            out.push_str(&format!("\n{}", table::render(&rows)));
        }
        // The tables show what has expired; the rest needs a sentence.
        let mut wordy = self
            .findings
            .iter()
            .filter(|f| !matches!(f.code, Code::Expired | Code::EmbeddedCaDiffers))
            .peekable();
        if wordy.peek().is_some() {
            let mut rows = vec![vec!["FINDING".into(), "SUBJECT".into(), "WHAT".into()]];
            rows.extend(
                alike(wordy).iter().map(|same| {
                    vec![same.first.code.as_str().into(), same.subject(), same.first.what.clone()]
                }),
            );
            out.push_str(&format!("\n{}", table::render(&rows)));
        }
        out
    }

    fn row(&self, row: &Row) -> Vec<String> {
        let (name, end) = match &row.certificate {
            Parsed::Present(certificate) => (row.name.clone(), Some(certificate.not_after)),
            Parsed::Missing => (format!("!MISSING! {}", row.name), None),
            Parsed::Unreadable(_) => (format!("!INVALID! {}", row.name), None),
        };
        let left = end.map(|end| residual_time(seconds_between(self.now, end))).unwrap_or_default();
        vec![name, end.map(date).unwrap_or_default(), left, row.path.display().to_string()]
    }

    fn info(&self) -> Info {
        let external = |authority: Ca| self.inventory.authority(authority).is_some_and(CaRow::is_external);
        let certificates = self.inventory.leaves.iter().map(|leaf| {
            let authority = leaf.spec.authority;
            self.info_entry(leaf.spec.name, &leaf.row.certificate, external(authority), authority.name())
        });
        let authorities = self.inventory.authorities.iter();
        let authorities = authorities
            .map(|row| self.info_entry(row.authority.name(), &row.certificate, row.is_external(), ""));
        Info {
            kind: "CertificateExpirationInfo",
            api_version: "output.kubeadm.k8s.io/v1alpha3",
            certificates: certificates.collect(),
            certificate_authorities: authorities.collect(),
        }
    }

    fn info_entry(
        &self,
        name: &str,
        item: &Parsed<Certificate>,
        external: bool,
        ca_name: &'static str,
    ) -> Entry {
        let certificate = item.get();
        let end = certificate.map(|certificate| certificate.not_after);
        let missing = item.is_missing();
        Entry {
            name: name.to_owned(),
            expiration_date: end,
            residual_time: end.map_or(0, |end| seconds_between(self.now, end)),
            externally_managed: external && !missing,
            ca_name: if missing { "" } else { ca_name },
            missing,
            error: item.reason().map(str::to_owned),
        }
    }

    fn json(&self) -> String {
        let mut out = Vec::new();
        let mut serializer =
            serde_json::Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b"    "));
        // Writing into memory cannot fail, and JSON can express the structure.
        let _ = self.info().serialize(&mut serializer);
        out.push(b'\n');
        String::from_utf8(out).unwrap_or_default()
    }
}

fn heading(cells: &[&str], wide: bool) -> Vec<String> {
    let more: &[&str] = if wide { &["KEY", "SERIAL", "ISSUER", "PATH"] } else { &[] };
    cells.iter().chain(more).map(|cell| (*cell).to_owned()).collect()
}

fn widened(
    mut cells: Vec<String>,
    wide: bool,
    certificate: Option<&Certificate>,
    path: &std::path::Path,
) -> Vec<String> {
    if wide {
        let known = certificate.map(|c| (c.algorithm.to_string(), c.serial.clone(), c.issuer.clone()));
        let (key, serial, issuer) = known.unwrap_or_default();
        cells.extend([key, serial, issuer, path.display().to_string()]);
    }
    cells
}

/// `Nov 23, 2027 22:23 UTC`, kubeadm's `Jan 02, 2006 15:04 MST` in UTC.
pub(super) fn date(time: Timestamp) -> String {
    time.strftime("%b %d, %Y %H:%M UTC").to_string()
}

/// Whole seconds from `now` to `end`, cut towards zero. More than 292 years are that many, as in Go (`time.Duration`).
pub(super) fn seconds_between(now: Timestamp, end: Timestamp) -> i64 {
    let nanoseconds = end.as_nanosecond() - now.as_nanosecond();
    let limit = if nanoseconds < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(nanoseconds).unwrap_or(limit) / 1_000_000_000
}

/// `k8s.io/apimachinery/pkg/util/duration` HumanDuration, as kubeadm 1.31 and later show it.
pub(super) fn residual_time(seconds: i64) -> String {
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{big_unit}") } else { format!("{big}{big_unit}{small}{small_unit}") }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

/// kubeadm's YAML of the same structure: keys sorted, times quoted.
fn yaml(info: &Info) -> String {
    let mut out = format!("apiVersion: {}\n", info.api_version);
    for (name, entries) in
        [("certificateAuthorities", &info.certificate_authorities), ("certificates", &info.certificates)]
    {
        if entries.is_empty() {
            out.push_str(&format!("{name}: []\n"));
            continue;
        }
        out.push_str(&format!("{name}:\n"));
        for entry in entries {
            let mut lines = Vec::new();
            if !entry.ca_name.is_empty() {
                lines.push(format!("caName: {}", entry.ca_name));
            }
            if let Some(error) = &entry.error {
                lines.push(format!("error: {}", serde_json::Value::from(error.as_str())));
            }
            let end = entry.expiration_date.map_or_else(|| "null".to_owned(), |end| format!("\"{end}\""));
            lines.push(format!("expirationDate: {end}"));
            lines.push(format!("externallyManaged: {}", entry.externally_managed));
            lines.push(format!("missing: {}", entry.missing));
            lines.push(format!("name: {}", entry.name));
            lines.push(format!("residualTime: {}", entry.residual_time));
            out.push_str(&format!("- {}\n", lines.join("\n  ")));
        }
    }
    out.push_str(&format!("kind: {}\n", info.kind));
    out
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, residual_time, seconds_between};

    #[test]
    fn residual_times_as_in_kubeadm() {
        const DAY: i64 = 86_400;
        for (seconds, expected) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (28_799, "7h59m"),
            (28_800, "8h"),
            (2 * DAY - 1, "47h"),
            (2 * DAY, "2d"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY, "8d"),
            (730 * DAY - 1, "729d"),
            (730 * DAY, "2y"),
            (2592 * DAY, "7y37d"),
            (2920 * DAY, "8y"),
            (3650 * DAY, "10y"),
        ] {
            assert_eq!(residual_time(seconds), expected, "{seconds}");
        }
    }

    /// `time.Time.Sub` ends at its largest and smallest duration.
    #[test]
    fn a_certificate_without_end_is_valid_as_long_as_go_counts() {
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(seconds_between(now, Timestamp::MAX), 9_223_372_036);
        assert_eq!(residual_time(seconds_between(now, Timestamp::MAX)), "292y");
        assert_eq!(seconds_between(Timestamp::MAX, now), -9_223_372_036);
        assert_eq!(seconds_between(now, now), 0);
    }
}
