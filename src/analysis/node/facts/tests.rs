use super::*;
use crate::state::{Attributes, Content, Entry};

const API: Component = Component::ApiServer;
const MANAGER: Component = Component::ControllerManager;
const ETCD: Component = Component::Etcd;
const MANIFESTS: &str = "/etc/kubernetes/manifests";

/// A node with these flags of components, and these other files.
pub(in crate::analysis::node) fn node(flags: &[(Component, &[&str])], files: &[(&str, &str)]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut add = |path: &str, text: &str| {
        let content = Content::File(text.as_bytes().to_vec().into());
        snapshot.insert(path, Entry { content, attributes: Attributes::default() });
    };
    for (component, flags) in flags {
        let text = format!(
            "kind: Pod\nmetadata: {{name: {component}}}\nspec: {{containers: [{{command: [x, {}]}}]}}\n",
            flags.join(", ")
        );
        add(&format!("{MANIFESTS}/{component}.yaml"), &text);
    }
    files.iter().for_each(|(path, text)| add(path, text));
    snapshot
}

#[test]
fn first_service_addresses() {
    for (network, expected) in [
        ("10.96.0.0/12", Some("10.96.0.1")),
        ("10.97.3.7/12", Some("10.96.0.1")),
        ("fd00:1::/108", Some("fd00:1::1")),
        ("0.0.0.0/0", Some("0.0.0.1")),
        ("10.96.0.0/33", None),
        ("10.96.0.0", None),
    ] {
        assert_eq!(
            first_address(network).map(|address| address.to_string()).as_deref(),
            expected,
            "{network}"
        );
    }
}

/// The sockets of the kubelet and of crictl on a node with these files.
fn sockets(files: &[(&str, &str)]) -> [Option<(String, String)>; 2] {
    let facts = Facts::read(&node(&[], files), None);
    [facts.cri_socket, facts.crictl_socket].map(|fact| fact.map(|fact| (fact.value, fact.source)))
}

#[test]
fn sockets_of_the_kubelet_and_of_crictl() {
    let said = |value: &str, source: &str| Some((value.to_owned(), source.to_owned()));
    let (kubelet, crictl) = ("/var/lib/kubelet/config.yaml", "/etc/crictl.yaml");
    assert_eq!(
        sockets(&[
            (kubelet, "containerRuntimeEndpoint: unix:///k.sock\n"),
            (crictl, "runtime-endpoint: unix:///c.sock\n")
        ]),
        [
            said("unix:///k.sock", "/var/lib/kubelet/config.yaml containerRuntimeEndpoint"),
            said("unix:///c.sock", "/etc/crictl.yaml runtime-endpoint")
        ]
    );
    let empty = [(kubelet, "containerRuntimeEndpoint: \"\"\n"), (crictl, "runtime-endpoint: \"\"\n")];
    assert_eq!(sockets(&empty), [None, None]);
}

#[test]
fn hosts_of_urls() {
    assert_eq!(host_of("https://lb.example.test:6443"), Some("lb.example.test"));
    assert_eq!(host_of("https://[fd00::1]:6443/x"), Some("fd00::1"));
    assert_eq!(host_of("https://10.0.0.1"), Some("10.0.0.1"));
    assert_eq!(host_of("fd00::1"), Some("fd00::1"));
}

fn dirs(snapshot: &Snapshot) -> (String, Option<String>) {
    let facts = Facts::read(snapshot, None);
    let text = |path: &Path| path.display().to_string();
    (text(&facts.pki_dir.value), facts.pki_rival.map(|rival| text(&rival.value)))
}

#[test]
fn several_references_that_agree_tell_the_directory() {
    let api: &[&str] = &["--client-ca-file=/c/bundle.crt", "--tls-cert-file=/p/apiserver.crt"];
    let manager: &[&str] = &["--root-ca-file=/p/ca.crt", "--client-ca-file=/other/ca.crt"];
    let both = node(&[(API, api), (MANAGER, manager)], &[]);
    assert_eq!(dirs(&both), ("/p".to_owned(), None));
    assert_eq!(dirs(&node(&[(API, &["--client-ca-file=/c/bundle.crt"])], &[])).0, "/c");
    assert_eq!(dirs(&node(&[], &[])).0, "/etc/kubernetes/pki");
    let etcd: &[&str] = &["--cert-file=/q/etcd/server.crt"];
    assert_eq!(dirs(&node(&[(ETCD, etcd)], &[])).0, "/q");
    assert_eq!(dirs(&node(&[(ETCD, etcd), (API, api)], &[])).0, "/p");
    let rke: &[&str] = &["--client-ca-file=/s/kube-ca.pem", "--tls-cert-file=/s/kube-apiserver.pem"];
    assert_eq!(dirs(&node(&[(API, rke)], &[])).0, "/s");
}

#[test]
fn references_that_disagree_are_both_named() {
    let api: &[&str] = &["--client-ca-file=/p/ca.crt", "--tls-cert-file=/p/apiserver.crt"];
    let manager: &[&str] = &["--root-ca-file=/q/ca.crt", "--cluster-signing-cert-file=/q/ca.crt"];
    let flags = [(API, api), (MANAGER, manager)];
    let rival = |files: &[(&str, &str)]| dirs(&node(&flags, files)).1;
    assert_eq!(rival(&[("/p/ca.crt", "x"), ("/q/ca.crt", "y")]).as_deref(), Some("/q"));
    assert_eq!(rival(&[("/p/ca.crt", "x"), ("/q/ca.crt", "x")]), None);
    assert_eq!(rival(&[]).as_deref(), Some("/q"));
    let by_hand = Facts::read(&node(&flags, &[]), Some(Path::new("/p")));
    assert!(by_hand.pki_rival.is_none());
}

