//! Which build this is: commit and date, from the environment (`KUBERESCUE_COMMIT`, `SOURCE_DATE_EPOCH`) or from git,
//! so that two builds of one commit are the same. Git is asked only for a release: a commit would build everything anew.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=KUBERESCUE_COMMIT");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let git = |arguments: &[&str]| if is_release { git(arguments) } else { None };
    let heads = ["HEAD", "logs/HEAD"].map(|head| git(&["rev-parse", "--git-path", head]));
    // What is not committed makes it another build: -dirty.
    let sources = is_release.then(|| "src".to_owned());
    for path in heads.into_iter().chain([sources]).flatten().filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
    let given = env::var("KUBERESCUE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]));
    let date = env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| day(seconds.parse().ok()?));
    let date = date.or_else(|| {
        let seconds = git(&["log", "-1", "--format=%ct"])?;
        day(seconds.parse().ok()?)
    });
    let unknown = || "unknown".to_owned();
    println!("cargo::rustc-env=KUBERESCUE_COMMIT={}", commit.unwrap_or_else(unknown));
    println!("cargo::rustc-env=KUBERESCUE_DATE={}", date.unwrap_or_else(unknown));
    println!("cargo::rustc-env=KUBERESCUE_TARGET={}", env::var("TARGET").unwrap_or_else(|_| unknown()));
}

/// What git says, where there is one.
fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The day in UTC, YYYY-MM-DD, of seconds since 1970. (Howard Hinnant, days_from_civil, reversed.)
fn day(seconds: i64) -> Option<String> {
    let days = seconds.checked_div_euclid(86_400)?.checked_add(719_468)?;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}
