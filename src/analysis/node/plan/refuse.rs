//! What a plan refuses for safety, each with its code and what to do.

use std::collections::BTreeMap;

use super::repair::{Repair, prevents};
use super::{Refusal, Selection, Skipped, Step, Why, ca};
use crate::analysis::node::findings::{Finding, is_in_doubt};
use crate::analysis::node::inventory::{CaRow, Inventory, KubeletForm};
use crate::state::Code;
use crate::state::catalog::{self, Ca, Names};

/// The clock is behind the newest timestamp on the disk.
pub(super) fn clock(findings: &[Finding]) -> Option<Refusal> {
    let finding = findings.iter().find(|finding| finding.code == Code::ClockBehind)?;
    Some(Refusal {
        code: finding.code,
        what: format!("{}: new certificates could expire too early or be refused", finding.what),
        hint:
            "set the clock (date -u -s …); if it is right and the file's date is wrong: --accept clock-behind"
                .to_owned(),
        partial_helps: false,
    })
}

/// Nothing is signed as long as the CA is in doubt.
pub(super) fn pki_dir(inventory: &Inventory, findings: &[Finding]) -> Option<Refusal> {
    let finding = findings.iter().find(|finding| finding.code == Code::PkiDirUnclear)?;
    let rival = inventory.facts.pki_rival.as_ref()?;
    Some(Refusal {
        code: finding.code,
        what: format!("the manifests name two PKI directories: {}", finding.what),
        hint: format!(
            "run it again with the one that the cluster uses: --cert-dir {} or --cert-dir {}",
            inventory.facts.pki_dir.value.display(),
            rival.value.display()
        ),
        partial_helps: false,
    })
}

/// Blockers that keep the node from working and aren't about certificates.
pub(super) fn blockers(repair: &Repair) -> impl Iterator<Item = Refusal> {
    let stopping = repair.remaining.iter().filter(|blocker| prevents(blocker));
    let told = [Code::ClockBehind, Code::PkiDirUnclear];
    stopping.filter(move |blocker| !told.contains(&blocker.code)).map(|blocker| Refusal {
        code: blocker.code,
        what: format!("{}: {}; reissuing certificates does not repair this", blocker.subject, blocker.what),
        hint: format!("{} To go on all the same: --accept {}", blocker.remedy.reason, blocker.code),
        partial_helps: false,
    })
}

/// The finding that a credential was copied from another node.
pub(super) fn of_another_node<'a>(findings: &'a [Finding], name: &str) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.code == Code::NamesOfAnotherNode && finding.subject == name.into())
}

/// One refusal for each CA that blocks something, with the list of what it blocks. `told` are CAs that are refused by
/// themselves.
pub(super) fn authorities(inventory: &Inventory, skipped: &[Skipped], told: &[Ca]) -> Vec<Refusal> {
    let mut blocked: BTreeMap<Ca, (Code, &str, Vec<&str>)> = BTreeMap::new();
    for skipped in skipped {
        if let Why::Ca { authority, code, what, .. } = &skipped.why
            && !told.contains(authority)
        {
            blocked.entry(*authority).or_insert((*code, what, Vec::new())).2.push(&skipped.name);
        }
    }
    let refusal = |(authority, (code, what, names)): (Ca, (Code, &str, Vec<&str>))| {
        let row = inventory.authority(authority)?;
        let what = format!(
            "the CA {} ({}) cannot sign: {what}; it blocks {}",
            authority.name(),
            row.certificate_path.display(),
            names.join(", ")
        );
        let external = if code == Code::CaKeyMissing {
            "; with an external CA: sudo kuberescue csr export DIR; all steps: kuberescue explain lost-ca-key"
        } else {
            ""
        };
        let hint = format!("{}{external}{}", authority_hint(code, row), or_partial(code));
        Some(Refusal { code, what, hint, partial_helps: true })
    };
    blocked.into_iter().filter_map(refusal).collect()
}

