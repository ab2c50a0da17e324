//! `help COMMAND`: the same as `COMMAND --help`.

use std::ffi::OsString;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Show the help of this command [default: the list of commands]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

impl Args {
    /// What shows it.
    pub fn as_words(&self) -> Vec<OsString> {
        self.command.iter().map(String::as_str).chain(["--help"]).map(Into::into).collect()
    }
}
