//! The kubelet's store: whether it finds its current certificate there, and can put the next one into it.

use std::path::Path;

use jiff::Timestamp;

use super::{Code, Evidence, Finding, Severity};
use crate::analysis::node::inventory::{Inventory, KubeletForm, ServingForm};
use crate::analysis::node::store::{Current, Store};
use crate::state::text::shell_word;
use crate::state::time::minute;
use crate::state::{Snapshot, catalog};

pub(super) fn find(snapshot: &Snapshot, inventory: &Inventory, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let client = Store::of(snapshot, inventory, catalog::KUBELET_CLIENT);
    if inventory.kubelet_form == KubeletForm::File(client.link.clone()) {
        found.extend(link(snapshot, inventory, &client, now));
        found.extend(files(&client, catalog::KUBELET_CLIENT));
        found.extend(newer(inventory, &client, now));
    } else if inventory.facts.rotates_client && inventory.kubelet_form != KubeletForm::NoKubeconfig {
        found.extend(client.trouble(now).map(|why| {
            let what = format!("the kubelet takes it before what kubelet.conf has, and cannot use it: {why}");
            Finding::new(
                Code::KubeletStoreBroken,
                Severity::Blocker,
                catalog::KUBELET_CLIENT,
                &client.link,
                what,
            )
        }));
    }
    if inventory.serving_form == ServingForm::Signed {
        let serving = Store::of(snapshot, inventory, catalog::KUBELET_SERVING);
        found.extend(files(&serving, catalog::KUBELET_SERVING));
    }
    found
}

/// Whether `kubelet-client-current.pem` leads to something.
fn link(snapshot: &Snapshot, inventory: &Inventory, store: &Store<'_>, now: Timestamp) -> Option<Finding> {
    let (code, mut what) = match store.current() {
        Current::Link | Current::File => return None,
        Current::Missing => (Code::KubeletLinkMissing, "not found".to_owned()),
        Current::Dangling(target) => {
            let what = format!("points to {}, which does not exist", target.display());
            (Code::KubeletLinkDangling, what)
        }
    };
    let mut severity = Severity::Blocker;
    if store.is_promoted_and_works(now) {
        severity = Severity::Warning;
        what += &format!("; when the kubelet starts, it renames {} to it", store.updated.display());
    }
    let mut finding = Finding::new(code, severity, catalog::KUBELET_CLIENT, &store.link, what);
    let kubeconfig = &inventory.facts.kubelet_kubeconfig.value;
    let names = Evidence::field(kubeconfig, "client-certificate", store.link.display());
    finding.evidence.push(names.on_line_in(snapshot, "client-certificate:"));
    Some(finding)
}

/// Files in the place of links.
fn files<'a>(store: &'a Store<'_>, name: &'a str) -> impl Iterator<Item = Finding> + 'a {
    let current = store.current();
    let starts = matches!(current, Current::Link | Current::File);
    let finding = move |path: &Path, starts: bool| {
        let (severity, follows) = match starts {
            true => (Severity::Warning, "it cannot store its next certificate"),
            false => (Severity::Blocker, "it exits when it starts"),
        };
        let what = format!(
            "{} is a regular file, but the kubelet requires a symlink: {follows}",
            path.file_name().unwrap_or_default().display()
        );
        Finding::new(Code::KubeletLinkNoLink, severity, name, path, what)
    };
    let link = (current == Current::File).then(|| finding(&store.link, true));
    let updated = (store.updated() == Some(false)).then(|| {
        let mut finding = finding(&store.updated, starts);
        // Nothing reads it.
        finding.remedy.reason = format!(
            "On a control-plane node kuberescue certs renew {name} removes it. On a worker move it to a safe place: mv {} /root/",
            shell_word(&store.updated.display().to_string())
        );
        finding
    });
    link.into_iter().chain(updated)
}

/// A dated file that is better than the one that the link points to.
fn newer(inventory: &Inventory, store: &Store<'_>, now: Timestamp) -> Option<Finding> {
    let row = &inventory.kubelet_client;
    let current = row.certificate.get()?;
    let better = store.best(now).filter(|stored| {
        let stored = &stored.certificate;
        // What was issued later for a shorter time is no step back.
        stored.not_after > current.not_after
            && (stored.not_before > current.not_before || current.expired_at(now))
    })?;
    let end = better.certificate.not_after;
    let severity = if current.expired_at(now) { Severity::Blocker } else { Severity::Warning };
    let what = format!(
        "valid until {}, while {} is valid until {}",
        minute(current.not_after),
        better.path.display(),
        minute(end)
    );
    let mut finding = Finding::new(Code::KubeletLinkOld, severity, &row.name, &row.path, what);
    finding.evidence.push(Evidence::field(&better.path, "notAfter", end));
    Some(finding)
}
