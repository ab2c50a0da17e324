//! Another root program writes into a staged file in the instant before it is put in place: that is what the node has
//! then, and the run says so.

use insta::assert_snapshot;

use super::common::{NOW, Node};
use super::decode::{Op, is_staged};
use super::tracer::{Answer, Finished, Watch, kuberescue_on, trace};

const PATH: &str = "/etc/kubernetes/pki/apiserver.crt";

/// Writes into what is renamed to the path.
struct Intruder;

impl Watch for Intruder {
    fn before(&mut self, op: &Op) -> Answer {
        if let Op::Rename { from, to, .. } = op
            && to.ends_with(&PATH[1..])
            && is_staged(from.file_name().unwrap())
        {
            std::fs::write(from, "theirs").unwrap();
        }
        Answer::Go
    }
}

/// Kills the program at the rename of the path.
struct Killer;

impl Watch for Killer {
    fn before(&mut self, op: &Op) -> Answer {
        match op {
            Op::Rename { to, .. } if to.ends_with(&PATH[1..]) => Answer::Kill,
            _ => Answer::Go,
        }
    }
}

fn run(node: &Node, command: &str, watch: &mut dyn Watch) -> Finished {
    trace(node.root(), &kuberescue_on(node.root(), command), watch)
}

#[test]
fn what_is_put_in_place_but_was_written_by_another_is_told() {
    let renew = format!("certs renew all --at {NOW} --accept-clock");
    let disturbed = |node: &Node, command: &str| {
        let finished = run(node, command, &mut Intruder);
        assert_eq!(node.text(PATH), "theirs", "{finished}");
        let err = finished.err.replace(node.root().to_str().unwrap(), "ROOT");
        let last = err.split_once("error [").map_or(err.as_str(), |(_, last)| last);
        let first = finished.out.lines().find(|line| line.contains("but for")).unwrap_or_default();
        format!("$ {command}: {:?}\n{first}\n{last}", finished.code)
    };
    let (renewed, resumed) = (Node::of("ecdsa-p256"), Node::of("ecdsa-p256"));
    let mut said = vec![disturbed(&renewed, &renew)];
    let back = renewed.run("rollback --yes --overwrite");
    assert_eq!(back.code, 0, "{back}");
    run(&resumed, &renew, &mut Killer);
    said.push(disturbed(&resumed, "resume"));
    let renewed = Node::of("ecdsa-p256");
    renewed.must(&renew);
    said.push(disturbed(&renewed, "rollback --yes"));
    assert_snapshot!(said.join("\n"), @"
    $ certs renew all --at 2026-11-24T00:00:00Z --accept-clock: Some(4)

    changed-meanwhile]: /etc/kubernetes/pki/apiserver.crt does not have the content of this change: something else wrote to it at the same time; the rest is made
    hint: sudo kuberescue rollback --overwrite archives that, and restores the old state

    $ resume: Some(4)
    Resumed: the interrupted change is complete, every file is the new one but for 1 file.
    changed-meanwhile]: /etc/kubernetes/pki/apiserver.crt does not have the content of this change: something else wrote to it at the same time; the rest is made
    hint: kuberescue diagnose shows the node as it is now

    $ rollback --yes: Some(4)
    Rolled back: the old state is restored but for 1 file.
    changed-meanwhile]: /etc/kubernetes/pki/apiserver.crt does not have the content of this change: something else wrote to it at the same time; the rest is made
    hint: kuberescue diagnose shows the node as it is now
    ");
}
