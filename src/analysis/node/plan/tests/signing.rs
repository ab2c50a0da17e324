//! What kube-controller-manager signs with, while the file of the CA is a bundle.

use rcgen::KeyPair;

use super::replacing::{CONTROLLER_MANAGER, asked, signs};
use super::*;

/// The signer takes a file with exactly one certificate.
#[test]
fn what_kube_controller_manager_signs_with() {
    let to = |from: &'static str, to: &'static str| move |text: String| Some(text.replace(from, to));
    let flag = "--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt";
    let more = to(
        flag,
        "--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt\n    - --cluster-signing-kubelet-serving-cert-file=/etc/kubernetes/pki/ca.crt",
    );
    let copy = to(flag, "--cluster-signing-cert-file=/etc/kubernetes/pki/copy.crt");
    let twice = to(
        flag,
        "--cluster-signing-kubelet-client-cert-file=/etc/kubernetes/pki/copy.crt\n    - --cluster-signing-kubelet-serving-cert-file=/etc/kubernetes/pki/copy.crt",
    );
    let elsewhere = to(flag, "--cluster-signing-cert-file=/etc/kubernetes/pki/front-proxy-ca.crt");
    let none = to(flag, "--v=1");
    let mounted_alone = |text: String| {
        Some(
            text.replace("mountPath: /etc/kubernetes/pki\n", "mountPath: /etc/kubernetes/pki/ca.crt\n")
                .replace("path: /etc/kubernetes/pki\n", "path: /etc/kubernetes/pki/ca.crt\n"),
        )
    };
    let not_in_place = to(flag, "--cluster-signing-cert-file\n    - /etc/kubernetes/pki/ca.crt");
    let (snapshot, _) = node("ecdsa-p256", &[]);
    let ca = snapshot.file(Path::new("/etc/kubernetes/pki/ca.crt")).unwrap().to_vec();
    let of = |edit: &dyn Fn(String) -> Option<String>| {
        let (mut snapshot, _) = node("ecdsa-p256", &[(CONTROLLER_MANAGER, edit)]);
        let content = Content::File(ca.clone().into());
        snapshot.insert("/etc/kubernetes/pki/copy.crt", Entry { content, attributes: Attributes::default() });
        let inventory = Inventory::read(&snapshot, None);
        let plan = decide(
            &snapshot,
            &inventory,
            &[],
            &asked(Ca::Cluster, Some(Stage::Trust)),
            VALID.parse().unwrap(),
        );
        let made = plan.replacement.as_ref().map(|new| new.signing.clone());
        let changed = made.as_ref().and_then(|signing| {
            let new = super::super::with_flags(&snapshot, signing.manifest.as_deref()?, &signing.flags)?;
            let new = String::from_utf8(new).unwrap();
            Some(new.lines().filter(|line| line.contains("signing")).collect::<Vec<_>>().join("\n"))
        });
        let refused: Vec<_> =
            plan.refusals.iter().map(|refusal| format!("{}; {}", refusal.what, refusal.hint)).collect();
        let all = made.map(|signing| signs(&signing)).into_iter().chain(refused).chain(changed);
        all.collect::<Vec<_>>().join(
            "
",
        )
    };
    let same = |text: String| Some(text);
    let found = [
        of(&same),
        of(&more),
        of(&copy),
        of(&twice),
        of(&elsewhere),
        of(&none),
        of(&mounted_alone),
        of(&not_in_place),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    signs by ["--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt"] of Some("/etc/kubernetes/manifests/kube-controller-manager.yaml"), alone in ["/etc/kubernetes/pki/ca-signing.crt"], removes None
        - --cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt
        - --cluster-signing-key-file=/etc/kubernetes/pki/ca.key
    signs by ["--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt", "--cluster-signing-kubelet-serving-cert-file=/etc/kubernetes/pki/ca-signing.crt"] of Some("/etc/kubernetes/manifests/kube-controller-manager.yaml"), alone in ["/etc/kubernetes/pki/ca-signing.crt"], removes None
        - --cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt
        - --cluster-signing-kubelet-serving-cert-file=/etc/kubernetes/pki/ca-signing.crt
        - --cluster-signing-key-file=/etc/kubernetes/pki/ca.key
    signs by [] of None, alone in ["/etc/kubernetes/pki/copy.crt"], removes None
    signs by [] of None, alone in ["/etc/kubernetes/pki/copy.crt"], removes None
    signs by [] of None, alone in [], removes None
    signs by [] of None, alone in [], removes None
    cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): --cluster-signing-cert-file in /etc/kubernetes/manifests/kube-controller-manager.yaml names a file that is mounted alone; mount its directory instead in /etc/kubernetes/manifests/kube-controller-manager.yaml, then run this command again
    cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): --cluster-signing-cert-file in /etc/kubernetes/manifests/kube-controller-manager.yaml cannot be replaced in place; write each as one word on a line of its own (- --cluster-signing-cert-file=FILE) in /etc/kubernetes/manifests/kube-controller-manager.yaml
    "#);
}

