use jiff::Timestamp;

use super::*;
use crate::state::Code;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The time of a line, its local time taken as UTC.
fn time(line: &str) -> Option<Timestamp> {
    head(line.as_bytes()).stamp?.resolve(0, at("2026-11-24T00:00:00Z"))
}

#[test]
fn every_form_has_its_time() {
    for (line, expected, program) in [
        // From a real node.
        (
            "2026-11-23T22:21:47.344830599Z stderr F [WARNING] Deprecated",
            "2026-11-23T22:21:47.344830599Z",
            None,
        ),
        (
            "2026-11-23T22:28:14.23858232Z stderr P 2026-11-23 22:28:14.238388 N | x",
            "2026-11-23T22:28:14.23858232Z",
            None,
        ),
        ("2026-11-23T23:21:47.3+01:00 stdout F kubelet[1]: x", "2026-11-23T22:21:47.3Z", None),
        (
            "E1123 22:26:53.803065    9438 certificate_manager.go:437] Failed",
            "2026-11-23T22:26:53.803065Z",
            None,
        ),
        ("2026-11-23 22:26:58.954945 I | embed: rejected connection", "2026-11-23T22:26:58.954945Z", None),
        ("2026/11/23 22:22:47 INFO: x", "2026-11-23T22:22:47Z", None),
        // zap, klog's JSON, docker, journald.
        (
            r#"{"level":"warn","ts":"2026-11-23T22:26:58.954Z","caller":"embed/config_logging.go:160","msg":"rejected connection"}"#,
            "2026-11-23T22:26:58.954Z",
            None,
        ),
        (
            r#"{"level":"warn","ts":"2026-11-23T23:26:58.954+0100","msg":"x"}"#,
            "2026-11-23T22:26:58.954Z",
            None,
        ),
        (r#"{"level":"warn","ts":1795472818.954,"msg":"x"}"#, "2026-11-23T22:26:58.954Z", None),
        (r#"{"ts":1795472818954.25,"caller":"server.go:1","msg":"x"}"#, "2026-11-23T22:26:58.95425Z", None),
        (
            r#"{"log":"E1123 22:26:53.8 \"x\"\n","stream":"stderr","time":"2026-11-23T22:26:58.954Z"}"#,
            "2026-11-23T22:26:58.954Z",
            None,
        ),
        (
            r#"{"MESSAGE":"say \"__REALTIME_TIMESTAMP\" : {","N":{"a":["}",1]},"__REALTIME_TIMESTAMP":"1795472818954945","SYSLOG_IDENTIFIER":"kubelet","_COMM":"x"}"#,
            "2026-11-23T22:26:58.954945Z",
            Some("kubelet"),
        ),
        (
            r#"{ "_COMM" : "kubelet", "__REALTIME_TIMESTAMP" : "1795472818954945", "MESSAGE" : [69, 49] }"#,
            "2026-11-23T22:26:58.954945Z",
            Some("kubelet"),
        ),
        // journalctl and rsyslog.
        (
            "Nov 23 22:26:53 lab-cp1 kubelet[9438]: E1123 22:26:53.803065    9438 x.go:1] y",
            "2026-11-23T22:26:53Z",
            Some("kubelet"),
        ),
        ("Nov  3 22:26:53.25 lab-cp1 kernel: Out of memory", "2026-11-03T22:26:53.25Z", Some("kernel")),
        ("2026-11-23T23:26:53+0100 lab-cp1 kubelet[9438]: x", "2026-11-23T22:26:53Z", Some("kubelet")),
        (
            "2026-11-23T22:26:53.803065+00:00 lab-cp1 kubelet[9438]: x",
            "2026-11-23T22:26:53.803065Z",
            Some("kubelet"),
        ),
        // kubectl logs --timestamps; a leap second.
        ("2026-11-23T22:26:53.8Z I1123 22:26:53.803065       1 x.go:1] y", "2026-11-23T22:26:53.8Z", None),
        ("2016-12-31 23:59:60.5 I | x", "2016-12-31T23:59:59.5Z", None),
    ] {
        assert_eq!(time(line), Some(at(expected)), "{line}");
        assert_eq!(head(line.as_bytes()).program.as_deref(), program, "{line}");
    }
}

#[test]
fn lines_without_a_time() {
    for line in [
        "",
        "Unable to connect to the server: x509: certificate has expired or is not yet valid",
        "k8s.io/kubernetes/vendor/k8s.io/klog/v2.stacks(0x1)",
        "\t/usr/lib/go-1.19/src/net/net.go:183 +0x45",
        "Trace[1605429216]: [10.003645989s] END",
        "Error: context deadline exceeded",
        "raft2026/11/23 22:21:47 INFO: x",
        "E1323 22:26:53.803065 no such month",
        "2026-02-30T00:00:00Z no such day",
        "Nov 23",
        "{",
        r#"{"ts":1e300}"#,
        r#"{"ts":"#,
        r#"{"a":"b\"#,
    ] {
        assert_eq!(time(line), None, "{line}");
    }
}

#[test]
fn a_missing_year_is_the_last_one_that_is_not_in_the_future() {
    let stamp = |line: &str| head(line.as_bytes()).stamp.unwrap();
    let line = stamp("E1231 23:59:59.000000 1 x.go:1] y");
    assert_eq!(line.resolve(0, at("2026-12-31T23:59:59Z")), Some(at("2026-12-31T23:59:59Z")));
    assert_eq!(line.resolve(0, at("2026-12-31T23:59:58Z")), Some(at("2025-12-31T23:59:59Z")));
    let leap = stamp("E0229 12:00:00.000000 1 x.go:1] y");
    assert_eq!(leap.resolve(0, at("2027-01-01T00:00:00Z")), Some(at("2024-02-29T12:00:00Z")));
    // In Auckland the new year had begun.
    let east = stamp("E0101 09:00:00.000000 1 x.go:1] y");
    assert_eq!(east.resolve(13 * 3600, at("2026-12-31T21:00:00Z")), Some(at("2026-12-31T20:00:00Z")));
}

#[test]
fn a_line_that_names_its_own_clock_tells_the_zone_and_the_year() {
    let line = "E0101 00:30:00.500000 1 x.go:1] x509: certificate has expired or is not yet valid: current time 2026-12-31T23:30:00Z is after 2026-10-24T22:26:21Z";
    let named = named(line.as_bytes());
    assert_eq!(named.expired, Some(at("2026-10-24T22:26:21Z")));
    let stamp = head(line.as_bytes()).stamp.unwrap();
    assert_eq!(stamp.resolve_by(named.clock.unwrap()), Some((at("2026-12-31T23:30:00.5Z"), 3600)));
    assert_eq!(stamp.resolve_by(at("2026-06-01T00:00:00Z")), None);
    let seven_minutes_off = at("2026-12-31T23:23:00Z");
    assert_eq!(stamp.resolve_by(seven_minutes_off), None);
}

#[test]
fn named_times() {
    let times = |line: &str| named(line.as_bytes());
    let expired = times(
        "E1 bootstrap.go:265] part of the existing bootstrap client certificate is expired: 2026-10-24 22:43:54 +0000 UTC",
    );
    assert_eq!(expired.expired, Some(at("2026-10-24T22:43:54Z")));
    let early = times("current time 2023-03-31T05:55:26Z is before 2026-03-26T00:18:47Z");
    assert_eq!((early.begins, early.expired), (Some(at("2026-03-26T00:18:47Z")), None));
    assert_eq!(early.clock, Some(at("2023-03-31T05:55:26Z")));
    assert_eq!(times("current time is after all"), Named::default());
}

#[test]
fn the_table_is_closed() {
    let matcher = Matcher::new().unwrap();
    assert!(known::RARE.len() <= 64, "the vectorised search takes no more");
    for rare in known::RARE {
        let mut texts = known().flat_map(|known| known.patterns).copied().flatten();
        assert!(texts.any(|text| text.contains(rare)), "{rare} is in no known line");
    }
    let mut codes: Vec<_> = known().map(|known| known.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), known().count(), "a code stands twice");
    for known in known() {
        for pattern in known.patterns {
            // Each alternative is found, and no earlier entry matches it.
            let line = format!("E1123 22:26:53.803065 9438 x.go:1] {}", pattern.join(" … "));
            assert!(matcher.find(line.as_bytes(), 0).is_some(), "{line}");
            assert_eq!(matcher.classify(line.as_bytes()).map(|found| found.code), Some(known.code), "{line}");
            assert!(pattern.iter().all(|text| text.len() > 4 && !text.contains(['"', '\n'])), "{line}");
        }
    }
}

#[test]
fn real_lines_are_known() {
    let matcher = Matcher::new().unwrap();
    for (line, code) in [
        (
            r#"2020-07-01 10:00:00.000000 W | rafthttp: health check for peer a1b2 could not connect: x509: certificate has expired or is not yet valid (prober "ROUND_TRIPPER_SNAPSHOT")"#,
            Code::EtcdPeerRefused,
        ),
        (
            r#"{"level":"warn","ts":"2023-03-31T05:55:26.342Z","caller":"rafthttp/probing_status.go:68","msg":"prober detected unhealthy status","round-tripper-name":"ROUND_TRIPPER_RAFT_MESSAGE","remote-peer-id":"18176d0976f2223e","rtt":"15.701311ms","error":"x509: certificate has expired or is not yet valid: current time 2023-03-31T05:55:26Z is before 2026-03-26T00:18:47Z"}"#,
            Code::EtcdPeerRefused,
        ),
        (
            r#"{"level":"warn","ts":"2024-05-14T20:27:13.557385Z","caller":"rafthttp/probing_status.go:68","msg":"prober detected unhealthy status","rtt":"416.079µs","error":"dial tcp 127.0.0.1:12380: connect: connection refused"}"#,
            Code::EtcdPeerUnreachable,
        ),
        (
            r#"{"level":"warn","ts":"2026-11-23T22:26:58.954Z","caller":"embed/config_logging.go:160","msg":"rejected connection on peer endpoint","remote-addr":"10.0.0.2:33","server-name":"","error":"remote error: tls: bad certificate"}"#,
            Code::EtcdCertificateRefused,
        ),
        (
            r#"{"level":"warn","ts":"2026-11-23T22:26:58.954Z","caller":"embed/config_logging.go:169","msg":"rejected connection","remote-addr":"127.0.0.1:33","server-name":"","error":"tls: failed to verify certificate: x509: certificate signed by unknown authority"}"#,
            Code::EtcdClientRefused,
        ),
        (
            r#"E0303 10:00:00.000000       1 authentication.go:63] "Unable to authenticate the request" err="[x509: certificate has expired or is not yet valid: current time 2024-03-03T10:00:00Z is after 2024-03-01T10:00:00Z, verifying certificate SN=1 failed]""#,
            Code::ApiserverClientRefused,
        ),
        (
            r#"E0303 10:00:00.000000       1 authentication.go:63] "Unable to authenticate the request" err="[invalid bearer token, square/go-jose: error in cryptographic primitive]""#,
            Code::ApiserverTokenRefused,
        ),
        (
            "2024/01/01 http: TLS handshake error from 10.0.0.1:45032: remote error: tls: bad certificate",
            Code::ServingCertificateRefused,
        ),
        (
            "2024-10-01T11:34:07.899178+02:00 debian-node1 kubelet[1914]: E1001 11:34:07.899084    1914 bootstrap.go:266] part of the existing bootstrap client certificate in /etc/kubernetes/kubelet.conf is expired: 2024-09-12 09:18:55 +0000 UTC",
            Code::KubeletClientExpired,
        ),
        (
            "Unable to connect to the server: x509: certificate has expired or is not yet valid",
            Code::KubectlRefused,
        ),
        (
            "Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: connection refused",
            Code::ConnectionRefused,
        ),
        (
            r#"{"level":"fatal","ts":"2022-05-24T08:38:01.886Z","caller":"etcdserver/server.go:1","msg":"failed to recover v3 backend from snapshot","error":"failed to find database snapshot file (snap: snapshot file doesn't exist)"}"#,
            Code::EtcdDatabaseSnapshotMissing,
        ),
        (
            "Oct 24 09:45:00 cp1 chronyd[840]: System clock was stepped by 4.005564 seconds",
            Code::ClockStepped,
        ),
        ("Jan  1 00:00:00 cp1 kernel: [1.0] Out of memory: Killed process 9438 (etcd)", Code::OutOfMemory),
    ] {
        assert_eq!(matcher.classify(line.as_bytes()).map(|known| known.code), Some(code), "{line}");
        assert!(matcher.find(line.as_bytes(), 0).is_some(), "{line}");
    }
    // A look at a port, not a failure.
    for check in [
        r#"2026-11-23 22:26:58.9 I | embed: rejected connection from "127.0.0.1:39120" (error "EOF", ServerName "")"#,
        r#"2026-11-23 22:26:58.9 I | embed: rejected connection from "127.0.0.1:39120" (error "tls: client didn't provide a certificate", ServerName "")"#,
        "2026/11/23 22:26:58 http: TLS handshake error from 10.0.0.9:45032: tls: client didn't provide a certificate",
    ] {
        assert!(matcher.classify(check.as_bytes()).is_none(), "{check}");
    }
}
