//! `certs renew all|NAME…`: kubeadm's command, planned, archived, all or nothing. It does not ask for
//! confirmation, as kubeadm's doesn't.

use std::str::FromStr as _;
use std::time::Duration;

use jiff::SignedDuration;

use crate::analysis::node::findings::Finding;
use crate::analysis::node::plan::{Options, Plan, Selection};
use crate::error::{Error, Exit, Outcome};
use crate::formats::cert_sans::{Change, List};
use crate::formats::san::San;
use crate::report::finding_lines;
use crate::report::{DocumentFormat, Recovery, plan_notes, plan_text, renewal_messages};
use crate::session::Context;
use crate::session::change::arguments::ChangeArgs;
use crate::session::change::{Issued, Prepared, prepare};
use crate::session::cluster::connect::Cluster;
use crate::session::cluster::kubeadm_config;
use crate::session::input::arguments::{KubeadmArgs, parse_duration};
use crate::state::Code;
use crate::state::Component;
use crate::state::Subject;
use crate::state::catalog::{CERT_SPECS, KUBELET_CLIENT, KUBELET_SERVING, Leaf, Names, cert_spec};

/// Timeout of a request to the API server.
const API_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `certs renew`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Certificates to renew: all, or names of kubeadm's (admin.conf, apiserver, etcd-server, …), kubelet-client, kubelet-serving
    #[arg(value_name = "NAME", required = true, value_parser = selection)]
    names: Vec<Selection>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    kubeadm: KubeadmArgs,
    /// Add a DNS name or an IP address to the serving certificates that are renewed (apiserver, etcd-server, etcd-peer), such as --add-san lb.example.com; may be given several times
    #[arg(long, value_name = "NAME|IP", value_parser = San::from_str)]
    add_san: Vec<San>,
    /// Remove a DNS name or an IP address from the serving certificates that are renewed; may be given several times
    #[arg(long, value_name = "NAME|IP", value_parser = San::from_str)]
    remove_san: Vec<San>,
    /// Change the names in the ConfigMap kubeadm-config too, by which kubeadm upgrade issues certificates
    #[arg(long)]
    update_cluster: bool,
    /// Renew only what expires within DURATION, such as 30d, or doesn't work: for timers. Where nothing is due, nothing is written
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    if_within: Option<SignedDuration>,
    /// Output format; with json and yaml kubeadm's messages go to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    args.kubeadm.tell(context);
    let mut prepared = prepare(&args.change.write, &args.options()?, context)?;
    args.refuse_flags(&prepared)?;
    if args.change.write.dry_run {
        context.out.result(&plan_text(&prepared.plan));
        prepared.refuse(context)?;
        let after = match prepared.plan.is_empty() {
            true => prepared.findings.clone(),
            false => args.issue(&prepared)?.findings,
        };
        context.out.say(&configured_names(&changes_of_names(&prepared.plan), args.update_cluster));
        context.out.say("Dry run: everything was made and checked in memory, nothing was written.");
        let exit = args.exit(&prepared.plan, &after);
        context.out.document("Recovery", &Recovery::of(&prepared, None, &after, true, exit));
        return Ok(exit);
    }
    prepared.refuse(context)?;
    if prepared.plan.is_empty() {
        context.out.result(&renewal_messages(&prepared.plan));
        if prepared.plan.is_nothing_due() {
            context.out.say("Nothing is due: nothing was written.");
            let exit = args.exit(&prepared.plan, &prepared.findings);
            context.out.document("Recovery", &Recovery::of(&prepared, None, &prepared.findings, false, exit));
            return Ok(exit);
        }
        let why = "there is nothing to renew";
        return Err(
            Error::refused(Code::NothingToRenew, why).hint("see the reasons above; --dry-run shows the plan")
        );
    }
    let issued = args.issue(&prepared)?;
    prepared.lock(context)?;
    let done = prepared.carry_out(issued, args.change.write.archive_dir.as_deref(), context)?;
    context.out.result(&renewal_messages(&prepared.plan));
    context.out.say(plan_notes(&prepared.plan).trim_end());
    if prepared.is_live() {
        context.out.say("hint: kuberescue restart restarts what has to read them");
    }
    context.out.say(&format!("kuberescue rollback puts the old state back, from {}", done.archive.display()));
    let updated = args.update(&prepared, context);
    let left = args.left(&done.findings);
    if !left.is_empty() {
        context.out.say(&format!(
            "Blocking problems that remain:\n{}",
            finding_lines(left.iter().copied()).trim_end()
        ));
        context.out.say("hint: sudo kuberescue diagnose");
    }
    let exit = if updated { args.exit(&prepared.plan, &done.findings) } else { Exit::ActionRequired };
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
        let serves = self.names.iter().any(|name| match name {
            Selection::All => true,
            Selection::One(spec) => spec.names != Names::None,
            _ => false,
        });
        let flags = [("--add-san", &self.add_san), ("--remove-san", &self.remove_san)];
        if !serves && let Some((flag, _)) = flags.iter().find(|(_, names)| !names.is_empty()) {
            let what = format!("cannot use {flag} here: it is for all, apiserver, etcd-server and etcd-peer");
            return Err(Error::usage(what).hint(format!("kuberescue certs renew apiserver {flag} NAME")));
        }
        let of_kubelet = self.names.iter().any(|name| matches!(name, Selection::All | Selection::Kubelet));
        if self.change.enable_client_cert_rotation && !of_kubelet && !self.change.kubelet {
            let what = "cannot use --enable-client-cert-rotation here: it is for all and kubelet-client";
            return Err(Error::usage(what)
                .hint("kuberescue certs renew kubelet-client --enable-client-cert-rotation"));
        }
        if let Some(name) = self.add_san.iter().find(|name| self.remove_san.contains(name)) {
            return Err(Error::usage(format!("cannot both add and remove {name}")));
        }
        let options = self.change.options(Selection::of(&self.names), false, self.if_within)?;
        Ok(Options { add_sans: self.add_san.clone(), remove_sans: self.remove_san.clone(), ..options })
    }

    /// # Errors
    /// A name is to be removed that none of the certificates has, or there is no cluster to update.
    fn refuse_flags(&self, prepared: &Prepared) -> Result<(), Error> {
        if self.update_cluster && !prepared.is_live() {
            let what = "cannot use --update-cluster with --root: the API server of a disk doesn't run";
            return Err(Error::usage(what).hint("change kubeadm-config once the node runs"));
        }
        let plan = &prepared.plan;
        let has = |name: &&San| plan.steps.iter().any(|step| step.removed.contains(name));
        let Some(name) = self.remove_san.iter().find(|name| !has(name)) else { return Ok(()) };
        let what = format!("cannot remove {name}: none of the certificates to be renewed has it");
        Err(Error::usage(what).hint("--dry-run -o json lists the names that each will have"))
    }

    /// Issues what is planned.
    ///
    /// # Errors
    /// It can't be issued, or clients ask by a name that is to be removed.
    fn issue(&self, prepared: &Prepared) -> Result<Issued, Error> {
        let issued = prepared.issue()?;
        let accepted = self.change.write.accepted();
        let asked_by = |finding: &&Finding| {
            let mut names = finding.missing.iter().filter_map(|missing| missing.name.parse().ok());
            let removed = names.any(|name| self.remove_san.contains(&name));
            removed && finding.is_blocker() && !accepted.contains(&finding.code)
        };
        let Some(finding) = issued.findings.iter().find(asked_by) else { return Ok(issued) };
        let what = format!("without these names {} is {}", finding.subject, finding.what);
        Err(Error::refused(finding.code, what)
            .hint("clients use this name: change them first, or add --accept names-missing"))
    }

    /// Brings kubeadm-config up to date, or says that it should be; returns whether all that was asked for was done.
    fn update(&self, prepared: &Prepared, context: &mut Context<'_>) -> bool {
        let changes = changes_of_names(&prepared.plan);
        if !self.update_cluster || changes.is_empty() {
            context.out.say(&configured_names(&changes, false));
            return true;
        }
        let root = prepared.root();
        let updated = Cluster::of_this_node(&prepared.inventory, &|path| root.file(path), API_TIMEOUT)
            .and_then(|(cluster, _)| kubeadm_config::update(&cluster, &changes));
        match &updated {
            Ok(true) => context.out.say("Changed the names in the ConfigMap kubeadm-config."),
            Ok(false) => context.out.say("The ConfigMap kubeadm-config has these names already."),
            Err(failure) => {
                context.out.say(&format!("note: {}", failure.message));
                context.out.say(&configured_names(&changes, false));
            }
        }
        updated.is_ok()
    }

    fn exit(&self, plan: &Plan, after: &[Finding]) -> Exit {
        let left = !plan.manual_actions().is_empty() || !self.left(after).is_empty();
        if left { Exit::ActionRequired } else { Exit::Fine }
    }

    /// The remaining blockers to report: of the node, or of the named certificates.
    fn left<'a>(&self, findings: &'a [Finding]) -> Vec<&'a Finding> {
        let blockers = findings.iter().filter(|finding| finding.is_blocker());
        let of_it = |finding: &Finding, name: &Selection| match name {
            Selection::Nothing | Selection::Several(_) => false,
            Selection::All => true,
            Selection::One(spec) => finding.subject == Subject::Leaf(spec.leaf),
            Selection::Kubelet => {
                matches!(finding.subject, Subject::KubeletClient | Subject::Component(Component::Kubelet))
            }
            Selection::KubeletServing => finding.subject == Subject::KubeletServing,
        };
        blockers.filter(|finding| self.names.iter().any(|name| of_it(finding, name))).collect()
    }
}

