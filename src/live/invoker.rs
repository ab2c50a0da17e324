//! Who runs this process.

use std::io;

use nix::unistd::{Uid, ttyname};

use crate::state::Invoker;

/// The longest user name that is recorded: Linux has 32 characters.
const MAX_NAME: usize = 256;

/// Looks. A process without a terminal, from cron or a pipe, has none.
pub fn look() -> Invoker {
    let sudo_user = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let tty = ttyname(io::stdin()).or_else(|_| ttyname(io::stderr())).ok();
    Invoker {
        uid: Uid::current().as_raw(),
        sudo_user: sudo_user.map(|name| name.chars().take(MAX_NAME).collect()),
        tty: tty.map(|path| path.display().to_string()),
    }
}