/// The directory that has the manifests, and the kubelet's PKI directory, with where they were read.
fn kubelet_of(files: &[(&str, &str)]) -> String {
    let facts = Facts::read(&node(&[], files), None);
    let show = |fact: &Fact<PathBuf>| format!("{} ({})", fact.value.display(), fact.source);
    format!(
        "{}\n{}\n{}",
        show(&facts.kubelet_config),
        show(&facts.manifest_dir),
        show(&facts.kubelet_pki_dir)
    )
}

#[test]
fn the_command_line_of_the_kubelet() {
    const UNIT: &str = "[Service]\nEnvironmentFile=-/e\nExecStart=/usr/bin/kubelet $A --config=/c\n";
    let unit = "/etc/systemd/system/kubelet.service";
    let unused = ("/etc/default/kubelet", "X=--cert-dir=/unused");
    let files = [(unit, UNIT), unused, ("/c", "staticPodPath: m\n")];
    let drop_in =
        ("/run/systemd/system/kubelet.service.d/1.conf", "[Service]\nEnvironment=A=--cert-dir=/p\n");
    insta::assert_snapshot!(kubelet_of(&files), @"
    /c (/etc/systemd/system/kubelet.service --config)
    /m (/c staticPodPath)
    /var/lib/kubelet/pki (default)
    ");
    insta::assert_snapshot!(kubelet_of(&[&files[..], &[drop_in]].concat()), @"
    /c (/etc/systemd/system/kubelet.service --config)
    /m (/c staticPodPath)
    /p (/run/systemd/system/kubelet.service.d/1.conf --cert-dir)
    ");
    let env = [
        drop_in,
        ("/e", "A=\"--cert-dir=/e --config-dir=/d\"\n"),
        ("/d/2.conf", "staticPodPath: /2\n"),
        ("/d/1.conf", "staticPodPath: /1\n"),
        ("/d/3.yaml", "staticPodPath: /3\n"),
    ];
    let pattern = [
        (unit, "[Service]\nEnvironmentFile=-/etc/kubelet/*.env\nExecStart=/usr/bin/kubelet $A --config=/c\n"),
        ("/etc/kubelet/1.env", "A=--cert-dir=/1\n"),
        ("/etc/kubelet/2.env", "A=--cert-dir=/2\n"),
        ("/etc/kubelet/3.conf", "A=--cert-dir=/3\n"),
    ];
    insta::assert_snapshot!(kubelet_of(&pattern), @"
    /c (/etc/systemd/system/kubelet.service --config)
    /etc/kubernetes/manifests (default)
    /2 (/etc/kubelet/2.env --cert-dir)
    ");
    let deeper = [("/d/2.conf.d/9.conf", "staticPodPath: /9\n"), ("/d/1/9.conf", "staticPodPath: /0\n")];
    let found = kubelet_of(&[&files[..], &env, &deeper].concat());
    assert!(found.contains("/9 (/d/2.conf.d/9.conf staticPodPath)"), "{found}");
    insta::assert_snapshot!(kubelet_of(&[&files[..], &env].concat()), @"
    /c (/etc/systemd/system/kubelet.service --config)
    /2 (/d/2.conf staticPodPath)
    /e (/e --cert-dir)
    ");
}

#[test]
fn what_no_unit_reads_is_taken_where_there_is_none() {
    insta::assert_snapshot!(kubelet_of(&[
        ("/etc/systemd/system/kubelet.service.d/99-site.conf", "[Service]\nEnvironment=\"X=--config=/x.yaml\"\n"),
        ("/etc/default/kubelet", "X=--cert-dir=/d"),
    ]), @"
    /x.yaml (/etc/systemd/system/kubelet.service.d/99-site.conf --config)
    /etc/kubernetes/manifests (default)
    /d (/etc/default/kubelet --cert-dir)
    ");
}

#[test]
fn the_name_that_the_kubelet_is_told() {
    let name = |flags: &str| {
        let facts =
            Facts::read(&node(&[], &[("/etc/default/kubelet", flags), ("/etc/hostname", "host\n")]), None);
        facts.node_name.map(|fact| format!("{} ({})", fact.value, fact.source)).unwrap_or_default()
    };
    assert_eq!(name("A=--hostname-override=CP-1"), "cp-1 (/etc/default/kubelet --hostname-override)");
    assert_eq!(name("A=--hostname-override=%H"), "host (/etc/hostname)");
    assert_eq!(name("A=--hostname-override=cp-1 --cloud-provider=aws"), "host (/etc/hostname)");
}

#[test]
fn of_two_manifests_for_one_pod_the_last_in_byte_order_runs() {
    let file = |name: &str, namespace: &str| {
        let text = format!(
            "kind: Pod\nmetadata: {{name: etcd{namespace}}}\nspec: {{containers: [{{command: [x, --name={name}]}}]}}\n"
        );
        (format!("{MANIFESTS}/{name}"), text)
    };
    let running = |names: &[(&str, &str)]| {
        let files: Vec<_> = names.iter().map(|(name, namespace)| file(name, namespace)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let facts = Facts::read(&node(&[], &files), None);
        let found: Vec<_> = facts.pods().map(|(_, pod)| pod.flag("name").unwrap().to_owned()).collect();
        found
    };
    assert_eq!(running(&[("etcd.yaml", ""), ("etcd.yaml.bak", "")]), ["etcd.yaml.bak"]);
    assert_eq!(running(&[("etcd.yaml", ""), ("etcd-old.yaml", "")]), ["etcd.yaml"]);
    assert_eq!(running(&[("a", ""), ("b", ", namespace: default"), ("c", ", namespace: x")]), ["b", "c"]);
    assert_eq!(running(&[("etcd.yaml", ""), (".z.yaml", "")]), ["etcd.yaml"]);
}
