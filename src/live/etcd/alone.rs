//! A lost quorum: whether another member answers at all, and whether this node's etcd is a cluster of one.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{addresses, health, list, name};
use crate::analysis::node::endpoints;
use crate::analysis::node::facts::host_of;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::quorum::Health;
use crate::formats::etcd::{Keys, Member, counted_keys};
use crate::live::deadline::Deadline;
use crate::live::https::{self, ClientPair, Exchange, Transport};

/// Counts every key: from the byte 0 to the end (etcd `rpc.proto` RangeRequest). What every member has agreed on.
const COUNT: &str = r#"{"key":"AA==","range_end":"AA==","count_only":true}"#;
/// The same, from this member's own data: answered without a leader too.
const COUNT_HERE: &str = r#"{"key":"AA==","range_end":"AA==","count_only":true,"serializable":true}"#;

/// Another member than this node's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    pub name: String,
    /// Where it was asked: its client and its peer addresses.
    pub asked: Vec<SocketAddr>,
    /// Where something accepts connections.
    pub answers: Option<SocketAddr>,
    /// An address of it that is a name: it was not asked there.
    pub unasked: Option<String>,
}

/// Connects to each of these members, in parallel, but not to this node's own addresses. A connection alone counts as an answer: what is behind it may have
/// data and only lack a certificate or a leader.
pub fn others(inventory: &Inventory, members: &[&Member], timeout: Duration) -> Vec<Other> {
    let own: Vec<_> = endpoints::expected(inventory).endpoints.iter().map(|one| one.address).collect();
    let ask = |member: &Member| {
        let urls = || member.client_urls.iter().chain(&member.peer_urls);
        let mut asked = addresses(member);
        let peers = Member { client_urls: member.peer_urls.clone(), ..Member::default() };
        asked.extend(addresses(&peers));
        // Where only the peer address of a member is known, its client port is a guess.
        asked.retain(|address| !own.contains(address));
        asked.sort_unstable();
        asked.dedup();
        let deadline = Deadline::within(timeout);
        let connects = |address: &&SocketAddr| {
            // A timeout of zero is an error: nothing is asked after the deadline.
            TcpStream::connect_timeout(address, deadline.left()).is_ok()
        };
        let is_name =
            |url: &&String| host_of(url).is_none_or(|host| host.parse::<std::net::IpAddr>().is_err());
        let unasked = urls().find(is_name).cloned();
        let answers = std::thread::scope(|scope| {
            let each = asked.iter().map(|address| scope.spawn(move || connects(&address)));
            let each: Vec<_> = each.collect();
            let mut answers = asked.iter().zip(each).filter_map(|(address, thread)| {
                // A thread that died has not shown that nothing answers.
                thread.join().unwrap_or(true).then_some(*address)
            });
            let first = answers.next();
            answers.for_each(drop);
            first
        });
        Other { name: name(member), asked, answers, unasked }
    };
    std::thread::scope(|scope| {
        let asked: Vec<_> = members.iter().map(|member| scope.spawn(move || ask(member))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Other>| match thread.join() {
            Ok(other) => other,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        asked.into_iter().map(join).collect()
    })
}

/// The keys of this node's etcd and its revision, if it is healthy and the only member.
///
/// # Errors
/// It isn't yet; the text says what it lacks.
pub fn alone(inventory: &Inventory, timeout: Duration) -> Result<Keys, String> {
    let (address, pair) = local(inventory).ok_or("its address is not known")?;
    let members = list(address, pair.as_ref(), timeout).ok_or("no answer yet")?;
    match members.len() {
        1 => {}
        more => return Err(format!("it still has {more} members")),
    }
    match health(address, pair.as_ref(), Deadline::within(timeout)).0 {
        Health::Healthy => {}
        Health::Unhealthy => return Err("no leader yet".to_owned()),
        Health::Silent => return Err("no answer yet".to_owned()),
    }
    count(address, pair.as_ref(), COUNT, timeout).ok_or_else(|| "its keys cannot be read yet".to_owned())
}

/// The keys that this node's etcd has, with or without a quorum; `None` if it doesn't answer.
pub fn keys_here(inventory: &Inventory, timeout: Duration) -> Option<Keys> {
    let (address, pair) = local(inventory)?;
    count(address, pair.as_ref(), COUNT_HERE, timeout)
}

fn count(
    address: SocketAddr,
    pair: Option<&ClientPair>,
    body: &'static str,
    timeout: Duration,
) -> Option<Keys> {
    match https::post(address, Transport::Tls(pair), "/v3/kv/range", body, Deadline::within(timeout)) {
        Exchange::Connected { reply: Ok(reply), .. } => counted_keys(&reply.body).ok(),
        _ => None,
    }
}

fn local(inventory: &Inventory) -> Option<(SocketAddr, Option<ClientPair>)> {
    let address = endpoints::etcd_clients(inventory).first()?.address;
    Some((address, super::client(inventory)))
}
