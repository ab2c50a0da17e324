//! The kubelet's own client and serving certificates, which kubeadm doesn't renew.

use std::net::IpAddr;
use std::path::Path;

use super::decide::Decision;
use super::keys::why_not;
use super::{Action, Dates, KeyPlan, Profile, SignedBy, Step, Target, Why};
use crate::analysis::node::inventory::{KubeletForm, Parsed, Row, ServingForm};
use crate::analysis::node::store::Store;
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, KeyEncoding};
use crate::state::catalog::{self, Ca, Usage};

/// Seconds by which the kubelet backdates a self-signed certificate (client-go `util/cert/cert.go`).
const SELF_SIGNED_BACKDATE_SECONDS: i64 = 3600;

impl Decision<'_> {
    /// Those of the kubelet's certificates that no longer work or expire soon, or all of them if requested.
    pub(super) fn kubelet_where_useless(&mut self) {
        let forced = self.options.kubelet;
        let wants = |name: &str, row: &Row| forced || self.wants_reissue(name) || self.expires_soon(row);
        let client = wants(catalog::KUBELET_CLIENT, &self.inventory.kubelet_client);
        let serving = wants(catalog::KUBELET_SERVING, &self.inventory.kubelet_serving);
        if client || self.refers() {
            self.kubelet_client(forced);
        } else {
            self.clear_store();
        }
        let configured = self.inventory.serving_form == ServingForm::Configured;
        if forced || (!configured && serving) {
            self.kubelet_serving(forced);
        }
    }

    /// Its client certificate; if `forced` a new one, whatever is there.
    pub(super) fn kubelet_client(&mut self, forced: bool) {
        let row = &self.inventory.kubelet_client;
        let (name, long_name) = (catalog::KUBELET_CLIENT, catalog::KUBELET_CLIENT_LONG);
        if let Some(error) = &row.not_replaceable {
            return self.skip(name, long_name, Why::NotEmbedded(error.to_string()), true);
        }
        if let Some(why) = self.inventory.administrator_as_kubelet() {
            return self.skip(name, long_name, Why::Unknown(why), true);
        }
        let store = Store::of(self.snapshot, self.inventory, name);
        if self.refers() {
            if let Err((why, needs_person)) = self.refer_to_store(&store, name, forced) {
                self.skip(name, long_name, why, needs_person);
            }
            return;
        }
        self.clear_store();
        let is_stored = row.path == store.link;
        if !forced && is_stored && self.is_linked_up(&store, name) {
            return;
        }
        let profile = || Profile::of_kubelet(&self.inventory.facts);
        let target = |decision: &Self| match &decision.inventory.kubelet_form {
            KubeletForm::Embedded => decision.kubeconfig_target(row, &catalog::CERT_SPECS[0]),
            KubeletForm::File(_) | KubeletForm::NoKubeconfig if row.path == row.key_path => {
                decision.kubelet_pem(&row.path, store.prefix)
            }
            KubeletForm::File(_) | KubeletForm::NoKubeconfig | KubeletForm::Other => decision.files_of(row),
        };
        match self.step(row, name, long_name, Ca::Cluster, profile, target) {
            Ok(mut step) => {
                self.correct_usage(&mut step, Usage::Client);
                self.steps.push(step);
                if is_stored {
                    self.remove_left_over(&store, name);
                }
            }
            Err(_) if is_stored && self.is_linked_up_by_any(&store, name) => {}
            Err((why, needs_person)) => self.skip(name, long_name, why, needs_person),
        }
        if self.inventory.kubelet_form == KubeletForm::NoKubeconfig {
            let path = self.inventory.facts.kubelet_kubeconfig.value.display();
            let why =
                format!("{path} is missing or unreadable: the kubelet needs one that names its certificate");
            self.skip("kubelet.conf", "kubeconfig file of the kubelet", Why::Unknown(why), true);
        }
    }

    /// Its serving certificate; if `forced` a new one, whatever is there.
    pub(super) fn kubelet_serving(&mut self, forced: bool) {
        let row = &self.inventory.kubelet_serving;
        let (name, long_name) = (catalog::KUBELET_SERVING, catalog::KUBELET_SERVING_LONG);
        let store = Store::of(self.snapshot, self.inventory, name);
        let is_stored = self.inventory.serving_form == ServingForm::Signed;
        if !forced && is_stored && self.is_linked_up(&store, name) {
            return;
        }
        let step = match self.inventory.serving_form {
            ServingForm::Configured => {
                let why = format!(
                    "the kubelet's configuration names {}: whoever made it renews it",
                    row.path.display()
                );
                Err((Why::NotOurs(why), false))
            }
            ServingForm::SelfSigned if row.certificate.is_missing() && row.key.is_missing() => Err((
                Why::NotOurs("it is missing, and the kubelet makes it when it starts".to_owned()),
                false,
            )),
            ServingForm::SelfSigned => self.self_signed(row).map_err(|what| (Why::Unknown(what), true)),
            ServingForm::Signed => {
                let mut row = row.clone();
                if let Some(found) = self.is_of_another_node(name) {
                    // Copied with the disk of another node: its names are no template.
                    row.certificate = Parsed::Unreadable(found.what.clone());
                }
                let profile = || Profile::of_kubelet_serving(&self.inventory.facts);
                let target = |decision: &Self| decision.kubelet_pem(&row.path, store.prefix);
                self.step(&row, name, long_name, Ca::Cluster, profile, target)
            }
        };
        match step {
            Ok(step) => {
                self.steps.push(step);
                if is_stored {
                    self.remove_left_over(&store, name);
                }
            }
            Err(_) if is_stored && self.is_linked_up_by_any(&store, name) => {}
            Err((why, needs_person)) => self.skip(name, long_name, why, needs_person),
        }
    }

    /// A pair as the kubelet creates it, with the names of the old one.
    fn self_signed(&self, row: &Row) -> Result<Step, String> {
        let old = row.certificate.get();
        let node = || self.inventory.facts.node_name.as_ref().map(|node| node.value.clone());
        let host = old.and_then(host).or_else(node).ok_or("it can't be issued without the node's name")?;
        let (mut dns_names, mut addresses) =
            old.map(|old| (old.dns_names.clone(), old.addresses.clone())).unwrap_or_default();
        if dns_names.is_empty() && addresses.is_empty() {
            match host.parse::<IpAddr>() {
                Ok(address) => addresses.push(address),
                Err(_) => dns_names.push(host.clone()),
            }
        }
        let profile = Profile::of_self_signed(&host, dns_names, addresses, self.now);
        let because = match &row.certificate {
            Parsed::Present(_) => None,
            Parsed::Missing => Some("it is missing".to_owned()),
            Parsed::Unreadable(reason) => Some(reason.clone()),
        };
        let key = match row.key.get() {
            Some(key) if self.options.reuse_keys => {
                KeyPlan { algorithm: key.algorithm.clone(), encoding: key.encoding, reuse: true }
            }
            None if self.options.reuse_keys => {
                return Err(format!("--reuse-keys: its key is not usable: {}", why_not(&row.key)));
            }
            _ => KeyPlan { algorithm: KeyAlgorithm::Rsa(2048), encoding: KeyEncoding::Pkcs1, reuse: false },
        };
        Ok(Step {
            name: catalog::KUBELET_SERVING.to_owned(),
            long_name: catalog::KUBELET_SERVING_LONG,
            action: because.map_or(Action::Renew, |because| Action::Issue { because }),
            target: self.files_of(row)?,
            authority: SignedBy::Own(format!("{host}-ca@{}", self.now.as_second())),
            subject: profile.subject(),
            names: profile.alternative_names(),
            added: Vec::new(),
            removed: Vec::new(),
            usage: None,
            narrowed: Vec::new(),
            key,
            old: old.map(|old| Dates { not_before: old.not_before, not_after: old.not_after }),
            new: self.life(SELF_SIGNED_BACKDATE_SECONDS, self.requested())?,
            cut_to_authority: false,
            notes: Vec::new(),
            template: None,
            profile: Some(profile),
        })
    }

    fn files_of(&self, row: &Row) -> Result<Target, String> {
        Ok(Target::Pair { certificate: self.resolved(&row.path)?, key: self.resolved(&row.key_path)? })
    }

    /// Whether kubelet.conf is to name the certificate that it holds.
    pub(super) fn refers(&self) -> bool {
        self.options.client_cert_rotation && self.inventory.kubelet_form == KubeletForm::Embedded
    }

    pub(super) fn kubelet_pem(&self, link: &Path, prefix: &str) -> Result<Target, String> {
        let directory = self.resolved(link.parent().unwrap_or(Path::new("/")))?;
        let file = self.dated(link, prefix)?;
        Ok(Target::KubeletPem { link: directory.join(link.file_name().unwrap_or_default()), file })
    }
}

