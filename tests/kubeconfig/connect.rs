//! `--connect`: a handshake with real TLS servers, judged by the cluster's CA.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::run;
use crate::desk::{Desk, cluster, kubeconfig, user};
use crate::server::{Authority, BOTH, Clients, Leaf, accept, closed_port, config, http, https};

/// A server of the cluster with this certificate.
fn serve(leaf: &Leaf) -> String {
    let (address, _) = https(config(leaf, Clients::Anyone, &BOTH), |_| http(200, "", b"ok"));
    format!("https://{address}")
}

/// What is said of the server of a healthy credential, and the exit code.
fn ask(server: &str, authority: &Authority, more: &str) -> (Value, i32) {
    let desk = Desk::new();
    let admin = authority.leaf("admin");
    desk.write("config", kubeconfig(&format!("{}{more}", cluster(server, authority)), &user(&admin, &admin)));
    let text = desk.command("config --connect");
    let text = run(text);
    let (json, code) = desk.json("config --connect");
    assert_eq!(text.code, code, "{text}");
    let connection = json["items"][0]["contexts"][0]["connection"].clone();
    if let Some(error) = connection["error"].as_str() {
        let address = connection["address"].as_str().unwrap();
        let code = connection["code"].as_str().unwrap();
        let blocker = format!("\nblocker [{code}]: c: {address}: {error}\nhint: ");
        assert_eq!(text.out.matches(&blocker).count(), 1, "{text}");
        let row = text.out.lines().last().unwrap();
        assert!(row.starts_with("c ") && row.ends_with(error), "{text}");
        let findings = json["items"][0]["contexts"][0]["findings"].as_array().unwrap();
        let [finding] = findings.as_slice() else { panic!("{json:#}") };
        let what = format!("{address}: {error}");
        assert_eq!((&finding["code"], &finding["what"]), (&json!(code), &json!(what)));
        let (severity, subject, path) = (&finding["severity"], &finding["subject"], &finding["path"]);
        assert_eq!((severity, subject, path), (&json!("blocker"), &json!("c"), &json!("config")));
        let hint = finding["remedy"]["reason"].as_str().unwrap();
        assert!(text.out.contains(&format!("\nhint: {hint}\n")), "{text}");
    }
    (connection, code)
}

#[test]
fn a_server_of_the_cluster() {
    let authority = Authority::new("ca");
    let server = serve(&authority.leaf("kube-apiserver"));
    let (found, code) = ask(&server, &authority, "");
    assert_eq!((code, &found["verified"], &found["error"]), (0, &true.into(), &Value::Null), "{found:#}");
    assert_eq!(found["served"]["subject"], "CN=kube-apiserver");
    assert_eq!(found["served"]["notAfter"], "4096-01-01T00:00:00Z");
    assert_eq!(found["address"], server.trim_start_matches("https://"));
    // It is not asked where that isn't wanted.
    let desk = Desk::new();
    desk.write("config", kubeconfig(&cluster(&server, &authority), "token: x"));
    assert_eq!(desk.json("config").0["items"][0]["contexts"][0]["connection"], Value::Null);
}

#[test]
fn a_server_that_wants_certificates_is_sent_none() {
    let authority = Authority::new("ca");
    let leaf = authority.leaf("kube-apiserver");
    let (address, log) = https(config(&leaf, Clients::Known(&authority), &BOTH), |_| http(200, "", b"ok"));
    let (found, code) = ask(&format!("https://{address}"), &authority, "");
    assert_eq!((code, &found["verified"]), (0, &true.into()), "{found:#}");
    assert!(log.lock().unwrap().is_empty(), "nothing was asked after the handshake");
}

