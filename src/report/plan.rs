//! A plan in words.

use jiff::SignedDuration;
use serde::Serialize;

use super::sanitise::line;
use crate::analysis::node::plan::{
    Action, CaReplacement, ManualAction, Plan, Signing, Stage, Step, StoreAction, StoreChange, Target,
};
use crate::analysis::node::readers::Narrowed;
use crate::state::catalog::{Ca, Usage};
use crate::state::text::{count, shell_word};
use crate::state::time::minute;

/// The plan in words.
pub fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    let mut add = |text: String| {
        out.push_str(&line(&text));
        out.push('\n');
    };
    let node = plan.node.as_ref();
    add(match node {
        Some(node) => format!("Plan for node {} (name from {})", node.value, node.source),
        None => "Plan for an unknown node".to_owned(),
    });
    add(format!("  PKI directory {} (from {})", plan.pki_dir.value.display(), plan.pki_dir.source));
    let etcd = if plan.local_etcd.value { "on this node" } else { "external" };
    add(format!("  etcd {etcd} (from {})", plan.local_etcd.source));
    if let Some(validity) = &plan.validity {
        add(format!("  certificates valid for {} (from {})", period(validity.value), validity.source));
    }
    for step in &plan.authorities {
        add(format!("- renew the CA {} with its own key: {}", step.name, step.path.display()));
        add(format!("    subject {}", step.subject));
        let was = minute(step.old.not_after);
        add(format!("    expires {} (old: {was})", minute(step.new.not_after)));
        let copies: Vec<_> = step.files.iter().filter(|file| **file != step.path).collect();
        if !copies.is_empty() {
            let copies: Vec<_> = copies.iter().map(|file| file.display().to_string()).collect();
            add(format!("    and its copies in {}", copies.join(", ")));
        }
    }
    for text in plan.replacement.iter().flat_map(|new| replacement(new, plan)) {
        add(text);
    }
    if let Some(signing) = &plan.signing {
        add("- have kube-controller-manager sign with a file of one certificate: it doesn't start with a bundle".to_owned());
        add(format!("    {}", signs_with(signing)));
    }
    for step in &plan.steps {
        add(format!("- {} {}: {}", verb(step), step.name, where_to(step)));
        if let Action::Issue { because } = &step.action {
            add(format!("    because {because}"));
        }
        let own = if step.authority.authority().is_none() { ", created for it alone" } else { "" };
        add(format!("    subject {}, signed by {}{own}", step.subject, step.authority.name()));
        if !step.names.is_empty() {
            add(format!("    for {}", step.names.join(", ")));
        }
        for change in corrections(step) {
            add(format!("    {change}"));
        }
        let old = step.old.map_or_else(|| "none".to_owned(), |old| minute(old.not_after));
        add(format!("    expires {} (old: {old})", minute(step.new.not_after)));
        let key = if step.key.reuse { "existing key" } else { "new key" };
        add(format!("    {key}, {}", step.key.algorithm));
        for note in notes(plan, step) {
            add(format!("    NOTE: {note}"));
        }
    }
    if let Some(file) = &plan.trust {
        add(format!("- replace the CA in kubelet.conf: {}", file.display()));
        add("    because the kubelet trusts another CA than this node's ca.crt".to_owned());
    }
    for change in &plan.store {
        add(format!("- {}", store_change(change)));
        if let StoreAction::Link { until, .. } = &change.action {
            add(format!("    instead of a new certificate: this one expires {}", minute(*until)));
        }
    }
    for skipped in &plan.skipped {
        add(format!("- skip {}: {}", skipped.name, skipped.why));
    }
    if plan.is_empty() {
        add("- no change".to_owned());
    }
    let names = plan.restarts.names();
    if !names.is_empty() {
        add(format!("Restart afterwards: {}", names.join(", ")));
    }
    out
}

