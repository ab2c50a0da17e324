//! The help of every command in one form: options in groups, `-h` on one screen of 80 columns and 24 lines, `--help`
//! with all options, examples and exit codes. It is laid out here, and not beside each argument, so that one argument
//! stands in the same group in every command.

use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Arg, ArgAction, Command};

use super::pages;

/// The groups of options, in their order.
const GROUPS: [&str; 5] = ["What", "When", "Restart", "Safety", "Output"];

/// Lines of `-h` for the groups: a screen without the summary, the usage and the prompt.
const ROOM: usize = 17;

/// Columns of a screen.
const COLUMNS: usize = 80;

/// What is left out of `-h` where it would not fit, the least used first.
const RARE: &[&str] = &[
    "unrecorded",
    "cert_dir",
    "accept_clock",
    "enable_client_cert_rotation",
    "grace",
    "restart_timeout",
    "proof_timeout",
    "request_timeout",
    "cri_socket",
    "partial",
    "key_algorithm",
    "reuse_keys",
    "secret",
    "workspace",
    "admin_context",
    "break_quorum",
    "at",
    "container",
    "update_cluster",
    "accept_node",
    "rollback_on_failure",
    "archive_dir",
    "output_file",
    "remove_san",
    "kubelet",
    "etcd_snapshot",
    "log",
    "server",
    "accept",
    "accept_cluster",
    "namespace",
    "for_bootstrap",
    "no_wait",
    "no_rollout",
];

/// The parser with its help laid out.
pub(super) fn lay_out(command: Command) -> Command {
    command.help_template(TOP).after_help(START).mut_subcommands(|below| laid_out(below, ""))
}

/// The help of `kuberescue` itself lists its commands; its options are these.
const TOP: &str = "{about}\nUsage: {usage}\nCommands:\n{subcommands}{after-help}";
const START: &str = "Also: version, completions, man. COMMAND -h is short, --help has everything.";

fn laid_out(command: Command, above: &str) -> Command {
    let path = format!("{above} {}", command.get_name()).trim_start().to_owned();
    let is_group = command.has_subcommands();
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let after = pages::completed(&path, after);
    let mut command = command.disable_help_flag(true).after_help(Resettable::Reset);
    if !is_group {
        command = command.after_long_help(after);
    }
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    let help = help.help("Print help (--help: all options, examples)");
    command = in_groups(with_output_file(command.arg(help)));
    command.mut_subcommands(|below| laid_out(below, &path))
}

/// `--output-file` of a command that only reads and has a result: one that asks shows what it asks about on stdout.
fn with_output_file(command: Command) -> Command {
    let has = |name: &str| command.get_arguments().any(|arg| arg.get_id() == name);
    if !has("output") || ["yes", "out", "dry_run"].into_iter().any(has) {
        return command;
    }
    let file = Arg::new("output_file").long("output-file").value_name("FILE");
    let help = "Write the result to FILE, all of it or nothing (mode 0644); FILE stays as it is where the command could not run";
    command.arg(file.value_parser(clap::value_parser!(PathBuf)).help(help))
}

/// The group of an argument.
fn group(arg: &Arg) -> usize {
    match arg.get_id().as_str() {
        "at" | "days" | "horizon" | "renew_before" | "if_within" | "fail_within" | "since" | "valid"
        | "timeout" | "settle" | "request_timeout" => 1,
        "restart"
        | "grace"
        | "restart_timeout"
        | "break_quorum"
        | "cri_socket"
        | "proof_timeout"
        | "no_rollout"
        | "no_wait"
        | "rollback_on_failure" => 2,
        "dry_run" | "yes" | "accept" | "accept_clock" | "accept_node" | "accept_cluster" | "archive_dir"
        | "etcd_snapshot" | "force" | "overwrite" | "keep" | "keep_theirs" | "unverified" | "exact"
        | "lost" => 3,
        "output" | "output_file" | "verbose" | "help" | "out" => 4,
        _ => 0,
    }
}

