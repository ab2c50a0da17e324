//! Snapshots of a real etcd: what it streams, what is saved of it and of its database, and what Debian's etcdctl and
//! another etcd make of that.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kuberescue::live::Fault;
use kuberescue::live::deadline::Deadline;
use kuberescue::live::etcd::snapshot::stream;
use kuberescue::live::https::Transport;
use kuberescue::state::{Code, Digest};

use serde_json::Value;

use super::common::Node;
use super::judges::{Running, WithEtcd, kuberescue, on_machine, on_machine_by, put_leaf};
use super::server::{Authority, closed_port};

/// The whole stream, and how many bytes each piece said would follow.
fn all(etcd: &WithEtcd, transport: Transport<'_>) -> Result<(Vec<u8>, Vec<u64>), Fault> {
    let (mut bytes, mut remaining) = (Vec::new(), Vec::new());
    let deadline = Deadline::within(Duration::from_secs(60));
    stream(etcd.node.at.etcd, transport, deadline, &mut |piece| {
        bytes.extend(piece.bytes);
        remaining.push(piece.remaining);
        ControlFlow::Continue(())
    })?;
    Ok((bytes, remaining))
}

#[test]
fn a_real_etcd_streams_its_database_and_the_digest() {
    let mut etcd = WithEtcd::new();
    let client = etcd.node.etcd_ca.leaf("kube-etcd-healthcheck-client").pair();
    assert_eq!(all(&etcd, Transport::Tls(Some(&client))), Err(Fault::Refused));

    // Its own certificate has expired: no reason to have no snapshot.
    let (server, peer) = (etcd.node.etcd_ca.expired("lab-cp1"), etcd.node.served["etcd-peer"].clone());
    etcd.start(&server, &peer);
    let (bytes, remaining) = all(&etcd, Transport::Tls(Some(&client))).unwrap();
    assert_eq!(bytes.len() % 512, 32);
    let (content, digest) = bytes.split_at(bytes.len() - 32);
    assert_eq!(Digest::of(content), Digest::from(<[u8; 32]>::try_from(digest).unwrap()));
    assert_eq!(remaining[0] as usize, content.len().saturating_sub(32768), "{remaining:?}");
    assert_eq!(remaining.last(), Some(&0));

    // Whom etcd rejects, and who doesn't speak TLS.
    let expired = etcd.node.etcd_ca.expired("kube-etcd-healthcheck-client").pair();
    let stranger = Authority::new("etcd-ca").leaf("kube-etcd-healthcheck-client").pair();
    for client in [Some(&expired), Some(&stranger), None] {
        let fault = all(&etcd, Transport::Tls(client)).unwrap_err();
        assert_eq!(fault.code(), Code::ClientCertificateRejected, "{fault}");
    }
    assert!(all(&etcd, Transport::Plain).is_err());

    // Who has enough breaks off.
    let mut pieces = 0;
    let deadline = Deadline::within(Duration::from_secs(60));
    stream(etcd.node.at.etcd, Transport::Tls(Some(&client)), deadline, &mut |_| {
        pieces += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(pieces, 1);
}

fn etcdctl(arguments: &[&str]) -> Value {
    let done = Command::new("etcdctl").args(arguments).args(["-w", "json"]).output().expect("make deps");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap_or_default()
}

/// A real etcd with keys, some of them changed, deleted or large, and what etcdctl says of all.
fn with_keys() -> (WithEtcd, Value) {
    let mut etcd = WithEtcd::new();
    let (server, peer) = (etcd.node.etcd_ca.expired("lab-cp1"), etcd.node.served["etcd-peer"].clone());
    etcd.start(&server, &peer);
    let large = "x".repeat(100_000);
    for number in 0..40 {
        client(&etcd, &["put", &format!("/registry/pods/{number}"), &large]);
    }
    client(&etcd, &["put", "/registry/pods/1", "changed"]);
    client(&etcd, &["del", "/registry/pods/2"]);
    let keys = client(&etcd, &["get", "", "--prefix"])["kvs"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 39);
    (etcd, keys)
}

/// etcdctl with the certificate of the health check.
fn client(etcd: &WithEtcd, arguments: &[&str]) -> Value {
    let leaf = etcd.node.etcd_ca.leaf("kube-etcd-healthcheck-client");
    let (certificate, key) = put_leaf(&etcd.directory, "client", &leaf);
    let options = [
        format!("--endpoints=https://{}", etcd.node.at.etcd),
        "--insecure-skip-tls-verify".to_owned(),
        format!("--cert={certificate}"),
        format!("--key={key}"),
    ];
    etcdctl(&options.iter().map(String::as_str).chain(arguments.iter().copied()).collect::<Vec<_>>())
}

/// The keys in a snapshot, by another etcd that was restored from it.
fn restored(file: &Path) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = format!("--data-dir={}", data.display());
    let done = Command::new("etcdctl").args(["snapshot", "restore", file.to_str().unwrap(), &data]).output();
    let done = done.expect("make deps");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (address, peer) = (format!("http://{}", closed_port()), format!("http://{}", closed_port()));
    let child = Command::new("etcd")
        .args([&data, "--unsafe-no-fsync=true"])
        .args([format!("--listen-client-urls={address}"), format!("--advertise-client-urls={address}")])
        .arg(format!("--listen-peer-urls={peer}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("make deps");
    let _process = Running(child);
    let endpoint = format!("--endpoints={address}");
    let start = Instant::now();
    loop {
        let asked = Command::new("etcdctl").args([&endpoint, "endpoint", "health"]).output().unwrap();
        if asked.status.success() {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{asked:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    etcdctl(&[&endpoint, "get", "", "--prefix"])["kvs"].clone()
}

/// What was saved is what etcdctl reads.
fn judged(file: &Path, document: &str, keys: &Value) -> Value {
    let document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["status"], etcdctl(&["snapshot", "status", file.to_str().unwrap()]));
    assert_eq!(document["sha256"], Digest::of(&std::fs::read(file).unwrap()).to_string());
    assert_eq!(document["size"], file.metadata().unwrap().len());
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()), 0o100_600);
    assert_eq!(restored(file), *keys);
    document
}

/// The tree of the node on a disk, with etcd's data as it lies there.
fn on_disk(etcd: &WithEtcd) -> Node {
    let disk = etcd.node.on_disk();
    disk.write(DATABASE, std::fs::read(etcd.directory.path().join("data/member/snap/db")).unwrap());
    disk
}

const DATABASE: &str = "/var/lib/etcd/member/snap/db";

/// The names in a directory: nothing half written is left.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_running_etcd_is_saved_over_tls() {
    let (etcd, keys) = with_keys();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("etcd.db");
    let line = ["etcd", "snapshot", "save", file.to_str().unwrap(), "-o", "json"];
    let Some((code, out, err)) = on_machine(&etcd.node, &line) else { return };
    assert_eq!(code, 0, "{err}");
    let document = judged(&file, &out, &keys);
    assert_eq!(document["source"]["from"], "etcd");

    // It never replaces anything.
    let before = std::fs::read(&file).unwrap();
    let (code, _, err) = on_machine(&etcd.node, &line).unwrap();
    assert_eq!(code, 2, "{err}");
    insta::assert_snapshot!(err.replace(place.path().to_str().unwrap(), "DIR"), @"
    error [usage]: cannot write DIR/etcd.db: it already exists
    hint: name a new file: a snapshot never replaces a file
    ");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(names(place.path()), ["etcd.db"]);
}

#[test]
fn a_stopped_etcd_is_saved_from_its_database() {
    let (mut etcd, keys) = with_keys();
    etcd.stop();
    let disk = on_disk(&etcd);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("etcd.db");
    let root = disk.root().to_str().unwrap();
    let line = ["etcd", "snapshot", "save", file.to_str().unwrap(), "--root", root, "-o", "json"];
    let (code, out, err) = kuberescue(&[&line[..], &["--dry-run"]].concat());
    assert_eq!((code, names(place.path()).len()), (0, 0), "{out}{err}");
    let (code, out, err) = kuberescue(&line);
    assert_eq!(code, 0, "{err}");
    let document = judged(&file, &out, &keys);
    assert_eq!(document["source"]["from"], "database");
    let saved = std::fs::read(&file).unwrap();
    assert_eq!(saved[..saved.len() - 32], disk.read(DATABASE));
}

#[test]
fn an_etcd_that_rejects_the_client_is_saved_from_its_database() {
    let (mut etcd, keys) = with_keys();
    let (data, place) = (etcd.directory.path().join("data"), tempfile::tempdir().unwrap());
    let manifest = String::from_utf8(etcd.node.files["/etc/kubernetes/manifests/etcd.yaml"].clone()).unwrap();
    let flags = manifest.replace("--name=", &format!("--data-dir={}, --name=", data.display()));
    etcd.node.put("/etc/kubernetes/manifests/etcd.yaml", flags);
    let expired = etcd.node.etcd_ca.expired("kube-etcd-healthcheck-client");
    etcd.node.put_pair("/etc/kubernetes/pki/etcd/healthcheck-client", &expired);
    // etcd has what was put last in its memory for a tenth of a second.
    std::thread::sleep(Duration::from_secs(1));
    let file = place.path().join("etcd.db");
    let line = ["etcd", "snapshot", "save", file.to_str().unwrap(), "-o", "json"];
    let Some((code, out, err)) = on_machine(&etcd.node, &line) else { return };
    assert_eq!(code, 0, "{err}");
    let document = judged(&file, &out, &keys);
    assert_eq!(document["source"]["from"], "database");
    let why = document["source"]["etcd"].as_str().unwrap();
    let shown = format!("{why}\n{err}").replace(place.path().to_str().unwrap(), "DIR");
    let shown = shown.replace(data.to_str().unwrap(), "DATA");
    let shown = regex::Regex::new(r"\d[\d.:]*").unwrap().replace_all(&shown, "N ").into_owned();
    insta::assert_snapshot!(shown, @"
    N  client certificate rejected: the server calls it bad
    Snapshot of etcd as of revision N  (N  records, N  KiB) from the database DATA/member/snap/db, read back and verified: DIR/etcd.db
    note: etcd itself gives none (N  client certificate rejected: the server calls it bad); changes in the write-ahead log that etcd has not applied to its database yet are not in the snapshot
    It holds the cluster's Secrets: protect it like the node itself.
    ");
}

#[test]
fn a_full_disk_leaves_nothing() {
    let (etcd, _) = with_keys();
    let place = tempfile::tempdir().unwrap();
    // A file system of 256 KiB over the directory, for this command alone.
    let inner = format!(
        "mount -t tmpfs -o size=256k full {0} && {1} etcd snapshot save {0}/etcd.db; code=$?; ls -A {0} >&2; exit $code",
        place.path().display(),
        env!("CARGO_BIN_EXE_kuberescue")
    );
    let Some((code, _, err)) = on_machine_by(&etcd.node, &["sh", "-c", &inner]) else { return };
    assert_eq!(code, 2, "{err}");
    let shown = err.replace(place.path().to_str().unwrap(), "DIR");
    assert!(shown.starts_with("error [no-space]: cannot write DIR/etcd.db: "), "{shown}");
    assert!(shown.contains(" KiB are free and "), "{shown}");
    assert!(shown.ends_with("nothing was changed\n"), "{shown}");
}
