//! The drawn forms, judged by Graphviz itself; of Mermaid, which only a browser with a network can
//! judge, the lines are counted.

use std::io::Write as _;
use std::process::{Command, Stdio};

use kuberescue::analysis::forensics::trust::Graph;
use kuberescue::report::trust::{dot, mermaid};
use regex::Regex;

use crate::common::skip;
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

/// How many nodes, edges and faulty edges Mermaid's text has. Each line is one of these and nothing else, and in quotes are letters,
/// digits, harmless marks and entities only.
fn lines_of(text: &str) -> (usize, usize, usize) {
    let quoted = r#""(?:[\p{L}\p{N} ./,]|#\d+;|<br/>)*""#;
    let node = format!(r"^  n\d+(\(\[|\[\[|\{{\{{|\[){quoted}(\]\)|\]\]|\}}\}}|\]):::\w+$");
    let edge = format!(r"^  n\d+ (-->|-\.->)\|{quoted}\| n\d+$");
    let other =
        r"^(flowchart LR|  classDef \w+ (\w+:#\w{6},?)+|  linkStyle [\d,]+ stroke:#\w{6},color:#\w{6})$";
    let [nodes, edges, others] = [&node, &edge, other].map(|pattern| {
        let pattern = Regex::new(pattern).unwrap();
        text.lines().filter(|line| pattern.is_match(line)).count()
    });
    assert_eq!(nodes + edges + others, text.lines().count(), "{text}");
    let faulty = text.lines().find_map(|line| line.strip_prefix("  linkStyle "));
    (nodes, edges, faulty.map_or(0, |numbers| numbers.split(' ').next().unwrap().split(',').count()))
}

