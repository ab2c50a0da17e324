//! A whole node with any files laid over it: read, judged, planned, signed and reported without a panic, and all text
//! for the terminal is printable.
#![no_main]

use jiff::Timestamp;
use kuberescue::analysis::node::endpoints::expected;
use kuberescue::analysis::node::facts::Facts;
use kuberescue::analysis::node::findings::{Node, findings};
use kuberescue::analysis::node::host_state::HostState;
use kuberescue::analysis::node::inventory::Inventory;
use kuberescue::analysis::node::plan::{CaSelection, Options, Selection, decide};
use kuberescue::analysis::node::scope::referred;
use kuberescue::formats::key::KeyAlgorithm;
use kuberescue::issue::change_set;
use kuberescue::report::{ClusterNames, Expiration, Format};
use kuberescue::report::{finding_lines, next_steps, plan_notes, plan_text, renewal_messages};
use kuberescue_fuzz::node_with;
use libfuzzer_sys::fuzz_target;

// Just after the fixture was made, and when all of it has expired.
const TIMES: [i64; 2] = [1_795_478_400, 2_000_000_000];

fuzz_target!(|data: &[u8]| {
    let snapshot = node_with(data);
    let facts = Facts::read(&snapshot, None);
    let _more = referred(&snapshot, &facts);
    let inventory = Inventory::with_facts(&snapshot, facts);
    let _expected = expected(&inventory);
    let now = Timestamp::from_second(TIMES[data.len() % 2]).expect("a time");
    let around = HostState::default();
    let findings = findings(Node { snapshot: &snapshot, inventory: &inventory, around: &around }, now);
    let options = Options {
        selection: Selection::All,
        authorities: CaSelection::All,
        ca_days: 7300,
        kubelet: true,
        reuse_keys: true,
        days: Some(365),
        partial: true,
        whole_node: data.len().is_multiple_of(2),
        ..Options::recovery()
    };
    let mut plan = decide(&snapshot, &inventory, &findings, &options, now);
    let report = Expiration { inventory: &inventory, findings: &findings, now, width: None };
    let cluster = inventory.facts.cluster_name.value.clone();
    let names = ClusterNames { context: Some(cluster.clone()), cluster };
    for text in [
        finding_lines(&findings),
        report.tables(true),
        report.render(Format::Table),
        report.render(Format::Json),
        report.render(Format::Yaml),
        plan_text(&plan),
        plan_notes(&plan),
        renewal_messages(&plan),
        next_steps(&plan.restarts, true, &names),
    ] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "not printable: {text:?}");
    }
    // A new RSA key takes the time of a thousand inputs.
    plan.steps.retain(|step| step.authority.authority().is_some());
    plan.steps.retain(|step| step.key.reuse || !matches!(step.key.algorithm, KeyAlgorithm::Rsa(_)));
    if data.len().is_multiple_of(4)
        && let Ok(changes) = change_set(&snapshot, &inventory, &plan)
    {
        assert_eq!(snapshot.with(&changes).with(&changes.inverted()), snapshot);
        let _after = Inventory::with_facts(&snapshot.with(&changes), inventory.facts.clone());
    }
});
