//! The output of renewing and recovering: kubeadm's messages, findings, and next steps.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::SavedSnapshot;
use super::alike::folded;
use super::plan::LeftToDo;
use super::sanitise::line;
use crate::analysis::node::findings::{Finding, Severity};
use crate::analysis::node::outside::Outside;
use crate::analysis::node::plan::{Action, Condition, Plan, Restarts, StoreAction, Why};
use crate::state::Component;
use crate::state::Subject;
use crate::state::catalog::{KUBELET_CLIENT_LONG, KUBELET_SERVING, KUBELET_SERVING_LONG};
use crate::state::text::{self, count};
use crate::state::time::minute;

/// One heading for one thing, in every command.
pub const SECTIONS: [(Severity, &str); 3] = [
    (Severity::Blocker, "Blocking problems (root cause first)"),
    (Severity::Warning, "Warnings"),
    (Severity::Note, "Notes"),
];

/// What `recover` and `certs renew` did, or would do: the document `Recovery`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery<'a> {
    /// Nothing was written: `after` is predicted.
    pub dry_run: bool,
    pub changed: bool,
    pub exit_code: u8,
    /// The archive of the old state.
    #[serde(serialize_with = "text::optional")]
    pub archive: Option<&'a Path>,
    /// The snapshot of etcd that was saved first; absent if none was asked for or needed.
    pub etcd_snapshot: Option<&'a SavedSnapshot>,
    pub plan: &'a Plan,
    pub manual_actions: Vec<LeftToDo<'a>>,
    /// What has a copy of a renewed CA outside of this node; left out if none is renewed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<Outside>,
    pub before: &'a [Finding],
    pub after: &'a [Finding],
}

/// kubeadm's messages of `certs renew`, in its order, with its closing words.
pub fn renewal_messages(plan: &Plan) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    for step in &plan.steps {
        let text = match step.action {
            Action::Renew => format!("{} renewed", step.long_name),
            Action::Issue { .. } => format!("{} issued", step.long_name),
        };
        lines.push((&step.name, text));
    }
    for change in &plan.store {
        let long_name = match change.name.as_str() {
            KUBELET_SERVING => KUBELET_SERVING_LONG,
            _ => KUBELET_CLIENT_LONG,
        };
        let text = match &change.action {
            StoreAction::Link { link, file, .. } => {
                format!("{long_name} kept: {} leads to {}", link.display(), file.display())
            }
            StoreAction::Refer { kubeconfig, link } => {
                format!("{} names {}, which the kubelet rotates", kubeconfig.display(), link.display())
            }
            StoreAction::Remove { path, because } => {
                format!("{long_name}: {} removed: {because}", path.display())
            }
        };
        lines.push((&change.name, text));
    }
    for skipped in &plan.skipped {
        let text = match &skipped.why {
            Why::NotOnThisNode => format!("MISSING! {}", skipped.long_name),
            Why::Ca { authority, external: true, .. } => {
                format!("Detected external {}, {} can't be renewed", authority.base(), skipped.long_name)
            }
            Why::NotDue { until } => format!("{} not due, valid until {}", skipped.long_name, minute(*until)),
            Why::Ca { what, .. } => format!("{} can't be renewed: {what}", skipped.long_name),
            Why::NotEmbedded(what) | Why::Unknown(what) | Why::NotOurs(what) => {
                format!("{} not renewed: {what}", skipped.long_name)
            }
        };
        lines.push((&skipped.name, text));
    }
    // kubeadm sorts by name; the kubelet's, which kubeadm doesn't know, come last.
    lines.sort_by_key(|(name, _)| (Subject::from(*name).is_kubelets(), *name));
    let mut out = String::new();
    for (_, text) in lines {
        let _ = writeln!(out, "{}", line(&text));
    }
    if !plan.steps.is_empty() {
        out.push_str(
            "\nDone renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.\n",
        );
    }
    out
}

pub fn finding_lines<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    let mut out = String::new();
    for same in folded(findings) {
        let text = format!("  {:<23} {}", same.first.code.as_str(), same.sentence());
        let _ = writeln!(out, "{}", line(&text));
    }
    out
}

/// The blocking problems that a change leaves; empty if there is none.
pub fn remaining<'a>(left: impl IntoIterator<Item = &'a Finding>) -> String {
    match finding_lines(left) {
        lines if lines.is_empty() => lines,
        lines => {
            format!("\nBlocking problems that remain after this change (manual action required):\n{lines}")
        }
    }
}

/// Findings under the headings of every command.
pub fn finding_sections(findings: &[Finding]) -> String {
    let mut out = String::new();
    for (severity, heading) in SECTIONS {
        let lines = finding_lines(findings.iter().filter(|finding| finding.severity == severity));
        if !lines.is_empty() {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = write!(out, "{gap}{heading}:\n{lines}");
        }
    }
    out
}

/// That no blocker stands in the way: there is none, or all that there are have been accepted.
pub fn no_blocker(findings: &[Finding]) -> String {
    let blockers = findings.iter().filter(|finding| finding.is_blocker());
    let codes: BTreeSet<_> = blockers.map(|finding| finding.code.as_str()).collect();
    if codes.is_empty() {
        return "no blocking problem on this node".to_owned();
    }
    format!("every blocking problem is accepted ({})", codes.into_iter().collect::<Vec<_>>().join(", "))
}

/// What must be true before a plan is applied.
pub fn condition_text(condition: Condition) -> &'static str {
    match condition {
        Condition::SameCaOnAllNodes => {
            "certificates of another CA are replaced. Make sure first that ca.crt is the same on all control-plane nodes (sha256sum /etc/kubernetes/pki/ca.crt)."
        }
    }
}

