//! Every finding's code with its page: what it means, how it comes about, what to do. The codes are part of the
//! command line's contract: none is renamed or used for something else.

use serde::{Serialize, Serializer};

/// What kind of trouble a finding is: certificates are what this tool repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The clock.
    Clock,
    /// Space on the disk.
    Disk,
    /// etcd's data.
    Etcd,
    /// Static-pod manifests.
    Manifest,
    /// The kubelet's configuration.
    Kubelet,
    /// Certificates, keys, kubeconfigs.
    Credential,
    /// Keys that others can read.
    Exposure,
}

/// The page of a code.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Page {
    /// The code as it is printed.
    pub code: &'static str,
    /// What kind of trouble it is.
    pub class: Class,
    /// In a few words.
    pub title: &'static str,
    /// What it means for the node.
    pub meaning: &'static str,
    /// How it comes about.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($name:ident $code:literal $class:ident: $title:literal, $meaning:literal, $cause:literal, $remedy:literal;)*) => {
        /// What is wrong, as a stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        /// Every code, in the order of `explain --list`.
        pub const CODES: &[Code] = &[$(Code::$name),*];

        impl Code {
            /// Its page.
            pub const fn page(self) -> Page {
                match self {
                    $(Self::$name => Page {
                        code: $code,
                        class: Class::$class,
                        title: $title,
                        meaning: $meaning,
                        cause: $cause,
                        remedy: $remedy,
                    },)*
                }
            }
        }
    };
}

