//! Log lines in klog's shape, on standard error.

use std::fmt::Arguments;

/// `I1123 22:45:28.818428   19762 server.go:416] text`
pub(crate) fn info(source: &str, text: &str) {
    line('I', source, format_args!("{text}"));
}

pub(crate) fn error(source: &str, text: &str) {
    line('E', source, format_args!("{text}"));
}

pub(crate) fn fatal(source: &str, text: &str) {
    line('F', source, format_args!("{text}"));
}

fn line(level: char, source: &str, text: Arguments<'_>) {
    let now = jiff::Timestamp::now().strftime("%m%d %H:%M:%S%.6f").to_string();
    eprintln!("{level}{now} {:>7} {source}] {text}", std::process::id());
}
