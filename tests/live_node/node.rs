//! A test node: real containerd, runc and etcd, stand-ins for the rest, in namespaces of its own
//! (`scripts/testnode`). It is gone when dropped, and when the test process dies.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use crate::common::Run;
use crate::common::run;

/// What every story may wait for; far more than it takes, so that a busy machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The four static pods.
pub const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// How a node is to be.
#[derive(Default)]
pub struct Options {
    /// Every leaf renewed before it boots.
    pub healthy: bool,
    /// The same, and all of them end so many seconds after it boots.
    pub ends_in: Option<u32>,
    /// The kubelet's first back-off in seconds, 1 where nothing is said.
    pub backoff: Option<u32>,
    /// The version of CRI that the runtime doesn't know: `runtime.v1` or `runtime.v1alpha2`.
    pub refuse: Option<&'static str>,
}

impl Options {
    pub fn healthy() -> Self {
        Self { healthy: true, ..Self::default() }
    }
}

pub struct TestNode {
    directory: PathBuf,
    /// The node lives as long as this is open.
    stdin: Option<ChildStdin>,
    /// Somebody else brought it up and takes it down.
    borrowed: bool,
}

/// A container as the runtime lists it.
#[derive(serde::Deserialize, Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub sandbox: String,
    pub attempt: u32,
    /// `created`, `running`, `exited` or `unknown`.
    pub state: String,
    pub name: String,
    pub pod: String,
    pub namespace: String,
    pub uid: String,
}

impl Container {
    pub fn is_running(&self) -> bool {
        self.state == "running"
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str) -> Command {
    Command::new(repository().join("scripts/testnode").join(name))
}

/// kubectl: `$KUBECTL`, else where `make deps` puts it.
fn kubectl() -> String {
    let here = repository().join("target/tools/kubectl").display().to_string();
    std::env::var("KUBECTL").unwrap_or(here)
}

/// Once for all stories: what all nodes have in common.
fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let run = run(script("build"));
        assert_eq!(run.code, 0, "scripts/testnode/build: {run:?}");
    });
}

impl TestNode {
    /// Brings a node up on a tree of `testdata/nodes`. containerd answers when this returns, and the kubelet has been
    /// started; the static pods may not be there yet ([`TestNode::wait_ready`]).
    pub fn start(tree: &str, options: &Options) -> Self {
        build();
        let mut command = script("up");
        command.env("TESTNODE_BUILT", "1");
        command.args(["--binary", env!("CARGO_BIN_EXE_kuberescue")]);
        if options.healthy {
            command.arg("--healthy");
        }
        if let Some(seconds) = options.ends_in {
            command.args(["--ends-in", &seconds.to_string()]);
        }
        if let Some(seconds) = options.backoff {
            command.args(["--backoff", &seconds.to_string()]);
        }
        if let Some(version) = options.refuse {
            command.args(["--refuse", version]);
        }
        command.arg(tree);
        let (stdin, directory) = boot(command);
        Self { directory, stdin: Some(stdin), borrowed: false }
    }

    /// A node that is Ready, and whose leaf certificates end so many seconds after it booted, or later: a machine that
    /// is too busy to bring it up in half of that time gets another one, with twice as long.
    pub fn ready_and_ending(seconds: u32) -> Self {
        for seconds in [seconds, seconds * 2, seconds * 4] {
            let node = Self::start("expired-all", &Options { ends_in: Some(seconds), ..Options::default() });
            let half = Duration::from_secs(u64::from(seconds / 2));
            let started = Instant::now();
            while !node.is_ready() && started.elapsed() < half {
                std::thread::sleep(Duration::from_millis(50));
            }
            if node.is_ready() {
                return node;
            }
        }
        panic!("no node was Ready before its certificates had expired, in {} seconds", seconds * 2)
    }

