use std::path::{Path, PathBuf};
use std::process::Command;

use super::{is_root, skip};

/// A directory or file over which another is mounted; away when dropped.
pub struct Mounted(PathBuf);

impl Mounted {
    /// Binds `from` over `at` and then changes the mount with each of the options `more`; none where nothing can be
    /// mounted, which is said.
    pub fn over(at: &Path, from: &Path, more: &[&str]) -> Option<Self> {
        if !is_root() {
            skip("only root can mount");
            return None;
        }
        let mount = |words: &[&str]| Command::new("mount").args(words).arg(at).output().unwrap();
        let done = mount(&["--bind", from.to_str().unwrap()]);
        if !done.status.success() {
            skip(&format!("nothing can be mounted: {}", String::from_utf8_lossy(&done.stderr)));
            return None;
        }
        let mounted = Self(at.to_owned());
        for how in more {
            assert!(mount(&["-o", how]).status.success(), "{how}");
        }
        Some(mounted)
    }

    pub fn read_only(at: &Path) -> Option<Self> {
        Self::over(at, at, &["remount,ro,bind"])
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
