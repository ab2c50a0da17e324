//! The parsers of an answer's bytes, for the fuzz targets.

use prost::Message as _;

use super::proto;
use super::{Container, ContainerStatus, Sandbox};

pub(crate) fn containers(bytes: &[u8]) -> Vec<Container> {
    let answer = proto::ListContainersResponse::decode(bytes).unwrap_or_default();
    answer.containers.into_iter().map(Container::from).collect()
}

pub(crate) fn sandboxes(bytes: &[u8]) -> Vec<Sandbox> {
    let _version = proto::VersionResponse::decode(bytes);
    let answer = proto::ListPodSandboxResponse::decode(bytes).unwrap_or_default();
    answer.items.into_iter().map(Sandbox::from).collect()
}

pub(crate) fn status(bytes: &[u8]) -> Option<ContainerStatus> {
    proto::ContainerStatusResponse::decode(bytes).ok()?.status.map(ContainerStatus::from)
}
