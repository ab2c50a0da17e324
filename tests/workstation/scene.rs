//! An admin workstation: a directory with bmctl's workspace, an admin cluster that keeps a Secret, and the cluster that
//! the kubeconfig in it leads to.

use std::cell::RefCell;
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::json;

use crate::apiserver::{ApiServer, certificate_user, kubeconfig};
use crate::common::desk::Desk;
use crate::common::{Run, base64, decoded, kuberescue, run};
use crate::server::{Authority, Leaf};

pub const SECRET: &str = "/api/v1/namespaces/cluster-cluster1/secrets/cluster1-kubeconfig";
/// The options that name it.
pub const FROM: &str = "--admin-kubeconfig admin --cluster cluster1";
/// Where bmctl keeps the kubeconfig.
pub const FILE: &str = "bmctl-workspace/cluster1/cluster1-kubeconfig";

pub struct Scene {
    pub admin: ApiServer,
    pub cluster: ApiServer,
    pub desk: Desk,
    /// The kubeconfig whose certificate has expired.
    pub old: String,
    /// The one that works.
    pub new: String,
    pub leaf: Leaf,
    /// What each run has shown, since the last look at it.
    shown: RefCell<Vec<(String, String)>>,
}

/// What differs from run to run, and what stands for it.
static VARYING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\.\d{8}T\d{6}Z(-\d+)?", ".TIME"),
        (r"\(\d+ days ago\)", "(N days ago)"),
        (r"\(in \d+ days\)", "(in N days)"),
        (r"127\.\d+\.0\.\d+:\d{2,}", "ADDRESS"),
        (r"\b[0-9a-f]{16,40}\b", "HEX"),
        (r"\b(?:\d+[ydhms]){1,2}( +v1\.)", "AGE$1"),
        (r"after \d{3,} bytes", "after N bytes"),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
    .into()
});

impl Deref for Scene {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl Scene {
    /// The workstation has an expired kubeconfig, the Secret the new one.
    pub fn new() -> Self {
        let (admin, cluster) = (ApiServer::start(), ApiServer::start());
        let leaf = cluster.authority.leaf("kubernetes-admin");
        let (old, new) =
            (cluster.kubeconfig(&cluster.authority.expired("kubernetes-admin")), cluster.kubeconfig(&leaf));
        let scene = Self { admin, cluster, desk: Desk::new(), old, new, leaf, shown: RefCell::default() };
        scene.write("admin", scene.admin.admin());
        scene.write(FILE, &scene.old);
        scene.keep_in_secret(&scene.new);
        scene
    }

    /// Writes a file that only its owner reads.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.desk.write(name, bytes);
        self.chmod(name, 0o600);
    }

