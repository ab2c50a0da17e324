//! A plan carried out in memory: keys are generated, certificates signed, files composed. The result is the
//! change of the node's files; nothing has been written.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::composer::Composer;
use super::cores::on_all_cores;
use super::{
    Corrections, IssueError, KeyRequest, Signer, authority, create, generate, own_authority, renew_with,
    replacement,
};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{KeyPlan, Plan, SignedBy, Step};
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, PrivateKey};
use crate::state::catalog::Ca;
use crate::state::{ChangeSet, Snapshot};

/// Creates everything that `plan` names: first the CAs that are renewed or replaced, then what they sign.
///
/// # Errors
/// A key or a signature could not be created, or a file has changed since the plan.
pub fn change_set(snapshot: &Snapshot, inventory: &Inventory, plan: &Plan) -> Result<ChangeSet, IssueError> {
    let mut authorities = authority::change_set(snapshot, inventory, &plan.authorities)?;
    if let Some(step) = &plan.replacement {
        let replaced = replacement::change_set(&snapshot.with(&authorities), inventory, step)?;
        authorities = authorities.then(replaced);
    }
    if let Some(signing) = &plan.signing {
        let before = snapshot.with(&authorities);
        let renewed = Inventory::with_facts(&before, inventory.facts.clone());
        authorities = authorities.then(replacement::signing(&before, &renewed, signing)?);
    }
    if authorities.is_empty() {
        return leaves(snapshot, inventory, plan);
    }
    let renewed = snapshot.with(&authorities);
    let inventory = Inventory::with_facts(&renewed, inventory.facts.clone());
    Ok(authorities.then(leaves(&renewed, &inventory, plan)?))
}

/// All keys are generated, and all certificates signed, in parallel where that is faster.
fn leaves(snapshot: &Snapshot, inventory: &Inventory, plan: &Plan) -> Result<ChangeSet, IssueError> {
    let mut requests = Vec::new();
    for step in &plan.steps {
        if !step.key.reuse {
            let KeyPlan { algorithm, encoding, .. } = &step.key;
            requests.push(KeyRequest { algorithm: algorithm.clone(), encoding: *encoding });
        }
        if matches!(step.authority, SignedBy::Own(_)) {
            requests.push(own_authority::key_request());
        }
    }
    let mut made = generate(&requests)?.into_iter();
    let mut signers: BTreeMap<Ca, Signer<'_>> = BTreeMap::new();
    for row in &inventory.authorities {
        if let (Some(certificate), Some(key)) = (row.certificate.get(), row.key.get())
            && plan.steps.iter().any(|step| step.authority == SignedBy::Ca(row.authority))
        {
            signers.insert(row.authority, Signer::new(certificate, key)?);
        }
    }
    let mut jobs = Vec::new();
    for step in &plan.steps {
        let key = if step.key.reuse {
            let old = inventory.row(&step.name).and_then(|row| row.key.get()).cloned();
            old.ok_or_else(|| vanished(step, "its old key"))?
        } else {
            made.next().ok_or_else(|| vanished(step, "its new key"))?
        };
        let own_key = match step.authority {
            SignedBy::Own(_) => Some(made.next().ok_or_else(|| vanished(step, "its CA's new key"))?),
            SignedBy::Ca(_) => None,
        };
        jobs.push(Job { step, key, own_key, signed: OnceLock::new() });
    }
    let sign = |job: &Job<'_>| drop(job.signed.set(job.sign(&signers)));
    match signers.values().all(|signer| signer.authority().algorithm == KeyAlgorithm::EcdsaP256) {
        // All of them take less time than another thread needs to start.
        true => jobs.iter().for_each(sign),
        false => on_all_cores(&jobs, sign),
    }
    let mut composer = Composer::new(snapshot, inventory);
    for Job { step, key, signed, .. } in jobs {
        let Signed { certificate, own } =
            signed.into_inner().unwrap_or_else(|| Err(vanished(step, "its signature")))?;
        composer.place(step, &certificate, own.as_ref(), &key)?;
    }
    if let Some(file) = &plan.trust {
        composer.trust(file)?;
    }
    for change in &plan.store {
        composer.store(change)?;
    }
    Ok(composer.changes)
}

fn vanished(step: &Step, what: &str) -> IssueError {
    IssueError::Vanished { name: step.name.clone(), what: what.to_owned() }
}

/// A certificate that is to be signed.
struct Job<'a> {
    step: &'a Step,
    key: PrivateKey,
    /// Of the CA that is created for it alone.
    own_key: Option<PrivateKey>,
    signed: OnceLock<Result<Signed, IssueError>>,
}

struct Signed {
    certificate: Certificate,
    /// The CA that was created for it.
    own: Option<Certificate>,
}

impl Job<'_> {
    fn sign(&self, signers: &BTreeMap<Ca, Signer<'_>>) -> Result<Signed, IssueError> {
        match (&self.step.authority, &self.own_key) {
            (SignedBy::Ca(authority), _) => {
                let signer = signers.get(authority).ok_or_else(|| vanished(self.step, "its CA"))?;
                Ok(Signed { certificate: self.certificate(signer)?, own: None })
            }
            (SignedBy::Own(name), Some(own_key)) => {
                let own = own_authority::own_authority(name, own_key, self.step.new)?;
                let certificate = self.certificate(&Signer::new(&own, own_key)?)?;
                Ok(Signed { certificate, own: Some(own) })
            }
            (SignedBy::Own(_), None) => Err(vanished(self.step, "its CA's new key")),
        }
    }

    fn certificate(&self, signer: &Signer<'_>) -> Result<Certificate, IssueError> {
        let Self { step, key, .. } = self;
        match (&step.template, &step.profile) {
            (Some(old), _) => {
                let added = step.added.iter().map(|added| added.name.clone()).collect();
                let removed = step.removed.clone();
                renew_with(signer, old, key, step.new, &Corrections { added, removed, usage: step.usage })
            }
            (None, Some(profile)) => create(signer, profile, key, step.new),
            (None, None) => Err(vanished(step, "its template")),
        }
    }
}

/// The change that puts certificates in their places which another machine has signed, each with its key, in the order of
/// the plan's steps.
///
/// # Errors
/// A file has changed since the plan.
pub fn delivered(
    snapshot: &Snapshot,
    inventory: &Inventory,
    plan: &Plan,
    signed: &[(Certificate, PrivateKey)],
) -> Result<ChangeSet, IssueError> {
    let mut composer = Composer::new(snapshot, inventory);
    for (step, (certificate, key)) in plan.steps.iter().zip(signed) {
        composer.place(step, certificate, None, key)?;
    }
    Ok(composer.changes)
}
