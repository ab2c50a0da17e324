//! The progress of a rollout, by the rules and in the words of `kubectl rollout status` (kubectl
//! `pkg/polymorphichelpers/rollout_status.go`, 1.20 to 1.37).

use crate::formats::objects::condition;
use crate::formats::objects::workloads::{Kind, Workload};

/// Each with kubectl's sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Done(String),
    Running(String),
    /// The progress deadline has passed.
    Stuck(String),
}

pub fn progress(kind: Kind, workload: &Workload) -> Progress {
    match kind {
        Kind::DaemonSet => daemon_set(workload),
        Kind::Deployment => deployment(workload),
        Kind::StatefulSet => stateful_set(workload),
    }
}

fn daemon_set(workload: &Workload) -> Progress {
    let (name, status) = (&workload.metadata.name, &workload.status);
    let (desired, updated) = (status.desired_number_scheduled, status.updated_number_scheduled);
    if workload.metadata.generation > status.observed_generation {
        return Progress::Running("Waiting for daemon set spec update to be observed...".to_owned());
    }
    let waiting = format!("Waiting for daemon set \"{name}\" rollout to finish:");
    if updated < desired {
        return Progress::Running(format!(
            "{waiting} {updated} out of {desired} new pods have been updated..."
        ));
    }
    let available = status.number_available;
    if available < desired {
        return Progress::Running(format!(
            "{waiting} {available} of {desired} updated pods are available..."
        ));
    }
    Progress::Done(format!("daemon set \"{name}\" successfully rolled out"))
}

fn deployment(workload: &Workload) -> Progress {
    let (name, status) = (&workload.metadata.name, &workload.status);
    if workload.metadata.generation > status.observed_generation {
        return Progress::Running("Waiting for deployment spec update to be observed...".to_owned());
    }
    let progressing = condition(&status.conditions, "Progressing");
    if progressing.is_some_and(|found| found.reason == "ProgressDeadlineExceeded") {
        return Progress::Stuck(format!("deployment \"{name}\" exceeded its progress deadline"));
    }
    let waiting = format!("Waiting for deployment \"{name}\" rollout to finish:");
    let updated = status.updated_replicas;
    if let Some(replicas) = workload.spec.replicas.filter(|replicas| updated < *replicas) {
        let what = format!("{waiting} {updated} out of {replicas} new replicas have been updated...");
        return Progress::Running(what);
    }
    if status.replicas > updated {
        let old = status.replicas.saturating_sub(updated);
        return Progress::Running(format!("{waiting} {old} old replicas are pending termination..."));
    }
    let available = status.available_replicas;
    if available < updated {
        return Progress::Running(format!(
            "{waiting} {available} of {updated} updated replicas are available..."
        ));
    }
    Progress::Done(format!("deployment \"{name}\" successfully rolled out"))
}

