//! What is listed, and with which kubeconfig.

use serde_json::{Value, json};

use crate::apiserver::{ApiServer, TOKEN};
use crate::server::closed_port;
use crate::{Desk, could_not};

#[test]
fn the_nodes_of_a_real_cluster() {
    let server = ApiServer::start();
    let desk = Desk::with(&server.admin());
    let run = desk.nodes("");
    assert_eq!(run.code, 0, "{run}");
    let lines: Vec<_> = run.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]);
    assert_eq!((lines[1][0], lines[1][1], lines[1][2]), ("lab-cp1", "Ready", "control-plane,master"));
    assert_eq!((lines[1][4], lines.len()), ("v1.20.2", 2));
    assert_eq!(run.err, format!("server: {} with {}\n", server.url(), desk.path("config").display()));

    let wide = desk.nodes("-o wide").out;
    for cell in
        ["INTERNAL-IP", "10.200.0.4", "<none>", "Debian GNU/Linux 12 (bookworm)", "containerd://1.6.20"]
    {
        assert!(wide.contains(cell), "{cell}: {wide}");
    }
    let json: Value = serde_json::from_str(&desk.nodes("-o json").out).unwrap();
    let head = ["apiVersion", "kind", "server"].map(|key| json[key].as_str().unwrap());
    assert_eq!(head, ["kuberescue/v1", "NodeList", &server.url()]);
    assert_eq!((&json["items"][0]["name"], &json["items"][0]["ready"]), (&json!("lab-cp1"), &json!(true)));
    assert_eq!(json["items"][0]["addresses"][0], json!({"type": "InternalIP", "address": "10.200.0.4"}));
    let yaml = desk.nodes("-o yaml").out;
    assert!(yaml.contains("osImage: \"Debian GNU/Linux 12 (bookworm)\""), "{yaml}");
    assert!(server.store().asked().iter().all(|asked| asked == "GET /api/v1/nodes"));
}

#[test]
fn a_node_that_is_not_ready_is_a_finding() {
    let server = ApiServer::start();
    let desk = Desk::with(&server.admin());
    {
        let mut store = server.store();
        let node = store.object("/api/v1/nodes/lab-cp1");
        node["spec"]["unschedulable"] = json!(true);
        for condition in node["status"]["conditions"].as_array_mut().unwrap() {
            if condition["type"] == "Ready" {
                condition["status"] = json!("Unknown");
                condition["message"] = json!("Kubelet stopped posting \u{1b}[31mnode status.");
            }
        }
    }
    let run = desk.nodes("");
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("NotReady,SchedulingDisabled"), "{run}");
    let warning =
        "warning [node-not-ready]: lab-cp1 is not Ready: Kubelet stopped posting \\u{1b}[31mnode status.";
    assert_eq!(run.err.lines().nth(1), Some(warning), "{run}");
}