#[test]
fn a_controller_manager_whose_flags_are_not_known() {
    let (snapshot, inventory) = node("ecdsa-p256", &[(CONTROLLER_MANAGER, &gone)]);
    let of = |code: Code, component: &str, authority: Ca, accept: &[Code]| {
        let options = Options { accept: accept.to_vec(), ..asked(authority, Some(Stage::Trust)) };
        let found = Finding::new(code, Severity::Blocker, component, "", "WHAT");
        let plan = decide(&snapshot, &inventory, &[found], &options, VALID.parse().unwrap());
        let refused = plan.refusals.iter().map(|refusal| format!("{}; {}", refusal.what, refusal.hint));
        format!("{code} {component} {}: {}", authority.name(), refused.collect::<Vec<_>>().join(", "))
    };
    let name = "kube-controller-manager";
    let found = [
        of(Code::ManifestMissing, name, Ca::Cluster, &[]),
        of(Code::ManifestUnreadable, name, Ca::Cluster, &[]),
        of(Code::ManifestMissing, name, Ca::Etcd, &[]),
        of(Code::ManifestMissing, name, Ca::Cluster, &[Code::ManifestMissing]),
        of(Code::ManifestMissing, "kube-scheduler", Ca::Cluster, &[]),
        of(Code::DiskFull, name, Ca::Cluster, &[]),
    ];
    insta::assert_snapshot!(found.join("\n"), @"
    manifest-missing kube-controller-manager ca: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): which file kube-controller-manager signs with is not known: WHAT; first: sudo kuberescue explain manifest-missing; if it does not run on this node: --accept manifest-missing
    manifest-unreadable kube-controller-manager ca: cannot replace the CA ca (/etc/kubernetes/pki/ca.crt): which file kube-controller-manager signs with is not known: WHAT; first: sudo kuberescue explain manifest-unreadable; if it does not run on this node: --accept manifest-unreadable
    manifest-missing kube-controller-manager etcd-ca: 
    manifest-missing kube-controller-manager ca: 
    manifest-missing kube-scheduler ca: 
    disk-full kube-controller-manager ca:
    ");
}

#[test]
fn a_bundle_that_kube_controller_manager_cannot_sign_with() {
    let of = |edits: &[Edit<'_>], whole_node, codes: &[Code]| {
        let (snapshot, inventory) = node("ecdsa-p256", edits);
        let found: Vec<_> = codes.iter().map(|code| finding(*code, "ca")).collect();
        let options = Options { selection: Selection::Nothing, whole_node, ..Options::recovery() };
        let plan = decide(&snapshot, &inventory, &found, &options, VALID.parse().unwrap());
        let repaired: Vec<_> = plan.repair.repaired.iter().map(|blocker| blocker.code.to_string()).collect();
        format!("{} {repaired:?}", plan.signing.iter().map(signs).collect::<String>())
    };
    let other = |_: String| {
        Some(pem::encode(pem::Label::PrivateKey, &KeyPair::generate().unwrap().serialize_der()).to_string())
    };
    let found = [
        of(&[], true, &[Code::SigningCaBundle]),
        of(&[], false, &[Code::SigningCaBundle]),
        of(&[], true, &[Code::CaExpired]),
        of(&[("/kubernetes/pki/ca.key", &other)], true, &[Code::SigningCaBundle]),
        of(&[(CONTROLLER_MANAGER, &gone)], true, &[Code::SigningCaBundle]),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    signs by ["--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt"] of Some("/etc/kubernetes/manifests/kube-controller-manager.yaml"), alone in ["/etc/kubernetes/pki/ca-signing.crt"], removes None ["signing-ca-bundle"]
     []
     []
     []
     []
    "#);
}
