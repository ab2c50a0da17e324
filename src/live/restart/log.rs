//! The end of a container's log: its last lines before it failed.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;
use serde::Deserialize;

/// How many bytes of the file's end are read.
const WINDOW: u64 = 64 << 10;

/// Longest line that is kept, in bytes.
const LONGEST: usize = 2000;

/// The last `count` lines that the container wrote, without the runtime's time and stream. Empty if the file
/// can't be read.
pub(super) fn tail(path: &Path, count: usize) -> Vec<String> {
    let Some((bytes, from_start)) = read_end(path) else { return Vec::new() };
    let mut lines = messages(&String::from_utf8_lossy(&bytes), from_start);
    lines.drain(..lines.len().saturating_sub(count));
    lines
}

/// The file's end, and whether that is all of it.
fn read_end(path: &Path) -> Option<(Vec<u8>, bool)> {
    // A pipe in the log's place must not block us.
    let mut file: File = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let start = metadata.len().saturating_sub(WINDOW);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(WINDOW).read_to_end(&mut bytes).ok()?;
    Some((bytes, start == 0))
}

/// All lines of a text, for the fuzz targets.
#[cfg(fuzzing)]
pub(in crate::live) fn messages_of(text: &str) -> Vec<String> {
    messages(text, false)
}

fn messages(text: &str, from_start: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut begun = String::new();
    // The first line of a window is usually cut.
    for line in text.lines().skip(usize::from(!from_start)) {
        let (message, ends) = message(line);
        push_bounded(&mut begun, &message);
        if ends {
            found.push(std::mem::take(&mut begun));
        }
    }
    if !begun.is_empty() {
        found.push(begun);
    }
    found
}

/// The container's text, and whether its line ends here. The CRI's format is `TIME stdout|stderr TAGS TEXT`,
/// the first of the tags P for a part of a line and F for its end (`pkg/kubelet/kuberuntime/logs`); Docker's
/// is JSON.
fn message(line: &str) -> (String, bool) {
    #[derive(Deserialize)]
    struct Docker {
        log: String,
    }
    let mut fields = line.splitn(4, ' ');
    if let (Some(_), Some("stdout" | "stderr"), Some(tags), text) =
        (fields.next(), fields.next(), fields.next(), fields.next())
        && let tag @ ("P" | "F") = tags.split(':').next().unwrap_or_default()
    {
        return (text.unwrap_or_default().to_owned(), tag == "F");
    }
    if line.starts_with('{')
        && let Ok(Docker { log }) = serde_json::from_str(line)
    {
        let text = log.trim_end_matches('\n');
        return (text.to_owned(), text.len() < log.len());
    }
    (line.to_owned(), true)
}

fn push_bounded(line: &mut String, more: &str) {
    let mut end = LONGEST.saturating_sub(line.len()).min(more.len());
    while !more.is_char_boundary(end) {
        end -= 1;
    }
    line.push_str(more.get(..end).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_cri() {
        let log = "2026-11-23T22:55:28.5Z stderr F first\n\
                   2026-11-23T22:55:28.6Z stdout P second, \n\
                   2026-11-23T22:55:28.6Z stdout F whole\n\
                   2026-11-23T22:55:28.7Z stderr F\n\
                   2026-11-23T22:55:28.7Z stderr P:x unfinished";
        assert_eq!(messages(log, true), ["first", "second, whole", "", "unfinished"]);
        assert_eq!(messages(log, false), ["second, whole", "", "unfinished"]);
    }

    #[test]
    fn lines_of_docker_and_of_nobody() {
        let log = "{\"log\":\"a \",\"stream\":\"stderr\"}\n{\"log\":\"b\\n\",\"stream\":\"stderr\"}\n{broken\nplain stdout X\n";
        assert_eq!(messages(log, true), ["a b", "{broken", "plain stdout X"]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn only_the_end_is_read_and_only_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("0.log");
        let mut text: String = (0..9000).map(|n| format!("t stderr F line {n}\n")).collect();
        text.push_str(&format!("t stderr F {}\n", "é".repeat(4000)));
        std::fs::write(&path, &text).unwrap();
        let lines = tail(&path, 3);
        assert_eq!(lines[..2], ["line 8998", "line 8999"]);
        assert_eq!(lines[2].len(), LONGEST);
        assert_eq!(tail(directory.path(), 3), Vec::<String>::new());
        assert_eq!(tail(Path::new("/nonexistent/0.log"), 3), Vec::<String>::new());
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(tail(&pipe, 3), Vec::<String>::new());
    }
}
