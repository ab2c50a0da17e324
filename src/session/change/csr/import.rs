//! Importing what another machine has signed: each certificate is checked against the plan of this node, then all of them are
//! put in place like a renewal.

use super::directory::{Directory, Member};
use crate::analysis::node::inventory::Row;
use crate::analysis::node::plan::{Elsewhere, Options, Selection, Step, deliver};
use crate::disk::pending::{self, PendingKey};
use crate::error::Error;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::issue::delivered;
use crate::session::Context;
use crate::session::change::arguments::WriteArgs;
use crate::session::change::{Issued, Prepared, prepare};
use crate::state::Code;

/// A node with a plan for what was signed.
pub struct Import {
    pub prepared: Prepared,
    /// Of each step of the plan, in its order.
    signed: Vec<(Certificate, PrivateKey)>,
    /// Names of certificates that are in place already.
    pub in_place: Vec<String>,
    pending: Vec<PendingKey>,
}

/// The plan's options for certificates of these names.
pub fn options(elsewhere: Elsewhere, write: &WriteArgs) -> Options {
    let kubelet = matches!(&elsewhere, Elsewhere::Named(names) if names.iter().any(|name| name.starts_with("kubelet-")));
    Options {
        selection: Selection::All,
        kubelet,
        accept: write.accepted(),
        whole_node: false,
        partial: matches!(elsewhere, Elsewhere::Named(_)),
        elsewhere: Some(elsewhere),
        ..Options::recovery()
    }
}

impl Import {
    /// Reads the node and the directory, and checks what was signed. `names` restricts it. Writes nothing.
    ///
    /// # Errors
    /// A certificate is missing, or is not what this node needs; all but the last are printed before.
    pub fn read(
        directory: &Directory,
        names: &[String],
        write: &WriteArgs,
        context: &mut Context<'_>,
    ) -> Result<Self, Error> {
        let members = chosen(directory, names)?;
        let mut certificates = Vec::new();
        for member in &members {
            certificates.push((*member, certificate(directory, member)?));
        }
        let asked = members.iter().map(|member| member.name.clone()).collect();
        let prepared = prepare(write, &options(Elsewhere::Named(asked), write), context)?;
        refuse_another_node(directory, &prepared)?;
        prepared.refuse(context)?;
        let pending = pending::read(prepared.root())?;
        let mut import = Self { in_place: Vec::new(), signed: Vec::new(), pending, prepared };
        let (mut steps, mut errors) = (Vec::new(), Vec::new());
        for (member, certificate) in certificates {
            match import.planned(directory, member, &certificate) {
                Ok(Some((step, key))) => {
                    steps.push(step);
                    import.signed.push((certificate, key));
                }
                Ok(None) => import.in_place.push(member.name.clone()),
                Err(error) => errors.push(error),
            }
        }
        refuse_all(errors, context)?;
        import.prepared.plan.steps = steps;
        Ok(import)
    }

    /// The step for one certificate with its key; `None` if it is in place.
    fn planned(
        &self,
        directory: &Directory,
        member: &Member,
        certificate: &Certificate,
    ) -> Result<Option<(Step, PrivateKey)>, Error> {
        let Prepared { plan, inventory, now, .. } = &self.prepared;
        let row = inventory.row(&member.name);
        let is_there = |row: &&Row| {
            row.certificate.get().is_some_and(|old| old.der == certificate.der)
                && row.key.get().is_some_and(|key| certificate.is_of(key))
        };
        if row.filter(is_there).is_some() {
            return Ok(None);
        }
        let Some(step) = plan.steps.iter().find(|step| step.name == member.name) else {
            let skipped = plan.skipped.iter().find(|skipped| skipped.name == member.name);
            let why = skipped.map_or_else(
                || "this node has no such certificate".to_owned(),
                |skipped| skipped.why.to_string(),
            );
            let what = format!("cannot import {}: {why}", member.name);
            return Err(
                Error::refused(Code::NothingToRenew, what).hint("sudo kuberescue certs check-expiration")
            );
        };
        let mut step = step.clone();
        let of_it = self.pending.iter().filter(|key| key.name == member.name);
        let mut keys: Vec<_> =
            of_it.filter_map(|key| PrivateKey::from_pem(key.key.as_bytes()).ok()).collect();
        keys.extend(directory.key(member));
        let key = deliver(&mut step, inventory, certificate, &keys, *now)
            .map_err(|refusal| Error::from(&refusal))?;
        Ok(Some((step, key)))
    }

    /// Composes the change in memory and checks the node with it.
    ///
    /// # Errors
    /// Something would not be valid, or can't be put in its place.
    pub fn issue(&self) -> Result<Issued, Error> {
        let Prepared { snapshot, inventory, plan, .. } = &self.prepared;
        self.prepared.checked(delivered(snapshot, inventory, plan, &self.signed)?)
    }

    /// Forgets the keys of what is in place now. The node's lock is taken.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn forget_keys(&self) -> Result<(), Error> {
        let plan = &self.prepared.plan;
        let is_in_place =
            |name: &String| self.in_place.contains(name) || plan.steps.iter().any(|step| step.name == *name);
        let left: Vec<_> = self.pending.iter().filter(|key| !is_in_place(&key.name)).cloned().collect();
        if left.len() < self.pending.len() {
            pending::write(self.prepared.taken_lock()?, left)?;
        }
        Ok(())
    }

    /// Whether keys wait for certificates that are in place already.
    pub fn has_keys_to_forget(&self) -> bool {
        self.pending.iter().any(|key| self.in_place.contains(&key.name))
    }
}

/// The members that are asked for by name, or all.
fn chosen<'a>(directory: &'a Directory, names: &[String]) -> Result<Vec<&'a Member>, Error> {
    if names.is_empty() {
        return Ok(directory.members.iter().collect());
    }
    let find = |name: &String| {
        let found = directory.members.iter().find(|member| member.name == *name);
        found.ok_or_else(|| {
            let all: Vec<_> = directory.members.iter().map(|member| member.name.as_str()).collect();
            Error::usage(format!("cannot import {name}: it was not requested"))
                .hint(format!("the directory is for {}", all.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

fn certificate(directory: &Directory, member: &Member) -> Result<Certificate, Error> {
    directory.certificate(member)?.ok_or_else(|| {
        let shown = directory.shown(&member.certificate);
        let what = format!("cannot import {}: {} was not found", member.name, shown.display());
        Error::refused(Code::Missing, what)
            .hint("sign the requests where the CA's key is: kuberescue csr sign DIR --ca PATH")
    })
}

fn refuse_another_node(directory: &Directory, prepared: &Prepared) -> Result<(), Error> {
    let node = prepared.plan.node.as_ref().map(|node| node.value.as_str());
    match directory.list.as_ref().filter(|list| node.is_some_and(|node| node != list.node)) {
        None => Ok(()),
        Some(list) => {
            let what = format!(
                "cannot import these certificates: they are for node {}, and this is {}",
                list.node,
                node.unwrap_or_default()
            );
            Err(Error::refused(Code::NamesOfAnotherNode, what).hint("run it on that node"))
        }
    }
}

/// Refuses if there is any.
///
/// # Errors
/// The last one; the others are printed before.
pub fn refuse_all(mut errors: Vec<Error>, context: &mut Context<'_>) -> Result<(), Error> {
    let Some(last) = errors.pop() else { return Ok(()) };
    for other in &errors {
        context.out.fail(other);
    }
    Err(last)
}
