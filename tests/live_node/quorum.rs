//! Several etcd members: their quorum is not broken unless that is wished.

use std::time::Instant;

use crate::kills::is_full;
use crate::node::{Options, PATIENCE, TestNode};

const SERVER: &str = "/etc/kubernetes/pki/etcd/server.crt";

pub(crate) const ADDRESS: &str = "192.168.10.11";

/// A member beside this node's, of the same certificates, on ports of its own.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) client: u16,
    pub(crate) peer: u16,
}

pub(crate) const SECOND: Member = Member { name: "cp-2", client: 12379, peer: 12380 };
pub(crate) const THIRD: Member = Member { name: "cp-3", client: 22379, peer: 22380 };

/// etcdctl as the health check's client.
pub(crate) fn etcdctl(node: &TestNode, port: u16, arguments: &str) -> crate::node::Run {
    let pki = "/var/tmp/pki";
    let line = format!(
        "etcdctl --endpoints=https://{ADDRESS}:{port} --cacert={pki}/ca.crt --cert={pki}/healthcheck-client.crt \
         --key={pki}/healthcheck-client.key --command-timeout=5s {arguments}"
    );
    node.exec(&["sh", "-c", &line])
}

pub(crate) fn is_healthy(node: &TestNode, port: u16) -> bool {
    etcdctl(node, port, "endpoint health").code == 0
}

/// Adds a member and waits until it is one.
pub(crate) fn join(node: &TestNode, member: &Member, cluster: &str) {
    let (name, client, peer) = (member.name, member.client, member.peer);
    // etcd refuses a change of its members within some seconds of the last one.
    node.wait_until("the member is added", PATIENCE, || {
        let added = etcdctl(node, 2379, &format!("member add {name} --peer-urls=https://{ADDRESS}:{peer}"));
        (added.code == 0).then_some(())
    });
    start(node, member, cluster);
    node.wait_until("the member is healthy", PATIENCE, || is_healthy(node, client).then_some(()));
}

pub(crate) fn start(node: &TestNode, member: &Member, cluster: &str) {
    let (name, client, peer) = (member.name, member.client, member.peer);
    let pki = "/var/tmp/pki";
    let line = format!(
        "setsid etcd --name={name} --data-dir=/var/tmp/{name} --initial-cluster-state=existing \
         --initial-cluster={cluster} --initial-advertise-peer-urls=https://{ADDRESS}:{peer} \
         --listen-peer-urls=https://{ADDRESS}:{peer} --listen-client-urls=https://{ADDRESS}:{client} \
         --advertise-client-urls=https://{ADDRESS}:{client} --client-cert-auth --trusted-ca-file={pki}/ca.crt \
         --cert-file={pki}/server.crt --key-file={pki}/server.key --peer-client-cert-auth \
         --peer-trusted-ca-file={pki}/ca.crt --peer-cert-file={pki}/peer.crt --peer-key-file={pki}/peer.key \
         </dev/null >/var/tmp/{name}.log 2>&1 & echo $! >/var/tmp/{name}.pid"
    );
    node.must(&["sh", "-c", &line]);
}

pub(crate) fn kill(node: &TestNode, member: &Member) {
    node.must(&["sh", "-c", &format!("kill -KILL $(cat /var/tmp/{}.pid)", member.name)]);
    node.wait_until("the member is gone", PATIENCE, || (!is_healthy(node, member.client)).then_some(()));
}

