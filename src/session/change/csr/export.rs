//! The requests for what an external CA has to sign: made in memory, then written into a new directory, while the new keys
//! stay on the node.

use std::path::Path;

use crate::analysis::node::plan::{SignedBy, Step, usage_of};
use crate::disk::pending::{self, PendingKey};
use crate::disk::{NewDirectory, NewFile};
use crate::error::Error;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::formats::request::Request;
use crate::formats::requests::{FILE, RequestList, Requested, RequestedCa};
use crate::issue::{KeyRequest, certificate_request, generate};
use crate::report::requests_document;
use crate::session::Context;
use crate::session::change::Prepared;
use crate::state::Code;
use crate::state::catalog::Usage;

/// The requests of a node, made and not written yet.
pub struct Made {
    pub list: RequestList,
    /// Of each request of the list, in PEM.
    texts: Vec<String>,
    /// The new ones.
    keys: Vec<PendingKey>,
}

/// Makes keys and requests for every step of the plan.
///
/// # Errors
/// The node's name is not known, or one could not be made.
pub fn make(prepared: &Prepared) -> Result<Made, Error> {
    let plan = &prepared.plan;
    let unnamed = || {
        let what = "cannot export requests: the name of this node is not known";
        Error::refused(Code::NodeMissing, what).hint("sudo kuberescue diagnose")
    };
    let node = plan.node.as_ref().ok_or_else(unnamed)?.value.clone();
    let wanted = plan.steps.iter().filter(|step| !step.key.reuse);
    let wanted: Vec<_> = wanted
        .map(|step| KeyRequest { algorithm: step.key.algorithm.clone(), encoding: step.key.encoding })
        .collect();
    let mut made = generate(&wanted)?.into_iter();
    let (mut requests, mut texts, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for step in &plan.steps {
        let old = || prepared.inventory.row(&step.name).and_then(|row| row.key.get()).cloned();
        let key = if step.key.reuse { old() } else { made.next() };
        let key = key.ok_or_else(|| {
            Error::could_not_run(format!("cannot make the request of {}: its key is gone", step.name))
                .code(Code::IssueFailed)
        })?;
        let (requested, text) = request(prepared, step, &key)?;
        requests.push(requested);
        texts.push(text);
        if !step.key.reuse {
            keys.push(PendingKey { name: step.name.clone(), exported: prepared.now, key: key.to_pem() });
        }
    }
    let list = RequestList { node, authorities: authorities(prepared), requests };
    Ok(Made { list, texts, keys })
}

fn request(prepared: &Prepared, step: &Step, key: &PrivateKey) -> Result<(Requested, String), Error> {
    let usage = usage_of(&step.name).unwrap_or(Usage::Client);
    let text = certificate_request(step, usage, key)?;
    let read = Request::from_pem(text.as_bytes())
        .map_err(|error| Error::could_not_run(error).code(Code::IssueFailed))?;
    let days = step.new.not_after.duration_since(prepared.now).as_hours() / 24;
    let requested = Requested {
        name: step.name.clone(),
        file: format!("{}.csr", step.name),
        authority: step.authority.name().to_owned(),
        subject: read.subject.clone(),
        names: read.alternative_names(),
        usage,
        days: u32::try_from(days.max(1)).unwrap_or(u32::MAX),
        path: step.target.path().clone(),
    };
    Ok((requested, text))
}

/// The CAs that have to sign.
fn authorities(prepared: &Prepared) -> Vec<RequestedCa> {
    let steps = &prepared.plan.steps;
    let mut found = Vec::new();
    for row in &prepared.inventory.authorities {
        let is_needed = steps.iter().any(|step| step.authority == SignedBy::Ca(row.authority));
        if let Some(certificate) = row.certificate.get().filter(|_| is_needed) {
            found.push(RequestedCa {
                name: row.authority.name().to_owned(),
                subject: certificate.subject.clone(),
                fingerprint: certificate.fingerprint(),
                certificate: Certificate::to_pem(certificate),
            });
        }
    }
    found
}

/// The keys of an earlier export that these requests replace.
///
/// # Errors
/// The record of them can't be read.
pub fn replaced(prepared: &Prepared, made: &Made) -> Result<Vec<PendingKey>, Error> {
    let mut keys = pending::read(prepared.root())?;
    keys.retain(|key| made.list.requests.iter().any(|request| request.name == key.name));
    Ok(keys)
}

/// Refuses a directory in which something is.
///
/// # Errors
/// It is not empty, or can't be read.
pub fn refuse_used(path: &Path) -> Result<(), Error> {
    if NewDirectory::is_free(path)? {
        return Ok(());
    }
    let what = format!("cannot write the requests to {}: the directory is not empty", path.display());
    Err(Error::usage(what).hint("name a new directory, such as one on a USB stick"))
}

/// Writes requests and manifest, and keeps the keys. The node's lock is taken. The keys of an earlier export are replaced once
/// all is written, and the manifest gets its name after that: without it the directory is no export.
///
/// # Errors
/// Something can't be written: no file is left in the directory.
pub fn write(prepared: &Prepared, made: &Made, path: &Path, context: &mut Context<'_>) -> Result<(), Error> {
    let lock = prepared.taken_lock()?;
    let manifest = requests_document(prepared.now, &made.list);
    let names = made.list.requests.iter().map(|request| request.file.as_str());
    let texts = made.texts.iter().map(String::as_str);
    context.hold_signals();
    let directory = NewDirectory::open(path)?;
    let mut staged = Vec::new();
    for (name, text) in names.zip(texts).chain([(FILE, manifest.as_str())]) {
        let mut file = NewFile::within(&directory, name)?;
        file.write(text.as_bytes())?;
        file.sync()?;
        staged.push((name, file));
    }
    let mut keys = pending::read(prepared.root())?;
    keys.retain(|key| !made.list.requests.iter().any(|request| request.name == key.name));
    keys.extend(made.keys.iter().cloned());
    let mut named: Vec<&str> = Vec::new();
    let put = || {
        let manifest = staged.pop();
        for (name, file) in staged {
            file.name()?;
            named.push(name);
        }
        pending::write(lock, keys)?;
        context.changed = true;
        manifest.map_or(Ok(()), |(_, file)| file.name().map(drop))
    };
    put().inspect_err(|_| named.iter().for_each(|name| directory.take_back(name)))?;
    Ok(())
}
