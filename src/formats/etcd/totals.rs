//! What `etcdctl snapshot status` prints of a database, over all buckets in their order (etcd 3.4.23
//! `clientv3/snapshot/v3_snapshot.go`, 3.6.5 `etcdutl/snapshot/v3_snapshot.go`).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crc32c::crc32c_append;

use super::keys::{KeyValue, Revision};
use crate::formats::bolt::{Order, ReadError, View};

/// The most kinds of keys that are counted one by one; a cluster has some hundred.
const MOST_RESOURCES: usize = 5_000;

/// The figures of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// CRC-32C (Go's `crc32.Castagnoli`) over the buckets' names, their keys and values.
    pub hash: u32,
    /// The newest in the bucket `key`.
    pub revision: i64,
    /// Records of all buckets: `totalKey` of etcdctl 3.4 and etcdutl 3.5.
    pub records: u64,
    /// Bytes of the pages in use: `totalSize`.
    pub size: u64,
}

/// Reads every page in use.
///
/// # Errors
/// [`ReadError`]: also for a record that is no change of a key.
pub(super) fn totals(view: &mut View<'_>) -> Result<Totals, ReadError> {
    let meta = view.meta();
    let size = meta.pages.saturating_mul(meta.page_size);
    let mut found = Totals { size, ..Totals::default() };
    for bucket in view.buckets()? {
        found.hash = crc32c_append(found.hash, &bucket);
        let (is_key, mut is_damaged) = (bucket == b"key", false);
        view.walk(&bucket, Order::From(&[]), &mut |key, value| {
            found.hash = crc32c_append(crc32c_append(found.hash, key), value);
            found.records += 1;
            if is_key {
                match (Revision::parse(key), KeyValue::parse(value)) {
                    (Some(at), Ok(_)) => found.revision = at.main,
                    _ => is_damaged = true,
                }
            }
            if is_damaged { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if is_damaged {
            return Err(ReadError::Record { bucket: "key", why: "it holds no change of a key".to_owned() });
        }
    }
    Ok(found)
}

/// Live keys by what they are of: `pods`, `apps/deployments`; those of no object by their first part.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    pub counts: BTreeMap<String, u64>,
    pub total: u64,
}

impl Resources {
    /// `prefix`: of the cluster's objects.
    pub fn add(&mut self, key: &[u8], prefix: &str) {
        self.total += 1;
        let name = resource(key, prefix);
        if self.counts.len() < MOST_RESOURCES || self.counts.contains_key(&name) {
            *self.counts.entry(name).or_default() += 1;
        }
    }
}

/// `PREFIX/RESOURCE/…` or `PREFIX/GROUP/RESOURCE/…`, where a group has a dot
/// (k8s.io/apiserver `pkg/registry/generic/registry/storage_factory.go`; custom resources, API services).
fn resource(key: &[u8], prefix: &str) -> String {
    const LONGEST: usize = 128;
    let text = String::from_utf8_lossy(key.get(..key.len().min(LONGEST)).unwrap_or(key));
    let object = text.strip_prefix(prefix);
    let mut parts = object.unwrap_or(&text).split('/').filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        Some(rest) if object.is_some() && first.contains('.') => format!("{first}/{rest}"),
        _ => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_is_of() {
        for (key, expected) in [
            ("/registry/pods/kube-system/etcd-cp-1", "pods"),
            ("/registry/apiregistration.k8s.io/apiservices/v1.", "apiregistration.k8s.io/apiservices"),
            ("/registry/health", "health"),
            ("/calico/ipam/v2", "calico"),
            ("compact_rev_key", "compact_rev_key"),
            ("", ""),
            ("/registry", "registry"),
            ("/other/pods/a/b", "other"),
        ] {
            assert_eq!(resource(key.as_bytes(), "/registry/"), expected);
        }
        assert_eq!(resource(b"/other/registry/pods/a/b", "/other/registry/"), "pods");
    }
}
