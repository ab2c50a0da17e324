//! Every code that is ever printed in brackets, each with its page: meaning, cause, remedy.
//!
//! The codes are part of the command line's contract: none is renamed or reused. A new one is a line in the
//! list here and a page in the file of its class.

mod ca;
mod change;
mod cluster;
mod credential;
mod etcd;
mod host;
mod kubeconfig;
mod kubelet;
mod log_certificates;
mod log_others;
mod probe;

use serde::{Serialize, Serializer};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not a fault.
    Note,
    /// The control plane works with it.
    Warning,
    /// Keeps the control plane, or a part of it, from working.
    Blocker,
}

/// The kind of problem of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    Clock,
    /// Space on the disk.
    Disk,
    /// etcd's data and members.
    Etcd,
    Manifest,
    Kubelet,
    /// Certificates, keys, kubeconfigs: what kuberescue reissues.
    Credential,
    /// Keys that others can read.
    Exposure,
    /// Kubeconfigs of a workstation.
    Kubeconfig,
    /// What the running node serves and answers.
    Probe,
    /// The cluster's nodes, pods and requests, according to its API server.
    Cluster,
    /// An interrupted change by this tool.
    Change,
    /// What is refused for safety, or cannot be done here.
    Refusal,
    /// Known log lines, and timestamps that contradict each other.
    Log,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Page {
    pub code: Code,
    pub class: Class,
    pub title: &'static str,
    /// What it means for the node.
    pub meaning: &'static str,
    pub cause: &'static str,
    /// What to do. `FILE` stands for the file of the finding, `FILE_DIR` for its directory.
    pub remedy: &'static str,
}

const fn page(
    code: Code,
    class: Class,
    title: &'static str,
    meaning: &'static str,
    cause: &'static str,
    remedy: &'static str,
) -> Page {
    Page { code, class, title, meaning, cause, remedy }
}