/// The replacement of a CA: what changes, and what that means.
fn replacement(new: &CaReplacement, plan: &Plan) -> Vec<String> {
    let (name, path, key) = (new.name, new.path.display(), new.key_path.display());
    let mut lines = Vec::new();
    let copies: Vec<_> =
        new.files.iter().filter(|file| **file != new.path).map(|file| file.display().to_string()).collect();
    if new.stage == Stage::Finish {
        lines.push(format!("- remove the old CA {name}: {path}"));
        lines.push(format!("    subject {}", new.subject));
        lines.push("    from then on everything that it has signed is rejected".to_owned());
    } else {
        lines.push(format!("- replace the CA {name} by a new one with a new key: {path} and {key}"));
        lines.push(format!("    subject {}", new.subject));
        let was = new.old.map_or_else(|| "unknown".to_owned(), |old| minute(old.not_after));
        lines.push(format!("    expires {} (old: {was})", minute(new.new.not_after)));
        match (&new.given, &new.key) {
            (Some(given), _) => lines.push(format!("    from {}", given.source.display())),
            (None, Some(key)) => lines.push(format!("    new key, {}", key.algorithm)),
            (None, None) => {}
        }
        if new.old.is_some() {
            lines.push("    both are trusted until kuberescue ca replace --finish".to_owned());
        }
    }
    if !copies.is_empty() {
        lines.push(format!("    the same in {}", copies.join(", ")));
    }
    if new.signing.manifest.is_some() {
        let signs = signs_with(&new.signing);
        lines.push(format!(
            "    kube-controller-manager takes a file with one certificate to sign with: {signs}"
        ));
    }
    lines.extend(what_it_means(new, plan).into_iter().map(|text| format!("    NOTE: {text}")));
    lines
}

/// The flags that change, and where.
fn signs_with(signing: &Signing) -> String {
    let manifest = signing.manifest.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let flags: Vec<_> = signing.flags.iter().map(|flag| format!("--{}={}", flag.name, flag.value)).collect();
    format!("{} in {manifest}", flags.join(" "))
}

/// What stops working and until when, and what comes next.
fn what_it_means(new: &CaReplacement, plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    let others = new.members.join(", ");
    let finish = format!("sudo kuberescue ca replace {} --finish", new.name);
    match new.stage {
        Stage::Trust if !new.members.is_empty() => notes.extend([
            format!(
                "etcd's members trust each other's certificates: all of them ({others} too) have to trust the new CA before its certificates are used"
            ),
            "step 1 of 3: this command, on the other members with --from (below); recover on each, one after the other".to_owned(),
            "step 2 of 3: sudo kuberescue certs renew all, and recover, on each".to_owned(),
            format!("step 3 of 3: {finish}, and recover, on each"),
        ]),
        Stage::Trust => notes.extend([
            "nothing stops working".to_owned(),
            "when all that trusts the old CA trusts the new one too: sudo kuberescue certs renew all --kubelet, and recover, on each control-plane node".to_owned(),
            format!("at the end: {finish}"),
        ]),
        Stage::Issue if new.authority == Ca::Cluster => notes.extend([
            "from the restart on, whoever trusts the old CA alone rejects this node's API server until it has the new ca.crt: workers, pods, kubeconfigs elsewhere (below). What they present is accepted".to_owned(),
            "to avoid that, where certificates are still valid: --trust-only first".to_owned(),
            format!("at the end: {finish}"),
        ]),
        Stage::Issue => notes.push(format!("at the end, when all control-plane nodes have it: {finish}")),
        Stage::Finish if !new.members.is_empty() => {
            notes.push(format!("etcd's other members ({others}) must have certificates of the new CA by now"));
        }
        Stage::Finish if new.authority == Ca::Cluster => notes.push(
            "what is not on this node is not checked: all workers and control-plane nodes must have certificates of the new CA and trust it by now".to_owned(),
        ),
        Stage::Finish => {}
    }
    if new.stage != Stage::Finish && new.is_working && new.given.is_none() {
        let at = if new.old.is_some_and(|old| old.not_after < plan.at) { "has expired" } else { "expires" };
        notes.push(format!(
            "the key of the old CA is here and works: if it has not leaked and the CA only {at}, sudo kuberescue ca renew {} is enough",
            new.name
        ));
    }
    notes
}

/// `730 days`, or in hours where it is no number of days.
fn period(period: SignedDuration) -> String {
    match period.as_hours() {
        hours if hours % 24 == 0 => count(hours / 24, "day"),
        hours => count(hours, "hour"),
    }
}

/// Notes of the plan beyond its steps, one per line.
pub fn plan_notes(plan: &Plan) -> String {
    let mut out = String::new();
    if let Some(validity) = &plan.validity {
        let note =
            format!("NOTE: certificates valid for {} (from {})", period(validity.value), validity.source);
        out.push_str(&line(&note));
        out.push('\n');
    }
    for step in &plan.steps {
        for note in corrections(step).into_iter().chain(notes(plan, step)) {
            out.push_str(&line(&format!("NOTE: {}: {note}", step.name)));
            out.push('\n');
        }
    }
    out
}