    pub fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.path(name)).unwrap().mode() & 0o7777
    }

    pub fn chmod(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What is in a directory, sorted.
    pub fn names(&self, directory: &str) -> Vec<String> {
        let found = std::fs::read_dir(self.path(directory)).unwrap();
        let mut names: Vec<_> =
            found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The dated copies of a file.
    pub fn copies(&self, name: &str) -> Vec<String> {
        let path = Path::new(name);
        let start = format!("{}.", path.file_name().unwrap().to_str().unwrap());
        let directory = path.parent().unwrap().to_str().unwrap();
        let names = self.names(directory).into_iter().filter(|name| name.starts_with(&start));
        names.map(|name| Path::new(directory).join(name).to_str().unwrap().to_owned()).collect()
    }

    /// Puts a kubeconfig into the Secret.
    pub fn keep_in_secret(&self, value: impl AsRef<[u8]>) {
        self.admin.store().object(SECRET)["data"] = json!({"value": base64(value.as_ref())});
    }

    /// What the Secret holds.
    pub fn in_secret(&self) -> String {
        let value = self.admin.store().object(SECRET)["data"]["value"].as_str().unwrap().to_owned();
        String::from_utf8(decoded(&value)).unwrap()
    }

    pub fn command(&self, arguments: &str) -> Command {
        self.dressed(kuberescue(), arguments)
    }

    /// A program that runs kuberescue, here.
    pub fn dressed(&self, mut command: Command, arguments: &str) -> Command {
        command.current_dir(self.directory.path()).env_remove("KUBECONFIG").env("HOME", self.path("home"));
        command.env("NO_PROXY", "127.0.0.1");
        command.arg("kubeconfig").args(arguments.split_whitespace());
        command
    }

    /// Runs it; no key is seen in what it says.
    pub fn run(&self, arguments: &str) -> Run {
        self.run_as(self.command(arguments), arguments)
    }

    /// The same of a command that was prepared otherwise.
    pub fn run_as(&self, command: Command, arguments: &str) -> Run {
        let run = run(command);
        assert!(!run.err.contains("PRIVATE KEY") && !run.err.contains("LS0tLS1CRUdJTi"), "{run}");
        if !arguments.starts_with("fetch") || arguments.contains("--") && arguments.contains("--compare") {
            assert!(!run.out.contains("PRIVATE KEY") && !run.out.contains("LS0tLS1CRUdJTi"), "{run}");
        }
        self.shown.borrow_mut().push((format!("{arguments}: exit {}", run.code), run.err.clone()));
        run
    }

    /// What the runs since the last look have said beside their result. Lines that a run begins with like the one
    /// before it are `…`.
    pub fn screens(&self) -> String {
        let (mut text, mut before) = (String::new(), String::new());
        for (head, said) in self.shown.take() {
            let same = said.lines().zip(before.lines()).take_while(|(line, other)| line == other).count();
            let same = if same == said.lines().count() { 0 } else { same };
            let rest: String = said.lines().skip(same).map(|line| format!("  {line}\n")).collect();
            text += &format!("{head}\n{}{rest}", if same > 0 { "  …\n" } else { "" });
            before = said;
        }
        self.steady(&text)
    }

    /// The tables of a run, without what differs from run to run.
    pub fn tables(&self, run: &Run) -> String {
        let cells = Regex::new(" {2,}").unwrap();
        self.steady(&run.out)
            .lines()
            .map(|line| format!("{}\n", cells.replace_all(line.trim_end(), "  ")))
            .collect()
    }

    fn steady(&self, text: &str) -> String {
        let directory = self.directory.path().canonicalize().unwrap().display().to_string();
        let text = text.replace(&directory, "DIR");
        let text = text.replace(&self.admin.url(), "ADMIN").replace(&self.cluster.url(), "CLUSTER");
        VARYING.iter().fold(text, |text, (pattern, name)| pattern.replace_all(&text, *name).into_owned())
    }

    /// It fails with a hint; nothing changes, here and in the Secret.
    pub fn fails(&self, arguments: &str) -> Run {
        let before = (self.snapshot(), self.admin.store().objects.get(SECRET).cloned());
        let run = self.run(arguments);
        assert!(run.code != 0 && run.err.contains("\nhint: "), "{arguments}\n{run}");
        assert_eq!(self.snapshot(), before.0, "{arguments}\n{run}");
        assert_eq!(self.admin.store().objects.get(SECRET).cloned(), before.1, "{arguments}\n{run}");
        run
    }

    /// Every file: path, mode, inode, content.
    pub fn snapshot(&self) -> Vec<(PathBuf, u32, u64, Vec<u8>)> {
        let mut found = Vec::new();
        let mut directories = vec![self.directory.path().to_path_buf()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                if metadata.is_dir() {
                    directories.push(path);
                } else {
                    let content = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
                    found.push((path, metadata.mode() & 0o7777, metadata.ino(), content));
                }
            }
        }
        found.sort();
        found
    }

    /// A kubeconfig of this client at the cluster, with another server in it.
    pub fn elsewhere(&self, server: &str, authority: &Authority, client: &Leaf) -> String {
        kubeconfig(server, authority, &certificate_user(client))
    }

    /// What the cluster was asked.
    pub fn asked(&self) -> Vec<String> {
        self.cluster.store().asked()
    }
}
