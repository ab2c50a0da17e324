//! Pages: etcd.

use super::Class::{Etcd, Refusal};
use super::{Code, Page, page};

pub(super) const PAGES: &[Page] = &[
    page(
        Code::EtcdDataMissing,
        Etcd,
        "etcd's data was not found",
        "etcd would start as a new and empty cluster, or refuse to. Renewing certificates does not bring the data back.",
        "The disk that holds it is not mounted, the directory was moved away for a restore, or it was deleted.",
        "See whether a mount is missing: findmnt --verify, then mount -a. Else put the directory back, or restore the newest snapshot (etcdutl snapshot restore SNAPSHOT.db --data-dir DIR) before anything is restarted. With several etcd members no snapshot is needed: remove this one and join it again.",
    ),
    page(
        Code::EtcdDataBroken,
        Etcd,
        "etcd's database has no valid header",
        "etcd cannot open its database and exits at once.",
        "A power loss or a full disk has cut the file off, or something else was written over it.",
        "Keep a copy before anything else: cp -a FILE /root/etcd-db-broken. Then restore the newest snapshot (etcdutl snapshot restore); with several members remove this one (etcdctl member remove) and join it again.",
    ),
    page(
        Code::EtcdNoSnapshot,
        Etcd,
        "etcd's log reports a missing snapshot file",
        "etcd exits at once with: snap: snapshot file doesn't exist.",
        "The machine lost power while the snapshot was written.",
        "Keep a copy of the directory: cp -a /var/lib/etcd /root/etcd-broken. Then restore the newest snapshot (etcdutl snapshot restore); with several members remove this one (etcdctl member remove) and join it again.",
    ),
    page(
        Code::EtcdExternal,
        Etcd,
        "etcd is not on this node",
        "Its servers' certificates cannot be looked at here; the API server's client certificate for it is not kubeadm's and is not renewed.",
        "The cluster was set up with an external etcd.",
        "Nothing has to be done here: look at etcd's own nodes, and at the client certificate (openssl x509 -noout -enddate -in the file of --etcd-certfile).",
    ),
    page(
        Code::EtcdQuorum,
        Refusal,
        "stopping this etcd member would lose the quorum",
        "Without a quorum etcd accepts no writes, and the API server is down for the whole cluster.",
        "Other members are down already, or cannot be reached because their certificates have expired.",
        "Bring the other members back first. Where the certificates of all members have expired: kuberescue recover --break-quorum, one node after the other.",
    ),
];