fn stateful_set(workload: &Workload) -> Progress {
    let status = &workload.status;
    let updated = status.updated_replicas;
    if status.observed_generation == 0 || workload.metadata.generation > status.observed_generation {
        return Progress::Running("Waiting for statefulset spec update to be observed...".to_owned());
    }
    let replicas = workload.spec.replicas;
    if let Some(replicas) = replicas.filter(|replicas| status.ready_replicas < *replicas) {
        let missing = replicas.saturating_sub(status.ready_replicas);
        return Progress::Running(format!("Waiting for {missing} pods to be ready..."));
    }
    if let Some(rolling) = &workload.spec.update_strategy.rolling_update {
        let new = replicas.zip(rolling.partition).map(|(all, first)| all.saturating_sub(first));
        return match new.filter(|new| updated < *new) {
            Some(new) => Progress::Running(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {new} new pods have been updated..."
            )),
            None => Progress::Done(format!(
                "partitioned roll out complete: {updated} new pods have been updated..."
            )),
        };
    }
    if status.update_revision != status.current_revision {
        return Progress::Running(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {}...",
            status.update_revision
        ));
    }
    Progress::Done(format!(
        "statefulset rolling update complete {} pods at revision {}...",
        status.current_replicas, status.current_revision
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn progress_of(kind: Kind, spec: Value, status: Value) -> Progress {
        let object = json!({"metadata": {"name": "a", "generation": 2}, "spec": spec, "status": status});
        progress(kind, &serde_json::from_value(object).unwrap())
    }

    fn running(text: &str) -> Progress {
        Progress::Running(text.to_owned())
    }

    fn done(text: &str) -> Progress {
        Progress::Done(text.to_owned())
    }

    #[test]
    fn daemon_sets() {
        let of = |seen, updated, available| {
            let status = json!({"observedGeneration": seen, "desiredNumberScheduled": 3,
                "updatedNumberScheduled": updated, "numberAvailable": available});
            progress_of(Kind::DaemonSet, json!({}), status)
        };
        assert_eq!(of(1, 3, 3), running("Waiting for daemon set spec update to be observed..."));
        let waiting = "Waiting for daemon set \"a\" rollout to finish:";
        assert_eq!(of(2, 1, 3), running(&format!("{waiting} 1 out of 3 new pods have been updated...")));
        assert_eq!(of(2, 3, 2), running(&format!("{waiting} 2 of 3 updated pods are available...")));
        assert_eq!(of(2, 3, 3), done("daemon set \"a\" successfully rolled out"));
    }

    #[test]
    fn deployments() {
        let of = |seen, replicas, updated, available, reason: &str| {
            let status = json!({"observedGeneration": seen, "replicas": replicas, "updatedReplicas": updated,
                "availableReplicas": available, "conditions": [{"type": "Progressing", "reason": reason}]});
            progress_of(Kind::Deployment, json!({"replicas": 2}), status)
        };
        let waiting = "Waiting for deployment \"a\" rollout to finish:";
        assert_eq!(of(1, 2, 2, 2, ""), running("Waiting for deployment spec update to be observed..."));
        assert_eq!(
            of(2, 3, 1, 1, ""),
            running(&format!("{waiting} 1 out of 2 new replicas have been updated..."))
        );
        assert_eq!(
            of(2, 3, 2, 2, ""),
            running(&format!("{waiting} 1 old replicas are pending termination..."))
        );
        assert_eq!(
            of(2, 2, 2, 1, ""),
            running(&format!("{waiting} 1 of 2 updated replicas are available..."))
        );
        assert_eq!(of(2, 2, 2, 2, ""), done("deployment \"a\" successfully rolled out"));
        let stuck = Progress::Stuck("deployment \"a\" exceeded its progress deadline".to_owned());
        assert_eq!(of(2, 3, 1, 1, "ProgressDeadlineExceeded"), stuck);
        // A status of the previous generation says nothing.
        assert!(matches!(of(1, 3, 1, 1, "ProgressDeadlineExceeded"), Progress::Running(_)));
    }

    #[test]
    fn stateful_sets() {
        let of = |strategy: Value, ready, updated, current: &str| {
            let status = json!({"observedGeneration": 2, "readyReplicas": ready, "updatedReplicas": updated,
                "currentReplicas": 3, "currentRevision": current, "updateRevision": "new"});
            progress_of(Kind::StatefulSet, json!({"replicas": 3, "updateStrategy": strategy}), status)
        };
        let rolling = json!({"type": "RollingUpdate"});
        assert_eq!(of(rolling.clone(), 1, 1, "old"), running("Waiting for 2 pods to be ready..."));
        let waiting = "waiting for statefulset rolling update to complete 1 pods at revision new...";
        assert_eq!(of(rolling.clone(), 3, 1, "old"), running(waiting));
        assert_eq!(
            of(rolling, 3, 3, "new"),
            done("statefulset rolling update complete 3 pods at revision new...")
        );
        let parted = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
        let waiting = "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...";
        assert_eq!(of(parted.clone(), 3, 1, "old"), running(waiting));
        let complete = "partitioned roll out complete: 2 new pods have been updated...";
        assert_eq!(of(parted, 3, 2, "old"), done(complete));
        let unseen = json!({"metadata": {"generation": 0}});
        let unseen = progress(Kind::StatefulSet, &serde_json::from_value(unseen).unwrap());
        assert_eq!(unseen, running("Waiting for statefulset spec update to be observed..."));
    }
}
