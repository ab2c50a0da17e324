mod failures;

use std::sync::Mutex;
use std::time::Instant;

use super::*;
use crate::live::cri::fake::{DONE, Fake, Reply, World};
use tonic::Code;

const RUNNING: i32 = 1;
const EXITED: i32 = 2;

/// Short, but long enough for a loaded machine.
fn options(fake: &Fake) -> Options {
    Options {
        patience: Duration::from_secs(3),
        steady: Duration::from_millis(300),
        stop_slack: Duration::from_millis(500),
        ..Options::new(fake.socket())
    }
}

fn wanted(components: &[Component]) -> Vec<Wanted> {
    components.iter().map(|component| Wanted::new(*component, None)).collect()
}

/// A control plane recorded from a real one, its newest containers running, with others that must not be
/// stopped.
fn control_plane() -> World {
    let mut world = World::new();
    for name in Component::STATIC_PODS.map(Component::name) {
        world.sandbox(&format!("earlier-{name}"), name, "file", false);
        world.container_in(&format!("earlier-{name}"), &format!("{name}-earlier"), name, EXITED, 10);
        world.pod(name);
        world.container(&format!("{name}-1"), name, RUNNING, 100);
    }
    world.sandbox("s-user", "user", "api", true);
    world.container_in("s-user", "user-etcd", "etcd", RUNNING, 500);
    world.sandbox("s-etcd-defrag", "etcd-defrag", "api", true);
    world.container("defrag", "etcd-defrag", RUNNING, 500);
    world.on_stop = Box::new(|world, id| {
        world.end(id, 0);
        come_back(world, id, 100);
        DONE
    });
    world
}

/// The kubelet: a new container some time after `id` exited.
fn come_back(world: &mut World, id: &str, milliseconds: u64) {
    let (name, count) = id.rsplit_once('-').unwrap();
    let (name, count) = (name.to_owned(), count.parse::<i64>().unwrap() + 1);
    world.after(milliseconds, move |world| {
        world.container(&format!("{name}-{count}"), &name, RUNNING, 1000 * count);
    });
}

/// Runs, and returns the reports and the phases, one line each.
fn run(options: &Options, wanted: &[Wanted]) -> (Vec<Report>, Vec<String>) {
    run_with(options, wanted, &|| panic!("health is not asked for"))
}

fn run_with(
    options: &Options,
    wanted: &[Wanted],
    healthy: &(dyn Fn() -> Result<(), String> + Sync),
) -> (Vec<Report>, Vec<String>) {
    let told = Mutex::new(Vec::new());
    let progress = |news: Progress| {
        told.lock().unwrap().push(format!("{}: {}", news.component, news.phase));
    };
    let reports = restart(options, wanted, healthy, &progress);
    (reports, told.into_inner().unwrap())
}

fn ids(report: &Report) -> (&str, &str) {
    match &report.outcome {
        Outcome::Back { old_id, new_id, .. } => (old_id, new_id),
        Outcome::Started { new_id, .. } => ("", new_id),
        Outcome::StartedByItself { id } => (id, id),
        other => panic!("{}: {other:?}", report.component),
    }
}

fn failure(report: &Report) -> (&Phase, &str, &[String]) {
    match &report.outcome {
        Outcome::Failed { phase, why, last_lines } => (phase, why, last_lines),
        other => panic!("{}: {other:?}", report.component),
    }
}

#[test]
fn what_runs_beside_the_control_plane_comes_after_it() {
    let mut world = control_plane();
    world.pod("kube-vip");
    world.container("kube-vip-1", "kube-vip", RUNNING, 100);
    let fake = Fake::start(world);
    let (reports, told) =
        run(&options(&fake), &wanted(&[Component::other("kube-vip"), Component::ApiServer]));
    let found: Vec<_> = reports.iter().map(ids).collect();
    assert_eq!(found, [("kube-vip-1", "kube-vip-2"), ("kube-apiserver-1", "kube-apiserver-2")]);
    let at = |wanted: &str| told.iter().position(|line| line == wanted).unwrap();
    assert!(at("kube-apiserver: back") < at("kube-vip: looking for its container"), "{told:#?}");
    let stops = fake.world().stops.clone();
    assert_eq!(stops, ["StopContainer kube-apiserver-1 2", "StopContainer kube-vip-1 30"]);
}

