//! Signing requests on the machine that has the CA's key, which is no node: each is checked against its manifest and against
//! what kubeadm gives a certificate of this name.

use jiff::{SignedDuration, Timestamp};

use super::cas::KeptCa;
use super::directory::{Directory, Member};
use crate::analysis::node::plan::{BACKDATE_SECONDS, DEFAULT_DAYS, Dates, more_than_kubeadm, usage_of};
use crate::disk::NewFile;
use crate::error::Error;
use crate::formats::certificate::Certificate;
use crate::formats::request::Request;
use crate::formats::requests::Requested;
use crate::issue::{Signer, sign_request};
use crate::report::{SignedCertificate, SignedCertificates};
use crate::session::Context;
use crate::state::Code;
use crate::state::catalog::{self, Ca, Usage};
use crate::state::text::count;
use crate::state::time::{expired_on, minute};

/// What is asked for beyond the requests.
pub struct Options {
    /// Validity in days, where the operator says it.
    pub days: Option<u32>,
    /// Replace certificates that are there.
    pub overwrite: bool,
    pub accept: Vec<Code>,
    pub now: Timestamp,
}

/// What will be signed, and what is signed already.
pub struct Signing {
    pub document: SignedCertificates,
    jobs: Vec<Job>,
}

struct Job {
    member: usize,
    request: Request,
    usage: Usage,
    dates: Dates,
    ca: usize,
}

impl Signing {
    /// Checks every request.
    ///
    /// # Errors
    /// Those that may not be signed, one for each.
    pub fn plan(directory: &Directory, cas: &[KeptCa], options: &Options) -> Result<Self, Vec<Error>> {
        let (mut jobs, mut certificates, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (index, member) in directory.members.iter().enumerate() {
            let planned = (Planner { directory, cas, options, member }).plan();
            match planned {
                Ok((shown, None)) => certificates.push(shown),
                Ok((shown, Some(job))) => {
                    certificates.push(shown);
                    jobs.push(Job { member: index, ..job });
                }
                Err(error) => errors.push(error),
            }
        }
        let node = directory.list.as_ref().map(|list| list.node.clone());
        match errors.is_empty() {
            true => Ok(Self { document: SignedCertificates { dry_run: false, node, certificates }, jobs }),
            false => Err(errors),
        }
    }

    /// Whether everything is signed already.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Signs in memory.
    ///
    /// # Errors
    /// A signature failed.
    pub fn sign(&self, cas: &[KeptCa]) -> Result<Vec<Certificate>, Error> {
        let sign = |job: &Job| {
            let lost = || Error::could_not_run("cannot sign: the CA is gone").code(Code::IssueFailed);
            let ca = cas.get(job.ca).ok_or_else(lost)?;
            let signer = Signer::new(&ca.certificate, &ca.key)?;
            Ok(sign_request(&signer, &job.request, job.usage, job.dates)?)
        };
        self.jobs.iter().map(sign).collect()
    }

    /// Writes each certificate beside its request, complete or not at all.
    ///
    /// # Errors
    /// One can't be written; those before it are.
    pub fn write(
        &self,
        directory: &Directory,
        signed: &[Certificate],
        overwrite: bool,
        context: &mut Context<'_>,
    ) -> Result<(), Error> {
        context.hold_signals();
        let mut staged = Vec::new();
        for (job, certificate) in self.jobs.iter().zip(signed) {
            let Some(member) = directory.members.get(job.member) else { continue };
            let name = member.certificate.file_name().unwrap_or_default().to_string_lossy();
            let mut file = NewFile::within(&directory.beside(member)?, &name)?;
            file.write(certificate.to_pem().as_bytes())?;
            file.sync()?;
            staged.push(file);
        }
        for file in staged {
            if overwrite { file.replace() } else { file.name() }?;
            context.changed = true;
        }
        Ok(())
    }
}

/// One request.
struct Planner<'a> {
    directory: &'a Directory,
    cas: &'a [KeptCa],
    options: &'a Options,
    member: &'a Member,
}