/// Every node and every edge is drawn once, and nothing else.
pub fn assert_drawn(graph: &Graph) {
    let (nodes, edges) = (graph.nodes.len(), graph.edges.len());
    let faulty = graph.faults().count();
    assert_eq!(lines_of(&mermaid(graph)), (nodes, edges, faulty), "{}", mermaid(graph));
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

/// As Mermaid's own editor shows it.
#[test]
fn a_node_in_mermaids_words() {
    let mut node = Node::of("mixed");
    for path in [
        "kubelet.conf",
        "manifests/kube-apiserver.yaml",
        "manifests/kube-controller-manager.yaml",
        "manifests/kube-scheduler.yaml",
    ] {
        node.remove(&format!("/etc/kubernetes/{path}"));
    }
    insta::assert_snapshot!(mermaid(&node.graph()), @r#"
    flowchart LR
      n0{{"ca<br/>/etc/kubernetes/pki/ca.crt #40;#43;4#41;<br/>until 2036#45;11#45;20<br/>ok"}}:::ok
      n1(["key of ca<br/>/etc/kubernetes/pki/ca.key<br/>ok"]):::ok
      n2{{"etcd#45;ca<br/>/etc/kubernetes/pki/etcd/ca.crt<br/>until 2036#45;11#45;20<br/>ok"}}:::ok
      n3(["key of etcd#45;ca<br/>/etc/kubernetes/pki/etcd/ca.key<br/>ok"]):::ok
      n4{{"front#45;proxy#45;ca<br/>/etc/kubernetes/pki/front#45;proxy#45;ca.crt<br/>until 2036#45;11#45;20<br/>ok"}}:::ok
      n5(["key of front#45;proxy#45;ca<br/>/etc/kubernetes/pki/front#45;proxy#45;ca.key<br/>ok"]):::ok
      n6(["key of sa<br/>/etc/kubernetes/pki/sa.key<br/>ok"]):::ok
      n7["admin.conf<br/>/etc/kubernetes/admin.conf client#45;certificate#45;data<br/>until 2027#45;11#45;23<br/>ok"]:::ok
      n8(["key of admin.conf<br/>/etc/kubernetes/admin.conf client#45;key#45;data<br/>ok"]):::ok
      n9["apiserver<br/>/etc/kubernetes/pki/apiserver.crt<br/>until 2027#45;11#45;23<br/>ok"]:::ok
      n10(["key of apiserver<br/>/etc/kubernetes/pki/apiserver.key<br/>ok"]):::ok
      n11["apiserver#45;etcd#45;client<br/>/etc/kubernetes/pki/apiserver#45;etcd#45;client.crt<br/>until 2027#45;11#45;23<br/>ok"]:::ok
      n12(["key of apiserver#45;etcd#45;client<br/>/etc/kubernetes/pki/apiserver#45;etcd#45;client.key<br/>ok"]):::ok
      n13["apiserver#45;kubelet#45;client<br/>/etc/kubernetes/pki/apiserver#45;kubelet#45;client.crt<br/>until 2027#45;11#45;23<br/>KEY OF ANOTHER"]:::faulty
      n14(["key of apiserver#45;kubelet#45;client<br/>/etc/kubernetes/pki/apiserver#45;kubelet#45;client.key<br/>ok"]):::ok
      n15["controller#45;manager.conf<br/>/etc/kubernetes/controller#45;manager.conf client#45;certificate#45;data<br/>until 2024#45;03#45;01<br/>EXPIRED 998 d ago"]:::faulty
      n16(["key of controller#45;manager.conf<br/>/etc/kubernetes/controller#45;manager.conf client#45;key#45;data<br/>ok"]):::ok
      n17["etcd#45;healthcheck#45;client<br/>/etc/kubernetes/pki/etcd/healthcheck#45;client.crt<br/>until 2027#45;11#45;23<br/>ok"]:::ok
      n18(["key of etcd#45;healthcheck#45;client<br/>/etc/kubernetes/pki/etcd/healthcheck#45;client.key<br/>ok"]):::ok
      n19["etcd#45;peer<br/>/etc/kubernetes/pki/etcd/peer.crt<br/>until 2027#45;11#45;23<br/>NOT SIGNED BY etcd#45;ca"]:::faulty
      n20(["key of etcd#45;peer<br/>/etc/kubernetes/pki/etcd/peer.key<br/>ok"]):::ok
      n21["etcd#45;server<br/>/etc/kubernetes/pki/etcd/server.crt<br/>until 2027#45;11#45;23<br/>ok"]:::ok
      n22(["key of etcd#45;server<br/>/etc/kubernetes/pki/etcd/server.key<br/>ok"]):::ok
      n23["front#45;proxy#45;client<br/>/etc/kubernetes/pki/front#45;proxy#45;client.crt<br/>UNREADABLE"]:::faulty
      n24(["key of front#45;proxy#45;client<br/>/etc/kubernetes/pki/front#45;proxy#45;client.key<br/>ok"]):::ok
      n25["scheduler.conf<br/>/etc/kubernetes/scheduler.conf client#45;certificate#45;data<br/>until 2027#45;11#45;23<br/>ok"]:::ok
      n26(["key of scheduler.conf<br/>/etc/kubernetes/scheduler.conf client#45;key#45;data<br/>ok"]):::ok
      n27["super#45;admin.conf<br/>/etc/kubernetes/super#45;admin.conf client#45;certificate#45;data<br/>until 2027#45;11#45;23<br/>ok"]:::ok
      n28(["key of super#45;admin.conf<br/>/etc/kubernetes/super#45;admin.conf client#45;key#45;data<br/>ok"]):::ok
      n29["kubelet#45;client<br/>/var/lib/kubelet/pki/kubelet#45;client#45;current.pem<br/>until 2027#45;11#45;23<br/>ok"]:::ok
      n30(["key of kubelet#45;client<br/>/var/lib/kubelet/pki/kubelet#45;client#45;current.pem<br/>ok"]):::ok
      n31{{"cp#45;1#45;ca#64;1795472638<br/>/var/lib/kubelet/pki/kubelet.crt<br/>until 2027#45;11#45;23<br/>ok"}}:::ok
      n32["kubelet#45;serving<br/>/var/lib/kubelet/pki/kubelet.crt<br/>until 2027#45;11#45;23<br/>ok"]:::ok
      n33(["key of kubelet#45;serving<br/>/var/lib/kubelet/pki/kubelet.key<br/>ok"]):::ok
      n34[["etcd<br/>#45;#45;cert#45;file<br/>#45;#45;key#45;file"]]:::ok
      n35[["etcd<br/>#45;#45;trusted#45;ca#45;file"]]:::ok
      n36[["etcd<br/>#45;#45;peer#45;cert#45;file<br/>#45;#45;peer#45;key#45;file"]]:::affected
      n37[["etcd<br/>#45;#45;peer#45;trusted#45;ca#45;file"]]:::ok
      n38[["kubelet<br/>kubeconfig"]]:::ok
      n39[["kubelet<br/>clientCAFile"]]:::ok
      n40[["kubelet<br/>serving"]]:::ok
      n41[["kubectl<br/>admin.conf"]]:::ok
      n42[["kubectl<br/>super#45;admin.conf"]]:::ok
      n1 -->|"key of"| n0
      n3 -->|"key of"| n2
      n5 -->|"key of"| n4
      n8 -->|"key of"| n7
      n10 -->|"key of"| n9
      n12 -->|"key of"| n11
      n14 -.->|"key of<br/>KEY OF ANOTHER"| n13
      n16 -->|"key of"| n15
      n18 -->|"key of"| n17
      n20 -->|"key of"| n19
      n22 -->|"key of"| n21
      n24 -->|"key of"| n23
      n26 -->|"key of"| n25
      n28 -->|"key of"| n27
      n30 -->|"key of"| n29
      n33 -->|"key of"| n32
      n21 -->|"presented by"| n34
      n2 -->|"trusted by"| n35
      n19 -.->|"presented by<br/>NOT TRUSTED"| n36
      n2 -->|"trusted by"| n37
      n29 -->|"presented by"| n38
      n0 -->|"trusted by"| n39
      n32 -->|"presented by"| n40
      n7 -->|"presented by"| n41
      n0 -->|"trusted by"| n41
      n27 -->|"presented by"| n42
      n0 -->|"trusted by"| n42
      n7 -->|"signed by"| n0
      n9 -->|"signed by"| n0
      n11 -->|"signed by"| n2
      n13 -->|"signed by"| n0
      n15 -->|"signed by"| n0
      n17 -->|"signed by"| n2
      n19 -.->|"names as its issuer<br/>NOT SIGNED BY etcd#45;ca"| n2
      n21 -->|"signed by"| n2
      n25 -->|"signed by"| n0
      n27 -->|"signed by"| n0
      n29 -->|"signed by"| n0
      n32 -->|"signed by"| n31
      linkStyle 6,18,33 stroke:#c5221f,color:#c5221f
      classDef ok fill:#e6f4ea,stroke:#188038,color:#1f1f1f
      classDef unknown fill:#f1f3f4,stroke:#5f6368,color:#1f1f1f
      classDef affected fill:#fef7e0,stroke:#b06000,color:#1f1f1f
      classDef faulty fill:#fce8e6,stroke:#c5221f,color:#1f1f1f
    "#);
}

#[test]
fn an_empty_node_can_be_drawn() {
    let mut node = Node::of("rsa2048");
    node.0 = kuberescue::state::Snapshot::default();
    assert_drawn(&node.graph());
}
