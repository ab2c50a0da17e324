//! Progress of long work: on a terminal one line per component, redrawn; elsewhere a plain line for each
//! step, so that a log has the same content.

use std::fmt::Write as _;
use std::time::Duration;

use super::sanitise::{cut, line};
use crate::state::text::thousands;

/// The components in progress.
#[derive(Debug)]
pub struct Progress {
    rows: Vec<Row>,
    terminal: bool,
    drawn: usize,
}

#[derive(Debug)]
struct Row {
    name: String,
    step: String,
    began: Duration,
    done: bool,
}

impl Progress {
    /// `terminal`: whether lines can be redrawn.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, terminal: bool) -> Self {
        let row = |name: &str| Row {
            name: name.to_owned(),
            step: "waiting for its turn".to_owned(),
            began: Duration::ZERO,
            done: false,
        };
        Self { rows: names.into_iter().map(row).collect(), terminal, drawn: 0 }
    }

    /// Sets a component's new step; returns what to print. `at` is the time since the work began; `done`
    /// stops the component's clock.
    pub fn step(&mut self, name: &str, step: &str, done: bool, at: Duration) -> String {
        let step = line(step).into_owned();
        let Some(row) = self.rows.iter_mut().find(|row| row.name == name) else { return String::new() };
        if row.step == step && row.done == done {
            return self.tick(at);
        }
        row.began = if done { at } else { row.began };
        (row.step, row.done) = (step, done);
        if !self.terminal {
            let row = format!("{:7.1} s  {}: {}\n", at.as_secs_f64(), line(&row.name), row.step);
            return row;
        }
        self.draw(at)
    }

    /// What to print as time passes.
    pub fn tick(&mut self, at: Duration) -> String {
        if self.terminal { self.draw(at) } else { String::new() }
    }

    /// What removes the rows from a terminal: up to the first line, and clear everything below (ECMA-48 CPL and ED).
    pub fn erase(&mut self) -> String {
        let drawn = std::mem::take(&mut self.drawn);
        if drawn > 0 { format!("\x1b[{drawn}F\x1b[J") } else { String::new() }
    }

    fn draw(&mut self, at: Duration) -> String {
        let mut out = self.erase();
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for row in &self.rows {
            let elapsed = if row.done { row.began } else { at }.as_secs_f64();
            let _ =
                writeln!(out, "  {:width$}  {elapsed:6.1} s  {}", line(&row.name), short(&row.step, width));
        }
        self.drawn = self.rows.len();
        out
    }
}

/// A bar that is drawn over the one before: `[####    ] 500 of 1,000 archives`. [`BAR_END`] removes it.
pub fn bar(done: usize, all: usize, unit: &str) -> String {
    const WIDTH: usize = 40;
    let full = done * WIDTH / all.max(1);
    let (full, empty) = ("#".repeat(full), " ".repeat(WIDTH.saturating_sub(full)));
    format!("\r[{full}{empty}] {} of {} {unit}", thousands(done), thousands(all))
}

/// What removes a [`bar`] from a terminal: to the first column, and clear the line (ECMA-48 EL).
pub const BAR_END: &str = "\r\x1b[K";

/// A step shortened to one row: a row that wraps would be redrawn only in part.
fn short(step: &str, width: usize) -> String {
    cut(step, 80_usize.saturating_sub(width + 14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_tell_each_step_once() {
        let mut board = Progress::new(["etcd"], false);
        let at = Duration::from_millis(1500);
        assert_eq!(board.step("etcd", "stopping", false, at), "    1.5 s  etcd: stopping\n");
        assert_eq!(board.step("etcd", "stopping", false, at), "");
        assert_eq!(board.tick(at), "");
        assert_eq!(board.step("etcd", "back\u{1b}[2J", true, at), "    1.5 s  etcd: back\\u{1b}[2J\n");
    }

    #[test]
    fn a_terminal_is_drawn_over_and_lines_never_wrap() {
        let mut board = Progress::new(["etcd", "kube-scheduler"], true);
        let first = board.step("etcd", &"x".repeat(200), false, Duration::from_secs(1));
        assert_eq!(first.lines().count(), 2);
        assert!(first.lines().all(|line| line.chars().count() <= 80), "{first}");
        let second = board.step("etcd", "back", true, Duration::from_secs(2));
        assert!(second.starts_with("\x1b[2F\x1b[J"), "{second:?}");
        let third = board.tick(Duration::from_secs(9));
        assert!(third.contains("2.0 s  back"), "the clock of what is done stands still: {third}");
    }
}
