//! `bundle create`: a worker's kubelet, or another control-plane node, gets what the CA keys of this one sign.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::{PassphraseArgs, no_terminal};
use crate::analysis::node::plan::{ClientRequest, DEFAULT_DAYS};
use crate::disk::archive;
use crate::disk::replacement::Target;
use crate::error::{Error, Exit, Outcome};
use crate::issue::encryption::{EncryptTo, Recipient, encrypt, new_passphrase};
use crate::report::{Bundle, BundledCertificate, DocumentFormat, EncryptedTo, Role};
use crate::session::Context;
use crate::session::change::bundle::passphrase_in;
use crate::session::input::arguments::{parse_code, parse_server, parse_time};
use crate::session::input::source::{RootArgs, about};
use crate::session::workstation::bundle::{Made, Request};
use crate::session::workstation::credential::replace;
use crate::session::workstation::new::{Signing, kubelet_of};
use crate::state::Code;
use crate::state::text::shell_word;

const EXAMPLES: &str = "\
For a worker: a new client certificate of its kubelet, the cluster's CA, and a \
kubelet.conf. For another control-plane node, of which --from is an archive, the \
mounted disk or a copy of /etc/kubernetes: its certificates and kubeconfigs, as \
recover would renew them there. No key of a CA is in it. The file is encrypted \
in the format of age, and works on that node alone.

Examples:
  sudo kuberescue bundle create --node worker-1
  sudo kuberescue bundle create --node cp-2 --from cp-2-20261124T000000Z.tar.gz
  sudo kuberescue bundle create --node worker-1 --recipient age1... --out w1.age

Exit codes: 0 written; 2 could not run; 5 refused for safety, nothing was issued";

#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The node's name, as kubectl get nodes shows it
    #[arg(long, value_name = "NAME")]
    node: String,
    /// An archive of that node, the root directory of its disk, or a copy of its /etc/kubernetes or pki [default: a worker of
    /// which nothing is needed]
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,
    /// The new file [default: NAME.bundle.age]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Encrypt it to this public key of age; may be given several times [default: to a passphrase that is made and shown]
    #[arg(long, value_name = "AGE1", conflicts_with = "passphrase_file")]
    recipient: Vec<Recipient>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Issue certificates that are valid for N days, never longer than their CA [default: 365, or for a control-plane node
    /// certificateValidityPeriod of kubeadm-config in its etcd's database]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: Option<u32>,
    /// URL of the API server for a worker that has no kubelet.conf [default: that of admin.conf, else of kubeadm-config in etcd's
    /// database or of the manifest]
    #[arg(long, value_name = "URL", value_parser = parse_server)]
    server: Option<String>,
    #[command(flatten)]
    root: RootArgs,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Go on in spite of a problem, such as clock-behind or interrupted-change; may be given several times
    #[arg(long, value_name = "CODE", value_parser = parse_code)]
    accept: Vec<Code>,
    /// Show what would be issued without issuing it
    #[arg(long)]
    dry_run: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// Makes a bundle in memory, records what it holds in the node's history, and writes it encrypted.
///
/// # Errors
/// See [`Exit`].
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let now = args.at.unwrap_or(context.now);
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.bundle.age", args.node)));
    let request = args.request()?;
    let target = new_file(&path)?;
    let signing = Signing::read(&args.root, now)?;
    let made = signing.bundle(&request, context)?;
    let mut done = args.document(&made);
    context.out.result(&done.text(now));
    if args.dry_run {
        context.out.say("Dry run: it was made and checked in memory; nothing was issued or written.");
        context.out.document(Bundle::KIND, &done);
        return Ok(Exit::Fine);
    }
    let (to, shown) = args.encrypt_to(context)?;
    let about = archive::About {
        created: now,
        node: args.node.clone(),
        ..about(&signing.inventory, "bundle", context)
    };
    let plain = archive::to_bytes(&made.bundle.files, &about).map_err(|error| {
        Error::could_not_run(format!("cannot make the bundle: {error}")).code(Code::IssueFailed)
    })?;
    let encrypted = encrypt(&plain, &to)?;
    let certificates: Vec<_> = made.bundle.certificates.iter().map(|(_, one)| one.clone()).collect();
    signing.record(&certificates, context).map_err(|mut error| {
        error.message = format!("cannot record the bundle in the history: {}", error.message);
        error
    })?;
    let replaced = replace(&target, &encrypted, context.now)?;
    context.changed = true;
    let file = shell_word(&path.display().to_string());
    if let Some(error) = replaced.unsynced {
        context.out.note(&format!("{file} is written, but not synced to disk: {error}"));
    }
    context.out.say(&format!("Wrote {file} (mode 0600, encrypted); recorded in the history of this node"));
    if let Some(passphrase) = shown {
        context.out.say(&format!("Passphrase, shown only this once: {}", passphrase.as_str()));
    }
    let name = path.file_name().map_or_else(|| file.clone(), |name| shell_word(&name.to_string_lossy()));
    context.out.say(&format!(
        "hint: scp {file} {node}:\nhint: on {node}: sudo kuberescue bundle apply {name}",
        node = args.node
    ));
    done.path = Some(path);
    context.out.document(Bundle::KIND, &done);
    Ok(Exit::Fine)
}

