//! The kubelet: its configuration, the link to its current certificate, what happens when it restarts.

use std::path::Path;

use jiff::Timestamp;

use super::credentials::{kubelet_of_another_node, kubelet_unlike};
use super::{Code, Evidence, Finding, Remedy, Severity, store};
use crate::analysis::node::inventory::{Inventory, KubeletForm, ServingForm};
use crate::analysis::node::store::Store;
use crate::analysis::node::{facts, scope};
use crate::formats::kubeconfig::Kubeconfig;
use crate::formats::kubelet::KubeletConfiguration;
use crate::state::Subject;
use crate::state::{Content, Snapshot, catalog};

const HOSTNAME: &str = "/etc/hostname";
const BOOTSTRAP: &str = "/etc/kubernetes/bootstrap-kubelet.conf";

/// kubernetes.io, "Kubelet client certificate rotation fails": the procedure without a bootstrap token. Files
/// of the kubelet's store stay where they are: it passes over an expired one there and takes the kubeconfig's certificate
/// (client-go `util/certificate/certificate_manager.go` getCurrentCertificateOrBootstrap).
pub(super) const WORKER_REMEDY: &str = "On a control-plane node: sudo kuberescue bundle create --node NAME, with this node's name. Copy NAME.bundle.age here; then: sudo kuberescue bundle apply NAME.bundle.age.";

pub(super) fn find(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    if !inventory.has_kubelet() {
        return Vec::new();
    }
    let mut found = Vec::new();
    found.extend(configuration(snapshot, inventory));
    found.extend(drop_ins(snapshot, inventory));
    found.extend(kubeconfig(snapshot, inventory));
    found.extend(other_host(snapshot, inventory));
    found.extend(store::find(snapshot, inventory, now));
    found.extend(embedded(inventory, now));
    found.extend(crash_loop(snapshot, inventory, now));
    found
}

fn configuration(snapshot: &Snapshot, inventory: &Inventory) -> Option<Finding> {
    let path = inventory.facts.kubelet_config.value.as_path();
    let finding = |code, what: String| Some(Finding::new(code, Severity::Blocker, "kubelet", path, what));
    match snapshot.resolve(path).ok()?.entry.map(|entry| &entry.content) {
        None => finding(Code::KubeletConfigMissing, format!("{} not found", path.display())),
        Some(Content::File(bytes)) => match KubeletConfiguration::of(bytes) {
            Ok(_) => None,
            Err(error) => finding(Code::KubeletConfigBroken, error),
        },
        Some(Content::Unread(why)) => finding(Code::KubeletConfigBroken, why.to_string()),
        Some(_) => finding(Code::KubeletConfigBroken, "not a file".to_owned()),
    }
}

/// The drop-in that keeps the kubelet from starting: it stops at the first one that it can't merge (kubernetes
/// `cmd/kubelet/app/server.go` mergeKubeletConfigurations).
fn drop_ins(snapshot: &Snapshot, inventory: &Inventory) -> Option<Finding> {
    let directory = scope::drop_in_directory(&inventory.facts)?;
    let finding =
        |code, path: &Path, what: String| Finding::new(code, Severity::Blocker, "kubelet", path, what);
    if snapshot.resolve(directory).is_ok_and(|resolved| resolved.entry.is_none()) {
        let what = format!("{} (--config-dir) not found", directory.display());
        return Some(finding(Code::KubeletConfigMissing, directory, what));
    }
    facts::kubelet::drop_ins(snapshot, directory).iter().find_map(|path| {
        let why = match KubeletConfiguration::of(snapshot.file(path)?) {
            Ok(one) if one.is_typed() => return None,
            Ok(_) => "no apiVersion kubelet.config.k8s.io/v1beta1 and kind KubeletConfiguration".to_owned(),
            Err(why) => why,
        };
        Some(finding(Code::KubeletConfigBroken, path, format!("{}: {why}", path.display())))
    })
}

/// Without a kubeconfig the kubelet requests one with `bootstrap-kubelet.conf`, if that still exists.
fn kubeconfig(snapshot: &Snapshot, inventory: &Inventory) -> Option<Finding> {
    if !lacks_kubeconfig(snapshot, inventory) || snapshot.entry_itself(Path::new(BOOTSTRAP)).is_some() {
        return None;
    }
    let path = &inventory.facts.kubelet_kubeconfig.value;
    let what = match snapshot.target(path) {
        None => format!("{} not found", path.display()),
        Some(_) => match snapshot.file(path).map(Kubeconfig::of) {
            Some(Err(error)) => format!("{}: {error}", path.display()),
            _ => format!("cannot read {}", path.display()),
        },
    };
    Some(Finding::new(Code::KubeletConfMissing, Severity::Blocker, "kubelet", path, what))
}

