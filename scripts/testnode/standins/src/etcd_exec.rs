//! Becomes the real etcd, without the flags of kubeadm's manifests that Debian's etcd 3.4 doesn't know yet.
//!
//! After this the process is etcd itself: nothing stands between it and a signal.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::{Failure, Flags};

/// Where the image has the real one.
const ETCD: &str = "/usr/lib/etcd/etcd";
/// Flags that are newer than 3.4.
const NEWER: [&str; 2] = ["--feature-gates", "--watch-progress-notify-interval"];

/// Returns only when it failed.
pub(crate) fn exec(flags: &Flags) -> Failure {
    let known =
        flags.0.iter().filter(|flag| !NEWER.iter().any(|newer| flag.split('=').next() == Some(newer)));
    format!("{ETCD}: {}", Command::new(ETCD).arg0("etcd").args(known).exec()).into()
}