/// Generates the enum and the list of all codes from one table.
macro_rules! codes {
    ($($name:ident $code:literal,)*) => {
        /// A stable code; `explain` prints its page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($name,)*
        }

        /// Every code, in the order of `explain --list`.
        pub const CODES: &[Code] = &[$(Code::$name),*];

        impl Code {
            /// As printed.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

codes! {
    // host.rs
    ClockBehind "clock-behind",
    DiskFull "disk-full",
    NoSpace "no-space",
    NotReadToEnd "not-read-to-end",
    NoRuntime "no-runtime",
    // etcd.rs
    EtcdDataMissing "etcd-data-missing",
    EtcdDataBroken "etcd-data-broken",
    EtcdNoSnapshot "etcd-snapshot-missing",
    EtcdNearlyFull "etcd-nearly-full",
    EtcdNotRead "etcd-not-read",
    EtcdExternal "etcd-external",
    EtcdQuorum "etcd-quorum",
    EtcdForceNewCluster "etcd-force-new-cluster",
    EtcdNotLost "etcd-not-lost",
    EtcdManifestUnclear "etcd-manifest-unclear",
    // kubelet.rs
    ManifestMissing "manifest-missing",
    ManifestUnreadable "manifest-unreadable",
    DuplicateManifest "duplicate-manifest",
    FlagFileMissing "flag-file-missing",
    FlagFileDenied "flag-file-denied",
    DuplicateKey "duplicate-key",
    PkiDirUnclear "pki-dir-unclear",
    KubeletConfigMissing "kubelet-config-missing",
    KubeletConfigBroken "kubelet-config-broken",
    KubeletConfMissing "kubelet-conf-missing",
    KubeletLinkMissing "kubelet-link-missing",
    KubeletLinkDangling "kubelet-link-dangling",
    KubeletLinkNoLink "kubelet-link-no-link",
    KubeletLinkOld "kubelet-link-old",
    KubeletStoreBroken "kubelet-store-broken",
    KubeletConfEmbedded "kubelet-conf-embedded",
    KubeletCrashLoop "kubelet-crash-loop",
    KubeletServingExpired "kubelet-serving-expired",
    // ca.rs
    CaMissing "ca-missing",
    CaUnreadable "ca-unreadable",
    NotACa "not-a-ca",
    CaExpired "ca-expired",
    CaExpiring "ca-expiring",
    CaNotYetValid "ca-not-yet-valid",
    CaKeyMissing "ca-key-missing",
    CaKeyUnreadable "ca-key-unreadable",
    CaKeyMismatch "ca-key-mismatch",
    CaKeyOnWorker "ca-key-on-worker",
    CaReplaced "ca-replaced",
    CaReplacementUnfinished "ca-replacement-unfinished",
    OldCaNeeded "old-ca-needed",
    SigningCaBundle "signing-ca-bundle",
    EmbeddedCaDiffers "embedded-ca-differs",
    CaCopyDiffers "ca-copy-differs",
    // credential.rs
    NotYetValid "not-yet-valid",
    Expired "expired",
    Expiring "expiring",
    LeafOutlivesCa "leaf-outlives-ca",
    Missing "missing",
    Unreadable "unreadable",
    FileEmpty "file-empty",
    FileTruncated "file-truncated",
    FileNotPem "file-not-pem",
    SeveralCertificates "several-certificates",
    UnusedPair "unused-pair",
    KeyMissing "key-missing",
    KeyUnreadable "key-unreadable",
    KeyMismatch "key-mismatch",
    WrongAuthority "wrong-authority",
    NamesMissing "names-missing",
    NamesOfAnotherNode "names-of-another-node",
    UsageWrong "usage-wrong",
    FrontProxyName "front-proxy-name",
    WeakKey "weak-key",
    WeakSignature "weak-signature",
    SerialReuse "serial-reuse",
    NegativeSerial "negative-serial",
    SaPairMismatch "sa-pair-mismatch",
    SaMissing "sa-missing",
    KeyExposed "key-exposed",
    StrayPrivateKey "stray-private-key",
    SuperAdminMissing "super-admin-missing",
    AdminStillMasters "admin-still-masters",
    EtcdClientExpired "etcd-client-expired",
    NodesCaDiffers "nodes-ca-differs",
    NodesSaDiffers "nodes-sa-differs",
    NodesEncryptionDiffers "nodes-encryption-differs",
    NodesCopied "nodes-copied",
    // kubeconfig.rs
    ContextBroken "context-broken",
    NoCredential "no-credential",
    Insecure "insecure",
    NoCa "no-ca",
    ProxyNotUsed "proxy-not-used",
    NotChecked "not-checked",
    // probe.rs
    OldCertificateStillServed "old-certificate-still-served",
    ExpiredCertificateServed "expired-certificate-served",
    CertificateNotYetValid "certificate-not-yet-valid",
    CertificateDiffers "certificate-differs",
    CertificateFileUnusable "certificate-file-unusable",
    NotListening "not-listening",
    TimedOut "timed-out",
    Unreachable "unreachable",
    TlsFailed "tls-failed",
    ClientCertificateRejected "client-certificate-rejected",
    Unhealthy "unhealthy",
    Unauthorized "unauthorized",
    Forbidden "forbidden",
    KubeconfigUnusable "kubeconfig-unusable",
    NodeMissing "node-missing",
    NodeNotReady "node-not-ready",
    LeaseStale "lease-stale",
    NotExpected "not-expected",
    NotAsked "not-asked",
    // cluster.rs
    PodNotReady "not-ready",
    PodNotRunning "not-running",
    PodNotGone "not-gone",
    StaticPodMissing "static-pod-missing",
    TlsErrors "tls-errors",
    LogRefused "log-refused",
    ApiServiceUnavailable "api-service-unavailable",
    CsrPending "csr-pending",
    CsrSuspicious "csr-suspicious",
    CsrNotIssued "csr-not-issued",
    // change.rs
    NotRoot "not-root",
    WorkerNode "worker-node",
    NotKubeadmNode "not-a-kubeadm-node",
    Workstation "workstation",
    K3sNode "k3s-node",
    Rke2Node "rke2-node",
    Rke1Node "rke1-node",
    RootInsideNode "root-inside-node",
    RootUnreadable "root-unreadable",
    LogUnreadable "log-unreadable",
    NotAHost "not-a-host",
    InterruptedChange "interrupted-change",
    InterruptedRestart "interrupted-restart",
    CannotRollBack "cannot-roll-back",
    ChangedSince "changed-since",
    NotReplaceable "not-replaceable",
    Interrupted "interrupted",
    OutputFailed "output-failed",
    NothingToRenew "nothing-to-renew",
    RequestMismatch "request-mismatch",
    RequestExceeds "request-exceeds",
    NotRepairable "not-repairable",
    KubeletCertificateExpired "kubelet-certificate-expired",
    ExactNeedsOwnArchive "exact-needs-own-archive",
    ArchiveOfAnotherNode "archive-of-another-node",
    ArchiveDamaged "archive-damaged",
    ArchivePacked "archive-packed",
    NotDecrypted "not-decrypted",
    NoArchive "no-archive",
    AnotherCluster "another-cluster",
    NotWorking "not-working",
    SecretImmutable "immutable",
    OnDelete "on-delete",
    Paused "paused",
    Unsupported "unsupported",
    Usage "usage",
    NotConfirmed "not-confirmed",
    FileError "file-error",
    Locked "locked",
    ChangedMeanwhile "changed-meanwhile",
    IssueFailed "issue-failed",
    RolledBack "rolled-back",
    RestartFailed "restart-failed",
    RequestFailed "request-failed",
    // log_certificates.rs
    KubeletClientExpired "kubelet-client-expired",
    KubeletNoBootstrap "kubelet-no-bootstrap",
    KubeletClientExpiredRunning "kubelet-client-expired-running",
    KubeletRotationRefused "kubelet-rotation-refused",
    KubeletRotationFailed "kubelet-rotation-failed",
    KubeletSwap "kubelet-swap",
    KubeletConfiguration "kubelet-configuration",
    KubeletCgroupDriver "kubelet-cgroup-driver",
    KubeletRuntime "kubelet-runtime",
    KubeletFailed "kubelet-failed",
    EtcdPeerRefused "etcd-peer-refused",
    EtcdCertificateRefused "etcd-certificate-refused",
    EtcdClientRefused "etcd-client-refused",
    EtcdPeerUnreachable "etcd-peer-unreachable",
    ApiserverLoopbackExpired "apiserver-loopback-expired",
    ApiserverClientRefused "apiserver-client-refused",
    ApiserverTokenRefused "apiserver-token-refused",
    EtcdHandshakeRefused "etcd-handshake-refused",
    ServingCertificateRefused "serving-certificate-refused",
    ClientCertificateRefused "client-certificate-refused",
    KubectlRefused "kubectl-refused",
    KubectlUnauthorized "kubectl-unauthorized",
    WatchRefused "watch-refused",
    CertificateExpired "certificate-expired",
    CertificateUnknownAuthority "certificate-unknown-authority",
    CertificateWrongName "certificate-wrong-name",
    CertificateWrongUsage "certificate-wrong-usage",
    PemUnreadable "pem-unreadable",
    CertificateRefused "certificate-refused",
    // log_others.rs
    EtcdDatabaseSnapshotMissing "etcd-database-snapshot-missing",
    EtcdWalDamaged "etcd-wal-damaged",
    EtcdDatabaseDamaged "etcd-database-damaged",
    EtcdSpaceExceeded "etcd-space-exceeded",
    EtcdOtherCluster "etcd-other-cluster",
    DiskReadOnly "disk-read-only",
    DiskError "disk-error",
    OutOfMemory "out-of-memory",
    ClockStepped "clock-stepped",
    ClockDiffers "clock-differs",
    ImageMissing "image-missing",
    HostPathMissing "host-path-missing",
    PortInUse "port-in-use",
    CredentialFileMissing "credential-file-missing",
    LeaderLost "leader-lost",
    EtcdNoLeader "etcd-no-leader",
    HandshakeTimeout "handshake-timeout",
    ConnectionRefused "connection-refused",
    EventInTheFuture "event-in-the-future",
    OlderThanItsCertificate "older-than-its-certificate",
    LogGoesBack "log-goes-back",
}

/// The pages, by the files that hold them.
const PAGES: &[&[Page]] = &[
    host::PAGES,
    etcd::PAGES,
    kubelet::PAGES,
    ca::PAGES,
    credential::PAGES,
    kubeconfig::PAGES,
    probe::PAGES,
    cluster::PAGES,
    change::PAGES,
    log_certificates::PAGES,
    log_others::PAGES,
];

/// Replaces a missing page; a test proves that there is none.
const NO_PAGE: Page = page(Code::RootUnreadable, Class::Refusal, "", "", "", "");

impl Code {
    /// Its page in `explain`.
    pub fn page(self) -> &'static Page {
        PAGES.iter().copied().flatten().find(|page| page.code == self).unwrap_or(&NO_PAGE)
    }

    pub fn named(name: &str) -> Option<Self> {
        CODES.iter().copied().find(|code| code.as_str() == name)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_unique_and_explained() {
        let mut names: Vec<_> = CODES.iter().map(|code| code.as_str()).collect();
        for code in CODES {
            let page = code.page();
            assert_eq!(page.code, *code, "{code} has no page");
            assert!(
                code.as_str().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{code}"
            );
            assert_eq!(Code::named(code.as_str()), Some(*code));
            for text in [page.title, page.meaning, page.cause, page.remedy] {
                assert!(text.len() > 10, "{code}");
            }
            for sentence in [page.meaning, page.cause, page.remedy] {
                assert!(sentence.ends_with('.'), "{code}: {sentence}");
            }
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CODES.len());
        assert_eq!(PAGES.iter().copied().flatten().count(), CODES.len(), "a page too many");
    }
}
