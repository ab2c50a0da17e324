//! etcd's flag `--initial-cluster`, and the JSON of its gateway (`/health`, `/v3/cluster/member/list`; etcd
//! 3.4 to 3.6).

use serde::Deserialize;

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Member {
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
pub fn keys(body: &[u8]) -> Result<Keys, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_flag() {
        let members =
            initial_cluster("a=https://10.0.0.1:2380,b=https://10.0.0.2:2380,a=https://10.1.0.1:2380");
        let names: Vec<_> =
            members.iter().map(|member| (member.name.as_str(), member.peer_urls.len())).collect();
        assert_eq!(names, [("a", 2), ("b", 1)]);
        assert!(initial_cluster("").is_empty());
    }

    #[test]
    fn members_of_the_gateway() {
        // A real answer of etcd 3.4.23.
        let body = br#"{"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","raft_term":"2"},"members":[{"ID":"10276657743932975437","name":"default","peerURLs":["http://localhost:2380"],"clientURLs":["http://127.0.0.1:2379"]}]}"#;
        let members = member_list(body).unwrap();
        assert_eq!(members[0].name, "default");
        assert_eq!(members[0].client_urls, ["http://127.0.0.1:2379"]);
        assert!(member_list(b"{}").is_err());
        assert!(member_list(b"<html>").is_err());
    }

    #[test]
    fn counted_keys() {
        // Real answers of etcd 3.4.23.
        let body = br#"{"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","revision":"13","raft_term":"2"},"count":"12"}"#;
        assert_eq!(keys(body), Ok(Keys { count: 12, revision: 13 }));
        assert_eq!(keys(br#"{"header":{"revision":"1"}}"#), Ok(Keys { count: 0, revision: 1 }));
        assert!(keys(br#"{"error":"etcdserver: no leader","code":14}"#).is_err());
    }

    #[test]
    fn health() {
        assert!(is_healthy(br#"{"health":"true"}"#));
        assert!(is_healthy(br#"{"health":"true","reason":""}"#));
        assert!(!is_healthy(br#"{"health":"false","reason":"RAFT NO LEADER"}"#));
        assert!(!is_healthy(b"ok"));
    }
}
