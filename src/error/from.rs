//! Every failure of a lower layer as an [`Error`]: its code, its kind and the next step, in one place.

use std::io::{self, ErrorKind};
use std::path::Path;

use jiff::Timestamp;

use super::{Error, Kind};
use crate::analysis::node::plan::Refusal;
use crate::disk;
use crate::disk::obstacle::Obstacle;
use crate::formats::bolt::ReadError;
use crate::live::Fault;
use crate::live::api::ApiError;
use crate::live::cri::CriError;
use crate::live::cri::endpoint::EndpointError;
use crate::live::invoker;
use crate::live::kubelet::KubeletError;
use crate::state::text::shell_word;
use crate::state::time::expired_on;
use crate::state::{Code, os};

impl From<&Refusal> for Error {
    fn from(refusal: &Refusal) -> Self {
        Self::refused(refusal.code, &refusal.what).hint(refusal.hint.clone())
    }
}

impl From<crate::issue::IssueError> for Error {
    fn from(error: crate::issue::IssueError) -> Self {
        Self::could_not_run(error).code(Code::IssueFailed).hint("kuberescue diagnose")
    }
}

/// A request to an API server that failed.
pub struct ApiFailure<'a> {
    /// Verb and object of the sentence: `list the nodes`.
    pub what: &'a str,
    /// The kubeconfig as it was named.
    pub source: &'a str,
    /// URL of the API server.
    pub server: &'a str,
    pub proxy: Option<&'a str>,
    /// When the client certificate expired, and now.
    pub expired: Option<(Timestamp, Timestamp)>,
    pub error: &'a ApiError,
    /// Whether it was about the Secret of a cluster's kubeconfig.
    pub of_secret: bool,
}

impl From<ApiFailure<'_>> for Error {
    fn from(failed: ApiFailure<'_>) -> Self {
        let ApiFailure { what, source, server, error, .. } = failed;
        let code = error.code();
        let expired =
            failed.expired.filter(|_| matches!(code, Code::Unauthorized | Code::ClientCertificateRejected));
        let expired = expired.map(|(end, now)| format!("; its client certificate {}", expired_on(end, now)));
        let proxy = failed.proxy.map(|proxy| format!(" through proxy {proxy}")).unwrap_or_default();
        let message =
            format!("cannot {what}: {error} ({server}{proxy} with {source}{})", expired.unwrap_or_default());
        Self::could_not_run(message).code(code).hint(hint(&failed))
    }
}

/// The next command after an answer of an API server, or after none.
fn hint(failed: &ApiFailure<'_>) -> String {
    let source = failed.source;
    match failed.error {
        ApiError::Status { status: 404, .. } if failed.of_secret => {
            format!("kubectl --kubeconfig {source} get secrets -A | grep kubeconfig")
        }
        ApiError::Status { status: 422, .. } if failed.of_secret => {
            "check whether the Secret is immutable or guarded by a webhook: kubectl get secret -o yaml"
                .to_owned()
        }
        ApiError::Kubeconfig(_)
        | ApiError::Fault(Fault::ClientCertificateRejected(_))
        | ApiError::Status { status: 401, .. } => format!("kuberescue kubeconfig check {source}"),
        ApiError::Credential(_) => {
            "use admin.conf of a control-plane node (/etc/kubernetes/admin.conf), or repair the plug-in"
                .to_owned()
        }
        ApiError::Status { status: 403, .. } => {
            "use admin.conf of a control-plane node: /etc/kubernetes/admin.conf".to_owned()
        }
        ApiError::Name { .. } => "names consist of lower-case letters, digits, - and .".to_owned(),
        ApiError::Status { status: 404, .. } => {
            format!("kuberescue nodes --kubeconfig {source} shows which cluster answers")
        }
        ApiError::Status { status: 409, .. } => {
            "it was changed by somebody else at the same time; nothing was changed: run the command again"
                .to_owned()
        }
        ApiError::Status { status: 429, .. } => {
            "the API server is overloaded: run the command again later, or with --request-timeout 60s"
                .to_owned()
        }
        ApiError::Status { status: 502..=504, .. } | ApiError::Fault(_) if failed.proxy.is_some() => {
            "bypass the proxy: NO_PROXY=HOST in the environment, or remove proxy-url from the kubeconfig"
                .to_owned()
        }
        ApiError::Status { .. } => "on a control-plane node: sudo kuberescue probe".to_owned(),
        ApiError::Fault(Fault::TimedOut) => {
            "check firewalls, or wait longer: --request-timeout 60s".to_owned()
        }
        ApiError::Fault(Fault::Refused | Fault::Unreachable(_)) => {
            format!("check the address in {source}; on a control-plane node: sudo kuberescue probe")
        }
        ApiError::Fault(Fault::ServerExpired(_)) => "on its node: sudo kuberescue recover".to_owned(),
        ApiError::Fault(Fault::ServerCertificate(_) | Fault::Tls(_) | Fault::Answer(_) | Fault::Proxy(_))
        | ApiError::Unintelligible(_) => format!("kuberescue kubeconfig check --connect {source}"),
    }
}