/// The next steps on this node, after its files were renewed and nothing was restarted.
pub fn next_steps(restarts: &Restarts, live: bool, names: &ClusterNames) -> String {
    let mut out = String::from("Next steps");
    out.push_str(if live {
        " on this node:\n"
    } else {
        " once this disk runs again (a node that boots from it needs none of them):\n"
    });
    let mut number = 0;
    let mut add = |text: &str| {
        number += 1;
        let _ = writeln!(out, "  {number}. {}", line(text));
    };
    if restarts.has(Component::Kubelet) {
        add("restart the kubelet first: systemctl restart kubelet");
    }
    let pods: Vec<_> = restarts.pods().map(|task| task.component.name()).collect();
    if !pods.is_empty() {
        add(&format!("restart the static pods {}: kuberescue restart", pods.join(", ")));
    }
    add("verify the node: kuberescue probe");
    out.push_str(&elsewhere(names));
    out
}

/// kubeadm's default name of a cluster.
const UNNAMED: &str = "kubernetes";

/// The names in commands for the workstation.
#[derive(Clone, Debug, Default)]
pub struct ClusterNames {
    /// The cluster, as the controller-manager's flag names it.
    pub cluster: String,
    /// The context of admin.conf.
    pub context: Option<String>,
}

impl ClusterNames {
    /// The cluster's name in a command.
    fn name(&self) -> &str {
        match self.cluster.as_str() {
            "" | UNNAMED => "NAME",
            known => known,
        }
    }
}

/// The next steps outside this node, with their commands.
pub fn elsewhere(names: &ClusterNames) -> String {
    let name = names.name();
    let context = names.context.as_deref().unwrap_or("CONTEXT");
    let secret = format!("--admin-kubeconfig ADMIN --namespace cluster-{name} --cluster {name}");
    let lines = [
        "Elsewhere:".to_owned(),
        "  - on every other control-plane node, one after the other: kuberescue recover (certificates are not copied between nodes)".to_owned(),
        "  - where the old admin.conf was copied to (~/.kube/config, workstations, CI): copy the new one there, then".to_owned(),
        format!("      kuberescue kubeconfig install admin.conf --context {context}     (one context of ~/.kube/config)"),
        "      kuberescue kubeconfig install admin.conf --file FILE     (a file of its own)".to_owned(),
        "  - on the admin workstation, where a management cluster keeps it in a Secret (ADMIN is that cluster's kubeconfig):".to_owned(),
        format!("      kuberescue kubeconfig fetch {secret} --compare bmctl-workspace/{name}/{name}-kubeconfig"),
        format!("      kuberescue kubeconfig install {secret}"),
        format!("      where the Secret still holds the old certificate, before that: kuberescue kubeconfig push {secret} --from admin.conf"),
        "  - finally: kuberescue verify cluster".to_owned(),
    ];
    lines.iter().map(|text| format!("{}\n", line(text))).collect()
}

/// What will be done in the rest of the cluster once the node is healthy.
pub fn cluster_plan(rollout: bool) -> &'static str {
    if rollout {
        "Finally, workloads in kube-system that still use old certificates (such as etcd-defrag) are restarted as by kubectl rollout restart,\nif all control-plane nodes are Ready, and the health of the cluster is verified.\n"
    } else {
        "Finally, workloads that still use old certificates are listed (none is restarted), and the health of the cluster is verified.\n"
    }
}

/// What was checked before a running node is changed.
pub fn preflight_lines(lines: &[(&str, String)]) -> String {
    let mut out = String::from("Preflight checks:\n");
    for (name, what) in lines {
        let _ = writeln!(out, "  {}", line(&format!("{name:<8} {what}")));
    }
    out
}

/// The result of a recovery: how long it took, how much of that was work, and what is left to do.
pub fn took(all: Duration, waited: Duration, left: usize) -> String {
    let own = all.saturating_sub(waited).as_secs_f64();
    format!("RECOVERED in {:.1} s ({own:.2} s of work){}\n", all.as_secs_f64(), left_to_do(left))
}

/// The result where nothing was restarted.
pub fn renewed(certificates: usize, left: usize) -> String {
    format!("RENEWED {}{}. Nothing was restarted.\n", count(certificates, "certificate"), left_to_do(left))
}

fn left_to_do(things: usize) -> String {
    if things == 0 { String::new() } else { format!(", {} left to do", count(things, "thing")) }
}

/// The places outside of this node that need its new files, one line each; `others` is whether the cluster may have other
/// control-plane nodes.
pub fn places_elsewhere(names: &ClusterNames, others: bool) -> String {
    let context = names.context.as_deref().unwrap_or("CONTEXT");
    let name = names.name();
    let lines = [
        others.then(|| {
            "  other control-plane nodes   sudo kuberescue recover, one node after the other".to_owned()
        }),
        Some(format!(
            "  copies of admin.conf        kuberescue kubeconfig install admin.conf --context {context}"
        )),
        Some(format!(
            "  an admin cluster's Secret   kuberescue kubeconfig push --admin-kubeconfig ADMIN --cluster {name} --from admin.conf"
        )),
    ];
    let lines: String = lines.iter().flatten().map(|text| format!("{}\n", line(text))).collect();
    format!("Elsewhere\n{lines}")
}

/// The last line of a run: what to do now. A command in it is never cut.
pub fn next(what: &str) -> String {
    format!("NEXT     {}\n", line(what))
}
