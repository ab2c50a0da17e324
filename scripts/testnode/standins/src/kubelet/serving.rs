//! The kubelet's ports: 10250 with TLS, 10248 for its own health.

use std::os::unix::fs::OpenOptionsExt as _;

use super::Configuration;
use crate::http::{self, Asked};
use crate::{Failure, log, tls};

const DIRECTORY: &str = "/var/lib/kubelet/pki";

pub(super) async fn start(node: &str, configuration: &Configuration) -> Result<(), Failure> {
    let pair = serving_pair(node, configuration)?;
    let clients = match &configuration.authentication.x509.client_ca_file {
        Some(path) => Some(tls::ClientCheck::read(path)?),
        None => None,
    };
    let address = format!("0.0.0.0:{}", configuration.port.unwrap_or(10250));
    http::serve(address, Some(tls::server(pair)?), move |asked: Asked| {
        let clients = clients.clone();
        async move {
            match clients {
                Some(clients) if clients.check(&asked.client).is_ok() => match asked.uri.path() {
                    "/healthz" => http::text(200, "ok"),
                    _ => http::text(404, "404 page not found\n"),
                },
                _ => http::text(401, "Unauthorized"),
            }
        }
    })
    .await?;
    let address = format!("127.0.0.1:{}", configuration.healthz_port.unwrap_or(10248));
    http::serve(address, None, |_| async { http::text(200, "ok") }).await
}

/// What the configuration names, or the pair that the API server signed, or the self-signed one, made where it is not there.
fn serving_pair(node: &str, configuration: &Configuration) -> Result<tls::Pair, Failure> {
    if let (Some(certificate), Some(key)) =
        (&configuration.tls_cert_file, &configuration.tls_private_key_file)
    {
        return tls::read_pair(certificate, key);
    }
    let signed = format!("{DIRECTORY}/kubelet-server-current.pem");
    if configuration.server_tls_bootstrap && std::fs::exists(&signed)? {
        return tls::read_pair(&signed, &signed);
    }
    let (certificate, key) = (format!("{DIRECTORY}/kubelet.crt"), format!("{DIRECTORY}/kubelet.key"));
    if !std::fs::exists(&certificate)? || !std::fs::exists(&key)? {
        let (certificate_pem, key_pem) = tls::self_signed(node)?;
        std::fs::create_dir_all(DIRECTORY)?;
        std::fs::write(&certificate, certificate_pem)?;
        let mut file =
            std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&key)?;
        std::io::Write::write_all(&mut file, key_pem.as_bytes())?;
        log::info("server.go:1066", &format!("Using self-signed cert ({certificate}, {key})"));
    }
    tls::read_pair(&certificate, &key)
}
