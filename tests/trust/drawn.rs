//! The drawn forms, judged by Graphviz itself and by the grammar.

use std::io::Write as _;
use std::process::{Command, Stdio};

use kuberescue::analysis::forensics::trust::Graph;
use kuberescue::report::trust::{dot, mermaid};

use crate::common::skip;
use crate::mermaid_grammar::{Drawn, parse};
use crate::node::{Node, TREES};

/// What `dot -Tsvg` makes of it; `None` where there is no Graphviz.
pub fn svg(text: &str) -> Option<String> {
    let child = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(_) => {
            skip("no dot of Graphviz");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let done = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{err}");
    for complaint in ["syntax", "Error", "unknown", "not a known"] {
        assert!(!err.contains(complaint), "{err}");
    }
    Some(String::from_utf8(done.stdout).unwrap())
}

/// Every node and every edge is drawn once, and nothing else.
pub fn assert_drawn(graph: &Graph) {
    let (nodes, edges) = (graph.nodes.len(), graph.edges.len());
    let faulty = graph.faults().count();
    assert_eq!(parse(&mermaid(graph)), Ok(Drawn { nodes, edges, faulty }), "{}", mermaid(graph));
    if let Some(svg) = svg(&dot(graph)) {
        let count = |class: &str| svg.matches(&format!("<g id=\"{class}")).count();
        assert_eq!((count("node"), count("edge")), (nodes, edges));
        assert!(!svg.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    }
}

#[test]
fn every_tree_can_be_drawn() {
    for name in TREES {
        assert_drawn(&Node::of(name).graph());
    }
}

#[test]
fn an_empty_node_can_be_drawn() {
    let mut node = Node::of("rsa2048");
    node.0 = kuberescue::state::Snapshot::default();
    assert_drawn(&node.graph());
}
