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
        "etcd's database is damaged: its header, or one of its pages",
        "etcd cannot open its database, or exits as soon as it reads the damaged page.",
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
        Code::EtcdNearlyFull,
        Etcd,
        "etcd's database is near its quota",
        "At the quota (--quota-backend-bytes, 2 GiB by default) etcd raises the alarm NOSPACE and refuses every write, until space is freed and the alarm is disarmed. The file counts, free pages in it too.",
        "Free pages stay in the file until it is defragmented. If most of it is in use, something writes very many objects: kuberescue etcd status counts the keys by resource.",
        "Save a snapshot first: kuberescue etcd snapshot save /root/etcd.db. The API server compacts every 5 minutes, so free pages are given back by etcdctl defrag, one member after the other. If most of it is in use, delete what fills it, or set a larger --quota-backend-bytes (at most 8 GiB) in etcd's manifest on every member.",
    ),
    page(
        Code::EtcdNotRead,
        Etcd,
        "part of etcd's database was not read",
        "What these objects would have said is missing here: names and validity of certificates that were configured (kubeadm-config), copies of the CAs, pending requests, last heartbeats. They are not judged.",
        "etcd wrote to its database during each attempt to read it, the disk reported an error, or the API server encrypts these objects (--encryption-provider-config).",
        "Run the command again; if the disk reports errors: journalctl -k -p err. Encrypted objects are read through the API server once it runs: kubectl get configmap kubeadm-config -n kube-system -o yaml. What was configured there can be given: --days, --add-san (kuberescue certs renew).",
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
    page(
        Code::EtcdForceNewCluster,
        Etcd,
        "etcd's manifest has --force-new-cluster",
        "Whenever etcd starts with it, it removes every other member and drops what is not committed. Once other members have joined again, the next restart cuts them off.",
        "The flag was left in after a rescue by hand, or kuberescue etcd rescue was interrupted.",
        "After kuberescue etcd rescue: kuberescue resume completes it, kuberescue rollback puts etcd's old data back. If the flag was put in by hand: remove that line from FILE with an editor, once etcd has one member and is healthy (kuberescue probe).",
    ),
    page(
        Code::EtcdNotLost,
        Refusal,
        "etcd's quorum is not lost, as far as can be seen",
        "A cluster of one is made only when every other member is gone for good: what another member has and this one lacks would be lost, and two clusters would go on beside each other.",
        "etcd has one member, another member answers at its client or peer port, or a member has an address that is a name and could not be asked. A member without a leader counts too: it may have the newest data.",
        "Bring the other members back: kuberescue recover on each of them, then kuberescue probe. If one of them is to be given up, switch that machine off first, then run kuberescue etcd rescue again on the member with the newest data.",
    ),
    page(
        Code::EtcdManifestUnclear,
        Refusal,
        "etcd's manifest cannot be changed safely",
        "etcd rescue puts one flag into the command of etcd's container and takes it out again, and copies the data directory. It does so only where it is known that nothing else changes.",
        "The manifest is a link, its command is not one word on each line or is run by a shell, the flag is there already, --wal-dir keeps the log elsewhere, or the members are not known.",
        "Write the command in FILE as kubeadm does, one flag on each line (kubeadm init phase etcd local --dry-run shows it), without --force-new-cluster, then run kuberescue etcd rescue again.",
    ),
];
