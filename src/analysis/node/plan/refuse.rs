//! What a plan refuses for safety, each with its code and what to do.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{CLOCK_TOLERANCE_SECONDS, Options, Refusal, Selection, Skipped, Step, Why};
use crate::analysis::node::findings::{
    Code, authority_problem, kubelet_of_another_node, names_of_another_node,
};
use crate::analysis::node::inventory::{CaRow, Inventory, KubeletForm};
use crate::state::catalog::{self, Ca, Names};

/// The clock is earlier than what the disk has seen.
pub(super) fn clock(inventory: &Inventory, options: &Options, now: Timestamp) -> Option<Refusal> {
    let (newest, what) = inventory.newest_evidence.as_ref()?;
    let late = newest.as_second().saturating_sub(now.as_second());
    if late <= CLOCK_TOLERANCE_SECONDS || options.accept_clock {
        return None;
    }
    Some(Refusal {
        code: Code::ClockBehind,
        what: format!(
            "the clock says {now}, and the disk was alive at {newest} ({what}): certificates made now could end too early or be refused"
        ),
        hint: "set the clock right (date -u -s …), or say --accept-clock if it is right and the disk is not"
            .to_owned(),
        partial_helps: false,
    })
}

/// One refusal for each authority that something waits for, with the list of what waits.
pub(super) fn authorities(inventory: &Inventory, skipped: &[Skipped], now: Timestamp) -> Vec<Refusal> {
    let mut blocked: BTreeMap<Ca, Vec<&str>> = BTreeMap::new();
    for skipped in skipped {
        if let Why::Ca { base, .. } = &skipped.why
            && let Some(authority) = catalog::CAS.iter().find(|authority| authority.base() == *base)
        {
            blocked.entry(*authority).or_default().push(&skipped.name);
        }
    }
    let refusal = |(authority, names): (Ca, Vec<&str>)| {
        let row = inventory.authority(authority)?;
        let (code, what) = authority_problem(row, now)?;
        let what = format!(
            "the authority {} ({}) can't sign: {what}; this blocks {}",
            authority.name(),
            row.certificate_path.display(),
            names.join(", ")
        );
        Some(Refusal { code, what, hint: authority_hint(code, row), partial_helps: true })
    };
    blocked.into_iter().filter_map(refusal).collect()
}

fn authority_hint(code: Code, row: &CaRow) -> String {
    let (certificate, key) = (row.certificate_path.display(), row.key_path.display());
    match code {
        Code::CaExpired => format!(
            "an ended CA has to be made anew from its own key first, for example: openssl x509 -in {certificate} -signkey {key} -days 3650 -out ca-new.crt (README, \"When the CA itself has ended\")"
        ),
        Code::CaNotYetValid => {
            "the clock is wrong, or the CA was made on a machine whose clock was: date -u".to_owned()
        }
        Code::CaKeyMissing => format!(
            "put the key back to {key} from a backup or from another control-plane node; with an external CA let it sign; --partial renews the rest"
        ),
        Code::CaKeyMismatch => format!(
            "{key} belongs to another CA: find the one whose public key is that of {certificate}; --partial renews the rest"
        ),
        _ => format!("repair {certificate} and {key} from a backup; --partial renews the rest"),
    }
}

/// A serving certificate that was copied from another node: renewing it would make the copy last.
pub(super) fn names(inventory: &Inventory, steps: &[Step]) -> Vec<Refusal> {
    let foreign = |step: &Step| {
        let spec = catalog::cert_spec(&step.name).filter(|spec| spec.names != Names::None)?;
        let row = inventory.row(spec.name)?;
        let problem = names_of_another_node(inventory, row)?;
        step.template.as_ref()?;
        Some(Refusal {
            code: Code::NamesOfAnotherNode,
            what: format!("{} was copied from another node: {}", row.path.display(), problem.what),
            hint: format!(
                "move {} and {} away, and a certificate for this node is issued in their place",
                row.path.display(),
                row.key_path.display()
            ),
            partial_helps: false,
        })
    };
    steps.iter().filter_map(foreign).collect()
}

/// A kubelet's client certificate that was copied from another node: what is issued here is issued for the node that it
/// names, and renewing it would make the copy last.
pub(super) fn kubelet(inventory: &Inventory, selection: &Selection, steps: &[Step]) -> Option<Refusal> {
    let takes_part = || steps.iter().any(|step| step.name == catalog::KUBELET_CLIENT);
    if *selection != Selection::All && !takes_part() {
        return None;
    }
    let problem = kubelet_of_another_node(inventory)?;
    let path = inventory.kubelet_client.path.display();
    let hint = match &inventory.kubelet_form {
        KubeletForm::Embedded => format!(
            "move {path} away and have it made for this node: kubeadm init phase kubeconfig kubelet; then run this again"
        ),
        _ => format!("move {path} away, and a certificate for this node is issued in its place"),
    };
    Some(Refusal {
        code: Code::NamesOfAnotherNode,
        what: format!("{path} was copied from another node: {}", problem.what),
        hint,
        partial_helps: false,
    })
}
