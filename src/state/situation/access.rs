//! Steps: other places than a node that runs, access, and how to read the exit code.

use super::{Situation, Steps, do_it, run};

pub(super) const STEPS: &[Steps] = &[
    Steps {
        situation: Situation::MountedDisk,
        title: "the disk of a node is mounted on another machine",
        when: "With --root nothing of the machine itself is touched: no network, no socket, no process. Every command that reads takes an archive there, too.",
        steps: &[
            run("See what is wrong:", "sudo kuberescue diagnose --root /mnt/node"),
            run("See what would be done:", "sudo kuberescue recover --root /mnt/node --dry-run"),
            run("Renew on the disk; nothing is restarted:", "sudo kuberescue recover --root /mnt/node"),
            do_it("Start the machine from its disk."),
            run("On the node, restart what still uses old files, and verify:", "sudo kuberescue recover"),
        ],
    },
    Steps {
        situation: Situation::NoKubeconfig,
        title: "no kubeconfig works, and an administrator needs access",
        when: "The CA key of a control-plane node is enough, whatever else is broken. Kubernetes cannot revoke a client certificate before it expires, so take a short one.",
        steps: &[
            run("If only admin.conf has expired, renew it:", "sudo kuberescue certs renew admin.conf"),
            run(
                "For one hour, with all rights (system:masters):",
                "sudo kuberescue kubeconfig new --break-glass --out /root/emergency.conf",
            ),
            run("Use it, here:", "sudo kuberescue nodes --kubeconfig /root/emergency.conf"),
            run(
                "For a person, with the rights of a group:",
                "sudo kuberescue kubeconfig new --user alice --group dev --out alice.conf",
            ),
            run("See who was given what, until when:", "sudo kuberescue archive verify"),
        ],
    },
    Steps {
        situation: Situation::Workstation,
        title: "a kubeconfig on a workstation has expired",
        when: "The certificate in a kubeconfig is a copy: it stays the old one when the node's admin.conf is renewed. What is to be installed is tested first.",
        steps: &[
            run("See which contexts work, and until when:", "kuberescue kubeconfig check"),
            run(
                "On a control-plane node, renew admin.conf if that is needed:",
                "sudo kuberescue certs renew admin.conf",
            ),
            do_it("Copy /etc/kubernetes/admin.conf of the node to the workstation, with mode 0600."),
            run(
                "Put its credential and CA into one context of the kubeconfig:",
                "kuberescue kubeconfig install admin.conf --context NAME",
            ),
            run("See whether the nodes can be listed:", "kuberescue nodes"),
        ],
    },
    Steps {
        situation: Situation::ExitCodes,
        title: "what the exit codes mean",
        when: "The same in every command. Codes in brackets say more: kuberescue explain CODE.",
        steps: &[
            do_it("0: success; no blocking problem is left."),
            do_it("1: problems found, or a certificate expires within --fail-within."),
            do_it("2: usage error or could not run; nothing was changed."),
            do_it("3: failed and rolled back."),
            do_it("4: changed, manual action required."),
            do_it("5: refused for safety; nothing was changed."),
        ],
    },
];