/// A database of etcd, or a snapshot of it, that cannot be read.
pub struct DatabaseFailure<'a> {
    /// Verb and object of the sentence: `read etcd's database FILE`.
    pub what: &'a str,
    /// Of a file that can be looked at.
    pub path: Option<&'a Path>,
    pub error: &'a ReadError,
}

impl From<DatabaseFailure<'_>> for Error {
    fn from(failed: DatabaseFailure<'_>) -> Self {
        let DatabaseFailure { what, path, error } = failed;
        let (code, hint) = match error {
            ReadError::Io(_) => (Code::FileError, "journalctl -k -p err".to_owned()),
            ReadError::Busy { .. } => (Code::ChangedMeanwhile, "run the same command again".to_owned()),
            ReadError::Head(_) | ReadError::Damaged { .. } | ReadError::Record { .. } => {
                let file = path.map(|path| format!("; file {}", shell_word(&path.display().to_string())));
                let code = Code::EtcdDataBroken;
                (code, format!("kuberescue explain {code}{}", file.unwrap_or_default()))
            }
        };
        Self::could_not_run(format!("cannot {what}: {error}")).code(code).hint(hint)
    }
}

impl From<disk::Error> for Error {
    fn from(error: disk::Error) -> Self {
        Self::from(&error)
    }
}

/// How many commands a hint names.
const MOST_COMMANDS: usize = 3;
/// A path that this user has no permission for. For root itself sudo doesn't help: a mount, a security module or a
/// file attribute denies it.
pub fn denied(doing: &str, path: &Path, why: &str) -> Error {
    let (uid, path) = (invoker::effective_uid(), path.display());
    let error = Error::could_not_run(format!("cannot {doing} {path}: {why} (uid {uid})"));
    match uid {
        0 => error
            .code(Code::FileError)
            .hint(format!("namei -l {0}; lsattr -d {0}", shell_word(&path.to_string()))),
        _ => error.code(Code::NotRoot).hint(invoker::with_sudo()),
    }
}

const AGAIN: &str = "nothing was changed; run the same command again once the cause is gone";

/// The code of a file that cannot be read or written.
const fn of_file(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::PermissionDenied => Code::NotRoot,
        ErrorKind::ReadOnlyFilesystem => Code::DiskReadOnly,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Code::NoSpace,
        _ => Code::FileError,
    }
}

/// The hint is what helps wherever the error comes from; a caller who knows better replaces it.
impl From<&disk::Error> for Error {
    fn from(error: &disk::Error) -> Self {
        use disk::Error as Disk;
        let failure = Self::could_not_run(error).code(Code::FileError);
        match error {
            Disk::AfterCommit { .. } => Self::manual_action(error)
                .code(Code::InterruptedChange)
                .hint("sudo kuberescue resume completes the change, sudo kuberescue rollback undoes it"),
            Disk::StillParked { .. } => {
                Self::manual_action(error).code(Code::InterruptedRestart).hint("sudo kuberescue resume")
            }
            Disk::TakenBack { .. } => Self::rolled_back(error)
                .code(Code::RolledBack)
                .hint("nothing was restarted; run the same command again once the cause is gone"),
            Disk::Obstacles { obstacles } => {
                let lines = obstacles.iter().map(|(path, found)| format!("{} {}", path.display(), found.what()));
                // One mount, or one user, is behind all of a kind.
                let mut seen = Vec::new();
                let mut once = |found: &Obstacle| {
                    let known = matches!(found, Obstacle::ReadOnly | Obstacle::Denied) && seen.contains(found);
                    seen.push(*found);
                    !known
                };
                let commands = obstacles.iter().filter(|(_, found)| once(found)).take(MOST_COMMANDS);
                let commands: Vec<_> = commands.map(|(path, found)| found.remedy(path)).collect();
                Self::refused(Code::NotReplaceable, error)
                    .details(lines.collect::<Vec<_>>())
                    .hint(format!("{}; then run the same command again", commands.join("; ")))
            }
            Disk::Differs { .. } => failure.code(Code::ChangedSince),
            Disk::Changed { .. } | Disk::ArchiveDiffers { .. } => {
                let hint = "nothing was changed; kuberescue archive diff ARCHIVE shows what differs";
                failure.code(Code::ChangedMeanwhile).hint(hint)
            }
            Disk::Locked { .. } => failure
                .code(Code::Locked)
                .hint("wait for the other run to finish, then run the same command again"),
            Disk::Pending { .. } => {
                failure.code(Code::InterruptedChange).hint("sudo kuberescue resume, or sudo kuberescue rollback")
            }
            Disk::Parked => failure.code(Code::InterruptedRestart).hint("sudo kuberescue resume"),
            Disk::Journal { .. } => failure.hint(
                "that file is damaged or was not written by kuberescue: read it before you move it away; the archives \
                 beside it hold the old states (sudo kuberescue archive list)",
            ),
            Disk::ArchiveFile { .. } => Self::new(Kind::Findings, error)
                .code(Code::ArchiveDamaged)
                .hint("sudo kuberescue archive list"),
            Disk::Packed { path, packing } => {
                Self::new(Kind::Findings, error).code(Code::ArchivePacked).hint(packing.undone(path))
            }
            Disk::NoArchive { .. } => failure.code(Code::NoArchive).hint("sudo kuberescue archive list"),
            Disk::Archive { .. } => failure.hint("nothing was changed; run the same command again"),
            Disk::RootNotFound { .. } | Disk::RootNotADirectory { .. } => failure
                .code(Code::RootUnreadable)
                .hint("--root takes the directory under which the node's /etc/kubernetes is"),
            Disk::RootDenied { path } => denied("read", path, "permission denied"),
            Disk::Io { doing, path, source } => match source.kind() {
                ErrorKind::PermissionDenied => denied(doing, path, &os::reason(source)),
                ErrorKind::NotFound => failure.hint("check the path; nothing was changed"),
                kind => failure.code(of_file(kind)).hint(AGAIN),
            },
            Disk::NotCleaned { .. } => failure.code(Code::InterruptedChange).hint(AGAIN),
            Disk::Unsupported { .. } | Disk::ReadBack { .. } => failure.hint(AGAIN),
        }
    }
}

