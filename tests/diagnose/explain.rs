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
    list(arguments, "items")
}

fn situations(arguments: &[&str]) -> Vec<Value> {
    list(arguments, "situations")
}

fn list(arguments: &[&str], field: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(&explain(arguments).out).unwrap();
    assert_eq!((&document["apiVersion"], &document["kind"]), (&"kuberescue/v1".into(), &"CodeList".into()));
    document[field].as_array().unwrap().clone()
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

/// A situation has numbered steps, each with a command of its own on its own line.
#[test]
fn a_situation_is_a_list_of_steps() {
    insta::assert_snapshot!(explain(&["lost-quorum"]).out, @"
    lost-quorum: most members of etcd are gone for good

      Without a quorum etcd accepts no writes, and the API server is down. Do this only if the other members can never come back: what they have and this one lacks is lost.

      1. See which members there are, and how far this one is:
           sudo kuberescue etcd status
      2. Switch the lost machines off. Go on with the member whose revision is the highest.
      3. Save a snapshot of what is there:
           sudo kuberescue etcd snapshot save /root/etcd.db
      4. If certificates have expired, renew them first:
           sudo kuberescue recover --break-quorum
      5. See the plan:
           sudo kuberescue etcd rescue --dry-run
      6. Make this member a cluster of one; name the lost ones:
           sudo kuberescue etcd rescue --lost cp-2,cp-3
      7. After an interruption, go on with:
           sudo kuberescue resume
      8. Verify cluster health:
           sudo kuberescue verify cluster
    ");
    insta::assert_snapshot!(explain(&["exit-codes"]).out, @"
    exit-codes: what the exit codes mean

      The same in every command. Codes in brackets say more: kuberescue explain CODE.

      0: success; no blocking problem is left.
      1: problems found, or a certificate expires within --fail-within.
      2: usage error or could not run; nothing was changed.
      3: failed and rolled back.
      4: changed, manual action required.
      5: refused for safety; nothing was changed.
    ");
    // The page of the code first.
    insta::assert_snapshot!(explain(&["interrupted-change"]).out, @"
    interrupted-change: an earlier change of this node was interrupted

    Meaning
      The node may hold old and new files side by side until the change is completed or undone.

    Cause
      kuberescue was killed, or the machine went down, while files were being replaced.

    Remedy
      Complete the change with kuberescue resume, or undo it with kuberescue rollback.

    interrupted-change: a change was interrupted: a kill, a power cut

      A journal says how far it came. Completing and undoing are both safe, at any time, any number of times.

      1. See what would be completed:
           sudo kuberescue resume --dry-run
      2. Complete it:
           sudo kuberescue resume
      3. Or undo it instead:
           sudo kuberescue rollback
      4. If something else has changed the files since, both refuse. See what, then keep it or replace it:
           sudo kuberescue resume --keep-theirs
      5. Restart what still uses old files, and verify:
           sudo kuberescue recover
    ");
    // And a code without a situation of its name leads to its steps.
    assert!(explain(&["ca-key-missing"]).out.ends_with("\nSteps\n  kuberescue explain lost-ca-key\n"));
    let both = ["interrupted-change", "-o", "json"];
    assert_eq!((items(&both).len(), situations(&both).len()), (1, 1));
    let alone = ["lost-quorum", "-o", "json"];
    assert_eq!((items(&alone).len(), situations(&alone).len()), (0, 1));
}

/// Whatever a step says to run is read by this program's parser, and fits into a terminal.
#[test]
fn the_commands_of_the_steps_are_read() {
    use clap::Parser as _;
    let others = ["date", "systemctl"];
    let mut read = 0;
    for situation in situations(&["--list", "-o", "json"]) {
        for step in situation["steps"].as_array().unwrap() {
            let Some(command) = step["command"].as_str() else { continue };
            let words: Vec<_> = command.strip_prefix("sudo ").unwrap_or(command).split(' ').collect();
            if others.contains(&words[0]) {
                continue;
            }
            assert_eq!(words[0], "kuberescue", "{command}");
            if let Err(error) = kuberescue::cli::Cli::try_parse_from(&words) {
                panic!("{}: {command}: {error}", situation["name"]);
            }
            if words[1] == "explain" {
                assert_eq!(explain(&words[2..]).code, 0, "{command}");
            }
            read += 1;
        }
    }
    assert!(read > 40, "{read}");
}

/// On the node there is only the binary: nothing that it prints leads to a file that is not there.
#[test]
fn no_message_leads_to_a_document() {
    let mut checked = 0;
    for entry in walkdir::WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")) {
        let entry = entry.unwrap();
        if entry.path().extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap();
        // Comments are for those who have the source; doc comments of arguments are printed as help.
        let plain = text.lines().filter(|line| {
            let line = line.trim_start();
            !line.starts_with("//") || (line.starts_with("///") && entry.path().starts_with(commands()))
        });
        for line in plain {
            assert!(!line.contains("README"), "{}: {line}", entry.path().display());
            assert!(
                !line.contains("docs/") || line.trim_start().starts_with("///"),
                "{}: {line}",
                entry.path().display()
            );
        }
        checked += 1;
    }
    assert!(checked > 100);
}

fn commands() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/commands")
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
        ("exit-code", "exit-codes"),
        ("lost quorum", "lost-quorum"),
    ] {
        let run = explain(&[typed]);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.err.contains(&format!("hint: kuberescue explain {near}\n")), "{typed}: {run}");
    }
    insta::assert_snapshot!(explain(&["zzzzzzzzzzzz"]), @r"
    exit 2
    --- stdout
    --- stderr
    error [usage]: cannot explain zzzzzzzzzzzz: no such code or situation
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
    let (situations_of_list, codes) = list.out.split_once("\n\n").unwrap();
    let first = |table: &str| -> Vec<_> {
        table.lines().skip(1).map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    };
    let json: Vec<_> = pages().iter().map(|page| page["code"].as_str().unwrap().to_owned()).collect();
    assert_eq!(first(codes), json);
    let names: Vec<_> = situations(&["--list", "-o", "json"])
        .iter()
        .map(|steps| steps["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(first(situations_of_list), names);
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
