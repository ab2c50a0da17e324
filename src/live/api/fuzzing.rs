//! The parsers of an answer's body, for the fuzz targets.

use super::error::first_line;
use super::objects::{LeaseObject, List};
use super::{Answer, Node, failing_checks, parse};
use crate::analysis::cluster::{pods, rollout, verify};
use crate::formats::objects::cluster::{self, ApiService, SigningRequest};
use crate::formats::objects::pods::Pod;
use crate::formats::objects::workloads::{Kind, Workload};

/// Reads `body` as every kind that is read; returns how many nodes and failing checks it has.
pub(crate) fn answer(body: &[u8]) -> usize {
    let nodes =
        parse::<List<cluster::Node>>(body).map_or(0, |list| list.items.into_iter().map(Node::from).count());
    let node = parse::<cluster::Node>(body).map_or(0, |node| Node::from(node).roles.len());
    let _lease = parse::<LeaseObject>(body);
    let _shown = first_line(body);
    let _good = Answer { status: 500, body: body.to_vec(), date: None, retry_after: None }.good();
    let judged = judged(body).unwrap_or(0);
    judged + nodes + node + failing_checks(body).map_or(0, |text| text.len())
}

/// Judges `body` as a list of every kind that is judged.
fn judged(body: &[u8]) -> Option<usize> {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let pods = parse::<List<Pod>>(body).ok()?.items;
    let nodes = parse::<List<cluster::Node>>(body).map(|list| list.items).unwrap_or_default();
    let mut found = verify::nodes(&nodes);
    found.extend(verify::pods(&pods, &nodes, "", now));
    found.extend(verify::control_plane(&pods, &nodes).1);
    if let Ok(list) = parse::<List<ApiService>>(body) {
        found.extend(verify::api_services(&list.items));
    }
    if let Ok(list) = parse::<List<SigningRequest>>(body) {
        found.extend(verify::requests(&list.items, Some(&nodes), now));
    }
    let mut count = found.len() + pods.iter().filter_map(|pod| pods::trouble(pod, None, now)).count();
    for workload in parse::<List<Workload>>(body).into_iter().flat_map(|list| list.items) {
        for kind in Kind::ALL {
            let _progress = rollout::progress(kind, &workload);
            count += usize::from(rollout::judge(kind, &workload, &pods, Some(now)).is_some());
        }
    }
    Some(count)
}
