//! A node of `scripts/kubernetes`, gone when dropped, and when the test process dies.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) use crate::common::Run;
use crate::common::run;

/// What every story may wait for; far more than it takes, so that a busy machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// The four static pods.
pub(crate) const COMPONENTS: [&str; 4] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// Where the kubelet's client certificate is.
pub(crate) const KUBELET: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

pub(crate) struct Node {
    directory: PathBuf,
    /// The node lives as long as this is open.
    stdin: Option<ChildStdin>,
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kubernetes").join(name))
}

/// kubectl: `$KUBECTL`, else where `make deps` puts it.
fn kubectl() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/kubectl").display().to_string();
    std::env::var("KUBECTL").unwrap_or(here)
}

/// Once for all stories: a control plane that kubeadm has made, whose disk they start with. It is removed by a process
/// of its own when the test process has gone. `KUBERESCUE_BASE` is one that `scripts/kubernetes/base` has made already.
fn base() -> &'static Path {
    static BASE: OnceLock<(PathBuf, Option<Child>)> = OnceLock::new();
    let (directory, _alive) = BASE.get_or_init(|| {
        if let Some(made) = std::env::var_os("KUBERESCUE_BASE") {
            return (made.into(), None);
        }
        let mut command = script("base");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child: Child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with('/'), "scripts/kubernetes/base has failed");
        // Its standard input stays open as long as this process lives.
        (PathBuf::from(line.trim()), Some(child))
    });
    directory
}

impl Node {
    /// A node with the disk of a healthy one, on which nothing has been started but containerd.
    pub(crate) fn stopped() -> Self {
        let mut command = script("up");
        command.args(["--without-kubelet", "--copy"]).arg(base());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child: Child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(child.wait().unwrap().success(), "the node did not come up:\n{err}");
        Self { directory: PathBuf::from(out.trim()), stdin: Some(stdin) }
    }

    /// A healthy one, booted until it is Ready and everything runs.
    pub(crate) fn healthy() -> Self {
        let node = Self::stopped();
        node.systemctl("start");
        node.wait_ready();
        node
    }

    /// As after a reboot with certificates that expired weeks ago: the kubelet crash-loops, nothing else runs.
    pub(crate) fn rebooted() -> Self {
        let node = Self::stopped();
        node.expire(&[], "-35 days");
        node.systemctl("start");
        node.wait_until_the_kubelet_dies();
        node
    }

