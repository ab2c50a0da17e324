//! Arguments of the commands that change a node's credentials.

use std::path::PathBuf;
use std::str::FromStr as _;

use jiff::{SignedDuration, Timestamp};

use crate::analysis::node::plan::{CaSelection, DEFAULT_CA_DAYS, DEFAULT_DAYS, Options, Selection};
use crate::disk::Root;
use crate::error::Error;
use crate::formats::key::KeyAlgorithm;
use crate::session::input::arguments::{parse_code, parse_time};
use crate::session::input::source::RootArgs;
use crate::state::Code;
use crate::state::text::count;

/// Which node, and how a change of it is made.
#[derive(clap::Args, Debug)]
pub struct WriteArgs {
    #[command(flatten)]
    pub root: RootArgs,
    /// Evaluate as of TIME, such as 2027-03-01T12:00:00Z or 2027-03-01 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub at: Option<Timestamp>,
    /// Show what would be done without changing anything
    #[arg(long)]
    pub dry_run: bool,
    /// Skip confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// Go on in spite of a blocking problem, such as clock-behind or etcd-data-missing; may be given several times
    #[arg(long, value_name = "CODE", value_parser = parse_code)]
    pub accept: Vec<Code>,
    /// Same as --accept clock-behind: trust the clock although files on the disk are newer
    #[arg(long)]
    pub accept_clock: bool,
    /// Write the archive of the old state to DIR [default: /var/lib/kuberescue of the root]
    #[arg(long, value_name = "DIR")]
    pub archive_dir: Option<PathBuf>,
}

impl WriteArgs {
    /// The blocking problems that are accepted.
    pub fn accepted(&self) -> Vec<Code> {
        let clock = self.accept_clock.then_some(Code::ClockBehind);
        self.accept.iter().copied().chain(clock).collect()
    }

    /// # Errors
    /// Another time than that of its clock is given for a running node.
    pub fn refuse_other_time(&self, root: &Root) -> Result<(), Error> {
        if !root.is_live() || self.at.is_none() || self.dry_run {
            return Ok(());
        }
        let what = "cannot use --at on a running node: it has its own clock; --at is for disks and dry runs";
        Err(Error::usage(what).hint("leave --at out, or add --dry-run"))
    }
}

/// Arguments of every command that issues leaf certificates.
#[derive(clap::Args, Debug)]
pub struct ChangeArgs {
    #[command(flatten)]
    pub write: WriteArgs,
    /// Keep the existing private keys
    #[arg(long)]
    pub reuse_keys: bool,
    /// Make new keys of this algorithm: rsa-2048, rsa-3072, rsa-4096, ecdsa-p256 or ecdsa-p384 [default: that of the old one].
    /// The kubelet's own keys stay ECDSA
    #[arg(long, value_name = "ALGORITHM", value_parser = KeyAlgorithm::from_str, conflicts_with = "reuse_keys")]
    pub key_algorithm: Option<KeyAlgorithm>,
    /// Issue certificates that are valid for N days, never longer than their CA [default: 365, or certificateValidityPeriod of
    /// kubeadm-config in etcd's database]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub days: Option<u32>,
    /// Renew what other CAs sign where one CA cannot sign
    #[arg(long)]
    pub partial: bool,
    /// Renew the kubelet's certificates too, even if they have not expired
    #[arg(long)]
    pub kubelet: bool,
    /// Where kubelet.conf holds the kubelet's client certificate, let it name kubelet-client-current.pem instead, which the kubelet
    /// rotates, as kubeadm init phase kubelet-finalize enable-client-cert-rotation does
    #[arg(long)]
    pub enable_client_cert_rotation: bool,
}

impl ChangeArgs {
    /// The plan's options for this selection; with a time only what expires within it is renewed.
    ///
    /// # Errors
    /// New certificates would be due at once.
    pub fn options(
        &self,
        selection: Selection,
        whole_node: bool,
        due_within: Option<SignedDuration>,
    ) -> Result<Options, Error> {
        let life = SignedDuration::from_hours(i64::from(self.days.unwrap_or(DEFAULT_DAYS)) * 24);
        if due_within.is_some_and(|within| within >= life) {
            let days = life.as_hours() / 24;
            let what = format!(
                "cannot renew this early: new certificates, valid for {}, would be due at once",
                count(days, "day")
            );
            return Err(Error::usage(what).hint("give a shorter time, or more --days"));
        }
        Ok(Options {
            selection,
            authorities: CaSelection::None,
            ca_days: DEFAULT_CA_DAYS,
            replace: None,
            kubelet: self.kubelet,
            client_cert_rotation: self.enable_client_cert_rotation,
            reuse_keys: self.reuse_keys,
            key_algorithm: self.key_algorithm.clone(),
            days: self.days,
            due_within,
            partial: self.partial,
            accept: self.write.accepted(),
            whole_node,
            add_sans: Vec::new(),
            remove_sans: Vec::new(),
            elsewhere: None,
        })
    }
}
