//! `kubeconfig new`: a kubeconfig with a client certificate of the node's CA, without an API server.

use std::path::{Path, PathBuf};

use clap::ArgGroup;
use jiff::{SignedDuration, Timestamp};

use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::ClientRequest;
use crate::error::{Error, Exit, Outcome};
use crate::report::{DocumentFormat, NewKubeconfig};
use crate::session::Context;
use crate::session::input::arguments::{parse_code, parse_duration, parse_server, parse_time};
use crate::session::input::source::RootArgs;
use crate::session::workstation::credential::replace;
use crate::session::workstation::new::{Made, Signing, kubelet_of};
use crate::state::Code;
use crate::state::catalog::Ca;
use crate::state::text::shell_word;

const EXAMPLES: &str = "\
Needs the CA key of this node and nothing that runs. The client certificate has a new ECDSA P-256 key, never outlives \
its CA, and is recorded in the history of the node (kuberescue archive verify shows it).

Examples:
  sudo kuberescue kubeconfig new --break-glass --out /root/emergency.conf
  sudo kuberescue kubeconfig new --user alice --group dev --valid 8h > alice.conf
  sudo kuberescue kubeconfig new --for-node worker-1 > kubelet.conf

Exit codes: 0 issued; 2 could not run; 5 refused for safety, nothing was issued";

/// Who is let in with it, and how long by default in hours.
const BREAK_GLASS: (&str, &str) = ("kuberescue-break-glass", "system:masters");
const BOOTSTRAP: (&str, &str) =
    ("system:bootstrap:kuberescue", "system:bootstrappers:kubeadm:default-node-token");
const USER_HOURS: i64 = 1;
/// As kubeadm's bootstrap tokens.
const BOOTSTRAP_HOURS: i64 = 24;
/// As kubeadm's kubelet.conf.
const NODE_HOURS: i64 = 8760;

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("whose").required(true).args(["user", "break_glass", "for_node", "for_bootstrap"]))]
pub struct Args {
    /// Issue it for this user (CN of the client certificate)
    #[arg(long, value_name = "USER", alias = "client-name")]
    user: Option<String>,
    /// Put the user into this group (O of the client certificate), such as system:masters; may be given several times
    #[arg(
        long,
        value_name = "GROUP",
        alias = "org",
        value_delimiter = ',',
        conflicts_with_all = ["break_glass", "for_node", "for_bootstrap"]
    )]
    group: Vec<String>,
    /// Issue it for an emergency: user kuberescue-break-glass in system:masters, whom no RBAC rule restricts
    #[arg(long)]
    break_glass: bool,
    /// Issue the kubelet.conf of node NAME, whose kubelet has nothing left [default: this node]
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    for_node: Option<String>,
    /// Issue a bootstrap-kubelet.conf: a kubelet that has it requests its own certificate
    #[arg(long)]
    for_bootstrap: bool,
    /// Valid for this long, never longer than the CA [default: 1h; 24h with --for-bootstrap; 365d with --for-node]
    #[arg(long, value_name = "DURATION", alias = "validity-period", value_parser = parse_validity)]
    valid: Option<SignedDuration>,
    /// URL of the API server [default: that of admin.conf, else of kubeadm-config in etcd's database or of the manifest]
    #[arg(long, value_name = "URL", value_parser = parse_server)]
    server: Option<String>,
    /// Write to FILE (mode 0600) instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace FILE, if it is a kubeconfig; the old one is kept beside it under a dated name
    #[arg(long, requires = "out")]
    force: bool,
    #[command(flatten)]
    root: RootArgs,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Go on in spite of a problem: clock-behind or interrupted-change; may be given several times
    #[arg(long, value_name = "CODE", value_parser = parse_code)]
    accept: Vec<Code>,
    /// Issue it without a record in the history of the node, for a disk that cannot be written
    #[arg(long)]
    unrecorded: bool,
    /// Show what would be issued without issuing it
    #[arg(long)]
    dry_run: bool,
    /// Output format, with --out or --dry-run
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// Issues a kubeconfig. Everything is made in memory and recorded before the kubeconfig leaves it.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    if args.output != DocumentFormat::Table && args.out.is_none() && !args.dry_run {
        let what = "cannot use -o here: stdout is the kubeconfig itself";
        return Err(Error::usage(what).hint("add --out FILE, or --dry-run"));
    }
    let now = args.at.unwrap_or(context.now);
    let signing = Signing::read(&args.root, now)?;
    let node = signing.inventory.facts.node_name.as_ref().map(|name| name.value.as_str());
    let request = args.request(node)?;
    let target = match &args.out {
        Some(path) => Some(signing.target(path, args.force)?),
        None => None,
    };
    let made = signing.make(&request, args.server.as_deref(), context)?;
    let mut done = args.document(&made);
    if args.dry_run {
        context.out.result(&done.text(now));
        context.out.say("Dry run: it was made and checked in memory; nothing was issued or written.");
        context.out.document(NewKubeconfig::KIND, &done);
        return Ok(Exit::Fine);
    }
    if !args.unrecorded {
        let recorded = signing.record(std::slice::from_ref(&made.certificate), context);
        recorded.map_err(|mut error| {
            error.message = format!("cannot record the kubeconfig in the history: {}", error.message);
            error.hints.push("to issue it all the same: --unrecorded".to_owned());
            error
        })?;
        done.recorded = true;
    }
    context.out.say(done.text(now).trim_end());
    if done.recorded {
        context.out.say("Recorded in the history of the node: kuberescue archive verify shows it");
    } else {
        context.out.note("not recorded in the history of the node (--unrecorded)");
    }
    match target {
        None => context.out.file(made.text.as_bytes()),
        Some(target) => {
            let replaced = replace(&target, made.text.as_bytes(), context.now)?;
            context.changed = true;
            (done.path, done.kept) = (args.out.clone(), replaced.kept);
            let kept = done.kept.as_ref().map(|kept| format!("; old file: {}", kept.display()));
            let shown = args.shown();
            context.out.say(&format!("Wrote {shown} (mode 0600){}", kept.unwrap_or_default()));
            if let Some(error) = replaced.unsynced {
                context.out.say(&format!("warning: {shown} is written, but not synced to disk: {error}"));
            }
        }
    }
    for hint in args.hints(&done, &signing.inventory) {
        context.out.say(&format!("hint: {hint}"));
    }
    context.out.document(NewKubeconfig::KIND, &done);
    Ok(Exit::Fine)
}

