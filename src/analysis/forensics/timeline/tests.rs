use std::path::Path;
use std::sync::LazyLock;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::formats::log::Matcher;
use crate::state::{Attributes, Code, Content, Entry};

const NOW: &str = "2026-11-24T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn real(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/logs").join(name)).unwrap()
}

static MATCHER: LazyLock<Matcher> = LazyLock::new(|| Matcher::new().unwrap());

fn scan(origin: Origin, chunks: &[&[u8]]) -> Scan {
    let mut scanner = Scanner::new(&MATCHER, origin, at(NOW));
    for chunk in chunks {
        scanner.feed(chunk);
    }
    scanner.finish()
}

fn program(name: &str) -> Origin {
    Origin::Program(name.to_owned())
}

/// Code, count, first and last time of each known line.
fn found(scan: &Scan) -> Vec<(Code, u64, String, String)> {
    let one = |found: &super::scanner::Found| {
        let (first, last) = found.span.unwrap();
        (found.known.code, found.count, first.to_string(), last.to_string())
    };
    scan.found.iter().map(one).collect()
}

fn as_given(rows: &[(Code, u64, &str, &str)]) -> Vec<(Code, u64, String, String)> {
    rows.iter()
        .map(|(code, count, first, last)| (*code, *count, (*first).to_owned(), (*last).to_owned()))
        .collect()
}

#[test]
fn the_real_logs_hold_what_grep_counts() {
    let etcd = scan(program("etcd"), &[&real("etcd.log")]);
    let expected = [
        (
            Code::EtcdCertificateRefused,
            70,
            "2026-11-23T22:26:58.955278046Z",
            "2026-11-23T22:29:20.520436873Z",
        ),
        (Code::EtcdClientRefused, 8, "2026-11-23T22:28:16.863325657Z", "2026-11-23T22:29:31.276269529Z"),
    ];
    assert_eq!(found(&etcd), as_given(&expected));
    assert_eq!(etcd.found[1].expiries, [at("2026-10-24T22:26:21Z")].into());
    assert!(etcd.found[0].sample.contains("127.0.0.1:39120"), "{}", etcd.found[0].sample);
    assert_eq!(etcd.covered.unwrap().0, at("2026-11-23T22:21:47.344830599Z"));
    assert_eq!(etcd.covered.unwrap().1, at("2026-11-23T22:29:31.276269529Z"));
    assert!(etcd.jumps.is_empty());

    let api = scan(program("kube-apiserver"), &[&real("kube-apiserver.log")]);
    let expected = [(
        Code::EtcdHandshakeRefused,
        12,
        "2026-11-23T22:29:03.608425646Z",
        "2026-11-23T22:29:20.520197047Z",
    )];
    assert_eq!(found(&api), as_given(&expected));

    let scheduler = scan(program("kube-scheduler"), &[&real("kube-scheduler.log")]);
    let counts: Vec<_> = scheduler.found.iter().map(|found| (found.known.code, found.count)).collect();
    assert_eq!(counts, [(Code::HandshakeTimeout, 10), (Code::ConnectionRefused, 2)]);

    let manager = scan(program("kube-controller-manager"), &[&real("kube-controller-manager.log")]);
    assert_eq!(manager.found, []);
}

