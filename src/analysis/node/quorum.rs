//! The arithmetic of etcd's quorum: what stopping this node's member does to the cluster.
//!
//! A cluster of n voting members works while n/2+1 of them are connected (etcd's documentation, "Failure
//! modes"). The manifest of a cluster's first node names only that node, so etcd and its database are asked too.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::facts::Facts;
use crate::formats::etcd::{self, Member};
use crate::state::Component;
use crate::state::text::count;

/// Whether a member answers and has a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    Healthy,
    /// It answers, but has no leader or can't commit.
    Unhealthy,
    /// No answer.
    Silent,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Voter {
    /// Its name, or its address if it has none.
    pub name: String,
    pub here: bool,
    pub health: Health,
    /// Whether its serving certificate has expired: a member that restarts rejects it.
    pub expired: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quorum {
    pub voters: Vec<Voter>,
    /// The source: a path and flag, the database, or etcd.
    pub source: String,
    /// What other sources say instead.
    pub disagreement: Vec<String>,
}

/// What stopping this node's member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The only member: etcd is down while it restarts, which cannot be avoided.
    OnlyMember,
    Kept,
    /// There is a quorum, or may be one, and it would be lost.
    Lost,
    AlreadyLost,
}

/// The voting members as one source has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub members: Vec<Member>,
    /// A path and flag, the database, or etcd.
    pub source: String,
}

impl Told {
    /// Learners don't vote, and are left out.
    pub fn new(members: Vec<Member>, source: impl Into<String>) -> Self {
        let members = members.into_iter().filter(|member| !member.is_learner).collect();
        Self { members, source: source.into() }
    }

    fn addresses(&self) -> BTreeSet<&str> {
        self.members.iter().flat_map(|member| &member.peer_urls).map(String::as_str).collect()
    }
}

/// The members in the manifest of this node's etcd; `None` without a local etcd.
pub fn in_manifest(facts: &Facts) -> Option<Told> {
    let (path, pod) = facts.pod(Component::Etcd)?;
    let members = etcd::initial_cluster(pod.flag("initial-cluster")?);
    Some(Told::new(members, format!("--initial-cluster in {}", path.display())))
}

/// The members in the database of this node's etcd, where it was read.
pub fn in_database(facts: &Facts) -> Option<Told> {
    let records = facts.etcd_records()?;
    // A new member's is empty until the others have sent it theirs.
    let members = records.status.members.clone();
    (!members.is_empty()).then(|| Told::new(members, records.source()))
}

/// Whether a member is this node's: by its name, or by an address, since one that never started has no name.
pub fn is_own(member: &Member, facts: &Facts) -> bool {
    let Some((_, pod)) = facts.pod(Component::Etcd) else { return false };
    let advertised = pod.flag("initial-advertise-peer-urls").unwrap_or_default();
    let advertised = |url: &String| advertised.split(',').any(|own| own == url);
    pod.flag("name") == Some(member.name.as_str()) || member.peer_urls.iter().any(advertised)
}

/// The members that the disk knows of.
pub fn on_disk(facts: &Facts) -> Option<Told> {
    decide(in_database(facts).into_iter().chain(in_manifest(facts)).collect()).map(|(told, _)| told)
}

/// The source that decides, and where others disagree with it.
///
/// `told` is in the order in which sources are believed: etcd's database, etcd, the manifest. kubeadm leaves manifests
/// that name fewer members than there are (`join` writes those that it found, `upgrade` its own alone), and a member that
/// was off misses those that were added since: the larger number counts, since with it less may be stopped. Where the
/// first two agree the third doesn't count: a manifest goes on naming members that were removed.
///
/// What the deciding source lacks of a member is taken from the others. etcd's database has a member's name and client
/// addresses only once it has read its log as far as where that member published them, which without a leader may be never.
pub fn decide(told: Vec<Told>) -> Option<(Told, Vec<String>)> {
    let believed = match told.as_slice() {
        [first, second, ..] if first.addresses() == second.addresses() => std::slice::from_ref(first),
        all => all,
    };
    let most = believed.iter().map(|one| one.members.len()).max()?;
    let mut decides = believed.iter().find(|one| one.members.len() == most)?.clone();
    for member in &mut decides.members {
        complete(member, &told);
    }
    let others = told.iter().filter(|one| one.addresses() != decides.addresses());
    let others = others.map(|one| format!("{} has {}", one.source, count(one.members.len(), "member")));
    let others = others.collect();
    Some((decides, others))
}

/// Puts in what a member lacks and another source tells of the member at the same peer address.
fn complete(member: &mut Member, told: &[Told]) {
    for other in told.iter().flat_map(|one| &one.members) {
        if !other.peer_urls.iter().any(|url| member.peer_urls.contains(url)) {
            continue;
        }
        if member.name.is_empty() {
            member.name.clone_from(&other.name);
        }
        if member.client_urls.is_empty() {
            member.client_urls.clone_from(&other.client_urls);
        }
    }
}

impl Quorum {
    pub fn has_others(&self) -> bool {
        self.voters.len() > 1
    }

