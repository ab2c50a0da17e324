//! The credentials in kubeconfigs.

use std::path::{Path, PathBuf};

use super::own::{self, Own};
use super::{Parsed, Reader, Row, present};
use crate::analysis::node::references;
use crate::formats::certificate::Certificate;
use crate::formats::key::PrivateKey;
use crate::formats::kubeconfig::{Credential, Kubeconfig};
use crate::state::{Bytes, catalog};

impl Reader<'_> {
    pub(super) fn kubeconfig(&self, name: &str, path: &Path) -> Row {
        let mut row = Row {
            name: name.to_owned(),
            path: path.to_owned(),
            key_path: path.to_owned(),
            certificate: Parsed::Missing,
            key: Parsed::Missing,
            not_replaceable: None,
            foreign_issuer: None,
            files: None,
            embedded_authority: None,
            beside: None,
        };
        let config = match self.file(path) {
            Parsed::Missing => return row,
            Parsed::Unreadable(reason) => Err(reason),
            Parsed::Present(bytes) => {
                // The kubelet's and a user's own are what their current contexts say.
                let own = match catalog::cert_spec(name) {
                    Some(_) => own::of(self.snapshot, self.facts, path, bytes),
                    None => Kubeconfig::of(bytes).map(|config| Own { config, beside: None }),
                };
                match own {
                    Ok(Own { config, beside }) => {
                        row.beside = beside;
                        Ok(config)
                    }
                    Err(error) => {
                        let why = error.to_string();
                        row.not_replaceable = (!error.is_worthless()).then_some(error);
                        Err(why)
                    }
                }
            }
        };
        row.embedded_authority = config.as_ref().ok().and_then(|config| embedded_authority(path, config));
        (row.certificate, row.key) = match config.as_ref().map(|config| &config.credential) {
            Err(reason) => (Parsed::Unreadable(reason.clone()), Parsed::Unreadable(reason.clone())),
            Ok(Credential::Embedded(embedded)) => {
                row.not_replaceable = embedded.not_replaceable().cloned();
                (
                    present(Certificate::of(embedded.certificate_pem()).cloned()),
                    present(PrivateKey::of(embedded.key_pem()).cloned()),
                )
            }
            Ok(Credential::Files { certificate, key }) => {
                let [certificate, key] =
                    [certificate, key].map(|file| references::beside(self.facts, name, path, file));
                let Row { certificate: parsed, key: parsed_key, .. } =
                    self.pair(name, certificate.clone(), key.clone());
                row.files = Some((certificate, key));
                (parsed, parsed_key)
            }
            Ok(Credential::Other(error)) => {
                row.not_replaceable = Some(error.clone());
                (Parsed::Unreadable(error.to_string()), Parsed::Unreadable(error.to_string()))
            }
        };
        row
    }
}

pub(super) fn embedded_authority(path: &Path, config: &Kubeconfig) -> Option<(PathBuf, Bytes)> {
    Some((path.to_owned(), config.authority_pem()?.clone()))
}