#[test]
fn the_real_kubelet_logs() {
    let loops = scan(program("kubelet"), &[&real("kubelet-crashloop-after-restart.log")]);
    let expected = [
        (Code::KubeletClientExpired, 3, "2026-11-23T22:45:28.820356Z", "2026-11-23T22:45:49.990885Z"),
        (Code::KubeletNoBootstrap, 3, "2026-11-23T22:45:28.820404Z", "2026-11-23T22:45:49.990906Z"),
    ];
    assert_eq!(found(&loops), as_given(&expected));
    assert_eq!(loops.found[0].expiries, [at("2026-10-24T22:43:54Z")].into());

    let running = scan(program("kubelet"), &[&real("kubelet-running-expired.log")]);
    let counts: Vec<_> = running.found.iter().map(|found| (found.known.code, found.count)).collect();
    // 69 lines with an expired certificate, 5 of them of the rotation and 27 of watches. A sixth line of the
    // rotation is a timeout, which is no rejection.
    let count = |code: Code| counts.iter().find(|(other, _)| *other == code).map_or(0, |(_, count)| *count);
    assert_eq!(
        count(Code::KubeletRotationRefused) + count(Code::WatchRefused) + count(Code::CertificateExpired),
        69
    );
    assert_eq!((count(Code::KubeletRotationRefused), count(Code::WatchRefused)), (5, 27), "{counts:?}");
    let rotation =
        running.found.iter().find(|found| found.known.code == Code::KubeletRotationRefused).unwrap();
    assert_eq!(rotation.span.unwrap().0, at("2026-11-23T22:26:53.803065Z"));
}

#[test]
fn a_log_in_local_time_is_put_right_by_the_times_it_names() {
    // As written in Kolkata, 5:30 h ahead of UTC.
    let text = b"E1124 03:50:00.000000 1 a.go:1] connect: connection refused\n\
        E1124 03:56:53.800000 1 a.go:1] x509: certificate has expired or is not yet valid: current time 2026-11-23T22:26:53Z is after 2026-10-24T22:26:21Z\n";
    let scan = scan(program("kubelet"), &[text]);
    let expected = [
        (Code::CertificateExpired, 1, "2026-11-23T22:26:53.8Z", "2026-11-23T22:26:53.8Z"),
        (Code::ConnectionRefused, 1, "2026-11-23T22:20:00Z", "2026-11-23T22:20:00Z"),
    ];
    assert_eq!(found(&scan), as_given(&expected));
}

#[test]
fn only_programs_that_matter_count_in_the_log_of_the_system() {
    let text = b"Nov 23 22:26:53 cp1 kubelet[9]: E1123 22:26:53.8 9 a.go:1] x509: certificate has expired or is not yet valid\n\
        Nov 23 22:26:54 cp1 nginx[9]: x509: certificate has expired or is not yet valid\n\
        Nov 23 22:26:55 cp1 kernel: Out of memory: Killed process 9 (etcd)\n";
    let scan = scan(Origin::System, &[text]);
    let sources: Vec<_> = scan.found.iter().map(|found| (found.source.as_str(), found.count)).collect();
    assert_eq!(sources, [("kernel", 1), ("kubelet", 1)]);
}

#[test]
fn a_given_log_is_called_by_who_writes_such_lines() {
    let text = b"Unable to connect to the server: x509: certificate has expired or is not yet valid\n\
        x509: certificate signed by unknown authority";
    let scan = scan(Origin::Given("notes.txt".to_owned()), &[text]);
    let sources: Vec<_> =
        scan.found.iter().map(|found| (found.source.as_str(), found.count, found.undated)).collect();
    assert_eq!(sources, [("notes.txt", 1, 1), ("kubectl", 1, 1)]);
    assert!(scan.found.iter().all(|found| found.span.is_none()));
}

#[test]
fn a_clock_that_was_set_back_is_seen_and_a_log_printed_backwards_is_none() {
    let line =
        |minute: u32| format!("2026-11-23T22:{minute:02}:00Z stderr F x509: certificate has expired\n");
    let lines = |minutes: &[u32]| minutes.iter().map(|minute| line(*minute)).collect::<String>();
    let forward = scan(program("etcd"), &[lines(&[1, 2, 3, 1, 2]).as_bytes()]);
    assert_eq!(forward.jumps, [Jump { from: at("2026-11-23T22:03:00Z"), to: at("2026-11-23T22:01:00Z") }]);
    let backward = scan(program("etcd"), &[lines(&[5, 4, 3, 2, 1]).as_bytes()]);
    assert_eq!(backward.jumps, []);
    // Lines without anything known are dated too, one in 64 KiB.
    let plain = |minute: u32| format!("2026-11-23T22:{minute:02}:00Z stderr F {}\n", "x".repeat(60_000));
    let text: String = [1, 2, 3, 1, 2].map(plain).concat();
    let quiet = scan(program("etcd"), &[text.as_bytes()]);
    assert_eq!(quiet.jumps.len(), 1);
    assert_eq!(quiet.covered.unwrap(), (at("2026-11-23T22:01:00Z"), at("2026-11-23T22:03:00Z")));
}

