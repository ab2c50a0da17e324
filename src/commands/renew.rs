//! `certs renew all|NAME`: kubeadm's command, planned, archived, all or nothing. It does not ask for
//! confirmation, as kubeadm's doesn't.

use std::str::FromStr as _;

use crate::analysis::node::findings::Finding;
use crate::analysis::node::plan::{Options, Plan, Selection};
use crate::error::{Error, Exit, Outcome};
use crate::formats::san::San;
use crate::report::finding_lines;
use crate::report::{DocumentFormat, Recovery, plan_notes, plan_text, renewal_messages};
use crate::session::Context;
use crate::session::change::arguments::ChangeArgs;
use crate::session::change::prepare;
use crate::state::Code;
use crate::state::Component;
use crate::state::Subject;
use crate::state::catalog::{CERT_SPECS, KUBELET_CLIENT, KUBELET_SERVING, Names, cert_spec};

/// Arguments of `certs renew`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// all, a name of kubeadm's (admin.conf, apiserver, etcd-server, …), kubelet-client or kubelet-serving
    #[arg(value_name = "NAME", value_parser = selection)]
    selection: Selection,
    #[command(flatten)]
    change: ChangeArgs,
    /// Add a DNS name or an IP address to the serving certificates that are renewed (apiserver, etcd-server, etcd-peer), such as --add-san lb.example.com; may be given several times
    #[arg(long, value_name = "NAME|IP", value_parser = San::from_str)]
    add_san: Vec<San>,
    /// Print the result as a table or a document; with json and yaml kubeadm's messages go to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let mut prepared = prepare(&args.change.write, &args.options()?, context)?;
    if args.change.write.dry_run {
        context.out.result(&plan_text(&prepared.plan));
        prepared.refuse(context)?;
        let after = match prepared.plan.steps.as_slice() {
            [] => prepared.findings.clone(),
            _ => prepared.issue()?.findings,
        };
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        let exit = args.exit(&prepared.plan, &after);
        context.out.document("Recovery", &Recovery::of(&prepared, None, &after, true, exit));
        return Ok(exit);
    }
    prepared.refuse(context)?;
    if prepared.plan.steps.is_empty() {
        context.out.result(&renewal_messages(&prepared.plan));
        let why = "there is nothing to renew";
        return Err(
            Error::refused(Code::NothingToRenew, why).hint("see the reasons above; --dry-run shows the plan")
        );
    }
    let issued = prepared.issue()?;
    prepared.lock(context)?;
    let done = prepared.carry_out(&issued.changes, args.change.write.archive_dir.as_deref(), context)?;
    context.out.result(&renewal_messages(&prepared.plan));
    context.out.say(plan_notes(&prepared.plan).trim_end());
    if prepared.is_live() {
        context.out.say("hint: kuberescue restart restarts what has to read them");
    }
    context.out.say(&format!("kuberescue rollback puts the old state back, from {}", done.archive.display()));
    let left = args.left(&done.findings);
    if !left.is_empty() {
        context.out.say(&format!(
            "Blocking problems that remain:\n{}",
            finding_lines(left.iter().copied()).trim_end()
        ));
        context.out.say("hint: sudo kuberescue diagnose");
    }
    let exit = args.exit(&prepared.plan, &done.findings);
    context
        .out
        .document("Recovery", &Recovery::of(&prepared, Some(&done.archive), &done.findings, false, exit));
    Ok(exit)
}

impl Args {
    /// The plan's options.
    ///
    /// # Errors
    /// A name for a certificate that has none, or has those of its issuer.
    fn options(&self) -> Result<Options, Error> {
        let serves = match &self.selection {
            Selection::All => true,
            Selection::One(spec) => spec.names != Names::None,
            Selection::Nothing | Selection::Kubelet | Selection::KubeletServing => false,
        };
        if !serves && !self.add_san.is_empty() {
            let what = "cannot use --add-san here: it is for all, apiserver, etcd-server and etcd-peer";
            return Err(Error::usage(what).hint("kuberescue certs renew apiserver --add-san NAME"));
        }
        let options = self.change.options(self.selection.clone(), false);
        Ok(Options { add_sans: self.add_san.clone(), ..options })
    }

    fn exit(&self, plan: &Plan, after: &[Finding]) -> Exit {
        let left = !plan.manual_actions().is_empty() || !self.left(after).is_empty();
        if left { Exit::ActionRequired } else { Exit::Fine }
    }

    /// The remaining blockers to report: of the node, or of the one certificate.
    fn left<'a>(&self, findings: &'a [Finding]) -> Vec<&'a Finding> {
        let blockers = findings.iter().filter(|finding| finding.is_blocker());
        let of_it = |finding: &&Finding| match &self.selection {
            Selection::Nothing => false,
            Selection::All => true,
            Selection::One(spec) => finding.subject == Subject::Leaf(spec.leaf),
            Selection::Kubelet => {
                matches!(finding.subject, Subject::KubeletClient | Subject::Component(Component::Kubelet))
            }
            Selection::KubeletServing => finding.subject == Subject::KubeletServing,
        };
        blockers.filter(of_it).collect()
    }
}

/// The leaf certificate of this name for `certs renew`.
///
/// # Errors
/// There is none of this name.
fn selection(name: &str) -> Result<Selection, String> {
    match name {
        "all" => Ok(Selection::All),
        KUBELET_CLIENT => Ok(Selection::Kubelet),
        KUBELET_SERVING => Ok(Selection::KubeletServing),
        name => cert_spec(name).map(Selection::One).ok_or_else(|| {
            let names: Vec<_> = CERT_SPECS.iter().map(|spec| spec.name).collect();
            format!("one of all, {}, {KUBELET_CLIENT}, {KUBELET_SERVING}", names.join(", "))
        }),
    }
}
