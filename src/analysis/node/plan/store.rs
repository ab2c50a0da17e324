//! Decisions about the kubelet's store. What is there is taken rather than issuing another, as long
//! as it is valid for a while: it needs no CA, and it is the one that the API server knows.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::decide::Decision;
use super::{Profile, StoreAction, StoreChange, Why, goes_with_reissue};
use crate::analysis::node::findings::{EXPIRES_SOON, Finding};
use crate::analysis::node::store::{Store, Stored};
use crate::formats::kubeconfig::Kubeconfig;
use crate::state::Code;
use crate::state::catalog::{Ca, KUBELET_CLIENT, KUBELET_CLIENT_LONG, Usage};

impl Decision<'_> {
    /// Brings a store's links back with a certificate that is there and lasts for a while, if that is all it takes.
    pub(super) fn is_linked_up(&mut self, store: &Store<'_>, name: &str) -> bool {
        let soon = self.soon();
        let lasting = store.best(self.now).filter(|stored| stored.certificate.not_after > soon);
        lasting.is_some_and(|stored| self.link_up(store, name, &stored))
    }

    /// What expires before is reported, or due.
    fn soon(&self) -> Timestamp {
        let soon = self.options.due_within.map_or(EXPIRES_SOON, |within| within.max(EXPIRES_SOON));
        self.now.saturating_add(soon).unwrap_or(Timestamp::MAX)
    }

    /// The same where no other can be issued: with any that is still valid.
    pub(super) fn is_linked_up_by_any(&mut self, store: &Store<'_>, name: &str) -> bool {
        store.best(self.now).is_some_and(|stored| self.link_up(store, name, &stored))
    }

    fn link_up(&mut self, store: &Store<'_>, name: &str, stored: &Stored) -> bool {
        if store.leads_to(&stored.path) {
            // The best that is there is what the kubelet uses.
            let more = |finding: &Finding| {
                finding.subject == name.into()
                    && goes_with_reissue(finding.code)
                    && finding.code != Code::KubeletLinkNoLink
            };
            if store.updated() != Some(false) || self.findings.iter().any(more) {
                return false;
            }
        } else {
            let is_in_a_links_place = [&store.link, &store.updated].contains(&&stored.path);
            let dated = self.dated(&store.link, store.prefix).ok();
            let (file, from) = match is_in_a_links_place {
                true => (dated, self.itself(&stored.path)),
                false => (Some(stored.path.clone()), None),
            };
            let (Some(link), Some(file)) = (self.itself(&store.link), file) else { return false };
            let until = stored.certificate.not_after;
            self.change_store(name, StoreAction::Link { link, file, from, until });
        }
        self.remove_left_over(store, name);
        true
    }

    /// `-updated`, which the kubelet removes before its next rotation if it is a link.
    pub(super) fn remove_left_over(&mut self, store: &Store<'_>, name: &str) {
        if store.updated().is_some()
            && let Some(path) = self.itself(&store.updated)
        {
            let because = "left over from a rotation";
            self.change_store(name, StoreAction::Remove { path, because });
        }
    }

    /// Removes what the kubelet would take before what its kubeconfig has, and could not use.
    pub(super) fn clear_store(&mut self) {
        let (name, code) = (KUBELET_CLIENT, Code::KubeletStoreBroken);
        let store = Store::of(self.snapshot, self.inventory, name);
        if self.findings.iter().any(|finding| finding.code == code)
            && let Some(path) = self.itself(&store.link)
        {
            let because = "the kubelet takes it before what kubelet.conf has, and cannot use it";
            self.change_store(name, StoreAction::Remove { path, because });
        }
    }

    /// Puts the client certificate into the store, a new one or one that is there, and lets the kubelet's kubeconfig name it.
    pub(super) fn refer_to_store(
        &mut self,
        store: &Store<'_>,
        name: &str,
        forced: bool,
    ) -> Result<(), (Why, bool)> {
        let unknown = |what: String| (Why::Unknown(what), true);
        let kubeconfig = self.resolved(&self.inventory.facts.kubelet_kubeconfig.value).map_err(unknown)?;
        let link = store.link.clone();
        let text = link.display().to_string();
        let bytes = self.snapshot.file(&kubeconfig).map(|bytes| (bytes, Kubeconfig::of(bytes)));
        if let Some((bytes, Ok(config))) = bytes
            && let Err(error) = config.refer_to(bytes, &text)
        {
            return Err((Why::NotEmbedded(error.to_string()), true));
        }
        if forced || !self.is_stored(store, name, self.soon()) {
            let row = &self.inventory.kubelet_client;
            let profile = || Profile::of_kubelet(&self.inventory.facts);
            let target = |decision: &Self| decision.kubelet_pem(&store.link, store.prefix);
            match self.step(row, name, KUBELET_CLIENT_LONG, Ca::Cluster, profile, target) {
                Ok(mut step) => {
                    self.correct_usage(&mut step, Usage::Client);
                    self.steps.push(step);
                    self.remove_left_over(store, name);
                }
                Err(why) if !self.is_stored(store, name, self.now) && !self.is_taken_over(store, name) => {
                    return Err(why);
                }
                Err(_) => {}
            }
        }
        self.change_store(name, StoreAction::Refer { kubeconfig, link });
        Ok(())
    }

    /// Whether the store has a certificate that is valid after `soon`, once its links are as they should be.
    fn is_stored(&mut self, store: &Store<'_>, name: &str, soon: Timestamp) -> bool {
        let Some(stored) = store.best(self.now).filter(|stored| stored.certificate.not_after > soon) else {
            return false;
        };
        store.leads_to(&stored.path) && store.updated() != Some(false) || self.link_up(store, name, &stored)
    }

    /// Whether what the kubelet's kubeconfig holds can go into the store, as a kubelet does it that finds none there.
    fn is_taken_over(&mut self, store: &Store<'_>, name: &str) -> bool {
        let row = &self.inventory.kubelet_client;
        let is_good = !self.wants_reissue(name);
        let until = row.certificate.get().filter(|_| is_good).map(|certificate| certificate.not_after);
        let (Some(until), Some(link)) = (until, self.itself(&store.link)) else { return false };
        let Ok(file) = self.dated(&store.link, store.prefix) else { return false };
        let from = self.resolved(&row.path).ok();
        self.change_store(name, StoreAction::Link { link, file, from, until });
        self.remove_left_over(store, name);
        true
    }

    fn change_store(&mut self, name: &str, action: StoreAction) {
        self.store.push(StoreChange { name: name.to_owned(), action });
    }

    /// A path free of links, but for one at its end.
    fn itself(&self, path: &Path) -> Option<PathBuf> {
        let directory = self.resolved(path.parent()?).ok()?;
        Some(directory.join(path.file_name()?))
    }

    /// A dated name that is free beside a link, by the kubelet's own naming; UTC, since the disk's time zone is unknown.
    pub(super) fn dated(&self, link: &Path, prefix: &str) -> Result<PathBuf, String> {
        let directory = link.parent().unwrap_or(Path::new("/"));
        let real = self.resolved(directory)?;
        let mut at = self.now;
        loop {
            let name = format!("{prefix}-{}.pem", at.strftime("%Y-%m-%d-%H-%M-%S"));
            if self.snapshot.get(&real.join(&name)).is_none() {
                return Ok(directory.join(name));
            }
            at = at.checked_add(SignedDuration::from_secs(1)).map_err(|error| error.to_string())?;
        }
    }
}
