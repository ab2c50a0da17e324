//! The output of a run. Commands hold one [`Output`] and never print by themselves.

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::json::{document, yaml_document};
use super::layout::Layout;
use super::sanitise::{line, printable};
use crate::error::{Error, Exit, Kind};
use crate::state::Code;

pub struct Output {
    result: Box<dyn Write>,
    talk: Box<dyn Write>,
    broken: bool,
    document: Option<Document>,
    /// Of stdout, and of stderr.
    layouts: [Layout; 2],
    file: Option<ResultFile>,
}

/// Where the result goes instead of stdout, and what is in it so far.
pub struct ResultFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// The one document on stdout, if a command is asked for one.
#[derive(Clone, Copy)]
struct Document {
    yaml: bool,
    time: Timestamp,
    /// Messages about the work go to stderr: the document comes at the end.
    reserved: bool,
    written: bool,
}

/// An error as a document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    code: Option<Code>,
    exit_code: u8,
    #[serde(flatten)]
    failure: &'a Error,
}

impl Output {
    /// The process's own streams.
    pub fn process() -> Self {
        Self {
            result: Box::new(io::stdout().lock()),
            talk: Box::new(io::stderr()),
            broken: false,
            document: None,
            layouts: [Layout::of(&io::stdout()), Layout::of(&io::stderr())],
            file: None,
        }
    }

    /// stdout is for a format of its own: its lines stay as they are.
    pub fn expect_format(&mut self) {
        let [result, _] = &mut self.layouts;
        *result = Layout::default();
    }

    /// The columns of a row on stdout; `None` if there is no limit.
    pub fn width(&self) -> Option<usize> {
        let [result, _] = &self.layouts;
        result.width()
    }

    /// The result goes to this file, once it is complete.
    pub fn into_file(&mut self, path: PathBuf) {
        self.expect_format();
        self.file = Some(ResultFile { path, bytes: Vec::new() });
    }

    /// The complete result, where it is for a file.
    pub fn take_file(&mut self) -> Option<ResultFile> {
        self.file.take()
    }

    /// Writes the result of the command. Foreign text is sanitised where it is formatted; anything that was
    /// missed is escaped here.
    pub fn result(&mut self, text: &str) {
        match &mut self.document {
            Some(document) if document.reserved => return self.say(text.trim_end_matches('\n')),
            Some(document) => document.written = true,
            None => {}
        }
        self.write(text);
    }

    /// stdout is for JSON or YAML: errors become documents too.
    pub fn expect_document(&mut self, yaml: bool, time: Timestamp) {
        self.expect_format();
        self.document = Some(Document { yaml, time, reserved: false, written: false });
    }

    /// From here on messages about the work go to stderr, if stdout is for a document.
    pub fn reserve(&mut self) {
        if let Some(document) = &mut self.document {
            document.reserved = true;
        }
    }

    /// Writes the document that stdout was reserved for.
    pub fn document(&mut self, kind: &str, body: &impl Serialize) {
        let Some(Document { yaml, time, written: false, .. }) = self.document else { return };
        let render = if yaml { yaml_document } else { document };
        let text = render(kind, time, body);
        self.write(&text);
        if let Some(document) = &mut self.document {
            document.written = true;
        }
    }

    fn write(&mut self, text: &str) {
        let [layout, _] = self.layouts;
        let text = printable(text);
        self.put(layout.apply(&text).as_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.file {
            file.bytes.extend_from_slice(bytes);
        } else if let Err(error) = self.result.write_all(bytes).and_then(|()| self.result.flush()) {
            // The reader has closed the pipe, as with `| head`: no failure.
            self.broken |= error.kind() != io::ErrorKind::BrokenPipe;
        }
    }

    /// Writes a file as the result, byte for byte; a terminal shows it as any other text.
    pub fn file(&mut self, bytes: &[u8]) {
        if self.file.is_none() && io::stdout().is_terminal() {
            self.expect_format();
            return self.result(&String::from_utf8_lossy(bytes));
        }
        self.put(bytes);
    }

    /// Writes lines of foreign text, such as paths, as the result.
    pub fn lines(&mut self, lines: &[String]) {
        let text: String = lines.iter().flat_map(|text| [line(text), "\n".into()]).collect();
        self.result(&text);
    }

    /// Writes one or more lines to stderr. Terminal control characters are escaped.
    pub fn say(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        // stderr is closed: the exit code is enough.
        let [_, layout] = self.layouts;
        let _ = writeln!(self.talk, "{}", layout.apply(&printable(text)));
    }

    /// Writes a note, on one line whatever foreign text it contains.
    pub fn note(&mut self, text: &str) {
        self.say(&line(&format!("note: {text}")));
    }

    /// Writes what a [`super::Progress`] draws, without a newline.
    pub fn draw(&mut self, text: &str) {
        let _ = self.talk.write_all(text.as_bytes()).and_then(|()| self.talk.flush());
    }

    /// Whether lines can be redrawn: the terminal supports it.
    pub fn is_terminal(&self) -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
    }

    /// Prints why a command failed: `error: …`, `hint: …`.
    pub fn fail(&mut self, failure: &Error) -> Exit {
        debug_assert!(failure.code.is_some(), "every error has a page: {}", failure.message);
        if failure.kind == Kind::Aborted {
            self.say(&line(&failure.message));
            return failure.exit();
        }
        let code = failure.code.map(|code| format!(" [{code}]")).unwrap_or_default();
        self.say(&format!("error{code}: {}", line(&failure.message)));
        for detail in &failure.details {
            self.say(&format!("  | {}", line(detail)));
        }
        for hint in &failure.hints {
            self.say(&format!("hint: {}", line(hint)));
        }
        failure.exit()
    }

    /// Prints why the command failed, as a document too if stdout is for one.
    pub fn end_with(&mut self, failure: &Error) -> Exit {
        let exit = self.fail(failure);
        self.document("Error", &ErrorBody { code: failure.code, exit_code: exit as u8, failure });
        exit
    }

    /// Whether the result could not be written for a reason other than a closed pipe.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether a person reads the messages.
    pub fn is_seen(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Asks for a secret, which is not shown; `None` if there is no terminal, or nothing was typed.
    pub fn ask_secret(&mut self, question: &str) -> Option<Zeroizing<String>> {
        if !io::stdin().is_terminal() {
            return None;
        }
        let typed = Zeroizing::new(rpassword::prompt_password(printable(question)).ok()?);
        let typed = Zeroizing::new(typed.trim().to_owned());
        (!typed.is_empty()).then_some(typed)
    }

    /// Asks a yes-or-no question; `None` if there is no terminal.
    pub fn ask(&mut self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() {
            return None;
        }
        let _ = write!(self.talk, "{} [y/N] ", printable(question)).and_then(|()| self.talk.flush());
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}
