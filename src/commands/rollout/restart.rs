//! `rollout restart`: restarts workloads that read renewed files.

use jiff::{SignedDuration, Timestamp};

use crate::analysis::cluster::rollout::Target;
use crate::error::{Error, Exit, Outcome};
use crate::formats::objects::workloads::Kind;
use crate::report::{DocumentFormat, Rollout, rollout_obstacle, rollout_plan};
use crate::session::Context;
use crate::session::cluster::connect::{Cluster, ClusterArgs};
use crate::session::cluster::rollout;
use crate::session::cluster::rollout::NAMESPACE;
use crate::session::input::arguments::{parse_duration, parse_time};

const KIND: &str = "Rollout";

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Restart KIND/NAME: daemonset/NAME, deployment/NAME, statefulset/NAME, or KIND NAME…
    ///
    /// [default: workloads that mount or name renewed files, and etcd-defrag]
    #[arg(value_name = "KIND/NAME")]
    names: Vec<String>,
    /// Name their namespace
    #[arg(short, long, default_value = NAMESPACE, value_name = "NAMESPACE")]
    namespace: String,
    /// Look for them in all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["names", "namespace"])]
    all_namespaces: bool,
    /// Skip pods that started after TIME, when the files were renewed
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "names")]
    since: Option<Timestamp>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Wait this long for each of them: 30s, 5m
    #[arg(long, default_value = "5m", value_name = "DURATION", value_parser = parse_duration)]
    timeout: SignedDuration,
    /// Do not wait for the new pods
    #[arg(long)]
    no_wait: bool,
    /// Show what would be restarted, and why
    #[arg(long)]
    dry_run: bool,
    /// Skip confirmation
    #[arg(short, long)]
    yes: bool,
    /// Output format; with json and yaml the course of the work goes to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// Restarts the named workloads, or those that read renewed files; one that cannot be restarted is a finding.
///
/// # Errors
/// A workload is not found, cannot be restarted, or is not ready in time.
pub fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    context.out.reserve();
    let named = parse(&args.names, &args.namespace)?;
    let cluster = Cluster::connect(&args.cluster, context)?;
    let found = if named.is_empty() {
        let namespace = (!args.all_namespaces).then_some(args.namespace.as_str());
        rollout::find(&cluster, namespace, args.since)?
    } else {
        rollout::named(&cluster, &named)?
    };
    context.out.result(&rollout_plan(&found.candidates, &found.not_listed));
    if !named.is_empty()
        && let Some(left) = found.left().next()
        && let Some(refusal) = rollout_obstacle(&left.target, left.verdict, left.selector.as_deref())
    {
        return Err(refusal);
    }
    let targets = found.targets();
    let mut done = Rollout::of(&found.candidates, &found.not_listed, args.dry_run);
    let is_left = found.left().next().is_some() || !found.not_listed.is_empty();
    if targets.is_empty() {
        context.out.result("Nothing to restart.\n");
        context.out.document(KIND, &done);
        return Ok(if is_left { Exit::Findings } else { Exit::Fine });
    }
    if args.dry_run {
        context.out.document(KIND, &done);
        context.out.say("Dry run: nothing was restarted.");
        return Ok(if is_left { Exit::Findings } else { Exit::Fine });
    }
    context.confirm("Restart?", args.yes)?;
    let wait = (!args.no_wait).then(|| args.timeout.unsigned_abs());
    rollout::restart(&cluster, &targets, wait, context)?;
    done.restarted = true;
    context.out.document(KIND, &done);
    Ok(if is_left { Exit::ActionRequired } else { Exit::Fine })
}

/// As kubectl parses it: `KIND/NAME …`, or `KIND NAME …`.
fn parse(words: &[String], namespace: &str) -> Result<Vec<Target>, Error> {
    let kind = |word: &str| {
        Kind::of(word).ok_or_else(|| {
            Error::usage(format!("cannot restart a \"{word}\""))
                .hint("use daemonset/NAME, deployment/NAME or statefulset/NAME; for static pods: sudo kuberescue restart")
        })
    };
    let target =
        |kind: Kind, name: &str| Target { namespace: namespace.to_owned(), kind, name: name.to_owned() };
    let mut found: Vec<Target> = Vec::new();
    let mut rest = words.iter();
    let of_all = match words.first() {
        Some(first) if !first.contains('/') => {
            rest.next();
            Some(kind(first)?)
        }
        _ => None,
    };
    for word in rest {
        let new = match (of_all, word.split_once('/')) {
            (None, Some((word, name))) if !name.is_empty() => target(kind(word)?, name),
            (Some(kind), None) => target(kind, word),
            _ => {
                return Err(Error::usage(format!("cannot parse \"{word}\""))
                    .hint("use KIND/NAME …, or KIND NAME …: daemonset/etcd-defrag"));
            }
        };
        if !found.contains(&new) {
            found.push(new);
        }
    }
    if let (Some(kind), true) = (of_all, found.is_empty()) {
        return Err(Error::usage(format!("no {} is named", kind.singular()))
            .hint("name one, or run without KIND to find workloads that read renewed files"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<String>, Error> {
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        Ok(parse(&words, "n")?.iter().map(Target::shown).collect())
    }

    #[test]
    fn kubectls_spellings() {
        for text in [
            "daemonset/a",
            "ds/a",
            "daemonsets/a",
            "daemonsets.apps/a",
            "DaemonSet/a",
            "daemonset a",
            "ds a a",
            "daemonsets.v1.apps a",
        ] {
            assert_eq!(parsed(text).unwrap(), ["daemonset/a"], "{text}");
        }
        assert_eq!(parsed("deploy/a sts/b").unwrap(), ["deployment/a", "statefulset/b"]);
        assert_eq!(parsed("deploy a b").unwrap(), ["deployment/a", "deployment/b"]);
        assert_eq!(parsed("").unwrap(), [""; 0]);
        for wrong in ["pod/a", "pods a", "ds", "ds/", "ds/a b", "ds a ds/b", "/a", "/"] {
            assert_eq!(parsed(wrong).unwrap_err().exit(), Exit::CouldNotRun, "{wrong}");
        }
    }
}
