//! Why the kubelet could not be restarted, each with what to do.

use std::time::Duration;

use super::systemctl::SystemctlError;

/// Why the kubelet does not run as it should after a restart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeletError {
    /// systemd knows no such unit, and no such process runs.
    #[error(
        "there is no kubelet on this machine: systemd knows no unit kubelet, and no process of that name runs"
    )]
    NotInstalled,
    #[error("the unit kubelet is masked: systemd doesn't start it")]
    Masked,
    /// None runs, and nothing has started one.
    #[error("no kubelet runs, and nothing has started one within {} s", waited.as_secs())]
    NotRunning { waited: Duration, systemd: bool },
    /// It was started and exited again.
    #[error("the kubelet doesn't stay up: it exited {deaths} times within seconds")]
    CrashLoop {
        /// How often it was seen to exit.
        deaths: u32,
        systemd: bool,
    },
    /// It got SIGTERM and did not exit.
    #[error("the kubelet (process {pid}) didn't end within {} s of SIGTERM", waited.as_secs())]
    WontStop { pid: i32, waited: Duration },
    /// Permission to send a signal was denied.
    #[error("the kubelet (process {pid}) can't be told to end: {why}")]
    Signal {
        pid: i32,
        /// The operating system's message.
        why: String,
    },
    /// systemd refused, or gave no answer.
    #[error("{0}")]
    Systemd(String),
}

impl KubeletError {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotInstalled => "install the kubelet of the cluster's version, then run this again",
            Self::Masked => "systemctl unmask kubelet, then run this again",
            Self::NotRunning { systemd: true, .. } | Self::Systemd(_) => {
                "systemctl status kubelet and journalctl -u kubelet -n 20 say why; systemctl restart kubelet"
            }
            Self::NotRunning { systemd: false, .. } => {
                "no systemd runs here: start the kubelet in the way in which this machine starts it, then run this again"
            }
            Self::CrashLoop { systemd: true, .. } => "journalctl -u kubelet -n 20 says what it died of",
            Self::CrashLoop { systemd: false, .. } => "its log says what it died of",
            Self::WontStop { .. } => "look what it waits for, or end it with kill -9; then run this again",
            Self::Signal { .. } => "run this as root",
        }
    }
}

impl From<SystemctlError> for KubeletError {
    fn from(error: SystemctlError) -> Self {
        Self::Systemd(error.to_string())
    }
}
