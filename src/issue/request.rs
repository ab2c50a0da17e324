//! Certificate signing requests for a CA whose key is on another machine, and what is issued for one there.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode as _, Encode as _, Sequence};
use rcgen::CustomExtension;

use super::creation::{self, Placeholder};
use super::renewal::{allows, alternative_names, checked_for};
use super::signer::SigningKey;
use super::template::{ALTERNATIVE_NAMES, Template};
use super::{IssueError, Signer};
use crate::analysis::node::plan::{Dates, Profile, Step};
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::formats::pem::{self, Label};
use crate::formats::request::Request;
use crate::state::catalog::Usage;

/// X.520, id-ce-subjectAltName.
const ALTERNATIVE_NAMES_ARCS: [u64; 4] = [2, 5, 29, 17];

/// The request for what `step` issues, in PEM, signed by `key`. Subject and names are those of the old certificate, byte
/// for byte, if it is the template. It asks for the usage too, for CAs that take it from the request.
///
/// # Errors
/// A name that a request cannot hold, or a kind of key that cannot sign here.
pub fn certificate_request(step: &Step, usage: Usage, key: &PrivateKey) -> Result<String, IssueError> {
    let vanished = || IssueError::Vanished { name: step.name.clone(), what: "its template".to_owned() };
    let (unsigned, subject) = match (&step.template, &step.profile) {
        (Some(old), _) => (of_template(step, old, usage)?, Some(old.subject_der.clone())),
        (None, Some(profile)) => {
            let several = profile.organizations.len() > 1;
            (creation::params(profile)?, several.then(|| creation::subject(profile)).transpose()?)
        }
        (None, None) => return Err(vanished()),
    };
    let made = unsigned.serialize_request(&Placeholder).map_err(|error| IssueError::Name {
        name: step.name.clone(),
        reason: creation::name_reason(&error).to_owned(),
    })?;
    let signed = signed(made.der(), subject.as_deref(), key)?;
    let read = Request::from_der(&signed).map_err(|error| IssueError::FailedCheck(error.to_string()))?;
    if !is_signed_by(&read, key) {
        return Err(IssueError::FailedCheck("the request is not signed by its key".to_owned()));
    }
    Ok(pem::encode(Label::Request, &signed).to_string())
}

fn is_signed_by(request: &Request, key: &PrivateKey) -> bool {
    request.is_signed && request.spki == key.spki()
}

/// The old certificate's names, with what the step adds and removes.
fn of_template(step: &Step, old: &Certificate, usage: Usage) -> Result<rcgen::CertificateParams, IssueError> {
    let template = Template::from_der(&old.der)?;
    let names = match (step.added.as_slice(), step.removed.as_slice()) {
        ([], []) => template.value(ALTERNATIVE_NAMES)?,
        (added, removed) => {
            let added: Vec<_> = added.iter().map(|added| added.name.clone()).collect();
            Some(alternative_names(&template, &added, removed)?)
        }
    };
    let mut params = creation::params(&nameless(usage))?;
    let names = names.map(|value| CustomExtension::from_oid_content(&ALTERNATIVE_NAMES_ARCS, value));
    params.custom_extensions.extend(names);
    Ok(params)
}

/// A profile with only its usage; its subject is replaced.
fn nameless(usage: Usage) -> Profile {
    let (organizations, dns_names, addresses) = Default::default();
    Profile { common_name: "replaced".to_owned(), organizations, usage, dns_names, addresses }
}

/// Puts the real subject and key into a request that rcgen has composed, and signs it.
fn signed(made: &[u8], subject: Option<&[u8]>, key: &PrivateKey) -> Result<Vec<u8>, IssueError> {
    let mut info: Info<'_> = SignedRequest::from_der(made)?.info.decode_as()?;
    if let Some(subject) = subject {
        info.subject = AnyRef::from_der(subject)?;
    }
    info.key = AnyRef::from_der(key.spki())?;
    let message = info.to_der()?;
    let signer = SigningKey::of(key, |reason| {
        let algorithm = key.algorithm.clone();
        IssueError::RequestNotSigned { algorithm, reason }
    })?;
    let failed = || IssueError::FailedCheck("signing the request failed".to_owned());
    let signature = signer.sign(&message).ok_or_else(failed)?;
    let request = SignedRequest {
        info: AnyRef::from_der(&message)?,
        algorithm: AnyRef::from_der(&signer.algorithm)?,
        signature: BitStringRef::from_bytes(&signature)?,
    };
    Ok(request.to_der()?)
}

