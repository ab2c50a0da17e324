//! A kubeconfig as kubeadm writes it: one server, its CA, and a client certificate inside or beside it.

use base64::Engine as _;
use serde::Deserialize;

use crate::Failure;

#[derive(Deserialize)]
struct File {
    clusters: Vec<ClusterEntry>,
    users: Vec<UserEntry>,
}

#[derive(Deserialize)]
struct ClusterEntry {
    cluster: Cluster,
}

#[derive(Deserialize)]
struct UserEntry {
    user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    client_certificate: Option<String>,
    client_key: Option<String>,
}

/// What a client needs; all PEM.
pub(crate) struct Kubeconfig {
    pub(crate) server: String,
    pub(crate) authority: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// Reads it, and the files that it names.
pub(crate) fn read(path: &str) -> Result<Kubeconfig, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let file: File = serde_saphyr::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    let cluster = file.clusters.into_iter().next().ok_or_else(|| format!("{path}: no cluster"))?.cluster;
    let user = file.users.into_iter().next().ok_or_else(|| format!("{path}: no user"))?.user;
    Ok(Kubeconfig {
        server: cluster.server,
        authority: decode(&cluster.certificate_authority_data)?,
        certificate: inside_or_beside(user.client_certificate_data, user.client_certificate)?,
        key: inside_or_beside(user.client_key_data, user.client_key)?,
    })
}

fn inside_or_beside(data: Option<String>, path: Option<String>) -> Result<Vec<u8>, Failure> {
    match (data, path) {
        (Some(data), _) => decode(&data),
        (None, Some(path)) => std::fs::read(&path).map_err(|error| format!("{path}: {error}").into()),
        (None, None) => Err("a kubeconfig without a client certificate".into()),
    }
}

fn decode(data: &str) -> Result<Vec<u8>, Failure> {
    Ok(base64::engine::general_purpose::STANDARD.decode(data)?)
}
