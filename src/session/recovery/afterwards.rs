//! The last stage of a recovery, once the node itself is healthy: the rest of the cluster, as far as the
//! node's own admin.conf has permission. Workloads that have read renewed files are restarted, and problems
//! are listed. Nothing here rolls the node back.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::analysis::cluster::rollout::Target;
use crate::analysis::node::inventory::Inventory;
use crate::error::Error;
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::{Credential, Kubeconfig};
use crate::formats::objects::cluster::CONTROL_PLANE;
use crate::live::api::Node;
use crate::live::clock;
use crate::report::{cluster_lines, restart_command, rollout_plan};
use crate::session::Context;
use crate::session::cluster::cluster_info;
use crate::session::cluster::connect::Cluster;
use crate::session::cluster::rollout;
use crate::session::cluster::rollout::NAMESPACE;
use crate::session::cluster::verify;
use crate::session::workstation::secret::KEY;
use crate::state::Bytes;
use crate::state::catalog::Ca;
use crate::state::time::minute;

/// Timeout of one request: the node is healthy, and the user waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Timeout of one workload's rollout.
const ROLLOUT: Duration = Duration::from_secs(120);

/// How long what has just started may take to be ready.
const SETTLE: Duration = Duration::from_secs(60);

pub struct Afterwards<'a> {
    /// The node as it is now.
    pub inventory: &'a Inventory,
    pub read: &'a dyn Fn(&Path) -> Option<Bytes>,
    /// When its files were renewed: pods that are newer have read them.
    pub since: Timestamp,
    /// Whether workloads may be restarted.
    pub rollout: bool,
}

impl Afterwards<'_> {
    /// The workloads that have read files from before; none where the cluster does not say. The cluster's copy of the CA is
    /// renewed meanwhile, unless `dry_run`: an earlier run may not have come to that.
    pub fn outdated(&self, dry_run: bool, context: &mut Context<'_>) -> Vec<String> {
        let Ok((cluster, _)) = Cluster::of_this_node(self.inventory, self.read, PATIENCE) else {
            return Vec::new();
        };
        if !dry_run {
            self.renew_cluster_info(&cluster, context);
        }
        let found = rollout::find(&cluster, Some(NAMESPACE), Some(self.since));
        found.map(|found| found.targets().iter().map(Target::shown).collect()).unwrap_or_default()
    }

    /// Restarts and checks the rest of the cluster.
    ///
    /// # Errors
    /// A workload was restarted and is not ready.
    pub fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let (cluster, nodes) = match Cluster::of_this_node(self.inventory, self.read, PATIENCE) {
            Ok(found) => found,
            Err(failure) => {
                context
                    .out
                    .say(&format!("note: the rest of the cluster was not looked at: {}", failure.message));
                return Ok(());
            }
        };
        let restarted = self.restart(&cluster, &nodes, context);
        let options = verify::Options { now: clock::wall(), since: Some(self.since), all_namespaces: false };
        match verify::check_settled(&cluster, &options, SETTLE, context) {
            Ok(report) => {
                context.out.result(&format!("\nThe rest of the cluster:\n{}", cluster_lines(&report)))
            }
            Err(failure) => context.out.say(&format!("note: {}", failure.message)),
        }
        self.look_at_secret(&cluster, context);
        self.renew_cluster_info(&cluster, context);
        restarted
    }

    /// Brings the cluster's copy of the node's CA up to date that nothing else renews.
    fn renew_cluster_info(&self, cluster: &Cluster, context: &mut Context<'_>) {
        let row = self.inventory.authority(Ca::Cluster);
        let Some((row, ca)) = row.and_then(|row| Some((row, row.certificate.get()?))) else { return };
        let bundle: Vec<_> = [ca].into_iter().chain(row.predecessors()).collect();
        match cluster_info::renew(cluster, &bundle) {
            Ok(false) => {}
            Ok(true) => context.out.result(&format!(
                "Renewed the CA in the ConfigMap cluster-info, which kubeadm join reads: valid until {}.\n",
                minute(ca.not_after)
            )),
            Err(failure) => context.out.say(&format!("note: {}", failure.message)),
        }
    }

    /// An admin cluster keeps the kubeconfigs of its clusters, and of itself, in Secrets: if this one keeps
    /// its own, the report says whether it has expired. It is not changed: that is `kubeconfig push`.
    fn look_at_secret(&self, cluster: &Cluster, context: &mut Context<'_>) {
        let name = &self.inventory.facts.cluster_name.value;
        let (namespace, secret) = (format!("cluster-{name}"), format!("{name}-kubeconfig"));
        // Not every cluster has one, and not every user may read it.
        let Ok(found) = cluster.api.secret(&namespace, &secret, cluster.deadline()) else { return };
        let Some(Ok(value)) = found.value(KEY) else { return };
        let Ok(kubeconfig) = Kubeconfig::parse(&value) else { return };
        let Credential::Embedded(embedded) = &kubeconfig.credential else { return };
        let Ok(certificate) = Certificate::from_pem(embedded.certificate_pem()) else { return };
        let (end, source) = (certificate.not_after, &cluster.source);
        if certificate.expired_at(clock::wall()) {
            context.out.result(&format!(
                "The Secret {namespace}/{secret} still holds the old certificate, which expired on {end}:\n  kuberescue kubeconfig push --admin-kubeconfig {source} --cluster {name}\n"
            ));
        } else {
            context
                .out
                .result(&format!("The Secret {namespace}/{secret} holds a certificate until {end}.\n"));
        }
    }

    /// Restarts what has read old files. Not while a control-plane node still waits for its own recovery: new
    /// pods there would find expired certificates, and the rollout would never complete.
    fn restart(&self, cluster: &Cluster, nodes: &[Node], context: &mut Context<'_>) -> Result<(), Error> {
        let found = match rollout::find(cluster, Some(NAMESPACE), Some(self.since)) {
            Ok(found) => found,
            Err(failure) => {
                context.out.say(&format!("note: {}", failure.message));
                return Ok(());
            }
        };
        if !found.candidates.is_empty() {
            let plan = rollout_plan(&found.candidates, &found.not_listed);
            context.out.result(&format!("\nWhat the cluster runs with renewed files:\n{plan}"));
        }
        let targets = found.targets();
        if targets.is_empty() {
            return Ok(());
        }
        let is_control_plane =
            |node: &&Node| node.roles.iter().any(|role| CONTROL_PLANE.contains(&role.as_str()));
        let away = nodes.iter().filter(is_control_plane).filter(|node| node.ready != Some(true));
        let away: Vec<_> = away.map(|node| node.name.as_str()).collect();
        let why = if !self.rollout {
            Some("asked for with --no-rollout".to_owned())
        } else if away.is_empty() {
            None
        } else {
            Some(format!("these control-plane nodes are not Ready yet: {}", away.join(", ")))
        };
        match why {
            None => rollout::restart(cluster, &targets, Some(ROLLOUT), context),
            Some(why) => {
                let commands: Vec<_> = targets.iter().map(restart_command).collect();
                context.out.say(&format!("note: not restarted ({why}); later: {}", commands.join("; ")));
                Ok(())
            }
        }
    }
}
