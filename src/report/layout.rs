//! How text lies on a terminal: lines wrap between words at its width, under the column in which they began; a little colour;
//! plain ASCII where the locale has nothing else. What is no terminal gets the text as it is.

use std::borrow::Cow;
use std::env::var_os;
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Narrower than this nothing is readable, and wider lines are not wrapped here.
const NARROWEST: usize = 40;
/// What a locale without UTF-8 shows instead.
const PLAIN: [(char, &str); 6] = [('→', "->"), ('…', "..."), ('·', "-"), ('–', "-"), ('×', "x"), ('✓', "ok")];

/// SGR codes (ECMA-48 section 8.3.117).
const BOLD_RED: &str = "\x1b[1;31m";
const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// The beginnings of lines that stand out.
const STYLES: [(&str, &str); 8] = [
    ("NOT RECOVERED", BOLD_RED),
    ("error", BOLD_RED),
    ("VERDICT  CANNOT", BOLD_RED),
    ("VERDICT  MAY NOT", BOLD_RED),
    ("VERDICT  WORKS ONLY", BOLD_RED),
    ("NEXT ", BOLD),
    ("RECOVERED", GREEN),
    ("RENEWED", GREEN),
];

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layout {
    /// Columns; `None` where lines stay as they are.
    width: Option<usize>,
    colour: bool,
    ascii: bool,
}

impl Layout {
    /// That of an output stream: its own width, or what `COLUMNS` says, which `watch` and tests set.
    pub(super) fn of(stream: &(impl AsFd + IsTerminal)) -> Self {
        let given = var_os("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
        let is_terminal = stream.is_terminal();
        let own = || is_terminal.then(|| rustix::termios::tcgetwinsize(stream).ok()).flatten();
        let width = given.or_else(|| own().map(|size| usize::from(size.ws_col)));
        let is_dumb = var_os("TERM").is_none_or(|term| term == "dumb");
        let no_colour = var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            width: width.filter(|width| *width >= NARROWEST),
            colour: is_terminal && !is_dumb && !no_colour,
            ascii: is_terminal && !is_utf8(),
        }
    }

    #[cfg(test)]
    pub(super) fn of_width(columns: usize) -> Self {
        Self { width: Some(columns), ..Self::default() }
    }

    /// `None` where there is no limit.
    pub(super) fn width(&self) -> Option<usize> {
        self.width
    }

    /// The text as it is written.
    pub(super) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.width.is_none() && !self.colour && !self.ascii {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + text.len() / 8);
        for line in text.split_inclusive('\n') {
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            let line = if self.ascii { plain(line) } else { Cow::Borrowed(line) };
            let rows = self.width.map_or_else(|| vec![line.to_string()], |width| wrapped(&line, width));
            for (number, row) in rows.iter().enumerate() {
                if number > 0 {
                    out.push('\n');
                }
                self.colour(&mut out, &line, row);
            }
            out.push_str(end);
        }
        Cow::Owned(out)
    }

    /// A row in the colour of its line; paths are dim in a line that has none.
    fn colour(&self, out: &mut String, line: &str, row: &str) {
        if !self.colour {
            return out.push_str(row);
        }
        if let Some((_, style)) = STYLES.iter().find(|(beginning, _)| line.starts_with(beginning)) {
            return out.extend([style, row, RESET]);
        }
        for (number, word) in row.split(' ').enumerate() {
            if number > 0 {
                out.push(' ');
            }
            match word.starts_with('/') && word.len() > 1 {
                true => out.extend([DIM, word, RESET]),
                false => out.push_str(word),
            }
        }
    }
}

/// By the variables that setlocale(3) reads, in its order.
fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(var_os).find(|value| !value.is_empty());
    set.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

