//! `restart`: the static pods of the control plane, stopped over CRI; the kubelet starts them again.

use crate::analysis::node::facts::Facts;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{RestartReason, RestartTask, Restarts};
use crate::analysis::node::quorum::Quorum;
use crate::error::{Error, Exit, Outcome};
use crate::live::{clock, kubelet};
use crate::report::{RestartFormat, restart_document, restart_plan};
use crate::session::Context;
use crate::session::change::take_lock;
use crate::session::input::source::RootArgs;
use crate::session::recovery::host::{
    Cri, HostArgs, components, not_a_host, outdated_kubelet, outdated_pods, quorum, recorded, with_others,
};
use crate::session::recovery::proof::answers;
use crate::session::recovery::revive::{STEADY, StaticPods, revive};
use crate::session::recovery::startable::{refuse_lost_data, refuse_unstartable};
use crate::state::{Code, Component, time};

/// Arguments of `restart`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Components to restart: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, or a container of
    /// another static pod in kube-system [default: those that started before their files changed]
    #[arg(value_name = "COMPONENT", conflicts_with = "all", value_parser = parse_component)]
    components: Vec<Component>,
    /// Restart the four static pods, whether their files changed or not
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    host: HostArgs,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: RestartFormat,
    /// Show the plan and exit
    #[arg(long)]
    dry_run: bool,
    /// Skip confirmation
    #[arg(short, long)]
    yes: bool,
}

fn parse_component(name: &str) -> Result<Component, std::convert::Infallible> {
    Ok(Component::named(name).unwrap_or_else(|| Component::other(name)))
}

/// Restarts them and waits until each is back.
///
/// # Errors
/// The runtime doesn't answer, etcd would lose its quorum, or something doesn't come back.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    // A disk's pods run nowhere, unless the user names a socket.
    if args.root.root.is_file() {
        return Err(not_a_host(&args.root.root));
    }
    let root = args.root.open()?;
    if !root.is_live() && args.host.cri_socket.is_none() {
        return Err(not_a_host(&args.root.root));
    }
    let (snapshot, inventory) = args.root.read_from(&root)?;
    let known = components(&inventory.facts);
    let named = &args.components;
    refuse_unknown(&inventory.facts, named)?;
    if !root.is_live() && named.contains(&Component::Kubelet) {
        return Err(not_a_host(&args.root.root));
    }
    let asked = args.all || !named.is_empty();
    // A container that starts by itself from now on, usually with a new kubelet, need not be stopped again:
    // the kubelet would delay its restart.
    let since = clock::wall();
    let kubelet_only = !named.is_empty() && named.iter().all(|one| *one == Component::Kubelet);
    let cri = if kubelet_only { None } else { Some(Cri::connect(&args.host, &inventory.facts)?) };
    let restarts = match &cri {
        Some(cri) if !asked => {
            let recorded = recorded(&root)?;
            // This machine's kubelet isn't a disk's, wherever its pods run.
            let status = root.is_live().then(kubelet::look);
            let kubelet =
                status.and_then(|status| outdated_kubelet(&status, &inventory, &snapshot, &recorded, false));
            let pods = outdated_pods(&inventory, &snapshot, &recorded, &cri.running()?);
            Restarts::of_tasks(kubelet.into_iter().chain(pods))
        }
        _ => requested(if args.all { &known } else { named }),
    };
    let is_table = args.output == RestartFormat::Table;
    if restarts.is_empty() {
        let text = "Nothing to restart: every component started after its files changed.\n";
        let document = restart_document(args.output, since, &restarts, None, args.dry_run);
        context.out.result(if is_table { text } else { &document });
        context.out.say("hint: sudo kuberescue restart --all");
        return Ok(Exit::Fine);
    }
    if !asked && restarts.has(Component::Kubelet) {
        refuse_expired_kubelet(&inventory)?;
    }
    if let Some(cri) = &cri {
        refuse_lost_data(&root, &snapshot, &inventory, &restarts, context)?;
        refuse_unstartable(cri, &root, &inventory.facts, &restarts)?;
    }
    let quorum = if restarts.has(Component::Etcd) { quorum(&inventory, true, &args.host)? } else { None };
    let plan = restart_plan(&restarts, quorum.as_ref(), args.host.grace.unsigned_abs());
    let document = restart_document(args.output, since, &restarts, quorum.as_ref(), args.dry_run);
    if is_table {
        context.out.result(&plan);
    }
    if args.dry_run {
        context.out.result(&document);
        context.out.say("Dry run: nothing was restarted.");
        return Ok(Exit::Fine);
    }
    if !is_table && !args.yes {
        context.out.say(&plan);
    }
    context.confirm("Restart?", args.yes)?;
    let _lock = take_lock(&root, context)?;
    let pods = cri.as_ref().map(|cri| StaticPods {
        cri,
        args: &args.host,
        inventory: &inventory,
        quorum: quorum.as_ref(),
        since,
        steady: STEADY,
    });
    revive(&restarts, pods.as_ref(), args.host.patience(), context)?;
    // Without the other members etcd has no leader, and the API server no etcd.
    if root.is_live() && quorum.as_ref().is_none_or(Quorum::is_found_again) {
        answers(&inventory, &root, &restarts, args.host.patience())?;
    }
    context.out.result(if is_table { "Restarted: every component is back.\n" } else { &document });
    context.out.say("hint: sudo kuberescue probe");
    Ok(Exit::Fine)
}

/// Refuses a name that no manifest of this node has.
fn refuse_unknown(facts: &Facts, named: &[Component]) -> Result<(), Error> {
    let all: Vec<_> = [Component::Kubelet].into_iter().chain(with_others(facts)).collect();
    let Some(unknown) = named.iter().find(|one| !all.contains(one)) else { return Ok(()) };
    let directory = facts.manifest_dir.value.display();
    let what = format!("cannot restart {unknown}: no manifest in {directory}");
    let names: Vec<_> = all.into_iter().map(Component::name).collect();
    let hint = match Component::static_pod(unknown.name()) {
        Some(_) => "kuberescue diagnose".to_owned(),
        None => format!("what can be restarted: {}", names.join(", ")),
    };
    Err(Error::could_not_run(what).code(Code::ManifestMissing).hint(hint))
}

/// A kubelet with an expired certificate exits as soon as it reads it, while a running one may have a better
/// one in memory; and without a kubelet nothing starts again. An explicitly named kubelet is restarted
/// anyway.
fn refuse_expired_kubelet(inventory: &Inventory) -> Result<(), Error> {
    let row = &inventory.kubelet_client;
    let now = clock::wall();
    match row.certificate.get().filter(|leaf| leaf.expired_at(now)) {
        Some(leaf) => {
            let (path, end) = (row.path.display(), time::expired_on(leaf.not_after, now));
            let what =
                format!("cannot restart the kubelet: {path} {end}, and the kubelet would not start with it");
            Err(Error::refused(Code::KubeletCertificateExpired, what).hint("sudo kuberescue recover"))
        }
        None => Ok(()),
    }
}

fn requested(components: &[Component]) -> Restarts {
    Restarts::of_tasks(components.iter().map(|component| RestartTask {
        component: *component,
        reason: RestartReason::Requested,
        running: true,
    }))
}