/// The certificate for a request, in kubeadm's form. Subject, names and key are the request's; usage and everything else
/// are not taken from it.
///
/// # Errors
/// The dates cannot be expressed, signing failed, or the result failed its check.
pub fn sign_request(
    signer: &Signer<'_>,
    request: &Request,
    usage: Usage,
    validity: Dates,
) -> Result<Certificate, IssueError> {
    let unsigned = creation::unsigned(&nameless(usage), signer.authority().key_id.as_deref())?;
    let mut template = Template::from_der(&unsigned)?;
    template.order_extensions(&creation::GO_ORDER);
    template.put_subject(&request.subject_der)?;
    let names = request.names_der.iter().map(|value| (ALTERNATIVE_NAMES, value.clone()));
    let names: Vec<_> = names.collect();
    let issued = template.issue_for(signer, &request.spki, validity, &names)?;
    let issued = checked_for(issued, signer, &request.spki, validity)?;
    if !is_as_requested(&issued, request, usage) {
        return Err(IssueError::FailedCheck("it is another one than was requested".to_owned()));
    }
    Ok(issued)
}

fn is_as_requested(issued: &Certificate, request: &Request, usage: Usage) -> bool {
    issued.subject_der == request.subject_der
        && issued.dns_names == request.dns_names
        && issued.addresses == request.addresses
        && !issued.is_ca
        && allows(issued, usage)
}

/// RFC 2986 section 4.2.
#[derive(Sequence)]
struct SignedRequest<'a> {
    info: AnyRef<'a>,
    algorithm: AnyRef<'a>,
    signature: BitStringRef<'a>,
}

/// RFC 2986 section 4.1, as far as it is copied unread.
#[derive(Sequence)]
struct Info<'a> {
    version: AnyRef<'a>,
    subject: AnyRef<'a>,
    key: AnyRef<'a>,
    /// `[0]`, with its own tag.
    attributes: AnyRef<'a>,
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;

    use super::*;
    use crate::analysis::node::findings::{Node, findings};
    use crate::analysis::node::host_state::HostState;
    use crate::analysis::node::inventory::Inventory;
    use crate::analysis::node::plan::{Options, decide};
    use crate::analysis::node::tree::tree;
    use crate::formats::key::KeyEncoding;
    use crate::state::catalog::Ca;

    const AT: &str = "2028-01-01T00:00:00Z";

    fn key() -> PrivateKey {
        let made = KeyPair::generate().unwrap().serialize_der();
        PrivateKey::from_der(KeyEncoding::Pkcs8, made.into()).unwrap()
    }

    fn requested(step: &Step, usage: Usage, key: &PrivateKey) -> Request {
        Request::from_pem(certificate_request(step, usage, key).unwrap().as_bytes()).unwrap()
    }

    /// A step of a node whose certificates have expired, and its CA.
    fn step(name: &str) -> (Step, Inventory) {
        let snapshot = tree("ecdsa-p256", |_, text| Some(text));
        let inventory = Inventory::read(&snapshot, None);
        let (around, now) = (HostState::default(), AT.parse().unwrap());
        let found = findings(Node { snapshot: &snapshot, inventory: &inventory, around: &around }, now);
        let plan = decide(&snapshot, &inventory, &found, &Options::recovery(), now);
        let step = plan.steps.into_iter().find(|step| step.name == name).unwrap();
        (step, inventory)
    }

    #[test]
    fn several_organizations_are_asked_for() {
        let (mut step, _) = step("apiserver");
        step.template = None;
        let mut asked = nameless(Usage::Client);
        for organizations in [&[][..], &["a"], &["a", "b"]] {
            asked.organizations = organizations.iter().map(|&name| name.to_owned()).collect();
            step.profile = Some(asked.clone());
            let request = requested(&step, Usage::Client, &key());
            assert_eq!(request.organizations, asked.organizations);
            assert_eq!(
                (request.common_names.as_slice(), request.is_signed),
                (&["replaced".to_owned()][..], true)
            );
        }
    }

    #[test]
    fn another_request_than_was_made_is_found() {
        let (step, _) = step("apiserver");
        let own = key();
        let read = requested(&step, Usage::Server, &own);
        assert!(is_signed_by(&read, &own));
        assert!(!is_signed_by(&read, &key()));
        assert!(!is_signed_by(&Request { is_signed: false, ..read }, &own));
    }

    #[test]
    fn another_certificate_than_was_requested_is_found() {
        let (step, inventory) = step("apiserver");
        let request = requested(&step, Usage::Server, &key());
        let row = inventory.authority(Ca::Cluster).unwrap();
        let signer = Signer::new(row.certificate.get().unwrap(), row.key.get().unwrap()).unwrap();
        let issued = sign_request(&signer, &request, Usage::Server, step.new).unwrap();
        let is_as = |change: &dyn Fn(&mut Certificate), usage| {
            let mut other = issued.clone();
            change(&mut other);
            is_as_requested(&other, &request, usage)
        };
        assert!(is_as(&|_| {}, Usage::Server));
        assert!(!is_as(&|_| {}, Usage::Client));
        assert!(!is_as(&|other| other.subject_der.clear(), Usage::Server));
        assert!(!is_as(&|other| other.dns_names.clear(), Usage::Server));
        assert!(!is_as(&|other| other.addresses.clear(), Usage::Server));
        assert!(!is_as(&|other| other.is_ca = true, Usage::Server));
    }
}
