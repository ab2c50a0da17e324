//! A CA certificate reissued with its own key, in every file that has a copy of it.

use std::collections::BTreeMap;

use super::renewal::renew;
use super::{IssueError, Signer};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{CaStep, Dates};
use crate::formats::ca_copies;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::state::{ChangeSet, Content, Entry, Snapshot};

/// The successor of a self-signed CA certificate with the same key.
///
/// New are serial number, dates and signature; subject and extensions stay byte for byte, the subject key identifier among
/// them (RFC 5280 section 4.2.1.2), so that what the old one has issued verifies under the new one. An authority key
/// identifier that names the old serial number becomes the key identifier alone.
///
/// # Errors
/// The key is another one's, the dates cannot be expressed, or the result failed its check.
pub fn renew_authority(
    old: &Certificate,
    key: &PrivateKey,
    validity: Dates,
) -> Result<Certificate, IssueError> {
    let new = renew(&Signer::new(old, key)?, old, key, validity)?;
    let failed = |what: &str| Err(IssueError::FailedCheck(what.to_owned()));
    if let Err(error) = new.signed_by(&new) {
        return failed(&error.to_string());
    }
    if !has_the_key_of(&new, old) {
        return failed("its key or its key identifier is not the old one");
    }
    Ok(new)
}

/// Whether what `old` has signed verifies under this CA.
fn has_the_key_of(new: &Certificate, old: &Certificate) -> bool {
    new.spki == old.spki && new.key_id == old.key_id && new.is_ca
}

/// The change of every file with a copy of these CAs.
///
/// # Errors
/// A CA could not be reissued, a leaf certificate of the node would not verify under it, or a file has changed since the
/// plan.
pub(super) fn change_set(
    snapshot: &Snapshot,
    inventory: &Inventory,
    steps: &[CaStep],
) -> Result<ChangeSet, IssueError> {
    let mut files: BTreeMap<_, Entry> = BTreeMap::new();
    for step in steps {
        let vanished =
            |what: &str| IssueError::Vanished { name: step.name.to_owned(), what: what.to_owned() };
        let row = inventory.authority(step.authority).ok_or_else(|| vanished("the CA"))?;
        let old = row.certificate.get().ok_or_else(|| vanished("its certificate"))?;
        let new = renew_authority(old, row.key.get().ok_or_else(|| vanished("its key"))?, step.new)?;
        accepts_what_it_signed(inventory, old, &new)?;
        for path in &step.files {
            let entry = files.get(path).or_else(|| snapshot.get(path)).ok_or_else(|| vanished("a copy"))?;
            let Content::File(bytes) = &entry.content else { return Err(vanished("a copy")) };
            let replaced = ca_copies::replaced(bytes, old, &new)?.ok_or_else(|| vanished("a copy"))?;
            let mut attributes = entry.attributes.clone();
            // Changed now, whatever the old file's time.
            attributes.mtime = jiff::Timestamp::UNIX_EPOCH;
            files.insert(path.clone(), Entry { content: Content::File(replaced.into()), attributes });
        }
    }
    let mut changes = ChangeSet::default();
    for (path, entry) in files {
        let before = snapshot.get(&path).cloned();
        changes.put(path, before, Some(entry));
    }
    Ok(changes)
}