/// A file on this machine, outside of any node, that cannot be read.
#[derive(Clone, Copy)]
pub struct FileFailure<'a> {
    pub path: &'a Path,
    pub error: &'a io::Error,
}

impl From<FileFailure<'_>> for Error {
    fn from(FileFailure { path, error }: FileFailure<'_>) -> Self {
        let failure = Self::could_not_run(format!("cannot read {}: {}", path.display(), os::reason(error)));
        failure.code(of_file(error.kind())).hint(os_hint(error))
    }
}

/// The next step where a kubeconfig cannot be read.
pub fn os_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::IsADirectory => "name the file in it, such as ~/.kube/config or CLUSTER-kubeconfig",
        ErrorKind::PermissionDenied => "run the command as the owner of the file, or with sudo",
        ErrorKind::FileTooLarge | ErrorKind::InvalidData => {
            "a kubeconfig is a small text file: check the path"
        }
        _ => "look in $KUBECONFIG, ~/.kube/config, or bmctl-workspace/NAME/NAME-kubeconfig",
    }
}

const NAME_THE_SOCKET: &str = "name the runtime's socket with --cri-socket unix:///PATH";

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        Self::could_not_run(&error).code(Code::NoRuntime).hint(match error {
            EndpointError::NotUnix { .. } => NAME_THE_SOCKET,
            EndpointError::Dockershim { .. } => "restart the static pods without CRI: --restart=manifest",
            EndpointError::NotFound => {
                "start the runtime (systemctl start containerd), name its socket with --cri-socket unix:///PATH, or go \
                 without CRI: --restart=manifest"
            }
        })
    }
}

impl From<CriError> for Error {
    fn from(error: CriError) -> Self {
        let hint = match &error {
            CriError::Missing { socket } | CriError::Refused { socket } => format!(
                "start the runtime: systemctl start {}; if its socket is elsewhere, {NAME_THE_SOCKET}",
                runtime_unit(socket)
            ),
            CriError::Denied { .. } => "run the same command with sudo".to_owned(),
            CriError::Silent { socket, .. } | CriError::Closed { socket } | CriError::Deadline { socket, .. } => {
                format!(
                    "see journalctl -u {0}; systemctl restart {0} leaves the containers running",
                    runtime_unit(socket)
                )
            }
            CriError::Unavailable { socket, .. } | CriError::Answer { socket, .. } => {
                format!("see journalctl -u {}", runtime_unit(socket))
            }
            CriError::Http1 { .. } => format!(
                "if this is Docker's socket, cri-dockerd's is needed (unix:///var/run/cri-dockerd.sock): \
                 {NAME_THE_SOCKET}"
            ),
            CriError::NoCri { .. } => {
                "remove \"cri\" from disabled_plugins in /etc/containerd/config.toml and run systemctl restart \
                 containerd; or go without CRI: --restart=manifest"
                    .to_owned()
            }
            CriError::NotASocket { .. }
            | CriError::Connect { .. }
            | CriError::NotGrpc { .. }
            | CriError::NoLoop { .. } => NAME_THE_SOCKET.to_owned(),
        };
        Self::could_not_run(&error).code(Code::NoRuntime).hint(hint)
    }
}

