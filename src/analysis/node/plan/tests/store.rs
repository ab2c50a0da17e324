//! The kubelet's store: what is linked, removed, put into it and reissued.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;

use super::*;
use crate::analysis::node::findings::EXPIRES_SOON;
use crate::analysis::node::inventory::ServingForm;

const STORE: &str = "/var/lib/kubelet/pki";
const DATED: &str = "kubelet-client-2026-11-23-22-23-27.pem";
const CURRENT: &str = "kubelet-client-current.pem";
const UPDATED: &str = "kubelet-client-updated.pem";
/// The certificate in the store.
const UNTIL: &str = "2027-11-23T22:18:27Z";

/// What is done to a file of the store.
enum Put<'a> {
    Gone,
    Link(&'a str),
    /// The content of the dated file.
    Copy,
    Text(&'a str),
}
use Put::{Copy, Gone, Link, Text};

struct Case<'a> {
    files: &'a [(&'a str, Put<'a>)],
    has_key: bool,
    /// kubelet.conf holds the certificate.
    embedded: bool,
    options: Options,
    codes: &'a [Code],
    at: &'a str,
}

fn case<'a>(files: &'a [(&'a str, Put<'a>)]) -> Case<'a> {
    Case { files, has_key: true, embedded: false, options: Options::recovery(), codes: &[], at: VALID }
}