impl Planner<'_> {
    fn plan(&self) -> Result<(SignedCertificate, Option<Job>), Error> {
        let name = &self.member.name;
        let requested = self.directory.list.as_ref().and_then(|list| {
            let found = list.requests.iter().find(|request| request.name == *name)?;
            Some((found, list.authority(found)))
        });
        let usage =
            usage_of(name).ok_or_else(|| self.exceeds("kubeadm knows no certificate of this name"))?;
        let request = self.directory.request(self.member)?;
        self.check(&request, requested.as_ref().map(|(requested, _)| *requested), usage)?;
        let wanted = requested.as_ref().map(|(_, ca)| ca.as_ref());
        let (index, ca) = match wanted {
            Some(None) => return Err(self.mismatch("the manifest has no certificate of its CA")),
            Some(Some(wanted)) => self.ca_of(wanted)?,
            None => self.ca_by_role()?,
        };
        let kept = self.existing(&request, ca)?;
        let days = self.options.days.or(requested.map(|(requested, _)| requested.days));
        let (dates, cut) = match &kept {
            Some(kept) => (Dates { not_before: kept.not_before, not_after: kept.not_after }, false),
            None => self.dates(ca, days.unwrap_or(DEFAULT_DAYS))?,
        };
        let shown = SignedCertificate {
            name: name.clone(),
            file: self.directory.shown(&self.member.certificate),
            subject: request.subject.clone(),
            names: request.alternative_names(),
            usage,
            authority: ca.path.clone(),
            authority_subject: ca.certificate.subject.clone(),
            not_before: dates.not_before,
            not_after: dates.not_after,
            cut_to_authority: cut,
            kept: kept.is_some(),
        };
        let job = kept.is_none().then_some(Job { member: 0, request, usage, dates, ca: index });
        Ok((shown, job))
    }

    fn mismatch(&self, why: &str) -> Error {
        let what = format!("cannot sign the request of {}: {why}", self.member.name);
        Error::refused(Code::RequestMismatch, what)
            .hint("export the requests again on the node: sudo kuberescue csr export DIR")
    }

    fn exceeds(&self, why: &str) -> Error {
        let what = format!("cannot sign the request of {}: {why}", self.member.name);
        let file = self.directory.shown(&self.member.request);
        Error::refused(Code::RequestExceeds, what)
            .hint(format!("openssl req -noout -text -in {}", file.display()))
    }

    /// What is never signed, and what only is where the operator accepts it.
    fn check(&self, request: &Request, requested: Option<&Requested>, usage: Usage) -> Result<(), Error> {
        if !request.is_signed {
            return Err(self.mismatch("its signature is not that of its own key: it was changed"));
        }
        if request.wants_authority {
            return Err(self.exceeds("it asks for a CA certificate"));
        }
        if let Some(requested) = requested {
            if request.subject != requested.subject {
                let why =
                    format!("its subject is {}, in the manifest {}", request.subject, requested.subject);
                return Err(self.mismatch(&why));
            }
            if request.alternative_names() != requested.names || requested.usage != usage {
                return Err(self.mismatch("its names or usage are not those of the manifest"));
            }
        }
        let node = self.directory.list.as_ref().map(|list| list.node.as_str());
        let more = more_than_kubeadm(&self.member.name, node, request);
        match more.filter(|_| !self.options.accept.contains(&Code::RequestExceeds)) {
            Some(why) => Err(self.exceeds(&why)),
            None => Ok(()),
        }
    }

    /// The CA with the key of the one that the node trusts, whatever its file is called.
    fn ca_of(&self, wanted: &Certificate) -> Result<(usize, &KeptCa), Error> {
        let same_key = |ca: &&KeptCa| wanted.is_of(&ca.key);
        let found = self.cas.iter().enumerate().find(|(_, ca)| same_key(ca));
        let (index, ca) = found.ok_or_else(|| {
            let what = format!(
                "cannot sign the request of {}: none of the CAs of --ca has the key of {} (SHA-256 fingerprint {})",
                self.member.name,
                wanted.subject,
                wanted.fingerprint()
            );
            Error::refused(Code::WrongAuthority, what).hint("name the CA that the node trusts too: --ca PATH")
        })?;
        if ca.certificate.subject_der != wanted.subject_der {
            let why = format!(
                "{} is called {}, on the node {}",
                ca.path.display(),
                ca.certificate.subject,
                wanted.subject
            );
            return Err(self.mismatch(&why));
        }
        self.usable(index, ca)
    }

    /// Without a manifest: the CA whose place says which one it is, or the name that kubeadm gives it.
    fn ca_by_role(&self) -> Result<(usize, &KeptCa), Error> {
        let role = catalog::cert_spec(&self.member.name).map_or(Ca::Cluster, |spec| spec.authority);
        let name = match role {
            Ca::Cluster => "kubernetes",
            Ca::Etcd | Ca::FrontProxy => role.name(),
        };
        let is_it = |ca: &KeptCa| match ca.role {
            Some(own) => own == role,
            None => ca.certificate.common_name() == name,
        };
        let found = self.cas.iter().enumerate().find(|(_, ca)| is_it(ca));
        let (index, ca) = found.ok_or_else(|| {
            let what =
                format!("cannot sign the request of {}: --ca names no {}", self.member.name, role.name());
            let hint = format!("name the directory that has {}.crt and {0}.key: --ca DIR", role.base());
            Error::refused(Code::WrongAuthority, what).hint(hint)
        })?;
        self.usable(index, ca)
    }

    fn usable<'a>(&self, index: usize, ca: &'a KeptCa) -> Result<(usize, &'a KeptCa), Error> {
        let (now, certificate, path) = (self.options.now, &ca.certificate, ca.path.display());
        if certificate.expired_at(now) {
            let what = format!("cannot sign with {path}: it {}", expired_on(certificate.not_after, now));
            return Err(Error::refused(Code::CaExpired, what)
                .hint("renew the CA with its own key first, and put its certificate on the nodes"));
        }
        if certificate.not_yet_valid_at(now) {
            let what =
                format!("cannot sign with {path}: it is valid from {}", minute(certificate.not_before));
            return Err(Error::refused(Code::CaNotYetValid, what).hint("check the system clock: date -u"));
        }
        Ok((index, ca))
    }

    /// The certificate that is there already, if it is this request's and shall stay.
    fn existing(&self, request: &Request, ca: &KeptCa) -> Result<Option<Certificate>, Error> {
        if self.options.overwrite {
            return Ok(None);
        }
        let Some(found) = self.directory.certificate(self.member)? else { return Ok(None) };
        let is_its = found.spki == request.spki
            && found.subject_der == request.subject_der
            && found.signed_by(&ca.certificate).is_ok()
            && !found.expired_at(self.options.now);
        if is_its {
            return Ok(Some(found));
        }
        let file = self.directory.shown(&self.member.certificate);
        let what = format!("cannot write {}: it is there already, and not of this request", file.display());
        Err(Error::refused(Code::RequestMismatch, what).hint("add --overwrite, or remove the file"))
    }

    fn dates(&self, ca: &KeptCa, days: u32) -> Result<(Dates, bool), Error> {
        let second = |time: Timestamp| Timestamp::from_second(time.as_second()).unwrap_or(time);
        let too_long = |_| {
            let what = format!("cannot sign for {}: no certificate has such a date", count(days, "day"));
            Error::usage(what).hint("ask for less: --days 365")
        };
        let now = self.options.now;
        let start = now.checked_sub(SignedDuration::from_secs(BACKDATE_SECONDS)).map_err(too_long)?;
        let end = now.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).map_err(too_long)?;
        let (first, last) = (ca.certificate.not_before, ca.certificate.not_after);
        let dates = Dates { not_before: second(start.max(first)), not_after: second(end.min(last)) };
        Ok((dates, end > last))
    }
}
