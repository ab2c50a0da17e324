//! Which files are read, and what is said of those that can't be.

use crate::common::{Node, run};
use crate::desk::{Desk, SECRET, cluster, kubeconfig, user};
use crate::server::Authority;

fn good() -> String {
    let authority = Authority::new("ca");
    let leaf = authority.leaf("admin");
    kubeconfig(&cluster("https://10.0.0.1:6443", &authority), &user(&leaf, &leaf))
}

#[test]
fn what_cannot_be_read_is_2_and_the_others_are_shown() {
    let desk = Desk::new();
    desk.write("good", good());
    std::fs::create_dir(desk.path("directory")).unwrap();
    desk.write("empty", "");
    desk.write("broken", format!("users:\n- name: a\n  user:\n    token: \"{SECRET}\n"));
    desk.write("shape", format!("users: [{{name: a, user: {SECRET}}}]\n"));
    desk.write("list", format!("users: [{{name: a, user: {{token: [{SECRET}]}}}}]\n"));
    desk.write("other", format!("kind: Secret\ndata: {{token: {SECRET}}}\n"));
    desk.write("binary", [0xff, 0, 0xfe]);
    desk.write("large", vec![b'#'; 3 << 20]);
    desk.write("twice", "contexts: [{name: a}, {name: a}]\n");
    for name in
        ["missing", "directory", "empty", "broken", "shape", "list", "other", "binary", "large", "twice"]
    {
        let done = desk.check(&format!("{name} good"));
        assert_eq!(done.code, 2, "{done}");
        let (json, code) = desk.json(&format!("{name} good"));
        assert_eq!((code, &json["green"]), (2, &false.into()));
        let why = json["items"][0]["error"].as_str().unwrap();
        assert!(
            done.err.starts_with(&format!("error [kubeconfig-unusable]: cannot check {name}: {why}\nhint: ")),
            "{done}"
        );
        assert_eq!(json["items"][1]["error"], serde_json::Value::Null);
    }
    insta::assert_snapshot!(desk.screens(), @r#"
    ## missing good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check missing: not found
    hint: look in $KUBECONFIG, ~/.kube/config, or bmctl-workspace/NAME/NAME-kubeconfig
    ## directory good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check directory: is a directory
    hint: name the file in it, such as ~/.kube/config or CLUSTER-kubeconfig
    ## empty good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check empty: the file is empty
    hint: kubectl cannot read it either: copy it from its source again, or restore a backup
    ## broken good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check broken: not a kubeconfig: line 4, column 12: not valid YAML
    hint: kubectl cannot read it either: copy it from its source again, or restore a backup
    ## shape good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check shape: not a kubeconfig: line 1, column 25: a value has another type than expected
    hint: kubectl cannot read it either: copy it from its source again, or restore a backup
    ## list good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check list: not a kubeconfig: line 1, column 33: a value has another type than expected
    hint: kubectl cannot read it either: copy it from its source again, or restore a backup
    ## other good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check other: not a kubeconfig: it has neither contexts nor clusters nor users
    hint: kubectl cannot read it either: copy it from its source again, or restore a backup
    ## binary good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check binary: not a kubeconfig: not UTF-8
    hint: kubectl cannot read it either: copy it from its source again, or restore a backup
    ## large good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check large: 3145728 bytes: larger than the 2097152 bytes that are read of one
    hint: kubectl cannot read it either: copy it from its source again, or restore a backup
    ## twice good: exit 2
    good
    CURRENT  NAME  CLUSTER  SERVER  USER  IDENTITY  EXPIRES  RESIDUAL TIME  CA EXPIRES  STATE
    *  c  k  https://10.0.0.1:6443  u  CN=admin  Jan 01, 4096 00:00 UTC  292y  Jan 01, 4096 00:00 UTC  ok
    error [kubeconfig-unusable]: cannot check twice: not a kubeconfig: two of its contexts have the name "a"
    hint: kubectl cannot read it either: copy it from its source again, or restore a backup
    "#);
}

#[test]
fn the_standard_input() {
    let desk = Desk::new();
    let done = desk.with_input("-", good().as_bytes());
    assert!(done.code == 0 && done.out.starts_with("-\nCURRENT"), "{done}");
    assert_eq!(desk.with_input("-", b"").code, 2);
}

#[test]
fn without_a_file_those_that_kubectl_would_take() {
    let desk = Desk::new();
    let none = desk.check("");
    assert_eq!(
        (none.code, none.err.as_str()),
        (
            2,
            "error [usage]: cannot find a kubeconfig: ~/.kube/config leads to none\nhint: name one: kuberescue kubeconfig check \
             FILE\n"
        ),
        "{none}"
    );
    desk.write("home/.kube/config", good());
    assert_eq!(desk.check("").code, 0);

    // What $KUBECONFIG lists is read as one: the first that defines something counts, what isn't there is passed over.
    let node = Node::of("expired-all");
    desk.write("a", node.read("/etc/kubernetes/admin.conf"));
    desk.write("b", good());
    desk.write(
        "c",
        "contexts: [{name: x, context: {cluster: k, user: u}}, {name: c, context: {cluster: z}}]\n",
    );
    let with = |list: &str, more: &str| {
        let mut command = desk.command(&format!("-o json {more}"));
        let list: Vec<_> = list.split(':').map(|name| desk.path(name).display().to_string()).collect();
        command.env("KUBECONFIG", list.join(":"));
        let done = run(command);
        (serde_json::from_str::<serde_json::Value>(&done.out).unwrap_or_default(), done)
    };
    let (json, done) = with("nowhere:b:c", "");
    assert_eq!(done.code, 0, "{done}");
    let names = |file: usize| {
        let contexts = json["items"][file]["contexts"].as_array().unwrap().iter();
        contexts.map(|context| context["name"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((names(0), names(1)), (vec!["c"], vec!["x"]), "{json:#}");
    assert_eq!(json["items"][1]["contexts"][0]["certificate"]["commonName"], "admin");
    assert_eq!(with("b:a", "").1.code, 1);
    assert_eq!(with("b:a", "--current").1.code, 0);
    assert_eq!(with("a:b", "--current").1.code, 1);
    assert_eq!(with("nowhere", "").1.code, 2);
}

#[test]
fn names_do_not_reach_the_terminal_as_escapes() {
    let desk = Desk::new();
    let authority = Authority::new("ca");
    let leaf = authority.leaf("\u{1b}[31mred\u{202e}");
    let text = kubeconfig(&cluster("https://\\e]0;x\\a", &authority), &user(&leaf, &leaf));
    let text = text.replace("name: c\n", "name: \"\\e[2Jc\\u202e\"\n");
    desk.write("config", text.replace("current-context: c", "current-context: \"\\e[2Jc\\u202e\""));
    desk.write("\u{1b}[1mfile", "x");
    for form in ["table", "wide", "json", "yaml"] {
        let mut command = desk.command(&format!("config --connect -o {form}"));
        command.arg("\u{1b}[1mfile");
        let done = run(command);
        assert_eq!(done.code, 2, "{done}");
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!format!("{}{}", done.out, done.err).contains(bad), "{:?}\n{:?}", done.out, done.err);
        assert!(done.out.contains("[2Jc") && done.out.contains("[31mred"), "{done}");
    }
}

#[test]
fn the_files_are_only_read() {
    let desk = Desk::new();
    desk.write("config", good());
    let node = Node::within(desk.desk.directory);
    let before = node.state();
    let mut command = crate::common::kuberescue();
    command.args(["kubeconfig", "check", "--at", "2026-11-24"]).arg(node.path("config"));
    assert_eq!(run(command).code, 0);
    before.assert_identical(&node.state(), "kubeconfig check");
}

#[test]
fn json_and_yaml_say_the_same() {
    let desk = Desk::new();
    desk.write("config", good());
    let (json, _) = desk.json("config");
    let yaml = run(desk.command("config -o yaml"));
    let from_yaml: serde_json::Value = serde_saphyr::from_str(&yaml.out).unwrap();
    assert_eq!(from_yaml, json);
    assert_eq!(json["kind"], "KubeconfigCheck");
}
