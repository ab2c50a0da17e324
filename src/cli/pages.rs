//! Examples and exit codes of each command, at the end of its `--help`, unless they stand beside its arguments.

/// Path of a command, its examples (a line each), its exit codes.
type Page = (&'static str, &'static [&'static str], &'static str);

const PAGES: &[Page] = &[
    (
        "recover",
        &[
            "sudo kuberescue recover --dry-run",
            "sudo kuberescue recover",
            "sudo kuberescue recover --root /mnt --archive-dir /root",
            "sudo kuberescue recover --renew-cas",
            "sudo kuberescue recover --yes --renew-before 30d",
        ],
        "0 no blocking problem is left; 2 could not run, nothing was changed; 3 failed and rolled back; 4 changed, \
         manual action required; 5 refused for safety, nothing was changed",
    ),
    (
        "diagnose",
        &[
            "sudo kuberescue diagnose",
            "kuberescue diagnose --root /mnt -v",
            "kuberescue diagnose cp-1.tar.gz cp-2.tar.gz",
            "sudo kuberescue diagnose -o html --output-file node.html",
            "journalctl -u kubelet | sudo kuberescue diagnose --timeline --log -",
        ],
        "0 no blocking problem, no warning; 1 problems found; 2 could not run",
    ),
    (
        "explain",
        &["kuberescue explain ca-expired", "kuberescue explain --list"],
        "0 explained; 2 there is no such page",
    ),
    (
        "certs check-expiration",
        &[
            "sudo kuberescue certs check-expiration",
            "sudo kuberescue certs check-expiration --fail-within 30d",
            "kuberescue certs check-expiration --root /mnt -o json",
        ],
        "0 every certificate is valid; 1 one has expired, does not work, or expires within --fail-within; 2 could not \
         run",
    ),
    (
        "certs renew",
        &[
            "sudo kuberescue certs renew all --dry-run",
            "sudo kuberescue certs renew all",
            "sudo kuberescue certs renew apiserver apiserver-kubelet-client admin.conf",
            "sudo kuberescue certs renew apiserver --add-san lb.example.com",
        ],
        "0 renewed, or nothing was due; 2 could not run, nothing was changed; 3 failed and rolled back; 4 changed, \
         manual action required; 5 refused for safety, nothing was changed",
    ),
    (
        "ca renew",
        &["sudo kuberescue ca renew --dry-run", "sudo kuberescue ca renew etcd-ca"],
        "0 renewed; 2 could not run, nothing was changed; 3 failed and rolled back; 4 changed, manual action required; \
         5 refused for safety, nothing was changed",
    ),
    (
        "ca replace",
        &[
            "sudo kuberescue ca replace ca --dry-run",
            "sudo kuberescue ca replace ca",
            "sudo kuberescue ca replace ca --from /media/usb",
            "sudo kuberescue ca replace ca --finish",
        ],
        "0 done; 2 could not run, nothing was changed; 3 failed and rolled back; 4 changed, manual action required; 5 \
         refused for safety, nothing was changed",
    ),
    (
        "csr export",
        &[],
        "0 exported; 2 could not run, nothing was written; 5 refused for safety, nothing was written",
    ),
    (
        "csr sign",
        &[],
        "0 signed; 2 could not run, nothing was signed; 5 refused for safety, nothing was signed",
    ),
    (
        "csr import",
        &[],
        "0 imported; 2 could not run, nothing was changed; 3 failed and rolled back; 4 changed, manual action required; \
         5 refused for safety, nothing was changed",
    ),
    (
        "bundle apply",
        &[],
        "0 the node works; 2 could not run, nothing was changed; 3 failed and rolled back; 4 changed, manual action \
         required; 5 refused for safety, nothing was changed",
    ),
    (
        "archive create",
        &["sudo kuberescue archive create", "sudo kuberescue archive create --archive-dir /media/usb"],
        "0 created; 2 could not run; 4 created, but a path of the node is not in it",
    ),
    (
        "archive list",
        &["sudo kuberescue archive list", "kuberescue archive list --root /mnt"],
        "0 every archive is intact; 1 one is damaged; 2 the directory cannot be read",
    ),
    (
        "archive verify",
        &[
            "sudo kuberescue archive verify",
            "kuberescue archive verify /mnt/backups",
            "kuberescue archive verify cp-1.tar.gz cp-2.tar.gz -o json",
        ],
        "0 every archive is READY, and the history intact; 1 one is not, or the history is damaged; 2 could not run: a \
         FILE or DIR was not found, or holds no archive",
    ),
    (
        "archive diff",
        &["sudo kuberescue archive diff cp-1.tar.gz", "kuberescue archive diff old.tar.gz new.tar.gz"],
        "0 nothing differs; 1 something differs; 2 could not run",
    ),
    (
        "archive restore",
        &[
            "sudo kuberescue archive restore /var/lib/kuberescue/cp-1-20261124T000000Z.tar.gz --dry-run",
            "kuberescue archive restore cp-1.tar.gz --root /mnt",
        ],
        "0 restored; 2 could not run, nothing was changed; 3 failed and rolled back; 4 changed, manual action required; \
         5 refused for safety, nothing was changed",
    ),
    (
        "kubeconfig check",
        &["kuberescue kubeconfig check", "kuberescue kubeconfig check admin.conf --connect"],
        "0 every credential works; 1 one does not; 2 a file cannot be read",
    ),
    (
        "kubeconfig fetch",
        &[
            "kuberescue kubeconfig fetch --admin-kubeconfig ADMIN --cluster c1 --out c1.conf",
            "kuberescue kubeconfig fetch --admin-kubeconfig ADMIN --cluster c1 --compare c1.conf",
        ],
        "0 fetched; 1 the two differ, or the kubeconfig in the Secret does not work; 2 could not run",
    ),
    (
        "kubeconfig install",
        &[
            "kuberescue kubeconfig install admin.conf --context cluster1",
            "kuberescue kubeconfig install --admin-kubeconfig ADMIN --cluster cluster1",
        ],
        "0 installed; 2 could not run, nothing was changed; 5 refused for safety, nothing was changed",
    ),
    (
        "kubeconfig push",
        &["kuberescue kubeconfig push --admin-kubeconfig ADMIN --cluster c1 --from admin.conf"],
        "0 updated; 2 could not run, nothing was changed; 4 changed, manual action required; 5 refused for safety, \
         nothing was changed",
    ),
    (
        "etcd rescue",
        &["sudo kuberescue etcd rescue --dry-run", "sudo kuberescue etcd rescue --lost cp-2,cp-3"],
        "0 this node's etcd is a cluster of one; 2 could not run, nothing was changed; 3 failed and rolled back; 4 \
         changed, manual action required; 5 refused for safety, nothing was changed",
    ),
    (
        "probe",
        &["sudo kuberescue probe", "sudo kuberescue probe -o json"],
        "0 everything answers as it should; 1 something does not; 2 could not run",
    ),
    (
        "nodes",
        &["kuberescue nodes", "kuberescue nodes --kubeconfig admin.conf -o wide"],
        "0 every node is Ready; 1 one is not; 2 could not run",
    ),
    (
        "restart",
        &[
            "sudo kuberescue restart --dry-run",
            "sudo kuberescue restart",
            "sudo kuberescue restart kube-apiserver",
        ],
        "0 all are back; 2 could not run, nothing was restarted; 4 restarted, manual action required; 5 refused for \
         safety, nothing was restarted",
    ),
    (
        "rollout restart",
        &[
            "kuberescue rollout restart --dry-run",
            "kuberescue rollout restart daemonset/etcd-defrag -n kube-system",
        ],
        "0 restarted; 1 one cannot be restarted; 2 could not run, nothing was restarted; 4 restarted, not ready in time",
    ),
    (
        "verify cluster",
        &["kuberescue verify cluster", "kuberescue verify cluster -A --since '2026-11-24 12:00'"],
        "0 no problem; 1 problems found; 2 could not run",
    ),
    (
        "resume",
        &["sudo kuberescue resume --dry-run", "sudo kuberescue resume"],
        "0 completed, or nothing was interrupted; 2 could not run, nothing was changed; 4 changed, manual action \
         required; 5 refused for safety, nothing was changed",
    ),
    (
        "rollback",
        &["sudo kuberescue rollback --dry-run", "sudo kuberescue rollback"],
        "0 the old state is restored, or there is nothing to undo; 2 could not run, nothing was changed; 4 changed, \
         manual action required; 5 refused for safety, nothing was changed",
    ),
    ("help", &["kuberescue help", "kuberescue help certs renew"], "0 shown; 2 there is no such command"),
    ("version", &["kuberescue version"], "0 shown"),
    (
        "completions",
        &[
            "kuberescue completions bash > /etc/bash_completion.d/kuberescue",
            "kuberescue completions zsh > ~/.zfunc/_kuberescue",
        ],
        "0 written; 2 could not be written",
    ),
    (
        "man",
        &["kuberescue man | man -l -", "kuberescue man --dir /usr/local/share/man/man1"],
        "0 written; 2 could not be written",
    ),
];

/// The end of a command's help: what is there already, then the examples and the exit codes that are not.
pub(super) fn completed(path: &str, beside: String) -> String {
    let Some((_, examples, exit)) = PAGES.iter().find(|(name, ..)| *name == path) else { return beside };
    let mut parts = vec![beside];
    let has = |parts: &[String], heading: &str| parts.iter().any(|part| part.contains(heading));
    if !has(&parts, "Examples:") {
        let lines: String = examples.iter().map(|example| format!("\n  {example}")).collect();
        parts.insert(0, format!("Examples:{lines}"));
    }
    if !has(&parts, "Exit codes:") {
        let codes = exit.replace("; ", "\n  ");
        parts.push(format!("Exit codes:\n  {codes}"));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_one_of_a_command() {
        for (path, ..) in PAGES {
            let found = path
                .split(' ')
                .try_fold(crate::cli::command(), |command, name| command.find_subcommand(name).cloned());
            assert!(found.is_some_and(|command| !command.has_subcommands()), "{path}");
        }
    }
}
