//! Every finding's code with its page: what it means, how it comes about, what to do. The codes are part of the
//! command line's contract: none is renamed or used for something else.

use super::page::{Class, Page, codes};

codes! {
    ClockBehind "clock-behind" Clock:
        "the clock is earlier than what the disk has seen",
        "Certificates that are valid look not yet valid, and ended ones may look valid. Nothing that is made now can be trusted to have right dates.",
        "The machine's clock was reset (a dead battery, a virtual machine resumed from an old state, local time taken for UTC), or a file on the disk carries a date from the future.",
        "Set the clock: date -u -s '2027-03-01 12:00:00', or chronyc makestep. Then look again. If the clock is right and the file's date is wrong: kuberescue recover --accept-clock.";
    NotYetValid "not-yet-valid" Credential:
        "a certificate starts in the future",
        "Everyone refuses it until then, with the same words as an ended one: certificate has expired or is not yet valid.",
        "It was made on a machine whose clock was ahead, or this machine's clock is behind: see whether clock-behind is reported too.",
        "Look at the clock: date -u. If it is right: kuberescue recover makes the certificate anew. If not, set it.";
    DiskFull "disk-full" Disk:
        "a file system of the node is full",
        "etcd stops taking writes, the kubelet evicts pods and can't renew its certificate, and files that are written now end up empty or cut off.",
        "Logs, images or old etcd snapshots have filled it, or so many small files that no inode is left.",
        "Make room: journalctl --vacuum-size=200M, and see what fills it (df -h FILE; df -i FILE; du -xh -d2 /var). kuberescue needs a few MiB for its archive and refuses to start without them.";
    EtcdDataMissing "etcd-data-missing" Etcd:
        "etcd's data is not there",
        "etcd would start as a new and empty cluster, or refuse to. Renewing certificates doesn't bring the data back.",
        "The disk that holds it isn't mounted, the directory was moved away for a restore, or it was deleted.",
        "See whether a mount is missing: findmnt --verify, then mount -a. Else put the directory back, or restore the newest snapshot (etcdutl snapshot restore SNAPSHOT.db --data-dir DIR) before anything is restarted. With several etcd members no snapshot is needed: remove this one and join it again.";
    EtcdDataBroken "etcd-data-broken" Etcd:
        "etcd's database has no valid header",
        "etcd can't open its database and ends at once.",
        "A power loss or a full disk has cut the file off, or something else was written over it.",
        "Keep a copy before anything else: cp -a FILE /root/etcd-db-broken. Then restore the newest snapshot (etcdutl snapshot restore); with several members remove this one (etcdctl member remove) and join it again.";
    EtcdNoSnapshot "etcd-snapshot-missing" Etcd:
        "etcd's log asks for a snapshot file that is not there",
        "etcd ends at once with: snap: snapshot file doesn't exist.",
        "The machine lost power while the snapshot was written.",
        "Keep a copy of the directory: cp -a /var/lib/etcd /root/etcd-broken. Then restore the newest snapshot (etcdutl snapshot restore); with several members remove this one (etcdctl member remove) and join it again.";
    ManifestMissing "manifest-missing" Manifest:
        "a static pod of the control plane has no manifest",
        "The kubelet starts nothing that has no manifest: the component stays away.",
        "It was moved away by hand (the documented way to restart a static pod) and not moved back, or an upgrade was interrupted.",
        "Look where it went: find /etc/kubernetes /root /tmp -name '*.yaml*'; then mv it back as FILE again. Else take it from an archive (kuberescue archive list, archive restore), or make it anew: kubeadm init phase control-plane all, kubeadm init phase etcd local.";
    ManifestUnreadable "manifest-unreadable" Manifest:
        "a file in the manifest directory is no pod",
        "The kubelet logs an error for it every 20 seconds and starts nothing from it.",
        "It was edited by hand and broken, or cut off by a full disk.",
        "Compare it with an archive (kuberescue archive diff ARCHIVE) or with the manifest of another control-plane node, and mend it. What is no manifest at all (notes, a backup) belongs elsewhere: mv FILE /root/ and the kubelet is quiet.";
    DuplicateManifest "duplicate-manifest" Manifest:
        "two manifests for one component",
        "The kubelet reads every file of the directory: two pods fight for the same ports, and which one runs is chance.",
        "A backup copy was left in the manifest directory. Every name counts there, .bak and .orig too; only names that begin with a dot don't.",
        "Compare the two, then move the copy out of the directory: mv FILE /root/.";
    FlagFileMissing "flag-file-missing" Manifest:
        "a flag names a file that is not there",
        "The component ends at once with an error about that file.",
        "The file was deleted or moved, or the manifest came from another node.",
        "Bring it back: from an archive (kuberescue archive diff ARCHIVE shows what was there), or from another control-plane node (scp NODE:FILE FILE). Only what kubeadm makes can be issued anew by kuberescue recover.";
    KubeletConfigMissing "kubelet-config-missing" Kubelet:
        "the kubelet's configuration file is not there",
        "The kubelet ends at once: failed to load kubelet config file. No static pod is started.",
        "It was deleted, or kubeadm join was interrupted.",
        "Copy it from another node of the same version: scp NODE:FILE FILE; then systemctl restart kubelet.";
    KubeletConfigBroken "kubelet-config-broken" Kubelet:
        "the kubelet's configuration file can't be read",
        "The kubelet ends at once. No static pod is started.",
        "It was edited by hand and broken, or cut off by a full disk.",
        "Compare it with an archive (kuberescue archive diff ARCHIVE), or copy it from another node of the same version: scp NODE:FILE FILE; then systemctl restart kubelet.";
    KubeletConfMissing "kubelet-conf-missing" Kubelet:
        "the kubelet's kubeconfig is not there or can't be read",
        "The kubelet ends at once: unable to load bootstrap kubeconfig. No static pod is started.",
        "It was deleted (a step of the documented repair), or cut off by a full disk.",
        "Copy it with scp NODE:FILE FILE from another node, where it names kubelet-client-current.pem and holds no key. Or on a control-plane node: kubeadm init phase kubeconfig kubelet. Then systemctl restart kubelet.";
    CaMissing "ca-missing" Credential:
        "the certificate of a CA is not there",
        "Nothing that it signed can be checked, and nothing can be signed.",
        "It was deleted, or the PKI directory is another one than is looked at.",
        "Take it with scp NODE:FILE FILE from another control-plane node (the CAs are the same on all of them), or from a backup. Is the PKI directory another one: kuberescue diagnose --cert-dir DIR.";
    CaUnreadable "ca-unreadable" Credential:
        "the certificate of a CA can't be read",
        "Nothing that it signed can be checked, and nothing can be signed.",
        "The file was cut off, emptied or overwritten.",
        "Take it with scp NODE:FILE FILE from another control-plane node (the CAs are the same on all of them), or from a backup.";
    NotACa "not-a-ca" Credential:
        "the file of a CA holds a certificate that is none",
        "Go and openssl refuse everything that it is said to have signed.",
        "A leaf was copied over it, or it was made by hand without basicConstraints.",
        "See what it is (openssl x509 -noout -text -in FILE). Take the CA's certificate with scp NODE:FILE FILE from another control-plane node, or from a backup.";
    CaExpired "ca-expired" Credential:
        "a CA has ended",
        "Everything that it has signed is refused, however long it would live. Renewing leafs is of no use.",
        "kubeadm's CAs live ten years and nobody renews them.",
        "Make the CA anew from its own key, so that everything it has signed stays valid: in the PKI directory, openssl x509 -in ca.crt -signkey ca.key -days 3650 -out ca-new.crt && mv ca-new.crt ca.crt (README, \"When the CA itself has ended\"). Then kuberescue recover, and the same ca.crt to every other node.";
    CaExpiring "ca-expiring" Credential:
        "a CA ends within two years",
        "When it does, everything it has signed is refused at once, on all nodes.",
        "kubeadm's CAs live ten years and nobody renews them.",
        "Plan it: a CA can be made anew from its own key long before (openssl x509 -signkey; README, \"When the CA itself has ended\"). kuberescue diagnose --horizon 2y shows what ends when.";
    CaNotYetValid "ca-not-yet-valid" Credential:
        "a CA starts in the future",
        "Everything that it has signed is refused until then.",
        "It was made on a machine whose clock was ahead, or this machine's clock is behind.",
        "Look at the clock: date -u. If it is right, the CA has to be made anew from its own key: kuberescue explain ca-expired.";
    CaKeyMissing "ca-key-missing" Credential:
        "the key of a CA is not on this node",
        "Its leafs can't be renewed here.",
        "An external CA, or the key was taken away and kept somewhere safe, or it is lost.",
        "Put the key back for the repair (scp NODE:DIR/ca.key …), or run kuberescue recover on a control-plane node that has it. With an external CA the leafs have to be signed there. kuberescue recover --partial renews what other CAs sign.";
    CaKeyUnreadable "ca-key-unreadable" Credential:
        "the key of a CA can't be read",
        "Its leafs can't be renewed here.",
        "The file was cut off, or the key is encrypted, which kubeadm's never are.",
        "See what is wrong with it: openssl pkey -noout -in KEY. Take it from another control-plane node or from a backup.";
    CaKeyMismatch "ca-key-mismatch" Credential:
        "the key of a CA belongs to another one",
        "What it signed now would be refused by everyone who trusts the certificate.",
        "Key and certificate were copied from two clusters, or kubeadm reset and init have made a new CA between.",
        "Find the key whose public half is that of the certificate, in backups and on other nodes: compare openssl x509 -noout -pubkey -in FILE with openssl pkey -pubout -in KEY.";
    CaKeyOnWorker "ca-key-on-worker" Exposure:
        "the key of a CA lies on a worker",
        "Who gets root on this worker can sign himself an administrator of the whole cluster.",
        "The PKI directory was copied to a node that needs only ca.crt, or the node was a control-plane node once.",
        "Remove it there (shred -u FILE), and think about who could have read it.";
    Expired "expired" Credential:
        "a certificate has ended",
        "Everyone refuses it: x509: certificate has expired or is not yet valid.",
        "kubeadm's leafs live one year; they are renewed by an upgrade, or by hand, or not at all.",
        "kuberescue recover renews everything that has ended, and restarts what has to read it. A kubeconfig in a home: copy the renewed admin.conf over it.";
    Expiring "expiring" Credential:
        "a certificate ends within 30 days",
        "It works until then.",
        "kubeadm's leafs live one year, and nobody renews them but an upgrade. The kubelet renews its own client certificate long before, so one of the kubelet's here means that its rotation fails.",
        "kuberescue certs renew all, then kuberescue restart. For the kubelet: journalctl -u kubelet, kubectl get csr.";
    LeafOutlivesCa "leaf-outlives-ca" Credential:
        "a certificate is dated to live longer than its CA",
        "It is refused when the CA ends, although its own dates say otherwise.",
        "kubeadm doesn't cut the dates of a leaf to those of its CA.",
        "Mind the CA's end, not the leaf's: kuberescue diagnose --horizon 10y. kuberescue cuts the dates of what it makes.";
    Missing "missing" Credential:
        "a credential is not there",
        "What needs it doesn't start, or can't reach what it has to reach.",
        "It was deleted, or a restore brought only a part back.",
        "kuberescue recover issues it from what manifests and its siblings say.";
    Unreadable "unreadable" Credential:
        "a credential can't be read",
        "What needs it doesn't start.",
        "The file holds something else than it should.",
        "kuberescue recover issues it anew.";
    FileEmpty "file-empty" Credential:
        "a credential's file is empty",
        "What needs it doesn't start.",
        "The disk was full, or the machine lost power, while it was written.",
        "See that there is room (df -h FILE). Then kuberescue recover issues it anew.";
    FileTruncated "file-truncated" Credential:
        "a credential's file is cut off",
        "What needs it doesn't start.",
        "The disk was full, or the machine lost power, while it was written.",
        "See that there is room (df -h FILE). Then kuberescue recover issues it anew.";
    FileNotPem "file-not-pem" Credential:
        "a credential's file is not PEM",
        "What needs it doesn't start.",
        "Another file was copied over it, or it is in DER.",
        "kuberescue recover issues it anew. One in DER is turned into PEM by openssl x509 -inform DER -in FILE -out NEW.";
    SeveralCertificates "several-certificates" Credential:
        "a file holds several certificates",
        "The first one counts, the others are sent along as a chain. kubeadm 1.20 refuses such a file; later ones drop the others when they renew.",
        "A chain with an intermediate CA, or files that were put together by hand.",
        "See what they are: openssl crl2pkcs7 -nocrl -certfile FILE | openssl pkcs7 -print_certs -noout. Remove those that are not needed; kuberescue certs renew keeps only the first one.";
    KeyMissing "key-missing" Credential:
        "the key of a certificate is not there",
        "The certificate is of no use.",
        "Only certificates were copied or restored.",
        "kuberescue recover makes both anew.";
    KeyUnreadable "key-unreadable" Credential:
        "the key of a certificate can't be read",
        "The certificate is of no use.",
        "The file was cut off, or the key is encrypted.",
        "kuberescue recover makes both anew.";
    KeyMismatch "key-mismatch" Credential:
        "the key belongs to another certificate",
        "What needs the pair doesn't start: tls: private key does not match public key.",
        "One of the two was restored or copied alone, or a renewal died between the two files.",
        "kuberescue recover makes both anew.";
    WrongAuthority "wrong-authority" Credential:
        "a certificate is issued by another CA",
        "Who trusts only this node's CA refuses it: x509: certificate signed by unknown authority.",
        "It was copied from another cluster, or signed by the wrong one of the three CAs.",
        "First make sure that the CA here is the cluster's: openssl x509 -noout -fingerprint -sha256 -in ca.crt, the same on all nodes. Then kuberescue recover makes the certificate anew.";
    CaReplaced "ca-replaced" Credential:
        "a certificate is signed by another CA of the same name",
        "Names fit and signatures don't: everything looks right, and everyone refuses it.",
        "kubeadm reset and init have made new CAs, and some files are still of the time before (or the other way round).",
        "Before anything is renewed find out which CA the other nodes have: openssl x509 -noout -fingerprint -sha256 -in ca.crt on each. If it is the one here, kuberescue recover makes the certificate anew.";
    EmbeddedCaDiffers "embedded-ca-differs" Credential:
        "a kubeconfig holds another CA than this node's",
        "Who uses it refuses the API server's certificate, unless both have the same key.",
        "The CA was made anew, and this copy is still the old one.",
        "Put the node's CA into it: kubectl config set-cluster NAME --kubeconfig FILE --certificate-authority /etc/kubernetes/pki/ca.crt --embed-certs, NAME being its cluster's there. kuberescue recover does so in the kubeconfigs that it renews, which kubelet.conf and copies in homes are not.";
    NamesMissing "names-missing" Credential:
        "a serving certificate lacks a name that it is asked by",
        "Clients that use this name are refused: x509: certificate is valid for A, not B.",
        "The node has another name or address than when the certificate was made, or a load balancer was put before it.",
        "Move certificate and key away (mv FILE /root/, and the .key): kuberescue recover issues them with the names that the manifests say; renewing alone would keep the old names. Names beyond these (certSANs) have to stand in kubeadm's configuration: kubeadm init phase certs apiserver --config kubeadm.yaml.";
    NamesOfAnotherNode "names-of-another-node" Credential:
        "a certificate is another node's",
        "Clients and etcd's other members refuse a server with another's names; the API server refuses a kubelet that speaks for another node.",
        "The PKI directory or the kubelet's was copied from another node, leafs and all.",
        "Move certificate and key away (mv FILE /root/, and the .key): kuberescue recover issues them for this node. Only the CAs and sa.* are the same on all nodes.";
    UsageWrong "usage-wrong" Credential:
        "a certificate is not made for what it is used for",
        "It is refused: x509: certificate specifies an incompatible key usage.",
        "It was made by hand without the extended key usage that its place needs, or two files were swapped.",
        "Move certificate and key away (mv FILE /root/, and the .key): kuberescue recover issues them as kubeadm does; renewing alone would keep the usage.";
    FrontProxyName "front-proxy-name" Credential:
        "the front proxy's client has a name that is not allowed",
        "Aggregated APIs (metrics, autoscaling) answer Unauthorized.",
        "--requestheader-allowed-names of the API server lists other names than the certificate's CN.",
        "Put the certificate's CN (openssl x509 -noout -subject -in FILE) into the flag, or move certificate and key away: kuberescue recover issues them with the CN front-proxy-client, as kubeadm does.";
    WeakKey "weak-key" Credential:
        "a key is short",
        "RSA keys below 2048 bits can be broken, and openssl and rustls refuse them as they are set by default.",
        "It was made by hand or long ago.",
        "Move certificate and key away (mv FILE /root/, and the .key): kuberescue recover makes a new pair; renewing alone would keep the size.";
    WeakSignature "weak-signature" Credential:
        "a certificate is signed with an old hash",
        "Kubernetes 1.24 and later (Go 1.18) refuse SHA-1 signatures, all versions refuse MD5.",
        "It was made by hand or long ago.",
        "kuberescue certs renew all makes it anew, signed with SHA-256. A CA is made anew from its own key: kuberescue explain ca-expired.";
    SerialReuse "serial-reuse" Credential:
        "two certificates of one CA have the same serial number",
        "They can't be told apart in logs and revocation lists; some programs refuse the second one.",
        "They were made by hand with a fixed serial number, or from copies of one CA's state.",
        "Renew one of them: kuberescue certs renew NAME.";
    SaPairMismatch "sa-pair-mismatch" Credential:
        "sa.pub is not the public half of sa.key",
        "The API server refuses every token that is signed now: pods lose the API.",
        "One of the two was restored or copied alone.",
        "Compare sha256sum of sa.key and sa.pub with another control-plane node, where both are the same. If sa.key is the right one: openssl pkey -in sa.key -pubout -out sa.pub, then kuberescue restart kube-apiserver.";
    SaMissing "sa-missing" Credential:
        "the key of the service accounts is not there or can't be read",
        "API server and controller manager don't start.",
        "It was deleted, or a restore brought only a part back.",
        "Take it with scp NODE:FILE FILE from another control-plane node, or from a backup. A lost sa.pub is made from sa.key: openssl pkey -in sa.key -pubout -out sa.pub. A new pair makes every token invalid.";
    KubeletLinkMissing "kubelet-link-missing" Credential:
        "kubelet-client-current.pem is not there",
        "The kubelet has no client certificate: it doesn't start without bootstrap-kubelet.conf, and then no static pod is started.",
        "It was deleted (a step of the documented repair), or the power went between two steps of a rotation.",
        "kuberescue recover makes a new one for this node and puts the link back.";
    KubeletLinkDangling "kubelet-link-dangling" Credential:
        "kubelet-client-current.pem leads nowhere",
        "The kubelet has no client certificate: it doesn't start, and then no static pod is started.",
        "The dated file was deleted, or the directory was copied without it.",
        "kuberescue recover makes a new one for this node and puts the link back.";
    KubeletLinkNoLink "kubelet-link-no-link" Credential:
        "kubelet-client-current.pem is a file, not a link",
        "The kubelet ends at once: expected to be a symlink but it is a file.",
        "It was copied with a tool that follows links.",
        "Give it a dated name and put the link: mv FILE FILE_DIR/kubelet-client-2027-03-01-12-00-00.pem; ln -s FILE_DIR/kubelet-client-2027-03-01-12-00-00.pem FILE; systemctl restart kubelet.";
    KubeletLinkOld "kubelet-link-old" Credential:
        "kubelet-client-current.pem leads to an older certificate than there is",
        "The kubelet uses the old one until it rotates, or ends if that has ended.",
        "The power went between two steps of a rotation, or the link was put back by hand.",
        "Put the link to the newer file: ln -sfn NEWER FILE && systemctl restart kubelet. Or kuberescue recover, where the old one has ended.";
    KubeletConfEmbedded "kubelet-conf-embedded" Credential:
        "kubelet.conf holds a certificate instead of leading to the rotated one",
        "The kubelet rotates its certificate, and after a restart uses the old one from the kubeconfig all the same.",
        "The cluster was made by kubeadm before 1.17, whose init left it so.",
        "kuberescue recover renews it where it is. For good: let client-certificate and client-key of FILE both name /var/lib/kubelet/pki/kubelet-client-current.pem, once it is there, and systemctl restart kubelet.";
    KubeletCrashLoop "kubelet-crash-loop" Credential:
        "the kubelet doesn't start any more once it is stopped",
        "It ends with: unable to load bootstrap kubeconfig. From then on no static pod is started: a stopped API server stays dead.",
        "Its client certificate has ended and bootstrap-kubelet.conf is gone, as on every joined node.",
        "Restart nothing by hand. kuberescue recover makes the kubelet's certificate before it stops anything.";
    KubeletServingExpired "kubelet-serving-expired" Credential:
        "the kubelet's own serving certificate has ended",
        "Nobody checks it by default. Where the API server has --kubelet-certificate-authority, kubectl logs and exec fail; metrics-server without --kubelet-insecure-tls fails too.",
        "The kubelet makes it once, for a year, and never renews it.",
        "kuberescue recover makes it anew. By hand: rm kubelet.crt and kubelet.key in /var/lib/kubelet/pki, both, and systemctl restart kubelet.";
    KeyExposed "key-exposed" Exposure:
        "a private key can be read by others than its owner",
        "Who can log in to this machine can take the identity.",
        "It was copied with cp or scp without -p, or restored with a loose umask.",
        "Close it with chmod 600 FILE, and renew it if someone could have read it.";
    KeyLyingAbout "key-lying-about" Exposure:
        "a private key lies where it is forgotten",
        "Backups and copies are read, copied and stolen more easily than the original; keys of a CA are the whole cluster.",
        "A backup before a repair (cp -r /etc/kubernetes …), or a copy that was carried from node to node.",
        "Delete it (shred -u FILE), or keep it where it is kept safe: kuberescue archive create keeps a copy in /var/lib/kuberescue with mode 0600.";
    SuperAdminMissing "super-admin-missing" Credential:
        "there is no super-admin.conf",
        "No fault: kubeadm init of 1.29 and later makes it, join doesn't. Without it nobody gets past broken RBAC.",
        "The node joined the cluster, or the file was put away for safety, as recommended.",
        "Nothing has to be done. If it is wanted: kubeadm init phase kubeconfig super-admin.";
    AdminStillMasters "admin-still-masters" Credential:
        "admin.conf is still of system:masters",
        "It can't be restricted or revoked by RBAC. Renewing keeps it so.",
        "The cluster is older than 1.29, which changed admin.conf to kubeadm:cluster-admins.",
        "If the binding is there (kubectl get clusterrolebinding kubeadm:cluster-admins; kubeadm upgrade apply makes it): mv FILE /root/, then kubeadm init phase kubeconfig admin.";
    EtcdExternal "etcd-external" Etcd:
        "etcd is not on this node",
        "Its servers' certificates can't be looked at here; the API server's client certificate for it is not kubeadm's and isn't renewed.",
        "The cluster was made with an external etcd.",
        "Nothing has to be done here: look at etcd's own nodes, and at the client certificate (openssl x509 -noout -enddate -in the file of --etcd-certfile).";
    EtcdClientExpired "etcd-client-expired" Credential:
        "the client certificate for the external etcd has ended",
        "The API server can't reach etcd and ends.",
        "It comes from whoever runs that etcd, and is renewed there.",
        "Get a new pair from etcd's CA and put it where --etcd-certfile and --etcd-keyfile say, then kuberescue restart kube-apiserver.";
    NodesCaDiffers "nodes-ca-differs" Credential:
        "nodes of one cluster have different CAs",
        "What one half signs the other half refuses.",
        "kubeadm reset and init on one node, or a restore of another cluster's files.",
        "Find out which CA the running API servers and most nodes have, and bring that one (certificate and key) to the others before anything is renewed; kuberescue archive diff compares two of them.";
    NodesSaDiffers "nodes-sa-differs" Credential:
        "nodes of one cluster have different service-account keys",
        "Tokens that one API server accepts another refuses: pods fail by chance.",
        "sa.key and sa.pub were not copied when the node joined, or were made anew on one node.",
        "Bring sa.key and sa.pub of the node whose controller manager leads to the others, and restart their API servers: kuberescue restart kube-apiserver.";
    NodesCopied "nodes-copied" Credential:
        "nodes share a leaf certificate",
        "Its names are those of one node: clients and etcd's members refuse it on the other.",
        "The renewed PKI directory of one node was copied to the others, leafs and all.",
        "On the nodes whose names it doesn't have: move the pair away, kuberescue recover issues one for the node. Only the CAs and sa.* are copied.";
    ContextBroken "context-broken" Kubeconfig:
        "a context leads to something that is not in the kubeconfig",
        "kubectl doesn't get through with it: it tries localhost:8080, or asks for a name and a password.",
        "A cluster or a user was deleted or renamed and the context was not, a file of $KUBECONFIG is missing, or the cluster entry has no server.",
        "See what is there: kubectl config get-contexts, get-clusters and get-users, each with --kubeconfig FILE. Then point the context at them: kubectl config set-context NAME --cluster CLUSTER --user USER, or take the file from its source again.";
    NoCredential "no-credential" Kubeconfig:
        "the user of a context has nothing to authenticate with",
        "kubectl asks for a name and a password, which API servers have not taken since Kubernetes 1.19.",
        "The user entry is empty: the credential was left out of a template, or taken away before the file was passed on.",
        "Take the file from its source again, or give the user what it lacks: kubectl config set-credentials USER with --client-certificate and --client-key, --token or --exec-command.";
    Insecure "insecure" Kubeconfig:
        "the API server's certificate is not verified",
        "Whoever answers at the address is trusted, and gets the token or the password that is sent.",
        "insecure-skip-tls-verify was set to get past a certificate error, and stayed.",
        "Give the cluster its CA and end that: kubectl config set-cluster NAME --certificate-authority ca.crt --embed-certs --insecure-skip-tls-verify=false, ca.crt being /etc/kubernetes/pki/ca.crt of a control-plane node. If the server is refused then, kuberescue probe there says why.";
    NoCa "no-ca" Kubeconfig:
        "a cluster has no CA of its own",
        "kubectl goes by the CAs that the machine trusts. Those of kubeadm are not among them: x509: certificate signed by unknown authority. Nor can a client certificate be held against a CA here.",
        "The server has a certificate that the whole world trusts, as behind a public load balancer: then all is well. Or the CA was left out.",
        "If it is kubeadm's cluster: kubectl config set-cluster NAME --certificate-authority ca.crt --embed-certs, ca.crt being /etc/kubernetes/pki/ca.crt of a control-plane node.";
    NotReachable "not-reachable" Kubeconfig:
        "the API server of a context doesn't answer, or with what its CA doesn't vouch for",
        "kubectl doesn't get through with this context from this machine.",
        "The server is down or has moved, a firewall or a missing VPN is between, or its certificate has ended, lacks the name that it is asked by, or is of another CA than the one in the kubeconfig.",
        "The reason stands beside it. Where nobody answers: look at network, name and port. Where a certificate is refused: kuberescue probe and kuberescue diagnose on a control-plane node say what is served and why; if the cluster has a new CA, take the kubeconfig from it again.";
    ProxyNotUsed "proxy-not-used" Kubeconfig:
        "the server was asked directly, though the kubeconfig names a proxy",
        "No fault: what is said of the connection is of another way than kubectl's.",
        "proxy-url stands in the cluster entry, and kuberescue goes through no proxy.",
        "Ask the way that kubectl goes: kubectl --context NAME version, or run the check from where no proxy is needed.";
    NotChecked "not-checked" Kubeconfig:
        "whether the CA has signed a certificate could not be checked",
        "No fault, and no proof: names and dates are right, the signature is made in a way that is not known here.",
        "CA or certificate has a key or a signature of a rare kind, such as DSA or an uncommon curve.",
        "Have it checked by something else: openssl verify -CAfile ca.crt FILE.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_unique_and_explained() {
        let mut names: Vec<_> = CODES.iter().map(|code| code.as_str()).collect();
        for code in CODES {
            let page = code.page();
            assert!(page.code.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", page.code);
            assert_eq!(Code::named(page.code), Some(*code));
            for text in [page.title, page.meaning, page.cause, page.remedy] {
                assert!(text.len() > 10, "{}", page.code);
            }
            for sentence in [page.meaning, page.cause, page.remedy] {
                assert!(
                    sentence.ends_with('.') || sentence.ends_with("recover."),
                    "{}: {sentence}",
                    page.code
                );
            }
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CODES.len());
    }
}
