//! `restart`: the static pods of the control plane, stopped over CRI; the kubelet starts them again.

use clap::builder::PossibleValuesParser;

use crate::analysis::node::inventory::Inventory;
use crate::error::{Error, Exit, Outcome};
use crate::live::{clock, kubelet};
use crate::report::restart_plan;
use crate::session::Context;
use crate::session::change::take_lock;
use crate::session::input::source::RootArgs;
use crate::session::recovery::host::{
    Cri, HostArgs, Outdated, Work, components, not_a_host, outdated_kubelet, outdated_pods, quorum, recorded,
};
use crate::session::recovery::revive::{STEADY, Way, revive};
use crate::state::Code;

/// Arguments of `restart`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Which [default: what runs since before its files changed]
    #[arg(value_name = "COMPONENT", conflicts_with = "all", value_parser = PossibleValuesParser::new([
        "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet",
    ]))]
    components: Vec<String>,
    /// The four static pods, whatever they run with
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    host: HostArgs,
    /// Show what would be restarted, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Ask no question
    #[arg(short, long)]
    yes: bool,
}

/// Restarts them and waits until each is back.
///
/// # Errors
/// The runtime doesn't answer, etcd would lose its quorum, or something doesn't come back.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    // A disk's pods run nowhere, unless the operator knows of a socket.
    if args.root.root.is_file() {
        return Err(not_a_host(&args.root.root));
    }
    let root = args.root.open()?;
    if !root.is_live() && args.host.cri_socket.is_none() {
        return Err(not_a_host(&args.root.root));
    }
    let (snapshot, inventory) = args.root.read_from(&root)?;
    let known = components(&inventory.facts);
    if let Some(unknown) =
        args.components.iter().find(|name| *name != "kubelet" && !known.contains(&name.as_str()))
    {
        let directory = inventory.facts.manifest_dir.value.display();
        return Err(Error::could_not_run(format!(
            "{unknown} has no manifest in {directory}: it is no static pod of this node"
        ))
        .hint("without a name, what runs with old files is restarted"));
    }
    if !root.is_live() && args.components.iter().any(|name| name == "kubelet") {
        return Err(not_a_host(&args.root.root));
    }
    let asked = args.all || !args.components.is_empty();
    // What comes by itself from now on, with a new kubelet as a rule, need not be stopped another time: the
    // kubelet would hold it back.
    let since = clock::wall();
    let kubelet_only = args.components.iter().all(|name| name == "kubelet") && !args.components.is_empty();
    let cri = if kubelet_only { None } else { Some(Cri::connect(&args.host, &inventory.facts)?) };
    let work = match &cri {
        Some(cri) if !asked => {
            let recorded = recorded(&root)?;
            // This machine's kubelet isn't a disk's, whatever its pods run on.
            let look = root.is_live().then(kubelet::look);
            Work {
                kubelet: look
                    .and_then(|look| outdated_kubelet(&look, &inventory, &snapshot, &recorded, false)),
                pods: outdated_pods(&inventory, &snapshot, &recorded, &cri.running()?),
            }
        }
        _ => asked_for(args, &known),
    };
    if work.is_empty() {
        context.out.result("Nothing to restart: everything runs with the files that are there now.\n");
        context.out.say("hint: --all restarts the four static pods all the same");
        return Ok(Exit::Fine);
    }
    if !asked && work.kubelet.is_some() {
        refuse_ended_kubelet(&inventory)?;
    }
    let quorum = if work.has_etcd() { quorum(&inventory, true, &args.host)? } else { None };
    context.out.result(&restart_plan(&work.lines(), quorum.as_ref(), args.host.grace.unsigned_abs()));
    if args.dry_run {
        context.out.say("Dry run: nothing was stopped.");
        return Ok(Exit::Fine);
    }
    context.confirm("Restart?", args.yes)?;
    let _lock = take_lock(&root, context)?;
    let way = cri.as_ref().map(|cri| Way {
        cri,
        args: &args.host,
        inventory: &inventory,
        quorum: quorum.as_ref(),
        since,
        steady: STEADY,
    });
    revive(&work, way.as_ref(), args.host.patience(), context)?;
    context.out.result("Everything that was restarted is back.\n");
    context.out.say("hint: kuberescue probe shows what is served now");
    Ok(Exit::Fine)
}

/// A kubelet whose certificate has ended dies as soon as it reads it, while one that runs may have a better one
/// in memory; and without a kubelet nothing comes back. Whoever names it gets it all the same.
fn refuse_ended_kubelet(inventory: &Inventory) -> Result<(), Error> {
    let row = &inventory.kubelet_client;
    let now = clock::wall();
    match row.certificate.get().filter(|leaf| leaf.expired_at(now)) {
        Some(leaf) => {
            let (path, end) = (row.path.display(), leaf.not_after);
            let what = format!("the kubelet would read {path}, which ended {end}, and not come back");
            Err(Error::refused(Code::KubeletCertificateExpired, what)
                .hint("kuberescue recover makes a new one and restarts everything"))
        }
        None => Ok(()),
    }
}

fn asked_for(args: &Args, known: &[&str]) -> Work {
    let outdated =
        |name: &str| Outdated { component: name.to_owned(), why: "asked for".to_owned(), runs: true };
    let named = |name: &str| args.components.iter().any(|component| component == name);
    Work {
        kubelet: named("kubelet").then(|| outdated("kubelet")),
        pods: known.iter().filter(|name| args.all || named(name)).map(|name| outdated(name)).collect(),
    }
}
