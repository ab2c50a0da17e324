//! `etcd snapshot status`.

use std::path::Path;

use super::{SnapshotArgs, figures};
use crate::error::{Exit, Outcome};
use crate::report::EtcdSnapshot;
use crate::session::Context;
use crate::session::input::database::OpenDatabase;

const AFTER: &str = "TOTAL KEYS counts the records of all buckets, as etcdctl 3.4 and etcdutl 3.5 do; LIVE KEYS those that \
    were not deleted, as etcdutl 3.6 does.\n\n\
    Examples:\n  kuberescue etcd snapshot status snapshot.db\n  \
    kuberescue etcd snapshot status /var/lib/etcd/member/snap/db -o json\n\n\
    Exit codes: 0 shown; 2 the file is no snapshot, is damaged, or cannot be read";

#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    snapshot: SnapshotArgs,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let mut database = OpenDatabase::of(Some(&args.snapshot.file), Path::new("/"))?;
    let read = database.read(figures)?;
    let trailer = database.file.trailer()?;
    let report = EtcdSnapshot::new(&args.snapshot.file, database.modified, trailer, Ok(read));
    context.out.result(&report.render(args.snapshot.output, context.now));
    Ok(Exit::Fine)
}
