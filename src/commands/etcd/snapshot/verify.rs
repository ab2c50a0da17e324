//! `etcd snapshot verify`.

use std::path::{Path, PathBuf};

use crate::error::{Error, Exit, Kind, Outcome};
use crate::report::{DocumentFormat, EtcdSnapshot};
use crate::session::Context;
use crate::session::input::database::OpenDatabase;
use crate::state::Code;

const AFTER: &str = "A database that was copied (member/snap/db) has no SHA-256: its pages and records are read, but a changed \
    value is not noticed.\n\n\
    Examples:\n  kuberescue etcd snapshot verify snapshot.db\n\n\
    Exit codes: 0 intact; 1 damaged; 2 the file cannot be read";

#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Snapshot, or a database (member/snap/db)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Output format
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let mut database = OpenDatabase::of(Some(&args.file), Path::new("/"))?;
    let trailer = database.file.trailer()?;
    let read = database.read(|database| {
        let totals = database.totals()?;
        let (resources, _) = database.resources()?;
        Ok((totals, resources.total, database.status()?))
    });
    let read = match read {
        Err(error) if !is_damage(&error) => return Err(error),
        read => read,
    };
    let report = EtcdSnapshot::new(&args.file, database.modified, trailer, read);
    context.out.result(&report.verdict(args.output, context.now));
    Ok(if report.is_intact() { Exit::Fine } else { Exit::Findings })
}

fn is_damage(error: &Error) -> bool {
    error.kind == Kind::CouldNotRun && error.code == Some(Code::EtcdDataBroken)
}
