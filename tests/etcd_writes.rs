//! A database that a real etcd is writing to: what is read of it is right, or it is said that it isn't.
//! `cargo test --test etcd_writes -- --ignored --nocapture` needs Debian's etcd-server.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kuberescue::formats::bolt::{Pages, ReadError};
use kuberescue::formats::etcd::Database;

const READS: usize = 1_000;
/// Keys that are written together, always with one value.
const TOGETHER: usize = 5;

struct Disk(File);

impl Pages for Disk {
    fn size(&mut self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

struct Etcd {
    child: Child,
    port: u16,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Etcd {
    fn start(directory: &Path) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, peer) = (free(), free());
        let client = format!("http://127.0.0.1:{port}");
        let peer = format!("http://127.0.0.1:{peer}");
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(directory).args(["--name", "cp-1"]);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("cp-1={peer}")]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let etcd = Self { child, port };
        let begun = Instant::now();
        while etcd.post("/v3/kv/txn", &transaction(0)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "etcd does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        etcd
    }

    fn post(&self, path: &str, body: &str) -> io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(
            stream,
            "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.0 200") { Ok(()) } else { Err(io::Error::other(answer)) }
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Puts the keys with the value `round`, and puts and deletes others so that pages are set free and used again.
fn transaction(round: usize) -> String {
    let value = format!("{round:08}{}", "x".repeat(round % 40 * 100));
    let put = |key: String, value: &str| {
        format!(r#"{{"requestPut":{{"key":"{}","value":"{}"}}}}"#, base64(&key), base64(value))
    };
    let mut parts: Vec<_> = (0..TOGETHER).map(|index| put(format!("/together/{index}"), &value)).collect();
    parts.push(put(format!("/other/{}", round % 300), &value));
    let gone = base64(&format!("/other/{}", (round + 150) % 300));
    parts.push(format!(r#"{{"requestDeleteRange":{{"key":"{gone}"}}}}"#));
    format!(r#"{{"success":[{}]}}"#, parts.join(","))
}

/// One read: whether it was right, or too much was written meanwhile.
fn read(file: &Path) -> Result<Option<i64>, String> {
    let mut disk = Disk(File::open(file).map_err(|error| error.to_string())?);
    let read = |disk: &mut Disk| -> Result<_, ReadError> {
        let mut database = Database::open(disk)?;
        let members = database.members()?;
        let mut values: BTreeMap<Vec<u8>, (i64, Vec<u8>)> = BTreeMap::new();
        let revision = database.live(b"/together/", &mut |entry| {
            values.insert(entry.key.to_vec(), (entry.mod_revision, entry.value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok((members, values, revision))
    };
    match read(&mut disk) {
        Err(ReadError::Busy { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
        Ok((members, values, revision)) => {
            let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
            let mut same: Vec<_> = values.values().collect();
            same.dedup();
            if names != ["cp-1"] || values.len() != TOGETHER || same.len() != 1 {
                return Err(format!("{names:?}, as of {revision}: {:?}", values.keys()));
            }
            Ok(Some(revision))
        }
    }
}

#[test]
#[ignore = "needs etcd: make test-node"]
fn a_thousand_reads_while_etcd_writes() {
    let directory = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(&directory.path().join("data"));
    let database = directory.path().join("data/member/snap/db");
    // The first transaction is in the database at its next commit.
    std::thread::sleep(Duration::from_millis(500));
    let is_over = AtomicBool::new(false);
    let (mut busy, mut wrong, mut revisions) = (0, Vec::new(), Vec::new());
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut round = 1;
            while !is_over.load(Ordering::Relaxed) {
                etcd.post("/v3/kv/txn", &transaction(round)).unwrap();
                if round % 200 == 0 {
                    let compact = format!(r#"{{"revision":"{}"}}"#, round - 50);
                    etcd.post("/v3/kv/compaction", &compact).unwrap();
                }
                round += 1;
            }
            round
        });
        for _ in 0..READS {
            match read(&database) {
                Ok(Some(revision)) => revisions.push(revision),
                Ok(None) => busy += 1,
                Err(why) => wrong.push(why),
            }
        }
        is_over.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let different = revisions.iter().collect::<std::collections::BTreeSet<_>>().len();
    println!(
        "{READS} reads while {written} transactions were written: {} wrong, {busy} busy, {different} revisions",
        wrong.len()
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert!(revisions.is_sorted(), "a later read is of a later revision");
    assert!(busy < READS / 10, "{busy}");
}