    fn sources(&self) -> String {
        let all = [&self.source].into_iter().chain(&self.disagreement);
        all.map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    /// How many voters must be connected.
    pub fn needed(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    pub fn healthy(&self) -> usize {
        self.voters.iter().filter(|voter| voter.health == Health::Healthy).count()
    }

    /// The other members whose certificates have expired. Their old connections stay up; new ones are
    /// rejected.
    pub fn expired_elsewhere(&self) -> Vec<&str> {
        let others = self.voters.iter().filter(|voter| !voter.here && voter.expired);
        others.map(|voter| voter.name.as_str()).collect()
    }

    /// Whether this node's member finds a quorum when it restarts with good certificates.
    pub fn is_found_again(&self) -> bool {
        self.effect_of_stopping() != Effect::AlreadyLost
            && self.voters.len() - self.expired_elsewhere().len() >= self.needed()
    }

    /// The effect of stopping this node's member. What isn't known counts as the worse case.
    pub fn effect_of_stopping(&self) -> Effect {
        if !self.has_others() {
            return Effect::OnlyMember;
        }
        let others =
            self.voters.iter().filter(|voter| !voter.here && voter.health == Health::Healthy).count();
        let here = self.voters.iter().find(|voter| voter.here).map(|voter| voter.health);
        // A member that answers "no leader" doesn't count towards a quorum; a silent one may.
        let counts_here = usize::from(matches!(here, Some(Health::Healthy | Health::Silent)));
        // A healthy member has a leader: there is a quorum, whoever else is silent.
        let up = self.healthy() > 0 && here == Some(Health::Healthy) || others + counts_here >= self.needed();
        match (others >= self.needed(), up) {
            (true, _) => Effect::Kept,
            (false, true) => Effect::Lost,
            (false, false) => Effect::AlreadyLost,
        }
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.has_others() {
            return write!(f, "etcd has one member, this node's (from {})", self.sources());
        }
        let (all, needed) = (self.voters.len(), self.needed());
        let healthy = self.healthy();
        write!(f, "etcd has {all} members, {needed} make a quorum; {healthy} answer and have a leader: ")?;
        for (index, voter) in self.voters.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let here = if voter.here { " (this node)" } else { "" };
            let health = match voter.health {
                Health::Healthy => "healthy",
                Health::Unhealthy => "no leader",
                Health::Silent => "no answer",
            };
            write!(f, "{separator}{}{here} {health}", voter.name)?;
        }
        let effect = match self.effect_of_stopping() {
            Effect::OnlyMember => return Ok(()),
            Effect::Kept => "stopping this node's member keeps the quorum",
            Effect::Lost => "stopping this node's member would break the quorum",
            Effect::AlreadyLost => "there is no quorum that stopping this node's member could break",
        };
        write!(f, "; {effect} (members from {})", self.sources())?;
        let expired = self.expired_elsewhere();
        if !expired.is_empty() && !self.is_found_again() {
            let names = expired.join(", ");
            write!(
                f,
                "; the certificates of {names} have expired too: after a restart this member has no leader until those nodes are recovered"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Health::{Healthy, Silent, Unhealthy};

    fn effect(health: &[Health]) -> Effect {
        let voters = health.iter().enumerate();
        let voters = voters.map(|(at, health)| Voter {
            name: at.to_string(),
            here: at == 0,
            health: *health,
            expired: false,
        });
        Quorum { voters: voters.collect(), source: String::new(), disagreement: Vec::new() }
            .effect_of_stopping()
    }

    /// Whether a member finds a quorum again with so many good and so many expired certificates beside it.
    fn found_again(good: usize, expired: usize) -> bool {
        let voter = |here, expired| Voter { name: String::new(), here, health: Healthy, expired };
        let mut voters = vec![voter(true, true)];
        voters.extend((0..good).map(|_| voter(false, false)));
        voters.extend((0..expired).map(|_| voter(false, true)));
        Quorum { voters, source: String::new(), disagreement: Vec::new() }.is_found_again()
    }

    #[test]
    fn a_restarted_member_counts_no_member_with_an_expired_certificate() {
        assert!(found_again(0, 0));
        assert!(found_again(2, 0));
        assert!(found_again(1, 1), "two of three");
        assert!(!found_again(0, 2));
        assert!(!found_again(1, 3), "two of five");
        assert!(found_again(2, 2));
    }

    #[test]
    fn what_one_source_lacks_of_a_member_another_tells() {
        let member = |name: &str, client: &[&str]| Member {
            name: name.to_owned(),
            peer_urls: vec!["https://10.0.0.2:2380".to_owned()],
            client_urls: client.iter().map(|url| (*url).to_owned()).collect(),
            ..Member::default()
        };
        let address = ["https://10.0.0.2:3379"];
        let database = Told::new(vec![member("", &[])], "database");
        let manifest = Told::new(vec![member("cp-2", &[])], "manifest");
        let etcd = Told::new(vec![member("", &address)], "etcd");
        let (told, disagreement) = decide(vec![database.clone(), etcd.clone(), manifest.clone()]).unwrap();
        assert_eq!(told, Told::new(vec![member("cp-2", &address)], "database"));
        assert!(disagreement.is_empty());
        let (told, _) = decide(vec![database, manifest]).unwrap();
        assert_eq!(told.members, [member("cp-2", &[])]);
    }

    #[test]
    fn arithmetic() {
        for (health, expected) in [
            (&[Silent][..], Effect::OnlyMember),
            (&[Healthy, Healthy, Healthy], Effect::Kept),
            (&[Healthy, Healthy, Silent], Effect::Lost),
            // It has a leader, so one of the silent ones is up.
            (&[Healthy, Silent, Silent], Effect::Lost),
            (&[Unhealthy, Healthy, Healthy], Effect::Kept),
            // The two others have a leader: each other, or this silent one and one of them.
            (&[Silent, Healthy, Silent], Effect::Lost),
            (&[Unhealthy, Unhealthy, Silent], Effect::AlreadyLost),
            (&[Silent, Silent, Silent], Effect::AlreadyLost),
            (&[Healthy, Healthy], Effect::Lost),
            (&[Unhealthy, Unhealthy], Effect::AlreadyLost),
            (&[Healthy, Healthy, Healthy, Healthy, Silent], Effect::Kept),
            (&[Healthy, Healthy, Healthy, Silent, Silent], Effect::Lost),
        ] {
            assert_eq!(effect(health), expected, "{health:?}");
        }
    }
}
