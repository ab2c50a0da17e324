//! The names of serving certificates in the ConfigMap `kubeadm-config`: `kubeadm upgrade` issues by them.

use super::connect::Cluster;
use crate::error::Error;
use crate::formats::cert_sans::{Change, changed};
use crate::report::yaml_of;

const PLACE: (&str, &str) = ("kube-system", "kubeadm-config");
const KEY: &str = "ClusterConfiguration";

/// Changes the names there; returns whether they weren't so already.
///
/// # Errors
/// No answer, the ConfigMap is missing or holds no ClusterConfiguration, or it was changed meanwhile.
pub fn update(cluster: &Cluster, changes: &[Change]) -> Result<bool, Error> {
    let found = cluster
        .api
        .config_map(PLACE.0, PLACE.1, cluster.deadline())
        .map_err(|error| cluster.failure("read the ConfigMap kubeadm-config", &error))?;
    let old = found.value(KEY).unwrap_or_default();
    let new = changed(old, changes).map_err(|why| {
        Error::could_not_run(format!("cannot change the names in the ConfigMap kubeadm-config: {why}"))
    })?;
    let Some(new) = new else { return Ok(false) };
    let new = yaml_of(&new.to_string());
    let replaced = cluster.api.replace_in_config_map(PLACE, (KEY, &new), &found, cluster.deadline());
    replaced
        .map(|()| true)
        .map_err(|error| cluster.failure("change the names in the ConfigMap kubeadm-config", &error))
}
