//! `explain`: a page for every code, whose commands exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::common::{Run, codes_of_kubeconfigs, kuberescue, run};

fn explain(arguments: &[&str]) -> Run {
    let mut command = kuberescue();
    command.arg("explain").args(arguments);
    run(command)
}

fn pages() -> Vec<Value> {
    items(&["--list", "-o", "json"])
}

/// Of a `CodeList`, which has one shape for one code and for all.
fn items(arguments: &[&str]) -> Vec<Value> {
    let document: Value = serde_json::from_str(&explain(arguments).out).unwrap();
    assert_eq!((&document["apiVersion"], &document["kind"]), (&"kuberescue/v1".into(), &"CodeList".into()));
    document["items"].as_array().unwrap().clone()
}

/// Programs that an operator has on a node or beside it.
const PROGRAMS: [&str; 24] = [
    "kuberescue",
    "kubeadm",
    "kubectl",
    "openssl",
    "date",
    "chmod",
    "mv",
    "rm",
    "cp",
    "ln",
    "scp",
    "shred",
    "findmnt",
    "journalctl",
    "systemctl",
    "etcdutl",
    "etcdctl",
    "df",
    "du",
    "find",
    "mount",
    "chronyc",
    "sha256sum",
    "crictl",
];

/// Whether there is a command in a sentence.
pub fn has_command(text: &str) -> bool {
    text.split([' ', '(', ':', ',']).any(|word| PROGRAMS.contains(&word.trim_matches(['.', ';'])))
}

#[test]
fn every_code_has_a_page_with_meaning_cause_and_a_command() {
    for page in pages() {
        let code = page["code"].as_str().unwrap();
        let text = |field: &str| page[field].as_str().unwrap();
        let run = explain(&[code]);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{code}");
        assert!(run.out.starts_with(&format!("{code}: {}\n\nMeaning\n", text("title"))), "{run}");
        for part in [text("meaning"), text("cause"), text("remedy")] {
            assert!(run.out.contains(part) && part.len() > 12, "{code}: {part}");
        }
        assert!(has_command(text("remedy")), "{code}: no command: {}", text("remedy"));
        assert_eq!(items(&[code, "-o", "json"]), std::slice::from_ref(&page));
    }
}

/// Each `kuberescue COMMAND` of the pages is one that the program has.
#[test]
fn the_commands_of_the_pages_exist() {
    let mut commands = BTreeSet::new();
    for page in pages() {
        let text = page["remedy"].as_str().unwrap().to_owned();
        // The directory is none of the commands.
        for part in text.replace("/kuberescue", "").split("kuberescue ").skip(1) {
            let words: Vec<_> =
                part.split_whitespace().map(|word| word.trim_matches(['.', ',', ')', ';', ':'])).collect();
            let with_below = ["certs", "archive", "kubeconfig", "bundle"].contains(&words[0]);
            let command = &words[..if with_below { 2 } else { 1 }];
            commands.insert(command.join(" "));
            for option in words.iter().take(3).filter(|word| word.starts_with("--")) {
                let mut own = kuberescue();
                own.args(command).arg("--help");
                assert!(run(own).out.contains(option), "{}: {option} in {text}", words[0]);
            }
        }
    }
    // "kuberescue needs", "kuberescue cuts": said of the program, no command.
    let said = ["needs", "cuts"];
    let commands: Vec<_> = commands.iter().filter(|words| !said.contains(&words.as_str())).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for words in commands {
        let mut command = kuberescue();
        command.args(words.split(' ')).arg("--help");
        let run = run(command);
        assert_eq!(run.code, 0, "kuberescue {words}\n{run}");
    }
}

#[test]
fn an_unknown_code_is_answered_with_the_nearest_one() {
    for (typed, near) in [
        ("expird", "expired"),
        ("EXPIRED", "expired"),
        ("key_mismatch", "key-mismatch"),
        ("kubelet-crashloop", "kubelet-crash-loop"),
        ("kubelet-link", "kubelet-link-old"),
        ("ca-expire", "ca-expired"),
        ("broken etcd", "etcd-data-broken"),
    ] {
        let run = explain(&[typed]);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.err.contains(&format!("hint: kuberescue explain {near}\n")), "{typed}: {run}");
    }
    insta::assert_snapshot!(explain(&["zzzzzzzzzzzz"]), @r"
    exit 2
    --- stdout
    --- stderr
    error [usage]: cannot explain zzzzzzzzzzzz: no such code
    hint: kuberescue explain --list
    ");
    insta::assert_snapshot!(explain(&["port-in-use"]).out, @r"
    port-in-use: a port is used by another process

    Meaning
      The component that needs the port does not start.

    Cause
      An old container still runs, a manifest exists twice, or another service uses the port.

    Remedy
      See who has it: ss -ltnp. For a control-plane port: crictl ps -a, and kuberescue diagnose reports a duplicate manifest.
    ");
    assert_eq!(explain(&[]).code, 2);
}

#[test]
fn the_list_has_every_code_once_with_its_class() {
    let list = explain(&["--list"]);
    assert_eq!(list.code, 0);
    let codes: Vec<_> =
        list.out.lines().skip(1).map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    let json: Vec<_> = pages().iter().map(|page| page["code"].as_str().unwrap().to_owned()).collect();
    assert_eq!(codes, json);
    let classes: BTreeSet<_> =
        pages().iter().map(|page| page["class"].as_str().unwrap().to_owned()).collect();
    let known = [
        "change",
        "clock",
        "cluster",
        "credential",
        "disk",
        "etcd",
        "exposure",
        "kubeconfig",
        "kubelet",
        "log",
        "manifest",
        "probe",
        "refusal",
    ];
    assert_eq!(classes.iter().map(String::as_str).collect::<Vec<_>>(), known);
}

/// `kubeconfig check` is another command, and its codes are of the same table.
#[test]
fn what_a_kubeconfig_can_be_told_has_a_page() {
    let pages = pages();
    let of_kubeconfigs = codes_of_kubeconfigs();
    for code in &of_kubeconfigs {
        assert!(pages.iter().any(|page| page["code"] == **code), "{code}");
    }
    // And no page of its own class is of something that it can't say.
    for page in pages.iter().filter(|page| page["class"] == "kubeconfig") {
        assert!(of_kubeconfigs.contains(page["code"].as_str().unwrap()), "{page}");
    }
}
