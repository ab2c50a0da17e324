//! The user who runs this process, and the process itself.

use std::io;

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Uid, ttyname};

use crate::state::Invoker;
use crate::state::text::shell_word;

/// Linux allows 32 characters.
const MAX_NAME: usize = 256;

/// Reads the user. A process without a terminal, from cron or a pipe, has no terminal name.
pub fn look() -> Invoker {
    let sudo_user = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let tty = ttyname(io::stdin()).or_else(|_| ttyname(io::stderr())).ok();
    Invoker {
        uid: Uid::current().as_raw(),
        sudo_user: sudo_user.map(|name| name.chars().take(MAX_NAME).collect()),
        tty: tty.map(|path| path.display().to_string()),
    }
}

/// Keeps the memory of this process, which holds keys, out of core dumps and from debuggers of other users. Best
/// effort.
pub fn keep_memory_private() {
    let _limited = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // Without it /proc/self, through which labels of links are read, belongs to root.
    if Uid::effective().is_root() {
        let _hidden = set_dumpable(false);
    }
}

/// The user whose permissions count.
pub fn effective_uid() -> u32 {
    Uid::effective().as_raw()
}

/// The command line as typed, with sudo, words quoted for a shell where needed.
pub fn with_sudo() -> String {
    let words = std::env::args_os().skip(1).map(|word| shell_word(&word.to_string_lossy()));
    ["sudo kuberescue".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}