/// What kubeadm-config has to hear of: the names that were added and removed.
fn changes_of_names(plan: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    for step in &plan.steps {
        let list = match step.subject() {
            Subject::Leaf(Leaf::ApiServer) => List::ApiServer,
            Subject::Leaf(Leaf::EtcdServer) => List::EtcdServer,
            Subject::Leaf(Leaf::EtcdPeer) => List::EtcdPeer,
            _ => continue,
        };
        let change = |name: &San, add| {
            let name = match name {
                San::Dns(name) => name.clone(),
                San::Address(address) => address.to_string(),
            };
            Change { list, name, add }
        };
        changes.extend(step.added.iter().map(|added| change(&added.name, true)));
        changes.extend(step.removed.iter().map(|name| change(name, false)));
    }
    changes
}

/// What follows, or should follow, in kubeadm-config; nothing where no name changes.
fn configured_names(changes: &[Change], is_asked: bool) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut fields: Vec<_> = changes.iter().map(|change| change.list.field()).collect();
    fields.dedup();
    let fields = fields.join(", ");
    if is_asked {
        return format!("Then the same names are changed in the ConfigMap kubeadm-config: {fields}.");
    }
    format!(
        "hint: change the same names in the ConfigMap kubeadm-config ({fields}), by which kubeadm upgrade issues:\n  \
         kubectl -n kube-system edit configmap kubeadm-config    (or --update-cluster, on the running node)"
    )
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
        name => cert_spec(name).map(Selection::One).ok_or_else(|| no_certificate(name)),
    }
}

/// The nearest name, and all of them.
fn no_certificate(typed: &str) -> String {
    let kubeadms = CERT_SPECS.iter().map(|spec| spec.name);
    let names: Vec<_> =
        ["all"].into_iter().chain(kubeadms).chain([KUBELET_CLIENT, KUBELET_SERVING]).collect();
    let near = names.iter().min_by_key(|name| strsim::levenshtein(typed, name));
    let near = near.filter(|name| strsim::levenshtein(typed, name) <= typed.chars().count() / 4 + 1);
    let what = near.map_or("unknown name".to_owned(), |name| format!("did you mean {name}?"));
    let (mut list, mut column) = (String::new(), 0);
    for name in names {
        // Within 80 columns, below the first name.
        if column + name.len() > 70 {
            list.push_str("\n        ");
            column = 0;
        }
        list = list + " " + name;
        column += name.len() + 1;
    }
    format!("{what}\n\n  names:{list}")
}
