//! etcd's members, read through its gateway with the health-check client: which they are, and whether each
//! has a leader. Its database as a stream: [`snapshot`].

pub mod alone;
pub mod snapshot;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;

use super::deadline::Deadline;
use super::https::{self, ClientPair, Exchange, Transport};
use super::probe::pair;
use crate::analysis::node::endpoints;
use crate::analysis::node::endpoints::Endpoint;
use crate::analysis::node::facts::host_of;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::quorum::{
    Health, Quorum, Told, Voter, decide, in_database, in_manifest, is_own, on_disk,
};
use crate::formats::certificate::Certificate;
use crate::formats::etcd::{Member, is_healthy, member_list};

/// kubeadm's name of the client certificate.
const CLIENT: &str = "etcd-healthcheck-client";

/// etcd's client port on a kubeadm node, for members without known client URLs.
const CLIENT_PORT: u16 = 2379;

/// The voting members of this node's etcd ([`decide`]). `inventory` may hold a client certificate that is not written yet. `None` if this node has no etcd.
///
/// `now` is the time of evaluation of their serving certificates. Takes `timeout` for the list and again for
/// the members, which are contacted in parallel.
pub fn quorum(inventory: &Inventory, now: Timestamp, timeout: Duration) -> Option<Quorum> {
    let pair = client(inventory);
    let local = endpoints::etcd_clients(inventory);
    let (Told { members, source }, disagreement) = voters(inventory, &local, pair.as_ref(), timeout)?;
    let is_here = |member: &Member| is_own(member, &inventory.facts);
    let deadline = Deadline::within(timeout);
    let ask = |member: &Member| {
        let here = is_here(member);
        let addresses = match here {
            true => local.iter().map(|endpoint| endpoint.address).collect(),
            false => elsewhere(member, &local),
        };
        let answers = addresses.iter().map(|address| health(*address, pair.as_ref(), deadline));
        let (health, ends) =
            answers.min_by_key(|(health, _)| rank(*health)).unwrap_or((Health::Silent, None));
        Voter { name: name(member), here, health, expired: ends.is_some_and(|end| end < now) }
    };
    let mut voters: Vec<Voter> = std::thread::scope(|scope| {
        let asked: Vec<_> = members
            .iter()
            .map(|member| (member, std::thread::Builder::new().spawn_scoped(scope, move || ask(member))))
            .collect();
        let silent = |member: &Member| Voter {
            name: name(member),
            here: is_here(member),
            health: Health::Silent,
            expired: false,
        };
        let answers = asked.into_iter().map(|(member, thread)| match thread.map(|thread| thread.join()) {
            Ok(Ok(voter)) => voter,
            _ => silent(member),
        });
        answers.collect()
    });
    // etcd lists them by their random ids.
    voters.sort_by(|one, other| one.name.cmp(&other.name));
    Some(Quorum { voters, source, disagreement })
}

/// The client of etcd's health check; `None` if its certificate or key can't be used.
pub fn client(inventory: &Inventory) -> Option<ClientPair> {
    pair(inventory, CLIENT).ok()
}

/// The voting members, and the sources that disagree.
fn voters(
    inventory: &Inventory,
    local: &[Endpoint],
    pair: Option<&ClientPair>,
    timeout: Duration,
) -> Option<(Told, Vec<String>)> {
    let listed = local.iter().find_map(|endpoint| list(endpoint.address, pair, timeout));
    let answers = listed.is_some();
    let listed = listed.map(|members| Told::new(members, "etcd"));
    let listed = listed.or_else(|| listed_elsewhere(inventory, local, pair, timeout));
    let told = in_database(&inventory.facts).into_iter().chain(listed).chain(in_manifest(&inventory.facts));
    let (mut told, disagreement) = decide(told.collect())?;
    if !answers {
        told.source.push_str("; etcd doesn't answer");
    }
    Some((told, disagreement))
}

