//! What will be restarted, and the result: as text and as a document.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::json;
use super::sanitise::line;
use crate::analysis::node::plan::{RestartReason, RestartTask, Restarts};
use crate::analysis::node::quorum::Quorum;
use crate::error::Error;
use crate::live::restart::{Outcome, Phase, Report};
use crate::state::text::count;
use crate::state::{Code, Component};

/// How many of a container's last lines are shown.
const LAST_LINES: usize = 10;

/// Output formats of `restart`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RestartFormat {
    /// One line a component
    #[default]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// See `docs/restart.schema.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    dry_run: bool,
    /// False if it was only planned.
    restarted: bool,
    items: &'a [RestartTask],
    /// Set if etcd is among them.
    quorum: Option<String>,
}

/// What was or would be restarted as a document; a table has none.
pub fn restart_document(
    format: RestartFormat,
    time: Timestamp,
    restarts: &Restarts,
    quorum: Option<&Quorum>,
    dry_run: bool,
) -> String {
    let quorum = quorum.map(ToString::to_string);
    let restarted = !dry_run && !restarts.is_empty();
    let body = Body { dry_run, restarted, items: &restarts.tasks, quorum };
    match format {
        RestartFormat::Table => String::new(),
        RestartFormat::Json => json::document("Restart", time, &body),
        RestartFormat::Yaml => json::yaml_document("Restart", time, &body),
    }
}

/// What will be restarted, in this order, and the effect on etcd. `grace` is that of the stateless three.
pub fn restart_plan(restarts: &Restarts, quorum: Option<&Quorum>, grace: Duration) -> String {
    // The quorum matters only if one of its members is stopped.
    let quorum = quorum.filter(|_| restarts.has(Component::Etcd));
    let mut lines = vec!["Plan (restarts, in this order):".to_owned()];
    lines.extend(restarts.tasks.iter().map(|task| plan_line(task, grace)));
    let (others, own): (Vec<_>, Vec<_>) =
        restarts.pods().filter(|task| task.running).partition(|task| task.component.is_other());
    if own.len() > 1 {
        lines.push(if quorum.is_some_and(Quorum::has_others) {
            "  etcd is restarted first and must be healthy before the others are stopped.".to_owned()
        } else if others.is_empty() {
            "  All static pods are stopped at the same time.".to_owned()
        } else {
            "  The static pods of the control plane are stopped at the same time.".to_owned()
        });
    }
    if !own.is_empty() && !others.is_empty() {
        let names: Vec<_> = others.iter().map(|task| task.component.name()).collect();
        lines.push(format!("  Then, once the control plane is back: {}.", names.join(", ")));
    }
    lines.extend(quorum.map(|quorum| format!("  {quorum}")));
    lines.iter().map(|text| format!("{}\n", line(text))).collect()
}

fn plan_line(task: &RestartTask, grace: Duration) -> String {
    let reason = reason(&task.reason);
    let name = task.component.name();
    match task.component {
        Component::Kubelet => format!("  {name:<24} {reason}"),
        _ if !task.running => format!("  {name:<24} {reason}; the kubelet starts it"),
        Component::Etcd | Component::Other(_) => {
            format!("  {name:<24} {reason}; uses the pod's terminationGracePeriod")
        }
        _ => format!("  {name:<24} {reason}; grace period {} s", grace.as_secs()),
    }
}

fn reason(reason: &RestartReason) -> String {
    match reason {
        RestartReason::CredentialsChanged { files } => {
            format!("reads {}", count(files.len(), "renewed file"))
        }
        RestartReason::StartedBeforeChange { files } => format!("started before {} changed", first(files)),
        RestartReason::NotRunning => "not running".to_owned(),
        RestartReason::CrashLooping => "crash-looping".to_owned(),
        RestartReason::NodeUnhealthy => "the node is not healthy".to_owned(),
        RestartReason::Requested => "requested".to_owned(),
    }
}

