//! Restarting static pods without a container runtime: their manifests are parked, and restored once their
//! ports are closed.
//!
//! SIGINT, SIGHUP and SIGTERM end the waiting, and are held back until the manifests are restored; after a SIGKILL or a power cut
//! `resume` restores them from their journal.

use std::path::PathBuf;
use std::time::Duration;

use super::manifests::bring_back;
use super::revive::GO_ON;
use crate::analysis::node::endpoints;
use crate::analysis::node::endpoints::{Endpoint, Scheme};
use crate::analysis::node::inventory::Inventory;
use crate::disk::transaction::Lock;
use crate::disk::{Root, parking};
use crate::error::{Error, Exit};
use crate::formats::manifest::Manifest;
use crate::live::clock;
use crate::live::deadline::Deadline;
use crate::live::https::{Exchange, Transport, get};
use crate::report::Progress;
use crate::session::Context;
use crate::session::change::signals::{arrived, stop_here};
use crate::state::{Code, Component};

/// How long the pods may take to stop: the kubelet reads its manifests at least every 20 s
/// (`fileCheckFrequency`), and etcd's pod has a grace period of 30 s.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one port may take to refuse a connection.
const REFUSAL: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(250);

/// Stops the pods of these components by their manifests and lets the kubelet start them again. The proof
/// shows whether they are healthy.
///
/// # Errors
/// A manifest can't be moved (then nothing was stopped) or can't be restored, or a pod doesn't stop.
pub fn restart(
    root: &Root,
    lock: &Lock,
    inventory: &Inventory,
    components: &[Component],
    context: &mut Context<'_>,
) -> Result<(), Error> {
    // All of a component: with one of two away the kubelet would run the other.
    let is_ours = |pod: &Manifest| components.iter().any(|component| pod.runs(*component));
    let files =
        inventory.facts.manifests.iter().filter(|file| file.pod.as_ref().is_ok_and(|pod| is_ours(pod)));
    let manifests: Vec<PathBuf> = files.map(|file| file.path.clone()).collect();
    // A signal that arrives meanwhile ends the waiting; every manifest is put in its place.
    context.hold_signals();
    away_and_back(root, lock, inventory, components, &manifests, context)
}

fn away_and_back(
    root: &Root,
    lock: &Lock,
    inventory: &Inventory,
    components: &[Component],
    manifests: &[PathBuf],
    context: &mut Context<'_>,
) -> Result<(), Error> {
    parking::park(root, lock, manifests, clock::wall()).map_err(|error| {
        Error::manual_action(error)
            .code(Code::InterruptedRestart)
            .hint("no static pod was stopped; kuberescue resume if one is missing")
    })?;
    let closed = wait_until_closed(inventory, components, context);
    // The manifests are restored first, whatever the result.
    if bring_back(root, lock, context)? != Exit::Fine {
        return Err(
            Error::manual_action("not every manifest is in its place again").code(Code::InterruptedRestart)
        );
    }
    stop_here("every manifest is in its place again; for new pods nothing was waited", GO_ON)?;
    closed.map_err(|open| {
        Error::manual_action(format!(
            "after {} s without its manifest this still answers: {open}",
            PATIENCE.as_secs()
        ))
        .code(Code::RestartFailed)
        .hint("is the kubelet running, and does it read this manifest directory? systemctl status kubelet")
    })
}

/// Waits until these components' ports are closed.
fn wait_until_closed(
    inventory: &Inventory,
    components: &[Component],
    context: &mut Context<'_>,
) -> Result<(), String> {
    let endpoints = endpoints::expected(inventory).endpoints;
    let ours = |endpoint: &&Endpoint| components.contains(&endpoint.component);
    let endpoints: Vec<&Endpoint> = endpoints.iter().filter(ours).collect();
    let mut board = Progress::new(["manifests"], context.out.is_terminal());
    let began = clock::now();
    let result = loop {
        let open = endpoints.iter().find(|endpoint| is_open(endpoint));
        let what = match open {
            Some(endpoint) => format!("away; waiting for {} to exit", endpoint.component),
            None => "away; nothing answers any more".to_owned(),
        };
        let text = board.step("manifests", &what, open.is_none(), context.elapsed());
        context.out.draw(&text);
        match open {
            None => break Ok(()),
            Some(endpoint) if began.elapsed() >= PATIENCE || arrived().is_some() => {
                break Err(format!("{} at {}", endpoint.name, endpoint.address));
            }
            Some(_) => std::thread::sleep(PAUSE),
        }
    };
    context.waited += began.elapsed();
    result
}

fn is_open(endpoint: &Endpoint) -> bool {
    let transport = match endpoint.scheme {
        Scheme::Http => Transport::Plain,
        Scheme::Https => Transport::Tls(None),
    };
    let exchange = get(endpoint.address, transport, endpoint.health.path, Deadline::within(REFUSAL));
    !matches!(exchange, Exchange::NoConnection(_))
}
