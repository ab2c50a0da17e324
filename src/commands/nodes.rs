//! `nodes`: what `kubectl get nodes` tells, and by that whether a kubeconfig works.

use crate::error::{Exit, Outcome};
use crate::report::{Format, NodeList};
use crate::session::Context;
use crate::session::cluster::connect::{Cluster, ClusterArgs};
use crate::session::input::arguments::parse_format;

/// Arguments of `nodes`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// table, wide, json or yaml
    #[arg(short, long, default_value = "table", value_name = "FORMAT", value_parser = parse_format)]
    output: Format,
}

/// Lists the nodes; exit 1 where one is not Ready.
///
/// # Errors
/// There is no kubeconfig, or the API server doesn't tell them.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let cluster = Cluster::connect(&args.cluster, context)?;
    let nodes = cluster.api.nodes(cluster.deadline());
    let nodes = nodes.map_err(|error| cluster.failure("list the nodes", &error))?;
    context.out.say(&format!("asked {}", cluster.place()));
    let list = NodeList { time: context.now, server: cluster.api.server(), nodes: &nodes };
    context.out.result(&list.render(args.output));
    for node in nodes.iter().filter(|node| node.ready != Some(true) && !node.reason.is_empty()) {
        context.out.say(&format!("{}: {}", node.name, node.reason));
    }
    let all_ready = !nodes.is_empty() && nodes.iter().all(|node| node.ready == Some(true));
    Ok(if all_ready { Exit::Fine } else { Exit::Findings })
}