    /// A node that somebody else has brought up.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory, stdin: None, borrowed: true }
    }

    /// As pulling the plug and switching on again: the disk stays, no process does, /run is empty.
    pub fn reboot(&mut self) {
        drop(self.stdin.take());
        let mut down = script("down");
        down.arg("--keep").arg(&self.directory);
        let run = run(down);
        assert_eq!(run.code, 0, "down --keep: {run:?}");
        let mut up = script("up");
        up.env("TESTNODE_BUILT", "1");
        up.arg("--again").arg(&self.directory);
        self.stdin = Some(boot(up).0);
    }

    /// A command that will run inside the node, as root, with the administrator's kubeconfig in its environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        // Who runs the tests in the background ignores Ctrl-C for them, and nsenter then says nothing of a signal.
        let mut command = Command::new("env");
        command
            .arg("--default-signal")
            .arg(script("exec").get_program())
            .arg(&self.directory)
            .args(arguments)
            .current_dir("/");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("/opt/testnode/bin:{path}:/usr/sbin:/sbin"));
        command.env("KUBECONFIG", "/etc/kubernetes/admin.conf");
        command
    }

    /// Runs a command inside the node to its end.
    pub fn exec(&self, arguments: &[&str]) -> Run {
        run(self.command(arguments))
    }

    /// The same, and it must succeed. Its output.
    pub fn must(&self, arguments: &[&str]) -> String {
        let run = self.exec(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}\n{}", self.story());
        run.out
    }

    /// The program under test, run inside the node on the node itself.
    pub fn kuberescue(&self, arguments: &[&str]) -> Run {
        self.exec(&[&[env!("CARGO_BIN_EXE_kuberescue")], arguments].concat())
    }

    /// The real kubectl, inside the node, with admin.conf.
    pub fn kubectl(&self, arguments: &[&str]) -> Run {
        self.exec(&[&[kubectl().as_str(), "--request-timeout=5s"], arguments].concat())
    }

    /// Where a path of the node is on this machine; only below /etc, /opt, /var and /usr/libexec.
    pub fn path(&self, inside: &str) -> PathBuf {
        let own = ["/etc/", "/opt/", "/var/", "/usr/libexec/"];
        assert!(own.iter().any(|start| inside.starts_with(start)), "{inside} is the machine's");
        self.directory.join("root").join(inside.trim_start_matches('/'))
    }

    pub fn text(&self, inside: &str) -> String {
        std::fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    /// Asks until there is an answer; fails with the node's story when there is none in time.
    pub fn wait_until<T>(&self, what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(started.elapsed() < deadline, "not in {deadline:?}: {what}\n{}", self.story());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Until kubectl says that the node is Ready, and the four static pods run, and the other two.
    pub fn wait_ready(&self) {
        self.wait_until("the node is Ready and every pod runs", PATIENCE, || self.is_ready().then_some(()));
    }

    fn is_ready(&self) -> bool {
        let run = self.kubectl(&["get", "nodes"]);
        run.out.lines().any(|line| line.split_whitespace().nth(1) == Some("Ready"))
            && self.containers().iter().filter(|one| one.is_running()).count() == COMPONENTS.len() + 2
    }

    /// Every container that the runtime lists, the exited ones too.
    pub fn containers(&self) -> Vec<Container> {
        let run = self.exec(&["/opt/testnode/bin/containers"]);
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The running container of a static pod.
    pub fn running(&self, component: &str) -> Option<Container> {
        self.running_in("kube-system", component)
    }

    /// A running container by its exact name.
    pub fn running_in(&self, namespace: &str, name: &str) -> Option<Container> {
        let ours = |one: &Container| one.is_running() && one.name == name && one.namespace == namespace;
        self.containers().into_iter().find(ours)
    }

    /// Sends a signal to a container's first process.
    pub fn signal(&self, container: &Container, signal: &str) {
        self.must(&["ctr", "-n", "k8s.io", "tasks", "kill", "--signal", signal, &container.id]);
    }

    /// All that a component has logged, of all its containers that still have a log.
    pub fn log(&self, component: &str) -> String {
        let mut text = String::new();
        let pods = std::fs::read_dir(self.path("/var/log/pods")).into_iter().flatten().flatten();
        for pod in pods.filter(|pod| pod.file_name().to_string_lossy().starts_with("kube-system_")) {
            let logs = std::fs::read_dir(pod.path().join(component)).into_iter().flatten().flatten();
            let mut paths: Vec<_> = logs.map(|log| log.path()).collect();
            paths.sort();
            for path in paths {
                text.push_str(&std::fs::read_to_string(path).unwrap_or_default());
            }
        }
        text
    }

    pub fn kubelet_log(&self) -> String {
        std::fs::read_to_string(self.path("/var/log/kubelet.log")).unwrap_or_default()
    }

    /// The kubelet's process inside the node, if it runs.
    pub fn kubelet_pid(&self) -> Option<u32> {
        self.exec(&["pidof", "kubelet"]).out.split_whitespace().next()?.parse().ok()
    }

    /// As `systemctl stop kubelet`.
    pub fn stop_kubelet(&self) {
        self.must(&["touch", "/run/testnode/no-kubelet"]);
        self.wait_until("the kubelet is down", PATIENCE, || match self.kubelet_pid() {
            Some(pid) => {
                self.exec(&["kill", &pid.to_string()]);
                None
            }
            None => Some(()),
        });
    }

    /// As `systemctl start kubelet`.
    pub fn start_kubelet(&self) {
        self.must(&["rm", "-f", "/run/testnode/no-kubelet"]);
        self.wait_until("the kubelet is up", PATIENCE, || self.kubelet_pid());
    }

    /// Kills containerd; its shims and the containers go on.
    pub fn stop_containerd(&self) {
        self.must(&["sh", "-c", "kill -KILL $(pidof containerd)"]);
        self.wait_until("containerd is down", PATIENCE, || {
            (self.exec(&["pidof", "containerd"]).code != 0).then_some(())
        });
    }

    pub fn start_containerd(&self) {
        self.must(&["/opt/testnode/bin/start-containerd"]);
    }

    /// How a component answers SIGTERM from its next start on: after so many seconds (`"3"`), or `"never"`.
    /// Says it to the kubelet, which hands it to the next container.
    pub fn set_stop(&self, component: &str, wish: &str) {
        let path = self.path(&format!("/opt/testnode/env/{component}"));
        let mut text = std::fs::read_to_string(&path).unwrap_or_default();
        text.push_str(&format!("TESTNODE_STOP={wish}\n"));
        std::fs::write(path, text).unwrap();
    }

    /// The serial number of the certificate that is served on a port; the component's own client certificate is shown.
    pub fn served(&self, address: &str) -> Option<String> {
        let pki = "/etc/kubernetes/pki";
        let client = if address.ends_with(":2379") || address.ends_with(":2380") {
            "etcd/healthcheck-client"
        } else {
            "apiserver-kubelet-client"
        };
        let line = format!(
            "openssl s_client -connect {address} -cert {pki}/{client}.crt -key {pki}/{client}.key </dev/null 2>/dev/null \
             | openssl x509 -noout -serial"
        );
        let run = self.exec(&["sh", "-c", &line]);
        (run.code == 0).then(|| run.out.trim().to_owned())
    }

    /// The serial number of a certificate on the node's disk.
    pub fn on_disk(&self, inside: &str) -> String {
        self.must(&["openssl", "x509", "-noout", "-serial", "-in", inside]).trim().to_owned()
    }

    /// What a person would look at first.
    pub fn story(&self) -> String {
        let tail = |text: &str| {
            let lines: Vec<&str> = text.lines().collect();
            lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
        };
        let mut story = format!("--- kubelet\n{}\n", tail(&self.kubelet_log()));
        for component in COMPONENTS {
            story.push_str(&format!("--- {component}\n{}\n", tail(&self.log(component))));
        }
        for container in self.containers() {
            story.push_str(&format!("{container:?}\n"));
        }
        story
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if self.borrowed {
            return;
        }
        drop(self.stdin.take());
        let mut down = script("down");
        down.arg(&self.directory);
        let run = run(down);
        if run.code != 0 && !std::thread::panicking() {
            panic!("the node was not taken down: {run:?}");
        }
    }
}

/// Runs `up`: the node's directory, and what keeps it alive.
fn boot(mut command: Command) -> (ChildStdin, PathBuf) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child: Child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdin = child.stdin.take().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "the test node did not come up:\n{err}");
    (stdin, PathBuf::from(out.trim()))
}
