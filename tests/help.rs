//! Help, version, completions and man pages, from the one parser.

mod common;

use common::{Run, kuberescue, run};

fn at(words: &str, columns: &str) -> Run {
    let mut command = kuberescue();
    command.args(words.split_whitespace()).env("COLUMNS", columns);
    run(command)
}

/// The paths of all commands, groups included.
fn commands() -> Vec<String> {
    fn below(command: &clap::Command, path: &str, into: &mut Vec<String>) {
        for command in command.get_subcommands() {
            let path = format!("{path} {}", command.get_name()).trim().to_owned();
            below(command, &path, into);
            into.push(path);
        }
    }
    let mut all = vec![String::new()];
    below(&kuberescue::cli::command(), "", &mut all);
    all
}

#[test]
fn short_help_fits_one_screen() {
    let mut long = Vec::new();
    for command in commands() {
        let run = at(&format!("{command} -h"), "80");
        assert_eq!(run.code, 0, "{command}: {run}");
        let rows: usize = run.out.lines().map(|line| line.chars().count().div_ceil(80).max(1)).sum();
        // The prompt is a line too.
        if rows > 23 {
            long.push(format!("{command}: {rows} lines\n{}", run.out));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn long_help_has_examples_and_exit_codes() {
    for command in commands() {
        if [
            "",
            "certs",
            "ca",
            "csr",
            "bundle",
            "archive",
            "kubeconfig",
            "etcd",
            "etcd snapshot",
            "rollout",
            "verify",
        ]
        .contains(&command.as_str())
        {
            continue;
        }
        let long = at(&format!("{command} --help"), "100").out;
        for part in ["Examples:\n", "Exit codes:"] {
            assert!(long.contains(part), "{command}: {part}\n{long}");
        }
        assert_eq!(at(&format!("help {command}"), "100").out, long, "help {command}");
        assert!(!at(&format!("{command} -h"), "100").out.contains("Exit codes"), "{command}");
    }
}

/// Every example is a command line that the parser takes.
/// A text that breaks its own lines is ragged on any terminal.
#[test]
fn paragraphs_fill_the_width() {
    let mut ragged = Vec::new();
    for command in commands() {
        let help = at(&format!("{command} --help"), "80").out;
        let lines: Vec<&str> = help.lines().collect();
        for pair in lines.windows(2) {
            let [line, next] = [pair[0], pair[1]];
            let word = next.split(' ').next().unwrap().chars().count();
            let is_text = |line: &str| !line.is_empty() && !line.starts_with([' ', '-']);
            let ends = line.ends_with(['.', ':']) || line.starts_with("Usage: ");
            if is_text(line) && is_text(next) && !ends && line.chars().count() + 1 + word <= 80 {
                ragged.push(format!("{command}: {line}"));
            }
        }
    }
    assert!(ragged.is_empty(), "{}", ragged.join("\n"));
}

#[test]
fn the_examples_can_be_parsed() {
    let mut count = 0;
    for command in commands() {
        let help = at(&format!("{command} --help"), "400").out;
        let Some((_, examples)) = help.split_once("Examples:\n") else { continue };
        for line in examples.lines().take_while(|line| line.starts_with("  ")) {
            let (_, line) = line.split_once("kuberescue ").unwrap_or_else(|| panic!("{command}: {line}"));
            let line = line.split(['>', '|']).next().unwrap().replace("'2026-11-24 12:00'", "2026-11-24");
            let line = line.replace("age1...", common::AGE_RECIPIENT);
            let words = line.split_whitespace().map(Into::into).collect();
            if let Err(error) = kuberescue::cli::parse(words) {
                assert!(!error.use_stderr(), "{command}: {line}: {error}");
            }
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn options_stand_in_groups() {
    insta::assert_snapshot!(at("recover -h", "80").out, @"
    Repair this node: renew what has expired, restart, verify

    Usage: kuberescue recover [OPTIONS]

    What:
          --root <DIR>  Root directory of the node [default: /]
          --renew-cas   Renew the CAs that have expired

    When:
          --days <N>                 Issue certificates that are valid for N days
          --renew-before <DURATION>  Renew what expires within DURATION

    Restart:
          --restart <HOW>  Restart static pods this way: cri, manifest, none

    Safety:
          --dry-run  Show what would be done without changing anything
      -y, --yes      Skip confirmation

    Output:
      -o, --output <FORMAT>  Output format: table, json, yaml
      -v, --verbose          Show every finding, certificate and check
      -h, --help             Print help (--help: all options, examples)
    ");
    insta::assert_snapshot!(at("-h", "80").out, @"
    Repair a kubeadm control-plane node whose certificates have expired
    Usage: kuberescue <COMMAND>
    Commands:
      recover     Repair this node: renew what has expired, restart, verify
      diagnose    Diagnose the node (read-only)
      explain     Explain the code of a finding or an error
      certs       Check and renew certificates (the commands of kubeadm certs)
      ca          Renew CAs before or after they expire
      csr         Renew certificates of a CA whose key is on another machine
      bundle      Renew another node with the CA keys of this one
      archive     Create, list, verify, compare and restore archives of the node
      kubeconfig  Check, fetch, install, push and create kubeconfigs
      etcd        Show etcd's data without etcd, repair a lost quorum
      probe       Check live ports, served certificates and API health
      nodes       List the nodes of the cluster, as kubectl get nodes does
      restart     Restart static pods and the kubelet that still use old files
      rollout     Restart workloads that still use old certificates
      verify      Verify cluster health
      resume      Complete a change that was interrupted
      rollback    Undo the last change, from its archive
      help        Show the help of a command

    Also: version, completions, man. COMMAND -h is short, --help has everything.
    ");
}

#[test]
fn tips_lead_to_the_command_that_was_meant() {
    let told = at("renew all", "80");
    assert_eq!(told.code, 2);
    insta::assert_snapshot!(told.err, @"
    error: unrecognized subcommand 'renew'

      tip: kuberescue certs renew all

    Usage: kuberescue <COMMAND>

    For more information, try '--help'.
    ");
    let told = at("certs renew apiservr", "80");
    insta::assert_snapshot!(told.err, @"
    error: invalid value 'apiservr' for '<NAME>...': did you mean apiserver?

      names: all admin.conf apiserver apiserver-etcd-client
             apiserver-kubelet-client controller-manager.conf
             etcd-healthcheck-client etcd-peer etcd-server front-proxy-client
             scheduler.conf super-admin.conf kubelet-client kubelet-serving

    For more information, try '--help'.
    ");
    let told = at("certs renew nothing-like-it", "80");
    insta::assert_snapshot!(told.err, @"
    error: invalid value 'nothing-like-it' for '<NAME>...': unknown name

      names: all admin.conf apiserver apiserver-etcd-client
             apiserver-kubelet-client controller-manager.conf
             etcd-healthcheck-client etcd-peer etcd-server front-proxy-client
             scheduler.conf super-admin.conf kubelet-client kubelet-serving

    For more information, try '--help'.
    ");
}

#[test]
fn version_says_which_build_it_is() {
    let told = at("version", "80");
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let names: Vec<_> = told.out.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, ["kuberescue", "commit", "date", "target", "linked"]);
    assert!(told.out.starts_with(&at("--version", "80").out), "{told}");
}

#[test]
fn completions_know_commands_and_options() {
    for shell in ["bash", "fish", "zsh"] {
        let told = at(&format!("completions {shell}"), "80");
        assert_eq!((told.code, told.err.as_str()), (0, ""));
        for word in ["check-expiration", "fail-within", "prometheus"] {
            assert!(told.out.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn each_command_has_a_man_page() {
    let directory = tempfile::tempdir().unwrap();
    let words = format!("man --dir {}", directory.path().display());
    let first = at(&words, "80");
    assert_eq!((first.code, first.err.as_str()), (0, ""), "{first}");
    let pages = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(pages, commands().len());
    let page = directory.path().join("kuberescue-certs-renew.1");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains(".SH SYNOPSIS") && text.contains("Exit codes:"), "{text}");
    // The same pages again are no reason for a word; another file of this name is replaced and named.
    assert_eq!(at(&words, "80").err, "");
    std::fs::write(&page, "mine").unwrap();
    assert_eq!(at(&words, "80").err, format!("note: {} is replaced\n", page.display()));
    assert_eq!(std::fs::read_to_string(&page).unwrap(), text);
    assert!(at("man", "80").out.contains(".TH kuberescue 1"));
}
