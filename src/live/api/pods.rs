//! Pods and their logs, and other objects that show the state of a cluster.

use jiff::Timestamp;

use super::workloads::stamp;
use super::{Api, ApiError, segment};
use crate::formats::objects::cluster::{ApiService, Node, SigningRequest};
use crate::formats::objects::pods::Pod;
use crate::live::deadline::Deadline;

/// How many lines of a log are read, the newest ones.
const LINES: usize = 10_000;
/// How many bytes of them.
const BYTES: usize = 8 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Each line begins with its time (RFC 3339).
    pub text: Vec<u8>,
    /// Whether nothing was cut.
    pub whole: bool,
}

impl Api {
    /// All pods of a namespace, or of all.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub fn pods(&self, namespace: Option<&str>, deadline: Deadline) -> Result<Vec<Pod>, ApiError> {
        match namespace {
            Some(namespace) => {
                self.list(&format!("/api/v1/namespaces/{}/pods", segment("namespace", namespace)?), deadline)
            }
            None => self.list("/api/v1/pods", deadline),
        }
    }

    /// What a container has logged since a time; the API server reads it from the kubelet.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub fn log(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        since: Option<Timestamp>,
        deadline: Deadline,
    ) -> Result<Log, ApiError> {
        let (namespace, pod) = (segment("namespace", namespace)?, segment("pod", pod)?);
        let container = segment("container", container)?;
        let since = since.map(|since| format!("&sinceTime={}", stamp(since))).unwrap_or_default();
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&timestamps=true&tailLines={LINES}&limitBytes={BYTES}{since}"
        );
        let text = self.get(&path, deadline)?.good()?;
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        Ok(Log { whole: lines < LINES && text.len() < BYTES, text })
    }

    /// All nodes, with their addresses.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub fn node_objects(&self, deadline: Deadline) -> Result<Vec<Node>, ApiError> {
        self.list("/api/v1/nodes", deadline)
    }

    /// Groups and versions of the API, and whether they are available.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub fn api_services(&self, deadline: Deadline) -> Result<Vec<ApiService>, ApiError> {
        self.list("/apis/apiregistration.k8s.io/v1/apiservices", deadline)
    }

    /// Certificate signing requests.
    ///
    /// # Errors
    /// No answer, or an unexpected one.
    pub fn signing_requests(&self, deadline: Deadline) -> Result<Vec<SigningRequest>, ApiError> {
        self.list("/apis/certificates.k8s.io/v1/certificatesigningrequests", deadline)
    }
}
