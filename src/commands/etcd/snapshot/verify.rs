//! `etcd snapshot verify`.

use std::path::Path;

use super::{SnapshotArgs, figures};
use crate::error::{Error, Exit, Kind, Outcome};
use crate::report::EtcdSnapshot;
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
    #[command(flatten)]
    snapshot: SnapshotArgs,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let mut database = OpenDatabase::of(Some(&args.snapshot.file), Path::new("/"))?;
    let trailer = database.file.trailer()?;
    let read = database.read(figures);
    let read = match read {
        Err(error) if !is_damage(&error) => return Err(error),
        read => read,
    };
    let report = EtcdSnapshot::new(&args.snapshot.file, database.modified, trailer, read);
    context.out.result(&report.verdict(args.snapshot.output, context.now));
    Ok(if report.is_intact() { Exit::Fine } else { Exit::Findings })
}

fn is_damage(error: &Error) -> bool {
    error.kind == Kind::CouldNotRun && error.code == Some(Code::EtcdDataBroken)
}
