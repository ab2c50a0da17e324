//! `certs check-expiration`: when every certificate expires.

use jiff::{SignedDuration, Timestamp};

use crate::analysis::node::findings::{Code, Severity};
use crate::analysis::node::inventory::Inventory;
use crate::error::{Exit, Outcome};
use crate::report::{Expiration, Format, finding_lines};
use crate::session::Context;
use crate::session::forensics::nodes::Read;
use crate::session::input::arguments::{KubeadmArgs, parse_duration, parse_time};
use crate::session::input::source::RootArgs;
use crate::state::text::count_verb;
use crate::state::time::{expired_on, expires_on};

/// Arguments of `certs check-expiration`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    kubeadm: KubeadmArgs,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: Format,
    /// Exit with 1 if anything expires within this time, such as 30d or 12h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    fail_within: Option<SignedDuration>,
}

/// Prints when every certificate expires; exit 1 if one has expired or is broken.
///
/// # Errors
/// There is no readable node.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    args.kubeadm.tell(context);
    let now = args.at.unwrap_or(context.now);
    let read = Read::of(&args.root, args.at)?;
    let findings = read.findings(now);
    let inventory = read.inventory;
    let report = Expiration { inventory: &inventory, findings: &findings, now, width: context.out.width() };
    context.out.result(&report.render(args.output));
    if !inventory.is_control_plane() {
        context.out.say(
            "note [worker-node]: a worker node has the kubelet's certificates and the CA certificate only",
        );
    }
    if matches!(args.output, Format::Json | Format::Yaml) {
        let more: Vec<_> = findings.iter().filter(|finding| finding.code != Code::Expired).collect();
        context.out.say(finding_lines(more).trim_end());
    }
    let expiring = args.fail_within.map(|within| expiring(&inventory, now, within)).unwrap_or_default();
    if !expiring.is_empty() {
        let certificates = count_verb(expiring.len(), "certificate", "expire");
        context.out.say(&format!("{certificates} within the time of --fail-within:"));
    }
    for (end, name) in &expiring {
        let when = if *end <= now { expired_on(*end, now) } else { expires_on(*end, now) };
        context.out.say(&format!("  {name} {when}"));
    }
    let faulty = findings.iter().any(|finding| finding.severity >= Severity::Warning);
    Ok(if faulty || !expiring.is_empty() { Exit::Findings } else { Exit::Fine })
}

/// What expires within this time, the earliest first.
fn expiring(inventory: &Inventory, now: Timestamp, within: SignedDuration) -> Vec<(Timestamp, String)> {
    let limit = now.checked_add(within).unwrap_or(Timestamp::MAX);
    let leaves = inventory.leaves.iter().map(|leaf| &leaf.row);
    let rows =
        leaves.chain(&inventory.elsewhere).chain([&inventory.kubelet_client, &inventory.kubelet_serving]);
    let rows = rows.map(|row| (row.name.clone(), row.certificate.get()));
    let authorities =
        inventory.authorities.iter().map(|row| (row.authority.name().to_owned(), row.certificate.get()));
    let expiries =
        rows.chain(authorities).filter_map(|(name, certificate)| Some((certificate?.not_after, name)));
    let mut expiring: Vec<_> = expiries.filter(|(end, _)| *end <= limit).collect();
    expiring.sort();
    expiring
}
