//! The rows of the inventory as nodes: kubeadm's and the kubelet's files, and kubeconfigs in homes.

use std::borrow::Cow;
use std::path::Path;

use super::build::{Builder, Connected, CopyOf};
use super::read::{self, BY_PATH, EMBEDDED, EMBEDDED_AUTHORITY};
use super::{Edge, Fault, FaultKind, Place, Relation};
use crate::analysis::node::inventory::{Inventory, KubeletForm, Parsed, Row};
use crate::state::catalog::{self, Ca, Place as SlotPlace};

pub(super) fn as_ref<T: Clone>(item: &Parsed<T>) -> Parsed<Cow<'_, T>> {
    match item {
        Parsed::Missing => Parsed::Missing,
        Parsed::Unreadable(why) => Parsed::Unreadable(why.clone()),
        Parsed::Present(item) => Parsed::Present(Cow::Borrowed(item)),
    }
}

impl<'a> Builder<'a> {
    /// Takes kubeadm's and the kubelet's files.
    pub(super) fn take_inventory(&mut self, inventory: &'a Inventory) {
        for row in &inventory.authorities {
            let (name, place) = (row.authority.name(), Place::file(&row.certificate_path));
            let id = match &row.certificate {
                Parsed::Present(certificate) => {
                    self.authority(Some(name), Some(name), Cow::Borrowed(certificate), place.clone()).0
                }
                other => self.lost_authority(name, Some(name), other.reason(), place.clone()),
            };
            // The file may hold several CAs while they are being replaced.
            self.trusted_file(&row.certificate_path);
            if row.certificate.get().is_some() || !row.key.is_missing() {
                let key = self.private_key(name, &row.key, Place::file(&row.key_path));
                self.pair(key, id, row.is_external());
            }
        }
        self.take_service_account(inventory);
        for leaf in &inventory.leaves {
            if !(leaf.spec.is_optional() && leaf.row.certificate.is_missing()) {
                let embedded = matches!(leaf.spec.place, SlotPlace::Kubeconfig(_));
                let id = self.row(&leaf.row, Some(leaf.spec.name), embedded);
                if leaf.row.foreign_issuer.is_none() {
                    self.expect(inventory, id, leaf.spec.authority);
                }
            }
        }
        if inventory.has_kubelet() {
            let embedded = inventory.kubelet_form == KubeletForm::Embedded;
            let id = self.row(&inventory.kubelet_client, Some(catalog::KUBELET_CLIENT), embedded);
            self.expect(inventory, id, Ca::Cluster);
            let serving = &inventory.kubelet_serving;
            if !serving.certificate.is_missing() || !serving.key.is_missing() {
                // A self-signed serving certificate of the kubelet is followed by its temporary CA.
                if let Parsed::Present((_, rest)) = read::parse(self.snapshot, &serving.path, read::chain) {
                    self.bundle(rest, &Place::file(&serving.path));
                }
                self.row(serving, Some(catalog::KUBELET_SERVING), false);
            }
        }
        for row in &inventory.elsewhere {
            self.row(row, None, true);
        }
    }

    fn take_service_account(&mut self, inventory: &Inventory) {
        let pair = &inventory.service_account;
        let there = !pair.key.is_missing() || matches!(pair.public, Parsed::Present(_));
        if !there {
            return;
        }
        let key = self.private_key("sa", &pair.key, Place::file(&pair.key_path));
        let Parsed::Present(spki) = &pair.public else { return };
        let public = self.public_key("sa", spki, Place::file(&pair.public_path));
        if let Some(public) = public.filter(|public| *public != key)
            && pair.key.get().is_some()
        {
            let why = format!(
                "{} is the public half of another key than {}",
                pair.public_path.display(),
                pair.key_path.display()
            );
            let fault = Some(Fault { kind: FaultKind::PublicHalfOfAnother, why });
            self.join(Edge { fault, ..Edge::new(key, public, Relation::CheckedWith) });
        }
    }

    /// A row of the inventory, with its key and, for a kubeconfig, the CAs that it trusts.
    fn row(&mut self, row: &'a Row, role: Option<&'static str>, kubeconfig: bool) -> usize {
        let by_path = row.files.is_some();
        let field = if by_path { BY_PATH } else { EMBEDDED };
        let place = |path| if kubeconfig { Place::field(path, field) } else { Place::file(path) };
        let leaf = self.leaf(&row.name, role, as_ref(&row.certificate), place(&row.path));
        let nothing = row.certificate.is_missing() && row.key.is_missing();
        let same_file = kubeconfig && !matches!(row.key, Parsed::Present(_));
        if !nothing && !same_file {
            let key_place = if kubeconfig {
                Place::field(&row.path, if by_path { "client-key" } else { "client-key-data" })
            } else {
                Place::file(&row.key_path)
            };
            let key = self.private_key(&row.name, &row.key, key_place);
            self.pair(key, leaf, false);
        }
        let config =
            if kubeconfig { Some(&row.path) } else { row.embedded_authority.as_ref().map(|own| &own.0) };
        if let Some(config) = config {
            let trusts = match &row.embedded_authority {
                Some((path, pem)) => {
                    let place = Place::field(path, EMBEDDED_AUTHORITY);
                    (self.embedded_bundle(pem, &place), EMBEDDED_AUTHORITY)
                }
                None => self.trusts_of(config),
            };
            // The kubelet's own store is named by its kubeconfig.
            let field = if kubeconfig { field } else { BY_PATH };
            self.connections.insert(config.clone(), Connected { leaf: (leaf, field), trusts });
        }
        leaf
    }

    /// The CAs trusted by a kubeconfig without readable embedded certificates.
    pub(super) fn trusts_of(&mut self, config: &Path) -> (Vec<CopyOf>, &'static str) {
        let Parsed::Present(connection) = read::kubeconfig(self.snapshot, config) else {
            return (Vec::new(), EMBEDDED_AUTHORITY);
        };
        let Some((authorities, field)) = connection.authorities else {
            return (Vec::new(), EMBEDDED_AUTHORITY);
        };
        let place = Place::field(config, field);
        let found = match authorities {
            Parsed::Present(certificates) => self.bundle(certificates, &place),
            other => vec![(self.lost_authority(&place.to_string(), None, other.reason(), place), 0)],
        };
        (found, field)
    }

    fn expect(&mut self, inventory: &Inventory, leaf: usize, authority: Ca) {
        if let Some(row) = inventory.authority(authority)
            && row.certificate.get().is_some()
        {
            self.expected.push((leaf, authority.name(), row.certificate_path.clone()));
        }
    }
}
