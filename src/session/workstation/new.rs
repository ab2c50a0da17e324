//! A new kubeconfig, issued with the CA key of a node: decided and made in memory, recorded, then handed over.

use std::path::Path;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::analysis::node::facts::Fact;
use crate::analysis::node::findings::{Node, findings};
use crate::analysis::node::host_state::HostState;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{ClientPlan, ClientRequest, client, server_elsewhere};
use crate::disk::history::Issued;
use crate::disk::replacement::Target;
use crate::disk::{Root, transaction};
use crate::error::Error;
use crate::formats::certificate::Certificate;
use crate::formats::kubeconfig::entries::Entries;
use crate::formats::san::San;
use crate::issue::client_kubeconfig;
use crate::session::Context;
use crate::session::change::{refuse, take_lock};
use crate::session::input::source::RootArgs;
use crate::state::catalog::{Ca, KUBERNETES_DIR};
use crate::state::{Code, Snapshot};

/// The kubelet's own directory.
const KUBELET_DIR: &str = "/var/lib/kubelet";

/// A node that can sign, read and judged.
pub struct Signing {
    root: Root,
    pub(super) snapshot: Snapshot,
    pub inventory: Inventory,
    pub(super) now: Timestamp,
}

/// A kubeconfig that was made, and not handed over yet.
pub struct Made {
    pub plan: ClientPlan,
    pub server: Fact<String>,
    pub cluster: String,
    pub certificate: Certificate,
    pub text: Zeroizing<String>,
}

impl Signing {
    /// # Errors
    /// There is no readable control-plane node.
    pub fn read(root: &RootArgs, now: Timestamp) -> Result<Self, Error> {
        let open = root.open()?;
        let (snapshot, inventory) = root.read_signing(&open)?;
        Ok(Self { root: open, snapshot, inventory, now })
    }

    /// Makes the kubeconfig in memory. `server` is the URL that the operator gave.
    ///
    /// # Errors
    /// As [`Signing::plan`]; or the API server is not known, or it could not be made.
    pub fn make(
        &self,
        request: &ClientRequest,
        server: Option<&str>,
        context: &mut Context<'_>,
    ) -> Result<Made, Error> {
        let plan = self.plan(request, context)?;
        let server = self.server(server)?;
        let (certificate, text) = client_kubeconfig(&self.inventory, &plan, &server.value)?;
        let cluster = self.inventory.facts.cluster_name.value.clone();
        Ok(Made { plan, server, cluster, certificate, text })
    }

    /// Decides whether the CA can issue it.
    ///
    /// # Errors
    /// What the plan refuses; or an interrupted change replaces the CA's key.
    pub fn plan(&self, request: &ClientRequest, context: &mut Context<'_>) -> Result<ClientPlan, Error> {
        let Self { snapshot, inventory, now, .. } = self;
        // The rest of the host says nothing about its CA.
        let around = HostState { time_is_the_clocks: true, ..HostState::default() };
        let findings = findings(Node { snapshot, inventory, around: &around }, *now);
        let plan = match client(snapshot, inventory, &findings, request, *now) {
            Ok(plan) => plan,
            Err(refusals) => {
                refuse(&refusals, context)?;
                return Err(Error::could_not_run("cannot issue a client certificate").code(Code::IssueFailed));
            }
        };
        if !request.accept.contains(&Code::InterruptedChange) {
            self.refuse_if_the_ca_is_being_replaced(context)?;
        }
        Ok(plan)
    }

    /// The API server, as the operator gave it or as the node knows it.
    ///
    /// # Errors
    /// It is not known.
    pub fn server(&self, given: Option<&str>) -> Result<Fact<String>, Error> {
        let given = given.map(|url| Fact { value: url.to_owned(), source: "--server".to_owned() });
        given.or_else(|| server_elsewhere(&self.inventory)).ok_or_else(|| {
            let what = "cannot make a kubeconfig: the API server's address is not known: no kubeconfig, no manifest and no record of etcd's names it";
            Error::usage(what).hint("add --server https://HOST:6443")
        })
    }

