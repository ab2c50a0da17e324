//! The CA in the ConfigMap `cluster-info`, which `kubeadm join` reads before it trusts anything: kubeadm has written it, and
//! nothing renews it.

use super::connect::Cluster;
use crate::error::Error;
use crate::formats::ca_copies;
use crate::formats::certificate::Certificate;

const PLACE: (&str, &str) = ("kube-public", "cluster-info");
const KEY: &str = "kubeconfig";

/// Puts the node's CA there, `bundle`, with the one that it replaces while both are trusted, where it has another or an older
/// one of that name; returns whether it had. The
/// controller manager signs the new content for the bootstrap tokens (`pkg/controller/bootstrap/bootstrapsigner.go`).
///
/// # Errors
/// No answer, or it was changed meanwhile. A cluster without one is none: hardening guides remove it.
pub fn renew(cluster: &Cluster, bundle: &[&Certificate]) -> Result<bool, Error> {
    let found = match cluster.api.config_map(PLACE.0, PLACE.1, cluster.deadline()) {
        Ok(found) => found,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(cluster.failure("read the ConfigMap cluster-info", &error)),
    };
    let old = found.value(KEY).unwrap_or_default();
    let Ok(Some(new)) = ca_copies::current(old.as_bytes(), bundle) else { return Ok(false) };
    let Ok(new) = std::str::from_utf8(&new) else { return Ok(false) };
    let changed = cluster.api.replace_in_config_map(PLACE, (KEY, new), &found, cluster.deadline());
    changed
        .map(|()| true)
        .map_err(|error| cluster.failure("renew the CA in the ConfigMap cluster-info", &error))
}
