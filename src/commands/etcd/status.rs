//! `etcd status`.

use super::DatabaseArgs;
use crate::error::{Exit, Outcome};
use crate::report::EtcdStatus;
use crate::session::Context;
use crate::session::input::database::OpenDatabase;
use crate::state::Code;

const AFTER: &str = "The write-ahead log may hold newer changes than the database.\n\n\
    Examples:\n  sudo kuberescue etcd status\n  kuberescue etcd status --root /mnt/disk\n  \
    kuberescue etcd status snapshot.db -o json\n\n\
    Exit codes: 0 no alarm; 1 an alarm is raised; 2 there is no database, or it cannot be read";

#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let mut database = OpenDatabase::of(args.database.file.as_deref(), &args.database.root)?;
    let (status, meta, size) = database.read(|database| {
        let status = database.status()?;
        Ok((status, database.meta(), database.size()?))
    })?;
    let prefix = database.prefix.clone();
    let (resources, _) = database.read(|database| database.resources(&prefix))?;
    let in_use = database.read(|database| database.in_use()).ok();
    let (file, modified) = (database.file.path(), database.modified);
    let report = EtcdStatus { file, modified, size, in_use, meta, status: &status, resources: &resources };
    context.out.result(&report.render(args.database.output, context.now));
    for alarm in &status.alarms {
        let code = if alarm.kind == "NOSPACE" { Code::EtcdSpaceExceeded } else { Code::EtcdDatabaseDamaged };
        context
            .out
            .say(&format!("warning [{code}]: member {:x} raised the alarm {}", alarm.member, alarm.kind));
    }
    Ok(if status.alarms.is_empty() { Exit::Fine } else { Exit::Findings })
}
