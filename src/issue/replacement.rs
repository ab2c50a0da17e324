//! A CA that is replaced by a new one with a new key: both in every file that had the old one, and at the end the new one
//! alone.

use super::composer::Composer;
use super::template::{SUBJECT_KEY_ID, Template, key_id};
use super::{IssueError, KeyRequest, Signer, generate, own_authority, renewal};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{CaReplacement, Dates, Signing, Stage, with_flags};
use crate::formats::ca_copies;
use crate::formats::certificate::Certificate;
use crate::formats::key::{PrivateKey, public_key_bits};
use crate::state::catalog::Ca;
use crate::state::{Bytes, ChangeSet, Snapshot};

/// A new CA with the subject and the extensions of `old`, and another key.
///
/// Its key identifier tells it from the old one (RFC 5280 section 4.2.1.1): without one, OpenSSL would take whichever of the
/// two comes first.
///
/// # Errors
/// The dates cannot be expressed, or the result failed its check.
pub fn new_authority(
    old: &Certificate,
    key: &PrivateKey,
    validity: Dates,
) -> Result<Certificate, IssueError> {
    let id = key_id(&public_key_bits(key.spki())?);
    let octets = der::Encode::to_der(&der::asn1::OctetStringRef::new(&id)?)?;
    let mut unsigned = old.clone();
    unsigned.spki = key.spki().to_vec();
    unsigned.algorithm = key.algorithm.clone();
    unsigned.key_id = Some(id);
    let signer = Signer::new(&unsigned, key)?;
    let replaced = [(SUBJECT_KEY_ID, octets)];
    let issued = Template::from_der(&old.der)?.issue(&signer, key, validity, &replaced)?;
    let new = Certificate::from_der(issued.clone())?;
    renewal::checked(issued, &Signer::new(&new, key)?, key, validity)
}

/// The change of every file with the CA that is replaced, of its key, and of what kube-controller-manager signs with.
///
/// # Errors
/// The new CA could not be made, or a file has changed since the plan.
pub(super) fn change_set(
    snapshot: &Snapshot,
    inventory: &Inventory,
    step: &CaReplacement,
) -> Result<ChangeSet, IssueError> {
    let mut composer = Composer::new(snapshot, inventory);
    if step.stage == Stage::Finish {
        finish(snapshot, inventory, step, &mut composer)?;
    } else {
        begin(snapshot, step, &mut composer)?;
    }
    if let Some(manifest) = &step.signing.manifest {
        let new =
            with_flags(snapshot, manifest, &step.signing.flags).ok_or_else(|| vanished(step, "a flag"))?;
        composer.put_certificates(manifest, new.into());
    }
    Ok(composer.changes)
}

/// The change that gives kube-controller-manager a file with the CA's own certificate alone to sign with.
pub(super) fn signing(
    snapshot: &Snapshot,
    inventory: &Inventory,
    plan: &Signing,
) -> Result<ChangeSet, IssueError> {
    let vanished =
        |what: &str| IssueError::Vanished { name: Ca::Cluster.name().to_owned(), what: what.to_owned() };
    let row = inventory.authority(Ca::Cluster).and_then(|row| row.certificate.get());
    let own = row.ok_or_else(|| vanished("its certificate"))?;
    let mut composer = Composer::new(snapshot, inventory);
    for path in &plan.alone {
        composer.put_certificates(path, own.to_pem().into_bytes().into());
    }
    if let Some(manifest) = &plan.manifest {
        let new = with_flags(snapshot, manifest, &plan.flags).ok_or_else(|| vanished("a flag"))?;
        composer.put_certificates(manifest, new.into());
    }
    Ok(composer.changes)
}

fn begin(snapshot: &Snapshot, step: &CaReplacement, composer: &mut Composer<'_>) -> Result<(), IssueError> {
    let (new, key) = match &step.given {
        Some(given) => (given.certificate.clone(), given.key.clone()),
        None => made(step)?,
    };
    for path in &step.files {
        let bytes = match step.olds.first() {
            Some(old) => {
                let bytes = snapshot.file(path).ok_or_else(|| vanished(step, "a copy"))?;
                ca_copies::joined(bytes, old, &new)?.ok_or_else(|| vanished(step, "a copy"))?.into()
            }
            None => Bytes::from(new.to_pem().into_bytes()),
        };
        composer.put_certificates(path, bytes);
    }
    for path in &step.signing.alone {
        composer.put_certificates(path, new.to_pem().into_bytes().into());
    }
    let resolved = snapshot.resolve(&step.key_path).map_err(|_| vanished(step, "its key"))?.path;
    composer.put_new_key(&resolved, &key);
    Ok(())
}

fn made(step: &CaReplacement) -> Result<(Certificate, PrivateKey), IssueError> {
    let plan = step.key.as_ref().ok_or_else(|| vanished(step, "its key"))?;
    let request = KeyRequest { algorithm: plan.algorithm.clone(), encoding: plan.encoding };
    let key = generate(&[request])?.into_iter().next().ok_or_else(|| vanished(step, "its key"))?;
    let new = match step.olds.first() {
        Some(old) => new_authority(old, &key, step.new)?,
        None => own_authority::own_authority(step.authority.common_name(), &key, step.new)?,
    };
    Ok((new, key))
}

fn finish(
    snapshot: &Snapshot,
    inventory: &Inventory,
    step: &CaReplacement,
    composer: &mut Composer<'_>,
) -> Result<(), IssueError> {
    let row = inventory.authority(step.authority).and_then(|row| row.certificate.get());
    let own = row.ok_or_else(|| vanished(step, "the CA"))?;
    for path in &step.files {
        let mut bytes = snapshot.file(path).cloned().ok_or_else(|| vanished(step, "a copy"))?;
        for old in &step.olds {
            if let Some(new) = ca_copies::without(&bytes, old, own)? {
                bytes = new.into();
            }
        }
        composer.put_certificates(path, bytes);
    }
    if let Some(path) = &step.signing.removed {
        composer.remove(path);
    }
    Ok(())
}

fn vanished(step: &CaReplacement, what: &str) -> IssueError {
    IssueError::Vanished { name: step.name.to_owned(), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384};

    use super::*;
    use crate::formats::key::KeyEncoding;
    use crate::issue::template::AUTHORITY_KEY_ID;

    /// Its authority key identifier, where it has one, is its own, too.
    #[test]
    fn a_new_ca_is_told_from_the_old_one_by_its_key_identifier() {
        let pair = KeyPair::generate().unwrap();
        // Another kind of key, too.
        let new_pair = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.use_authority_key_identifier_extension = true;
        let old = Certificate::from_der(params.self_signed(&pair).unwrap().der().to_vec()).unwrap();
        let key = PrivateKey::from_der(KeyEncoding::Pkcs8, new_pair.serialize_der().into()).unwrap();
        let validity = Dates { not_before: old.not_before, not_after: old.not_after };
        let new = new_authority(&old, &key, validity).unwrap();
        let id = key_id(&public_key_bits(key.spki()).unwrap());
        let named = |of: &Certificate| Template::from_der(&of.der).unwrap().value(AUTHORITY_KEY_ID).unwrap();
        assert_eq!((&new.key_id, &new.subject_der), (&Some(id.clone()), &old.subject_der));
        assert!(named(&old).unwrap().ends_with(old.key_id.as_ref().unwrap()));
        assert!(named(&new).unwrap().ends_with(&id));
    }
}
