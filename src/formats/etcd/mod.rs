//! etcd's flag `--initial-cluster`, the JSON of its gateway (`/health`, `/v3/cluster/member/list`; etcd 3.4 to 3.6),
//! and its database.

mod cbor;
mod cluster;
mod configuration;
mod content;
mod database;
mod keys;
mod names;
mod object;
#[cfg(test)]
mod tests;
mod totals;

use serde::{Deserialize, Deserializer};

pub use cluster::{CaCopy, ClusterRecords, PendingRequest, Place, REGISTRY, cluster_records, prefix_of};
pub use configuration::{ClusterConfiguration, Etcd};
pub use content::{CaBundle, Content};
pub use database::{Alarm, Database, Status};
pub use keys::{KeyValue, Revision};
pub use object::{Object, Stored};
pub use totals::{Resources, Totals};

/// The database in a data directory: etcd 3.8.0-alpha.0 `server/storage/datadir/datadir.go`.
pub const DATABASE: &str = "member/snap/db";

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Member {
    /// `None` where it isn't known, as in the flag.
    #[serde(rename = "ID", alias = "id", deserialize_with = "id")]
    pub id: Option<u64>,
    /// Empty for a member that was added and has not started yet.
    pub name: String,
    #[serde(rename = "peerURLs")]
    pub peer_urls: Vec<String>,
    #[serde(rename = "clientURLs")]
    pub client_urls: Vec<String>,
    /// A learner doesn't vote.
    #[serde(rename = "isLearner")]
    pub is_learner: bool,
}

/// The gateway writes it as text, the database as a number.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_u64().or_else(|| value.as_str()?.parse().ok()))
}

/// The members in `--initial-cluster=NAME=URL,…`. A member may have several URLs.
pub fn initial_cluster(value: &str) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for part in value.split(',') {
        let Some((name, url)) = part.trim().split_once('=') else { continue };
        match members.iter_mut().find(|member| member.name == name) {
            Some(member) => member.peer_urls.push(url.to_owned()),
            None => members.push(Member {
                name: name.to_owned(),
                peer_urls: vec![url.to_owned()],
                ..Member::default()
            }),
        }
    }
    members
}

/// The members in an answer of `/v3/cluster/member/list`.
///
/// # Errors
/// It is no such answer.
pub fn member_list(body: &[u8]) -> Result<Vec<Member>, String> {
    #[derive(Deserialize)]
    struct Answer {
        members: Vec<Member>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|error| super::json_reason(&error))?;
    Ok(answer.members)
}

/// Whether an answer of `/health` means that the member has a leader and can commit.
pub fn is_healthy(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        health: serde_json::Value,
    }
    let answer: Result<Answer, _> = serde_json::from_slice(body);
    answer.is_ok_and(|answer| answer.health == "true" || answer.health == true)
}

/// How many keys etcd has, and its revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    pub count: u64,
    pub revision: u64,
}

/// The count in an answer of `/v3/kv/range`. The gateway writes numbers of 64 bits as text, and none for 0.
///
/// # Errors
/// It is no such answer.
pub fn counted_keys(body: &[u8]) -> Result<Keys, String> {
    #[derive(Deserialize)]
    struct Header {
        revision: String,
    }
    #[derive(Deserialize)]
    struct Answer {
        header: Header,
        count: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|error| super::json_reason(&error))?;
    let number = |text: &str| text.parse().map_err(|_| "not a number".to_owned());
    let count = answer.count.as_deref().map_or(Ok(0), number)?;
    Ok(Keys { count, revision: number(&answer.header.revision)? })
}