/// The members as another one lists them: the first that answers. What this node's disk knows of them may be old.
fn listed_elsewhere(
    inventory: &Inventory,
    local: &[Endpoint],
    pair: Option<&ClientPair>,
    timeout: Duration,
) -> Option<Told> {
    let known = on_disk(&inventory.facts)?;
    let others = known.members.iter().filter(|member| !is_own(member, &inventory.facts));
    let asked: Vec<_> = others.flat_map(|member| elsewhere(member, local)).collect();
    std::thread::scope(|scope| {
        let each: Vec<_> =
            asked.iter().map(|address| scope.spawn(move || list(*address, pair, timeout))).collect();
        let mut answers = asked.iter().zip(each).filter_map(|(address, thread)| {
            let members = thread.join().ok().flatten()?;
            Some(Told::new(members, format!("etcd at {address}")))
        });
        let first = answers.next();
        answers.for_each(drop);
        first
    })
}

/// The voting members as [`quorum`] decides them, without asking them.
pub fn members(inventory: &Inventory, timeout: Duration) -> Option<Told> {
    let pair = client(inventory);
    let local = endpoints::etcd_clients(inventory);
    voters(inventory, &local, pair.as_ref(), timeout).map(|(told, _)| told)
}

/// The best answer counts for a member with several addresses.
fn rank(health: Health) -> u8 {
    match health {
        Health::Healthy => 0,
        Health::Unhealthy => 1,
        Health::Silent => 2,
    }
}

fn name(member: &Member) -> String {
    let address = || member.peer_urls.first().cloned().unwrap_or_default();
    if member.name.is_empty() { address() } else { member.name.clone() }
}

fn list(address: SocketAddr, pair: Option<&ClientPair>, timeout: Duration) -> Option<Vec<Member>> {
    let deadline = Deadline::within(timeout);
    match https::post(address, Transport::Tls(pair), "/v3/cluster/member/list", "{}", deadline) {
        Exchange::Connected { reply: Ok(reply), .. } => member_list(&reply.body).ok(),
        _ => None,
    }
}

/// Its health, and when its serving certificate expires.
fn health(address: SocketAddr, pair: Option<&ClientPair>, deadline: Deadline) -> (Health, Option<Timestamp>) {
    let exchange = https::get(address, Transport::Tls(pair), "/health", deadline);
    let (health, chain) = match &exchange {
        Exchange::Connected { reply: Ok(reply), chain } if is_healthy(&reply.body) => {
            (Health::Healthy, chain)
        }
        Exchange::Connected { reply: Ok(_), chain } => (Health::Unhealthy, chain),
        Exchange::Connected { reply: Err(_), chain } | Exchange::NoHandshake(chain, _) => {
            (Health::Silent, chain)
        }
        Exchange::NoConnection(_) => return (Health::Silent, None),
    };
    let leaf = chain.first().and_then(|leaf| Certificate::from_der(leaf.clone()).ok());
    (health, leaf.map(|leaf| leaf.not_after))
}

/// The client addresses of another member. One that is guessed may be this node's own: its answer is not the other's.
fn elsewhere(member: &Member, local: &[Endpoint]) -> Vec<SocketAddr> {
    let mut addresses = addresses(member);
    addresses.retain(|address| local.iter().all(|own| own.address != *address));
    addresses
}

/// The client addresses of a member. Only IP addresses: kubeadm writes no names, and a DNS lookup may hang.
fn addresses(member: &Member) -> Vec<SocketAddr> {
    let of = |url: &String, port: Option<u16>| {
        let ip: IpAddr = host_of(url)?.parse().ok()?;
        let told = || url.trim_end_matches('/').rsplit_once(':')?.1.parse().ok();
        Some(SocketAddr::new(ip, port.or_else(told)?))
    };
    let clients: Vec<_> = member.client_urls.iter().filter_map(|url| of(url, None)).collect();
    if !clients.is_empty() {
        return clients;
    }
    member.peer_urls.iter().filter_map(|url| of(url, Some(CLIENT_PORT))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_members_are_asked() {
        let member = |client: &[&str], peer: &[&str]| Member {
            client_urls: client.iter().map(|url| (*url).to_owned()).collect(),
            peer_urls: peer.iter().map(|url| (*url).to_owned()).collect(),
            ..Member::default()
        };
        let asked = |member: Member| {
            addresses(&member).iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(asked(member(&["https://10.0.0.1:3379"], &["https://10.0.0.1:2380"])), "10.0.0.1:3379");
        assert_eq!(asked(member(&[], &["https://[fd00::1]:2380"])), "[fd00::1]:2379");
        assert_eq!(asked(member(&["https://etcd.example.test:2379"], &[])), "");
    }
}
