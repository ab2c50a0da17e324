//! What the calls make of an answer's body, for the fuzz targets.

use super::error::first_line;
use super::objects::{LeaseObject, List, NodeObject};
use super::{Answer, Node, failing_checks, parse};

/// Reads `body` as everything that is asked for; how many nodes and failing checks it has.
pub(crate) fn answer(body: &[u8]) -> usize {
    let nodes =
        parse::<List<NodeObject>>(body).map_or(0, |list| list.items.into_iter().map(Node::from).count());
    let node = parse::<NodeObject>(body).map_or(0, |node| Node::from(node).roles.len());
    let _lease = parse::<LeaseObject>(body);
    let _shown = first_line(body);
    let _good = Answer { status: 500, body: body.to_vec(), date: None, retry_after: None }.good();
    nodes + node + failing_checks(body).map_or(0, |text| text.len())
}
