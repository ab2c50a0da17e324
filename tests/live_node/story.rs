//! What several stories look at.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::node::{COMPONENTS, Container, PATIENCE, Run, TestNode};

/// Where the static pods' manifests are.
pub(crate) const MANIFESTS: &str = "/etc/kubernetes/manifests";

/// The files that kuberescue may change, with what makes them what they are: kind and mode, owner, content.
pub(crate) type Tree = BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)>;

impl TestNode {
    /// The files of the node that matter here.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for start in ["/etc/kubernetes", "/var/lib/kubelet/pki"] {
            gather(&self.path(start), &mut tree);
        }
        assert!(tree.len() > 20, "{:?}", tree.keys());
        tree
    }

    /// The running static pods, by their names.
    pub(crate) fn pods(&self) -> BTreeMap<String, Container> {
        let ours =
            |one: &Container| one.namespace == "kube-system" && COMPONENTS.contains(&one.name.as_str());
        let running = self.containers().into_iter().filter(|one| one.is_running() && ours(one));
        running.map(|one| (one.name.clone(), one)).collect()
    }

    /// The two running containers that only sound like etcd.
    pub(crate) fn namesakes(&self) -> [Container; 2] {
        [self.running_in("kube-system", "etcd-defrag"), self.running_in("default", "etcd")]
            .map(Option::unwrap)
    }

    /// What `probe` says, and its exit code.
    pub(crate) fn probe(&self) -> (Value, i32) {
        let run = self.kuberescue(&["probe", "-o", "json"]);
        let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        assert_eq!(report["green"] == true, run.code == 0, "{run:?}");
        (report, run.code)
    }

    /// Everything is well: to `probe`, which finds every served certificate on the disk, and to kubectl.
    pub(crate) fn assert_green(&self) {
        let (report, code) = self.probe();
        assert_eq!(code, 0, "{report:#}\n{}", self.story());
        let checks = report["items"].as_array().unwrap();
        for port in [2379, 2380, 2381, 6443, 10250, 10257, 10259] {
            let here = |check: &&Value| {
                check["address"].as_str().is_some_and(|address| address.ends_with(&format!(":{port}")))
            };
            let check = checks.iter().find(here).unwrap_or_else(|| panic!("{port}: {report:#}"));
            assert!(check["code"].is_null(), "{check:#}");
            if !check["disk"].is_null() {
                assert_eq!(check["served"]["sha256"], check["disk"]["leaf"]["sha256"], "{check:#}");
            }
        }
        let nodes = self.kubectl(&["get", "nodes"]);
        assert!(
            nodes.out.lines().nth(1).is_some_and(|line| line.contains("Ready") && !line.contains("NotReady")),
            "{nodes:?}"
        );
    }

    /// A node on which everything runs, and every certificate has expired. `stubborn` don't end at SIGTERM.
    pub(crate) fn expired_while_running(stubborn: &[&str]) -> Self {
        let node = Self::ready_and_ending(20);
        for component in stubborn {
            node.set_stop(component, "never");
            node.respawn(component);
        }
        node.wait_until_expired();
        node
    }

    /// Waits until the certificates have expired, while everything runs.
    pub(crate) fn wait_until_expired(&self) {
        self.wait_until("the certificates have expired", PATIENCE, || {
            (self.kubectl(&["get", "nodes"]).code != 0).then_some(())
        });
        self.wait_until("all of them have expired", PATIENCE, || {
            let kubelet = "/var/lib/kubelet/pki/kubelet-client-current.pem";
            let expired = |path: &str| {
                self.exec(&["openssl", "x509", "-checkend", "0", "-noout", "-in", path]).code == 1
            };
            [kubelet, "/etc/kubernetes/pki/apiserver.crt"].into_iter().all(expired).then_some(())
        });
    }

    /// Stops a component so that it comes back with what [`TestNode::set_stop`] said.
    pub(crate) fn respawn(&self, component: &str) -> Container {
        let before = self.running(component).unwrap();
        self.signal(&before, "SIGKILL");
        self.wait_until("it is back", PATIENCE, || {
            self.running(component).filter(|after| after.id != before.id)
        })
    }

    /// Starts the program under test inside the node, and doesn't wait for its end.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Going {
        self.begin_command(&[&[env!("CARGO_BIN_EXE_kuberescue")], arguments].concat())
    }

    /// The same of any command.
    pub(crate) fn begin_command(&self, arguments: &[&str]) -> Going {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Going(command.spawn().unwrap())
    }

    /// Sends a signal to the kuberescue that runs inside the node.
    pub(crate) fn signal_kuberescue(&self, signal: &str) {
        self.must(&["sh", "-c", &format!("kill -{signal} $(pidof kuberescue)")]);
    }

    /// A manifest as it is: its inode, and its bytes. Nothing where it is away.
    pub(crate) fn manifest(&self, component: &str) -> Option<(u64, Vec<u8>)> {
        let path = self.path(&format!("{MANIFESTS}/{component}.yaml"));
        Some((std::fs::metadata(&path).ok()?.ino(), std::fs::read(&path).ok()?))
    }

    /// The four of them.
    pub(crate) fn manifests(&self) -> Vec<Option<(u64, Vec<u8>)>> {
        COMPONENTS.iter().map(|component| self.manifest(component)).collect()
    }
}

/// A run that is under way.
pub(crate) struct Going(Child);

impl Going {
    pub(crate) fn has_exited(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Waits until it has exited, but not for ever.
    pub(crate) fn end(mut self, node: &TestNode, deadline: Duration) -> Run {
        node.wait_until("kuberescue has exited", deadline, || self.0.try_wait().unwrap().map(drop));
        let done = self.0.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { out: text(&done.stdout), err: text(&done.stderr), code: done.status.code().unwrap_or(-1) }
    }
}

/// The code of a finding, by the check's name; every check of that name has the same one.
pub(crate) fn result<'report>(report: &'report Value, name: &str) -> &'report str {
    let of_name = report["items"].as_array().unwrap().iter().filter(|check| check["name"] == name);
    let mut codes: Vec<_> = of_name.map(|check| check["code"].as_str().unwrap_or("ok")).collect();
    codes.dedup();
    assert_eq!(codes.len(), 1, "{name}: {report:#}");
    codes[0]
}

fn gather(path: &Path, tree: &mut Tree) {
    let found = std::fs::symlink_metadata(path).unwrap();
    let content = if found.is_symlink() {
        std::fs::read_link(path).unwrap().into_os_string().into_encoded_bytes()
    } else if found.is_file() {
        std::fs::read(path).unwrap()
    } else {
        Vec::new()
    };
    tree.insert(path.to_owned(), (found.mode(), found.uid(), found.gid(), content));
    if found.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            gather(&entry.unwrap().path(), tree);
        }
    }
}