#[test]
fn all_four_and_nothing_else() {
    let fake = Fake::start(control_plane());
    let (reports, told) = run(&options(&fake), &wanted(&Component::STATIC_PODS));
    for (report, name) in reports.iter().zip(Component::STATIC_PODS) {
        assert_eq!(report.component, name);
        assert_eq!(ids(report), (&*format!("{name}-1"), &*format!("{name}-2")));
    }
    let mut stops = fake.world().stops.clone();
    stops.sort();
    let graces = [("etcd", 30), ("kube-apiserver", 2), ("kube-controller-manager", 2), ("kube-scheduler", 2)];
    assert_eq!(stops, graces.map(|(name, grace)| format!("StopContainer {name}-1 {grace}")));
    let etcd: Vec<&String> = told.iter().filter(|line| line.starts_with("etcd:")).collect();
    assert_eq!(
        etcd,
        [
            "etcd: looking for its container",
            "etcd: stopping (killed after 30 s)",
            "etcd: stopped",
            "etcd: waiting for the kubelet's new container",
            "etcd: running",
            "etcd: back",
        ]
    );
}

#[test]
fn the_labels_of_a_real_node() {
    let mut world = World::new();
    world.add_listed(
        include_str!("../../../testdata/cri/containers.json"),
        include_str!("../../../testdata/cri/sandboxes.json"),
    );
    world.on_stop = Box::new(|world, id| {
        let mut new = world.containers.iter().find(|found| found.id == id).unwrap().clone();
        world.end(id, 0);
        (new.id, new.created_at) = (format!("new-{}", new.id), new.created_at + 1);
        world.containers.push(new);
        DONE
    });
    let fake = Fake::start(world);
    let (reports, _) = run(&options(&fake), &wanted(&Component::STATIC_PODS));
    for (report, old) in reports.iter().zip(["f97e8bf8", "9f9466f0", "8bd2228b", "278694cc"]) {
        let (old_id, new_id) = ids(report);
        assert!(old_id.starts_with(old), "{}: {old_id}", report.component);
        assert_eq!(new_id, format!("new-{old_id}"));
    }
    let stops = fake.world().stops.clone();
    assert_eq!(stops.len(), Component::STATIC_PODS.len());
    assert!(stops.iter().any(|stop| stop.starts_with("StopContainer f97e8bf8") && stop.ends_with(" 30")));
}

#[test]
fn a_container_that_is_gone_when_it_is_stopped() {
    let mut world = control_plane();
    world.on_stop = Box::new(|world, id| {
        // It lost its leader election: the kubelet was faster.
        world.containers.retain(|container| container.id != id);
        world.container("kube-scheduler-2", "kube-scheduler", RUNNING, 2000);
        Reply::Error(Code::NotFound, "not found")
    });
    let fake = Fake::start(world);
    let (reports, _) = run(&options(&fake), &wanted(&[Component::Scheduler]));
    assert_eq!(ids(&reports[0]), ("kube-scheduler-1", "kube-scheduler-2"));
}

#[test]
fn two_at_once_are_both_stopped() {
    let mut world = control_plane();
    world.container("etcd-0", "etcd", RUNNING, 50);
    world.on_stop = Box::new(|world, id| {
        world.end(id, 0);
        if id == "etcd-1" {
            come_back(world, id, 0);
        }
        DONE
    });
    let fake = Fake::start(world);
    let (reports, _) = run(&options(&fake), &wanted(&[Component::Etcd]));
    assert_eq!(ids(&reports[0]), ("etcd-1", "etcd-2"));
    assert_eq!(fake.world().stops, ["StopContainer etcd-0 30", "StopContainer etcd-1 30"]);
}

#[test]
fn nothing_runs_after_a_reboot() {
    let mut world = World::new();
    world.sandbox("earlier", "etcd", "file", false);
    world.container_in("earlier", "etcd-1", "etcd", EXITED, 10);
    // Left over from a sandbox that was removed.
    world.container_in("removed", "etcd-0", "etcd", EXITED, 5);
    world.after(200, |world| {
        world.pod("etcd");
        world.container("etcd-2", "etcd", RUNNING, 20);
    });
    let fake = Fake::start(world);
    let (reports, told) = run(&options(&fake), &wanted(&[Component::Etcd]));
    assert_eq!(ids(&reports[0]), ("", "etcd-2"));
    assert!(told.contains(&"etcd: was not running".to_owned()), "{told:?}");
    assert_eq!(fake.world().stops, Vec::<String>::new());
}

#[test]
fn what_came_after_the_change_is_left_alone() {
    let fake = Fake::start(control_plane());
    let since = |nanoseconds| Some(Timestamp::from_nanosecond(nanoseconds).unwrap());
    let (reports, _) = run(&Options { since: since(100), ..options(&fake) }, &wanted(&[Component::Etcd]));
    assert_eq!(reports[0].outcome, Outcome::StartedByItself { id: "etcd-1".into() });
    assert_eq!(fake.world().stops, Vec::<String>::new());
    let (reports, _) = run(&Options { since: since(101), ..options(&fake) }, &wanted(&[Component::Etcd]));
    assert_eq!(ids(&reports[0]), ("etcd-1", "etcd-2"));
}

