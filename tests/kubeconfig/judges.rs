//! kubectl reads the same files: it names the same contexts, clusters, servers and users, and trusts the same servers.

use std::process::Command;

use serde_json::Value;

use crate::common::{Node, kubectl, run, skip};
use crate::desk::{Desk, cluster, kubeconfig, user};
use crate::server::{Authority, BOTH, Clients, config, http, https};

/// Name, cluster, server and user of each context, and which one is current, as kubectl sees it.
fn seen_by_kubectl(view: &Value) -> Vec<(String, String, String, String, bool)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = view["contexts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|context| {
            let name = text(&context["context"]["cluster"]);
            let clusters = view["clusters"].as_array();
            let cluster = clusters.into_iter().flatten().find(|entry| entry["name"] == name.as_str());
            (
                text(&context["name"]),
                name,
                cluster.map(|entry| text(&entry["cluster"]["server"])).unwrap_or_default(),
                text(&context["context"]["user"]),
                view["current-context"] == context["name"],
            )
        })
        .collect();
    found.sort();
    found
}

fn seen_here(json: &Value) -> Vec<(String, String, String, String, bool)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let files = json["items"].as_array().unwrap().iter();
    let contexts = files.flat_map(|file| file["contexts"].as_array().unwrap());
    let mut found: Vec<_> = contexts
        .map(|context| {
            let text = |name: &str| text(&context[name]);
            (text("name"), text("cluster"), text("server"), text("user"), context["current"] == true)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn kubectl_names_the_same_contexts() {
    let Some(kubectl) = kubectl() else {
        return skip("there is no kubectl (make deps installs one)");
    };
    let desk = Desk::new();
    let mut names = Vec::new();
    for tree in ["rsa2048", "expired-all", "mixed", "v120-expired"] {
        let node = Node::of(tree);
        for file in ["admin.conf", "scheduler.conf", "kubelet.conf"] {
            names.push(format!("{tree}-{file}"));
            desk.write(names.last().unwrap(), node.read(&format!("/etc/kubernetes/{file}")));
        }
    }
    let authority = Authority::new("ca");
    let leaf = authority.leaf("admin");
    let one = kubeconfig(&cluster("https://h:1/x", &authority), &user(&leaf, &leaf));
    let more = [
        ("plain", one.clone()),
        ("quoted", one.replace("name: c\n", "name: \"on\"\n").replace("context: c\n", "context: 'on'\n")),
        ("no-current", one.replace("current-context: c\n", "")),
        ("gone", one.replace("cluster: k", "cluster: z")),
        ("json", r#"{"current-context":"a","contexts":[{"name":"a","context":{"cluster":"k","user":"u"}},{"name":"b","context":null}]}"#.to_owned()),
        ("nothing", "apiVersion: v1\nkind: Config\ncontexts: []\n".to_owned()),
    ];
    for (name, text) in more {
        names.push(name.to_owned());
        desk.write(name, text);
    }
    for name in &names {
        let view = Command::new(&kubectl)
            .args(["config", "view", "-o", "json", "--kubeconfig"])
            .arg(desk.path(name))
            .output()
            .unwrap();
        assert!(view.status.success(), "{name}: {}", String::from_utf8_lossy(&view.stderr));
        let view: Value = serde_json::from_slice(&view.stdout).unwrap();
        assert_eq!(seen_here(&desk.json(name).0), seen_by_kubectl(&view), "{name}");
    }
    // Of several that are read as one, too.
    let list: Vec<_> = ["rsa2048-kubelet.conf", "plain", "mixed-admin.conf", "gone"]
        .map(|name| desk.path(name).display().to_string())
        .into();
    let view = Command::new(&kubectl)
        .args(["config", "view", "-o", "json"])
        .env("KUBECONFIG", list.join(":"))
        .output()
        .unwrap();
    let mut command = desk.command("-o json");
    let done = run({
        command.env("KUBECONFIG", list.join(":"));
        command
    });
    let (view, here): (Value, Value) =
        (serde_json::from_slice(&view.stdout).unwrap(), serde_json::from_str(&done.out).unwrap());
    assert_eq!(seen_here(&here), seen_by_kubectl(&view));
}

#[test]
fn what_kubectl_refuses_is_not_called_fine() {
    let Some(kubectl) = kubectl() else {
        return skip("there is no kubectl (make deps installs one)");
    };
    let desk = Desk::new();
    let authority = Authority::new("ca");
    let leaf = authority.leaf("admin");
    let one = kubeconfig(&cluster("https://h:1", &authority), &user(&leaf, &leaf));
    for (name, text) in [
        ("broken", "contexts: [\n".to_owned()),
        ("shape", "contexts: 3\n".to_owned()),
        ("twice", "contexts: [{name: a}, {name: a}]\n".to_owned()),
        ("base64", one.replace("client-key-data: ", "client-key-data: '%'#")),
    ] {
        desk.write(name, text);
        let view =
            Command::new(&kubectl).args(["config", "view", "--kubeconfig"]).arg(desk.path(name)).output();
        assert!(!view.unwrap().status.success(), "{name}");
        assert_ne!(desk.check(name).code, 0, "{name}");
    }
}

#[test]
fn kubectl_trusts_the_same_servers() {
    let Some(kubectl) = kubectl() else {
        return skip("there is no kubectl (make deps installs one)");
    };
    let (authority, stranger) = (Authority::new("ca"), Authority::new("stranger"));
    let admin = authority.leaf("admin");
    for (leaf, host, more, trusted) in [
        (authority.leaf("kube-apiserver"), "127.0.0.1", "", true),
        (authority.leaf("kube-apiserver"), "localhost", "", false),
        (authority.leaf("kube-apiserver"), "localhost", ", tls-server-name: 127.0.0.1", true),
        (authority.expired("kube-apiserver"), "127.0.0.1", "", false),
        (stranger.leaf("kube-apiserver"), "127.0.0.1", "", false),
        (Authority::new("ca").leaf("kube-apiserver"), "127.0.0.1", "", false),
    ] {
        let (address, _) = https(config(&leaf, Clients::Known(&authority), &BOTH), |_| http(200, "", b"ok"));
        let server = format!("https://{host}:{}", address.port());
        let desk = Desk::new();
        desk.write(
            "config",
            kubeconfig(&format!("{}{more}", cluster(&server, &authority)), &user(&admin, &admin)),
        );
        let done = Command::new(&kubectl)
            .args(["get", "--raw", "/livez", "--request-timeout=10s", "--kubeconfig"])
            .arg(desk.path("config"))
            .env("NO_PROXY", "127.0.0.1,localhost")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.success(), trusted, "{server}{more}: {said}");
        let here = run(desk.command("config --connect"));
        assert_eq!(here.code == 0, trusted, "{server}{more}\n{here}\n{said}");
    }
}