codes! {
    ClockBehind "clock-behind" Clock:
        "the clock is earlier than what the disk has seen",
        "Certificates that are valid look not yet valid, and ended ones may look valid. Nothing that is made now can be trusted to have right dates.",
        "The machine's clock was reset (a dead battery, a virtual machine resumed from an old state, local time taken for UTC), or a file on the disk carries a date from the future.",
        "Set the clock (date -u -s '2027-03-01 12:00:00', or the time service), then look again. If the clock is right and the file's date is wrong: --accept-clock.";
    NotYetValid "not-yet-valid" Credential:
        "a certificate starts in the future",
        "Everyone refuses it until then, with the same words as an ended one: certificate has expired or is not yet valid.",
        "It was made on a machine whose clock was ahead, or this machine's clock is behind: see whether clock-behind is reported too.",
        "If the clock is right: kuberescue recover makes it anew. If not: set the clock.";
    DiskFull "disk-full" Disk:
        "a file system of the node is full",
        "etcd stops taking writes, the kubelet evicts pods and can't renew its certificate, and files that are written now end up empty or cut off.",
        "Logs, images or old etcd snapshots have filled it.",
        "Make room (journalctl --vacuum-size=200M, old files in /var/log and /var/lib/etcd backups), then look again. kuberescue needs a few MiB and refuses to start without them.";
    EtcdDataMissing "etcd-data-missing" Etcd:
        "etcd's data directory is not there",
        "etcd would start as a new and empty cluster, or refuse to. This is not a certificate problem: renewing doesn't bring the data back.",
        "The disk that holds it isn't mounted, the directory was moved away for a restore, or it was deleted.",
        "Look whether a mount is missing (/etc/fstab). Else restore the newest etcd snapshot (etcdutl snapshot restore) before anything is restarted.";
    EtcdDataBroken "etcd-data-broken" Etcd:
        "etcd's database has no valid header",
        "etcd can't open its database and ends at once. This is not a certificate problem.",
        "A power loss or a full disk has cut the file off, or something else was written over it.",
        "Keep a copy of the directory. A member of a cluster is removed and joined again; a single one is restored from its newest snapshot.";
    EtcdNoSnapshot "etcd-snapshot-missing" Etcd:
        "etcd's log asks for a snapshot file that is not there",
        "etcd ends at once with: snap: snapshot file doesn't exist.",
        "The machine lost power while the snapshot was written.",
        "Keep a copy of the directory; restore from the newest snapshot, or remove the member and join it again.";
    ManifestMissing "manifest-missing" Manifest:
        "a static pod of the control plane has no manifest",
        "The kubelet starts nothing that has no manifest: the component stays away.",
        "It was moved away by hand (the documented way to restart a static pod) and not moved back, or an upgrade was interrupted.",
        "Look for it beside the directory and in /etc/kubernetes/tmp; kuberescue archive list may have one; kubeadm init phase control-plane all makes it anew.";
    ManifestUnreadable "manifest-unreadable" Manifest:
        "a file in the manifest directory is no pod",
        "The kubelet logs an error for it every 20 seconds and starts nothing from it.",
        "It was edited by hand and broken, or cut off by a full disk.",
        "Compare it with the manifest of another control-plane node or of an archive (kuberescue archive diff).";
    DuplicateManifest "duplicate-manifest" Manifest:
        "two manifests for one component",
        "The kubelet reads every file of the directory: two pods fight for the same ports, and which one runs is chance.",
        "A backup copy was left in the manifest directory. Every name counts there, .bak and .orig too; only names that begin with a dot don't.",
        "Move the copy to another directory.";
    FlagFileMissing "flag-file-missing" Manifest:
        "a flag names a file that is not there",
        "The component ends at once with an error about that file.",
        "The file was deleted or moved, or the manifest came from another node.",
        "kuberescue recover issues kubeadm's own certificates; any other file has to come back from a backup.";
    KubeletConfigMissing "kubelet-config-missing" Kubelet:
        "the kubelet's configuration file is not there",
        "The kubelet ends at once: failed to load kubelet config file. No static pod is started.",
        "It was deleted, or kubeadm join was interrupted.",
        "Copy /var/lib/kubelet/config.yaml from another node of the same version, or take it from an archive.";
    KubeletConfigBroken "kubelet-config-broken" Kubelet:
        "the kubelet's configuration file can't be read",
        "The kubelet ends at once. No static pod is started.",
        "It was edited by hand and broken, or cut off by a full disk.",
        "Compare it with that of another node or of an archive (kuberescue archive diff).";
    CaMissing "ca-missing" Credential:
        "the certificate of a CA is not there",
        "Nothing that it signed can be checked, and nothing can be signed.",
        "It was deleted, or the PKI directory is another one than is looked at.",
        "Take it from another control-plane node (the CAs are the same on all of them) or from a backup. --cert-dir names another directory.";
    CaUnreadable "ca-unreadable" Credential:
        "the certificate of a CA can't be read",
        "Nothing that it signed can be checked, and nothing can be signed.",
        "The file was cut off, emptied or overwritten.",
        "Take it from another control-plane node or from a backup.";
    NotACa "not-a-ca" Credential:
        "the file of a CA holds a certificate that is none",
        "Go and openssl refuse everything that it is said to have signed.",
        "A leaf was copied over it, or it was made by hand without basicConstraints.",
        "Take the CA's certificate from another control-plane node or from a backup.";
    CaExpired "ca-expired" Credential:
        "a CA has ended",
        "Everything that it has signed is refused, however long it would live. Renewing leafs is of no use.",
        "kubeadm's CAs live ten years and nobody renews them.",
        "The CA is made anew from its own key, so that everything it has signed stays valid: README, \"When the CA itself has ended\". Then kuberescue recover.";
    CaExpiring "ca-expiring" Credential:
        "a CA ends within two years",
        "When it does, everything it has signed is refused at once, on all nodes.",
        "kubeadm's CAs live ten years and nobody renews them.",
        "Plan it: a CA can be made anew from its own key long before (README, \"When the CA itself has ended\").";
    CaNotYetValid "ca-not-yet-valid" Credential:
        "a CA starts in the future",
        "Everything that it has signed is refused until then.",
        "It was made on a machine whose clock was ahead, or this machine's clock is behind.",
        "Look at the clock first: date -u.";
    CaKeyMissing "ca-key-missing" Credential:
        "the key of a CA is not on this node",
        "Its leafs can't be renewed here.",
        "An external CA, or the key was taken away and kept somewhere safe, or it is lost.",
        "Put the key back for the repair, or do the repair on a control-plane node that has it. With an external CA the leafs have to be signed there.";
    CaKeyUnreadable "ca-key-unreadable" Credential:
        "the key of a CA can't be read",
        "Its leafs can't be renewed here.",
        "The file was cut off, or the key is encrypted, which kubeadm's never are.",
        "Take it from another control-plane node or from a backup.";
    CaKeyMismatch "ca-key-mismatch" Credential:
        "the key of a CA belongs to another one",
        "What it signed now would be refused by everyone who trusts the certificate.",
        "Key and certificate were copied from two clusters, or kubeadm reset and init have made a new CA between.",
        "Find the key whose public half is that of the certificate, in backups and on other nodes.";
    CaKeyOnWorker "ca-key-on-worker" Exposure:
        "the key of a CA lies on a worker",
        "Who gets root on this worker can sign himself an administrator of the whole cluster.",
        "The PKI directory was copied to a node that needs only ca.crt, or the node was a control-plane node once.",
        "Remove the key there (shred -u), and think about who could have read it.";
    Expired "expired" Credential:
        "a certificate has ended",
        "Everyone refuses it: x509: certificate has expired or is not yet valid.",
        "kubeadm's leafs live one year; they are renewed by an upgrade, or by hand, or not at all.",
        "kuberescue recover renews everything that has ended, and restarts what has to read it.";
    Expiring "expiring" Credential:
        "a certificate ends within 30 days",
        "It works until then.",
        "kubeadm's leafs live one year; the kubelet renews its own client certificate, nobody renews the others.",
        "kuberescue certs renew all, then kuberescue restart.";
    LeafOutlivesCa "leaf-outlives-ca" Credential:
        "a certificate is dated to live longer than its CA",
        "It is refused when the CA ends, although its own dates say otherwise.",
        "kubeadm doesn't cut the dates of a leaf to those of its CA.",
        "Mind the CA's end, not the leaf's. kuberescue cuts the dates of what it makes.";
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
        "kuberescue recover issues it anew. See that there is room on the disk first.";
    FileTruncated "file-truncated" Credential:
        "a credential's file is cut off",
        "What needs it doesn't start.",
        "The disk was full, or the machine lost power, while it was written.",
        "kuberescue recover issues it anew. See that there is room on the disk first.";
    FileNotPem "file-not-pem" Credential:
        "a credential's file is not PEM",
        "What needs it doesn't start.",
        "Another file was copied over it, or it is in DER.",
        "kuberescue recover issues it anew; DER is turned into PEM by openssl x509 -inform DER.";
    SeveralCertificates "several-certificates" Credential:
        "a file holds several certificates",
        "The first one counts. kubeadm 1.20 refuses such a file; later ones drop the others when they renew.",
        "A chain with an intermediate CA, or files that were put together by hand.",
        "If the others are not needed, remove them; renewing keeps only the first one.";
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
        "kuberescue recover makes it anew with the CA on this node. First make sure that this is the cluster's CA.";
    CaReplaced "ca-replaced" Credential:
        "a certificate is signed by another CA of the same name",
        "Names fit and signatures don't: everything looks right, and everyone refuses it.",
        "kubeadm reset and init have made new CAs, and some files are still of the time before (or the other way round).",
        "Find out which CA the other nodes have (kuberescue diagnose NODE1 NODE2 compares archives) before anything is renewed.";
    EmbeddedCaDiffers "embedded-ca-differs" Credential:
        "a kubeconfig holds another CA than this node's",
        "Who uses it refuses the API server's certificate, unless both have the same key.",
        "The CA was made anew, and this copy is still the old one.",
        "kuberescue recover puts the node's CA into the kubeconfigs that it renews; kubelet.conf and copies in homes have to be edited.";
    NamesMissing "names-missing" Credential:
        "a serving certificate lacks a name that it is asked by",
        "Clients that use this name are refused: x509: certificate is valid for A, not B.",
        "The node has another name or address than when the certificate was made, or a load balancer was put before it.",
        "Move certificate and key away: kuberescue recover issues them with the names that the manifests say; names beyond these stand in certSANs of kubeadm's configuration.";
    NamesOfAnotherNode "names-of-another-node" Credential:
        "a serving certificate is another node's",
        "Clients and etcd's other members refuse it here.",
        "The PKI directory was copied from another control-plane node, leafs and all.",
        "Move certificate and key away: kuberescue recover issues them for this node. Only the CAs and sa.* are the same on all nodes.";
    UsageWrong "usage-wrong" Credential:
        "a certificate is not made for what it is used for",
        "It is refused: x509: certificate specifies an incompatible key usage.",
        "It was made by hand without the extended key usage that its place needs, or two files were swapped.",
        "Move certificate and key away: kuberescue recover issues them as kubeadm does.";
    FrontProxyName "front-proxy-name" Credential:
        "the front proxy's client has a name that is not allowed",
        "Aggregated APIs (metrics, autoscaling) answer Unauthorized.",
        "--requestheader-allowed-names of the API server lists other names than the certificate's CN.",
        "Put the certificate's CN into the flag, or issue the certificate anew with an allowed name.";
    WeakKey "weak-key" Credential:
        "a key is short",
        "RSA keys below 2048 bits are refused by newer programs, and can be broken.",
        "It was made by hand or long ago.",
        "Move certificate and key away: kuberescue recover makes a new pair.";
    WeakSignature "weak-signature" Credential:
        "a certificate is signed with an old hash",
        "Go refuses SHA-1 and MD5 signatures: the certificate is of no use to Kubernetes.",
        "It was made by hand or long ago.",
        "kuberescue recover makes it anew, signed with SHA-256.";
    SerialReuse "serial-reuse" Credential:
        "two certificates of one CA have the same serial number",
        "They can't be told apart in logs and revocation lists; some programs refuse the second one.",
        "They were made by hand with a fixed serial number, or from copies of one CA's state.",
        "Renew one of them: kuberescue certs renew NAME.";
    SaPairMismatch "sa-pair-mismatch" Credential:
        "sa.pub is not the public half of sa.key",
        "The API server refuses every token that the controller manager signs: all pods lose the API.",
        "One of the two was restored or copied alone.",
        "Make sa.pub anew from sa.key if that one is right: openssl pkey -in sa.key -pubout -out sa.pub. On all control-plane nodes both are the same.";
    SaMissing "sa-missing" Credential:
        "the key of the service accounts is not there or can't be read",
        "API server and controller manager don't start.",
        "It was deleted, or a restore brought only a part back.",
        "Take sa.key and sa.pub from another control-plane node or from a backup. A new pair makes every token invalid.";
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
        "Move it away; kuberescue recover makes a new pair and the link.";
    KubeletLinkOld "kubelet-link-old" Credential:
        "kubelet-client-current.pem leads to an older certificate than there is",
        "The kubelet uses the old one until it rotates, or ends if that has ended.",
        "The power went between two steps of a rotation, or the link was put back by hand.",
        "Put the link to the newer file (ln -sfn FILE kubelet-client-current.pem) and restart the kubelet, or kuberescue recover.";
    KubeletConfEmbedded "kubelet-conf-embedded" Credential:
        "kubelet.conf holds a certificate instead of leading to the rotated one",
        "The kubelet rotates its certificate, and after a restart uses the old one from the kubeconfig all the same.",
        "The cluster was made by kubeadm before 1.17, whose init left it so.",
        "Point client-certificate and client-key of kubelet.conf to /var/lib/kubelet/pki/kubelet-client-current.pem and restart the kubelet.";
    KubeletCrashLoop "kubelet-crash-loop" Credential:
        "the kubelet doesn't start any more once it is stopped",
        "It ends with: unable to load bootstrap kubeconfig. From then on no static pod is started: a stopped API server stays dead.",
        "Its client certificate has ended and bootstrap-kubelet.conf is gone, as on every joined node.",
        "Restart nothing by hand. kuberescue recover makes the kubelet's certificate before it stops anything.";
    KubeletServingExpired "kubelet-serving-expired" Credential:
        "the kubelet's own serving certificate has ended",
        "Nobody checks it by default; with --kubelet-certificate-authority kubectl logs and exec fail, and metrics do.",
        "The kubelet makes it once, for a year, and never renews it.",
        "kuberescue recover makes it anew; or delete kubelet.crt and kubelet.key and restart the kubelet.";
    KeyExposed "key-exposed" Exposure:
        "a private key can be read by others than its owner",
        "Who can log in to this machine can take the identity.",
        "It was copied with cp or scp without -p, or restored with a loose umask.",
        "chmod 600 on it; renew it if someone could have read it.";
    KeyLyingAbout "key-lying-about" Exposure:
        "a private key lies where it is forgotten",
        "Backups and copies are read, copied and stolen more easily than the original; keys of a CA are the whole cluster.",
        "A backup before a repair (cp -r /etc/kubernetes …), or a copy that was carried from node to node.",
        "Delete it (shred -u), or keep it where it is kept safe. kuberescue's own archives are in /var/lib/kuberescue with mode 0600.";
    SuperAdminMissing "super-admin-missing" Credential:
        "there is no super-admin.conf",
        "No fault: kubeadm init of 1.29 and later makes it, join doesn't. Without it nobody gets past broken RBAC.",
        "The node joined the cluster, or the file was put away for safety, as recommended.",
        "Nothing has to be done.";
    AdminStillMasters "admin-still-masters" Credential:
        "admin.conf is still of system:masters",
        "It can't be restricted or revoked by RBAC. Renewing keeps it so.",
        "The cluster is older than 1.29, which changed admin.conf to kubeadm:cluster-admins.",
        "After an upgrade to 1.29 or later: kubeadm init phase kubeconfig admin, with the old file moved away.";
    EtcdExternal "etcd-external" Etcd:
        "etcd is not on this node",
        "Its servers' certificates can't be looked at here; the API server's client certificate for it is not kubeadm's and isn't renewed.",
        "The cluster was made with an external etcd.",
        "Look at etcd's own nodes, and see the file of --etcd-certfile.";
    EtcdClientExpired "etcd-client-expired" Credential:
        "the client certificate for the external etcd has ended",
        "The API server can't reach etcd and ends.",
        "It comes from whoever runs that etcd, and is renewed there.",
        "Get a new pair from etcd's CA and put it where --etcd-certfile and --etcd-keyfile say, then kuberescue restart kube-apiserver.";
    NodesCaDiffers "nodes-ca-differs" Credential:
        "nodes of one cluster have different CAs",
        "What one half signs the other half refuses.",
        "kubeadm reset and init on one node, or a restore of another cluster's files.",
        "Find out which CA the running API servers and most nodes have, and bring that one (certificate and key) to the others before anything is renewed.";
    NodesSaDiffers "nodes-sa-differs" Credential:
        "nodes of one cluster have different service-account keys",
        "Tokens that one API server accepts another refuses: pods fail by chance.",
        "sa.key and sa.pub were not copied when the node joined, or were made anew on one node.",
        "Bring sa.key and sa.pub of the node whose controller manager leads to the others, and restart their API servers.";
    NodesCopied "nodes-copied" Credential:
        "nodes share a leaf certificate",
        "Its names are those of one node: clients and etcd's members refuse it on the other.",
        "The renewed PKI directory of one node was copied to the others, leafs and all.",
        "On the nodes whose names it doesn't have: move the pair away, kuberescue recover issues one for the node. Only the CAs and sa.* are copied.";
}

impl Code {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        self.page().code
    }

    /// The code of this name.
    pub fn named(name: &str) -> Option<Self> {
        CODES.iter().copied().find(|code| code.as_str() == name)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
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