/// Whether the kubelet's kubeconfig is missing or invalid.
pub(super) fn lacks_kubeconfig(snapshot: &Snapshot, inventory: &Inventory) -> bool {
    let path = &inventory.facts.kubelet_kubeconfig.value;
    let parses = || snapshot.file(path).is_some_and(|bytes| Kubeconfig::of(bytes).is_ok());
    match inventory.kubelet_form {
        KubeletForm::NoKubeconfig => true,
        KubeletForm::Other => !parses(),
        KubeletForm::Embedded | KubeletForm::File(_) => false,
    }
}

/// A worker's kubelet whose certificate names another node than the host name. Only a hint: clouds give nodes
/// other names.
fn other_host(snapshot: &Snapshot, inventory: &Inventory) -> Option<Finding> {
    if inventory.is_control_plane() || inventory.facts.hostname_override.is_some() {
        return None;
    }
    let host = snapshot.file(Path::new(HOSTNAME))?;
    let host = String::from_utf8_lossy(host).trim().to_lowercase();
    let finding = kubelet_unlike(inventory, &host, HOSTNAME).filter(|_| !host.is_empty())?;
    Some(finding.with_severity(Severity::Warning))
}

/// Whether the kubelet's certificate names another node: then its name is not this node's.
pub(super) fn speaks_for_another(snapshot: &Snapshot, inventory: &Inventory) -> bool {
    kubelet_of_another_node(inventory).is_some() || other_host(snapshot, inventory).is_some()
}

fn embedded(inventory: &Inventory, now: Timestamp) -> Option<Finding> {
    let administrator = inventory.administrator_as_kubelet();
    let is_embedded = inventory.kubelet_form == KubeletForm::Embedded;
    if !is_embedded && administrator.is_none() {
        return None;
    }
    let row = &inventory.kubelet_client;
    let expired = row.certificate.get().is_some_and(|certificate| certificate.expired_at(now));
    let severity = if expired { Severity::Blocker } else { Severity::Warning };
    let what = match (is_embedded, expired) {
        (true, true) => "its embedded certificate has expired, and rotation does not replace it",
        (true, false) => "its certificate is embedded, so rotation has no effect after a restart",
        (false, true) => {
            "the certificate that kubelet.conf names has expired, and rotation does not replace it"
        }
        (false, false) => {
            "kubelet.conf names a certificate that is not the kubelet's, and rotation does not replace it"
        }
    };
    let mut finding =
        Finding::new(Code::KubeletConfEmbedded, severity, &row.name, &row.path, what.to_owned());
    if administrator.is_none() {
        let command = "kuberescue certs renew kubelet-client --enable-client-cert-rotation";
        finding.remedy.command = Some(command.to_owned());
    }
    if let Some(why) = administrator {
        finding.what = format!("{what}; {why}");
        finding.remedy = Remedy { command: None, reason: WORKER_REMEDY.to_owned() };
    }
    Some(finding)
}

/// kubelet `pkg/kubelet/certificate/bootstrap` LoadClientConfig: an expired certificate requires
/// `bootstrap-kubelet.conf`, which kubeadm has deleted.
fn crash_loop(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Option<Finding> {
    let row = &inventory.kubelet_client;
    let usable = row.certificate.get().is_some_and(|certificate| !certificate.expired_at(now))
        || Store::of(snapshot, inventory, catalog::KUBELET_CLIENT).is_promoted_and_works(now);
    let is_told = inventory.kubelet_form == KubeletForm::Other && lacks_kubeconfig(snapshot, inventory);
    if usable || is_told || snapshot.entry_itself(Path::new(BOOTSTRAP)).is_some() {
        return None;
    }
    let what = format!(
        "its client certificate no longer works and {BOOTSTRAP} does not exist, so a stopped kubelet cannot start again"
    );
    let mut finding = Finding::new(Code::KubeletCrashLoop, Severity::Blocker, "kubelet", &row.path, what);
    if let Some(certificate) = row.certificate.get() {
        finding.evidence.push(Evidence::field(&row.path, "notAfter", certificate.not_after));
    }
    Some(finding)
}

/// Whether the only problem of the serving certificate is that it has expired, and the kubelet created it
/// itself.
pub(super) fn is_own_serving(inventory: &Inventory, subject: &Subject) -> bool {
    *subject == Subject::KubeletServing && inventory.serving_form == ServingForm::SelfSigned
}