#[test]
fn a_line_is_known_by_its_first_64_kib() {
    let line = |before: usize| {
        let mut line = vec![b'x'; before];
        line.extend_from_slice(b"x509: certificate has expired or is not yet valid\n");
        line
    };
    assert_eq!(scan(program("a"), &[&line(100)]).found.len(), 1);
    assert_eq!(scan(program("a"), &[&line(MAX_LINE - 50)]).found.len(), 1);
    assert_eq!(scan(program("a"), &[&line(MAX_LINE - 20)]).found[0].known.code, Code::CertificateRefused);
    assert_eq!(scan(program("a"), &[&line(MAX_LINE)]).found, []);
    let sample = &scan(program("a"), &[&line(1000)]).found[0].sample;
    assert!(sample.len() < 410 && sample.ends_with('…'), "{sample}");
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just(b"\n".to_vec()),
        2 => Just(b"2026-11-23T22:26:58.955278046Z stderr F ".to_vec()),
        2 => Just(b"E1123 22:26:53.803065 9438 x.go:1] ".to_vec()),
        1 => Just(b"E1123 22:20:53.803065 9438 x.go:1] ".to_vec()),
        2 => Just(b"x509: certificate has expired or is not yet valid: current time 2026-11-23T22:26:53Z is after 2026-10-24T22:26:21Z".to_vec()),
        1 => Just(b"rejected connection remote error: tls: bad certificate".to_vec()),
        1 => Just(b"{\"ts\":1795472818.954,\"msg\":\"snap: snapshot file doesn't exist\"}".to_vec()),
        1 => Just(vec![b'y'; 30_000]),
        2 => proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    // Failures are printed in full: no file beside the sources.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_make_no_difference(text in text(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().chain([text.len()]) {
            chunks.push(&text[from..to]);
            from = to;
        }
        for origin in [program("etcd"), Origin::System, Origin::Given("a".to_owned())] {
            prop_assert_eq!(scan(origin.clone(), &chunks), scan(origin, &[&text]));
        }
    }

    #[test]
    fn any_bytes_are_a_log(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        prop_assert_eq!(scan(program("a"), &bytes), scan(program("a"), &[&text]));
        for line in text.split(|byte| *byte == b'\n') {
            let _ = (crate::formats::log::head(line), crate::formats::log::named(line));
        }
    }
}

#[test]
fn places_of_logs() {
    let wanted = Wanted { containers: vec!["coredns".to_owned()] };
    for (path, origin) in [
        (
            "/var/log/pods/kube-system_etcd-lab-cp1_708740a2a782473bedd93149240494f7/etcd/0.log",
            Some(program("etcd")),
        ),
        ("/var/log/pods/kube-system_etcd-a_1/etcd/12.log.20261123-222147.gz", Some(program("etcd"))),
        ("/var/log/pods/kube-system_etcd-a_1/etcd/12.log.20261123-222147.tmp", None),
        ("/var/log/pods/kube-system_etcd-a_1/etcd/x.log", None),
        ("/var/log/pods/kube-system_etcd-defrag-cbfwp_d2/etcd-defrag/0.log", None),
        ("/var/log/pods/default_etcd_1/etcd/0.log", None),
        ("/var/log/pods/kube-system_coredns-1_2/coredns/0.log", Some(program("coredns"))),
        (
            "/var/log/containers/kube-apiserver-lab-cp1_kube-system_kube-apiserver-9f9466f0.log",
            Some(program("kube-apiserver")),
        ),
        ("/var/log/containers/etcd-defrag-cbfwp_kube-system_etcd-defrag-78d5.log", None),
        ("/var/log/messages", Some(Origin::System)),
        ("/var/log/messages-20261123", Some(Origin::System)),
        ("/var/log/syslog.2.gz", Some(Origin::System)),
        ("/var/log/syslog.2.xz", None),
        ("/var/log/kern.log.1", Some(Origin::System)),
        ("/var/log/kubelet.log", Some(program("kubelet"))),
        ("/var/log/messages.d/x", None),
        ("/etc/messages", None),
    ] {
        assert_eq!(Place::of(Path::new(path), &wanted).map(|place| place.origin), origin, "{path}");
    }
}