/// The systemd unit that makes a socket of this path.
fn runtime_unit(socket: &Path) -> &'static str {
    let path = socket.to_string_lossy();
    if path.contains("crio") {
        "crio"
    } else if path.contains("cri-dockerd") {
        "cri-docker"
    } else if path.contains("dockershim") {
        "kubelet"
    } else {
        "containerd"
    }
}

/// A kubelet is restarted after a change, so manual action is required.
impl From<KubeletError> for Error {
    fn from(error: KubeletError) -> Self {
        Self::manual_action(&error).code(Code::RestartFailed).hint(match error {
            KubeletError::NotInstalled => "install the kubelet of the cluster's version, then run this again",
            KubeletError::Masked => "systemctl unmask kubelet, then run this again",
            KubeletError::NotRunning { systemd: true, .. } | KubeletError::Systemd(_) => {
                "see systemctl status kubelet and journalctl -u kubelet -n 20, then systemctl restart kubelet"
            }
            KubeletError::NotRunning { systemd: false, .. } => {
                "systemd does not run here: start the kubelet as this machine starts it, then run this again"
            }
            KubeletError::CrashLoop { systemd: true, .. } => "journalctl -u kubelet -n 20",
            KubeletError::CrashLoop { systemd: false, .. } => "see the kubelet's log",
            KubeletError::WontStop { .. } => {
                "see what the kubelet waits for, or stop it with kill -9; then run this again"
            }
            KubeletError::Signal { .. } => "run the same command with sudo",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    fn screen(error: impl Into<Error>) -> String {
        let error = error.into();
        let code = error.code.map(|code| format!(" [{code}]")).unwrap_or_default();
        format!("{}{code}: {}\n  hint: {}\n", error.exit() as u8, error.message, error.hints.join("; "))
    }

    #[test]
    fn a_runtime_or_kubelet_that_fails_names_the_next_step() {
        let socket = || PathBuf::from("/run/containerd/containerd.sock");
        let waited = Duration::from_secs(5);
        let all = [
            screen(CriError::Missing { socket: "/var/run/crio/crio.sock".into() }),
            screen(CriError::Denied { socket: socket() }),
            screen(CriError::Silent { socket: socket(), waited }),
            screen(CriError::Http1 { socket: "/var/run/docker.sock".into() }),
            screen(CriError::NoCri { socket: socket() }),
            screen(EndpointError::NotFound),
            screen(KubeletError::NotInstalled),
            screen(KubeletError::CrashLoop { exits: 3, systemd: true }),
            screen(KubeletError::WontStop { pid: 7, waited }),
        ];
        insta::assert_snapshot!(all.concat(), @r#"
        2 [no-runtime]: cannot connect to /var/run/crio/crio.sock: no such socket
          hint: start the runtime: systemctl start crio; if its socket is elsewhere, name the runtime's socket with --cri-socket unix:///PATH
        2 [no-runtime]: cannot connect to /run/containerd/containerd.sock: permission denied
          hint: run the same command with sudo
        2 [no-runtime]: cannot connect to /run/containerd/containerd.sock: it accepts the connection, but does not answer within 5 s
          hint: see journalctl -u containerd; systemctl restart containerd leaves the containers running
        2 [no-runtime]: cannot connect to /var/run/docker.sock: it speaks HTTP/1 and is no CRI socket
          hint: if this is Docker's socket, cri-dockerd's is needed (unix:///var/run/cri-dockerd.sock): name the runtime's socket with --cri-socket unix:///PATH
        2 [no-runtime]: cannot use the runtime at /run/containerd/containerd.sock: it answers, but without CRI, neither v1 nor v1alpha2
          hint: remove "cri" from disabled_plugins in /etc/containerd/config.toml and run systemctl restart containerd; or go without CRI: --restart=manifest
        2 [no-runtime]: cannot find a container runtime: no socket at /run/containerd/containerd.sock, /var/run/crio/crio.sock, /var/run/cri-dockerd.sock
          hint: start the runtime (systemctl start containerd), name its socket with --cri-socket unix:///PATH, or go without CRI: --restart=manifest
        4 [restart-failed]: cannot restart the kubelet: systemd knows no unit kubelet, and no process of that name runs
          hint: install the kubelet of the cluster's version, then run this again
        4 [restart-failed]: cannot restart the kubelet: it exited 3 times within seconds
          hint: journalctl -u kubelet -n 20
        4 [restart-failed]: cannot stop the kubelet (process 7): it did not exit within 5 s of SIGTERM
          hint: see what the kubelet waits for, or stop it with kill -9; then run this again
        "#);
    }
}
