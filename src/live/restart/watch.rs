//! The containers of one component: which are its own, which of them runs. The connection is reopened after
//! each error, because a restarting runtime closes it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::log;
use crate::live::cri::{
    CONTAINER_NAME, Container, ContainerState, ContainerStatus, CriError, POD_NAMESPACE, Runtime, Sandbox,
};
use crate::state::{Component, STATIC_POD_NAMESPACE};
use std::path::Path;

/// Time to connect: the socket is on this machine.
const CONNECT: Duration = Duration::from_secs(5);

/// How many lines of a log are shown.
const LINES: usize = 10;

/// One component, seen through a connection that may break.
pub(super) struct Watch {
    socket: PathBuf,
    component: Component,
    connection: Option<Runtime>,
    /// Sandbox → whether its pod is static.
    sandboxes: HashMap<String, bool>,
}

impl Watch {
    pub(super) fn new(socket: &Path, component: Component) -> Self {
        Self { socket: socket.to_owned(), component, connection: None, sandboxes: HashMap::new() }
    }

    /// One call; its connection is dropped if it fails.
    pub(super) fn call<T>(
        &mut self,
        call: impl FnOnce(&Runtime) -> Result<T, CriError>,
    ) -> Result<T, CriError> {
        let runtime = match self.connection.take() {
            Some(runtime) => runtime,
            None => Runtime::connect(&self.socket, CONNECT)?,
        };
        let answer = call(&runtime)?;
        self.connection = Some(runtime);
        Ok(answer)
    }

    /// The component's containers of every state: exact labels, and a static pod. Includes exited ones of
    /// earlier boots.
    pub(super) fn containers(&mut self) -> Result<Vec<Container>, CriError> {
        let labels = [(CONTAINER_NAME, self.component.name()), (POD_NAMESPACE, STATIC_POD_NAMESPACE)];
        let mut found = self.call(|runtime| runtime.containers(&labels))?;
        if found.iter().any(|container| !self.sandboxes.contains_key(&container.sandbox)) {
            for sandbox in self.sandboxes()? {
                self.sandboxes.insert(sandbox.id.clone(), sandbox.is_static());
            }
            // Left over from a sandbox that was removed: never looked up again.
            for container in found.iter().filter(|container| !is_live(container)) {
                self.sandboxes.entry(container.sandbox.clone()).or_insert(false);
            }
        }
        found.retain(|container| self.sandboxes.get(&container.sandbox) == Some(&true));
        // The newest last; the ID only makes the order stable.
        found.sort_by(|a, b| (a.created_at, a.attempt, &a.id).cmp(&(b.created_at, b.attempt, &b.id)));
        Ok(found)
    }

    fn sandboxes(&mut self) -> Result<Vec<Sandbox>, CriError> {
        self.call(|runtime| runtime.sandboxes(&[(POD_NAMESPACE, STATIC_POD_NAMESPACE)]))
    }

    /// The running sandbox of the pod in which the component last ran.
    pub(super) fn ready_sandbox(&mut self) -> Result<Option<String>, CriError> {
        let Some(newest) = self.containers()?.pop() else { return Ok(None) };
        let ready = self
            .sandboxes()?
            .into_iter()
            .find(|sandbox| sandbox.ready && sandbox.is_static() && sandbox.pod_uid == newest.pod_uid());
        Ok(ready.map(|sandbox| sandbox.id))
    }

    /// The status of the newest container.
    pub(super) fn newest(&mut self) -> Option<ContainerStatus> {
        let newest = self.containers().ok()?.pop()?;
        self.call(|runtime| runtime.status(&newest.id)).ok()?
    }

    /// The last log lines of the newest container.
    pub(super) fn last_lines(&mut self) -> Vec<String> {
        let status = self.newest().filter(|status| Path::new(&status.log_path).is_absolute());
        status.map_or_else(Vec::new, |status| log::tail(Path::new(&status.log_path), LINES))
    }
}

/// Whether a container has a process, as far as is known.
pub(super) fn is_live(container: &Container) -> bool {
    matches!(container.state, ContainerState::Running | ContainerState::Unknown)
}
