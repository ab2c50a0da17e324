//! A kubeconfig where there was none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The values of a new kubeconfig; see [`render`].
pub struct NewKubeconfig<'a> {
    /// `kubernetes` unless configured.
    pub cluster: &'a str,
    /// The certificate's common name.
    pub user: &'a str,
    pub server: &'a str,
    pub authority_pem: &'a [u8],
    pub certificate_pem: &'a [u8],
    pub key_pem: &'a [u8],
}

/// A new kubeconfig in kubeadm's form (`util/kubeconfig/kubeconfig.go`, 1.36). Names are quoted, so that no
/// name is read as another type.
pub fn render(new: &NewKubeconfig<'_>) -> Zeroizing<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let (cluster, user) = (quoted(new.cluster), quoted(new.user));
    let context = quoted(&format!("{}@{}", new.user, new.cluster));
    let server = quoted(new.server);
    let key = Zeroizing::new(STANDARD.encode(new.key_pem));
    Zeroizing::new(format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {authority}\n    server: {server}\n  \
         name: {cluster}\ncontexts:\n- context:\n    cluster: {cluster}\n    user: {user}\n  name: {context}\n\
         current-context: {context}\nkind: Config\nusers:\n- name: {user}\n  user:\n    \
         client-certificate-data: {certificate}\n    client-key-data: {key}\n",
        authority = STANDARD.encode(new.authority_pem),
        certificate = STANDARD.encode(new.certificate_pem),
        key = key.as_str(),
    ))
}
