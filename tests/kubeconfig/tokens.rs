//! Users without a certificate: tokens, plug-ins, passwords, nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::desk::{Desk, SECRET, cluster, codes, kubeconfig};
use crate::server::Authority;

fn jwt(payload: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{SECRET}", encode(r#"{"alg":"RS256"}"#), encode(payload))
}

#[test]
fn tokens_tell_their_end_and_are_not_verified() {
    let (desk, authority) = (Desk::new(), Authority::new("ca"));
    let subject = "system:serviceaccount:kube-system:robot";
    for (token, expected, code) in [
        (
            jwt(&format!(r#"{{"sub":"{subject}","exp":1795478400}}"#)),
            // At the very moment of asking: from its end on it is refused.
            vec!["expired"],
            1,
        ),
        (jwt(&format!(r#"{{"sub":"{subject}","exp":1795564800}}"#)), vec![], 0),
        (jwt(r#"{"exp":1795564800}"#), vec![], 0),
        (jwt(r#"{"exp":1}"#), vec!["expired"], 1),
        (jwt(r#"{"nbf":1995564800}"#), vec!["not-yet-valid"], 1),
        (format!("abcdef.{SECRET}"), vec![], 0),
    ] {
        desk.write("config", kubeconfig(&cluster("https://h", &authority), &format!("token: {token}")));
        let run = desk.check("config");
        let (json, _) = desk.json("config");
        assert_eq!((codes(&json), run.code), (expected, code), "{run}");
        assert_eq!(json["items"][0]["contexts"][0]["token"]["verified"], false);
        assert!(!json.to_string().contains(&token), "{json:#}");
    }
    insta::assert_snapshot!(desk.screens(), @"
    ## config: exit 1
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  token of system:serviceaccount:kube-system:robot (not verified)  Nov 24, 2026 00:00 UTC  0s  Jan 01, 4096 00:00 UTC  !expired
    blocker [expired]: c: token expired on 2026-11-24 (0 minutes ago) (claim exp, not verified)
    hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: log in again
    ## config: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  token of system:serviceaccount:kube-system:robot (not verified)  Nov 25, 2026 00:00 UTC  24h  Jan 01, 4096 00:00 UTC  ok
    ## config: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  token (not verified)  Nov 25, 2026 00:00 UTC  24h  Jan 01, 4096 00:00 UTC  ok
    ## config: exit 1
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  token (not verified)  Jan 01, 1970 00:00 UTC  <invalid>  Jan 01, 4096 00:00 UTC  !expired
    blocker [expired]: c: token expired on 1970-01-01 (20780 days ago) (claim exp, not verified)
    hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: log in again
    ## config: exit 1
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  token (not verified)  Jan 01, 4096 00:00 UTC  !not-yet-valid
    blocker [not-yet-valid]: c: token is not valid before 2033-03-27 (claim nbf, not verified)
    hint: compare the clocks of this machine and the cluster: timedatectl
    ## config: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  token (opaque)  Jan 01, 4096 00:00 UTC  ok
    ");
}

#[test]
fn a_token_in_a_file() {
    let (desk, authority) = (Desk::new(), Authority::new("ca"));
    let cluster = cluster("https://h", &authority);
    desk.write("token", jwt(r#"{"sub":"of-file","exp":1795564800}"#) + "\n");
    desk.write("config", kubeconfig(&cluster, &format!("tokenFile: token, token: {SECRET}")));
    desk.check("config");
    std::fs::remove_file(desk.path("token")).unwrap();
    assert_eq!(desk.check("config").code, 0);
    desk.write("config", kubeconfig(&cluster, "tokenFile: token"));
    desk.check("config");
    insta::assert_snapshot!(desk.screens(), @"
    ## config: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  token of of-file (not verified)  Nov 25, 2026 00:00 UTC  24h  Jan 01, 4096 00:00 UTC  ok
    ## config: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  token (opaque)  Jan 01, 4096 00:00 UTC  ok
    ## config: exit 1
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  <unreadable>  Jan 01, 4096 00:00 UTC  !unreadable
    blocker [unreadable]: c: token (token): not found
    hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: log in again
    ");
}

#[test]
fn plug_ins_are_named_and_not_run() {
    let (desk, authority) = (Desk::new(), Authority::new("ca"));
    let ran = desk.path("ran");
    desk.write("plug-in", format!("#!/bin/sh\ntouch {}\n", ran.display()));
    let plug_in = desk.path("plug-in").display().to_string();
    std::process::Command::new("chmod").args(["+x", &plug_in]).status().unwrap();
    for user in [
        format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {plug_in}, args: [{SECRET}], env: [{{name: \
             A, value: {SECRET}}}], interactiveMode: Never}}"
        ),
        format!("auth-provider: {{name: oidc, config: {{refresh-token: {SECRET}}}}}"),
        format!("username: joe, password: {SECRET}"),
        String::new(),
    ] {
        desk.write("config", kubeconfig(&cluster("https://h", &authority), &user));
        desk.check("config");
    }
    insta::assert_snapshot!(desk.screens(), @"
    ## config: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  exec (not run) DIR/plug-in  Jan 01, 4096 00:00 UTC  ok
    ## config: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  auth provider (not asked) oidc  Jan 01, 4096 00:00 UTC  ok
    ## config: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  password of joe  Jan 01, 4096 00:00 UTC  ok
    ## config: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://h  u  <none>  Jan 01, 4096 00:00 UTC  no-credential
    warning [no-credential]: c: the user has no credential: no certificate, token, plug-in or password
    ");
    assert!(!ran.exists());
}

#[test]
fn passwords_in_urls_are_left_out() {
    let (desk, authority) = (Desk::new(), Authority::new("ca"));
    let server = format!("https://joe:{SECRET}@10.0.0.1:6443");
    let cluster = format!("{}, proxy-url: 'http://joe:{SECRET}@proxy:3128'", cluster(&server, &authority));
    desk.write("config", kubeconfig(&cluster, "token: x"));
    desk.check("config -o wide");
    insta::assert_snapshot!(desk.screens(), @"
    ## config -o wide: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  ISSUER  SERIAL  CA  PROXY  STATE
    *  c  k  https://…@10.0.0.1:6443  u  token (opaque)  Jan 01, 4096 00:00 UTC  CN=ca  http://…@proxy:3128  ok
    ");
}
