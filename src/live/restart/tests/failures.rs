//! Stops that fail, and containers that do not stay.

use super::*;

#[test]
fn a_stop_that_fails_is_tried_again() {
    let mut world = control_plane();
    let mut tries = 0;
    world.on_stop = Box::new(move |world, id| {
        tries += 1;
        match tries {
            1 => Reply::Error(Code::DeadlineExceeded, "context deadline exceeded"),
            2 => Reply::Error(Code::Unavailable, "starting"),
            _ => {
                world.end(id, 0);
                come_back(world, id, 0);
                DONE
            }
        }
    });
    let fake = Fake::start(world);
    let (reports, told) = run(&options(&fake), &wanted(&[Component::ApiServer]));
    assert_eq!(ids(&reports[0]), ("kube-apiserver-1", "kube-apiserver-2"));
    let retries: Vec<_> = told.iter().filter(|line| line.contains("again")).collect();
    assert_eq!(retries.len(), 2, "{told:?}");
    assert!(retries[0].contains("(retry 1)") && retries[0].contains("context deadline exceeded"));
}

#[test]
fn the_runtime_is_restarted_during_the_stop() {
    let mut world = control_plane();
    let mut tries = 0;
    world.on_stop = Box::new(move |world, id| {
        tries += 1;
        if tries > 1 {
            world.end(id, 0);
            come_back(world, id, 0);
            return DONE;
        }
        world.down_until = Some(soon(400));
        Reply::Never
    });
    let fake = Fake::start(world);
    let (reports, told) = run(&options(&fake), &wanted(&[Component::Etcd]));
    assert_eq!(ids(&reports[0]), ("etcd-1", "etcd-2"), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("etcd: stopping again (retry 1)")), "{told:?}");
}

#[test]
fn the_answer_is_lost_but_the_container_has_exited() {
    let mut world = control_plane();
    world.on_stop = Box::new(move |world, id| {
        world.end(id, 0);
        come_back(world, id, 0);
        world.down_until = Some(soon(0));
        Reply::Never
    });
    let fake = Fake::start(world);
    let (reports, _) = run(&options(&fake), &wanted(&[Component::Etcd]));
    assert_eq!(ids(&reports[0]), ("etcd-1", "etcd-2"));
    assert_eq!(fake.world().stops.len(), 1);
}

#[test]
fn a_stop_that_never_ends() {
    let mut world = control_plane();
    world.on_stop = Box::new(|_, _| Reply::Never);
    let fake = Fake::start(world);
    let options = Options { patience: Duration::from_secs(1), ..options(&fake) };
    let wanted = [Wanted::new(Component::Scheduler, Some(Duration::ZERO))];
    let (reports, _) = run(&options, &wanted);
    let (phase, why, _) = failure(&reports[0]);
    assert_eq!(phase, &Phase::Stopping { grace: Duration::ZERO });
    assert!(why.starts_with("it could not be stopped: ") && why.contains("StopContainer"), "{why}");
    assert!(reports[0].elapsed < Duration::from_secs(5), "{:?}", reports[0].elapsed);
}

#[test]
fn an_error_that_will_not_pass_is_told_at_once() {
    let mut world = control_plane();
    world.on_stop = Box::new(|_, _| Reply::Error(Code::PermissionDenied, "no"));
    let fake = Fake::start(world);
    let (reports, _) = run(&options(&fake), &wanted(&[Component::Etcd]));
    assert!(failure(&reports[0]).1.ends_with(": no (PermissionDenied)"));
    assert_eq!(fake.world().stops.len(), 1);
}

#[test]
fn a_new_container_that_exits_again_is_not_back() {
    let mut world = control_plane();
    world.on_stop = Box::new(|world, id| {
        world.end(id, 0);
        come_back(world, id, 0);
        world.after(200, |world| {
            world.end("etcd-2", 1);
            come_back(world, "etcd-2", 300);
        });
        DONE
    });
    let fake = Fake::start(world);
    let (reports, told) = run(&options(&fake), &wanted(&[Component::Etcd]));
    assert_eq!(ids(&reports[0]), ("etcd-1", "etcd-3"));
    let exited = "etcd: waiting for the kubelet's new container: it exited with code 1 (Error)";
    assert!(told.iter().any(|line| line == exited), "{told:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn one_that_never_stays_is_told_with_its_last_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("2.log");
    std::fs::write(&path, "t stderr F ok\nt stderr F panic: bad certificate\n").unwrap();
    let mut world = control_plane();
    world.on_stop = Box::new(move |world, id| {
        world.end(id, 0);
        world.container("etcd-2", "etcd", EXITED, 2000);
        world.end("etcd-2", 2);
        world.statuses.get_mut("etcd-2").unwrap().log_path = path.to_str().unwrap().to_owned();
        DONE
    });
    let fake = Fake::start(world);
    let options = Options { patience: Duration::from_secs(1), ..options(&fake) };
    let (reports, _) = run(&options, &wanted(&[Component::Etcd]));
    let (phase, why, last_lines) = failure(&reports[0]);
    assert!(matches!(phase, Phase::WaitingForNew { .. }));
    assert_eq!(why, "new containers came, but none kept running within 1 s: it exited with code 2 (Error)");
    assert_eq!(last_lines, ["ok", "panic: bad certificate"]);
    assert_eq!(fake.world().stops.len(), 1, "a new sandbox doesn't help a container that crashes");
}
