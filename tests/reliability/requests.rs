//! `csr export` and `csr sign`, killed before each of their writing calls: what is half done is no export, the keys of an
//! earlier one are there until the new ones are complete, and the same command again completes it.

use std::path::Path;

use super::common::{self, NOW, Node, Run, kuberescue};
use super::crash::{KillAt, is_full};
use super::judge::told;
use super::tracer::{kuberescue_on, trace};
use super::tree::{OWN, Place, Tree};

fn sign(root: &Path, usb: &str) -> Vec<String> {
    let at = |name: &str| root.join(name).display().to_string();
    ["csr", "sign", &at(usb), "--ca", &at("elsewhere"), "--yes", "--at", NOW].map(str::to_owned).into()
}

fn signed(root: &Path, usb: &str) -> Run {
    let mut command = kuberescue();
    command.args(sign(root, usb));
    common::run(command)
}

fn import(root: &Path, usb: &str) -> Run {
    told(root, &format!("csr import {} --yes --accept-clock --at {NOW}", root.join(usb).display()))
}

fn export(root: &Path, usb: &str) -> String {
    format!("csr export {} --yes --accept clock-behind --at {NOW}", root.join(usb).display())
}

/// A node with an export that another machine has signed, not imported yet.
fn beginning() -> Tree {
    let node = Node::of("ecdsa-p256");
    node.sign_elsewhere();
    Tree::read(node.root())
}

#[test]
fn an_export_that_is_killed_leaves_the_earlier_one_or_can_be_made_again() {
    let (place, old) = (Place::new(), beginning());
    let stride = if is_full() { 1 } else { 5 };
    let (mut first, mut second, mut neither) = (0, 0, 0);
    for number in (1..).step_by(stride) {
        let root = place.with(&old);
        let mut watch = KillAt::new(number);
        let finished = trace(&root, &kuberescue_on(&root, &export(&root, "second")), &mut watch);
        if finished.code.is_some() {
            assert_eq!(finished.code, Some(0), "{finished}");
            break;
        }
        let killed = Tree::read(&root);
        assert_eq!(watch.wide(), Vec::<String>::new(), "call {number}");
        for path in old.differences(&killed) {
            assert!(path.starts_with("second"), "call {number}: {} changed", path.display());
            let bytes = killed.0.get(&path).unwrap().bytes();
            assert!(
                !bytes.windows(11).any(|part| part == b"PRIVATE KEY"),
                "call {number}: {}",
                path.display()
            );
        }
        let of_first = import(&root, "usb");
        if of_first.code == 0 {
            first += 1;
            continue;
        }
        of_first.fails(5, "key-mismatch");
        if root.join("second/manifest.json").exists() {
            second += 1;
            assert_eq!(signed(&root, "second").code, 0, "call {number}");
            let imported = import(&root, "second");
            assert_eq!(imported.code, 0, "call {number}\n{imported}");
            continue;
        }
        neither += 1;
        let again = told(&root, &export(&root, "third"));
        assert_eq!(again.code, 0, "call {number}\n{again}");
        assert_eq!(signed(&root, "third").code, 0, "call {number}");
        let imported = import(&root, "third");
        assert_eq!(imported.code, 0, "call {number}\n{imported}");
        let left = Tree::read(&root).0.into_keys().any(|path| path.starts_with(format!("{OWN}/csr.json")));
        assert!(!left, "call {number}");
    }
    eprintln!("csr export killed: {first} times the earlier one, {second} the new one, {neither} made again");
    assert!(first > 5 && first > neither, "{first} {second} {neither}");
}

#[test]
fn signing_that_is_killed_is_completed_by_the_same_command() {
    let (place, mut old) = (Place::new(), beginning());
    old.0.retain(|path, _| !path.starts_with("usb") || path.extension().is_none_or(|kind| kind != "crt"));
    let stride = if is_full() { 1 } else { 5 };
    for number in (1..).step_by(stride) {
        let root = place.with(&old);
        let mut words = vec![env!("CARGO_BIN_EXE_kuberescue").to_owned()];
        words.extend(sign(&root, "usb"));
        let finished = trace(&root, &words, &mut KillAt::new(number));
        if finished.code.is_some() {
            assert_eq!(finished.code, Some(0), "{finished}");
            assert!(number > 20, "{number}");
            break;
        }
        for path in old.differences(&Tree::read(&root)) {
            assert!(path.starts_with("usb"), "call {number}: {} changed", path.display());
        }
        let again = signed(&root, "usb");
        assert_eq!(again.code, 0, "call {number}\n{again}");
        let imported = import(&root, "usb");
        assert_eq!(imported.code, 0, "call {number}\n{imported}");
    }
}
