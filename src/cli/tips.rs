//! What was meant by a command or an option that does not exist.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is typed, and the command that does it; what follows is passed on. Names of other tools, words of people.
const COMMANDS: &[(&str, &str)] = &[
    ("renew", "certs renew"),
    ("rotate", "certs renew"),
    ("reissue", "certs renew"),
    ("check-expiration", "certs check-expiration"),
    ("expiration", "certs check-expiration"),
    ("expiry", "certs check-expiration"),
    ("expire", "certs check-expiration"),
    ("expires", "certs check-expiration"),
    ("expired", "certs check-expiration"),
    ("cert", "certs check-expiration"),
    ("certificates", "certs check-expiration"),
    ("certs check", "certs check-expiration"),
    ("certs list", "certs check-expiration"),
    ("certs show", "certs check-expiration"),
    ("certs status", "certs check-expiration"),
    ("certs verify", "certs check-expiration"),
    ("certs generate-csr", "csr export"),
    ("certs rotate", "certs renew"),
    ("generate-csr", "csr export"),
    ("export", "csr export"),
    ("import", "csr import"),
    ("sign", "csr sign"),
    ("ca rotate", "ca replace"),
    ("renew-ca", "ca renew"),
    ("renew-cas", "ca renew"),
    ("backup", "archive create"),
    ("save", "archive create"),
    ("archive backup", "archive create"),
    ("archive save", "archive create"),
    ("archive show", "archive list"),
    ("archive ls", "archive list"),
    ("archive check", "archive verify"),
    ("archive compare", "archive diff"),
    ("archives", "archive list"),
    ("backups", "archive list"),
    ("list", "archive list"),
    ("history", "archive verify"),
    ("restore", "archive restore"),
    ("diff", "archive diff"),
    ("compare", "archive diff"),
    ("bundle restore", "bundle apply"),
    ("bundle install", "bundle apply"),
    ("bundle new", "bundle create"),
    ("apply", "bundle apply"),
    ("snapshot", "etcd snapshot save"),
    ("etcd backup", "etcd snapshot save"),
    ("etcd save", "etcd snapshot save"),
    ("etcd member", "etcd members"),
    ("etcd health", "etcd status"),
    ("etcd restore", "etcd rescue"),
    ("members", "etcd members"),
    ("rescue", "etcd rescue"),
    ("kubeconfig create", "kubeconfig new"),
    ("kubeconfig user", "kubeconfig new"),
    ("kubeconfig verify", "kubeconfig check"),
    ("kubeconfig get", "kubeconfig fetch"),
    ("kubeconfig update", "kubeconfig install"),
    ("kubeconfig renew", "certs renew admin.conf"),
    ("fetch", "kubeconfig fetch"),
    ("install", "kubeconfig install"),
    ("push", "kubeconfig push"),
    ("fix", "recover"),
    ("repair", "recover"),
    ("revive", "recover"),
    ("run", "recover"),
    ("start", "recover"),
    ("plan", "recover --dry-run"),
    ("dry-run", "recover --dry-run"),
    ("check", "diagnose"),
    ("status", "diagnose"),
    ("doctor", "diagnose"),
    ("scan", "diagnose"),
    ("inspect", "diagnose"),
    ("show", "diagnose"),
    ("report", "diagnose -o html"),
    ("metrics", "diagnose -o prometheus"),
    ("trust", "diagnose --trust"),
    ("timeline", "diagnose --timeline"),
    ("log", "diagnose --timeline"),
    ("logs", "diagnose --timeline"),
    ("why", "explain"),
    ("codes", "explain --list"),
    ("health", "probe"),
    ("healthz", "probe"),
    ("ping", "probe"),
    ("ports", "probe"),
    ("test", "probe"),
    ("get", "nodes"),
    ("node", "nodes"),
    ("cluster", "verify cluster"),
    ("approve", "verify cluster"),
    ("verify archive", "archive verify"),
    ("verify certs", "certs check-expiration"),
    ("verify kubeconfig", "kubeconfig check"),
    ("verify node", "probe"),
    ("reload", "restart"),
    ("rollout status", "verify cluster"),
    ("rollout undo", "rollback"),
    ("undo", "rollback"),
    ("revert", "rollback"),
    ("roll-back", "rollback"),
    ("continue", "resume"),
    ("completion", "completions"),
    ("manual", "man"),
];

