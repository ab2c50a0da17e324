use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};

use super::fake::{DONE, Fake, Reply, World};
use super::*;
use crate::live::clock;

const PATIENCE: Duration = Duration::from_millis(300);

/// The error of a connection to a bad server, which must not take longer than the timeout.
fn refused(socket: &Path) -> CriError {
    let began = clock::now();
    let error = Runtime::connect(socket, PATIENCE).unwrap_err();
    assert!(began.elapsed() < PATIENCE * 3, "took {:?}", began.elapsed());
    assert!(error.to_string().contains(&*socket.to_string_lossy()), "{error}");
    error
}

/// The error of a connection to this server end.
fn refused_by(end: impl Fn(UnixStream) + Send + 'static) -> CriError {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("x.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // It stops with the test's process.
    std::thread::spawn(move || listener.incoming().for_each(|stream| end(stream.unwrap())));
    refused(&socket)
}

/// Waits until the other end is closed.
fn hold(mut stream: UnixStream) {
    let mut buffer = [0; 512];
    while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn places_without_a_listener() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    assert_eq!(refused(&path("none")), CriError::Missing { socket: path("none") });
    assert_eq!(refused(&path("none/none")), CriError::Missing { socket: path("none/none") });
    std::fs::write(path("file"), "").unwrap();
    assert_eq!(refused(&path("file")), CriError::NotASocket { socket: path("file") });
    assert_eq!(refused(directory.path()), CriError::NotASocket { socket: directory.path().into() });
    drop(UnixListener::bind(path("dead")).unwrap());
    assert_eq!(refused(&path("dead")), CriError::Refused { socket: path("dead") });
    let long = path(&"x".repeat(200));
    assert!(matches!(refused(&long), CriError::Connect { .. }));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test changes its own file")]
fn a_socket_that_may_not_be_opened() {
    if nix::unistd::geteuid().is_root() {
        // Root may open everything; only the message can be checked.
        let error = CriError::Denied { socket: "/run/c.sock".into() };
        assert_eq!(error.to_string(), "cannot connect to /run/c.sock: permission denied");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("x.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(refused(&socket), CriError::Denied { socket });
}

#[test]
fn other_ends_that_are_no_runtime() {
    let silent = refused_by(hold);
    assert!(matches!(silent, CriError::Silent { waited: PATIENCE, .. }), "{silent}");
    assert!(silent.to_string().ends_with("does not answer within 0.3 s"), "{silent}");
    let closed = refused_by(drop);
    assert!(matches!(closed, CriError::Closed { .. }), "{closed}");
    let http1 = refused_by(|mut stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").unwrap();
    });
    assert!(matches!(http1, CriError::Http1 { .. }), "{http1}");
    let http1 = refused_by(|mut stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        hold(stream);
    });
    assert!(matches!(http1, CriError::Http1 { .. }), "{http1}");
    for garbage in [&b"x"[..], b"SSH-2.0-OpenSSH_9.2\r\n", &[0; 64], &[0xff; 4096]] {
        let error = refused_by(move |mut stream| {
            stream.write_all(garbage).unwrap();
            hold(stream);
        });
        assert!(matches!(error, CriError::NotGrpc { .. }), "{garbage:?}: {error}");
    }
    // HTTP/2, and then nothing.
    let silent = refused_by(|mut stream| {
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
        hold(stream);
    });
    assert!(matches!(silent, CriError::Silent { .. }), "{silent}");
}

#[test]
fn the_newer_api_then_the_older_one_then_none() {
    for (services, expected) in [
        (vec!["runtime.v1.RuntimeService", "runtime.v1alpha2.RuntimeService"], Ok("v1")),
        (vec!["runtime.v1.RuntimeService"], Ok("v1")),
        (vec!["runtime.v1alpha2.RuntimeService"], Ok("v1alpha2")),
        (vec![], Err(())),
    ] {
        let mut world = World::new();
        world.services = services;
        world.container("a", "etcd", 1, 1);
        let fake = Fake::start(world);
        match (Runtime::connect(&fake.socket(), Duration::from_secs(5)), expected) {
            (Ok(runtime), Ok(api)) => {
                let about = About { runtime: "fake".into(), version: "1.2.3".into(), api };
                assert_eq!(runtime.about(), &about);
                assert_eq!(runtime.containers(&[]).unwrap().len(), 1);
            }
            (Err(error), Err(())) => {
                assert_eq!(error, CriError::NoCri { socket: fake.socket() });
            }
            (met, expected) => panic!("{met:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn what_is_listed() {
    let mut world = World::new();
    world.pod("etcd");
    world.container("a", "etcd", 1, 1_795_474_528_227_493_234);
    world.container("b", "etcd-defrag", 2, 0);
    let fake = Fake::start(world);
    let runtime = Runtime::connect(&fake.socket(), Duration::from_secs(5)).unwrap();
    let found = runtime.containers(&[(CONTAINER_NAME, "etcd")]).unwrap();
    let [etcd] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (etcd.id.as_str(), etcd.state, etcd.sandbox.as_str()),
        ("a", ContainerState::Running, "s-etcd")
    );
    assert_eq!((etcd.pod_name(), etcd.pod_uid()), ("etcd-cp1", "uid-etcd-file"));
    assert_eq!(etcd.created_at.unwrap().to_string(), "2026-11-23T22:55:28.227493234Z");
    let found = runtime.containers(&[(CONTAINER_NAME, "etcd-defrag")]).unwrap();
    assert_eq!((found[0].state, found[0].created_at), (ContainerState::Exited, None));
    let sandboxes = runtime.sandboxes(&[]).unwrap();
    assert!(sandboxes[0].ready && sandboxes[0].is_static());
}

#[test]
fn an_answer_may_be_large_but_not_huge() {
    let mut world = World::new();
    for n in 0..6000 {
        world.container(&format!("{n:064}"), "etcd", 2, 1);
    }
    let fake = Fake::start(world);
    let runtime = Runtime::connect(&fake.socket(), Duration::from_secs(5)).unwrap();
    assert_eq!(runtime.containers(&[]).unwrap().len(), 6000);
    fake.world().containers[0].id = "x".repeat(LARGEST_ANSWER);
    let error = runtime.containers(&[]).unwrap_err();
    assert!(matches!(error, CriError::Answer { .. }), "{error:?}");
}

#[test]
fn stops_and_their_ends() {
    let mut world = World::new();
    world.on_stop = Box::new(|_, id| match id {
        "a" => DONE,
        "gone" => Reply::Error(Code::NotFound, "not found"),
        "docker" => Reply::Error(Code::Unknown, "Error: No such container: docker"),
        "bad" => Reply::Error(Code::Internal, "shim is broken"),
        _ => Reply::Never,
    });
    let fake = Fake::start(world);
    let runtime = Runtime::connect(&fake.socket(), Duration::from_secs(5)).unwrap();
    let stop = |id, limit| runtime.stop_container(id, Duration::from_millis(1500), limit);
    assert_eq!(stop("a", Duration::from_secs(5)), Ok(Stopped::ByUs));
    assert_eq!(stop("gone", Duration::from_secs(5)), Ok(Stopped::NotFound));
    assert_eq!(stop("docker", Duration::from_secs(5)), Ok(Stopped::NotFound));
    let error = stop("bad", Duration::from_secs(5)).unwrap_err();
    assert!(error.to_string().ends_with(": shim is broken (Internal)"), "{error}");
    let error = stop("hangs", PATIENCE).unwrap_err();
    assert!(matches!(error, CriError::Deadline { call: "StopContainer", waited: PATIENCE, .. }), "{error}");
    assert!(error.is_transient());
    // The grace period is in whole seconds, rounded up: 0 would kill.
    assert_eq!(fake.world().stops[0], "StopContainer a 2");
    assert_eq!(runtime.stop_sandbox("s", PATIENCE), Ok(()));
    assert_eq!(runtime.status("nobody").unwrap(), None);
}

#[test]
fn a_runtime_that_goes_away_and_comes_back() {
    let fake = Fake::start(World::new());
    let runtime = Runtime::connect(&fake.socket(), Duration::from_secs(5)).unwrap();
    runtime.containers(&[]).unwrap();
    fake.world().on_stop = Box::new(|world, _| {
        world.down_until = Some(clock::now() + Duration::from_millis(50));
        Reply::Never
    });
    let error = runtime.stop_container("a", PATIENCE, Duration::from_secs(5)).unwrap_err();
    assert!(matches!(error, CriError::Unavailable { call: "StopContainer", .. }), "{error}");
    assert!(error.is_transient());
    let began = clock::now();
    while Runtime::connect(&fake.socket(), PATIENCE).is_err() {
        assert!(began.elapsed() < Duration::from_secs(5), "it never came back");
    }
}

#[test]
fn images_that_are_there_and_a_socket_without_images() {
    let mut world = World::new();
    world.images.push("registry.k8s.io/etcd:3.5.1-0".to_owned());
    let fake = Fake::start(world);
    let runtime = Runtime::connect(&fake.socket(), Duration::from_secs(5)).unwrap();
    assert_eq!(runtime.has_image("registry.k8s.io/etcd:3.5.1-0"), Ok(None), "it serves no images");
    fake.world().services.push("runtime.v1.ImageService");
    assert_eq!(runtime.has_image("registry.k8s.io/etcd:3.5.1-0"), Ok(Some(true)));
    assert_eq!(runtime.has_image("registry.k8s.io/etcd:3.5.2-0"), Ok(Some(false)));
    assert_eq!(runtime.sandbox_image(), Ok(Some("registry.k8s.io/pause:3.9".to_owned())));
}