    /// An interrupted change keeps nobody out, except one after which the CA may have another key.
    pub(super) fn refuse_if_the_ca_is_being_replaced(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let journal = match transaction::pending(&self.root) {
            Ok(None) => return Ok(()),
            Ok(Some(journal)) => journal,
            Err(error) => {
                context.out.note(&error.to_string());
                return Ok(());
            }
        };
        let key = self.inventory.authority(Ca::Cluster).map(|row| &row.key_path);
        let key = key.and_then(|path| self.snapshot.resolve(path).ok());
        if key.is_none_or(|key| !journal.changes.iter().any(|change| change.path == key.path)) {
            context
                .out
                .note("an earlier change was interrupted: kuberescue resume or kuberescue rollback ends it");
            return Ok(());
        }
        let what = "cannot issue a client certificate: an interrupted change replaces the key of the CA";
        Err(Error::refused(Code::InterruptedChange, what)
            .hint("finish it with kuberescue resume, or undo it with kuberescue rollback"))
    }

    /// Records in the node's history what is issued.
    ///
    /// # Errors
    /// Another run is in progress, or the disk can't be written.
    pub fn record(&self, certificates: &[Certificate], context: &mut Context<'_>) -> Result<(), Error> {
        let lock = take_lock(&self.root, context)?;
        for certificate in certificates {
            let issued = Issued {
                user: certificate.common_name().to_owned(),
                groups: certificate.organizations.clone(),
                serial: certificate.serial.clone(),
                from: certificate.not_before,
                until: certificate.not_after,
            };
            let (command, operator) = (context.command_line.clone(), context.operator.clone());
            let record = transaction::Context { command, operator, archive: None, now: context.now };
            transaction::record_issued(&lock, issued, &record)?;
        }
        Ok(())
    }

    /// The file for a new kubeconfig: a new one, or with `force` a kubeconfig that is not this node's own.
    ///
    /// # Errors
    /// There is something else, or it can't be read.
    pub fn target(&self, path: &Path, force: bool) -> Result<Target, Error> {
        let target = Target::open(path)?;
        let shown = path.display();
        let refused = |why: &str| Error::usage(format!("cannot write {shown}: {why}"));
        if let Some(real) = target.behind_link() {
            return Err(
                refused("it is a link").hint(format!("name the file itself: --out {}", real.display()))
            );
        }
        let Some(old) = target.old() else { return Ok(target) };
        let own = [KUBERNETES_DIR, KUBELET_DIR].iter().any(|directory| {
            let directory = self.root.on_host(Path::new(directory)).canonicalize();
            directory.is_ok_and(|directory| path.canonicalize().is_ok_and(|path| path.starts_with(directory)))
        });
        if own {
            return Err(refused("it is one of the node's own files")
                .hint("sudo kuberescue recover renews them, with an archive of the old ones"));
        }
        if !force {
            return Err(refused("it already exists")
                .hint("name a new file, or add --force (the old file is kept under a dated name)"));
        }
        match Entries::parse(old, Path::new("")) {
            Ok(entries) if !entries.clusters.is_empty() => Ok(target),
            _ => Err(refused("it is no kubeconfig").hint("name another file")),
        }
    }
}

/// The user name of a node's kubelet.
///
/// # Errors
/// It is no name of a node.
pub fn kubelet_of(node: &str) -> Result<String, Error> {
    // What kubeadm takes as a name is what a node may be called, but for wildcards.
    if node.parse::<San>().is_err() || node.starts_with('*') {
        let what = match node {
            "" => "cannot issue the certificate of a kubelet: the name of this node is not known".to_owned(),
            node => format!("cannot issue the certificate of a kubelet: {node:?} is no name of a node"),
        };
        return Err(Error::usage(what).hint("name the node as kubectl get nodes does"));
    }
    Ok(format!("system:node:{node}"))
}
