//! Replacing the CAs of all clusters of a kubeconfig, not only of its current context.

use zeroize::Zeroizing;

use super::splice::replaced;
use super::{File, KubeconfigError, Value, read};
use crate::formats::{too_large, yaml};

/// A kubeconfig with another CA in each cluster for whose PEM `replace` returns one. `None` where it does so for none, or
/// where this is no kubeconfig.
///
/// # Errors
/// One of them cannot be replaced where it stands.
pub fn with_authorities(
    data: &[u8],
    replace: impl Fn(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
) -> Result<Option<Zeroizing<Vec<u8>>>, KubeconfigError> {
    let text = std::str::from_utf8(data).ok().filter(|_| too_large(data).is_none());
    let Some(text) = text else { return Ok(None) };
    let Ok((Some(file), _)) = yaml::parse::<Option<File>>(text) else { return Ok(None) };
    let mut edits = Vec::new();
    for entry in file.clusters.into_iter().flatten() {
        let value = entry.cluster.and_then(|cluster| cluster.authority);
        let value = value.and_then(|value| read(text, &value, "certificate-authority-data").ok());
        let Some(Value { decoded, at }) = value else { continue };
        if let Some(new) = replace(&decoded) {
            edits.push((at?, new));
        }
    }
    let edits: Vec<_> = edits.iter().map(|(at, new)| (at.clone(), new.as_slice())).collect();
    Ok((!edits.is_empty()).then(|| replaced(data, edits)))
}
