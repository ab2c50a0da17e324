//! Three nodes and the machine that they are managed from.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::node::{PATIENCE, TestNode};
use crate::story::Tree;

const NAMES: [&str; 3] = ["cp-1", "cp-2", "cp-3"];

/// Three nodes, in the order of the inventory. Gone when dropped, and when the test process dies.
pub(crate) struct Fleet {
    directory: PathBuf,
    pub(crate) nodes: [TestNode; 3],
    holder: Child,
    /// The fleet lives as long as this is open.
    stdin: Option<ChildStdin>,
}

/// How a run of the playbook finished.
pub(crate) struct Played {
    pub(crate) out: String,
    pub(crate) code: i32,
    /// What it has fetched.
    pub(crate) reports: PathBuf,
}

/// All of a node that must not change where nothing is to be changed.
#[derive(PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) tree: Tree,
    /// The containers of etcd and the API server: the other two end by themselves when their certificates have.
    containers: Vec<String>,
    kubelet: Option<u32>,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn ansible_playbook() -> PathBuf {
    let program = repository().join("target/tools/python/bin/ansible-playbook");
    assert!(program.exists(), "{} is missing: make deps", program.display());
    program
}

/// All that it wrote, and its exit code.
fn finish(mut command: Command) -> (String, i32) {
    command.env("LC_ALL", "C.UTF-8").env("ANSIBLE_NOCOLOR", "1").stdin(Stdio::null());
    let done = command.output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), done.status.code().unwrap_or(-1))
}

/// Runs a playbook of the tests on this machine alone.
pub(crate) fn play_here(playbook: &str) -> (String, i32) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(ansible_playbook());
    command
        .args(["-i", "localhost,", "--connection", "local"])
        .arg(repository().join("tests/live_node/fleet").join(playbook));
    command.env("ANSIBLE_HOME", home.path());
    finish(command)
}

/// Whether Ansible understands the playbook with the inventory that operators begin with.
pub(crate) fn check_syntax() -> (String, i32) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(ansible_playbook());
    command.args(["--syntax-check", "-i", "inventory.example", "playbook.yml", "workers.yml"]);
    command.current_dir(repository().join("scripts/fleet")).env("ANSIBLE_HOME", home.path());
    finish(command)
}

impl Fleet {
    /// Every certificate of every node ends so many seconds after the nodes were made.
    pub(crate) fn ending_in(seconds: u32) -> Self {
        let mut command = Command::new(repository().join("scripts/testnode/fleet"));
        command.args(["--hold", "--binary", env!("CARGO_BIN_EXE_kuberescue")]);
        command.args(["--ends-in", &seconds.to_string(), "expired-all"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().unwrap();
        let stdin = holder.stdin.take();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the fleet did not come up: {:?}", holder.wait());
        let directory = PathBuf::from(line.trim());
        let nodes = NAMES.map(|name| TestNode::at(std::fs::canonicalize(directory.join(name)).unwrap()));
        let fleet = Self { directory, nodes, holder, stdin };
        fleet.strip();
        fleet
    }

    /// A debug build is 100 MB, most of it for debuggers: not what is copied to nodes.
    fn strip(&self) {
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(self.binary()).arg(env!("CARGO_BIN_EXE_kuberescue"));
        assert!(strip.status().unwrap().success());
    }

    fn binary(&self) -> PathBuf {
        self.directory.join("kuberescue")
    }

    /// Runs the playbook on the managing machine.
    pub(crate) fn play(&self, arguments: &[&str]) -> Played {
        self.play_of("playbook.yml", &self.directory.join("inventory"), arguments)
    }

    /// Runs the playbook of workers: the third node is one.
    pub(crate) fn play_workers(&self, arguments: &[&str]) -> Played {
        let inventory = self.directory.join("inventory");
        let workers = self.directory.join("inventory-of-workers");
        let text = std::fs::read_to_string(inventory).unwrap();
        let third: String = text.lines().filter(|line| line.starts_with("cp-3 ")).collect();
        let text = text.replace(&format!("{third}\n"), "").replace("kube_control_plane:vars", "all:vars");
        std::fs::write(&workers, format!("[kube_node]\n{third}\n\n{text}")).unwrap();
        self.play_of("workers.yml", &workers, arguments)
    }

    fn play_of(&self, playbook: &str, inventory: &Path, arguments: &[&str]) -> Played {
        let network = std::fs::read_to_string(self.directory.join("network")).unwrap();
        let reports = self.directory.join("reports");
        let known = list(&reports);
        let mut command = Command::new("nsenter");
        command.args(["--target", network.trim(), "--net", "--"]);
        command.arg(ansible_playbook());
        command.arg("-i").arg(inventory);
        command.arg(playbook);
        for (name, value) in [
            ("kuberescue_binary", self.binary().display().to_string()),
            ("kuberescue_reports", reports.display().to_string()),
            ("kuberescue_alone_timeout", "5s".to_owned()),
            ("kuberescue_gate_delay", "1".to_owned()),
        ] {
            command.arg("-e").arg(format!("{name}={value}"));
        }
        command.args(arguments);
        command.current_dir(repository().join("scripts/fleet"));
        command.env("ANSIBLE_HOME", self.directory.join("ansible"));
        command.env("ANSIBLE_SSH_ARGS", "-o ControlMaster=auto -o ControlPersist=30s");
        let (out, code) = finish(command);
        assert!(!out.contains("[WARNING]") && !out.contains("[DEPRECATION"), "{out}");
        let new: Vec<_> = list(&reports).into_iter().filter(|path| !known.contains(path)).collect();
        assert!(new.len() <= 1, "{new:?}");
        let reports = new.into_iter().next().unwrap_or_default();
        Played { out, code, reports }
    }

    /// How all nodes are.
    pub(crate) fn states(&self) -> Vec<State> {
        self.nodes.iter().map(State::of).collect()
    }

    /// No node has changed.
    pub(crate) fn assert_untouched(&self, before: &[State]) {
        for (now, before) in self.states().iter().zip(before) {
            now.assert_same(before);
        }
    }

    /// Every node is proven, etcd has three healthy members, and every API server tells of three nodes that are Ready.
    pub(crate) fn assert_well(&self) {
        for node in &self.nodes {
            node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));
            node.assert_green();
            let listed = node.kubectl(&["get", "nodes"]).out;
            for name in NAMES {
                let is_ready = |line: &str| {
                    let mut words = line.split_whitespace();
                    words.next() == Some(name) && words.next() == Some("Ready")
                };
                assert!(listed.lines().any(is_ready), "{name}: {listed}");
            }
        }
        let pki = "/etc/kubernetes/pki/etcd";
        let health = self.nodes[0].must(&[
            "sh",
            "-c",
            &format!(
                "etcdctl --endpoints=https://127.0.0.1:2379 --cacert={pki}/ca.crt --cert={pki}/healthcheck-client.crt \
                 --key={pki}/healthcheck-client.key endpoint health --cluster 2>&1"
            ),
        ]);
        assert_eq!(health.matches("is healthy").count(), 3, "{health}");
    }
}

