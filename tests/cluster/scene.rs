//! A cluster, a kubeconfig for it, and the program.

use std::path::PathBuf;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::apiserver::{ApiServer, Asked, answer};
use crate::common::desk::Desk;
use crate::common::{Run, run};

pub const DAEMON_SETS: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets";
pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/kube-system/deployments";
pub const ETCD_DEFRAG: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/etcd-defrag";
pub const PODS: &str = "/api/v1/namespaces/kube-system/pods";
pub const OLD_POD: &str = "/api/v1/namespaces/kube-system/pods/etcd-defrag-kl28x";

/// How long ago something was by this machine's clock.
static AGO: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\(\d+ days ago\)").unwrap());

/// An address that nothing listens at.
static CLOSED_PORT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"127\.\d+\.0\.\d+:\d+").unwrap());

pub struct Scene {
    pub server: ApiServer,
    desk: Desk,
}

impl Scene {
    pub fn new() -> Self {
        let scene = Self { server: ApiServer::start(), desk: Desk::new() };
        scene.write_kubeconfig(&scene.server.admin());
        scene
    }

    /// The same, asked by somebody else.
    pub fn asked_by(name: &str) -> Self {
        let scene = Self::new();
        let client = scene.server.authority.leaf(name);
        scene.write_kubeconfig(&scene.server.kubeconfig(&client));
        scene
    }

    /// With each list item as a real list has it.
    pub fn well() -> Self {
        let scene = Self::new();
        scene.server.store().objects.remove(OLD_POD);
        scene
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.desk.path("config")
    }

    pub fn home(&self) -> PathBuf {
        self.desk.path("home")
    }

    pub fn write_kubeconfig(&self, text: &str) {
        self.desk.write("config", text);
    }

    pub fn run(&self, arguments: &str) -> Run {
        let mut command = self.desk.command(arguments);
        command.arg("--kubeconfig").arg(self.kubeconfig());
        let run = run(command);
        assert!(!format!("{run}").contains('\u{1b}'), "no escape reaches a terminal\n{run}");
        run
    }

    /// A text with `SERVER` and `CONFIG` in place of what differs from run to run.
    pub fn shown(&self, text: &str) -> String {
        let config = self.kubeconfig().display().to_string();
        let text = text.replace(&self.server.url(), "SERVER").replace(&config, "CONFIG");
        let text = CLOSED_PORT.replace_all(&text, "ADDRESS");
        AGO.replace_all(&text, "(N days ago)").into_owned()
    }

    /// What was printed, and the exit code.
    pub fn screen(&self, run: &Run) -> String {
        self.shown(&format!("{}{}exit {}", run.out, run.err, run.code))
    }

    /// The same as JSON, and the exit code.
    pub fn json(&self, arguments: &str) -> (Value, i32) {
        let run = self.run(&format!("{arguments} -o json"));
        let value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}\n{run}"));
        (value, run.code)
    }

    pub fn insert(&self, path: &str, object: Value) {
        self.server.store().objects.insert(path.to_owned(), object);
    }

    pub fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        change(self.server.store().object(path));
    }

    /// What is answered instead of what would be.
    pub fn instead(&self, method: &str, path: &str, reply: Vec<u8>) {
        self.server.store().instead.insert((method.to_owned(), path.to_owned()), reply);
    }

    pub fn patches(&self) -> Vec<Asked> {
        self.server.store().log.iter().filter(|asked| asked.method == "PATCH").cloned().collect()
    }

    /// What the controller-manager does to a set after it was patched: the n-th time that it is looked at, its status is
    /// merged with the n-th of these; then with the last.
    pub fn controller(&self, path: &'static str, steps: Vec<Value>) {
        let (mut patched, mut looks) = (false, 0);
        self.server.store().before = Some(Box::new(move |asked, objects| {
            if asked.path != path {
                return;
            }
            if asked.method == "PATCH" {
                patched = true;
            } else if patched && !steps.is_empty() {
                let step: &Value = steps.get(looks).unwrap_or_else(|| steps.last().unwrap());
                for (key, value) in step.as_object().unwrap() {
                    objects.get_mut(path).unwrap()["status"][key] = value.clone();
                }
                looks += 1;
            }
        }));
    }
}

/// An answer that breaks off.
pub fn truncated(object: &Value) -> Vec<u8> {
    let whole = answer(200, object);
    let head = whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let half = &whole[head..head + (whole.len() - head) / 2];
    crate::server::http(200, "content-type: application/json\r\n", half)
}