    /// A command that will run inside the node, as root, with the administrator's kubeconfig in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = script("exec");
        command.arg(&self.directory).args(arguments).current_dir("/");
        command
    }

    /// Runs a command inside the node to its end.
    pub(crate) fn exec(&self, arguments: &[&str]) -> Run {
        run(self.command(arguments))
    }

    /// The same, and it must succeed. Its output.
    pub(crate) fn must(&self, arguments: &[&str]) -> String {
        let run = self.exec(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}\n{}", self.story());
        run.out
    }

    /// The program under test, run inside the node on the node itself.
    pub(crate) fn kuberescue(&self, arguments: &[&str]) -> Run {
        let started = Instant::now();
        let run = self.exec(&[&[env!("CARGO_BIN_EXE_kuberescue")], arguments].concat());
        eprintln!(
            "{:6.1} s  exit {}  kuberescue {}",
            started.elapsed().as_secs_f64(),
            run.code,
            arguments.join(" ")
        );
        run
    }

    /// The same, and it must succeed.
    pub(crate) fn rescued(&self, arguments: &[&str]) -> Run {
        let run = self.kuberescue(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}\n{}\n{}", run.out, run.err, self.story());
        run
    }

    /// The real kubectl, inside the node, with admin.conf.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Run {
        self.exec(&[&[kubectl().as_str(), "--request-timeout=5s"], arguments].concat())
    }

    /// An object, if the API server answers and has it.
    pub(crate) fn object(&self, arguments: &[&str]) -> Option<Value> {
        let run = self.kubectl(&[&["get", "-o", "json"], arguments].concat());
        (run.code == 0).then(|| serde_json::from_str(&run.out).unwrap())
    }

    /// Where a path of the node is on this machine; only below /etc, /opt, /var and /usr/libexec.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.directory.join("root").join(inside.trim_start_matches('/'))
    }

    pub(crate) fn text(&self, inside: &str) -> String {
        std::fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    /// The stand-in of systemctl, for the kubelet.
    pub(crate) fn systemctl(&self, verb: &str) {
        self.must(&["systemctl", verb, "kubelet"]);
    }

    /// [`Self::sign_again`], from 400 days ago.
    pub(crate) fn expire(&self, options: &[&str], until: &str) {
        self.sign_again(options, "-400 days", until);
    }

    /// Signs every leaf certificate again, valid from one time to another, each as `date -d` reads it; fewer or more with the
    /// options of `scripts/kubernetes/expire`.
    pub(crate) fn sign_again(&self, options: &[&str], from: &str, until: &str) {
        let mut command = script("expire");
        command.args(options).arg(self.directory.join("root")).args([from, until]);
        let run = run(command);
        assert_eq!(run.code, 0, "{run:?}");
    }

    /// Asks until there is an answer; fails with the node's story when there is none in time.
    pub(crate) fn wait_until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(started.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}\n{}", self.story());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Until the node is Ready with a fresh lease, and the four static pods are ready and serve. (The DaemonSet's takes minutes
    /// after a boot: the kubelet backs off until it has read the services.)
    pub(crate) fn wait_ready(&self) {
        let since = now();
        self.wait_until("the node is Ready and the static pods are", || {
            (self.is_ready_since(&since) && self.are_static_pods_ready()).then_some(())
        });
        // After a boot the pods' status can be that of before it, until the kubelet has reported.
        for port in ["10257", "10259"] {
            self.wait_until("kube-controller-manager and kube-scheduler serve", || self.is_healthy(port));
        }
    }

    /// Whether the component on this port says so itself, to openssl.
    fn is_healthy(&self, port: &str) -> Option<()> {
        let ask = format!(
            r"printf 'GET /healthz HTTP/1.0\r\n\r\n' | timeout 5 openssl s_client -quiet -connect 127.0.0.1:{port}"
        );
        self.exec(&["sh", "-c", &ask]).out.starts_with("HTTP/1.0 200 OK").then_some(())
    }

    /// Whether the node is Ready, and its lease was renewed after this moment.
    pub(crate) fn is_ready_since(&self, since: &str) -> bool {
        let ready = || {
            let node = self.object(&["node", "cp-1"])?;
            let conditions = node["status"]["conditions"].as_array()?;
            Some(conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
        };
        let fresh = || {
            let lease = self.object(&["lease", "-n", "kube-node-lease", "cp-1"])?;
            Some(lease["spec"]["renewTime"].as_str()? > since)
        };
        ready() == Some(true) && fresh() == Some(true)
    }

    fn are_static_pods_ready(&self) -> bool {
        let Some(pods) = self.object(&["pods", "-n", "kube-system", "-l", "tier=control-plane"]) else {
            return false;
        };
        let ready = |pod: &&Value| pod["status"]["containerStatuses"][0]["ready"] == true;
        pods["items"].as_array().unwrap().iter().filter(ready).count() == COMPONENTS.len()
    }

    /// What `probe` says, and its exit code.
    pub(crate) fn probe(&self) -> (Value, i32) {
        let run = self.kuberescue(&["probe", "-o", "json"]);
        let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        (report, run.code)
    }

    pub(crate) fn kubelet_log(&self) -> String {
        std::fs::read_to_string(self.path("/var/log/kubelet.log")).unwrap_or_default()
    }

    pub(crate) fn wait_until_the_kubelet_dies(&self) {
        self.wait_until("the kubelet keeps dying", || {
            self.kubelet_log().contains("unable to load bootstrap kubeconfig").then_some(())
        });
    }

    pub(crate) fn wait_until_the_kubelets_certificate_expires(&self) {
        let check = ["openssl", "x509", "-checkend", "0", "-noout", "-in", KUBELET];
        self.wait_until("the kubelet's certificate has expired", || {
            (self.exec(&check).code == 1).then_some(())
        });
    }

    pub(crate) fn wait_until_the_api_server_fails(&self) {
        self.wait_until("the API server has failed twice", || {
            let pods = std::fs::read_dir(self.path("/var/log/pods")).ok()?.flatten();
            let mut logs = pods.map(|pod| pod.path().join("kube-apiserver/2.log"));
            logs.any(|log| log.exists()).then_some(())
        });
    }

    /// The identifiers of a component's running containers.
    pub(crate) fn running(&self, component: &str) -> Vec<String> {
        let label = format!("labels.\"io.kubernetes.container.name\"=={component}");
        let ids = self.must(&["ctr", "-n", "k8s.io", "containers", "ls", "-q", &label]);
        let tasks = self.must(&["ctr", "-n", "k8s.io", "tasks", "ls"]);
        let runs = |id: &&str| tasks.lines().any(|line| line.starts_with(id) && line.contains("RUNNING"));
        ids.lines().filter(runs).map(str::to_owned).collect()
    }

    /// What a person would look at first.
    pub(crate) fn story(&self) -> String {
        let tail = |text: &str| {
            let lines: Vec<&str> = text.lines().collect();
            lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n")
        };
        let mut story = format!("--- kubelet\n{}\n", tail(&self.kubelet_log()));
        let pods = std::fs::read_dir(self.path("/var/log/pods")).into_iter().flatten().flatten();
        for container in pods.flat_map(|pod| std::fs::read_dir(pod.path()).unwrap().flatten()) {
            let logs = std::fs::read_dir(container.path()).into_iter().flatten().flatten();
            let newest = logs
                .map(|log| log.path())
                .max_by_key(|log| std::fs::metadata(log).and_then(|found| found.modified()).ok());
            let text = newest.and_then(|log| std::fs::read_to_string(log).ok()).unwrap_or_default();
            story.push_str(&format!("--- {}\n{}\n", container.path().display(), tail(&text)));
        }
        let listed = self.kubectl(&["get", "nodes,pods", "--all-namespaces", "-o", "wide"]);
        story + &listed.out + &listed.err + &self.exec(&["ctr", "-n", "k8s.io", "tasks", "ls"]).out
    }
}

/// The present time as a lease has it, to the second.
pub(crate) fn now() -> String {
    let date = run({
        let mut command = Command::new("date");
        command.args(["-u", "+%Y-%m-%dT%H:%M:%S"]);
        command
    });
    date.out.trim().to_owned()
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let mut down = script("down");
        down.arg(&self.directory);
        let run = run(down);
        if run.code != 0 && !std::thread::panicking() {
            panic!("the node was not taken down: {run:?}");
        }
    }
}
