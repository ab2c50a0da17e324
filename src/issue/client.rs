//! A client certificate that no file of the node holds, in a kubeconfig.

use zeroize::Zeroizing;

use super::composer::authority_pem;
use super::{IssueError, KeyRequest, Signer, create, generate};
use crate::analysis::node::inventory::Inventory;
use crate::analysis::node::plan::ClientPlan;
use crate::formats::certificate::Certificate;
use crate::formats::key::{KeyAlgorithm, KeyEncoding, PrivateKey};
use crate::formats::kubeconfig::{NewKubeconfig, render};
use crate::state::catalog::Ca;

/// A client certificate with all that a kubeconfig holds.
pub(super) struct Client {
    pub(super) certificate: Certificate,
    pub(super) key: PrivateKey,
    /// PEM of the CAs by which the server is verified.
    pub(super) authority: String,
    pub(super) kubeconfig: Zeroizing<String>,
}

/// Issues the certificate of a plan. Returns it and its kubeconfig for `server`.
///
/// # Errors
/// The CA is gone since the plan, or the key or the signature could not be made.
pub fn client_kubeconfig(
    inventory: &Inventory,
    plan: &ClientPlan,
    server: &str,
) -> Result<(Certificate, Zeroizing<String>), IssueError> {
    client(inventory, plan, server).map(|client| (client.certificate, client.kubeconfig))
}

/// The same with its parts.
///
/// # Errors
/// As [`client_kubeconfig`].
pub(super) fn client(inventory: &Inventory, plan: &ClientPlan, server: &str) -> Result<Client, IssueError> {
    let (certificate, key) = client_certificate(inventory, plan)?;
    let vanished =
        || IssueError::Vanished { name: plan.profile.common_name.clone(), what: "its CA".to_owned() };
    let authority = authority_pem(inventory).ok_or_else(vanished)?;
    let kubeconfig = render(&NewKubeconfig {
        cluster: &inventory.facts.cluster_name.value,
        user: &plan.profile.common_name,
        server,
        authority_pem: authority.as_bytes(),
        certificate_pem: certificate.to_pem().as_bytes(),
        key_pem: key.to_pem().as_bytes(),
    });
    Ok(Client { certificate, key, authority, kubeconfig })
}

/// Issues the certificate with a new ECDSA P-256 key, as the kubelet makes them: every Kubernetes accepts it, and it
/// takes a millisecond.
///
/// # Errors
/// As [`client_kubeconfig`].
fn client_certificate(
    inventory: &Inventory,
    plan: &ClientPlan,
) -> Result<(Certificate, PrivateKey), IssueError> {
    let vanished =
        |what: &str| IssueError::Vanished { name: plan.profile.common_name.clone(), what: what.to_owned() };
    let row = inventory.authority(Ca::Cluster).ok_or_else(|| vanished("its CA"))?;
    let (Some(authority), Some(ca_key)) = (row.certificate.get(), row.key.get()) else {
        return Err(vanished("its CA"));
    };
    let request = KeyRequest { algorithm: KeyAlgorithm::EcdsaP256, encoding: KeyEncoding::Sec1 };
    let key = generate(&[request])?.into_iter().next().ok_or_else(|| vanished("its new key"))?;
    let certificate = create(&Signer::new(authority, ca_key)?, &plan.profile, &key, plan.dates)?;
    Ok((certificate, key))
}