#[test]
fn the_kubeconfig_that_kubectl_would_take() {
    let mut said = String::new();
    let server = ApiServer::start();
    let down = format!("https://{}", closed_port());
    let admin = server.admin();
    let old = admin.replace(&server.url(), &down);
    let desk = Desk::with(&old);
    // Named on the command line before all else.
    desk.write("new.conf", &admin);
    assert_eq!(desk.nodes("--kubeconfig new.conf").code, 0);
    said += &could_not(&desk.nodes(""));

    // Several are read as one, and the first of a name counts.
    let whole = desk.path("config").display().to_string();
    desk.write(
        "contexts",
        "current-context: other\ncontexts:\n- name: other\n  context: {cluster: k2, user: u}\n",
    );
    let ca = crate::common::base64(server.authority.certificate.to_pem().as_bytes());
    let cluster = format!("{{server: '{}', certificate-authority-data: {ca}}}", server.url());
    desk.write(
        "clusters",
        format!("clusters:\n- name: k2\n  cluster: {cluster}\n- name: k\n  cluster: {cluster}\n"),
    );
    let list =
        ["contexts", "clusters", "missing", "config"].map(|name| desk.path(name).display().to_string());
    let mut command = desk.command("nodes");
    command.env("KUBECONFIG", list.join(":"));
    let run = crate::common::run(command);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.err.contains(&whole), "{run}");
    let mut command = desk.command("nodes --context c");
    command.env("KUBECONFIG", list.join(":"));
    assert_eq!(crate::common::run(command).code, 0, "the first k is the server that runs");
    said += &could_not(&desk.nodes("--context nobody"));

    // ~/.kube/config where nothing else is named.
    desk.write("home/.kube/config", &admin);
    let mut command = desk.command("nodes");
    command.env_remove("KUBECONFIG");
    let run = crate::common::run(command);
    if !std::path::Path::new("/etc/kubernetes/admin.conf").exists() {
        assert_eq!(run.code, 0, "{run}");
    }
    said += &could_not(&desk.nodes("--kubeconfig gone.conf"));
    said += &could_not(&desk.nodes("--kubeconfig home"));
    desk.write("junk.conf", "a: [1, 2\n");
    said += &could_not(&desk.nodes("--kubeconfig junk.conf"));
    insta::assert_snapshot!(said, @r#"
    error [not-listening]: cannot list the nodes: connection refused: nothing listens there (https://ADDRESS with DIR/config)
    hint: check the address in DIR/config; on a control-plane node: sudo kuberescue probe
    error [kubeconfig-unusable]: cannot use DIR/config, context "nobody": unusable kubeconfig: context "nobody" not found
    hint: kuberescue kubeconfig check DIR/config
    error [file-error]: cannot read gone.conf: not found
    hint: look in $KUBECONFIG, ~/.kube/config, or bmctl-workspace/NAME/NAME-kubeconfig
    error [file-error]: cannot read home: is a directory
    hint: name the file in it, such as ~/.kube/config or CLUSTER-kubeconfig
    error [kubeconfig-unusable]: cannot use junk.conf: unusable kubeconfig: line 1, column 4: not valid YAML
    hint: kuberescue kubeconfig check junk.conf
    "#);
}

#[test]
fn certificates_and_tokens_in_files_beside_the_kubeconfig() {
    let mut said = String::new();
    let server = ApiServer::start();
    let admin = server.authority.leaf("kubernetes-admin");
    let desk = Desk::new();
    desk.write("sub/pki/ca.crt", server.authority.certificate.to_pem());
    desk.write("sub/pki/a.crt", admin.certificate.to_pem());
    desk.write("sub/pki/a.key", admin.key.to_pem());
    desk.write("sub/token", TOKEN);
    let cluster = format!("server: \"{}\", certificate-authority: pki/ca.crt", server.url());
    let of = |user: &str| crate::server::kubeconfig(&cluster, user);
    desk.write("sub/files.conf", of("client-certificate: pki/a.crt, client-key: ./pki/a.key"));
    assert_eq!(desk.nodes("--kubeconfig sub/files.conf").code, 0);
    desk.write("sub/token.conf", of("tokenFile: token"));
    assert_eq!(desk.nodes("--kubeconfig sub/token.conf").code, 0);
    desk.write("sub/inline.conf", of(&format!("token: {TOKEN}")));
    assert_eq!(desk.nodes("--kubeconfig sub/inline.conf").code, 0);
    desk.write("sub/none.conf", of(""));
    said += &could_not(&desk.nodes("--kubeconfig sub/none.conf"));
    let users: Vec<_> = server.store().log.iter().map(|asked| asked.user.clone()).collect();
    let user = |name: &str| Some(name.to_owned());
    assert_eq!(users, [user("kubernetes-admin"), user("token-user"), user("token-user"), None]);
    insta::assert_snapshot!(said, @r#"
    error [forbidden]: cannot list the nodes: 403: nodes is forbidden: User "system:anonymous" cannot list resource "nodes" (https://ADDRESS with sub/none.conf)
    hint: use admin.conf of a control-plane node: /etc/kubernetes/admin.conf
    "#);
}