fn plain(line: &str) -> Cow<'_, str> {
    if line.is_ascii() {
        return Cow::Borrowed(line);
    }
    let replaced = |c: char| PLAIN.iter().find(|(special, _)| *special == c).map(|(_, plain)| *plain);
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match replaced(c) {
            Some(plain) => out.push_str(plain),
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A line in rows of at most `width` columns, as far as its words allow. A command is left to the terminal, so that it can be
/// copied.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let line = line.trim_end();
    let text = line.trim_start();
    let is_command = ["kuberescue ", "sudo kuberescue "].iter().any(|start| text.starts_with(start));
    if line.chars().count() <= width || is_command {
        return vec![line.to_owned()];
    }
    let hang = hanging(line, width);
    let (mut rows, mut row, mut columns) = (Vec::new(), String::new(), 0);
    let mut gap = 0;
    for word in line.split(' ') {
        if word.is_empty() {
            gap += 1;
            continue;
        }
        let long = word.chars().count();
        if columns > 0 && columns + gap + long > width && columns > hang {
            rows.push(std::mem::take(&mut row));
            (gap, columns) = (hang, 0);
        }
        row.extend(std::iter::repeat_n(' ', gap));
        row.push_str(word);
        columns += gap + long;
        gap = 1;
    }
    rows.push(row);
    rows
}

/// The column under which a line goes on: that of its last cell, as far as there is space, or a little more than its own.
fn hanging(line: &str, width: usize) -> usize {
    let characters: Vec<char> = line.chars().collect();
    let indent = characters.iter().take_while(|c| **c == ' ').count();
    let cells = characters.windows(3).enumerate().skip(indent);
    let cells =
        cells.filter(|(_, window)| matches!(window, [' ', ' ', c] if *c != ' ')).map(|(at, _)| at + 2);
    let last = cells.filter(|column| *column <= width / 2).max();
    let marker = characters.iter().skip(indent).take_while(|c| **c != ' ').count();
    let is_list = |mark: &[char]| matches!(mark, ['-'] | ['→'] | [.., '.' | ')']) && mark.len() <= 3;
    let after =
        characters.get(indent..indent + marker).filter(|mark| is_list(mark)).map(|_| indent + marker + 1);
    last.or(after).unwrap_or(indent + 2)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    const SCREEN: &str = "\
VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago, and some more words
  archive   /var/lib/kuberescue/cp-1-20261124T000000Z.tar.gz, verified before any change → ok
- renew apiserver: /etc/kubernetes/pki/apiserver.crt and /etc/kubernetes/pki/apiserver.key
    sudo kuberescue kubeconfig install admin.conf --context kubernetes-admin@kubernetes --yes
  1. a step of several words that is longer than one row of this terminal
";

    #[test]
    fn lines_wrap_under_the_column_in_which_they_began() {
        let layout = Layout { width: Some(60), ascii: true, ..Layout::default() };
        assert_snapshot!(layout.apply(SCREEN), @"
        VERDICT  CANNOT START: 13 of 13 certificates expired 693
                 days ago, and some more words
          archive   /var/lib/kuberescue/cp-1-20261124T000000Z.tar.gz,
                    verified before any change -> ok
        - renew apiserver: /etc/kubernetes/pki/apiserver.crt and
          /etc/kubernetes/pki/apiserver.key
            sudo kuberescue kubeconfig install admin.conf --context kubernetes-admin@kubernetes --yes
          1. a step of several words that is longer than one row of
             this terminal
        ");
        assert!(matches!(Layout::default().apply(SCREEN), Cow::Borrowed(_)));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for width in 1..90 {
            let layout = Layout::of_width(width);
            assert_eq!(words(&layout.apply(SCREEN)), words(SCREEN), "{width}");
        }
    }

    #[test]
    fn a_line_has_one_colour() {
        let layout = Layout { colour: true, ..Layout::default() };
        let text = "error [x]: no /etc\nread from /mnt now\nNEXT go\n";
        let shown = layout.apply(text).replace('\x1b', "ESC");
        assert_snapshot!(shown, @"
        ESC[1;31merror [x]: no /etcESC[0m
        read from ESC[2m/mntESC[0m now
        ESC[1mNEXT goESC[0m
        ");
    }
}