#[test]
fn the_sandbox_is_the_second_step() {
    let mut world = control_plane();
    world.on_stop = Box::new(|world, id| {
        world.end(id, 0);
        DONE
    });
    world.on_stop_sandbox = Box::new(|world, _| {
        world.sandboxes.retain(|sandbox| sandbox.id != "s-etcd");
        world.sandbox("new", "etcd", "file", true);
        world.container_in("new", "etcd-2", "etcd", RUNNING, 2000);
        DONE
    });
    let fake = Fake::start(world);
    let options = Options { patience: Duration::from_secs(2), ..options(&fake) };
    let (reports, told) = run(&options, &wanted(&[Component::Etcd]));
    assert_eq!(ids(&reports[0]), ("etcd-1", "etcd-2"));
    assert_eq!(fake.world().stops, ["StopContainer etcd-1 30", "StopPodSandbox s-etcd"]);
    assert!(told.contains(&"etcd: stopping its sandbox".to_owned()));
}

#[test]
fn nobody_brings_it_back() {
    let mut world = control_plane();
    world.on_stop = Box::new(|world, id| {
        world.end(id, 0);
        DONE
    });
    let fake = Fake::start(world);
    let options = Options { patience: Duration::from_millis(600), ..options(&fake) };
    let (reports, _) = run(&options, &wanted(&[Component::Etcd, Component::Scheduler]));
    for report in &reports {
        let (phase, why, _) = failure(report);
        assert_eq!(phase, &Phase::WaitingForNew { note: None });
        assert!(why.ends_with("although its sandbox was stopped too: is the kubelet running?"), "{why}");
    }
    // Without a sandbox, none is reported as stopped.
    fake.world().sandboxes.clear();
    let (reports, _) = run(&options, &wanted(&[Component::Etcd]));
    assert_eq!(failure(&reports[0]).1, "no new container came within 0.6 s: is the kubelet running?");
}

#[test]
fn etcd_first_and_healthy_before_the_rest() {
    let fake = Fake::start(control_plane());
    let options = Options { order: Order::EtcdFirst, ..options(&fake) };
    let asked = Mutex::new(0);
    let healthy = || {
        assert_eq!(fake.world().stops, ["StopContainer etcd-1 30"]);
        *asked.lock().unwrap() += 1;
        if *asked.lock().unwrap() < 3 { Err("no leader".to_owned()) } else { Ok(()) }
    };
    let (reports, told) = run_with(&options, &wanted(&[Component::Scheduler, Component::Etcd]), &healthy);
    assert!(reports.iter().all(Report::is_back));
    let names: Vec<_> = reports.iter().map(|report| report.component.name()).collect();
    assert_eq!(names, ["kube-scheduler", "etcd"]);
    let last: Vec<_> = told.iter().filter(|line| line.starts_with("etcd:")).rev().take(2).collect();
    assert_eq!(last, ["etcd: back", "etcd: waiting until it is healthy: no leader"]);
}

#[test]
fn etcd_that_is_not_healthy_keeps_the_rest_running() {
    let fake = Fake::start(control_plane());
    let patience = Duration::from_millis(700);
    let options = Options { order: Order::EtcdFirst, patience, ..options(&fake) };
    let (reports, _) =
        run_with(
            &options,
            &wanted(&[Component::Etcd, Component::ApiServer]),
            &|| Err("no leader".to_owned()),
        );
    let (phase, why, _) = failure(&reports[0]);
    assert_eq!(phase, &Phase::AwaitingHealth { why: Some("no leader".into()) });
    assert!(why.contains("not healthy"), "{why}");
    assert!(matches!(reports[1].outcome, Outcome::NotTried { .. }));
    assert_eq!(fake.world().stops, ["StopContainer etcd-1 30"]);
}

#[test]
fn no_runtime_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(200);
    let options = Options { patience, ..Options::new(directory.path().join("none.sock")) };
    let (reports, _) = run(&options, &wanted(&[Component::Etcd]));
    let (phase, why, _) = failure(&reports[0]);
    assert_eq!(phase, &Phase::Listing);
    assert!(why.ends_with("none.sock: no such socket"), "{why}");
}

fn soon(milliseconds: u64) -> Instant {
    clock::now() + Duration::from_millis(milliseconds)
}
