//! Files that a component names, as nodes: kubeconfigs, bundles, pairs, keys. Each is read once.

use std::borrow::Cow;
use std::path::Path;

use super::build::{Builder, Connected, CopyOf};
use super::read::{self, EMBEDDED, EMBEDDED_AUTHORITY};
use super::{Key, Kind, Place, State};
use crate::analysis::node::inventory::Parsed;

impl Builder<'_> {
    /// The kubeconfig at a path.
    pub(super) fn connection(&mut self, path: &Path) -> Connected {
        if let Some(known) = self.connections.get(path) {
            return known.clone();
        }
        let name = path.display().to_string();
        let connection = match read::kubeconfig(self.snapshot, path) {
            Parsed::Present(connection) => connection,
            other => {
                let certificate = match other {
                    Parsed::Unreadable(why) => Parsed::Unreadable(why),
                    _ => Parsed::Missing,
                };
                let leaf = self.leaf(&name, None, certificate, Place::field(path, EMBEDDED));
                let found = Connected { leaf: (leaf, EMBEDDED), trusts: (Vec::new(), EMBEDDED_AUTHORITY) };
                self.connections.insert(path.to_owned(), found.clone());
                return found;
            }
        };
        let (certificate, field) = connection.certificate;
        let certificate = match certificate {
            Parsed::Present(certificate) => Parsed::Present(Cow::Owned(certificate)),
            Parsed::Unreadable(why) => Parsed::Unreadable(why),
            Parsed::Missing => Parsed::Missing,
        };
        let leaf = self.leaf(&name, None, certificate, Place::field(path, field));
        if connection.key.get().is_some() {
            let key = self.private_key(&name, &connection.key, Place::field(path, "client-key-data"));
            self.pair(key, leaf, false);
        }
        let found = Connected { leaf: (leaf, field), trusts: self.trusts_of(path) };
        self.connections.insert(path.to_owned(), found.clone());
        found
    }

    /// The CAs in the file at a path.
    pub(super) fn trusted_file(&mut self, path: &Path) -> Vec<CopyOf> {
        if let Some(known) = self.bundles.get(path) {
            return known.clone();
        }
        let place = Place::file(path);
        let found = match read::parse(self.snapshot, path, read::bundle) {
            Parsed::Present(certificates) => self.bundle(certificates, &place),
            other => {
                vec![(self.lost_authority(&path.display().to_string(), None, other.reason(), place), 0)]
            }
        };
        self.bundles.insert(path.to_owned(), found.clone());
        found
    }

    /// The first certificate in the file at a path, with its key.
    pub(super) fn presented_file(&mut self, path: &Path, key_path: Option<&Path>) -> usize {
        let name = path.display().to_string();
        let certificate = match read::parse(self.snapshot, path, read::chain) {
            Parsed::Present((first, rest)) => {
                self.bundle(rest, &Place::file(path));
                Parsed::Present(Cow::Owned(first))
            }
            Parsed::Unreadable(why) => Parsed::Unreadable(why),
            Parsed::Missing => Parsed::Missing,
        };
        let leaf = self.leaf(&name, None, certificate, Place::file(path));
        if let Some(key_path) = key_path {
            let key = read::parse(self.snapshot, key_path, read::private_key);
            let key = self.private_key(&key_path.display().to_string(), &key, Place::file(key_path));
            self.pair(key, leaf, false);
        }
        leaf
    }

    /// The file with symmetric keys at a path: they have no public half.
    pub(super) fn secret_file(&mut self, path: &Path) -> usize {
        let found: Parsed<()> = read::parse(self.snapshot, path, |_| Ok(()));
        let is_there = found.get().is_some();
        let make = |state, why| {
            let state = if is_there { State::Valid } else { state };
            let (name, places, public_places) = (path.display().to_string(), Vec::new(), Vec::new());
            Kind::Key(Key { name, state, why, public_sha256: None, algorithm: None, places, public_places })
        };
        self.lost("key", Place::file(path), make, found.reason())
    }

    /// The private or public key at a path.
    pub(super) fn key_file(&mut self, path: &Path) -> usize {
        let (name, place) = (path.display().to_string(), Place::file(path));
        let private = read::parse(self.snapshot, path, read::private_key);
        if private.get().is_none()
            && let Parsed::Present(spki) = read::parse(self.snapshot, path, read::any_public_key)
            && let Some(id) = self.public_key(&name, &spki, place.clone())
        {
            return id;
        }
        self.private_key(&name, &private, place)
    }
}