/// What differs besides dates and key, each with its reason.
pub(super) fn corrections(step: &Step) -> Vec<String> {
    let usage = step.usage.map(|usage| {
        let purposes = match usage {
            Usage::Server => "serverAuth",
            Usage::Client => "clientAuth",
            Usage::ServerAndClient => "serverAuth, clientAuth",
        };
        format!("sets its usage to {purposes} (the old one is rejected)")
    });
    let names = step.added.iter().map(|added| format!("adds {} ({})", added.name, added.reason));
    let modes = step.narrowed.iter().map(|narrowed| {
        let (path, Narrowed { before, after, reason, .. }) = (narrowed.path.display(), narrowed);
        format!("mode {before} → {after} of {path} ({reason})")
    });
    let removed = step.removed.iter().map(|name| format!("removes {name} (--remove-san)"));
    usage.into_iter().chain(names).chain(removed).chain(modes).collect()
}

fn notes(plan: &Plan, step: &Step) -> Vec<String> {
    let cut = step.cut_to_authority.then(|| {
        format!(
            "it expires with its CA {} on {}, earlier than requested",
            step.authority.name(),
            minute(step.new.not_after)
        )
    });
    let action = plan.manual_action_of(step).map(|action| manual_action(action).1);
    cut.into_iter().chain(step.notes.iter().cloned()).chain(action).collect()
}

/// What a person has to see to after the change.
#[derive(Serialize)]
pub struct LeftToDo<'a> {
    /// The certificate or kubeconfig.
    pub(super) name: &'a str,
    pub(super) what: String,
}

impl<'a> LeftToDo<'a> {
    pub fn of(plan: &'a Plan) -> Vec<Self> {
        let actions = plan.manual_actions().into_iter().map(manual_action);
        actions.map(|(name, what)| Self { name, what }).collect()
    }
}

/// The same as a list with its heading; empty if there is nothing.
pub fn manual_actions(plan: &Plan) -> String {
    let lines = LeftToDo::of(plan)
        .into_iter()
        .map(|LeftToDo { name, what }| format!("{}\n", line(&format!("- {name}: {what}"))));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("Manual action required:\n{lines}") }
}

/// The certificate or kubeconfig, and what is left to do.
fn manual_action(action: ManualAction<'_>) -> (&str, String) {
    match action {
        ManualAction::Skipped(skipped) => (&skipped.name, format!("not renewed: {}", skipped.why)),
        ManualAction::OtherContext { step, file, context } => (
            &step.name,
            format!(
                "current-context is another cluster's and is not changed; to select this one: kubectl config use-context {} --kubeconfig {}",
                shell_word(context),
                shell_word(&file.display().to_string())
            ),
        ),
        ManualAction::EtcdElsewhere(step) => (
            &step.name,
            "etcd is no static pod of this node: its own certificates are not checked, and may have expired too"
                .to_owned(),
        ),
    }
}

/// A change of the kubelet's store, as a sentence's beginning.
pub(super) fn store_change(change: &StoreChange) -> String {
    let name = &change.name;
    match &change.action {
        StoreAction::Link { link, file, from: None, .. } => {
            format!("link {name}: {} to {}, which is there", link.display(), file.display())
        }
        StoreAction::Link { link, file, from: Some(from), .. } => {
            format!("link {name}: {} to {}, a copy of {}", link.display(), file.display(), from.display())
        }
        StoreAction::Refer { kubeconfig, link } => {
            format!(
                "change {}: it names {} instead of holding the certificate",
                kubeconfig.display(),
                link.display()
            )
        }
        StoreAction::Remove { path, because } => {
            format!("remove {} of {name}: {because}", path.display())
        }
    }
}

fn verb(step: &Step) -> &'static str {
    match step.action {
        Action::Renew => "renew",
        Action::Issue { .. } => "issue",
    }
}

fn where_to(step: &Step) -> String {
    match &step.target {
        Target::Pair { certificate, key } => format!("{} and {}", certificate.display(), key.display()),
        Target::Splice { file, authority, context } => {
            let context = context.as_ref().map(|name| format!(", context \"{name}\"")).unwrap_or_default();
            let authority = if *authority { ", with this node's CA" } else { "" };
            format!("in {}{context}{authority}", file.display())
        }
        Target::NewKubeconfig { file, server, .. } => format!("a new {} for {server}", file.display()),
        Target::KubeletPem { link, file } => {
            format!("{}, with {} pointing to it", file.display(), link.display())
        }
    }
}
