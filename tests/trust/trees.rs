use kuberescue::report::trust::tree;

use crate::node::{Node, TREES, faults};

#[test]
fn print_all() {
    for name in TREES {
        let graph = Node::of(name).graph();
        eprintln!("=== {name}\n{}\n{:#?}", tree(&graph), faults(&graph));
    }
}
