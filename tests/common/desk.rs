//! A person's directory with kubeconfigs in it, and the program run there.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::kuberescue;

pub struct Desk {
    pub directory: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, with its directories.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The program in this directory, with nothing of the caller's environment that matters to it.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = kuberescue();
        command.current_dir(self.directory.path()).env("HOME", self.path("home"));
        for name in
            ["KUBECONFIG", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"]
        {
            command.env_remove(name);
        }
        command.args(arguments.split_whitespace());
        command
    }
}