impl State {
    pub(crate) fn of(node: &TestNode) -> Self {
        let pods = node.pods();
        let of = |name: &str| format!("{name} {:?}", pods.get(name).map(|container| &container.id));
        let containers = ["etcd", "kube-apiserver"].map(of).to_vec();
        Self { tree: node.tree(), containers, kubelet: node.kubelet_pid() }
    }

    /// The same files to the byte, the same processes. (The files hold private keys: only their names are told.)
    pub(crate) fn assert_same(&self, before: &Self) {
        let changed = self.tree.iter().filter(|(path, file)| before.tree.get(*path) != Some(file));
        let gone = before.tree.iter().filter(|(path, _)| !self.tree.contains_key(*path));
        let differ: Vec<_> = changed.chain(gone).map(|(path, _)| path).collect();
        assert!(differ.is_empty(), "{differ:?}");
        assert_eq!((&self.containers, self.kubelet), (&before.containers, before.kubelet));
    }
}

impl Played {
    pub(crate) fn must(self, code: i32, texts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{}", self.out);
        for text in texts {
            assert!(self.out.contains(text), "{text} is not in:\n{}", self.out);
        }
        self
    }

    /// A file that was fetched or written here.
    pub(crate) fn text(&self, path: &str) -> String {
        let path = self.reports.join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}\n{}", self.out))
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.reports.join(path).exists()
    }

    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(path)).unwrap()
    }

    /// The archives of a node that were fetched.
    pub(crate) fn archives(&self, node: &str) -> Vec<PathBuf> {
        let mut all = list(&self.reports.join(node));
        all.retain(|path| path.to_string_lossy().ends_with(".tar.gz"));
        all
    }

    /// Nobody but their owner can read what was fetched, and every archive is whole.
    pub(crate) fn assert_private(&self) {
        let mut left = vec![self.reports.clone()];
        while let Some(path) = left.pop() {
            let found = std::fs::symlink_metadata(&path).unwrap();
            let mode = found.permissions().mode() & 0o7777;
            assert_eq!(mode, if found.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            if found.is_dir() {
                left.extend(list(&path));
            } else if path.to_string_lossy().ends_with(".tar.gz") {
                assert!(found.size() > 1000, "{}", path.display());
                let mut verify = Command::new(env!("CARGO_BIN_EXE_kuberescue"));
                let done = verify.args(["archive", "verify"]).arg(&path).output().unwrap();
                // 1: the state in it would not bring the node back, which is why it was recovered.
                assert!(matches!(done.status.code(), Some(0 | 1)), "{done:?}");
            }
        }
    }
}

/// What is in a directory; nothing where there is none.
pub(crate) fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let exited = self.holder.wait();
        if !std::thread::panicking() {
            assert!(exited.as_ref().is_ok_and(std::process::ExitStatus::success), "{exited:?}");
            assert!(!self.directory.exists(), "{} is left", self.directory.display());
        }
    }
}