/// The way on without what a CA blocks, where there is no better one.
pub(super) fn or_partial(code: Code) -> &'static str {
    match code {
        Code::CaExpired | Code::CaNotYetValid | Code::Unsupported => "",
        _ => "; --partial renews the rest",
    }
}

/// What to do about a CA that cannot sign, or cannot be renewed.
pub(super) fn authority_hint(code: Code, row: &CaRow) -> String {
    let (certificate, key) = (row.certificate_path.display(), row.key_path.display());
    let name = row.authority.name();
    match code {
        Code::CaExpired => match ca::obstacle(row) {
            Ok(_) => {
                "sudo kuberescue recover --renew-cas renews it with its own key, which keeps what it has signed; first see whether the clock is right: date -u".to_owned()
            }
            // What keeps it from being renewed has to be mended first.
            Err((code, why)) => format!("it cannot be renewed here: {why}; {}", authority_hint(code, row)),
        },
        Code::CaMissing => format!(
            "where the PKI directory is another one: --cert-dir DIR; otherwise copy {certificate} and {key} from another control-plane node or from a backup"
        ),
        Code::CaNotYetValid => "check the system clock: date -u".to_owned(),
        Code::Unsupported => "renew on a machine with kubeadm: kubeadm certs renew all".to_owned(),
        Code::CaKeyMissing => format!(
            "copy {key} from a backup or from another control-plane node; if it is lost on all of them: sudo kuberescue ca replace {name}"
        ),
        Code::CaKeyMismatch => format!(
            "{key} belongs to another CA: find the key that matches {certificate}; if there is none: sudo kuberescue ca replace {name}"
        ),
        _ => format!("repair {certificate} and {key} from a backup"),
    }
}

/// A serving certificate that was copied from another node: a renewal would make the copy permanent.
pub(super) fn names(inventory: &Inventory, findings: &[Finding], steps: &[Step]) -> Vec<Refusal> {
    let foreign = |step: &Step| {
        let spec = catalog::cert_spec(&step.name).filter(|spec| spec.names != Names::None)?;
        let row = inventory.row(spec.name)?;
        let problem = of_another_node(findings, spec.name)?;
        step.template.as_ref()?;
        Some(Refusal {
            code: Code::NamesOfAnotherNode,
            what: format!("{} was copied from another node: {}", row.path.display(), problem.what),
            hint: in_place_of(findings, &format!("{} and {}", row.path.display(), row.key_path.display())),
            partial_helps: false,
        })
    };
    steps.iter().filter_map(foreign).collect()
}

/// How to have a certificate issued in the place of a copied one.
fn in_place_of(findings: &[Finding], files: &str) -> String {
    if is_in_doubt(findings) {
        return "repair the other blocking problems first (kuberescue diagnose -v), and keep this file until then"
            .to_owned();
    }
    format!("move {files} to a safe place; kuberescue recover then issues a certificate for this node")
}

/// A kubelet's client certificate that was copied from another node: it would be reissued for the node that
/// it names, and the copy would become permanent.
pub(super) fn kubelet(
    inventory: &Inventory,
    findings: &[Finding],
    selection: &Selection,
    steps: &[Step],
) -> Option<Refusal> {
    let takes_part = || steps.iter().any(|step| step.name == catalog::KUBELET_CLIENT);
    if *selection != Selection::All && !takes_part() {
        return None;
    }
    let problem = of_another_node(findings, catalog::KUBELET_CLIENT)?;
    let path = inventory.kubelet_client.path.display();
    let hint = match &inventory.kubelet_form {
        KubeletForm::Embedded if !is_in_doubt(findings) => format!(
            "move {path} to a safe place and create it for this node: sudo kuberescue kubeconfig new --for-node --out {path}; then run this command again"
        ),
        _ => in_place_of(findings, &path.to_string()),
    };
    Some(Refusal {
        code: Code::NamesOfAnotherNode,
        what: format!("{path} was copied from another node: {}", problem.what),
        hint,
        partial_helps: false,
    })
}
