//! Facts from etcd's own database on the node's disk.

use std::path::PathBuf;

use super::host_of;
use crate::formats::bolt::ReadError;
use crate::formats::etcd::{ClusterConfiguration, Etcd, Status};

/// What the database says of its cluster.
#[derive(Clone, Debug)]
pub struct EtcdRecords {
    /// Its path on the node.
    pub database: PathBuf,
    pub status: Status,
}

impl EtcdRecords {
    /// Where a fact was read. What the write-ahead log has beyond the revision isn't in it.
    pub fn source(&self) -> String {
        format!("etcd's database {} as of revision {}", self.database.display(), self.status.revision)
    }
}

/// What is known from a database that was read.
#[derive(Clone, Debug)]
pub enum Recorded {
    Read(Box<EtcdRecords>),
    /// etcd can't use it either: what is wrong.
    Damaged(String),
}

impl Recorded {
    /// `None` where it only could not be read now.
    pub fn of(database: PathBuf, read: Result<Status, ReadError>) -> Option<Self> {
        match read {
            Ok(status) => Some(Self::Read(Box::new(EtcdRecords { database, status }))),
            Err(error @ (ReadError::Damaged { .. } | ReadError::Record { .. })) => {
                Some(Self::Damaged(error.to_string()))
            }
            // The head is judged by itself.
            Err(ReadError::Head(_) | ReadError::Io(_) | ReadError::Busy { .. }) => None,
        }
    }
}

/// The names beyond a node's own that kubeadm puts into certificates (`util/pkiutil/pki_helpers.go`
/// GetAPIServerAltNames, GetEtcdAltNames, GetEtcdPeerAltNames; 1.36): DNS names and addresses as they are configured.
#[derive(Clone, Debug)]
pub struct Configured {
    pub api_server: Vec<String>,
    pub etcd_server: Vec<String>,
    pub etcd_peer: Vec<String>,
    /// Where they were read.
    pub source: String,
}

impl Configured {
    pub fn of(configuration: ClusterConfiguration, source: &str) -> Self {
        let endpoint = host_of(&configuration.control_plane_endpoint).map(str::to_owned);
        let (etcd_server, etcd_peer) = match configuration.etcd {
            Etcd::Local { server_cert_sans, peer_cert_sans, .. } => (server_cert_sans, peer_cert_sans),
            Etcd::Unset | Etcd::External { .. } => (Vec::new(), Vec::new()),
        };
        let api_server = configuration.cert_sans.into_iter().chain(endpoint).collect();
        Self { api_server, etcd_server, etcd_peer, source: source.to_owned() }
    }
}
