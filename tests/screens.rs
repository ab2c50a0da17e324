//! Screens as an operator sees them: in a terminal of tmux, 80 columns wide and 200, with and without colour and UTF-8.

mod common;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::Node;
use common::screen::{Screens, steady};
use insta::assert_snapshot;

/// A terminal with a node's directory as `cp-1` in the present one.
struct Terminal {
    node: Node,
    columns: u16,
    rows: u16,
    environment: &'static str,
    commands: Cell<usize>,
}

impl Terminal {
    fn of(tree: &str, columns: u16, rows: u16) -> Self {
        let node = Node::empty();
        std::fs::create_dir(node.path("/cp-1")).unwrap();
        common::unpack(&common::fixture(tree), &node.path("/cp-1"), false);
        node.settle();
        Self { node, columns, rows, environment: "LC_ALL=C.UTF-8", commands: Cell::new(0) }
    }

    /// A server for each command: one that is just ending refuses the next.
    fn socket(&self) -> PathBuf {
        self.node.path(&format!("/tmux-{}", self.commands.get()))
    }

    /// Ends well.
    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-f", "/dev/null", "-S"]).arg(self.socket()).args(arguments);
        let ran = tmux.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("tmux: {error}"));
        assert!(ran.status.success(), "{tmux:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Starts a command; `done` is signalled when it ends.
    fn start(&self, command: &str) {
        self.commands.set(self.commands.get() + 1);
        let program = env!("CARGO_BIN_EXE_kuberescue");
        let script = format!(
            "cd {}; export {}; {program} {command}; tmux -S {} wait-for -S done; exec sleep 600",
            self.node.root().display(),
            self.environment,
            self.socket().display(),
        );
        let [columns, rows] = [self.columns, self.rows].map(|size| size.to_string());
        self.tmux(&["new-session", "-d", "-x", &columns, "-y", &rows, "sh", "-c", &script]);
    }

    /// What stands on the screen; with `-S -1000` also what has left it, with `-e` its colours.
    fn captured(&self, options: &[&str]) -> String {
        let shown = self.tmux(&[&["capture-pane", "-p"], options].concat());
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        steady(lines.join("\n").trim_end())
    }

    /// All that a command shows.
    fn shows(&self, command: &str, colours: &[&str]) -> String {
        self.start(command);
        self.tmux(&["wait-for", "done"]);
        let shown = self.captured(&[&["-S", "-1000"], colours].concat());
        self.tmux(&["kill-server"]);
        shown
    }
}

const AT: &str = "--at 2026-11-24";

/// What an operator looks at first, one after the other.
const LOOKS: [&str; 4] = ["diagnose", "certs check-expiration", "recover --dry-run", "kubeconfig check"];

fn looks(columns: u16, rows: u16) -> String {
    let terminal = Terminal::of("expired-all", columns, rows);
    let mut screens = Screens::default();
    for command in LOOKS {
        let root =
            if command.starts_with("kubeconfig") { "cp-1/etc/kubernetes/admin.conf" } else { "--root cp-1" };
        screens.add(command, &terminal.shows(&format!("{command} {root} {AT}"), &[]));
    }
    screens.0
}

