//! Certificates that nobody makes but a node may have: whatever is in them survives a renewal.

use kuberescue::issue::{Signer, renew};
use kuberescue::state::catalog::Ca;
use proptest::prelude::*;

use crate::assert_renewed;
use crate::support::*;

#[test]
fn a_version_1_certificate_stays_one() {
    let tree = Tree::open("ecdsa-p256");
    let authority = tree.authority(Ca::Cluster);
    let signer = Signer::new(&authority, &tree.authority_key(Ca::Cluster).unwrap()).unwrap();
    let subject = tlv(0x30, &name(&[vec![(3, 0x14, b"caf\xe9".to_vec())]]));
    let old = HandMade { version: None, subject, unique_ids: Vec::new(), extensions: Vec::new() };
    let old = old.certificate(keys()[1].spki());
    let new = renew(&signer, &old, &keys()[5], validity(&signer).0).unwrap();
    assert_renewed(&signer, &old, &new, &keys()[5]);
    let (_, parsed) = x509_parser::parse_x509_certificate(&new.der).unwrap();
    assert_eq!((parsed.version().0, parsed.extensions().len()), (0, 0));
}

/// Relative names of (attribute 2.5.4.n, string tag, bytes).
fn name(relative: &[Vec<(u8, u8, Vec<u8>)>]) -> Vec<u8> {
    let attribute = |(kind, tag, value): &(u8, u8, Vec<u8>)| {
        tlv(0x30, &[vec![6, 3, 0x55, 4, *kind], tlv(*tag, value)].concat())
    };
    relative.iter().flat_map(|set| tlv(0x31, &set.iter().flat_map(attribute).collect::<Vec<_>>())).collect()
}

fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![3_u8, 5, 6, 7, 8, 10, 10, 10, 11, 12, 97]);
    let ascii = (prop::sample::select(vec![0x0c_u8, 0x13, 0x14, 0x16]), "[ -~]{0,70}");
    let utf8 = "\\PC{0,20}".prop_map(|text| (0x0c_u8, text));
    let text = prop_oneof![ascii, utf8].prop_map(|(tag, text)| (tag, text.into_bytes()));
    let latin = prop::collection::vec(0xa0_u8.., 1..9).prop_map(|bytes| (0x14_u8, bytes));
    let attribute =
        (kind, prop_oneof![4 => text, 1 => latin]).prop_map(|(kind, (tag, value))| (kind, tag, value));
    let set = prop::collection::vec(attribute, 1..3);
    prop::collection::vec(set, 0..6).prop_map(|sets| tlv(0x30, &name(&sets)))
}

/// Any unknown extension, with identifiers up to the size of a UUID's.
fn any_extension() -> impl Strategy<Value = Vec<u8>> {
    let oid = (prop::collection::vec(0x81_u8.., 0..18), 0_u8..0x80).prop_map(|(mut arc, last)| {
        arc.insert(0, 0x69);
        arc.push(last);
        tlv(6, &arc)
    });
    let critical = prop::sample::select(vec![Vec::new(), tlv(1, &[0xff])]);
    (oid, critical, prop::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(oid, critical, value)| tlv(0x30, &[oid, critical, tlv(4, &value)].concat()))
}

fn any_alternative_names() -> impl Strategy<Value = Vec<u8>> {
    let name = (prop::sample::select(vec![0x81_u8, 0x82, 0x86]), "[a-z:/.@]{1,40}");
    prop::collection::vec(name.prop_map(|(tag, text)| tlv(tag, text.as_bytes())), 1..8).prop_map(|names| {
        tlv(0x30, &[tlv(6, &[0x55, 0x1d, 0x11]), tlv(4, &tlv(0x30, &names.concat()))].concat())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_in_a_certificate_gets_lost(
        subject in any_name(),
        names in any_alternative_names(),
        mut unknown in prop::collection::vec(any_extension(), 0..5),
        place in 0..5_usize,
    ) {
        let tree = Tree::open("ecdsa-p256");
        let authority = tree.authority(Ca::Etcd);
        let signer = Signer::new(&authority, &tree.authority_key(Ca::Etcd).unwrap()).unwrap();
        let identifier = |last, value: &[u8]| tlv(0x30, &[tlv(6, &[0x55, 0x1d, last]), tlv(4, value)].concat());
        // Serial form of an authority identifier, and an identifier of another key.
        unknown.insert(place.min(unknown.len()), identifier(0x23, &tlv(0x30, &tlv(0x82, &[1, 2]))));
        unknown.insert(place.min(unknown.len()), names);
        unknown.push(identifier(0x0e, &tlv(4, &[9; 20])));
        let mut expected = unknown.clone();
        let old = HandMade {
            version: Some(2),
            subject: subject.clone(),
            unique_ids: [tlv(0x81, &[0, 1]), tlv(0x82, &[0, 2])].concat(),
            extensions: unknown,
        };
        let old = old.certificate(keys()[5].spki());
        let new = renew(&signer, &old, &keys()[1], validity(&signer).0).unwrap();
        assert_renewed(&signer, &old, &new, &keys()[1]);

        // Byte for byte, as one run of octets, with only the two identifiers exchanged.
        let own = tlv(4, new.key_id.as_ref().unwrap());
        let signers = tlv(0x30, &tlv(0x80, authority.key_id.as_ref().unwrap()));
        for extension in &mut expected {
            match extension.get(4..7) {
                Some([0x55, 0x1d, 0x0e]) => *extension = identifier(0x0e, &own),
                Some([0x55, 0x1d, 0x23]) => *extension = identifier(0x23, &signers),
                _ => {}
            }
        }
        let tail = tlv(0xa3, &tlv(0x30, &expected.concat()));
        let subject_id = tlv(0x82, &[0, 2]);
        let run = [keys()[1].spki().to_vec(), subject_id, tail].concat();
        prop_assert!(new.der.windows(run.len()).any(|window| window == run));
    }
}
