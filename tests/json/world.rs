//! What the commands are run on: nodes, an archive, a cluster's API server, a workstation.

use serde_json::{Value, json};

use crate::apiserver::ApiServer;
use crate::common::desk::Desk;
use crate::common::{AGE_IDENTITY, AGE_RECIPIENT, NOW, Node, PKI, Run, base64, etcd_database, run};

const LOG: &str = "\
E1123 22:10:01.123456    1234 reflector.go:138] Failed to watch *v1.Node: Get \"https://192.168.10.11:6443/api/v1/nodes\": x509: \
certificate has expired or is not yet valid: current time 2026-11-23T22:10:01Z is after 2024-12-31T00:00:00Z
x509: certificate signed by unknown authority
";
const SECRET: &str = "/api/v1/namespaces/cluster-cluster1/secrets/cluster1-kubeconfig";

pub struct World {
    /// Its certificates have expired; its change was made and is still to be rolled back.
    pub node: Node,
    pub other: Node,
    pub changed: Node,
    pub empty: Node,
    /// The key of its CA is in `pki` on the desk, and `usb` has what it signed.
    pub external: Node,
    pub server: ApiServer,
    pub desk: Desk,
}

impl World {
    pub fn new() -> Self {
        let (server, desk) = (ApiServer::start(), Desk::new());
        let world = Self {
            node: Node::of("expired-all"),
            other: Node::of("mixed"),
            changed: Node::of("expired-all"),
            empty: Node::empty(),
            external: Node::of("expired-all"),
            server,
            desk,
        };
        let archive = world.run("archive create --root CHANGED");
        assert_eq!(archive.code, 0, "{archive}");
        std::fs::rename(archive.out.trim(), world.path("archive.tar.gz")).unwrap();
        let renewed = world.run(&format!("certs renew all --root CHANGED --at {NOW}"));
        assert_eq!(renewed.code, 0, "{renewed}");
        for file in ["ca.crt", "ca.key"] {
            world.desk.write(&format!("pki/{file}"), world.external.read(&format!("{PKI}/{file}")));
        }
        world.external.remove(&format!("{PKI}/ca.key"));
        for command in ["csr export usb --reuse-keys --root EXTERNAL", "csr sign usb --ca pki --yes"] {
            let run = world.run(&format!("{command} --at {NOW}"));
            assert_eq!(run.code, 0, "{run}");
        }
        world.external.settle();
        world.desk.write("id", AGE_IDENTITY);
        let bundle = format!("bundle create --node worker-1 --out bundle.age --recipient {AGE_RECIPIENT}");
        let made = world.run(&format!("{bundle} --root OTHER --at {NOW}"));
        assert_eq!(made.code, 0, "{made}");
        let (expired, good) = (
            world.server.authority.expired("kubernetes-admin"),
            world.server.authority.leaf("kubernetes-admin"),
        );
        std::fs::write(world.path("kubelet.log"), LOG).unwrap();
        std::fs::write(world.path("config"), world.server.admin()).unwrap();
        std::fs::write(world.path("old"), world.server.kubeconfig(&expired)).unwrap();
        std::fs::write(world.path("new"), world.server.kubeconfig(&good)).unwrap();
        for (name, file) in
            [("snapshot.db", "kubernetes-1.20-snapshot.db"), ("three-members.db", "three-members.db")]
        {
            std::fs::write(world.path(name), etcd_database(file)).unwrap();
        }
        world.node.write("/var/lib/etcd/member/snap/db", etcd_database("three-members.db"));
        world.keep_in_secret(&format!("{}\n", world.server.kubeconfig(&good)));
        world
    }

    pub fn keep_in_secret(&self, kubeconfig: &str) {
        let value = base64(kubeconfig.as_bytes());
        self.server.store().object(SECRET)["data"] = json!({"value": value});
    }

    pub fn path(&self, name: &str) -> String {
        self.desk.path(name).display().to_string()
    }

    /// Runs a command line in which capitals stand for what is in this world.
    pub fn run(&self, arguments: &str) -> Run {
        let mut command = self.desk.command("");
        command.args(arguments.split_whitespace().map(|word| match word {
            "NODE" => self.node.root().display().to_string(),
            "OTHER" => self.other.root().display().to_string(),
            "CHANGED" => self.changed.root().display().to_string(),
            "EMPTY" => self.empty.root().display().to_string(),
            "EXTERNAL" => self.external.root().display().to_string(),
            "ARCHIVE" => self.path("archive.tar.gz"),
            word => word.to_owned(),
        }));
        run(command)
    }

    /// The one document on stdout.
    pub fn json(&self, arguments: &str) -> Value {
        let run = self.run(&format!("{arguments} -o json"));
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{arguments}: {error}\n{run}"))
    }
}