#[test]
fn servers_that_a_client_would_not_trust() {
    let authority = Authority::new("ca");
    let (stranger, namesake) = (Authority::new("stranger"), Authority::new("ca"));
    let mut errors = String::new();
    for leaf in [
        authority.expired("kube-apiserver"),
        authority.made("kube-apiserver", (4000, 4096)),
        stranger.leaf("kube-apiserver"),
        namesake.leaf("kube-apiserver"),
    ] {
        let (found, code) = ask(&serve(&leaf), &authority, "");
        errors += &format!("{}\n", found["error"].as_str().unwrap());
        errors += &format!("  {}\n", found["code"].as_str().unwrap());
        assert_eq!((code, &found["verified"]), (1, &false.into()));
        assert_eq!(found["served"]["notAfter"], leaf.certificate.not_after.to_string());
    }
    insta::assert_snapshot!(errors, @"
    the server's certificate is not accepted: it has expired
      expired-certificate-served
    the server's certificate is not accepted: it is not valid yet
      tls-failed
    the server's certificate is not accepted: it does not stem from the expected CA
      tls-failed
    the server's certificate is not accepted: its signature does not fit the CA's key
      tls-failed
    ");
}

#[test]
fn the_name_counts_and_can_be_given() {
    let authority = Authority::new("ca");
    let server = serve(&authority.leaf("kube-apiserver"));
    let named = server.replace("127.0.0.1", "localhost");
    let (found, code) = ask(&named, &authority, "");
    assert_eq!(code, 1);
    insta::assert_snapshot!(found["error"].as_str().unwrap(), @"the server's certificate is not accepted: it is not valid for localhost");
    let (found, code) = ask(&named, &authority, ", tls-server-name: 127.0.0.1");
    assert_eq!((code, &found["verified"]), (0, &true.into()), "{found:#}");
    let (found, code) = ask(&named, &authority, ", insecure-skip-tls-verify: true");
    assert_eq!((code, &found["verified"]), (0, &false.into()), "{found:#}");
    assert_eq!(found["note"], "not verified: insecure-skip-tls-verify is set");
}

#[test]
fn nobody_there_and_somebody_else() {
    let authority = Authority::new("ca");
    let (found, code) = ask(&format!("https://{}", closed_port()), &authority, "");
    let mut errors = vec![found["error"].clone()];
    assert_eq!((code, &found["code"]), (1, &json!("not-listening")), "{found:#}");
    let babbling = accept(|mut stream| {
        let _ = std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.2\r\n\r\n");
        let _ = std::io::Read::read(&mut stream, &mut [0; 512]);
    });
    let (found, code) = ask(&format!("https://{babbling}"), &authority, "");
    errors.push(found["error"].clone());
    assert_eq!((code, &found["code"]), (1, &json!("tls-failed")), "{found:#}");
    let (found, code) = ask("unix:///run/x.sock", &authority, "");
    errors.push(found["error"].clone());
    assert_eq!((code, &found["code"]), (1, &json!("unreachable")), "{found:#}");
    insta::assert_snapshot!(json!(errors), @r#"["connection refused: nothing listens there","no TLS connection: what answers there does not speak TLS","the server is no URL of a host"]"#);
}

#[test]
fn silent_servers_are_waited_for_side_by_side_and_not_long() {
    let asked = Arc::new(AtomicUsize::new(0));
    let authority = Authority::new("ca");
    let silent = |asked: &Arc<AtomicUsize>| {
        let asked = asked.clone();
        accept(move |mut stream| {
            asked.fetch_add(1, Ordering::SeqCst);
            while std::io::Read::read(&mut stream, &mut [0; 512]).is_ok_and(|read| read > 0) {}
        })
    };
    let servers = [silent(&asked), silent(&asked), silent(&asked)];
    let mut text = "contexts:\n".to_owned();
    for (index, name) in ["a", "b", "c", "d"].iter().enumerate() {
        // Two contexts lead to one server: it is asked once.
        text += &format!("- {{name: {name}, context: {{cluster: k{}, user: u}}}}\n", index.min(2));
    }
    text += "users: [{name: u, user: {token: x}}]\nclusters:\n";
    for (index, server) in servers.iter().enumerate() {
        text += &format!(
            "- {{name: k{index}, cluster: {{{}}}}}\n",
            cluster(&format!("https://{server}"), &authority)
        );
    }
    let desk = Desk::new();
    desk.write("config", text);
    let begun = Instant::now();
    let done = run(desk.command("config --connect"));
    let took = begun.elapsed();
    desk.keep("--connect", &done);
    let servers = servers.map(|server| server.to_string());
    let screens = servers.iter().fold(desk.screens(), |text, server| text.replace(server, "SERVER"));
    insta::assert_snapshot!(screens, @"
    ## --connect: exit 1
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
      a  k0  https://SERVER  u  token (opaque)  Jan 01, 4096 00:00 UTC  !timed-out
      b  k1  https://SERVER  u  token (opaque)  Jan 01, 4096 00:00 UTC  !timed-out
      c  k2  https://SERVER  u  token (opaque)  Jan 01, 4096 00:00 UTC  !timed-out
      d  k2  https://SERVER  u  token (opaque)  Jan 01, 4096 00:00 UTC  !timed-out
    blocker [timed-out]: a: SERVER: no answer in time
    blocker [timed-out]: b: SERVER: no answer in time
    blocker [timed-out]: c: SERVER: no answer in time
    blocker [timed-out]: d: SERVER: no answer in time
    hint: sudo kuberescue probe on a control-plane node shows what is served

    NAME  ADDRESS  RESULT  SERVED UNTIL  RESIDUAL TIME  SUBJECT  DETAIL
    a  SERVER  !failed  no answer in time
    b  SERVER  !failed  no answer in time
    c  SERVER  !failed  no answer in time
    d  SERVER  !failed  no answer in time
    ");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn no_proxy_is_used() {
    let authority = Authority::new("ca");
    let server = serve(&authority.leaf("kube-apiserver"));
    let proxy = format!("http://{}", closed_port());
    let desk = Desk::new();
    let admin = authority.leaf("admin");
    let cluster = format!("{}, proxy-url: '{proxy}'", cluster(&server, &authority));
    desk.write("config", kubeconfig(&cluster, &user(&admin, &admin)));
    let mut command = desk.command("config --connect");
    command.env("HTTPS_PROXY", &proxy).env("https_proxy", &proxy);
    let done = run(command);
    desk.keep("--connect", &done);
    // A server that only the proxy can reach is no fault.
    desk.write("config", kubeconfig(&cluster.replace(&server, "https://127.0.0.1:1"), &user(&admin, &admin)));
    let done = run(desk.command("config --connect"));
    desk.keep("--connect", &done);
    insta::assert_snapshot!(desk.screens().replace(server.trim_start_matches("https://"), "SERVER"), @"
    ## --connect: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://SERVER  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  proxy-not-used
    warning [proxy-not-used]: c: connected without the proxy-url of the kubeconfig

    NAME  ADDRESS  RESULT  SERVED UNTIL  RESIDUAL TIME  SUBJECT  DETAIL
    c  SERVER  ok  Jan 01, 4096 00:00 UTC  292y  CN=kube-apiserver
    ## --connect: exit 0
    config
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://127.0.0.1:1  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  not-listening,proxy-not-used
    warning [not-listening]: c: 127.0.0.1:1: connection refused: nothing listens there
    warning [proxy-not-used]: c: connected without the proxy-url of the kubeconfig

    NAME  ADDRESS  RESULT  SERVED UNTIL  RESIDUAL TIME  SUBJECT  DETAIL
    c  127.0.0.1:1  !failed  connection refused: nothing listens there
    ");
}