/// Options of other tools, and what does it here.
const OPTIONS: &[(&str, &str)] = &[
    ("--json", "-o json"),
    ("--yaml", "-o yaml"),
    ("--format", "-o FORMAT"),
    ("--force", "--yes skips confirmation, and --accept CODE goes on in spite of a blocking problem"),
    ("--ignore-preflight-errors", "--accept CODE goes on in spite of a blocking problem"),
    ("--csr-only", "kuberescue csr export DIR"),
    ("--csr-dir", "kuberescue csr export DIR"),
    ("--use-api", "kuberescue csr export DIR"),
    ("--apiserver-cert-extra-sans", "kuberescue certs renew apiserver --add-san NAME"),
    ("--chroot", "--root DIR"),
    ("--backup-dir", "--archive-dir DIR"),
];

/// An error of the parser, with a tip that leads to the right command.
pub(super) fn with_tip(mut error: clap::Error, command: &Command, words: &[String]) -> clap::Error {
    // "to pass '--config' as a value, use '-- --config'" helps nobody here.
    let _never = error.remove(ContextKind::Suggested);
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => command_meant(command, words),
        ErrorKind::UnknownArgument => option_meant(&error),
        _ => None,
    };
    if let Some(tip) = tip {
        for other in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg] {
            let _replaced = error.remove(other);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

fn command_meant(command: &Command, words: &[String]) -> Option<String> {
    let mut at = command;
    let mut path = Vec::new();
    let mut rest = words.iter();
    for word in rest.by_ref() {
        path.push(word.as_str());
        match at.find_subcommand(word) {
            Some(below) => at = below,
            None => break,
        }
    }
    let typed = path.join(" ");
    let (_, meant) = COMMANDS.iter().find(|(name, _)| *name == typed)?;
    let passed: String = rest.map(|word| format!(" {word}")).collect();
    Some(format!("kuberescue {meant}{passed}"))
}

fn option_meant(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else { return None };
    let name = typed.split('=').next()?;
    OPTIONS.iter().find(|(option, _)| *option == name).map(|(_, meant)| (*meant).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn parsed(words: &str) -> clap::Error {
        let words = words.split_whitespace().map(Into::into).collect();
        cli::parse(words).expect_err("it is no command")
    }

    #[test]
    fn every_tip_leads_to_a_command_that_exists() {
        for (typed, meant) in COMMANDS {
            let error = parsed(typed);
            assert_eq!(error.kind(), ErrorKind::InvalidSubcommand, "{typed} is a command");
            let told = error.to_string();
            assert!(told.contains(&format!("tip: kuberescue {meant}\n")), "{typed}: {told}");
            match cli::parse(meant.split(' ').map(Into::into).collect()) {
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument, "{meant}: {error}")
                }
            }
        }
    }

    #[test]
    fn what_was_typed_after_it_is_passed_on() {
        let told = parsed("renew all --dry-run").to_string();
        assert!(told.contains("tip: kuberescue certs renew all --dry-run\n"), "{told}");
        assert!(parsed("help renew").to_string().contains("tip: kuberescue certs renew --help\n"));
    }

    #[test]
    fn options_of_other_tools_lead_to_ours_and_never_behind_two_dashes() {
        for (typed, meant) in OPTIONS {
            let told = parsed(&format!("recover {typed}")).to_string();
            assert!(told.contains(&format!("tip: {meant}\n")), "{typed}: {told}");
        }
        let told = parsed("certs renew all --confg x").to_string();
        assert!(!told.contains("-- --"), "{told}");
        let told = parsed("recover --dryrun").to_string();
        assert!(told.contains("'--dry-run'"), "{told}");
    }
}
