//! `ca replace`: a new CA with a new key, beside the old one and then in its place.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use crate::analysis::node::plan::{DEFAULT_CA_DAYS, GivenCa, Options, Replace, Selection, Stage};
use crate::disk::workstation;
use crate::error::{Error, Exit, FileFailure, Outcome};
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, PrivateKey};
use crate::report::DocumentFormat;
use crate::session::Context;
use crate::session::change::Prepared;
use crate::session::change::arguments::WriteArgs;
use crate::state::Code;
use crate::state::catalog::Ca;

/// Arguments of `ca replace`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// ca, etcd-ca or front-proxy-ca
    #[arg(value_name = "CA", value_parser = authority)]
    authority: Ca,
    #[command(flatten)]
    write: WriteArgs,
    /// Only have both CAs trusted; what the old one has signed stays. The default where etcd has other members
    #[arg(long, conflicts_with = "finish")]
    trust_only: bool,
    /// Reissue what the old CA has signed at once, even if etcd's other members don't trust the new one yet
    #[arg(long, conflicts_with_all = ["finish", "trust_only"])]
    at_once: bool,
    /// Remove the old CA, when everything has certificates of the new one
    #[arg(long, conflicts_with_all = ["days", "key_algorithm", "from"])]
    finish: bool,
    /// Take the new CA from DIR, into which its certificate and key were copied from the control-plane node that made it
    #[arg(long, value_name = "DIR", conflicts_with_all = ["days", "key_algorithm"])]
    from: Option<PathBuf>,
    /// Issue a CA certificate that is valid for N days
    #[arg(long, default_value_t = DEFAULT_CA_DAYS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: u32,
    /// Make a key of this algorithm: rsa-2048, rsa-3072, rsa-4096, ecdsa-p256 or ecdsa-p384 [default: that of the old one]
    #[arg(long, value_name = "ALGORITHM", value_parser = KeyAlgorithm::from_str)]
    key_algorithm: Option<KeyAlgorithm>,
    /// Output format; with json and yaml the course of the work goes to stderr
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DocumentFormat,
}

/// # Errors
/// See [`Exit`].
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Outcome {
    let given = args.from.as_deref().map(|from| given(from, args.authority)).transpose()?;
    let stage = match (args.finish, args.trust_only, args.at_once) {
        (true, ..) => Some(Stage::Finish),
        (_, true, _) => Some(Stage::Trust),
        (.., true) => Some(Stage::Issue),
        _ => None,
    };
    let options = Options {
        selection: Selection::Nothing,
        replace: Some(Replace { authority: args.authority, stage, given }),
        ca_days: args.days,
        key_algorithm: args.key_algorithm.clone(),
        accept: args.write.accepted(),
        whole_node: false,
        ..Options::recovery()
    };
    super::change(&args.write, &options, |_| Ok(Exit::Fine), done, context)
}

fn done(prepared: &Prepared) -> [String; 2] {
    let Some(new) = &prepared.plan.replacement else { return Default::default() };
    let name = new.name;
    let what = match new.stage {
        Stage::Trust => {
            format!("Replaced: {name}. Both CAs are trusted; certificates stay those of the old one.")
        }
        Stage::Issue => format!("Replaced: {name}, and what it had signed. Both CAs are trusted."),
        Stage::Finish => format!("Removed: the old CA {name}"),
    };
    let next = if prepared.is_live() {
        "hint: sudo kuberescue recover restarts what has to read the change; then the list above"
    } else {
        "hint: a node that boots from this disk reads the change; then the list above"
    };
    [what, next.to_owned()]
}

/// # Errors
/// There is none of this name.
fn authority(name: &str) -> Result<Ca, String> {
    super::named(name, &[])
}

/// The CA that was copied into a directory, under the names that it has on a node.
///
/// # Errors
/// It is not there, or can't be read.
fn given(directory: &Path, authority: Ca) -> Result<Box<GivenCa>, Error> {
    let base = Path::new(authority.base()).file_name().map(Path::new).unwrap_or(directory);
    let read = |extension: &str| {
        let path = directory.join(base).with_extension(extension);
        let hint = "copy both from the control-plane node on which the CA was replaced: ca.crt and ca.key";
        match workstation::read_regular(&path) {
            Ok(bytes) => Ok((path, bytes)),
            Err(error) => {
                let failure = Error::from(FileFailure { path: &path, error: &error });
                Err(Error { hints: vec![hint.to_owned()], ..failure })
            }
        }
    };
    let unusable = |path: &Path, why: String| {
        Error::could_not_run(format!("cannot use {}: {why}", path.display())).code(Code::CaUnreadable)
    };
    let (certificate_path, pem) = read("crt")?;
    let (key_path, key) = read("key")?;
    let key = PrivateKey::from_pem(&key).map_err(|error| unusable(&key_path, error.to_string()))?;
    let all =
        Certificate::all_from_pem(&pem).map_err(|error| unusable(&certificate_path, error.to_string()))?;
    let own = all.iter().position(|ca| ca.is_of(&key)).unwrap_or(0);
    let certificate =
        all.into_iter().nth(own).ok_or_else(|| unusable(&certificate_path, "it is empty".to_owned()))?;
    Ok(Box::new(GivenCa { certificate, key, source: directory.to_owned() }))
}
