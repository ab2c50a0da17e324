//! Which context of a kubeconfig is this cluster's: `current-context` may lead to another one, whose user is not ours to
//! replace.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::authority::bundle;
use super::foreign::{Trust, trusts};
use crate::analysis::node::facts::{Fact, Facts, host_of};
use crate::analysis::node::references;
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::entries::{Cluster, Entries, Place};
use crate::formats::kubeconfig::{Kubeconfig, KubeconfigError};
use crate::state::catalog::{Ca, KUBERNETES_DIR, cert_spec};
use crate::state::{Bytes, Snapshot};

/// So many clusters of a kubeconfig are looked at: more than anybody keeps in that of a node.
const MOST_CLUSTERS: usize = 16;

/// The part of a kubeconfig that is this cluster's.
pub(super) struct Own {
    pub(super) config: Arc<Kubeconfig>,
    /// Its context, and the server of the current one, where that is another cluster's.
    pub(super) beside: Option<(String, String)>,
}

/// The current context, or where that is another cluster's the one that is this cluster's, by server and CA.
///
/// # Errors
/// It is no kubeconfig; or the current context is another cluster's and no other is this cluster's, or several with
/// different users are.
pub(super) fn of(
    snapshot: &Snapshot,
    facts: &Facts,
    path: &Path,
    data: &Bytes,
) -> Result<Own, KubeconfigError> {
    let config = Kubeconfig::of(data)?;
    let files = references::authority(snapshot, facts, Ca::Cluster);
    let Some(file) = snapshot.file(&files.certificate) else { return Ok(Own { config, beside: None }) };
    let Ok(bundle) = bundle(file) else { return Ok(Own { config, beside: None }) };
    let is_of_this_node = |pem: &[u8]| {
        if pem == &**file {
            return true;
        }
        let copies = Certificate::all_from_pem(pem);
        copies.is_ok_and(|copies| bundle.iter().any(|own| trusts(&copies, own, bundle) != Trust::No))
    };
    if config.authority_pem().is_some_and(|pem| is_of_this_node(pem)) {
        return Ok(Own { config, beside: None });
    }
    let directory = path.parent().unwrap_or(path);
    let Ok(entries) = Entries::parse(data, directory) else { return Ok(Own { config, beside: None }) };
    let hosts = hosts(snapshot, facts);
    let is_own = |cluster: &&Cluster| {
        host_of(&cluster.server).is_none_or(|host| hosts.contains(host))
            || match &cluster.authority {
                Some(Place::Embedded(pem)) => is_of_this_node(pem),
                Some(Place::File(file)) => snapshot.file(file).is_some_and(|pem| is_of_this_node(pem)),
                _ => false,
            }
    };
    let clusters = entries.clusters.iter().take(MOST_CLUSTERS).filter(is_own);
    let clusters: BTreeSet<_> = clusters.map(|cluster| cluster.name.as_str()).collect();
    if clusters.contains(config.cluster.as_str()) {
        return Ok(Own { config, beside: None });
    }
    let mut own: Vec<_> =
        entries.contexts.iter().filter(|context| clusters.contains(context.cluster.as_str())).collect();
    own.dedup_by(|one, other| one.user == other.user && one.cluster == other.cluster);
    match own.as_slice() {
        [only] => Ok(Own {
            config: Kubeconfig::parse_context(data, Some(&only.name))?.into(),
            beside: Some((only.name.clone(), config.server.clone())),
        }),
        _ => Err(KubeconfigError::OtherCluster { server: config.server.clone(), several: !own.is_empty() }),
    }
}

/// URL of the API server in admin.conf: the control-plane endpoint.
pub(super) fn endpoint(snapshot: &Snapshot, facts: &Facts) -> Option<Fact<String>> {
    let files =
        ["admin.conf", "super-admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf"];
    files.iter().find_map(|file| {
        let path = Path::new(KUBERNETES_DIR).join(file);
        let own = of(snapshot, facts, &path, snapshot.file(&path)?).ok()?;
        let server = Some(own.config.server.clone()).filter(|server| !server.is_empty())?;
        Some(Fact::new(server, format!("{} server", path.display())))
    })
}

/// Hosts of this cluster's API servers: what manifests, the components' own kubeconfigs and the serving certificate name.
fn hosts(snapshot: &Snapshot, facts: &Facts) -> BTreeSet<String> {
    let addresses = [&facts.advertise_address, &facts.service_address].into_iter().flatten();
    let mut hosts: BTreeSet<_> = addresses.map(|address| address.value.to_string()).collect();
    hosts.extend(facts.node_name.iter().map(|name| name.value.clone()));
    let place = |name: &str| Some(references::leaf(facts, cert_spec(name)?).certificate);
    let components = ["controller-manager.conf", "scheduler.conf"].into_iter().filter_map(place);
    for path in components.chain([facts.kubelet_kubeconfig.value.clone()]) {
        let entries = snapshot.file(&path).and_then(|bytes| Entries::parse(bytes, Path::new("/")).ok());
        // Where there are several, which is this one is the question.
        if let Some([only]) = entries.as_ref().map(|entries| entries.clusters.as_slice()) {
            hosts.extend(host_of(&only.server).map(str::to_owned));
        }
    }
    let serving = place("apiserver").and_then(|path| Certificate::of(snapshot.file(&path)?).ok());
    if let Some(serving) = serving {
        // A tunnel to another cluster ends at the loopback address too.
        let others = serving.addresses.iter().filter(|address| !address.is_loopback());
        hosts.extend(others.map(ToString::to_string));
        hosts.extend(serving.dns_names.iter().filter(|name| *name != "localhost").cloned());
    }
    hosts
}
