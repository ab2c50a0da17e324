//! The verdict: one line that a tired person reads first.

use jiff::Timestamp;
use serde::Serialize;

use crate::analysis::node::findings::order;
use crate::analysis::node::findings::order::Without;
use crate::analysis::node::findings::{Class, Code, Finding, Severity};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{DEFAULT_DAYS, Options, Plan, Selection, decide};
use crate::state::Snapshot;

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing keeps it from working.
    Well,
    /// It works, and something should be seen to.
    Warnings,
    /// Certificates, keys or kubeconfigs keep it from working.
    Credentials,
    /// Something else does.
    Other,
}

/// The verdict on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// How it is.
    pub state: State,
    /// In one line.
    pub line: String,
    /// What becomes of the workloads that run.
    pub workloads: String,
    /// The command that repairs it, where one does.
    pub repair: Option<String>,
    /// Why it can't be repaired here, where it can't.
    pub obstacle: Option<String>,
}

/// What is to be said first.
pub fn verdict(snapshot: &Snapshot, inventory: &Inventory, findings: &[Finding], now: Timestamp) -> Verdict {
    let blockers: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Blocker).collect();
    let (credentials, others): (Vec<&Finding>, Vec<&Finding>) =
        blockers.iter().partition(|finding| finding.code.page().class == Class::Credential);
    if blockers.is_empty() {
        return well(inventory, findings, now);
    }
    let mut line = format!("{} {}: ", subject(inventory), degree(inventory, &blockers));
    let mut next = Next::default();
    if let Some(first) = others.first() {
        let says_of_what = first.what.contains(&first.subject);
        let of = if says_of_what { String::new() } else { format!("{}: ", first.subject) };
        line.push_str(&format!("{} ({of}{})", first.code.page().title, first.what));
        line.push_str(", which is not a certificate problem");
        let more: Vec<_> = others.iter().skip(1).map(|f| format!("{} ({})", f.code, f.subject)).collect();
        if !more.is_empty() {
            line.push_str(&format!(", nor are {}", some(&more)));
        }
        next.first = Some(first_sentence(&first.remedy));
    }
    if !credentials.is_empty() {
        line.push_str(if others.is_empty() { "" } else { "; besides, " });
        line.push_str(&unusable(inventory, findings, now));
        if let Some(valid) = valid_authorities(inventory, now) {
            line.push_str(&format!("; {valid}"));
        }
        next.repair(snapshot, inventory, &credentials, now);
    }
    line.push_str(&next.words());
    Verdict {
        state: if others.is_empty() { State::Credentials } else { State::Other },
        line,
        workloads: workloads(inventory, &blockers).to_owned(),
        repair: next.command.filter(|_| next.first.is_none()).map(str::to_owned),
        obstacle: next.first.or(next.not_here),
    }
}

fn subject(inventory: &Inventory) -> &'static str {
    if inventory.is_control_plane() { "control plane" } else { "kubelet" }
}

/// How bad it is.
fn degree(inventory: &Inventory, blockers: &[&Finding]) -> &'static str {
    let worst = blockers.iter().map(|finding| order::without(finding)).max();
    match worst {
        Some(Without::Dead) => "cannot start",
        Some(Without::NotAgain) if !inventory.is_control_plane() => "cannot start",
        Some(Without::Perhaps) => "may not start",
        Some(Without::NotAgain) => "cannot start again once it is stopped",
        Some(Without::InPart) | None => "works only in part",
    }
}

/// What becomes of the pods that run.
fn workloads(inventory: &Inventory, blockers: &[&Finding]) -> &'static str {
    let has = |code| blockers.iter().any(|finding| finding.code == code);
    let worst = blockers.iter().map(|finding| order::without(finding)).max();
    if has(Code::DiskFull) {
        "Pods that run go on, but for those that need room on the disk or that the kubelet evicts to make some."
    } else if has(Code::SaPairMismatch) {
        "Pods that run go on, but those that ask the API are refused."
    } else if !inventory.is_control_plane() {
        "Containers that run go on, but the cluster takes the node for lost and starts its pods elsewhere after some minutes."
    } else if worst <= Some(Without::InPart) {
        "Pods that run are not affected: they go on."
    } else if worst == Some(Without::NotAgain) {
        "Pods that run are not affected: they go on, and this node's kubelet starts nothing new until this is repaired."
    } else {
        "Pods that run are not affected: they go on, and nothing can be managed until this is repaired."
    }
}

