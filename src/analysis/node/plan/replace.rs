//! A CA that is replaced by a new one with a new key, because its key is lost or leaked: first both are trusted, then the new
//! one signs, and at the end the old one goes.
//!
//! The new CA has the name of the old one, so that nothing which names it has to change; the key identifiers tell them apart
//! (RFC 5280 section 4.2.1.1). `ca.crt` is then a bundle, new one first: kubeadm reads the first certificate of it, everything
//! else reads all of them, but for the signer in kube-controller-manager, which takes exactly one (kubernetes
//! `pkg/controller/certificates/signer/ca_provider.go`) and gets a file of its own.

use std::path::Path;

use jiff::SignedDuration;

use super::ca::{changing, copies};
use super::decide::Decision;
use super::keys::fits;
use super::{BACKDATE_SECONDS, CaReplacement, Dates, GivenCa, KeyPlan, Refusal, Replace, Stage};
use crate::analysis::node::findings::authority_key_problem;
use crate::analysis::node::inventory::{CaRow, Inventory, Parsed, Trust, trusts};
use crate::analysis::node::{copies as outside, quorum};
use crate::formats::ca_copies;
use crate::formats::certificate::{Certificate, Parts};
use crate::formats::key::{KeyAlgorithm, KeyEncoding};
use crate::state::Code;
use crate::state::catalog::Ca;
use crate::state::text::some;

/// So many names stand in a line.
const NAMED: usize = 8;

