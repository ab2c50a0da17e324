//! Making a bundle: what another node needs from the machine with the CA keys.

use std::path::{Path, PathBuf};

use super::new::Signing;
use crate::analysis::node::facts::Fact;
use crate::analysis::node::findings::{Node, findings};
use crate::analysis::node::host_state::HostState;
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::{ClientRequest, Options, decide};
use crate::disk::Depth;
use crate::error::Error;
use crate::formats::certificate::Certificate;
use crate::issue::{self, control_plane_bundle, with_authorities, worker_bundle};
use crate::session::Context;
use crate::session::change::refuse;
use crate::session::input::source::{RootArgs, open_root};
use crate::state::catalog::{self, Ca};
use crate::state::{Class, Code, Snapshot};

const FROM: &str =
    "--from takes an archive of the node, the root directory of its disk, or a copy of its /etc/kubernetes";

/// For whom a bundle is made.
pub struct Request {
    pub node: String,
    /// An archive or the root directory of that node, or a copy of its files; none for a worker that has nothing left.
    pub from: Option<PathBuf>,
    /// Days of the leaf certificates, where the operator says it.
    pub days: Option<u32>,
    /// What a worker's kubelet asks for.
    pub client: ClientRequest,
    pub server: Option<String>,
}

pub struct Made {
    pub bundle: issue::Bundle,
    pub is_worker: bool,
    /// Of a worker's kubelet.conf.
    pub server: Option<Fact<String>>,
}

impl Signing {
    /// Makes the content of a bundle in memory.
    ///
    /// # Errors
    /// What a plan refuses; the archive is of another node or cluster; or something could not be made.
    pub fn bundle(&self, request: &Request, context: &mut Context<'_>) -> Result<Made, Error> {
        match &request.from {
            None => self.refuse_itself(&request.node)?,
            Some(from) => {
                let (theirs, inventory) = read(from, &request.node)?;
                if inventory.is_control_plane() {
                    return self.for_control_plane(&theirs, inventory, request, context);
                }
            }
        }
        let plan = self.plan(&request.client, context)?;
        let server = self.server(request.server.as_deref())?;
        let bundle = worker_bundle(&self.inventory, &plan, &server.value)?;
        Ok(Made { bundle, is_worker: true, server: Some(server) })
    }

    fn for_control_plane(
        &self,
        theirs: &Snapshot,
        inventory: Inventory,
        request: &Request,
        context: &mut Context<'_>,
    ) -> Result<Made, Error> {
        self.refuse_if_the_ca_is_being_replaced(context)?;
        self.refuse_another_cluster(&inventory, &request.node)?;
        let snapshot = with_authorities((theirs, &inventory), (&self.snapshot, &self.inventory));
        let inventory = Inventory::with_facts(&snapshot, inventory.facts);
        let around = HostState::default();
        let findings =
            findings(Node { snapshot: &snapshot, inventory: &inventory, around: &around }, self.now);
        // What else is wrong there is judged there.
        let elsewhere =
            findings.iter().map(|finding| finding.code).filter(|code| code.page().class != Class::Credential);
        let accept = request.client.accept.iter().copied().chain(elsewhere).collect();
        let options = Options { days: request.days, accept, ..Options::recovery() };
        let plan = decide(&snapshot, &inventory, &findings, &options, self.now);
        refuse(&plan.refusals, context)?;
        let bundle = control_plane_bundle(&snapshot, &inventory, &plan)?;
        Ok(Made { bundle, is_worker: false, server: None })
    }

    fn refuse_itself(&self, node: &str) -> Result<(), Error> {
        let own = self.inventory.facts.node_name.as_ref();
        if own.is_none_or(|own| !own.value.eq_ignore_ascii_case(node)) {
            return Ok(());
        }
        let what = format!("cannot make a bundle for {node}: it is the node with the CA keys");
        Err(Error::usage(what).hint("sudo kuberescue recover renews it; for another node: --node NAME"))
    }

    fn refuse_another_cluster(&self, theirs: &Inventory, node: &str) -> Result<(), Error> {
        let rows = [theirs, &self.inventory].map(|inventory| inventory.authority(Ca::Cluster));
        let [Some(theirs), Some(ours)] = rows else { return Ok(()) };
        let is_here = |other: &Certificate| ours.bundle.iter().any(|one| one.spki == other.spki);
        if theirs.bundle.is_empty() || theirs.bundle.iter().any(is_here) {
            return Ok(());
        }
        let what = format!(
            "cannot make a bundle for {node}: {} there and here have different keys: it is another cluster's, or the CA was replaced",
            theirs.certificate_path.display()
        );
        Err(Error::refused(Code::CaReplaced, what).hint(
            "if the CA was replaced here: kuberescue ca replace ca --from DIR, there, takes it over (kuberescue ca replace --help)",
        ))
    }
}

/// The other node's files; its name is the one that was asked for.
fn read(from: &Path, node: &str) -> Result<(Snapshot, Inventory), Error> {
    let (snapshot, mut inventory) = match copy_of_files(from)? {
        Some(snapshot) => {
            let inventory = Inventory::read(&snapshot, None);
            (snapshot, inventory)
        }
        None => whole(from)?,
    };
    match &inventory.facts.node_name {
        Some(name) if !name.value.eq_ignore_ascii_case(node) => {
            let what = format!(
                "cannot make a bundle for node {node}: {} is of node {} ({})",
                from.display(),
                name.value,
                name.source
            );
            Err(Error::refused(Code::ArchiveOfAnotherNode, what)
                .hint(format!("name the node of the archive: --node {}", name.value)))
        }
        Some(_) => Ok((snapshot, inventory)),
        None => {
            let source = "--node".to_owned();
            inventory.facts.node_name = Some(Fact { value: node.to_owned(), source });
            Ok((snapshot, inventory))
        }
    }
}

fn whole(from: &Path) -> Result<(Snapshot, Inventory), Error> {
    let source = RootArgs { root: from.to_owned(), cert_dir: None };
    let (snapshot, inventory, _) = source.read_all().map_err(|mut error| {
        error.message = error.message.replace("--root", "--from");
        if error.code == Some(Code::RootUnreadable) {
            error.hints = vec![FROM.to_owned()];
        }
        error
    })?;
    Ok((snapshot, inventory))
}

/// What was copied from a node's `/etc/kubernetes`, or of its PKI directory: a directory with `pki`, or with `apiserver.crt`.
fn copy_of_files(from: &Path) -> Result<Option<Snapshot>, Error> {
    if !from.is_dir() {
        return Ok(None);
    }
    let root = open_root(from, FROM)?;
    let mut there = Snapshot::default();
    let base = Path::new(catalog::KUBERNETES_DIR);
    let base = if root.has_directory(Path::new("/pki")) {
        base.to_owned()
    } else if root.file(Path::new("/apiserver.crt")).is_some() {
        base.join("pki")
    } else {
        return Ok(None);
    };
    root.read(&mut there, Path::new("/"), Depth::Tree);
    let inside = |path: &Path| base.join(path.strip_prefix("/").unwrap_or(path));
    Ok(Some(there.iter().map(|(path, entry)| (inside(path), entry.clone())).collect()))
}
