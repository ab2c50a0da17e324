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

fn all_fail(scene: &Scene) {
    scene.write("good", scene.cluster.admin());
    for command in commands() {
        let run = scene.fails(&format!("{command} --request-timeout 5s"));
        assert_eq!(run.out, "", "{run}");
    }
}

#[test]
fn answers_that_are_none() {
    let scene = Scene::new();
    let whole = answer(200, scene.admin.store().object(SECRET));
    let cut = whole[..whole.len() - 100].to_vec();
    let body: Vec<u8> = scene.admin.store().object(SECRET).to_string().into_bytes();
    for reply in [
        status(404, "NotFound", "secrets \"cluster1-kubeconfig\" not found"),
        status(403, "Forbidden", "secrets is forbidden"),
        status(429, "TooManyRequests", "too many"),
        status(500, "InternalError", "etcd"),
        http(200, "", b"<!DOCTYPE html><p>log in"),
        http(200, "", &body[..body.len() / 2]),
        cut,
    ] {
        scene.admin.store().instead.insert(("GET".to_owned(), SECRET.to_owned()), reply);
        all_fail(&scene);
    }
    insta::assert_snapshot!(scene.screens(), @r#"
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [request-failed]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 404: secrets "cluster1-kubeconfig" not found (ADMIN with admin)
      hint: kubectl --kubeconfig admin get secrets -A | grep kubeconfig
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [request-failed]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 404: secrets "cluster1-kubeconfig" not found (ADMIN with admin)
      hint: kubectl --kubeconfig admin get secrets -A | grep kubeconfig
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [request-failed]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 404: secrets "cluster1-kubeconfig" not found (ADMIN with admin)
      hint: kubectl --kubeconfig admin get secrets -A | grep kubeconfig
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      …
      error [forbidden]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 403: secrets is forbidden (ADMIN with admin)
      hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [forbidden]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 403: secrets is forbidden (ADMIN with admin)
      hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [forbidden]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 403: secrets is forbidden (ADMIN with admin)
      hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      …
      error [request-failed]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 429: too many (ADMIN with admin)
      hint: the API server is overloaded: run the command again later, or with --request-timeout 60s
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [request-failed]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 429: too many (ADMIN with admin)
      hint: the API server is overloaded: run the command again later, or with --request-timeout 60s
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [request-failed]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 429: too many (ADMIN with admin)
      hint: the API server is overloaded: run the command again later, or with --request-timeout 60s
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      …
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 500: etcd (ADMIN with admin)
      hint: on a control-plane node: sudo kuberescue probe
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 500: etcd (ADMIN with admin)
      hint: on a control-plane node: sudo kuberescue probe
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 500: etcd (ADMIN with admin)
      hint: on a control-plane node: sudo kuberescue probe
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      …
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: unexpected answer: an HTML page, from a proxy or a login page instead of an API server (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: unexpected answer: an HTML page, from a proxy or a login page instead of an API server (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: unexpected answer: an HTML page, from a proxy or a login page instead of an API server (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      …
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: unexpected answer: truncated after N bytes (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: unexpected answer: truncated after N bytes (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: unexpected answer: truncated after N bytes (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      …
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: the connection was closed (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: the connection was closed (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unhealthy]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: the connection was closed (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    "#);
}

#[test]
fn identities_that_may_not() {
    let scene = Scene::new();
    let (url, authority) = (scene.admin.url(), &scene.admin.authority);
    for kubeconfig in [
        scene.admin.kubeconfig(&authority.leaf("nobody")),
        scene.admin.kubeconfig(&authority.expired("old")),
        kubeconfig(&url, &Authority::new("other"), &certificate_user(&authority.leaf("a"))),
        kubeconfig(&format!("https://{}", closed_port()), authority, &certificate_user(&authority.leaf("a"))),
    ] {
        scene.write("admin", kubeconfig);
        all_fail(&scene);
    }
    scene.write("admin", "junk: [");
    all_fail(&scene);
    insta::assert_snapshot!(scene.screens(), @r#"
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [forbidden]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 403: User "nobody" cannot get /api/v1/namespaces/cluster-cluster1/secrets/cluster1-kubeconfig (ADMIN with admin)
      hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [forbidden]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 403: User "nobody" cannot get /api/v1/namespaces/cluster-cluster1/secrets/cluster1-kubeconfig (ADMIN with admin)
      hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [forbidden]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 403: User "nobody" cannot get /api/v1/namespaces/cluster-cluster1/secrets/cluster1-kubeconfig (ADMIN with admin)
      hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      …
      error [unauthorized]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 401: Unauthorized (ADMIN with admin; its client certificate expired on 2016-01-01 (N days ago))
      hint: kuberescue kubeconfig check admin
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unauthorized]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 401: Unauthorized (ADMIN with admin; its client certificate expired on 2016-01-01 (N days ago))
      hint: kuberescue kubeconfig check admin
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [unauthorized]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: 401: Unauthorized (ADMIN with admin; its client certificate expired on 2016-01-01 (N days ago))
      hint: kuberescue kubeconfig check admin
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      …
      error [tls-failed]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: the server's certificate is not accepted: it does not stem from the expected CA (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [tls-failed]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: the server's certificate is not accepted: it does not stem from the expected CA (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [tls-failed]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: the server's certificate is not accepted: it does not stem from the expected CA (ADMIN with admin)
      hint: kuberescue kubeconfig check --connect admin
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      …
      error [not-listening]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: connection refused: nothing listens there (https://ADDRESS with admin)
      hint: check the address in admin; on a control-plane node: sudo kuberescue probe
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [not-listening]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: connection refused: nothing listens there (https://ADDRESS with admin)
      hint: check the address in admin; on a control-plane node: sudo kuberescue probe
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [not-listening]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: connection refused: nothing listens there (https://ADDRESS with admin)
      hint: check the address in admin; on a control-plane node: sudo kuberescue probe
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 5s: exit 2
      error [kubeconfig-unusable]: cannot use admin: unusable kubeconfig: line 1, column 7: not valid YAML
      hint: kuberescue kubeconfig check admin
    install --admin-kubeconfig admin --cluster cluster1 --yes --request-timeout 5s: exit 2
      error [kubeconfig-unusable]: cannot use admin: unusable kubeconfig: line 1, column 7: not valid YAML
      hint: kuberescue kubeconfig check admin
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 2
      error [kubeconfig-unusable]: cannot use admin: unusable kubeconfig: line 1, column 7: not valid YAML
      hint: kuberescue kubeconfig check admin
    "#);
}

#[test]
fn a_silent_server_is_not_waited_for_longer_than_asked() {
    let scene = Scene::new();
    let silent = accept(|mut stream| while stream.read(&mut [0; 512]).is_ok_and(|read| read > 0) {});
    let authority = &scene.admin.authority;
    let user = certificate_user(&authority.leaf("a"));
    scene.write("admin", kubeconfig(&format!("https://{silent}"), authority, &user));
    let begun = Instant::now();
    scene.fails(&format!("fetch {FROM} --request-timeout 1s"));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(20), "{took:?}");
    insta::assert_snapshot!(scene.screens(), @"
    fetch --admin-kubeconfig admin --cluster cluster1 --request-timeout 1s: exit 2
      note: using namespace cluster-cluster1; --namespace names another
      error [timed-out]: cannot read the Secret cluster-cluster1/cluster1-kubeconfig: no answer in time (https://ADDRESS with admin)
      hint: check firewalls, or wait longer: --request-timeout 60s
    ");
}

#[test]
fn a_new_kubeconfig_that_does_not_work_is_refused() {
    let scene = Scene::new();
    let nodes = ("GET".to_owned(), "/api/v1/nodes".to_owned());
    scene.write("good", scene.cluster.admin());
    scene.keep_in_secret(&scene.old);
    let install = "install good --cluster cluster1 --yes --request-timeout 5s".to_owned();
    let push = format!("push {FROM} --from good --yes --request-timeout 5s");
    for reply in [
        status(403, "Forbidden", "nodes is forbidden"),
        status(503, "ServiceUnavailable", "not yet"),
        http(200, "", b"{\"items\": [{"),
        http(200, "", b"<html>"),
    ] {
        scene.cluster.store().instead.insert(nodes.clone(), reply);
        for command in [&install, &push] {
            scene.fails(command);
        }
    }
    scene.cluster.store().instead.clear();
    // Each says where to look on.
    scene.keep_in_secret(&scene.new);
    scene.cluster.store().instead.insert(nodes.clone(), status(403, "Forbidden", "nodes is forbidden"));
    for command in
        [format!("install {FROM} --yes"), format!("install good --file {FILE} --context c --yes"), install]
    {
        scene.fails(&command);
    }
    scene.cluster.store().instead.clear();
    // The right CA with the wrong server, and nobody there.
    let authority = &scene.cluster.authority;
    for server in [format!("https://{}", closed_port()), scene.admin.url()] {
        let there = scene.elsewhere(&server, authority, &authority.leaf("kubernetes-admin"));
        scene.write("there", &there);
        scene.fails("install there --cluster cluster1 --yes --request-timeout 5s");
    }
    assert_eq!(scene.read(FILE), scene.old);
    insta::assert_snapshot!(scene.screens(), @r#"
    install good --cluster cluster1 --yes --request-timeout 5s: exit 5
      good: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: 403: nodes is forbidden (CLUSTER with good); nothing was changed
      hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 5
      note: using namespace cluster-cluster1; --namespace names another
      good: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: 403: nodes is forbidden (CLUSTER with the new value); nothing was changed
      hint: if this machine cannot reach that cluster: --unverified writes the Secret without trying first
    install good --cluster cluster1 --yes --request-timeout 5s: exit 5
      good: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: 503: not yet (CLUSTER with good); nothing was changed
      hint: on a control-plane node: sudo kuberescue probe
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 5
      note: using namespace cluster-cluster1; --namespace names another
      good: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: 503: not yet (CLUSTER with the new value); nothing was changed
      hint: if this machine cannot reach that cluster: --unverified writes the Secret without trying first
    install good --cluster cluster1 --yes --request-timeout 5s: exit 5
      good: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: unexpected answer: truncated after 12 bytes (CLUSTER with good); nothing was changed
      hint: kuberescue kubeconfig check --connect good
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 5
      note: using namespace cluster-cluster1; --namespace names another
      good: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: unexpected answer: truncated after 12 bytes (CLUSTER with the new value); nothing was changed
      hint: if this machine cannot reach that cluster: --unverified writes the Secret without trying first
    install good --cluster cluster1 --yes --request-timeout 5s: exit 5
      good: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: unexpected answer: an HTML page, from a proxy or a login page instead of an API server (CLUSTER with good); nothing was changed
      hint: kuberescue kubeconfig check --connect good
    push --admin-kubeconfig admin --cluster cluster1 --from good --yes --request-timeout 5s: exit 5
      note: using namespace cluster-cluster1; --namespace names another
      good: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: unexpected answer: an HTML page, from a proxy or a login page instead of an API server (CLUSTER with the new value); nothing was changed
      hint: if this machine cannot reach that cluster: --unverified writes the Secret without trying first
    install --admin-kubeconfig admin --cluster cluster1 --yes: exit 5
      …
      Secret cluster-cluster1/cluster1-kubeconfig: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: 403: nodes is forbidden (CLUSTER with Secret cluster-cluster1/cluster1-kubeconfig); nothing was changed
      hint: kuberescue kubeconfig fetch --out FILE, then: kuberescue kubeconfig check --connect FILE
    install good --file bmctl-workspace/cluster1/cluster1-kubeconfig --context c --yes: exit 5
      good: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server CLUSTER
      error [not-working]: cannot list the nodes: 403: nodes is forbidden (CLUSTER with bmctl-workspace/cluster1/cluster1-kubeconfig with the new credential in context "c"); nothing was changed
      hint: kuberescue kubeconfig check --connect bmctl-workspace/cluster1/cluster1-kubeconfig
    install good --cluster cluster1 --yes --request-timeout 5s: exit 5
      …
      error [not-working]: cannot list the nodes: 403: nodes is forbidden (CLUSTER with good); nothing was changed
      hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    install there --cluster cluster1 --yes --request-timeout 5s: exit 5
      there: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server https://ADDRESS
      error [not-working]: cannot list the nodes: connection refused: nothing listens there (https://ADDRESS with there); nothing was changed
      hint: check the address in there; on a control-plane node: sudo kuberescue probe
    install there --cluster cluster1 --yes --request-timeout 5s: exit 5
      there: CN=kubernetes-admin, serial HEX, expires on 4096-01-01 (in N days), server ADMIN
      error [not-working]: cannot list the nodes: the server's certificate is not accepted: its signature does not fit the CA's key (ADMIN with there); nothing was changed
      hint: kuberescue kubeconfig check --connect there
    "#);
}