/// This node's member and two others, once the certificates of all three have expired.
fn three_with_expired_certificates() -> TestNode {
    let node = TestNode::ready_and_ending(50);
    node.must(&["cp", "-a", "/etc/kubernetes/pki/etcd", "/var/tmp/pki"]);
    let one = format!("cp-1=https://{ADDRESS}:2380");
    let two = format!("{one},{}=https://{ADDRESS}:{}", SECOND.name, SECOND.peer);
    let three = format!("{two},{}=https://{ADDRESS}:{}", THIRD.name, THIRD.peer);
    join(&node, &SECOND, &two);
    join(&node, &THIRD, &three);
    node.wait_until("the certificates have expired", PATIENCE, || {
        let asked = node.exec(&["openssl", "x509", "-checkend", "0", "-noout", "-in", SERVER]);
        (asked.code != 0).then_some(())
    });
    node
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn a_quorum_is_kept_unless_it_is_to_be_broken() {
    let node = TestNode::start("expired-all", &Options::healthy());
    node.wait_ready();
    // Their own copies: this node's are renewed.
    node.must(&["cp", "-a", "/etc/kubernetes/pki/etcd", "/var/tmp/pki"]);
    let one = format!("cp-1=https://{ADDRESS}:2380");
    let two = format!("{one},{}=https://{ADDRESS}:{}", SECOND.name, SECOND.peer);
    let three = format!("{two},{}=https://{ADDRESS}:{}", THIRD.name, THIRD.peer);
    join(&node, &SECOND, &two);

    // Of two members none may stop.
    let before = node.pods();
    let refused = node.kuberescue(&["restart", "etcd", "--yes"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.err.contains("[etcd-quorum]"), "{refused:?}");
    assert_eq!(node.pods(), before);

    join(&node, &THIRD, &three);
    assert_eq!(node.kuberescue(&["certs", "renew", "all", "--yes"]).code, 0);
    let run = node.kuberescue(&["restart", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    let place = |what: &str| run.err.find(what).unwrap_or_else(|| panic!("{what}: {run:?}"));
    assert!(place("etcd: back") < place("kube-apiserver: stopping"), "{run:?}");
    assert!(node.pods().iter().all(|(name, new)| new.id != before[name].id));
    assert!([2379, SECOND.client, THIRD.client].into_iter().all(|port| is_healthy(&node, port)));
    node.wait_until("all is well", PATIENCE, || (node.probe().1 == 0).then_some(()));

    kill(&node, &THIRD);
    let before = node.pods();
    for arguments in [["restart", "etcd", "--yes"], ["restart", "--all", "--yes"]] {
        let refused = node.kuberescue(&arguments);
        assert_eq!(refused.code, 5, "{refused:?}");
        assert!(refused.err.contains("[etcd-quorum]"), "{refused:?}");
        assert_eq!(node.pods(), before);
    }
    assert_eq!(node.kuberescue(&["certs", "renew", "etcd-peer", "--yes"]).code, 0);
    let refused = node.kuberescue(&["recover", "--yes"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.err.contains("[etcd-quorum]"), "{refused:?}");
    assert_eq!(node.pods(), before);
    // What isn't etcd may be restarted all the same.
    let run = node.kuberescue(&["restart", "kube-scheduler", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = node.kuberescue(&["restart", "etcd", "--break-quorum", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    assert_ne!(node.pods()["etcd"].id, before["etcd"].id);
    assert!(is_healthy(&node, 2379));
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn of_members_with_expired_certificates_the_first_is_recovered_without_a_leader() {
    let node = three_with_expired_certificates();

    // The others don't talk to a member with good certificates. That is said before, and isn't waited for.
    let before = node.pods();
    let run = node.kuberescue(&["recover", "--yes", "--proof-timeout", "5s"]);
    assert_eq!(run.code, 4, "{run:?}\n{}", node.story());
    let (_, others) = members_said(&run).rsplit_once("; ").unwrap();
    insta::assert_snapshot!(others, @"the certificates of cp-2, cp-3 have expired too: after a restart this member has no leader until those nodes are recovered");
    insta::assert_snapshot!(reason(&run), @"
    error [unhealthy]: the node is not healthy
    hint: etcd needs a quorum: if the other members' certificates have expired too, recover those nodes now; then kuberescue probe
    ");
    assert_ne!(node.pods()["kube-scheduler"].id, before["kube-scheduler"].id);
    assert_ne!(node.pods()["etcd"].id, before["etcd"].id);

    // They are recovered too: etcd reads its certificates again at each handshake.
    node.must(&["sh", "-c", "cp /etc/kubernetes/pki/etcd/* /var/tmp/pki/"]);
    node.wait_until("etcd has a leader", PATIENCE, || is_healthy(&node, 2379).then_some(()));
    let run = node.kuberescue(&["recover", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}\n{}", node.story());
    node.assert_green();
}

/// Why a run without a quorum did not end well, without the checks that fail for the lack of it.
fn reason(run: &crate::node::Run) -> String {
    let starts = ["note: not", "error [", "hint: etcd needs"];
    let lines = run.err.lines().filter(|line| starts.iter().any(|start| line.starts_with(start)));
    lines.map(|line| format!("{}\n", line.split(" after ").next().unwrap_or(line))).collect()
}

/// What a run says of etcd's members.
fn members_said(run: &crate::node::Run) -> &str {
    let line = run.out.lines().find_map(|line| Some(&line[line.find("etcd has ")?..]));
    line.unwrap_or_else(|| panic!("{run:?}"))
}

#[test]
#[ignore = "needs root, containerd, runc, etcd: make test-node"]
fn in_each_state_of_etcd_the_database_knows_its_members_and_a_recovery_stands() {
    let node = three_with_expired_certificates();
    let manifest = node.text("/etc/kubernetes/manifests/etcd.yaml");
    assert!(manifest.contains("--initial-cluster=cp-1=") && !manifest.contains("cp-2"), "{manifest}");
    // Each state is recovered, and taken back for the next one.
    let recover = |state: &str, proof: &str, has: &[&str]| {
        let run = node.kuberescue(&["recover", "--dry-run"]);
        let said = members_said(&run);
        assert!(has.iter().all(|has| said.contains(has)), "{state}: {said}");
        let before = node.on_disk(SERVER);
        let began = Instant::now();
        let going = node.begin(&["recover", "--yes", "--rollback-on-failure", "--proof-timeout", proof]);
        node.wait_until("the files are renewed", PATIENCE, || (node.on_disk(SERVER) != before).then_some(()));
        node.start_kubelet();
        let run = going.end(&node, PATIENCE);
        eprintln!("RECOVERED, {state}: {:.1} s\n{}", began.elapsed().as_secs_f64(), run.err);
        assert_eq!(run.code, 4, "{state}: {run:?}\n{}", node.story());
        insta::allow_duplicates! { insta::assert_snapshot!(reason(&run), @"
        note: not rolled back: etcd has no quorum until the other members are back
        error [unhealthy]: the node is not healthy
        hint: etcd needs a quorum: if the other members' certificates have expired too, recover those nodes now; then kuberescue probe
        ") }
        assert_ne!(node.on_disk(SERVER), before, "{state}");
    };
    let default = "300s";
    let quick = if is_full() { default } else { "5s" };
    let (three, disagrees) = (
        "etcd has 3 members, 2 make a quorum",
        "--initial-cluster in /etc/kubernetes/manifests/etcd.yaml has 1 member",
    );
    recover("running since before", default, &[three, disagrees]);
    assert_eq!(node.kuberescue(&["rollback", "--yes"]).code, 0);

    // etcd doesn't list its members then.
    node.respawn("etcd");
    let database = "members from etcd's database /var/lib/etcd/member/snap/db";
    recover("restarted since", quick, &[three, disagrees, database]);
    assert_eq!(node.kuberescue(&["rollback", "--yes"]).code, 0);

    kill(&node, &SECOND);
    kill(&node, &THIRD);
    node.stop_kubelet();
    let etcd = node.running("etcd").unwrap();
    node.signal(&etcd, "SIGKILL");
    recover("off", quick, &[three, "0 answer"]);
}