/// Whatever the old CA has signed on this node verifies under the new one.
fn accepts_what_it_signed(
    inventory: &Inventory,
    old: &Certificate,
    new: &Certificate,
) -> Result<(), IssueError> {
    for row in inventory.rows() {
        let Some(leaf) = row.certificate.get().filter(|leaf| leaf.signed_by(old).is_ok()) else { continue };
        if let Err(error) = leaf.signed_by(new) {
            return Err(IssueError::FailedCheck(format!("{} would not verify under it: {error}", row.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384,
        SerialNumber,
    };

    use super::*;
    use crate::formats::key::KeyEncoding;
    use crate::issue::template::Template;

    fn renewed(key: &KeyPair, change: impl Fn(&mut CertificateParams)) -> (Certificate, Certificate) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::OrganizationName, "übliche Namen");
        change(&mut params);
        let old = Certificate::from_der(params.self_signed(key).unwrap().der().to_vec()).unwrap();
        let own = PrivateKey::from_der(KeyEncoding::Pkcs8, key.serialize_der().into()).unwrap();
        let time = |text: &str| text.parse().unwrap();
        let dates =
            Dates { not_before: time("2026-01-01T00:00:00Z"), not_after: time("2052-01-01T00:00:00Z") };
        let new = renew_authority(&old, &own, dates).unwrap();
        assert_eq!((new.not_before, new.not_after), (dates.not_before, dates.not_after));
        (old, new)
    }

    /// Which extensions are byte for byte the old ones.
    fn kept(old: &Certificate, new: &Certificate, oids: &[&'static [u8]]) -> Vec<bool> {
        let value = |of: &Certificate, oid| Template::from_der(&of.der).unwrap().value(oid).unwrap();
        oids.iter().map(|oid| value(old, oid).is_some() && value(old, oid) == value(new, oid)).collect()
    }

    #[test]
    fn all_stays_but_serial_number_dates_and_signature() {
        for key in [KeyPair::generate().unwrap(), KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()] {
            let (old, new) = renewed(&key, |params| {
                // kubeadm before 1.28.
                params.serial_number = Some(SerialNumber::from(vec![0]));
                let content = vec![0x0c, 0x01, 0x78];
                let custom = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], content);
                params.custom_extensions = vec![custom];
            });
            assert_eq!((&new.subject_der, &new.issuer_der), (&old.subject_der, &old.subject_der));
            assert_eq!((&new.spki, &new.key_id), (&old.spki, &old.key_id));
            assert_ne!(new.serial, old.serial);
            let own: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];
            let (basic, ski): (&[u8], &[u8]) = (&[0x55, 0x1d, 0x13], &[0x55, 0x1d, 0x0e]);
            assert_eq!(kept(&old, &new, &[basic, ski, own]), [true, true, true]);
        }
    }

    #[test]
    fn a_ca_without_key_identifiers_gets_none() {
        let (old, new) = renewed(&KeyPair::generate().unwrap(), |params| {
            params.is_ca = IsCa::ExplicitNoCa;
            // A CA by basicConstraints alone: rcgen adds an identifier to its own.
            let content = vec![0x30, 0x03, 0x01, 0x01, 0xff];
            let mut basic = CustomExtension::from_oid_content(&[2, 5, 29, 19], content);
            basic.set_criticality(true);
            params.custom_extensions = vec![basic];
            params.is_ca = IsCa::NoCa;
        });
        assert_eq!((&old.key_id, &new.key_id), (&None, &None));
    }

    /// Whether what the cluster's CA has signed on a node verifies under `new`.
    fn accepted(new: impl Fn(&Certificate) -> Certificate) -> Result<(), IssueError> {
        let inventory =
            Inventory::read(&crate::analysis::node::tree::tree("ecdsa-p256", |_, text| Some(text)), None);
        let row = inventory.authority(crate::state::catalog::Ca::Cluster).unwrap();
        let old = row.certificate.get().unwrap();
        accepts_what_it_signed(&inventory, old, &new(old))
    }

    #[test]
    fn a_ca_under_which_a_leaf_certificate_would_not_verify_is_discarded() {
        accepted(Certificate::clone).unwrap();
        let (other, _) = renewed(&KeyPair::generate().unwrap(), |_| {});
        let error = accepted(|_| other.clone()).unwrap_err();
        let IssueError::FailedCheck(why) = error else { panic!("{error}") };
        assert_eq!(why.split(": ").next(), Some("admin.conf would not verify under it"));
    }

    #[test]
    fn another_key_another_identifier_or_no_ca_is_no_successor() {
        let (old, new) = renewed(&KeyPair::generate().unwrap(), |_| {});
        let (other, _) = renewed(&KeyPair::generate().unwrap(), |_| {});
        let accepted = |change: &dyn Fn(&mut Certificate)| {
            let mut changed = new.clone();
            change(&mut changed);
            has_the_key_of(&changed, &old)
        };
        assert!(accepted(&|_| {}));
        assert!(!accepted(&|new| new.spki.clone_from(&other.spki)));
        assert!(!accepted(&|new| new.key_id.clone_from(&other.key_id)));
        assert!(!accepted(&|new| new.is_ca = false));
    }
}