fn node() -> Snapshot {
    let kubeconfig = Entry {
        content: Content::File(b"x".to_vec().into()),
        attributes: Attributes { mtime: at("2026-11-23T22:24:00Z"), ..Attributes::default() },
    };
    [
        ("/etc/kubernetes/admin.conf", kubeconfig.clone()),
        ("/var/lib/kubelet/pki/kubelet-client-2026-11-23-22-24-31.pem", kubeconfig.clone()),
        ("/var/lib/kubelet/pki/kubelet-client-current.pem", kubeconfig),
    ]
    .into_iter()
    .map(|(path, entry)| (path.into(), entry))
    .collect()
}

fn timeline(logs: Logs, now: &str) -> Timeline {
    let snapshot = node();
    Timeline::new(&snapshot, &Inventory::read(&snapshot, None), logs, Vec::new(), at(now))
}

#[test]
fn logs_of_one_component_become_one_line() {
    let mut logs = Logs::default();
    let text = real("etcd.log");
    let (first, second) = text.split_at(text[..9000].iter().rposition(|byte| *byte == b'\n').unwrap() + 1);
    // The later file first.
    logs.add(Path::new("/b/1.log"), Some("etcd"), scan(program("etcd"), &[second]));
    logs.add(Path::new("/b/0.log"), Some("etcd"), scan(program("etcd"), &[first]));
    let timeline = timeline(logs, NOW);
    let refused = timeline.lines.iter().find(|hit| hit.code == Code::EtcdCertificateRefused).unwrap();
    assert_eq!((refused.count, refused.path.as_path()), (70, Path::new("/b/0.log")));
    assert_eq!(refused.first, Some(at("2026-11-23T22:26:58.955278046Z")));
    assert_eq!(refused.last_path, Path::new("/b/1.log"));
    let failure = timeline.first_failure.unwrap();
    assert_eq!((failure.code, failure.source.as_str()), (Code::EtcdCertificateRefused, "etcd"));
    assert!(
        failure.sentence.starts_with(
            "first TLS failure 2026-11-23T22:26:58.955278046Z in etcd, when no certificate on the disk had expired"
        ),
        "{}",
        failure.sentence
    );
    let kinds: Vec<Kind> = timeline.events.iter().map(|event| event.kind).collect();
    assert!(timeline.events.is_sorted());
    for kind in [
        Kind::LogBegins,
        Kind::FirstSeen,
        Kind::LastSeen,
        Kind::LogEnds,
        Kind::FileChanged,
        Kind::KubeletStored,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
    assert_eq!(timeline.anomalies, []);
    assert_eq!((timeline.scanned.files, timeline.scanned.bytes), (2, text.len() as u64));
}

#[test]
fn what_is_later_than_now_is_an_anomaly() {
    let timeline = timeline(Logs::default(), "2026-11-01T00:00:00Z");
    let codes: Vec<_> =
        timeline.anomalies.iter().map(|anomaly| (anomaly.code, anomaly.what.contains("more"))).collect();
    assert_eq!(codes, [(Code::EventInTheFuture, true), (Code::EventInTheFuture, false)]);
}

#[test]
fn how_long() {
    let passed = |seconds| super::failure::passed(jiff::SignedDuration::from_secs(seconds));
    assert_eq!([12, 119, 121, 7300, 200_000].map(passed), ["12 s", "119 s", "2 min", "2 h", "2 d"]);
}