impl Args {
    /// Whose certificate is asked for; `node` is the name of this one.
    fn request(&self, node: Option<&str>) -> Result<ClientRequest, Error> {
        let named = |(user, group): (&str, &str)| (user.to_owned(), vec![group.to_owned()]);
        let ((user, groups), hours) = match (&self.user, &self.for_node) {
            (Some(user), _) => ((user.clone(), self.group.clone()), USER_HOURS),
            (None, Some(name)) => {
                let name = if name.is_empty() { node.unwrap_or_default() } else { name };
                (named((&kubelet_of(name)?, "system:nodes")), NODE_HOURS)
            }
            (None, None) if self.for_bootstrap => (named(BOOTSTRAP), BOOTSTRAP_HOURS),
            (None, None) => (named(BREAK_GLASS), USER_HOURS),
        };
        for name in groups.iter().chain([&user]) {
            if name.trim().is_empty() || name.chars().any(char::is_control) {
                let what = format!("cannot issue a client certificate for the name {name:?}");
                return Err(Error::usage(what).hint("name a user: --user USER --group GROUP"));
            }
        }
        let validity = self.valid.unwrap_or(SignedDuration::from_hours(hours));
        let (may_be_cut, accept) = (self.valid.is_none(), self.accept.clone());
        Ok(ClientRequest { user, groups, validity, may_be_cut, accept })
    }

    fn document(&self, made: &Made) -> NewKubeconfig {
        let Made { plan, server, cluster, certificate, .. } = made;
        NewKubeconfig {
            dry_run: self.dry_run,
            path: None,
            kept: None,
            user: plan.profile.common_name.clone(),
            groups: plan.profile.organizations.clone(),
            server: server.clone(),
            cluster: cluster.clone(),
            serial: (!self.dry_run).then(|| certificate.serial.clone()),
            not_before: plan.dates.not_before,
            not_after: plan.dates.not_after,
            cut_to_authority: plan.cut_to_authority,
            recorded: false,
        }
    }

    /// The file, as a shell takes it.
    fn shown(&self) -> String {
        let file = self.out.as_deref().unwrap_or(Path::new("FILE"));
        shell_word(&file.display().to_string())
    }

    /// What comes next.
    fn hints(&self, done: &NewKubeconfig, inventory: &Inventory) -> Vec<String> {
        let file = self.shown();
        let to = match (&self.for_node, self.for_bootstrap) {
            (None, false) => {
                let try_it = self.out.as_ref().map(|_| format!("kubectl --kubeconfig {file} get nodes"));
                return try_it.into_iter().collect();
            }
            (Some(_), _) => "kubelet.conf",
            (None, true) => "bootstrap-kubelet.conf",
        };
        let node = done.user.strip_prefix("system:node:").unwrap_or("NODE");
        // The kubelet prefers these to what it is given.
        let old = match self.for_bootstrap {
            true => "/etc/kubernetes/kubelet.conf /var/lib/kubelet/pki/kubelet-client-current.pem",
            false => "/var/lib/kubelet/pki/kubelet-client-current.pem",
        };
        let place = format!("/etc/kubernetes/{to}");
        let restart = format!("chmod 600 {place}; mv {old} /root/; systemctl restart kubelet");
        if inventory.facts.node_name.as_ref().is_some_and(|name| name.value == node) {
            let copy = (file != place).then(|| format!("sudo cp {file} {place}"));
            return copy.into_iter().chain([format!("sudo sh -c '{restart}'")]).collect();
        }
        let ca = inventory.authority(Ca::Cluster).map(|row| row.certificate_path.display().to_string());
        let ca = ca.map(|ca| format!("scp {ca} {node}:{ca}"));
        let own = [format!("scp {file} {node}:{place}"), format!("ssh {node} '{restart}'")];
        ca.into_iter().chain(own).collect()
    }
}

/// A minute or more, less than 100 years.
fn parse_validity(text: &str) -> Result<SignedDuration, String> {
    let valid = parse_duration(text)?;
    let usable = SignedDuration::from_mins(1)..=SignedDuration::from_hours(36_500 * 24);
    if usable.contains(&valid) { Ok(valid) } else { Err("between 1m and 36500d".to_owned()) }
}
