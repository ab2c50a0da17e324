//! What can be between here and the Secret: each gives a clear error and changes nothing.

use std::io::Read as _;
use std::time::{Duration, Instant};

use crate::apiserver::{answer, certificate_user, kubeconfig, status};
use crate::scene::{FILE, FROM, SECRET, Scene};
use crate::server::{Authority, accept, closed_port, http};

/// The three commands that read the Secret; install's and push's other side is fine.
fn commands() -> [String; 3] {
    [format!("fetch {FROM}"), format!("install {FROM} --yes"), format!("push {FROM} --from good --yes")]
}

fn all_fail(scene: &Scene, said: &[&str]) {
    scene.write("good", scene.cluster.admin());
    for command in commands() {
        let run = scene.fails(&format!("{command} --request-timeout 5s"), 2, said);
        assert_eq!(run.out, "", "{run}");
    }
}

#[test]
fn answers_that_are_none() {
    let scene = Scene::new();
    let whole = answer(200, scene.admin.store().object(SECRET));
    let cut = whole[..whole.len() - 100].to_vec();
    let body: Vec<u8> = scene.admin.store().object(SECRET).to_string().into_bytes();
    for (reply, said) in [
        (
            status(404, "NotFound", "secrets \"cluster1-kubeconfig\" not found"),
            "404: secrets \"cluster1-kubeconfig\" not found (",
        ),
        (status(403, "Forbidden", "secrets is forbidden"), "403: secrets is forbidden"),
        (status(429, "TooManyRequests", "too many"), "429: too many ("),
        (status(500, "InternalError", "etcd"), "500: etcd"),
        (http(200, "", b"<!DOCTYPE html><p>log in"), "an HTML page"),
        (http(200, "", &body[..body.len() / 2]), "truncated after "),
        (cut, ""),
    ] {
        scene.admin.store().instead.insert(("GET".to_owned(), SECRET.to_owned()), reply);
        let hint = match said {
            said if said.starts_with("404") => {
                "\nhint: kubectl --kubeconfig admin get secrets -A | grep kubeconfig\n"
            }
            said if said.starts_with("429") => {
                "\nhint: the API server is overloaded: run the command again later, or with --request-timeout 60s\n"
            }
            _ => "",
        };
        all_fail(&scene, &[": cannot read the Secret cluster-cluster1/cluster1-kubeconfig: ", said, hint]);
    }
}

#[test]
fn identities_that_may_not() {
    let scene = Scene::new();
    let (url, authority) = (scene.admin.url(), &scene.admin.authority);
    for (kubeconfig, said) in [
        (scene.admin.kubeconfig(&authority.leaf("nobody")), "403: User \"nobody\" cannot get"),
        (
            scene.admin.kubeconfig(&authority.expired("old")),
            &format!("401: Unauthorized ({url} with admin; its client certificate expired on 2016-01-01 ("),
        ),
        (
            kubeconfig(&url, &Authority::new("other"), &certificate_user(&authority.leaf("a"))),
            "the server's certificate is not accepted",
        ),
        (
            kubeconfig(
                &format!("https://{}", closed_port()),
                authority,
                &certificate_user(&authority.leaf("a")),
            ),
            "connection refused",
        ),
    ] {
        scene.write("admin", kubeconfig);
        all_fail(&scene, &[said]);
    }
    scene.write("admin", "junk: [");
    all_fail(&scene, &["cannot use admin: ", "\nhint: kuberescue kubeconfig check admin\n"]);
}

#[test]
fn a_silent_server_is_not_waited_for_longer_than_asked() {
    let scene = Scene::new();
    let silent = accept(|mut stream| while stream.read(&mut [0; 512]).is_ok_and(|read| read > 0) {});
    let authority = &scene.admin.authority;
    let user = certificate_user(&authority.leaf("a"));
    scene.write("admin", kubeconfig(&format!("https://{silent}"), authority, &user));
    let begun = Instant::now();
    scene.fails(
        &format!("fetch {FROM} --request-timeout 1s"),
        2,
        &["no answer in time", "--request-timeout 60s"],
    );
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_new_kubeconfig_that_does_not_work_is_refused() {
    let scene = Scene::new();
    let nodes = ("GET".to_owned(), "/api/v1/nodes".to_owned());
    scene.write("good", scene.cluster.admin());
    scene.keep_in_secret(&scene.old);
    let install = "install good --cluster cluster1 --yes --request-timeout 5s".to_owned();
    let push = format!("push {FROM} --from good --yes --request-timeout 5s");
    for (reply, said) in [
        (status(403, "Forbidden", "nodes is forbidden"), "403: nodes is forbidden"),
        (status(503, "ServiceUnavailable", "not yet"), "503: not yet"),
        (http(200, "", b"{\"items\": [{"), "unexpected answer: truncated after 12 bytes"),
        (http(200, "", b"<html>"), "unexpected answer: an HTML page"),
    ] {
        scene.cluster.store().instead.insert(nodes.clone(), reply);
        for command in [&install, &push] {
            let error = format!("\nerror [not-working]: cannot list the nodes: {said}");
            scene.fails(command, 5, &[&error, "); nothing was changed\nhint: "]);
        }
    }
    scene.cluster.store().instead.clear();
    // Each says where to look on.
    scene.keep_in_secret(&scene.new);
    scene.cluster.store().instead.insert(nodes.clone(), status(403, "Forbidden", "nodes is forbidden"));
    for (command, said) in [
        (
            format!("install {FROM} --yes"),
            "\nhint: kuberescue kubeconfig fetch --out FILE, then: kuberescue kubeconfig check --connect FILE\n",
        ),
        (
            format!("install good --file {FILE} --context c --yes"),
            &format!("\nhint: kuberescue kubeconfig check --connect {FILE}\n"),
        ),
        (install, "\nhint: use admin.conf of a control-plane node"),
    ] {
        scene.fails(&command, 5, &["[not-working]", said]);
    }
    scene.cluster.store().instead.clear();
    // The right CA with the wrong server, and nobody there.
    let authority = &scene.cluster.authority;
    for server in [format!("https://{}", closed_port()), scene.admin.url()] {
        let there = scene.elsewhere(&server, authority, &authority.leaf("kubernetes-admin"));
        scene.write("there", &there);
        scene.fails("install there --cluster cluster1 --yes --request-timeout 5s", 5, &["[not-working]"]);
    }
    assert_eq!(scene.read(FILE), scene.old);
}