/// What to do.
#[derive(Default)]
struct Next {
    /// What a person has to do first.
    first: Option<String>,
    /// Why nothing here repairs it.
    not_here: Option<String>,
    command: Option<&'static str>,
    /// What has to be made sure of before that.
    provided: Option<&'static str>,
}

impl Next {
    /// Whether issuing certificates here brings the node back, and what has to be done before.
    fn repair(&mut self, snapshot: &Snapshot, inventory: &Inventory, blockers: &[&Finding], now: Timestamp) {
        if !inventory.is_control_plane() {
            self.on_a_worker(inventory);
            return;
        }
        if blockers.iter().any(|finding| finding.code == Code::CaExpired) {
            self.expired_authority(inventory, now);
            return;
        }
        let options = Options {
            selection: Selection::All,
            kubelet: false,
            reuse_keys: false,
            days: DEFAULT_DAYS,
            partial: false,
            accept_clock: true,
        };
        let Plan { refusals, steps, .. } = decide(snapshot, inventory, &options, now);
        // A copied leaf is moved away by hand; what a CA can't sign has to wait for the CA, whatever else is done.
        let refused = refusals.iter().find(|refusal| refusal.code != Code::NamesOfAnotherNode);
        if let Some(refusal) = refused {
            let what = refusal.what.split("; this blocks").next().unwrap_or_default();
            self.not_here = Some(format!("{what}; next: kuberescue explain {}", refusal.code));
            return;
        }
        let of_another_ca =
            blockers.iter().any(|f| matches!(f.code, Code::CaReplaced | Code::WrongAuthority));
        // Which CA is the right one is asked for all of them at once.
        let by_hand = |f: &&&Finding| is_by_hand(f) && !(of_another_ca && f.code == Code::EmbeddedCaDiffers);
        if let Some(finding) = blockers.iter().find(by_hand) {
            let alike = blockers.iter().filter(by_hand).filter(|other| other.code == finding.code);
            let alike: Vec<_> = alike.map(|finding| finding.subject.clone()).collect();
            let of = if alike.len() > 1 { format!("for {} alike, ", some(&alike)) } else { String::new() };
            let all = blockers.iter().filter(by_hand).count();
            let more = if all > alike.len() { " (and more: kuberescue diagnose -v)" } else { "" };
            self.first.get_or_insert_with(|| format!("{of}{}{more}", first_sentence(&finding.remedy)));
        }
        if blockers.iter().any(|finding| !by_hand(&finding)) && !steps.is_empty() {
            self.command = Some("kuberescue recover");
        }
        if of_another_ca {
            self.provided = Some("once the CAs are known to be the same on all nodes");
        }
    }

    /// Everything waits for the CA, which is made anew by hand where its key is.
    fn expired_authority(&mut self, inventory: &Inventory, now: Timestamp) {
        let expired = inventory
            .authorities
            .iter()
            .filter(|row| row.certificate.get().is_some_and(|c| c.expired_at(now)));
        if expired.clone().any(|row| row.key.get().is_none()) {
            self.not_here = Some(
                "the CA has to be made anew where its key is; next: kuberescue explain ca-expired".to_owned(),
            );
            return;
        }
        let what = match expired.count() {
            1 => "make the CA anew from its own key (kuberescue explain ca-expired)",
            _ => "make the CAs anew from their own keys (kuberescue explain ca-expired)",
        };
        self.first = Some(self.first.take().map_or(what.to_owned(), |first| format!("{first}; then {what}")));
        self.command = Some("kuberescue recover");
    }

    /// A worker has no key to sign with.
    fn on_a_worker(&mut self, inventory: &Inventory) {
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
        let name = inventory.facts.node_name.as_ref().map(|name| name.value.as_str());
        let name = name.filter(is_name).unwrap_or("NAME");
        let what = format!(
            "on a control-plane node: kubeadm kubeconfig user --org system:nodes --client-name system:node:{name} (all steps: kuberescue diagnose -v)"
        );
        self.first.get_or_insert(what);
    }

    fn words(&self) -> String {
        let provided = self.provided.map(|what| format!(", {what}")).unwrap_or_default();
        let not_here = self.not_here.as_ref().map(|why| format!("; not repairable here as it is: {why}"));
        match (&self.first, self.command) {
            (Some(first), Some(command)) => format!("; first: {first}; then: {command}{provided}"),
            (Some(first), None) => format!("; next: {first}{}", not_here.unwrap_or_default()),
            (None, Some(command)) => format!("; repairable here with: {command}{provided}"),
            (None, None) => not_here.unwrap_or_else(|| "; next: kuberescue diagnose -v".to_owned()),
        }
    }
}

