//! Why the kubelet could not be restarted.

use std::time::Duration;

use super::systemctl::SystemctlError;

/// Why the kubelet does not run as it should after a restart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeletError {
    /// systemd knows no such unit, and no such process runs.
    #[error("cannot restart the kubelet: systemd knows no unit kubelet, and no process of that name runs")]
    NotInstalled,
    #[error("cannot restart the kubelet: its systemd unit is masked")]
    Masked,
    /// None runs, and nothing has started one.
    #[error("cannot restart the kubelet: none runs, and nothing has started one within {} s", waited.as_secs())]
    NotRunning {
        waited: Duration,
        /// Whether systemd is the one to start it.
        systemd: bool,
    },
    /// It was started and didn't stay.
    #[error("cannot restart the kubelet: it exited {exits} times within seconds")]
    CrashLoop {
        /// How often it was seen to exit.
        exits: u32,
        systemd: bool,
    },
    /// It was told to end and didn't.
    #[error("cannot stop the kubelet (process {pid}): it did not exit within {} s of SIGTERM", waited.as_secs())]
    WontStop { pid: i32, waited: Duration },
    /// It may not be told to end.
    #[error("cannot stop the kubelet (process {pid}): {why}")]
    Signal {
        pid: i32,
        /// The operating system's message.
        why: String,
    },
    /// systemd refused, or gave no answer.
    #[error("{0}")]
    Systemd(String),
}

impl From<SystemctlError> for KubeletError {
    fn from(error: SystemctlError) -> Self {
        Self::Systemd(error.to_string())
    }
}