fn without_key(case: Case<'_>) -> Case<'_> {
    Case { has_key: false, ..case }
}

fn rotated(case: Case<'_>) -> Case<'_> {
    let options = Options {
        client_cert_rotation: true,
        selection: Selection::Kubelet,
        whole_node: false,
        ..Options::recovery()
    };
    Case { embedded: true, options, ..case }
}

fn recovered(case: Case<'_>) -> Case<'_> {
    let options = Options { client_cert_rotation: true, ..Options::recovery() };
    Case { options, ..rotated(case) }
}

/// With what is found where kubelet.conf should name the store.
fn faulty(case: Case<'_>) -> Case<'_> {
    Case { codes: &[Code::KubeletConfEmbedded, Code::Expired], ..recovered(case) }
}

/// The certificate stays in kubelet.conf.
fn kept(case: Case<'_>) -> Case<'_> {
    let options = Options { selection: Selection::Kubelet, ..Options::recovery() };
    Case { options, ..rotated(case) }
}

fn made(case: &Case<'_>) -> (Snapshot, Inventory) {
    let mut snapshot = tree("ecdsa-p256", |path, text| match path {
        "/etc/kubernetes/pki/ca.key" => case.has_key.then_some(text),
        _ => Some(text),
    });
    let text = |snapshot: &Snapshot, path: &str| {
        String::from_utf8(snapshot.file(Path::new(path)).unwrap().to_vec()).unwrap()
    };
    let pem = text(&snapshot, &format!("{STORE}/{DATED}"));
    let mut put = |path: String, content: Content| {
        snapshot.insert(path, Entry { content, attributes: Attributes::default() });
    };
    let file = |text: &str| Content::File(text.as_bytes().to_vec().into());
    let mut gone = Vec::new();
    for (name, what) in case.files {
        let path = format!("{STORE}/{name}");
        match what {
            Gone => gone.push(PathBuf::from(path)),
            Link(target) => put(path, Content::Link(target.into())),
            Copy => put(path, file(&pem)),
            Text(text) => put(path, file(text)),
        }
    }
    if case.embedded {
        let config = text(&snapshot, "/etc/kubernetes/kubelet.conf");
        let named = format!("{STORE}/{CURRENT}");
        let config = config
            .replace(
                &format!("client-certificate: {named}"),
                &format!("client-certificate-data: {}", STANDARD.encode(&pem)),
            )
            .replace(&format!("client-key: {named}"), &format!("client-key-data: {}", STANDARD.encode(&pem)));
        let entry = Entry { content: file(&config), attributes: Attributes::default() };
        snapshot.insert("/etc/kubernetes/kubelet.conf", entry);
    }
    let snapshot: Snapshot = snapshot
        .iter()
        .filter(|(path, _)| !gone.iter().any(|gone| gone == path))
        .map(|(path, entry)| (path.to_owned(), entry.clone()))
        .collect();
    let inventory = Inventory::read(&snapshot, None);
    (snapshot, inventory)
}

fn kubelets(plan: &Plan) -> String {
    let change = |change: &StoreChange| format!("{}: {:?}", change.name, change.action);
    let is_kubelets = |name: &str| name.starts_with("kubelet");
    let steps = plan.steps.iter().filter(|step| is_kubelets(&step.name));
    let steps = steps.map(|step| format!("{} in {:?}", step.name, step.target));
    let skipped = plan.skipped.iter().filter(|skipped| is_kubelets(&skipped.name));
    let skipped =
        skipped.map(|skipped| format!("skips {} ({}): {}", skipped.name, skipped.needs_person, skipped.why));
    let lines: Vec<_> = plan.store.iter().map(change).chain(steps).chain(skipped).collect();
    let text = if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") };
    text.replace(&format!("{STORE}/"), "STORE/")
}

fn of(case: Case<'_>) -> String {
    let (snapshot, inventory) = made(&case);
    let now = case.at.parse().unwrap();
    let around = HostState { time_is_the_clocks: true, ..HostState::default() };
    let mut found = findings(Node { snapshot: &snapshot, inventory: &inventory, around: &around }, now);
    found.extend(case.codes.iter().map(|code| finding(*code, "kubelet-client")));
    kubelets(&decide(&snapshot, &inventory, &found, &case.options, now))
}

#[test]
fn what_is_there_is_linked_again() {
    let forced = || Options { selection: Selection::Kubelet, whole_node: false, ..Options::recovery() };
    let before = |time: SignedDuration| (UNTIL.parse::<Timestamp>().unwrap() - time).to_string();
    let (exactly, sooner) = (before(EXPIRES_SOON), before(EXPIRES_SOON + SignedDuration::from_secs(1)));
    let within = |days: i64| Options {
        due_within: Some(SignedDuration::from_hours(days * 24)),
        ..Options::recovery()
    };
    let dangling = || Link("/var/lib/kubelet/pki/none.pem");
    let dated = "/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-23-27.pem";
    let found = [
        of(case(&[])),
        of(case(&[(CURRENT, Gone)])),
        of(case(&[(CURRENT, dangling())])),
        of(case(&[(CURRENT, Copy)])),
        of(case(&[(CURRENT, Copy), (DATED, Gone)])),
        of(case(&[(CURRENT, Gone), (UPDATED, Link(dated))])),
        of(case(&[(UPDATED, Copy)])),
        of(case(&[(UPDATED, Link(dated))])),
        of(case(&[(CURRENT, dangling()), (DATED, Gone), (UPDATED, Copy)])),
        of(Case { codes: &[Code::KubeletLinkNoLink], ..case(&[(UPDATED, Copy)]) }),
        of(Case { codes: &[Code::Expired], ..case(&[(UPDATED, Copy)]) }),
        // What is no certificate, in the place of -updated.
        of(case(&[(UPDATED, Text("x"))])),
        of(Case { codes: &[Code::KubeletLinkNoLink], ..case(&[(UPDATED, Text("x"))]) }),
        of(Case { codes: &[Code::KubeletLinkNoLink, Code::Expired], ..case(&[(UPDATED, Text("x"))]) }),
        of(Case { codes: &[Code::ClockBehind, Code::KubeletCrashLoop], ..case(&[(UPDATED, Text("x"))]) }),
        of(Case { options: forced(), ..case(&[(CURRENT, Gone)]) }),
        of(Case { options: forced(), ..case(&[(UPDATED, Copy)]) }),
        of(without_key(Case { options: forced(), ..case(&[(CURRENT, Gone)]) })),
        of(without_key(Case { options: forced(), ..case(&[]) })),
        of(Case { at: &exactly, ..case(&[(CURRENT, Gone)]) }),
        of(Case { at: &sooner, ..case(&[(CURRENT, Gone)]) }),
        of(without_key(Case { at: &exactly, ..case(&[(CURRENT, Gone)]) })),
        of(Case { options: within(1), ..case(&[(CURRENT, Gone)]) }),
        of(Case { options: within(400), ..case(&[(CURRENT, Gone)]) }),
        of(without_key(Case { at: EXPIRED, ..case(&[(CURRENT, Gone)]) })),
    ];
    insta::assert_snapshot!(found.join("\n--\n"), @r#"
    nothing
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-23-22-23-27.pem", from: None, until: 2027-11-23T22:18:27Z }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-23-22-23-27.pem", from: None, until: 2027-11-23T22:18:27Z }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem", from: Some("STORE/kubelet-client-current.pem"), until: 2027-11-23T22:18:27Z }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem", from: Some("STORE/kubelet-client-current.pem"), until: 2027-11-23T22:18:27Z }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-23-22-23-27.pem", from: None, until: 2027-11-23T22:18:27Z }
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem", from: Some("STORE/kubelet-client-updated.pem"), until: 2027-11-23T22:18:27Z }
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    --
    nothing
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem", from: Some("STORE/kubelet-client-updated.pem"), until: 2027-11-23T22:18:27Z }
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem", from: Some("STORE/kubelet-client-updated.pem"), until: 2027-11-23T22:18:27Z }
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem", from: Some("STORE/kubelet-client-updated.pem"), until: 2027-11-23T22:18:27Z }
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    --
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    --
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    --
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    kubelet-client in KubeletPem { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem" }
    --
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    --
    kubelet-client in KubeletPem { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem" }
    --
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    kubelet-client in KubeletPem { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-23-22-23-27.pem", from: None, until: 2027-11-23T22:18:27Z }
    --
    skips kubelet-client (true): the CA ca cannot sign: its key /etc/kubernetes/pki/ca.key was not found
    --
    kubelet-client in KubeletPem { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2027-10-24-22-18-27.pem" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-23-22-23-27.pem", from: None, until: 2027-11-23T22:18:27Z }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-23-22-23-27.pem", from: None, until: 2027-11-23T22:18:27Z }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-23-22-23-27.pem", from: None, until: 2027-11-23T22:18:27Z }
    --
    kubelet-client in KubeletPem { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem" }
    kubelet-serving in Pair { certificate: "STORE/kubelet.crt", key: "STORE/kubelet.key" }
    --
    kubelet-serving in Pair { certificate: "STORE/kubelet.crt", key: "STORE/kubelet.key" }
    skips kubelet-client (true): the CA ca cannot sign: its key /etc/kubernetes/pki/ca.key was not found
    "#);
}

/// With --client-cert-rotation kubelet.conf names the store instead of holding a certificate.
#[test]
fn a_kubeconfig_that_holds_the_certificate_names_the_store() {
    let before = |time: SignedDuration| (UNTIL.parse::<Timestamp>().unwrap() - time).to_string();
    let (exactly, sooner) = (before(EXPIRES_SOON), before(EXPIRES_SOON + SignedDuration::from_secs(1)));
    let found = [
        of(rotated(case(&[]))),
        of(rotated(case(&[(CURRENT, Gone), (DATED, Gone)]))),
        of(rotated(without_key(case(&[])))),
        of(rotated(without_key(case(&[(CURRENT, Gone)])))),
        of(rotated(without_key(case(&[(CURRENT, Gone), (DATED, Gone)])))),
        of(Case { at: EXPIRED, ..rotated(without_key(case(&[(CURRENT, Gone), (DATED, Gone)]))) }),
        of(Case { codes: &[Code::Expired], ..rotated(without_key(case(&[(CURRENT, Gone), (DATED, Gone)]))) }),
        of(faulty(case(&[]))),
        of(faulty(case(&[(CURRENT, Gone)]))),
        of(faulty(case(&[(UPDATED, Copy)]))),
        of(faulty(without_key(case(&[(UPDATED, Copy), (CURRENT, Gone), (DATED, Gone)])))),
        of(Case { at: &exactly, ..faulty(case(&[])) }),
        of(Case { at: &sooner, ..faulty(case(&[])) }),
        of(recovered(case(&[]))),
        of(kept(case(&[]))),
        of(Case { codes: &[Code::KubeletStoreBroken], ..kept(case(&[(CURRENT, Text("x"))])) }),
    ];
    insta::assert_snapshot!(found.join("\n--\n"), @r#"
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    kubelet-client in KubeletPem { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem" }
    --
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    kubelet-client in KubeletPem { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem" }
    --
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-23-22-23-27.pem", from: None, until: 2027-11-23T22:18:27Z }
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem", from: Some("/etc/kubernetes/kubelet.conf"), until: 2027-11-23T22:18:27Z }
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    --
    skips kubelet-client (true): the CA ca cannot sign: its key /etc/kubernetes/pki/ca.key was not found
    --
    skips kubelet-client (true): the CA ca cannot sign: its key /etc/kubernetes/pki/ca.key was not found
    --
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-23-22-23-27.pem", from: None, until: 2027-11-23T22:18:27Z }
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem", from: Some("STORE/kubelet-client-updated.pem"), until: 2027-11-23T22:18:27Z }
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    --
    kubelet-client: Link { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2026-11-24-00-00-00.pem", from: Some("STORE/kubelet-client-updated.pem"), until: 2027-11-23T22:18:27Z }
    kubelet-client: Remove { path: "STORE/kubelet-client-updated.pem", because: "left over from a rotation" }
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    --
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    kubelet-client in KubeletPem { link: "STORE/kubelet-client-current.pem", file: "STORE/kubelet-client-2027-10-24-22-18-27.pem" }
    --
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    --
    kubelet-client: Refer { kubeconfig: "/etc/kubernetes/kubelet.conf", link: "STORE/kubelet-client-current.pem" }
    --
    kubelet-client in Splice { file: "/etc/kubernetes/kubelet.conf", authority: false, context: None }
    --
    kubelet-client: Remove { path: "STORE/kubelet-client-current.pem", because: "the kubelet takes it before what kubelet.conf has, and cannot use it" }
    kubelet-client in Splice { file: "/etc/kubernetes/kubelet.conf", authority: false, context: None }
    "#);
}

/// A serving certificate that the cluster signs is in the store as well; one of the kubelet's own is not.
#[test]
fn a_serving_certificate_in_the_store() {
    use rcgen::{CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, Issuer, KeyPair};
    let (snapshot, inventory) = node("ecdsa-p256", &[]);
    let authority = inventory.authority(Ca::Cluster).unwrap();
    let ca_key = authority.key.get().unwrap().to_pkcs8().unwrap();
    let ca_key = KeyPair::try_from(ca_key.as_slice()).unwrap();
    let mut ca = CertificateParams::default();
    ca.distinguished_name = rcgen::DistinguishedName::new();
    ca.distinguished_name
        .push(DnType::CommonName, DnValue::PrintableString("kubernetes".try_into().unwrap()));
    let mut params = CertificateParams::new(["cp-1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(DnType::CommonName, "system:node:cp-1");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
    let pem = [
        pem::encode(pem::Label::Certificate, certificate.der()).to_string(),
        pem::encode(pem::Label::PrivateKey, &key.serialize_der()).to_string(),
    ]
    .concat();
    let of = |form: ServingForm, has_pair: bool, has_ca_key: bool, reuse_keys: bool| {
        let gone = |path: &Path| {
            !has_pair && path.starts_with(STORE) && path.file_stem().is_some_and(|stem| stem == "kubelet")
                || !has_ca_key && path.ends_with("pki/ca.key")
        };
        let mut snapshot: Snapshot = snapshot
            .iter()
            .filter(|(path, _)| !gone(path))
            .map(|(path, entry)| (path.to_owned(), entry.clone()))
            .collect();
        let content = Content::File(pem.as_bytes().to_vec().into());
        snapshot.insert(
            format!("{STORE}/kubelet-server-x.pem"),
            Entry { content, attributes: Attributes::default() },
        );
        let mut inventory = Inventory::read(&snapshot, None);
        if form == ServingForm::Signed {
            inventory.kubelet_serving.path = format!("{STORE}/kubelet-server-current.pem").into();
        }
        inventory.serving_form = form;
        let options = Options {
            selection: Selection::KubeletServing,
            whole_node: false,
            reuse_keys,
            ..Options::recovery()
        };
        let plan = decide(&snapshot, &inventory, &[], &options, VALID.parse().unwrap());
        let keys: Vec<_> =
            plan.steps.iter().map(|step| format!(" key {} {}", step.key.algorithm, step.key.reuse)).collect();
        format!("{form:?} {}{}", kubelets(&plan), keys.concat())
    };
    let found = [
        of(ServingForm::SelfSigned, true, true, false),
        of(ServingForm::SelfSigned, true, true, true),
        of(ServingForm::SelfSigned, false, true, false),
        of(ServingForm::SelfSigned, false, false, true),
        of(ServingForm::Configured, true, true, false),
        of(ServingForm::Signed, true, true, false),
        of(ServingForm::Signed, true, false, false),
    ];
    insta::assert_snapshot!(found.join("\n--\n"), @r#"
    SelfSigned kubelet-serving in Pair { certificate: "STORE/kubelet.crt", key: "STORE/kubelet.key" } key RSA-2048 false
    --
    SelfSigned kubelet-serving in Pair { certificate: "STORE/kubelet.crt", key: "STORE/kubelet.key" } key RSA-2048 true
    --
    SelfSigned skips kubelet-serving (false): it is missing, and the kubelet makes it when it starts
    --
    SelfSigned skips kubelet-serving (false): it is missing, and the kubelet makes it when it starts
    --
    Configured skips kubelet-serving (false): the kubelet's configuration names STORE/kubelet.crt: whoever made it renews it
    --
    Signed kubelet-serving in KubeletPem { link: "STORE/kubelet-server-current.pem", file: "STORE/kubelet-server-2026-11-24-00-00-00.pem" } key RSA-2048 false
    --
    Signed kubelet-serving: Link { link: "STORE/kubelet-server-current.pem", file: "STORE/kubelet-server-x.pem", from: None, until: 4096-01-01T00:00:00Z }
    "#);
}