fn in_groups(command: Command) -> Command {
    let mut order: Vec<(usize, u8, String)> = command
        .get_arguments()
        .map(|arg| {
            let id = arg.get_id().to_string();
            (group(arg), if arg.is_positional() { 0 } else { 1 + u8::from(id == "help") }, id)
        })
        .collect();
    order.sort_by_key(|(group, rank, _)| (*group, *rank));
    let hidden = left_out(&command);
    let is_group = command.has_subcommands();
    // The headings come in the order of the arguments.
    order.into_iter().enumerate().fold(command, |command, (place, (group, _, id))| {
        command.mut_arg(&id, |arg| {
            let arg = if hidden.contains(&id.as_str()) { arg.hide_short_help(true) } else { arg };
            let heading = if is_group { None } else { GROUPS.get(group).copied() };
            let arg = if id == "help" { arg } else { described(arg) };
            arg.help_heading(heading).display_order(place)
        })
    })
}

/// What `-h` has no room for.
fn left_out(command: &Command) -> Vec<&'static str> {
    let shown = || command.get_arguments().filter(|arg| !arg.is_hide_short_help_set() && !arg.is_hide_set());
    let mut groups: Vec<usize> = shown().map(group).collect();
    groups.sort_unstable();
    groups.dedup();
    let lines = shown().count() + 2 * groups.len();
    let rare = RARE.iter().filter(|rare| shown().any(|arg| arg.get_id() == **rare));
    rare.take(lines.saturating_sub(ROOM)).copied().collect()
}

/// In `-h` an option has one line. In `--help` its text is followed by the default and the values.
fn described(arg: Arg) -> Arg {
    let text = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let takes_value = arg.get_action().takes_values();
    let values = if takes_value { arg.get_possible_values() } else { Vec::new() };
    let values: Vec<_> = values.into_iter().filter(|value| !value.is_hide_set()).collect();
    let names: Vec<_> = values.iter().map(|value| value.get_name().to_owned()).collect();
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let default = match defaults.as_slice() {
        [] => String::new(),
        _ => format!(" [default: {}]", defaults.join(" ")),
    };
    let (short, names) = (shortened(&text), names.join(", "));
    let room = COLUMNS.saturating_sub(width(&arg) + 12);
    let with_values = [format!("{short}: {names}"), names.clone()];
    let with_values = with_values.into_iter().filter(|_| !names.is_empty());
    let short = with_values
        .chain([format!("{short}{default}")])
        .find(|short| short.chars().count() <= room)
        .unwrap_or(short);
    let aliases = arg.get_all_aliases().unwrap_or_default();
    let aliases: String = aliases.iter().map(|alias| format!(" [alias: --{alias}]")).collect();
    let mut long = format!("{text}{default}{aliases}");
    if values.iter().any(|value| value.get_help().is_some()) {
        for value in &values {
            let help = value.get_help().map(|help| format!(": {help}")).unwrap_or_default();
            long += &format!("\n- {}{help}", value.get_name());
        }
    } else if !names.is_empty() {
        long += &format!("\n[possible values: {names}]");
    }
    arg.help(short).long_help(long).hide_default_value(takes_value).hide_possible_values(takes_value)
}

/// Columns of `--option <VALUE>`, or of `[NAME]...`.
fn width(arg: &Arg) -> usize {
    let value = arg.get_value_names().and_then(|names| names.first()).map_or(0, |name| name.chars().count());
    match arg.get_long() {
        Some(long) if arg.get_action().takes_values() => long.chars().count() + value + 5,
        Some(long) => long.chars().count() + 2,
        None => value + 5,
    }
}

/// The statement of a help text, without examples, defaults and conditions.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let ends = [
        " [",
        "; ",
        ": ",
        ". ",
        " (",
        ", such as",
        ", with ",
        ", never ",
        ", for ",
        ", even ",
        ", when ",
        ", into ",
        ", not only ",
        ", whose ",
        ", whether ",
        ", on ",
        ", or ",
        ", and ",
    ];
    let end = ends.iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
    line.get(..end).unwrap_or(line).trim_end_matches('.').to_owned()
}
