//! CAs with their keys, on the machine that signs.

use std::path::{Path, PathBuf};

use crate::disk::workstation;
use crate::error::Error;
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyError, PrivateKey};
use crate::formats::pem::PemError;
use crate::issue::Signer;
use crate::state::catalog::{CAS, Ca};
use crate::state::text::shell_word;
use crate::state::{Code, os};

/// A CA with its key.
pub struct KeptCa {
    pub(super) certificate: Certificate,
    pub(super) key: PrivateKey,
    pub(super) path: PathBuf,
    /// Which one it is, where its place says so.
    pub(super) role: Option<Ca>,
}

/// Reads CAs: of directories laid out as `/etc/kubernetes/pki`, and of a certificate with its key beside it.
///
/// # Errors
/// There is none, or a key doesn't fit its certificate or cannot sign here.
pub fn read_cas(paths: &[PathBuf]) -> Result<Vec<KeptCa>, Error> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            for role in CAS {
                let file = |suffix| path.join(format!("{}.{suffix}", role.base()));
                if file("crt").exists() && file("key").exists() {
                    found.push(read_ca(&file("crt"), &file("key"), Some(role))?);
                }
            }
            if found.len() == before {
                let what = format!("cannot use --ca {}: it holds no ca.crt with its ca.key", path.display());
                return Err(Error::usage(what).hint("name the CA's certificate: --ca PATH/ca.crt"));
            }
        } else {
            found.push(read_ca(path, &path.with_extension("key"), None)?);
        }
    }
    Ok(found)
}

fn read_ca(path: &Path, key_path: &Path, role: Option<Ca>) -> Result<KeptCa, Error> {
    let hint = "the key of a CA is beside its certificate: --ca PATH/ca.crt with PATH/ca.key";
    let read = |path: &Path, code| {
        workstation::read_regular(path).map_err(|error| {
            let what = format!("cannot read {}: {}", path.display(), os::reason(&error));
            Error::could_not_run(what).code(code).hint(hint)
        })
    };
    let wrong = |path: &Path, code, why: &str| {
        Error::refused(code, format!("cannot sign with {}: {why}", path.display())).hint(hint)
    };
    let certificate = Certificate::from_pem(&read(path, Code::CaMissing)?)
        .map_err(|error| wrong(path, Code::CaUnreadable, &error.to_string()))?;
    let key = PrivateKey::from_pem(&read(key_path, Code::CaKeyMissing)?).map_err(|error| match error {
        KeyError::Pem(PemError::Encrypted) => {
            let from = shell_word(&key_path.display().to_string());
            wrong(key_path, Code::CaKeyUnreadable, "it is encrypted")
                .hint(format!("decrypt it in memory, beside a copy of its certificate: openssl pkey -in {from} -out /dev/shm/ca.key"))
        }
        error => wrong(key_path, Code::CaKeyUnreadable, &error.to_string()),
    })?;
    let code = if certificate.is_of(&key) { Code::Unsupported } else { Code::CaKeyMismatch };
    let code = if certificate.is_ca { code } else { Code::NotACa };
    Signer::new(&certificate, &key).map_err(|error| wrong(path, code, &error.to_string()))?;
    Ok(KeptCa { certificate, key, path: path.to_owned(), role })
}