/// The host of a self-signed kubelet certificate, whose subject is `HOST@UNIXTIME`.
fn host(old: &Certificate) -> Option<String> {
    let from_subject = old.common_name().rsplit_once('@').map(|(host, _)| host.to_owned());
    let first_name = || old.dns_names.first().cloned();
    let first_address = || old.addresses.first().map(IpAddr::to_string);
    from_subject.filter(|host| !host.is_empty()).or_else(first_name).or_else(first_address)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;
    use crate::analysis::node::inventory::Inventory;
    use crate::analysis::node::plan::Options;
    use crate::formats::pem;
    use crate::state::{Attributes, Content, Entry, Snapshot};

    /// A certificate, PEM.
    fn of(common_name: &str, names: &[&str]) -> String {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        pem::encode(pem::Label::Certificate, made.der()).to_string()
    }

    #[test]
    fn the_host_is_the_subjects_or_the_first_name() {
        for (common_name, names, expected) in [
            ("cp-1@1700000000", &["other"][..], Some("cp-1")),
            ("a@b@1700000000", &[], Some("a@b")),
            ("@1700000000", &["10.0.0.2", "cp-2"], Some("cp-2")),
            ("cp-1", &["10.0.0.2"], Some("10.0.0.2")),
            ("cp-1", &[], None),
        ] {
            let old = Certificate::from_pem(of(common_name, names).as_bytes()).unwrap();
            assert_eq!(host(&old).as_deref(), expected, "{common_name} {names:?}");
        }
    }

    /// What `kubelet.crt` with these names, without its key, is replaced by.
    fn step(names: &[&str], reuse_keys: bool) -> Result<Step, String> {
        let entry = Entry {
            content: Content::File(of("cp-1@1700000000", names).into_bytes().into()),
            attributes: Attributes::default(),
        };
        let snapshot: Snapshot = [("/var/lib/kubelet/pki/kubelet.crt".into(), entry)].into_iter().collect();
        let inventory = Inventory::read(&snapshot, None);
        let options = Options { reuse_keys, ..Options::recovery() };
        let decision = Decision::new(&snapshot, &inventory, &[], &options, Timestamp::UNIX_EPOCH);
        decision.self_signed(&inventory.kubelet_serving)
    }

    #[test]
    fn a_self_signed_certificate_keeps_its_names_and_a_lost_key_is_not_reused() {
        assert_eq!(step(&["a.test"], false).unwrap().names, ["DNS:a.test"]);
        assert_eq!(step(&["10.0.0.2"], false).unwrap().names, ["IP:10.0.0.2"]);
        assert_eq!(step(&[], false).unwrap().names, ["DNS:cp-1"]);
        assert!(!step(&[], false).unwrap().key.reuse);
        step(&[], true).unwrap_err();
    }
}
