//! Facts from etcd's own database on the node's disk.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use jiff::SignedDuration;

use super::{Facts, host_of};
use crate::formats::bolt::ReadError;
use crate::formats::etcd::{ClusterConfiguration, ClusterRecords, Etcd, REGISTRY, Status, prefix_of};
use crate::formats::key::KeyAlgorithm;
use crate::state::Component;

/// etcd 3.8.0-alpha.0 `server/storage/quota.go` `DefaultQuotaBytes`.
const DEFAULT_QUOTA: u64 = 2 << 30;

/// kubeadm's `CertificateValidityPeriod` (`app/constants/constants.go`, 1.36).
const DEFAULT_VALIDITY: SignedDuration = SignedDuration::from_hours(8760);
/// What is taken from a configuration: as `--days`, one day to 36,500.
const VALIDITIES: RangeInclusive<SignedDuration> =
    SignedDuration::from_hours(24)..=SignedDuration::from_hours(36_500 * 24);

impl Facts {
    /// What the keys of the cluster's objects in etcd begin with: `/registry/`.
    pub fn etcd_prefix(&self) -> String {
        let flag = self.pod(Component::ApiServer).and_then(|(_, pod)| pod.flag("etcd-prefix"));
        flag.map_or_else(|| REGISTRY.to_owned(), prefix_of)
    }

    /// How large etcd's database may become, in bytes; `None` if it has no limit, or none that is known.
    pub fn etcd_quota(&self) -> Option<u64> {
        let (_, pod) = self.pod(Component::Etcd)?;
        // With a configuration file etcd ignores its other flags (`server/etcdmain/config.go`).
        if pod.flag("config-file").is_some() {
            return None;
        }
        match pod.flag("quota-backend-bytes").map(str::parse::<i64>) {
            None | Some(Ok(0)) => Some(DEFAULT_QUOTA),
            Some(Ok(quota)) => quota.try_into().ok(),
            Some(Err(_)) => None,
        }
    }

    /// The size and the quota of a database of which 80 % are reached.
    pub fn nearly_full(&self, status: &Status) -> Option<(u64, u64)> {
        let quota = self.etcd_quota()?;
        (status.size >= quota / 5 * 4).then_some((status.size, quota))
    }
}

/// What the database says of its cluster.
#[derive(Debug)]
pub struct EtcdRecords {
    /// Its path on the node.
    pub database: PathBuf,
    pub status: Status,
    /// Bytes of the pages that are not free; read only of a database near its quota.
    pub in_use: Option<u64>,
    /// What the cluster's objects say, where they were asked for.
    pub objects: Option<Recorded<ClusterRecords>>,
}

impl EtcdRecords {
    /// Where a fact was read. What the write-ahead log has beyond the revision isn't in it.
    pub fn source(&self) -> String {
        format!("etcd's database {} as of revision {}", self.database.display(), self.status.revision)
    }

    /// What the cluster's objects say, where they were asked for and read.
    pub fn cluster(&self) -> Option<&ClusterRecords> {
        match &self.objects {
            Some(Recorded::Read(records)) => Some(records),
            Some(Recorded::Damaged(_) | Recorded::Unread(_)) | None => None,
        }
    }
}

/// What is known from a database.
#[derive(Clone, Debug)]
pub enum Recorded<T> {
    Read(T),
    /// etcd can't use it either: what is wrong.
    Damaged(String),
    /// It only could not be read now: why.
    Unread(String),
}

impl<T> Recorded<T> {
    /// `None` where its head is not valid, which is judged by itself.
    pub fn of(read: Result<T, ReadError>) -> Option<Self> {
        match read {
            Ok(records) => Some(Self::Read(records)),
            Err(error @ (ReadError::Damaged { .. } | ReadError::Record { .. })) => {
                Some(Self::Damaged(error.to_string()))
            }
            Err(error @ (ReadError::Io(_) | ReadError::Busy { .. })) => Some(Self::Unread(error.to_string())),
            Err(ReadError::Head(_)) => None,
        }
    }
}

/// What is configured of the certificates that kubeadm issues: their keys, and the names beyond a node's own (`util/pkiutil/pki_helpers.go`
/// GetAPIServerAltNames, GetEtcdAltNames, GetEtcdPeerAltNames; 1.36), DNS names and addresses as they are configured.
#[derive(Clone, Debug)]
pub struct Configured {
    pub api_server: Vec<String>,
    /// `controlPlaneEndpoint`, host and perhaps port; empty where there is none.
    pub endpoint: String,
    pub etcd_server: Vec<String>,
    pub etcd_peer: Vec<String>,
    /// Validity of leaf certificates, where it is not kubeadm's default of 365 days.
    pub validity: Option<SignedDuration>,
    /// The kind of new keys.
    pub key: Option<KeyAlgorithm>,
    /// What is configured and not known here: field and value.
    pub not_used: Vec<(&'static str, String)>,
    /// Where they were read.
    pub source: String,
}

impl Configured {
    pub fn of(configuration: &ClusterConfiguration, source: &str) -> Self {
        let endpoint = configuration.control_plane_endpoint.clone();
        let (etcd_server, etcd_peer) = match &configuration.etcd {
            Etcd::Local { server_cert_sans, peer_cert_sans, .. } => {
                (server_cert_sans.clone(), peer_cert_sans.clone())
            }
            Etcd::Unset | Etcd::External { .. } => (Vec::new(), Vec::new()),
        };
        let api_server =
            configuration.cert_sans.iter().cloned().chain(host_of(&endpoint).map(str::to_owned)).collect();
        let key = configuration.key_algorithm();
        let period = configuration.certificate_validity.filter(|period| *period != DEFAULT_VALIDITY);
        let validity = period.filter(|period| VALIDITIES.contains(period));
        let unusable = period.filter(|_| validity.is_none());
        let algorithm = Some(&configuration.encryption_algorithm);
        let unknown = algorithm.filter(|name| key.is_none() && !name.is_empty());
        let not_used = unknown.map(|name| ("encryptionAlgorithm", name.clone()));
        let unusable = unusable.map(|period| ("certificateValidityPeriod", format!("{period:#}")));
        let not_used = not_used.into_iter().chain(unusable).collect();
        Self {
            api_server,
            endpoint,
            etcd_server,
            etcd_peer,
            validity,
            key,
            not_used,
            source: source.to_owned(),
        }
    }
}
