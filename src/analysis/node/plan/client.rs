//! A client certificate of the cluster's CA that no file of this node holds: for a person, or for a kubelet that has
//! nothing left.

use jiff::{SignedDuration, Timestamp};

use super::dates::whole;
use super::decide::Decision;
use super::kubeconfig::server;
use super::replacement::Issuer;
use super::{BACKDATE_SECONDS, Dates, Options, Profile, Refusal, Why, refuse};
use crate::analysis::node::facts::Fact;
use crate::analysis::node::findings::Finding;
use crate::analysis::node::inventory::{CaRow, Inventory};
use crate::state::catalog::{Ca, Usage};
use crate::state::time::minute;
use crate::state::{Code, Snapshot};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// CN: the name of the user.
    pub user: String,
    /// O: the groups of the user.
    pub groups: Vec<String>,
    pub validity: SignedDuration,
    /// Whether that is only the default, which may be cut to the expiry of the CA.
    pub may_be_cut: bool,
    /// Problems that are known and accepted.
    pub accept: Vec<Code>,
}

/// A client certificate that will be issued.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    pub profile: Profile,
    pub dates: Dates,
    /// Shorter than asked for: its CA expires.
    pub cut_to_authority: bool,
}

/// The URL of the API server in a kubeconfig for use elsewhere; `None` if no kubeconfig, no manifest and no record of
/// etcd's names it.
pub fn server_elsewhere(inventory: &Inventory) -> Option<Fact<String>> {
    server(inventory, false)
}

/// Decides whether the CA of a node with these findings can issue it at `now`.
///
/// # Errors
/// What is refused for safety.
pub fn client(
    snapshot: &Snapshot,
    inventory: &Inventory,
    findings: &[Finding],
    request: &ClientRequest,
    now: Timestamp,
) -> Result<ClientPlan, Vec<Refusal>> {
    let options = Options::recovery();
    let decision = Decision::new(snapshot, inventory, findings, &options, now);
    let mut refusals: Vec<_> =
        refuse::clock(findings).into_iter().chain(refuse::pki_dir(inventory, findings)).collect();
    refusals.retain(|refusal| !request.accept.contains(&refusal.code));
    let signer = decision.signer(Ca::Cluster).map_err(|(why, _)| cannot_sign(inventory, why));
    match signer.and_then(|signer| dates(&decision, &signer, request)) {
        Ok((dates, cut_to_authority)) if refusals.is_empty() => {
            return Ok(ClientPlan { profile: profile(request), dates, cut_to_authority });
        }
        Ok(_) => {}
        Err(refusal) => refusals.push(refusal),
    }
    Err(refusals)
}

fn profile(request: &ClientRequest) -> Profile {
    Profile {
        common_name: request.user.clone(),
        organizations: request.groups.clone(),
        usage: Usage::Client,
        dns_names: Vec::new(),
        addresses: Vec::new(),
    }
}

fn dates(
    decision: &Decision<'_>,
    signer: &Issuer,
    request: &ClientRequest,
) -> Result<(Dates, bool), Refusal> {
    let refused = |code, what: String, hint: String| Refusal { code, what, hint, partial_helps: false };
    let dates = decision.life(BACKDATE_SECONDS, request.validity).map_err(|why| {
        let what = format!("cannot issue a client certificate: {why}");
        refused(Code::Usage, what, "ask for less: --valid 1h".to_owned())
    })?;
    let (start, end) = (dates.not_before.max(whole(signer.not_before)), whole(signer.not_after));
    let cut = dates.not_after > end;
    if cut && !request.may_be_cut {
        let what = format!(
            "cannot issue a client certificate that is valid until {}: its CA {} expires on {}",
            minute(dates.not_after),
            signer.subject,
            minute(end)
        );
        let hint = "ask for less; or renew the CA first: sudo kuberescue ca renew ca";
        return Err(refused(Code::LeafOutlivesCa, what, hint.to_owned()));
    }
    let not_after = if cut { end } else { dates.not_after };
    Ok((Dates { not_before: start, not_after }, cut))
}

fn cannot_sign(inventory: &Inventory, why: Why) -> Refusal {
    let row = inventory.authority(Ca::Cluster);
    let place = |row: &CaRow| format!(" ({})", row.certificate_path.display());
    let (code, why) = match why {
        Why::Ca { code, what, .. } => (code, what),
        _ => (Code::CaMissing, "it is not on this node".to_owned()),
    };
    let name = Ca::Cluster.name();
    let what = format!(
        "cannot issue a client certificate: the CA {name}{} cannot sign: {why}",
        row.map(place).unwrap_or_default()
    );
    let hint = match (code, row) {
        (Code::Unsupported, _) | (_, None) => {
            "on a machine with its key: kubeadm kubeconfig user --client-name USER --org GROUP".to_owned()
        }
        (_, Some(row)) => refuse::authority_hint(code, row),
    };
    Refusal { code, what, hint, partial_helps: false }
}
