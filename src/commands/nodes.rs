//! `nodes`: the nodes as `kubectl get nodes` lists them, which also tests a kubeconfig.

use crate::error::{Exit, Outcome};
use crate::live::api::Api;
use crate::report::{NodesFormat, node_list_report};
use crate::session::Context;
use crate::session::cluster::connect::{Cluster, ClusterArgs};
use crate::state::Code;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: NodesFormat,
}

/// Lists the nodes; exit 1 if one is not Ready.
///
/// # Errors
/// There is no kubeconfig, or the API server does not list them.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let cluster = Cluster::connect(&args.cluster, context)?;
    let nodes = cluster.ask("list the nodes", Api::nodes)?;
    context.out.say(&format!("server: {}", cluster.place()));
    context.out.result(&node_list_report(&nodes, cluster.api.server(), context.now, args.output));
    for node in nodes.iter().filter(|node| node.ready != Some(true)) {
        let reason = if node.reason.is_empty() { "no reason given" } else { &node.reason };
        context.out.say(&format!("warning [{}]: {} is not Ready: {reason}", Code::NodeNotReady, node.name));
    }
    let all_ready = !nodes.is_empty() && nodes.iter().all(|node| node.ready == Some(true));
    Ok(if all_ready { Exit::Fine } else { Exit::Findings })
}
