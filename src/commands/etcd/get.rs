//! `etcd get`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::error::{Error, Exit, Outcome};
use crate::report::{DocumentFormat, EtcdKeys};
use crate::session::Context;
use crate::session::input::database::OpenDatabase;
use crate::state::text::count;

/// How much of names is printed at a time, in bytes.
const PIECE: usize = 1 << 18;
/// The largest values that one document is made of, in bytes.
const MOST: usize = 2 << 20;

const AFTER: &str = "Values are decoded of ConfigMaps, Leases, Nodes, Secrets, CertificateSigningRequests, and of what has a caBundle \
    (protobuf, JSON, CBOR); of other kinds only the metadata. Of Secrets the names of the keys are shown, and the values only with --reveal.\n\n\
    Examples:\n  sudo kuberescue etcd get /registry/\n  \
    sudo kuberescue etcd get /registry/configmaps/kube-system/kubeadm-config -o yaml\n  \
    kuberescue etcd get /registry/leases/ --db snapshot.db -o json\n\n\
    Exit codes: 0 listed; 2 there is no database, or it cannot be read";

#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Beginning of the keys, such as /registry/pods/ ; an empty one ('') stands for all
    #[arg(value_name = "PREFIX")]
    prefix: String,
    /// Database (member/snap/db) or snapshot [default: the database of the node]
    #[arg(long, value_name = "FILE", conflicts_with = "root")]
    db: Option<PathBuf>,
    /// Root directory of the node: / on the node itself, or where its disk is mounted
    #[arg(long, default_value = "/", value_name = "DIR", alias = "rootfs")]
    root: PathBuf,
    /// Show the values of Secrets too, base64 as kubectl does: passwords, tokens and keys in plain sight
    #[arg(long)]
    reveal: bool,
    /// Output format: names, or documents with decoded values
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    output: DocumentFormat,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    if args.reveal && args.output == DocumentFormat::Table {
        return Err(
            Error::usage("cannot reveal values in a table: it has only names").hint("add -o yaml or -o json")
        );
    }
    let mut database = OpenDatabase::of(args.db.as_deref(), &args.root)?;
    match args.output {
        DocumentFormat::Table => list(args, &mut database, context),
        DocumentFormat::Json | DocumentFormat::Yaml => show(args, &mut database, context),
    }
}

/// Prints the names while they are read: of two gigabytes they may be a hundred megabytes.
fn list(args: &Args, database: &mut OpenDatabase, context: &mut Context<'_>) -> Outcome {
    let (mut lines, mut size, mut listed) = (Vec::new(), 0, 0_u64);
    let revision = database.read(|database| {
        database.names(args.prefix.as_bytes(), &mut |name| {
            let name = String::from_utf8_lossy(name).into_owned();
            size += name.len();
            listed += 1;
            lines.push(name);
            if size > PIECE {
                context.out.lines(&lines);
                lines.clear();
                size = 0;
            }
        })
    })?;
    context.out.lines(&lines);
    context.out.note(&database.as_of(listed, revision));
    Ok(Exit::Fine)
}

fn show(args: &Args, database: &mut OpenDatabase, context: &mut Context<'_>) -> Outcome {
    let mut keys = EtcdKeys::new(args.reveal);
    let mut size = 0;
    let revision = database.read(|database| {
        database.live(args.prefix.as_bytes(), &mut |entry| {
            size += entry.key.len() + entry.value.len();
            if size > MOST {
                return ControlFlow::Break(());
            }
            keys.add(entry);
            ControlFlow::Continue(())
        })
    })?;
    if size > MOST {
        let what = format!("cannot show the values below {:?}: larger than {} MiB", args.prefix, MOST >> 20);
        return Err(Error::usage(what).hint("name a longer prefix, or list the names without -o"));
    }
    if args.reveal && keys.secrets() > 0 {
        context.out.say(&format!("warning: values of {} are shown", count(keys.secrets(), "Secret")));
    }
    let number = keys.count();
    context.out.result(&keys.render(
        args.output,
        database.file.path(),
        database.modified,
        revision,
        context.now,
    ));
    context.out.note(&database.as_of(number, revision));
    Ok(Exit::Fine)
}