impl Args {
    fn request(&self) -> Result<Request, Error> {
        let validity = SignedDuration::from_hours(i64::from(self.days.unwrap_or(DEFAULT_DAYS)) * 24);
        let client = ClientRequest {
            user: kubelet_of(&self.node)?,
            groups: vec!["system:nodes".to_owned()],
            validity,
            may_be_cut: self.days.is_none(),
            accept: self.accept.clone(),
        };
        let Self { node, from, days, server, .. } = self;
        Ok(Request { node: node.clone(), from: from.clone(), days: *days, client, server: server.clone() })
    }

    /// To whom it is encrypted, and the passphrase if one was made.
    fn encrypt_to(&self, context: &Context<'_>) -> Result<(EncryptTo, Option<Zeroizing<String>>), Error> {
        if !self.recipient.is_empty() {
            return Ok((EncryptTo::Recipients(self.recipient.clone()), None));
        }
        if let Some(path) = &self.passphrase.passphrase_file {
            return Ok((EncryptTo::Passphrase(passphrase_in(path)?), None));
        }
        if !context.out.is_seen() {
            return Err(no_terminal("show a new passphrase")
                .hint("name a file that holds one: --passphrase-file FILE; or encrypt to a public key: --recipient age1..."));
        }
        let made = new_passphrase()?;
        Ok((EncryptTo::Passphrase(made.clone()), Some(made)))
    }

    fn document(&self, made: &Made) -> Bundle {
        let certificates = made.bundle.certificates.iter().map(|(name, one)| BundledCertificate {
            name: name.clone(),
            subject: one.subject.clone(),
            serial: (!self.dry_run).then(|| one.serial.clone()),
            not_before: one.not_before,
            not_after: one.not_after,
        });
        let recipients = self.recipient.iter().map(|one| format!("{one:?}")).collect();
        Bundle {
            dry_run: self.dry_run,
            node: self.node.clone(),
            role: if made.is_worker { Role::Worker } else { Role::ControlPlane },
            path: None,
            server: made.server.clone(),
            certificates: certificates.collect(),
            files: made.bundle.files.iter().map(|(path, _)| path.to_owned()).collect(),
            encrypted_to: match self.recipient.is_empty() {
                true => EncryptedTo::Passphrase,
                false => EncryptedTo::Recipients(recipients),
            },
        }
    }
}

/// A file that is not there yet.
fn new_file(path: &Path) -> Result<Target, Error> {
    let target = Target::open(path)?;
    if target.behind_link().is_some() || target.old().is_some() {
        let what = format!("cannot write {}: it already exists", path.display());
        return Err(Error::usage(what).hint("name a new file: --out FILE"));
    }
    Ok(target)
}
