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
    for (token, expected, code, words) in [
        (
            jwt(&format!(r#"{{"sub":"{subject}","exp":1795478400}}"#)),
            // At the very moment of asking: from its end on it is refused.
            vec!["expired"],
            1,
            "token of system:serviceaccount:",
        ),
        (jwt(&format!(r#"{{"sub":"{subject}","exp":1795564800}}"#)), vec![], 0, "Nov 25, 2026 00:00 UTC"),
        (jwt(r#"{"exp":1795564800}"#), vec![], 0, "token (not verified)"),
        (
            jwt(r#"{"exp":1}"#),
            vec!["expired"],
            1,
            "\nblocker [expired]: c: token expired on 1970-01-01 (20780 days ago) (claim exp, not verified)\n",
        ),
        (
            jwt(r#"{"nbf":1995564800}"#),
            vec!["not-yet-valid"],
            1,
            "\nblocker [not-yet-valid]: c: token is not valid before 2033-03-27 (claim nbf, not verified)\n",
        ),
        (format!("abcdef.{SECRET}"), vec![], 0, "token (opaque)"),
    ] {
        desk.write("config", kubeconfig(&cluster("https://h", &authority), &format!("token: {token}")));
        let run = desk.check("config");
        let (json, _) = desk.json("config");
        assert_eq!((codes(&json), run.code), (expected, code), "{run}");
        assert!(run.out.contains(words), "{words}\n{run}");
        assert_eq!(json["items"][0]["contexts"][0]["token"]["verified"], false);
        assert!(!json.to_string().contains(&token), "{json:#}");
    }
}

#[test]
fn a_token_in_a_file() {
    let (desk, authority) = (Desk::new(), Authority::new("ca"));
    let cluster = cluster("https://h", &authority);
    desk.write("token", jwt(r#"{"sub":"of-file","exp":1795564800}"#) + "\n");
    desk.write("config", kubeconfig(&cluster, &format!("tokenFile: token, token: {SECRET}")));
    let run = desk.check("config");
    assert!(run.code == 0 && run.out.contains("token of of-file"), "{run}");
    std::fs::remove_file(desk.path("token")).unwrap();
    assert_eq!(desk.check("config").code, 0);
    desk.write("config", kubeconfig(&cluster, "tokenFile: token"));
    let run = desk.check("config");
    let blocker = "\nblocker [unreadable]: c: token (token): not found\n";
    assert!(run.code == 1 && run.out.contains(blocker), "{run}");
}

#[test]
fn plug_ins_are_named_and_not_run() {
    let (desk, authority) = (Desk::new(), Authority::new("ca"));
    let ran = desk.path("ran");
    desk.write("plug-in", format!("#!/bin/sh\ntouch {}\n", ran.display()));
    let plug_in = desk.path("plug-in").display().to_string();
    std::process::Command::new("chmod").args(["+x", &plug_in]).status().unwrap();
    for (user, words) in [
        (
            format!(
                "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {plug_in}, args: [{SECRET}], env: \
                 [{{name: A, value: {SECRET}}}], interactiveMode: Never}}"
            ),
            format!("exec (not run) {plug_in}"),
        ),
        (
            format!("auth-provider: {{name: oidc, config: {{refresh-token: {SECRET}}}}}"),
            "auth provider (not asked) oidc".to_owned(),
        ),
        (format!("username: joe, password: {SECRET}"), "password of joe".to_owned()),
        (String::new(), "\nwarning [no-credential]: c: the user has no credential: no certificate, token, plug-in or password\n".to_owned()),
    ] {
        desk.write("config", kubeconfig(&cluster("https://h", &authority), &user));
        let run = desk.check("config");
        assert_eq!(run.code, 0, "{run}");
        assert!(run.out.contains(&words), "{words}\n{run}");
    }
    assert!(!ran.exists());
}

#[test]
fn passwords_in_urls_are_left_out() {
    let (desk, authority) = (Desk::new(), Authority::new("ca"));
    let server = format!("https://joe:{SECRET}@10.0.0.1:6443");
    let cluster = format!("{}, proxy-url: 'http://joe:{SECRET}@proxy:3128'", cluster(&server, &authority));
    desk.write("config", kubeconfig(&cluster, "token: x"));
    desk.check("config");
    let run = crate::common::run(desk.command("config -o wide"));
    assert!(run.out.contains("https://…@10.0.0.1:6443") && run.out.contains("http://…@proxy:3128"), "{run}");
}
