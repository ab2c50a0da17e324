//! `man`: the man pages, from the parser.

use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;

use crate::disk::NewFile;
use crate::error::{Error, Exit, Outcome};
use crate::session::Context;
use crate::state::text::count;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Write a page for each command to DIR, such as kuberescue-certs-renew.1; pages that differ are replaced, and named
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the page of `kuberescue`, or writes all pages to a directory.
///
/// # Errors
/// A page can't be written.
pub fn run(args: &Args, mut command: Command, context: &mut Context<'_>) -> Outcome {
    command.build();
    let Some(dir) = &args.dir else {
        context.out.file(&page(command)?.1);
        return Ok(Exit::Fine);
    };
    let mut pages = Vec::new();
    pages_of(command, &mut pages)?;
    for (name, text) in &pages {
        write(&dir.join(name), text, context)?;
    }
    context.out.result(&format!("Wrote {} to {}\n", count(pages.len(), "page"), dir.display()));
    Ok(Exit::Fine)
}

fn pages_of(command: Command, into: &mut Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    for below in command.get_subcommands() {
        pages_of(below.clone(), into)?;
    }
    into.push(page(command)?);
    Ok(())
}

/// The name of a page's file, and the page.
fn page(command: Command) -> Result<(String, Vec<u8>), Error> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut text = Vec::new();
    let page = Man::new(command).title(&name).manual("kuberescue").date("");
    page.render(&mut text).map_err(|error| Error::usage(format!("cannot write the page {name}: {error}")))?;
    Ok((format!("{name}.1"), text))
}

fn write(path: &Path, text: &[u8], context: &mut Context<'_>) -> Result<(), Error> {
    match std::fs::read(path) {
        Ok(old) if old == text => return Ok(()),
        Ok(_) => context.out.note(&format!("{} is replaced", path.display())),
        Err(_) => {}
    }
    let mut new = NewFile::result(path)?;
    new.write(text)?;
    new.sync()?;
    new.replace()?;
    Ok(())
}
