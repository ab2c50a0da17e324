use super::*;

#[test]
fn flags_in_every_spelling() {
    let words = ["etcd", "--name=cp-1", "--data-dir", "/var/lib/etcd", "-v=2", "--flag", "--last"];
    let flags = flags(words.map(str::to_owned));
    let expected =
        [("data-dir", "/var/lib/etcd"), ("flag", "true"), ("last", "true"), ("name", "cp-1"), ("v", "2")];
    assert_eq!(flags, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn a_pod_gives_image_and_mounts() {
    let yaml = b"kind: Pod\nmetadata:\n  name: etcd\nspec:\n  containers:\n  - image: k8s.gcr.io/etcd:v1.28.3\n    command: [etcd]\n    args: ['--a=b']\n  volumes:\n  - hostPath: {path: /x}\n  - emptyDir: {}\n";
    let manifest = Manifest::parse(yaml).unwrap();
    assert_eq!(manifest.minor_version(), Some(28));
    assert_eq!(manifest.flag("a"), Some("b"));
    assert_eq!(manifest.host_paths, [PathBuf::from("/x")]);
    assert_eq!(manifest.on_host(Path::new("/x/y")), None);
    assert!(Manifest::parse(b"kind: List").is_err());
    assert!(Manifest::parse(b"\xff\xfe{").is_err());
}

#[test]
fn what_must_be_there_before_a_pod_starts() {
    let pod = |image: &str, kind: &str| {
        let yaml = format!(
            "kind: Pod\nspec:\n  containers: [{{{image}}}]\n  volumes: [{{hostPath: {{path: /x, type: {kind}}}}}]\n"
        );
        Manifest::parse(yaml.as_bytes()).unwrap()
    };
    let required = |kind| pod("", kind).required_paths.len();
    assert_eq!(["File", "Socket", "FileOrCreate", "''"].map(required), [1, 1, 0, 0]);
    let images = [
        "image: a/b:v1",
        "image: 'r:5000/b'",
        "image: b:latest",
        "image: 'b@sha256:0'",
        "image: b, imagePullPolicy: IfNotPresent",
        "image: b:v1, imagePullPolicy: Always",
        "",
    ];
    let always = images.map(|image| pod(image, "File").pulls_always);
    assert_eq!(always, [false, true, true, false, false, true, false]);
}

#[test]
fn the_container_of_the_component_counts() {
    let pod = |containers: &str| {
        let yaml =
            format!("kind: Pod\nmetadata: {{name: kube-apiserver}}\nspec:\n  containers:\n{containers}");
        Manifest::parse(yaml.as_bytes()).unwrap().flags
    };
    let own = "  - {name: kube-apiserver, command: [kube-apiserver, --a=own]}\n";
    let beside = "  - {name: proxy, command: [/proxy, --a=beside]}\n";
    let unnamed = "  - {name: x, command: [/usr/local/bin/kube-apiserver, --a=own]}\n";
    for containers in [format!("{beside}{own}"), format!("{own}{beside}"), format!("{beside}{unnamed}")] {
        assert_eq!(pod(&containers)["a"], "own", "{containers}");
    }
    assert_eq!(pod(beside)["a"], "beside");
    let script = "  - {name: kube-apiserver, command: [sh, -c, 'exec kube-apiserver --a=own --b \"x\"']}\n";
    assert_eq!((pod(script)["a"].as_str(), pod(script)["b"].as_str()), ("own", "x"));
}

#[test]
fn whom_a_container_runs_as() {
    let runs_as = |pod: &str, container: &str| {
        let yaml = format!(
            "kind: Pod\nspec:\n  securityContext: {{{pod}}}\n  containers:\n  - {{name: etcd, securityContext: {{{container}}}}}"
        );
        Manifest::parse(yaml.as_bytes()).unwrap().runs_as
    };
    let user = |uid, gids: &[u32], drops_override| RunsAs { uid, gids: gids.to_vec(), drops_override };
    assert_eq!(runs_as("", ""), user(0, &[0, 0], false));
    assert_eq!(runs_as("runAsUser: 7, runAsGroup: 8, fsGroup: 9", ""), user(7, &[8, 9], false));
    let own = runs_as("runAsUser: 7, supplementalGroups: [5, 6]", "runAsUser: 2379");
    assert_eq!(own, user(2379, &[0, 2379, 5, 6], false));
    for (container, drops) in [
        ("capabilities: {drop: [ALL]}", true),
        ("capabilities: {drop: [CAP_DAC_OVERRIDE], add: [NET_BIND_SERVICE]}", true),
        ("capabilities: {drop: [NET_RAW]}", false),
        ("capabilities: {drop: [all], add: [dac_override]}", false),
        ("privileged: true, capabilities: {drop: [ALL]}", false),
    ] {
        assert_eq!(runs_as("", container).drops_override, drops, "{container}");
    }
}

#[test]
fn etcd_is_told_by_its_environment_too() {
    let yaml = b"kind: Pod\nmetadata: {name: etcd}\nspec:\n  containers:\n  - name: etcd\n    command: [etcd, --name=x]\n    env: [{name: ETCD_CERT_FILE, value: /c.pem}, {name: ETCD_NAME, value: y}, {name: HOME}]\n";
    let manifest = Manifest::parse(yaml).unwrap();
    assert_eq!((manifest.flag("cert-file"), manifest.flag("name")), (Some("/c.pem"), Some("x")));
}

#[test]
fn a_pair_for_names_may_be_given_more_than_once() {
    let yaml = b"kind: Pod\nspec:\n  containers:\n  - command: [x, '--tls-sni-cert-key=/a.crt,/a.key:*.x.test,y', --tls-sni-cert-key, '/b.crt,/b.key']\n    volumeMounts: [{name: v, mountPath: /b.key}]\n  volumes: [{name: v, hostPath: {path: /srv/b.key}}]\n";
    let manifest = Manifest::parse(yaml).unwrap();
    let paths: Vec<_> = manifest.paths().collect();
    assert_eq!(paths, ["/a.crt", "/a.key", "/b.crt", "/srv/b.key"].map(PathBuf::from));
}

#[test]
fn a_path_of_the_container_is_found_on_the_node() {
    let yaml = b"kind: Pod\nspec:\n  containers:\n  - volumeMounts:\n    - {name: a, mountPath: /etc/audit}\n    - {name: b, mountPath: /etc/audit/deep, subPath: s}\n    - {name: gone, mountPath: /g}\n  volumes:\n  - {name: a, hostPath: {path: /srv/a}}\n  - {name: b, hostPath: {path: /srv/b}}\n";
    let manifest = Manifest::parse(yaml).unwrap();
    for (inside, host) in [
        ("/etc/audit", Some("/srv/a")),
        ("/etc/audit/x.conf", Some("/srv/a/x.conf")),
        ("/etc/audit/deep/x.conf", Some("/srv/b/s/x.conf")),
        ("/etc/auditor/x.conf", None),
        ("/g/x.conf", None),
    ] {
        assert_eq!(manifest.on_host(Path::new(inside)), host.map(PathBuf::from), "{inside}");
        assert_eq!(manifest.host(inside), PathBuf::from(host.unwrap_or(inside)), "{inside}");
    }
    assert_eq!(manifest.host("etc/audit/x.conf"), Path::new("/srv/a/x.conf"));
}