/// What issuing certificates doesn't repair: renewing keeps names, usage and whatever else is in the old one, and other
/// files are nobody's to make.
fn is_by_hand(finding: &Finding) -> bool {
    matches!(
        finding.code,
        Code::NamesMissing
            | Code::NamesOfAnotherNode
            | Code::UsageWrong
            | Code::FrontProxyName
            | Code::EtcdClientExpired
            | Code::KubeletLinkNoLink
            | Code::SaMissing
            | Code::SaPairMismatch
    ) || (finding.code == Code::EmbeddedCaDiffers && finding.subject == "kubelet.conf")
}

/// The first sentence of a remedy, to be put into another one.
fn first_sentence(text: &str) -> String {
    let sentence = text.split_once(". ").map_or(text.trim_end_matches('.'), |(first, _)| first);
    let mut chars = sentence.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

fn well(inventory: &Inventory, findings: &[Finding], now: Timestamp) -> Verdict {
    let control_plane = inventory.is_control_plane();
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    let mut line = format!("nothing on this disk keeps the {} from working", subject(inventory));
    // What keeps nothing from working and has ended all the same: admin.conf, homes.
    let ended = |f: &&Finding| f.code == Code::Expired && f.severity == Severity::Warning;
    let ended: Vec<_> = findings.iter().filter(ended).collect();
    if let Some(first) = ended.first() {
        let names: Vec<_> = ended.iter().map(|finding| finding.subject.clone()).collect();
        let end = inventory.rows().find(|row| row.name == first.subject);
        let end = end.and_then(|row| Some(row.certificate.get()?.not_after));
        let ago = end.map(|end| format!(" {} ago", days(now, end))).unwrap_or_default();
        line.push_str(&format!(", but {} expired{ago}", some(&names)));
        if names.iter().all(|name| name.ends_with(".conf") || name.starts_with('/')) {
            let them = if names.len() == 1 { "it" } else { "them" };
            line.push_str(&format!(": kubectl with {them} is refused"));
        }
    }
    let count =
        inventory.rows().filter(|row| row.certificate.get().is_some_and(|c| !c.expired_at(now))).count();
    line.push_str(&format!("; {count} credentials valid"));
    // The kubelet renews its own.
    let leafs = inventory.leafs.iter().map(|leaf| &leaf.row);
    let next = leafs.chain((!control_plane).then_some(&inventory.kubelet_client));
    let next = next.filter_map(|row| Some((row.name.as_str(), row.certificate.get()?.not_after)));
    if let Some((name, end)) = next.filter(|(_, end)| *end >= now).min_by_key(|(_, end)| *end) {
        line.push_str(&format!(", the first to expire is {name} in {} ({end:.0})", days(end, now)));
    }
    if let Some(valid) = valid_authorities(inventory, now) {
        line.push_str(&format!("; {valid}"));
    }
    if warnings > 0 {
        line.push_str(&format!("; {warnings} {}", if warnings == 1 { "warning" } else { "warnings" }));
    }
    let renewable =
        |f: &Finding| matches!(f.code, Code::Expired | Code::Expiring) && !f.subject.starts_with('/');
    let renewable: Vec<_> = findings.iter().filter(|finding| renewable(finding)).collect();
    let repair = match renewable.as_slice() {
        _ if !control_plane => None,
        [] => None,
        [one] => Some(format!("kuberescue certs renew {}", one.subject)),
        _ => Some("kuberescue certs renew all".to_owned()),
    };
    if let Some(command) = &repair {
        line.push_str(&format!("; renew with: {command}"));
    }
    Verdict {
        state: if warnings > 0 { State::Warnings } else { State::Well },
        line,
        workloads: "Pods that run are not affected.".to_owned(),
        repair,
        obstacle: None,
    }
}

/// `9 of 14 credentials expired 53 days ago, unusable: etcd-peer (key-mismatch)`.
fn unusable(inventory: &Inventory, findings: &[Finding], now: Timestamp) -> String {
    let of = |wanted: &dyn Fn(&Finding) -> bool| {
        let mut subjects: Vec<&Finding> = Vec::new();
        for finding in findings.iter().filter(|finding| wanted(finding)) {
            if !subjects.iter().any(|other| other.subject == finding.subject) {
                subjects.push(finding);
            }
        }
        subjects
    };
    let mut parts = Vec::new();
    let authorities = of(&|f| f.code == Code::CaExpired);
    if !authorities.is_empty() {
        let ends = inventory
            .authorities
            .iter()
            .filter_map(|row| Some((row.authority.name(), row.certificate.get()?)));
        let ends: Vec<_> = ends
            .filter(|(name, _)| authorities.iter().any(|finding| finding.subject == *name))
            .map(|(_, certificate)| certificate.not_after)
            .collect();
        let who = match authorities.as_slice() {
            [one] => format!("the CA {}", one.subject),
            some if some.len() == inventory.authorities.len() => format!("all {} CAs", some.len()),
            some => format!("{} of {} CAs", some.len(), inventory.authorities.len()),
        };
        let they = if authorities.len() == 1 { "it" } else { "they" };
        parts.push(format!("{who} expired{}, and everything that {they} signed is refused", ago(&ends, now)));
    }
    let is_expired = |f: &Finding| {
        matches!(f.code, Code::Expired | Code::KubeletServingExpired) && !f.subject.starts_with('/')
    };
    let expired = of(&is_expired);
    if !expired.is_empty() {
        let needed = inventory.rows().filter(|row| !row.name.starts_with('/'));
        let total = needed.filter(|row| !row.certificate.is_missing()).count();
        let rows = inventory.rows().filter(|row| expired.iter().any(|finding| finding.subject == row.name));
        let ends: Vec<_> = rows.filter_map(|row| Some(row.certificate.get()?.not_after)).collect();
        let who = match expired.as_slice() {
            [one] => one.subject.clone(),
            [one, two] => format!("{} and {}", one.subject, two.subject),
            all if all.len() == total => format!("all {total} credentials"),
            some => format!("{} of {total} credentials", some.len()),
        };
        parts.push(format!("{who} expired{}", ago(&ends, now)));
    }
    let follows_from_others =
        |code| matches!(code, Code::KubeletCrashLoop | Code::KubeletConfEmbedded | Code::CaExpired);
    let others = of(&|f| {
        let credential = f.severity == Severity::Blocker && f.code.page().class == Class::Credential;
        let told = expired.iter().any(|other| other.subject == f.subject);
        credential && !told && !is_expired(f) && !follows_from_others(f.code)
    });
    if !others.is_empty() {
        let named: Vec<_> = others.iter().map(|f| format!("{} ({})", f.subject, f.code)).collect();
        parts.push(format!("unusable: {}", some(&named)));
    }
    parts.join("; ")
}

/// Three of them by name.
fn some(names: &[String]) -> String {
    let more = if names.len() > 3 { format!(" and {} more", names.len() - 3) } else { String::new() };
    format!("{}{more}", names.iter().take(3).cloned().collect::<Vec<_>>().join(", "))
}

/// ` 53 days ago`; with the first and the last where days lie between.
fn ago(ends: &[Timestamp], now: Timestamp) -> String {
    match (ends.iter().min(), ends.iter().max()) {
        (Some(first), Some(last)) if last.as_second() - first.as_second() > 2 * 86_400 => {
            format!(" (the first one {} ago, the last one {} ago)", days(now, *first), days(now, *last))
        }
        (_, Some(last)) => format!(" {} ago", days(now, *last)),
        _ => String::new(),
    }
}

/// Until when the CAs are valid, where none has ended.
fn valid_authorities(inventory: &Inventory, now: Timestamp) -> Option<String> {
    let ends = inventory.authorities.iter().filter_map(|row| Some(row.certificate.get()?.not_after)).min();
    match ends {
        None => Some("no CA can be read".to_owned()),
        Some(end) if end < now => None,
        Some(end) => {
            let who = if inventory.is_control_plane() { "CAs" } else { "CA" };
            Some(format!("{who} valid until {}", end.strftime("%Y-%m-%d")))
        }
    }
}

/// `53 days`, `1 day`, `5 hours`.
fn days(later: Timestamp, earlier: Timestamp) -> String {
    let seconds = later.as_second().saturating_sub(earlier.as_second()).max(0);
    let plural = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match seconds / 86_400 {
        0 => plural(seconds / 3600, "hour"),
        days => plural(days, "day"),
    }
}