#[test]
fn eighty_columns() {
    assert_snapshot!(looks(80, 24), @"
    ## diagnose
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 00:00 UTC, read from
      cp-1

    VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    CAUSE    etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid
             until 2033-12-29
    NEXT     sudo kuberescue recover

    Running pods are not affected, but nothing can be managed until this is
      repaired.

    Blocking problems (root cause first):
      expired                 8 certificates expired on 2024-12-31 (693 days ago):
                              etcd-server, etcd-peer, apiserver-etcd-client and 5
                              more
                              → the API server rejects etcd: nothing can be read or
                                written
      expired                 kubelet-client: expired on 2024-12-30 (693 days ago)
                              → the API server rejects the kubelet: the node is
                                NotReady, and pods are not updated
      kubelet-crash-loop      kubelet: its client certificate no longer works and
                              /etc/kubernetes/bootstrap-kubelet.conf does not exist,
                              so a stopped kubelet cannot start again
                              → no static pod is started: what is stopped stays down

    Warnings:
      kubelet-serving-expired kubelet-serving: expired on 2024-12-31 (693 days ago)
      expired                 3 certificates expired on 2024-12-31 (693 days ago):
                              admin.conf, super-admin.conf, etcd-healthcheck-client

    NEXT     sudo kuberescue recover
    ## certs check-expiration
    CERTIFICATE                EXPIRES                  RESIDUAL TIME
    admin.conf                 Dec 31, 2024 00:00 UTC   <invalid>
    apiserver                  Dec 31, 2024 00:00 UTC   <invalid>
    apiserver-etcd-client      Dec 31, 2024 00:00 UTC   <invalid>
    apiserver-kubelet-client   Dec 31, 2024 00:00 UTC   <invalid>
    controller-manager.conf    Dec 31, 2024 00:00 UTC   <invalid>
    etcd-healthcheck-client    Dec 31, 2024 00:00 UTC   <invalid>
    etcd-peer                  Dec 31, 2024 00:00 UTC   <invalid>
    etcd-server                Dec 31, 2024 00:00 UTC   <invalid>
    front-proxy-client         Dec 31, 2024 00:00 UTC   <invalid>
    scheduler.conf             Dec 31, 2024 00:00 UTC   <invalid>
    super-admin.conf           Dec 31, 2024 00:00 UTC   <invalid>

    CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME
    ca                      Dec 29, 2033 00:00 UTC   7y37d
    etcd-ca                 Dec 29, 2033 00:00 UTC   7y37d
    front-proxy-ca          Dec 29, 2033 00:00 UTC   7y37d

    KUBELET CERTIFICATE   EXPIRES                  RESIDUAL TIME   PATH
    kubelet-client        Dec 30, 2024 23:55 UTC   <invalid>
                          /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Dec 31, 2024 00:00 UTC   <invalid>
                          /var/lib/kubelet/pki/kubelet.crt

    FINDING                   SUBJECT           WHAT
    kubelet-crash-loop        kubelet           its client certificate no longer
                              works and /etc/kubernetes/bootstrap-kubelet.conf does
                              not exist, so a stopped kubelet cannot start again
    kubelet-serving-expired   kubelet-serving   expired on 2024-12-31 (693 days ago)
    ## recover --dry-run
    cp-1  control plane, Kubernetes 1.36                        2026-11-24 00:00 UTC
    VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    CAUSE    etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid
             until 2033-12-29
    Plan
      renew     13 certificates and kubeconfigs until 2027-11-24 (365 days), new
                keys
      archive   cp-1/var/lib/kuberescue/cp-1-TIME.tar.gz, verified
                before any change
      restart   nothing: this disk is not a running node
    Running pods are not affected, but nothing can be managed until this is
      repaired.
    Undo at any time: kuberescue rollback --root cp-1
    Details: -v
    Dry run: everything was made and checked in memory, nothing was written.
    NEXT     kuberescue recover --root cp-1
    ## kubeconfig check
    cp-1/etc/kubernetes/admin.conf
    CURRENT        *
    NAME           kubernetes-admin@kubernetes
    CLUSTER        kubernetes
    SERVER         https://192.168.10.11:6443
    USER           kubernetes-admin
    IDENTITY       CN=kubernetes-admin, O=kubeadm:cluster-admins
    EXPIRES        Dec 31, 2024 00:00 UTC
    RESIDUAL TIME  <invalid>
    CA EXPIRES     Dec 29, 2033 00:00 UTC
    STATE          !expired
    blocker [expired]: kubernetes-admin@kubernetes: client certificate expired on
      2024-12-31 (693 days ago)
    hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy
      admin.conf; for a token: log in again
    ");
}

#[test]
fn two_hundred_columns() {
    assert_snapshot!(looks(200, 50), @"
    ## diagnose
    cp-1 (control-plane node, Kubernetes 1.36) at 2026-11-24 00:00 UTC, read from cp-1

    VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    CAUSE    etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid until 2033-12-29
    NEXT     sudo kuberescue recover

    Running pods are not affected, but nothing can be managed until this is repaired.

    Blocking problems (root cause first):
      expired                 8 certificates expired on 2024-12-31 (693 days ago): etcd-server, etcd-peer, apiserver-etcd-client and 5 more
                              → the API server rejects etcd: nothing can be read or written
      expired                 kubelet-client: expired on 2024-12-30 (693 days ago)
                              → the API server rejects the kubelet: the node is NotReady, and pods are not updated
      kubelet-crash-loop      kubelet: its client certificate no longer works and /etc/kubernetes/bootstrap-kubelet.conf does not exist, so a stopped kubelet cannot start again
                              → no static pod is started: what is stopped stays down

    Warnings:
      kubelet-serving-expired kubelet-serving: expired on 2024-12-31 (693 days ago)
      expired                 3 certificates expired on 2024-12-31 (693 days ago): admin.conf, super-admin.conf, etcd-healthcheck-client

    NEXT     sudo kuberescue recover
    ## certs check-expiration
    CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
    admin.conf                 Dec 31, 2024 00:00 UTC   <invalid>       ca                      no
    apiserver                  Dec 31, 2024 00:00 UTC   <invalid>       ca                      no
    apiserver-etcd-client      Dec 31, 2024 00:00 UTC   <invalid>       etcd-ca                 no
    apiserver-kubelet-client   Dec 31, 2024 00:00 UTC   <invalid>       ca                      no
    controller-manager.conf    Dec 31, 2024 00:00 UTC   <invalid>       ca                      no
    etcd-healthcheck-client    Dec 31, 2024 00:00 UTC   <invalid>       etcd-ca                 no
    etcd-peer                  Dec 31, 2024 00:00 UTC   <invalid>       etcd-ca                 no
    etcd-server                Dec 31, 2024 00:00 UTC   <invalid>       etcd-ca                 no
    front-proxy-client         Dec 31, 2024 00:00 UTC   <invalid>       front-proxy-ca          no
    scheduler.conf             Dec 31, 2024 00:00 UTC   <invalid>       ca                      no
    super-admin.conf           Dec 31, 2024 00:00 UTC   <invalid>       ca                      no

    CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
    ca                      Dec 29, 2033 00:00 UTC   7y37d           no
    etcd-ca                 Dec 29, 2033 00:00 UTC   7y37d           no
    front-proxy-ca          Dec 29, 2033 00:00 UTC   7y37d           no

    KUBELET CERTIFICATE   EXPIRES                  RESIDUAL TIME   PATH
    kubelet-client        Dec 30, 2024 23:55 UTC   <invalid>       /var/lib/kubelet/pki/kubelet-client-current.pem
    kubelet-serving       Dec 31, 2024 00:00 UTC   <invalid>       /var/lib/kubelet/pki/kubelet.crt

    FINDING                   SUBJECT           WHAT
    kubelet-crash-loop        kubelet           its client certificate no longer works and /etc/kubernetes/bootstrap-kubelet.conf does not exist, so a stopped kubelet cannot start again
    kubelet-serving-expired   kubelet-serving   expired on 2024-12-31 (693 days ago)
    ## recover --dry-run
    cp-1  control plane, Kubernetes 1.36                        2026-11-24 00:00 UTC
    VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    CAUSE    etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid until 2033-12-29
    Plan
      renew     13 certificates and kubeconfigs until 2027-11-24 (365 days), new keys
      archive   cp-1/var/lib/kuberescue/cp-1-TIME.tar.gz, verified before any change
      restart   nothing: this disk is not a running node
    Running pods are not affected, but nothing can be managed until this is repaired.
    Undo at any time: kuberescue rollback --root cp-1
    Details: -v
    Dry run: everything was made and checked in memory, nothing was written.
    NEXT     kuberescue recover --root cp-1
    ## kubeconfig check
    cp-1/etc/kubernetes/admin.conf
    CURRENT        *
    NAME           kubernetes-admin@kubernetes
    CLUSTER        kubernetes
    SERVER         https://192.168.10.11:6443
    USER           kubernetes-admin
    IDENTITY       CN=kubernetes-admin, O=kubeadm:cluster-admins
    EXPIRES        Dec 31, 2024 00:00 UTC
    RESIDUAL TIME  <invalid>
    CA EXPIRES     Dec 29, 2033 00:00 UTC
    STATE          !expired
    blocker [expired]: kubernetes-admin@kubernetes: client certificate expired on 2024-12-31 (693 days ago)
    hint: sudo kuberescue certs renew admin.conf on a control-plane node, then copy admin.conf; for a token: log in again
    ");
}

/// The question and all above it are one screen; and what is there when it is answered.
#[test]
fn the_question_of_recover() {
    let terminal = Terminal::of("expired-all", 80, 24);
    terminal.start(&format!("recover --root cp-1 {AT}"));
    let started = Instant::now();
    let asked = loop {
        let screen = terminal.captured(&[]);
        if screen.ends_with("[y/N]") {
            break screen;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no question:\n{}",
            terminal.captured(&["-S", "-1000"])
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    terminal.tmux(&["send-keys", "y", "Enter"]);
    terminal.tmux(&["wait-for", "done"]);
    let mut screens = Screens::default();
    screens.add("asked", &asked);
    screens.add("done", &terminal.captured(&["-S", "-1000"]));
    terminal.tmux(&["kill-server"]);
    assert_snapshot!(screens.0, @"
    ## asked
    cp-1  control plane, Kubernetes 1.36                        2026-11-24 00:00 UTC
    VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    CAUSE    etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid
             until 2033-12-29
    Plan
      renew     13 certificates and kubeconfigs until 2027-11-24 (365 days), new
                keys
      archive   cp-1/var/lib/kuberescue/cp-1-TIME.tar.gz, verified
                before any change
      restart   nothing: this disk is not a running node
    Running pods are not affected, but nothing can be managed until this is
      repaired.
    Undo at any time: kuberescue rollback --root cp-1
    Details: -v
    Apply this plan? [y/N]
    ## done
    cp-1  control plane, Kubernetes 1.36                        2026-11-24 00:00 UTC
    VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    CAUSE    etcd-server, etcd-peer and 11 more expired by 2024-12-31; CAs valid
             until 2033-12-29
    Plan
      renew     13 certificates and kubeconfigs until 2027-11-24 (365 days), new
                keys
      archive   cp-1/var/lib/kuberescue/cp-1-TIME.tar.gz, verified
                before any change
      restart   nothing: this disk is not a running node
    Running pods are not affected, but nothing can be managed until this is
      repaired.
    Undo at any time: kuberescue rollback --root cp-1
    Details: -v
    Apply this plan? [y/N] y
    Archive of the old state, read back and verified:
      cp-1/var/lib/kuberescue/cp-1-TIME.tar.gz
    Report: cp-1/var/lib/kuberescue/cp-1-20261124T000000Z.txt
    RENEWED 13 certificates. Nothing was restarted.
    NEXT     start the node from this disk; where it runs already, sudo kuberescue
             recover on it
    ");
}

#[test]
fn colours() {
    let mut terminal = Terminal::of("expired-all", 80, 24);
    let mut screens = Screens::default();
    for environment in ["LC_ALL=C.UTF-8", "LC_ALL=C.UTF-8 NO_COLOR=1", "LC_ALL=C.UTF-8 TERM=dumb", "LC_ALL=C"]
    {
        terminal.environment = environment;
        let screen = terminal.shows(&format!("diagnose --root cp-1 {AT}"), &["-e"]).replace('\u{1b}', "ESC");
        let telling = |line: &&str| {
            ["VERDICT", "NEXT", "NotReady", "kubelet.conf", ">", "→"].iter().any(|it| line.contains(it))
        };
        let lines: Vec<&str> = screen.lines().filter(telling).collect();
        screens.add(environment, &lines.join("\n"));
    }
    assert_snapshot!(screens.0, @"
    ## LC_ALL=C.UTF-8
    ESC[1mESC[31mVERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    ESC[1mNEXT     sudo kuberescue recover
                              → the API server rejects etcd: nothing can be read or
                              → the API server rejects the kubelet: the node is
                                NotReady, and pods are not updated
                              ESC[2m/etc/kubernetes/bootstrap-kubelet.confESC[0mESC[39mESC[49m does not exist,
                              → no static pod is started: what is stopped stays down
    ESC[1mNEXT     sudo kuberescue recover
    ## LC_ALL=C.UTF-8 NO_COLOR=1
    VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    NEXT     sudo kuberescue recover
                              → the API server rejects etcd: nothing can be read or
                              → the API server rejects the kubelet: the node is
                                NotReady, and pods are not updated
                              /etc/kubernetes/bootstrap-kubelet.conf does not exist,
                              → no static pod is started: what is stopped stays down
    NEXT     sudo kuberescue recover
    ## LC_ALL=C.UTF-8 TERM=dumb
    VERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    NEXT     sudo kuberescue recover
                              → the API server rejects etcd: nothing can be read or
                              → the API server rejects the kubelet: the node is
                                NotReady, and pods are not updated
                              /etc/kubernetes/bootstrap-kubelet.conf does not exist,
                              → no static pod is started: what is stopped stays down
    NEXT     sudo kuberescue recover
    ## LC_ALL=C
    ESC[1mESC[31mVERDICT  CANNOT START: 13 of 13 certificates expired 693 days ago
    ESC[1mNEXT     sudo kuberescue recover
                              -> the API server rejects etcd: nothing can be read or
                              -> the API server rejects the kubelet: the node is
                                NotReady, and pods are not updated
                              ESC[2m/etc/kubernetes/bootstrap-kubelet.confESC[0mESC[39mESC[49m does not exist,
                              -> no static pod is started: what is stopped stays
    ESC[1mNEXT     sudo kuberescue recover
    ");
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // After a failure there may be a server, with the node's directory as its own.
        let _gone = Command::new("tmux").arg("-S").arg(self.socket()).arg("kill-server").output();
    }
}
