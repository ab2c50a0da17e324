//! Steps: a node that does not work.

use super::{Situation, Step, Steps, do_it, run};

const DIAGNOSE: Step = run("See what is wrong; this reads only:", "sudo kuberescue diagnose");
const PLAN: Step = run("See what would be done; nothing is changed:", "sudo kuberescue recover --dry-run");
const RECOVER: Step =
    run("Renew, restart and verify. An archive of the old state is made first:", "sudo kuberescue recover");
const VERIFY: Step = run("Verify cluster health:", "sudo kuberescue verify cluster");

pub(super) const STEPS: &[Steps] = &[
    Steps {
        situation: Situation::Expired,
        title: "certificates of a control-plane node have expired",
        when: "kubectl says that a certificate has expired, or the API server does not start. Running pods keep running. Do not run kubeadm reset, and delete nothing.",
        steps: &[
            run("See whether the clock is right; everything depends on it:", "date -u"),
            DIAGNOSE,
            PLAN,
            RECOVER,
            VERIFY,
            run(
                "With several control-plane nodes, read this before the first one:",
                "kuberescue explain several-nodes",
            ),
            run("If it did not help, the old state comes back with:", "sudo kuberescue rollback"),
        ],
    },
    Steps {
        situation: Situation::CaExpired,
        title: "a CA has expired",
        when: "Everything that the CA has signed is rejected on all nodes. The CA is renewed with its own key, so what it has signed is accepted again wherever the renewed certificate is.",
        steps: &[
            run("See whether the clock is right; a clock that is ahead looks the same:", "date -u"),
            run(
                "See the plan, and what has a copy of the CA outside of this node:",
                "sudo kuberescue recover --renew-cas --dry-run",
            ),
            run(
                "Renew the CAs and the leaf certificates, restart, verify:",
                "sudo kuberescue recover --renew-cas",
            ),
            do_it(
                "Copy the renewed ca.crt, etcd/ca.crt and front-proxy-ca.crt to the same places on every other control-plane node, never a key.",
            ),
            run("On each of those nodes, one after the other:", "sudo kuberescue recover"),
            run("For each worker make a bundle, and go on as in:", "kuberescue explain workers"),
            VERIFY,
        ],
    },
    Steps {
        situation: Situation::SeveralNodes,
        title: "several control-plane nodes have to be recovered",
        when: "One node after the other: never two at once, so that etcd's members find each other again. Where the certificates of all nodes have expired, etcd has no leader until the second of three is recovered.",
        steps: &[
            run(
                "On each node make an archive, and copy all of them to one machine:",
                "sudo kuberescue archive create",
            ),
            run(
                "There, see all nodes side by side:",
                "kuberescue diagnose cp-1.tar.gz cp-2.tar.gz cp-3.tar.gz",
            ),
            do_it(
                "If the CAs differ between the nodes, stop here: recover would then sign with the wrong one on some of them.",
            ),
            run(
                "On the first node. Exit code 4 is expected: its etcd waits for the others:",
                "sudo kuberescue recover",
            ),
            run(
                "On the second node. If it refuses with etcd-quorum, the old connections are given up:",
                "sudo kuberescue recover --break-quorum",
            ),
            run("On every other node, one after the other:", "sudo kuberescue recover"),
            run("Once more on the first node, which now finds its leader:", "sudo kuberescue recover"),
            VERIFY,
        ],
    },
    Steps {
        situation: Situation::Workers,
        title: "the kubelet of a worker, or of a node without CA keys, has expired",
        when: "A worker has no CA key, so nothing can be signed on it. A control-plane node makes a bundle for it: one encrypted file that works on that node alone. Recover the control plane first.",
        steps: &[
            run(
                "On a control-plane node, with the worker's name:",
                "sudo kuberescue bundle create --node worker-1",
            ),
            do_it("Note the passphrase that it prints. Copy worker-1.bundle.age to the worker."),
            run(
                "On the worker, see what would be changed:",
                "sudo kuberescue bundle apply worker-1.bundle.age --dry-run",
            ),
            run(
                "Put it in place and restart the kubelet:",
                "sudo kuberescue bundle apply worker-1.bundle.age",
            ),
            run("On the control-plane node, see whether the worker is Ready:", "sudo kuberescue nodes"),
        ],
    },
    Steps {
        situation: Situation::LostCaKey,
        title: "the key of a CA is missing on this node",
        when: "Nothing can be signed without it. It is the same on all control-plane nodes, so a copy is all that is needed. If the CA is run by somebody else on purpose, see kuberescue explain external-ca.",
        steps: &[
            run(
                "On every other control-plane node, see whether the key is there:",
                "sudo kuberescue diagnose",
            ),
            do_it(
                "From a node, or a backup, that has it copy ca.key to the path that the finding names, with mode 0600 and owner root.",
            ),
            RECOVER,
            run(
                "If only this node lacks it, a node that has it can make a bundle for this one instead:",
                "kuberescue explain workers",
            ),
            run(
                "If it is lost on all nodes and in all backups, renew what other CAs sign:",
                "sudo kuberescue recover --partial",
            ),
            run(
                "Then see what a new CA means, for whom and until when (ca, etcd-ca or front-proxy-ca):",
                "sudo kuberescue ca replace ca --dry-run",
            ),
            run("Make the new CA; the old one stays trusted beside it:", "sudo kuberescue ca replace ca"),
            run("Restart what has to read it:", "sudo kuberescue recover"),
            do_it("Give the new ca.crt to workers and kubeconfigs, as the plan lists them."),
            run(
                "At the end, on each control-plane node, remove the old CA:",
                "sudo kuberescue ca replace ca --finish",
            ),
        ],
    },
    Steps {
        situation: Situation::ExternalCa,
        title: "an external CA signs the certificates",
        when: "The key of the CA is on another machine on purpose, or a certificate comes from another CA. Requests go there and certificates come back; private keys stay on the node.",
        steps: &[
            run(
                "On the node, write the requests to a USB stick:",
                "sudo kuberescue csr export /media/usb/cp-1",
            ),
            run(
                "Where the CA's key is (a directory with ca.crt and ca.key), sign them:",
                "kuberescue csr sign /media/usb/cp-1 --ca /secure/pki",
            ),
            do_it(
                "Or have them signed by the CA's own tools: the certificate of NAME.csr is NAME.crt beside it.",
            ),
            run(
                "On the node, see what would be put in place:",
                "sudo kuberescue csr import /media/usb/cp-1 --dry-run",
            ),
            run(
                "Put them in place, with an archive of the old state:",
                "sudo kuberescue csr import /media/usb/cp-1",
            ),
            run("Restart what still uses the old ones, and verify:", "sudo kuberescue recover"),
        ],
    },
    Steps {
        situation: Situation::LeakedCaKey,
        title: "the key of a CA has leaked",
        when: "Whoever has it can be anyone in the cluster, until nothing trusts this CA any more. The CA gets a successor of the same name with a new key; rollback undoes each step.",
        steps: &[
            run(
                "See what stops working, for whom and until when:",
                "sudo kuberescue ca replace ca --dry-run",
            ),
            run(
                "While the old certificates are valid: trust both CAs first:",
                "sudo kuberescue ca replace ca --trust-only",
            ),
            run("Restart what has to read it:", "sudo kuberescue recover"),
            do_it(
                "Give the new ca.crt, which holds both, to the other nodes, workers and kubeconfigs, as the plan lists them.",
            ),
            run(
                "On each control-plane node, reissue everything with the new CA:",
                "sudo kuberescue certs renew all --kubelet",
            ),
            run("Restart what has to read it:", "sudo kuberescue recover"),
            run("For each worker make a bundle, and go on as in:", "kuberescue explain workers"),
            run(
                "At the end, on each control-plane node: the old CA goes:",
                "sudo kuberescue ca replace ca --finish",
            ),
        ],
    },
    Steps {
        situation: Situation::LostQuorum,
        title: "most members of etcd are gone for good",
        when: "Without a quorum etcd accepts no writes, and the API server is down. Do this only if the other members can never come back: what they have and this one lacks is lost.",
        steps: &[
            run("See which members there are, and how far this one is:", "sudo kuberescue etcd status"),
            do_it("Switch the lost machines off. Go on with the member whose revision is the highest."),
            run("Save a snapshot of what is there:", "sudo kuberescue etcd snapshot save /root/etcd.db"),
            run("If certificates have expired, renew them first:", "sudo kuberescue recover --break-quorum"),
            run("See the plan:", "sudo kuberescue etcd rescue --dry-run"),
            run(
                "Make this member a cluster of one; name the lost ones:",
                "sudo kuberescue etcd rescue --lost cp-2,cp-3",
            ),
            run("After an interruption, go on with:", "sudo kuberescue resume"),
            VERIFY,
        ],
    },
    Steps {
        situation: Situation::NoRuntime,
        title: "the container runtime does not answer",
        when: "Certificates can be renewed without it, but static pods are restarted through its socket.",
        steps: &[
            run("See what the runtime says, and start it:", "systemctl status containerd crio --no-pager"),
            run(
                "If its socket is elsewhere, name it:",
                "sudo kuberescue recover --cri-socket unix:///run/crio/crio.sock",
            ),
            run(
                "If it runs and cannot be asked, move the manifests away and back instead:",
                "sudo kuberescue recover --restart=manifest",
            ),
            run("Or renew now and restart later:", "sudo kuberescue recover --restart=none"),
            run("Restart once the runtime is back:", "sudo kuberescue restart"),
        ],
    },
    Steps {
        situation: Situation::InterruptedChange,
        title: "a change was interrupted: a kill, a power cut",
        when: "A journal says how far it came. Completing and undoing are both safe, at any time, any number of times.",
        steps: &[
            run("See what would be completed:", "sudo kuberescue resume --dry-run"),
            run("Complete it:", "sudo kuberescue resume"),
            run("Or undo it instead:", "sudo kuberescue rollback"),
            run(
                "If something else has changed the files since, both refuse. See what, then keep it or replace it:",
                "sudo kuberescue resume --keep-theirs",
            ),
            run("Restart what still uses old files, and verify:", "sudo kuberescue recover"),
        ],
    },
    Steps {
        situation: Situation::RestoreArchive,
        title: "the state of an archive is to be restored",
        when: "Every change makes an archive of the old state first, in /var/lib/kuberescue. The last change alone is undone by kuberescue rollback.",
        steps: &[
            run("List the archives of this node:", "sudo kuberescue archive list"),
            run(
                "See whether one is intact, and whether its state works today:",
                "sudo kuberescue archive verify ARCHIVE",
            ),
            run("See how the node differs from it:", "sudo kuberescue archive diff ARCHIVE"),
            run("See what would be restored:", "sudo kuberescue archive restore ARCHIVE --dry-run"),
            run(
                "Restore it; the current state is archived first:",
                "sudo kuberescue archive restore ARCHIVE",
            ),
            run("Renew what has expired in it, restart, verify:", "sudo kuberescue recover"),
            run("To undo the restore:", "sudo kuberescue rollback"),
        ],
    },
];
