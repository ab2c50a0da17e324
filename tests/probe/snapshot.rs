//! etcd's database as a real etcd streams it, with TLS and without.

use std::ops::ControlFlow;
use std::time::Duration;

use kuberescue::live::Fault;
use kuberescue::live::deadline::Deadline;
use kuberescue::live::etcd::snapshot::stream;
use kuberescue::live::https::Transport;
use kuberescue::state::{Code, Digest};

use super::judges::WithEtcd;
use super::server::Authority;

/// The whole stream, and how many bytes each piece said would follow.
fn all(etcd: &WithEtcd, transport: Transport<'_>) -> Result<(Vec<u8>, Vec<u64>), Fault> {
    let (mut bytes, mut remaining) = (Vec::new(), Vec::new());
    let deadline = Deadline::within(Duration::from_secs(60));
    stream(etcd.node.at.etcd, transport, deadline, &mut |piece| {
        bytes.extend(piece.bytes);
        remaining.push(piece.remaining);
        ControlFlow::Continue(())
    })?;
    Ok((bytes, remaining))
}

#[test]
fn a_real_etcd_streams_its_database_and_the_digest() {
    let mut etcd = WithEtcd::new();
    let client = etcd.node.etcd_ca.leaf("kube-etcd-healthcheck-client").pair();
    assert_eq!(all(&etcd, Transport::Tls(Some(&client))), Err(Fault::Refused));

    // Its own certificate has expired: no reason to have no snapshot.
    let (server, peer) = (etcd.node.etcd_ca.ended("lab-cp1"), etcd.node.served["etcd-peer"].clone());
    etcd.start(&server, &peer);
    let (bytes, remaining) = all(&etcd, Transport::Tls(Some(&client))).unwrap();
    assert_eq!(bytes.len() % 512, 32);
    let (content, digest) = bytes.split_at(bytes.len() - 32);
    assert_eq!(Digest::of(content), Digest::from(<[u8; 32]>::try_from(digest).unwrap()));
    assert_eq!(remaining[0] as usize, content.len().saturating_sub(32768), "{remaining:?}");
    assert_eq!(remaining.last(), Some(&0));

    // Whom etcd rejects, and who doesn't speak TLS.
    let expired = etcd.node.etcd_ca.ended("kube-etcd-healthcheck-client").pair();
    let stranger = Authority::new("etcd-ca").leaf("kube-etcd-healthcheck-client").pair();
    for client in [Some(&expired), Some(&stranger), None] {
        let fault = all(&etcd, Transport::Tls(client)).unwrap_err();
        assert_eq!(fault.code(), Code::ClientCertificateRejected, "{fault}");
    }
    assert!(all(&etcd, Transport::Plain).is_err());

    // Who has enough breaks off.
    let mut pieces = 0;
    let deadline = Deadline::within(Duration::from_secs(60));
    stream(etcd.node.at.etcd, Transport::Tls(Some(&client)), deadline, &mut |_| {
        pieces += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(pieces, 1);
}
