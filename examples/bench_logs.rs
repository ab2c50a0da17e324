//! How fast logs are scanned: `scripts/bench-logs.sh` makes the directory with this and measures on it.
//!
//!     bench_logs make DIR MIB DENSE   a node's root with so many MiB of logs; DENSE of 1000 lines are known ones
//!     bench_logs scan DIR             scans it; prints files, MiB, seconds, MiB/s in all and for each second of CPU time
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement, not a part of the program"
)]

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use kuberescue::analysis::forensics::timeline::Wanted;
use kuberescue::disk::Root;
use kuberescue::disk::logs::scan_root;
use kuberescue::formats::log::Matcher;

/// The kubelet rotates at this size.
const FILE: usize = 10 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["make", root, mib, dense] => make(
            Path::new(root),
            mib.parse::<usize>().expect("a number of MiB") << 20,
            dense.parse().expect("known lines of 1000"),
        ),
        ["scan", root] => scan(Path::new(root)),
        _ => println!("bench_logs make DIR MIB DENSE | scan DIR"),
    }
}

/// Text as components write it, in CRI form; the numbers come from a generator that gives the same on every run.
const PLAIN: [&str; 6] = [
    "I1123 22:26:59.021246       1 trace.go:205] Trace[1605429216]: \"Reflector ListAndWatch\" name:k8s.io/client-go/informers/factory.go:134 (total time: 10001ms):",
    "I1123 22:21:52.339624       1 httplog.go:89] \"HTTP\" verb=\"GET\" URI=\"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager?timeout=10s\" latency=\"4.08ms\" userAgent=\"kube-controller-manager/v1.20.2\" srcIP=\"10.200.0.4:48320\" resp=200",
    "2026-11-23 22:25:24.966841 W | etcdserver: read-only range request \"key:\\\"/registry/leases/kube-system/kube-controller-manager\\\" \" with result \"range_response_count:1 size:504\" took too long (615.526285ms) to execute",
    "I1123 22:26:58.808317       1 dynamic_cafile_content.go:167] Starting client-ca-bundle::/etc/kubernetes/pki/ca.crt",
    "E1123 22:26:59.253753       1 kubelet.go:2243] node \"lab-cp1\" not found",
    "{\"level\":\"info\",\"ts\":\"2026-11-23T22:26:58.954Z\",\"caller\":\"mvcc/hash.go:137\",\"msg\":\"storing new hash\",\"hash\":3110812023,\"revision\":12345,\"compact-revision\":11111}",
];
const KNOWN: [&str; 3] = [
    "2026-11-23 22:26:58.954945 I | embed: rejected connection from \"127.0.0.1:39120\" (error \"remote error: tls: bad certificate\", ServerName \"\")",
    "E1123 22:26:59.038861       1 reflector.go:138] k8s.io/client-go/informers/factory.go:134: Failed to watch *v1.Node: failed to list *v1.Node: Get \"https://10.200.0.4:6443/api/v1/nodes?limit=500&resourceVersion=0\": x509: certificate has expired or is not yet valid: current time 2026-11-23T22:26:59Z is after 2026-10-24T22:26:21Z",
    "W1123 22:29:03.608296       1 clientconn.go:1223] grpc: addrConn.createTransport failed to connect to {https://127.0.0.1:2379  <nil> 0 <nil>}. Err :connection error: desc = \"transport: authentication handshake failed: x509: certificate has expired or is not yet valid: current time 2026-11-23T22:29:03Z is after 2026-10-24T22:26:21Z\". Reconnecting...",
];

fn make(root: &Path, bytes: usize, dense: u64) {
    let names = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    let (mut made, mut file, mut seed) = (0, 0, 0x9e37_79b9_7f4a_7c15_u64);
    let mut next = move || {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut nanoseconds: u64 = 0;
    while made < bytes {
        let name = names[file % names.len()];
        let directory = root.join(format!("var/log/pods/kube-system_{name}-lab-cp1_708740a2/{name}"));
        std::fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join(format!("{}.log", file / names.len()));
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
        let mut written = 0;
        while written < FILE && made < bytes {
            nanoseconds += next() % 10_000_000;
            let (second, fraction) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
            let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
            let number = next();
            let known = number % 1000 < dense;
            let texts: &[&str] = if known { &KNOWN } else { &PLAIN };
            let text = texts[usize::try_from(number >> 32).expect("32 bits") % texts.len()];
            let line = format!(
                "2026-11-{:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z stderr F {text} {number:x}\n",
                1 + nanoseconds / 86_400_000_000_000 % 28
            );
            out.write_all(line.as_bytes()).expect("room on the disk");
            written += line.len();
            made += line.len();
        }
        out.flush().expect("room on the disk");
        file += 1;
    }
}

fn scan(root: &Path) {
    let root = Root::open(root).expect("the directory that was made");
    let begun = Instant::now();
    let matcher = Matcher::new().expect("the table fits");
    let prepared = begun.elapsed();
    let now = "2026-12-01T00:00:00Z".parse().expect("a time");
    let logs = scan_root(&root, &matcher, &Wanted::default(), now);
    let wall = begun.elapsed().as_secs_f64();
    let known: u64 = logs.hits().map(|hit| hit.count).sum();
    let scanned = logs.scanned();
    let mib = scanned.bytes as f64 / f64::from(1 << 20);
    println!(
        "{} files, {mib:.0} MiB, {known} known lines: {wall:.3} s wall ({mib:.0} MiB / wall = {:.0} MiB/s), table {:.1} ms",
        scanned.files,
        mib / wall,
        prepared.as_secs_f64() * 1e3
    );
    for hit in logs.hits() {
        println!("  {} {} {}", hit.source, hit.code, hit.count);
    }
}