fn first(files: &[PathBuf]) -> String {
    match files {
        [] => "its files".to_owned(),
        [one] => one.display().to_string(),
        [first, others @ ..] => format!("{} and {} more", first.display(), others.len()),
    }
}

/// A failure for each component that is not back.
pub fn restart_failures(reports: &[Report]) -> Vec<Error> {
    reports.iter().filter_map(failure).collect()
}

fn failure(report: &Report) -> Option<Error> {
    let name = report.component.name();
    Some(match &report.outcome {
        Outcome::Back { .. } | Outcome::Started { .. } | Outcome::StartedByItself { .. } => return None,
        Outcome::NotTried { why } => Error::manual_action(format!("cannot restart {name}: {why}"))
            .code(Code::RestartFailed)
            .hint(format!("sudo kuberescue restart {name}")),
        Outcome::Failed { phase, why, last_lines } => {
            let seconds = report.elapsed.as_secs();
            let failure = Error::manual_action(format!(
                "cannot restart {name}: not back after {seconds} s while {phase}: {why}"
            ));
            let hint = match phase {
                // A new kubelet does not wait for the end of a CrashLoopBackOff.
                Phase::WaitingForNew { .. } => format!("sudo kuberescue restart kubelet {name}"),
                _ => format!("sudo kuberescue restart {name}"),
            };
            failure
                .code(Code::RestartFailed)
                .details(last_lines.iter().rev().take(LAST_LINES).rev().map(|text| line(text).into_owned()))
                .hint(hint)
        }
    })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::analysis::node::quorum::{Health, Voter};

    const GRACE: Duration = Duration::from_secs(2);

    fn task(component: Component, reason: RestartReason) -> RestartTask {
        RestartTask { component, running: reason != RestartReason::NotRunning, reason }
    }

    fn requested(components: &[Component]) -> Restarts {
        Restarts::of_tasks(components.iter().map(|one| task(*one, RestartReason::Requested)))
    }

    fn quorum() -> Quorum {
        let voter =
            |name: &str, here| Voter { name: name.to_owned(), here, health: Health::Healthy, expired: false };
        Quorum {
            voters: vec![voter("a", true), voter("b", false), voter("c", false)],
            source: "etcd".to_owned(),
            disagreement: Vec::new(),
        }
    }

    #[test]
    fn members_of_etcd_count_only_where_etcd_is_stopped() {
        let stateless = requested(&[Component::ApiServer, Component::Scheduler]);
        assert_snapshot!(restart_plan(&stateless, Some(&quorum()), GRACE), @"
        Plan (restarts, in this order):
          kube-apiserver           requested; grace period 2 s
          kube-scheduler           requested; grace period 2 s
          All static pods are stopped at the same time.
        ");
        let with_etcd = requested(&[Component::ApiServer, Component::Etcd]);
        assert_snapshot!(restart_plan(&with_etcd, Some(&quorum()), GRACE), @"
        Plan (restarts, in this order):
          etcd                     requested; uses the pod's terminationGracePeriod
          kube-apiserver           requested; grace period 2 s
          etcd is restarted first and must be healthy before the others are stopped.
          etcd has 3 members, 2 make a quorum; 3 answer and have a leader: a (this node) healthy, b healthy, c healthy; stopping this node's member keeps the quorum (members from etcd)
        ");
    }

    #[test]
    fn what_runs_beside_the_control_plane_comes_last() {
        let all = requested(&[Component::other("kube-vip"), Component::ApiServer, Component::Scheduler]);
        assert_snapshot!(restart_plan(&all, None, GRACE), @"
        Plan (restarts, in this order):
          kube-apiserver           requested; grace period 2 s
          kube-scheduler           requested; grace period 2 s
          kube-vip                 requested; uses the pod's terminationGracePeriod
          The static pods of the control plane are stopped at the same time.
          Then, once the control plane is back: kube-vip.
        ");
    }

    #[test]
    fn every_reason_is_told() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let restarts = Restarts::of_tasks([
            task(Component::Kubelet, RestartReason::CrashLooping),
            task(Component::Scheduler, RestartReason::NotRunning),
            task(
                Component::ControllerManager,
                RestartReason::CredentialsChanged {
                    files: files(&["/etc/kubernetes/controller-manager.conf"]),
                },
            ),
            task(
                Component::Etcd,
                RestartReason::StartedBeforeChange {
                    files: files(&["/pki/etcd/\u{1b}server.crt", "/pki/etcd/peer.crt"]),
                },
            ),
            task(Component::ApiServer, RestartReason::NodeUnhealthy),
        ]);
        assert_snapshot!(restart_plan(&restarts, None, GRACE), @r"
        Plan (restarts, in this order):
          kubelet                  crash-looping
          etcd                     started before /pki/etcd/\u{1b}server.crt and 1 more changed; uses the pod's terminationGracePeriod
          kube-apiserver           the node is not healthy; grace period 2 s
          kube-controller-manager  reads 1 renewed file; grace period 2 s
          kube-scheduler           not running; the kubelet starts it
          All static pods are stopped at the same time.
        ");
        let time = "2026-11-24T00:00:00Z".parse().unwrap();
        assert_snapshot!(restart_document(RestartFormat::Json, time, &restarts, None, true), @r#"
        {
          "apiVersion": "kuberescue/v1",
          "kind": "Restart",
          "time": "2026-11-24T00:00:00Z",
          "dryRun": true,
          "restarted": false,
          "items": [
            {
              "component": "kubelet",
              "reason": {
                "kind": "crash-looping"
              },
              "running": true
            },
            {
              "component": "etcd",
              "reason": {
                "kind": "started-before-change",
                "files": [
                  "/pki/etcd/\u001bserver.crt",
                  "/pki/etcd/peer.crt"
                ]
              },
              "running": true
            },
            {
              "component": "kube-apiserver",
              "reason": {
                "kind": "node-unhealthy"
              },
              "running": true
            },
            {
              "component": "kube-controller-manager",
              "reason": {
                "kind": "credentials-changed",
                "files": [
                  "/etc/kubernetes/controller-manager.conf"
                ]
              },
              "running": true
            },
            {
              "component": "kube-scheduler",
              "reason": {
                "kind": "not-running"
              },
              "running": false
            }
          ],
          "quorum": null
        }
        "#);
        let none = Restarts::default();
        assert_snapshot!(restart_document(RestartFormat::Yaml, time, &none, None, false), @r#"
        apiVersion: "kuberescue/v1"
        dryRun: false
        items: []
        kind: "Restart"
        quorum: null
        restarted: false
        time: "2026-11-24T00:00:00Z"
        "#);
    }

    #[test]
    fn what_is_not_back() {
        let report = |component, outcome| Report { component, outcome, elapsed: Duration::from_secs(121) };
        let failed = |phase| Outcome::Failed {
            phase,
            why: "it exited again".to_owned(),
            last_lines: vec!["tls: certificate has expired".to_owned()],
        };
        let reports = [
            report(Component::Etcd, failed(Phase::WaitingForNew { note: None })),
            report(Component::ApiServer, failed(Phase::StoppingSandbox)),
            report(Component::Scheduler, Outcome::NotTried { why: "etcd is not back".to_owned() }),
            report(Component::ControllerManager, Outcome::StartedByItself { id: "x".to_owned() }),
        ];
        let told: Vec<_> = restart_failures(&reports)
            .iter()
            .map(|error| {
                format!("{}\n  {}\n  {}", error.message, error.details.join(";"), error.hints.join(";"))
            })
            .collect();
        assert_snapshot!(told.join("\n"), @"
        cannot restart etcd: not back after 121 s while waiting for the kubelet's new container: it exited again
          tls: certificate has expired
          sudo kuberescue restart kubelet etcd
        cannot restart kube-apiserver: not back after 121 s while stopping its sandbox: it exited again
          tls: certificate has expired
          sudo kuberescue restart kube-apiserver
        cannot restart kube-scheduler: etcd is not back
          
          sudo kuberescue restart kube-scheduler
        ");
    }
}
