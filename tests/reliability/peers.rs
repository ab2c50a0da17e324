//! The control: the sequence of the common shell scripts, which write over the old files one after the other, under
//! the same harness. It must find mixed states where there are some.

use std::path::Path;
use std::time::Instant;

use kuberescue::formats::certificate::Certificate;
use kuberescue::formats::key::PrivateKey;

use super::common::{KUBECONFIGS, PAIRS, credential};
use super::crash::{KillAt, is_full};
use super::judge::End;
use super::tracer::trace;
use super::tree::{Place, Tree};

/// A leaf's files are either the old ones or a new pair, or it is torn.
fn leaf(old: (&[u8], &[u8]), now: (&[u8], &[u8])) -> Result<End, &'static str> {
    if old == now {
        return Ok(End::Old);
    }
    let certificate = Certificate::from_pem(now.0).map_err(|_| "a certificate is cut off")?;
    let key = PrivateKey::from_pem(now.1).map_err(|_| "a key is cut off")?;
    if !certificate.is_of(&key) {
        return Err("a certificate and a key that are no pair");
    }
    Ok(End::New)
}

/// The whole node: all old, all new, or why it is mixed.
fn end(old: &Tree, now: &Tree) -> Result<End, &'static str> {
    let bytes = |tree: &'_ Tree, path: &str| {
        tree.0.get(Path::new(path)).map_or(Vec::new(), |entry| entry.bytes().to_vec())
    };
    let mut ends = Vec::new();
    for pair in &PAIRS {
        let (certificate, key) = (pair.certificate(), pair.key());
        let of = |tree| {
            (bytes(tree, certificate.trim_start_matches('/')), bytes(tree, key.trim_start_matches('/')))
        };
        let (old, now) = (of(old), of(now));
        ends.push(leaf((&old.0, &old.1), (&now.0, &now.1))?);
    }
    for name in KUBECONFIGS {
        let of = |tree| String::from_utf8_lossy(&bytes(tree, &format!("etc/kubernetes/{name}"))).into_owned();
        let (old, now) = (of(old), of(now));
        if !now.contains("client-key-data: ") {
            return Err("a kubeconfig is cut off");
        }
        let (old, now) = (credential(&old), credential(&now));
        ends.push(leaf((&old.0, &old.1), (&now.0, &now.1)).map_err(|_| "a kubeconfig is half replaced")?);
    }
    match ends.iter().filter(|end| **end == End::New).count() {
        0 => Ok(End::Old),
        new if new == ends.len() => Ok(End::New),
        _ => Err("some are new, others old"),
    }
}

#[test]
fn the_harness_finds_mixed_states_where_there_are_some() {
    let (place, began) = (Place::new(), Instant::now());
    let tree = Tree::of("ecdsa-p256");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reliability/peer.sh");
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    let (mut points, mut whole) = (0, 0);
    let (first, stride) = if is_full() { (1, 1) } else { (4, 12) };
    for number in (first..).step_by(stride) {
        let (root, work) = (place.with(&tree), tempfile::tempdir().unwrap());
        let words = ["sh".into(), script.clone(), root.clone(), work.path().to_owned()];
        let finished = trace(&root, &words, &mut KillAt::new(number));
        let now = Tree::read(&root);
        if let Some(code) = finished.code {
            assert_eq!((code, end(&tree, &now)), (0, Ok(End::New)), "the script itself\n{finished}");
            break;
        }
        points += 1;
        match end(&tree, &now) {
            Ok(_) => whole += 1,
            Err(why) => *seen.entry(why).or_default() += 1,
        }
        // A quick run looks at the first leaves and not at the end.
        if !is_full() && points == 3 {
            break;
        }
    }
    let mixed = points - whole;
    let seconds = began.elapsed().as_secs();
    eprintln!(
        "a shell script that writes in place: {points} points, {whole} whole, {mixed} mixed {seen:?}, {seconds} s"
    );
    assert!(mixed > 0, "no mixed state was seen");
}
