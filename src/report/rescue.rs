//! The plan and the result of `etcd rescue`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::sanitise::line;
use crate::disk::data;
use crate::formats::etcd::Keys;
use crate::live::etcd::alone::Other;
use crate::state::text::{self, count, size};

/// What a rescue does on this node, decided before anything is changed.
pub struct RescuePlan {
    /// The name of this node's member.
    pub here: String,
    pub lost: Vec<Other>,
    /// Where the members were read.
    pub source: String,
    pub manifest: PathBuf,
    pub data: PathBuf,
    pub copy: PathBuf,
    pub size: data::Size,
    /// Free bytes where the copy goes.
    pub free: u64,
    /// That is too little unless the copy shares its content with the data.
    pub must_share: bool,
    /// etcd's keys before, if it answered.
    pub keys: Option<Keys>,
    /// Its revision before, from the database where etcd did not answer.
    pub revision: Option<u64>,
}

impl RescuePlan {
    pub fn lost_names(&self) -> Vec<String> {
        self.lost.iter().map(|other| other.name.clone()).collect()
    }

    fn before(&self) -> Option<String> {
        let keys =
            self.keys.map(|keys| format!("{} at revision {}", count(keys.count, "key"), keys.revision));
        keys.or_else(|| Some(format!("at revision {}", self.revision?)))
    }

    /// In words.
    pub fn text(&self, patience: Duration) -> String {
        let (here, data, copy) = (&self.here, self.data.display(), self.copy.display());
        let lost = self.lost_names().join(" and ");
        let mut out = String::from("Members:\n");
        let mut member = |name: &str, what: &str| {
            let _ = writeln!(out, "  {:<12} {}", line(name), line(what));
        };
        member(here, "this node, stays");
        for other in &self.lost {
            member(&other.name, &format!("no answer at {}; is removed", addresses(&other.asked)));
        }
        let _ = writeln!(out, "  (from {})", line(&self.source));
        let data_now = self.before().unwrap_or_else(|| "its keys are not known".to_owned());
        let (bytes, free) = (size(self.size.bytes), size(self.free));
        let share = if self.must_share { ": enough only if the file system shares content" } else { "" };
        let lines = [
            String::new(),
            "Plan:".to_owned(),
            format!("  1. etcd is stopped: {} is taken away (the archive holds it)", self.manifest.display()),
            format!("  2. {data} ({bytes}, {data_now}) is copied to {copy} ({free} free{share})"),
            format!("  3. etcd is started with --force-new-cluster: {here} is then the only member"),
            "  4. once it is healthy, etcd is stopped, and started with its old manifest, byte for byte"
                .to_owned(),
            format!(
                "  etcd and the API server are down meanwhile, usually for 1 to 3 minutes; each step may take {} s.",
                patience.as_secs()
            ),
            String::new(),
            "What is lost, and cannot be undone later:".to_owned(),
            format!("  - what {lost} had committed and {here} has not received"),
            format!(
                "  - the membership of {lost}: their disks must never run etcd again. Wipe them, then join them as new nodes."
            ),
        ];
        for text in lines {
            let _ = writeln!(out, "{}", line(&text));
        }
        out
    }
}

fn addresses(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
}

pub struct RescueDone {
    pub archive: PathBuf,
    pub keys: Keys,
    /// From the start of the run.
    pub took: Duration,
}

impl RescueDone {
    /// In words, with the next steps.
    pub fn text(&self, plan: &RescuePlan) -> String {
        let Keys { count: keys, revision } = self.keys;
        let before = plan
            .keys
            .map(|keys| format!(" (before: {} at revision {})", count(keys.count, "key"), keys.revision));
        let lost = plan.lost_names().join(" and ");
        let lines = [
            String::new(),
            format!(
                "RESCUED in {:.1} s: etcd has one member, {}, and is healthy with its old manifest.",
                self.took.as_secs_f64(),
                plan.here
            ),
            format!("{} at revision {revision}{}.", count(keys, "key"), before.unwrap_or_default()),
            format!("The data before the rescue: {}. Keep it until the cluster is healthy.", plan.copy.display()),
            String::new(),
            "Next steps:".to_owned(),
            "  1. on this node: kuberescue probe, then kubectl get nodes".to_owned(),
            format!("  2. for each of {lost}: kubectl delete node NAME"),
            format!("  3. {lost} must not come back with their old disks: on each of them kubeadm reset (or reinstall it) before it is connected again"),
            "  4. join each of them as a new node. On this node:".to_owned(),
            "       kubeadm token create --print-join-command --certificate-key $(kubeadm init phase upload-certs --upload-certs | tail -1)".to_owned(),
            "     and what that prints, with --control-plane, on the new node".to_owned(),
            "  5. where a load balancer or --etcd-servers names the lost nodes: remove them there".to_owned(),
        ];
        lines.iter().map(|text| format!("{}\n", line(text))).collect()
    }
}

/// See `docs/etcd-rescue.schema.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdRescue<'a> {
    dry_run: bool,
    changed: bool,
    member: &'a str,
    lost: Vec<Lost<'a>>,
    /// Where the members were read.
    source: &'a str,
    #[serde(serialize_with = "text::serialize")]
    manifest: &'a Path,
    #[serde(serialize_with = "text::serialize")]
    data: &'a Path,
    #[serde(serialize_with = "text::serialize")]
    copy: &'a Path,
    bytes: u64,
    before: Option<Before>,
    after: Option<Counted>,
    #[serde(serialize_with = "text::optional")]
    archive: Option<&'a Path>,
    seconds: Option<f64>,
}

#[derive(Serialize)]
struct Lost<'a> {
    name: &'a str,
    addresses: &'a [SocketAddr],
}

#[derive(Serialize)]
struct Before {
    keys: Option<u64>,
    revision: u64,
}

#[derive(Serialize)]
struct Counted {
    keys: u64,
    revision: u64,
}

impl From<Keys> for Counted {
    fn from(Keys { count: keys, revision }: Keys) -> Self {
        Self { keys, revision }
    }
}

impl<'a> EtcdRescue<'a> {
    /// `done` is set once the node was changed.
    pub fn of(plan: &'a RescuePlan, done: Option<&'a RescueDone>) -> Self {
        let lost = plan.lost.iter().map(|other| Lost { name: &other.name, addresses: &other.asked });
        Self {
            dry_run: done.is_none(),
            changed: done.is_some(),
            member: &plan.here,
            lost: lost.collect(),
            source: &plan.source,
            manifest: &plan.manifest,
            data: &plan.data,
            copy: &plan.copy,
            bytes: plan.size.bytes,
            before: plan.revision.map(|revision| Before { keys: plan.keys.map(|keys| keys.count), revision }),
            after: done.map(|done| done.keys.into()),
            archive: done.map(|done| done.archive.as_path()),
            seconds: done.map(|done| done.took.as_secs_f64()),
        }
    }
}
