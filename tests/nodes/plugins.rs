//! Credentials that a workstation's kubeconfig doesn't hold itself: exec plug-ins, OIDC.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::apiserver::{ApiServer, TOKEN, kubeconfig};
use crate::server::{BOTH, Clients, config, http, https};
use crate::{Desk, could_not};

fn plugin(desk: &Desk, script: &str) {
    let path = desk.write("bin/plugin", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn desk(server: &ApiServer, command: &str) -> Desk {
    let exec = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}, interactiveMode: Never, args: [get-token], env: [{{name: WHO, value: me}}, {{name: S, value: s3cret}}]}}"
    );
    Desk::with(&kubeconfig(&server.url(), &server.authority, &exec))
}

fn credential(status: &serde_json::Value) -> String {
    json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})
        .to_string()
}

#[test]
fn a_plug_in_gives_a_token_or_a_certificate() {
    let server = ApiServer::start();
    let desk = desk(&server, "./bin/plugin");
    let token = credential(&json!({"token": TOKEN}));
    plugin(&desk, &format!("test \"$1 $WHO\" = 'get-token me' || exit 9\ncat <<'X'\n{token}\nX"));
    let run = desk.nodes("");
    assert_eq!(run.code, 0, "{run}");
    assert!(!format!("{run}").contains("s3cret"), "{run}");

    let leaf = server.authority.leaf("plugin-admin");
    let pair = json!({"clientCertificateData": leaf.certificate.to_pem(), "clientKeyData": leaf.key.to_pem().as_str()});
    plugin(&desk, &format!("cat <<'X'\n{}\nX", credential(&pair)));
    let run = desk.nodes("");
    assert_eq!(run.code, 0, "{run}");
    let users: Vec<_> = server.store().log.iter().map(|asked| asked.user.clone().unwrap()).collect();
    assert_eq!(users, ["token-user", "plugin-admin"]);
}

#[test]
fn a_plug_in_that_gives_none() {
    let mut said = String::new();
    let server = ApiServer::start();
    let desk = desk(&server, "./bin/plugin");
    said += &could_not(&desk.nodes(""));
    // What it prints as its result may be the credential.
    plugin(&desk, "echo s3cret\necho $S >/dev/null\necho first >&2\necho please log in >&2\nexit 7");
    said += &could_not(&desk.nodes(""));
    plugin(&desk, "echo s3cret {");
    said += &could_not(&desk.nodes(""));
    plugin(&desk, &format!("echo '{}'", credential(&json!({"token": "s3cret-bad"}))));
    said += &could_not(&desk.nodes(""));
    plugin(&desk, "kill -9 $$");
    said += &could_not(&desk.nodes(""));
    insta::assert_snapshot!(said, @"
    error [no-credential]: cannot use DIR/config: no credential: cannot start the exec plug-in DIR/./bin/plugin: not found
    hint: kuberescue kubeconfig check DIR/config
    error [no-credential]: cannot use DIR/config: no credential: the exec plug-in DIR/./bin/plugin exited with 7: please log in
    hint: kuberescue kubeconfig check DIR/config
    error [no-credential]: cannot use DIR/config: no credential: the exec plug-in DIR/./bin/plugin did not print an ExecCredential with a status
    hint: kuberescue kubeconfig check DIR/config
    error [unauthorized]: cannot list the nodes: 401: Unauthorized (https://ADDRESS with DIR/config)
    hint: kuberescue kubeconfig check DIR/config
    error [no-credential]: cannot use DIR/config: no credential: the exec plug-in DIR/./bin/plugin was killed
    hint: kuberescue kubeconfig check DIR/config
    ");
}

/// A JSON Web Token that ends then.
fn web_token(end: i64) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.s3cret", part(json!({"alg": "RS256"})), part(json!({"sub": "me", "exp": end})))
}

#[test]
fn an_openid_connect_token_and_its_renewal() {
    let mut said = String::new();
    let server = ApiServer::start();
    let user = |settings: &str| {
        let user = format!("auth-provider: {{name: oidc, config: {{{settings}}}}}");
        Desk::with(&kubeconfig(&server.url(), &server.authority, &user))
    };
    let (expired, good) = (web_token(1_000_000_000), web_token(4_000_000_000));
    server.store().tokens.insert(good.clone(), "oidc-user".to_owned());
    let run = user(&format!("id-token: {good}")).nodes("");
    assert_eq!(run.code, 0, "{run}");
    said += &could_not(&user(&format!("id-token: {expired}")).nodes(""));

    // The provider gives a new one for the refresh token.
    let own = Arc::new(OnceLock::new());
    let (renewed, place) = (good.clone(), own.clone());
    let provider = config(&server.authority.leaf("idp"), Clients::Anyone, &BOTH);
    let (address, asked) = https(provider, move |request| match request.path.as_str() {
        "/.well-known/openid-configuration" => {
            let endpoint = format!("{}/token", place.get().unwrap());
            http(200, "", json!({"token_endpoint": endpoint}).to_string().as_bytes())
        }
        "/token" => http(200, "", json!({"id_token": renewed, "refresh_token": "r2"}).to_string().as_bytes()),
        _ => http(404, "", b""),
    });
    let issuer = format!("https://{address}");
    own.set(issuer.clone()).unwrap();
    let with = |more: &str| {
        user(&format!(
            "id-token: {expired}, idp-issuer-url: '{issuer}', refresh-token: s3cret-r, client-id: i, client-secret: s3cret-c{more}"
        ))
    };
    let desk = with("");
    let mut command = desk.command("nodes");
    command.env("SSL_CERT_FILE", desk.write("roots.pem", server.authority.certificate.to_pem()));
    let run = crate::common::run(command);
    assert_eq!(run.code, 0, "{run}");
    assert!(!format!("{run}").contains("s3cret"), "{run}");
    let paths: Vec<_> = asked.lock().unwrap().iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths, ["/.well-known/openid-configuration", "/token"]);
    let user = server.store().log.last().unwrap().user.clone();
    assert_eq!(user.as_deref(), Some("oidc-user"));
    insta::assert_snapshot!(said, @"
    error [no-credential]: cannot list the nodes: no credential: the OIDC token is not valid and could not be refreshed: check idp-issuer-url, client-id and refresh-token (https://ADDRESS with DIR/config)
    hint: use admin.conf of a control-plane node (/etc/kubernetes/admin.conf), or repair the plug-in
    ");
}