impl Decision<'_> {
    /// Plans the replacement that is asked for; or why it is refused.
    pub(super) fn replacement(&self, asked: &Replace) -> Result<CaReplacement, Refusal> {
        let name = asked.authority.name();
        let row = self.inventory.authority(asked.authority).ok_or_else(|| Refusal {
            code: Code::CaMissing,
            what: format!("cannot replace the CA {name}: this node has none"),
            hint: "sudo kuberescue certs check-expiration shows the CAs of this node".to_owned(),
            partial_helps: false,
        })?;
        match asked.stage {
            Some(Stage::Finish) => self.finish(row),
            _ => self.begin(row, asked),
        }
    }

    fn begin(&self, row: &CaRow, asked: &Replace) -> Result<CaReplacement, Refusal> {
        let old = row.certificate.get().filter(|old| old.is_ca);
        if let Some(old) = old.filter(|old| old.subject_der != old.issuer_der) {
            let why = format!("it is an intermediate CA, issued by {}, which has to replace it", old.issuer);
            return Err(refused(
                row,
                Code::Unsupported,
                why,
                "ask who runs that CA for a new one".to_owned(),
            ));
        }
        if row.predecessors().next().is_some() {
            let why = "its replacement has begun: its file has the new one and the old one".to_owned();
            let hint = format!(
                "sudo kuberescue certs renew all reissues what the old one has signed, then sudo kuberescue recover restarts the node; at the end: sudo kuberescue ca replace {} --finish",
                row.authority.name()
            );
            return Err(refused(row, Code::NothingToRenew, why, hint));
        }
        match &asked.given {
            Some(given) => self.check_given(row, old, given)?,
            None => self.is_elsewhere(row)?,
        }
        let (new, key) = match &asked.given {
            Some(given) => {
                let Parts { not_before, not_after, .. } = *given.certificate;
                (Dates { not_before, not_after }, None)
            }
            None => self.new_authority(row, old)?,
        };
        let mut files = match old {
            Some(old) => copies(self.snapshot, old).map_err(|(path, why)| cannot_change(row, &path, &why))?,
            None => vec![self.resolved(&row.certificate_path).map_err(|why| impossible(row, why))?],
        };
        let signing = self.signing(row, &files)?;
        files.retain(|file| !signing.alone.contains(file));
        let members = self.other_members(row.authority);
        let stage = asked.stage.unwrap_or(self.first_stage(row, &members));
        Ok(CaReplacement {
            name: row.authority.name(),
            authority: row.authority,
            stage,
            subject: old
                .map_or_else(|| format!("CN={}", row.authority.common_name()), |old| old.subject.clone()),
            path: row.certificate_path.clone(),
            key_path: row.key_path.clone(),
            files,
            signing,
            old: old.map(|old| Dates { not_before: old.not_before, not_after: old.not_after }),
            new,
            key,
            is_working: self.key_problem(row).is_none(),
            members,
            olds: old.into_iter().cloned().collect(),
            given: asked.given.clone(),
        })
    }

    /// etcd's members trust each other's certificates: while they hold a quorum with what the old CA has signed, all of
    /// them have to trust the new one before anything is signed by it.
    fn first_stage(&self, row: &CaRow, members: &[String]) -> Stage {
        let works = |certificate: &Certificate| {
            let signed =
                row.bundle.iter().any(|ca| certificate.signed_by(ca).is_ok() && !ca.expired_at(self.now));
            signed && !certificate.expired_at(self.now)
        };
        let leaves = self.inventory.leaves.iter().filter(|leaf| leaf.spec.authority == row.authority);
        let any_works = leaves.filter_map(|leaf| leaf.row.certificate.get()).any(works);
        if row.authority == Ca::Etcd && !members.is_empty() && any_works {
            Stage::Trust
        } else {
            Stage::Issue
        }
    }

    fn other_members(&self, authority: Ca) -> Vec<String> {
        if authority != Ca::Etcd {
            return Vec::new();
        }
        others(self.inventory).unwrap_or_default()
    }

    /// The key may be lost on this node alone: the CAs are the same on all control-plane nodes.
    fn is_elsewhere(&self, row: &CaRow) -> Result<(), Refusal> {
        let is_accepted = self.options.accept.contains(&Code::CaKeyMissing);
        let Some(why) = self.key_problem(row).filter(|_| !is_accepted) else { return Ok(()) };
        let path = row.key_path.display();
        let nodes = match others(self.inventory) {
            Some(names) if names.is_empty() => return Ok(()),
            Some(names) => format!("other control-plane nodes may have it ({})", some(names.iter(), NAMED)),
            None => "whether another control-plane node has it is not known here".to_owned(),
        };
        let hint = format!(
            "look there first, it is the same on all of them: scp NODE:{path} {path}; if it is lost on all of them and in all backups: --accept ca-key-missing"
        );
        Err(refused(row, Code::CaKeyMissing, format!("{why}, and {nodes}"), hint))
    }

    /// Why nothing can be signed with the CA, its dates aside.
    fn key_problem(&self, row: &CaRow) -> Option<String> {
        let certificate = match &row.certificate {
            Parsed::Missing => return Some("its certificate is missing".to_owned()),
            Parsed::Unreadable(why) => return Some(format!("its certificate: {why}")),
            Parsed::Present(certificate) => certificate,
        };
        let damaged = || {
            let key = row.key.get().filter(|key| key.unsupported().is_none() && !key.can_sign());
            key.map(|_| format!("its key {} is damaged", row.key_path.display()))
        };
        authority_key_problem(row, certificate).map(|(_, why)| why).or_else(damaged)
    }

    fn check_given(&self, row: &CaRow, old: Option<&Certificate>, given: &GivenCa) -> Result<(), Refusal> {
        let GivenCa { certificate, key, source } = given;
        let source = source.display();
        let wrong = if !certificate.is_ca || certificate.signed_by(certificate).is_err() {
            "its certificate is not that of a self-signed CA"
        } else if !certificate.is_of(key) {
            "its key is another one's"
        } else if certificate.expired_at(self.now) || certificate.not_yet_valid_at(self.now) {
            "it is not valid now"
        } else if old.is_some_and(|old| old.subject_der != certificate.subject_der) {
            "it has another name than this node's CA"
        } else if old.is_some_and(|old| old.spki == certificate.spki) {
            "it is the CA that this node has already"
        } else {
            return Ok(());
        };
        let hint =
            "copy ca.crt and ca.key of this CA from the control-plane node on which it was replaced first";
        Err(refused(row, Code::CaKeyMismatch, format!("the CA in {source}: {wrong}"), hint.to_owned()))
    }

    /// Dates and key of the new CA.
    fn new_authority(
        &self,
        row: &CaRow,
        old: Option<&Certificate>,
    ) -> Result<(Dates, Option<KeyPlan>), Refusal> {
        let validity = SignedDuration::from_hours(i64::from(self.options.ca_days) * 24);
        let new = self.life(BACKDATE_SECONDS, validity).map_err(|why| impossible(row, why))?;
        let old_key = old.map(|old| &old.algorithm).filter(|one| one.can_be_generated() && one.can_sign());
        // What is not made from an old one is as kubeadm's (`pkiutil.NewSelfSignedCACert`): RSA-2048.
        let asked = self.options.key_algorithm.as_ref().filter(|_| old.is_some());
        let algorithm = asked.or(old_key).cloned().unwrap_or(KeyAlgorithm::Rsa(2048));
        let encoding = row.key.get().map(|key| key.encoding).filter(|encoding| fits(*encoding, &algorithm));
        let encoding = encoding.unwrap_or(KeyEncoding::of_kubeadm(&algorithm));
        Ok((new, Some(KeyPlan { algorithm, encoding, reuse: false })))
    }

    fn finish(&self, row: &CaRow) -> Result<CaReplacement, Refusal> {
        let olds: Vec<_> = row.predecessors().cloned().collect();
        let (Some(own), Some(first)) = (row.certificate.get(), olds.first()) else {
            let why = format!("nothing of an earlier one is left in {}", row.certificate_path.display());
            let hint = "sudo kuberescue diagnose shows what is wrong with this node".to_owned();
            return Err(refused(row, Code::NothingToRenew, why, hint));
        };
        let needing = self.needing(own, &olds);
        if !needing.is_empty() {
            let why = format!("the old one is still needed by {}", needing.join("; "));
            let hint = "sudo kuberescue certs renew all --kubelet reissues what is on this node, recover restarts it and renews cluster-info; a kubeconfig in a home: sudo kuberescue kubeconfig install /etc/kubernetes/admin.conf".to_owned();
            return Err(refused(row, Code::OldCaNeeded, why, hint));
        }
        let has_old = |bytes: &[u8]| {
            for old in &olds {
                if ca_copies::without(bytes, old, own)?.is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let files =
            changing(self.snapshot, has_old).map_err(|(path, why)| cannot_change(row, &path, &why))?;
        let dates = |ca: &Certificate| Dates { not_before: ca.not_before, not_after: ca.not_after };
        Ok(CaReplacement {
            name: row.authority.name(),
            authority: row.authority,
            stage: Stage::Finish,
            subject: own.subject.clone(),
            path: row.certificate_path.clone(),
            key_path: row.key_path.clone(),
            files,
            signing: self.signing_again(row)?,
            old: Some(dates(first)),
            new: dates(own),
            key: None,
            is_working: true,
            members: self.other_members(row.authority),
            olds,
            given: None,
        })
    }

    /// What is known to accept or be accepted only with one of the old CAs.
    fn needing(&self, own: &Certificate, olds: &[Certificate]) -> Vec<String> {
        let mut found = Vec::new();
        let is_old = |leaf: &Certificate| {
            leaf.signed_by(own).is_err() && olds.iter().any(|old| leaf.signed_by(old).is_ok())
        };
        let signed = self.inventory.rows().filter(|row| row.certificate.get().is_some_and(is_old));
        let signed: Vec<_> = signed.map(|row| row.name.as_str()).collect();
        if !signed.is_empty() {
            found.push(format!("{}, which it has signed", signed.join(", ")));
        }
        for row in self.inventory.rows() {
            let Some((path, pem)) = &row.embedded_authority else { continue };
            let copies = Certificate::all_from_pem(pem).unwrap_or_default();
            let trusts_old = copies.iter().any(|copy| olds.iter().any(|old| old.spki == copy.spki));
            if trusts_old && trusts(&copies, own, &[]) == Trust::No {
                found.push(format!("{}, which trusts no other", path.display()));
            }
        }
        let records = self.inventory.facts.cluster();
        let copies = records.map(|records| outside::of_cluster(records, self.inventory)).unwrap_or_default();
        let of_old = |copy: &outside::CopyOfCa<'_>| {
            let pem = Certificate::first_from_pem(&copy.copy.pem, 1).unwrap_or_default();
            copy.state == outside::State::OtherKey
                && pem.iter().any(|one| olds.iter().any(|old| old.spki == one.spki))
        };
        found.extend(
            copies
                .iter()
                .filter(|copy| of_old(copy))
                .map(|copy| format!("{}, which has no other", copy.object())),
        );
        found
    }
}

/// The names of the other control-plane nodes; `None` where that is not known.
fn others(inventory: &Inventory) -> Option<Vec<String>> {
    let told = quorum::on_disk(&inventory.facts)?;
    let others = told.members.into_iter().filter(|member| !quorum::is_own(member, &inventory.facts));
    Some(
        others
            .map(|member| if member.name.is_empty() { member.peer_urls.join(",") } else { member.name })
            .collect(),
    )
}

pub(super) fn refused(row: &CaRow, code: Code, why: String, hint: String) -> Refusal {
    let (name, path) = (row.authority.name(), row.certificate_path.display());
    let what = format!("cannot replace the CA {name} ({path}): {why}");
    Refusal { code, what, hint, partial_helps: false }
}

pub(super) fn impossible(row: &CaRow, why: String) -> Refusal {
    refused(row, Code::IssueFailed, why, "choose fewer days with --days N".to_owned())
}

fn cannot_change(row: &CaRow, path: &Path, why: &str) -> Refusal {
    let path = path.display();
    let hint = format!("write certificate-authority-data in {path} on one line");
    refused(row, Code::NotReplaceable, format!("its copy in {path} cannot be replaced: {why}"), hint)
}
