//! `etcd members`.

use super::DatabaseArgs;
use crate::error::{Exit, Outcome};
use crate::report::EtcdMembers;
use crate::session::Context;
use crate::session::input::database::OpenDatabase;

const AFTER: &str = "The write-ahead log may hold newer changes than the database.\n\n\
    Examples:\n  sudo kuberescue etcd members\n  kuberescue etcd members --root /mnt/disk\n  \
    kuberescue etcd members snapshot.db -o json\n\n\
    Exit codes: 0 listed; 2 there is no database, or it cannot be read";

#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let mut database = OpenDatabase::of(args.database.file.as_deref(), &args.database.root)?;
    let status = database.read(|database| database.status())?;
    let (file, modified) = (database.file.path(), database.modified);
    let report = EtcdMembers { file, modified, status: &status };
    context.out.result(&report.render(args.database.output, context.now));
    context.out.note(&report.as_of());
    Ok(Exit::Fine)
}
