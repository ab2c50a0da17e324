//! After a bundle: on a worker the kubelet is restarted and proves that the API server lets it in; a control-plane node is
//! revived as by `recover`.

use super::proof::{prove, unhealthy};
use super::revive::{GO_ON, restart_kubelet};
use super::{Live, without_change};
use crate::analysis::node::plan::Options;
use crate::error::Error;
use crate::live::clock;
use crate::report::{ProbeFormat, ProbeReport, took};
use crate::session::Context;
use crate::session::change::arguments::WriteArgs;
use crate::session::change::bundle::Delivery;
use crate::session::change::signals::stop_here;

/// # Errors
/// Something doesn't come back, or the node isn't healthy in time.
pub fn revive(
    delivery: &Delivery,
    write: &WriteArgs,
    live: &Live<'_>,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    if !delivery.is_worker {
        let mut prepared = crate::session::change::prepare(write, &Options::recovery(), context)?;
        let findings = prepared.findings.clone();
        return without_change(&mut prepared, live, &findings, context).map(drop);
    }
    context.hold_signals();
    let since = clock::wall();
    restart_kubelet(live.host.patience(), context)?;
    stop_here("the kubelet was restarted; whether it is healthy was not waited for", GO_ON)?;
    let read = |path: &std::path::Path| delivery.root.file(path);
    let report = prove(&delivery.inventory(), &read, Some(since), live.proof_timeout, context);
    context.out.result(&format!("\n{}", ProbeReport { report: &report }.render(ProbeFormat::Table)));
    if report.is_green() {
        context.out.result(&format!("\n{}", took(context.elapsed(), context.waited, 0)));
        return Ok(());
    }
    Err(unhealthy(&report, live.proof_timeout)
        .hint("sudo kuberescue probe (sudo kuberescue rollback restores the old state)"))
}
