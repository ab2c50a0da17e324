//! One TLS handshake with the server of a kubeconfig and nothing after it: no credential is sent and no proxy
//! is used. The served certificate is recorded, trusted or not, then verified as a client would: with the
//! cluster's CA, the name and the time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::deadline::Deadline;
use super::fault::Fault;
use super::https::{Recorder, configuration, event_loop, within};
use crate::analysis::workstation::{Connection, Target};
use crate::formats::certificate::Certificate;

const TIMEOUT: Duration = Duration::from_secs(5);

const PARALLEL: usize = 16;

/// Connects to each server; the results are in the order of the targets.
pub fn handshake_all(targets: &[Target], now: Timestamp) -> Vec<Connection> {
    let mut answers = Vec::with_capacity(targets.len());
    for some in targets.chunks(PARALLEL) {
        std::thread::scope(|scope| {
            let started: Vec<_> = some
                .iter()
                .map(|target| {
                    let thread = std::thread::Builder::new().name("handshake".to_owned());
                    (target, thread.spawn_scoped(scope, || handshake(target, now)))
                })
                .collect();
            // Without a free thread the work is done here.
            let finished =
                started.into_iter().map(|(target, thread)| match thread.map(|thread| thread.join()) {
                    Ok(Ok(answer)) => answer,
                    _ => handshake(target, now),
                });
            answers.extend(finished);
        });
    }
    answers
}

pub fn handshake(target: &Target, now: Timestamp) -> Connection {
    let mut connection = Connection::default();
    match try_handshake(target, now, &mut connection) {
        Ok(()) => {}
        Err(fault) => {
            connection.code = Some(fault.code());
            connection.error = Some(fault.to_string());
        }
    }
    connection
}

struct Address {
    host: String,
    port: u16,
    plain: bool,
}

impl Address {
    /// Reads a URL as client-go does: without a scheme it is HTTPS.
    fn of(url: &str) -> Option<Self> {
        let whole = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
        let uri: hyper::Uri = whole.parse().ok()?;
        let plain = match uri.scheme_str()? {
            "https" => false,
            "http" => true,
            _ => return None,
        };
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if plain { 80 } else { 443 });
        (!host.is_empty()).then_some(Self { host, port, plain })
    }
}

fn try_handshake(target: &Target, now: Timestamp, connection: &mut Connection) -> Result<(), Fault> {
    let no_url = || Fault::Unreachable("the server is no URL of a host".to_owned());
    let address = Address::of(&target.server).ok_or_else(no_url)?;
    connection.address = if address.host.contains(':') {
        format!("[{}]:{}", address.host, address.port)
    } else {
        format!("{}:{}", address.host, address.port)
    };
    let name = target.tls_server_name.clone().unwrap_or_else(|| address.host.clone());
    let not_a_name = format!("\"{name}\" is neither a host name nor an address");
    let name = ServerName::try_from(name).map_err(|_| Fault::Unreachable(not_a_name))?;
    let runtime = event_loop()?;
    let recorder = Arc::new(Recorder::new());
    let done = runtime.block_on(connect(&address, name.clone(), recorder.clone()));
    // Don't wait for a name that is still being resolved.
    runtime.shutdown_background();
    let chain = recorder.chain();
    let leaf = chain.first().and_then(|der| Certificate::from_der(der.clone()).ok());
    connection.served = leaf.as_ref().map(Certificate::summary);
    done?;
    if address.plain {
        connection.note = Some("plain HTTP: there is no certificate".to_owned());
    } else if target.insecure {
        connection.note = Some("not verified: insecure-skip-tls-verify is set".to_owned());
    } else if target.authorities.is_empty() {
        connection.note = Some("not verified: the kubeconfig has no CA that can be used".to_owned());
    } else {
        judge(&chain, &name, target, now, &recorder)?;
        connection.verified = true;
    }
    Ok(())
}

async fn connect(address: &Address, name: ServerName<'static>, recorder: Arc<Recorder>) -> Result<(), Fault> {
    let deadline = Deadline::within(TIMEOUT);
    let stream =
        within(deadline, tokio::net::TcpStream::connect((address.host.as_str(), address.port))).await?;
    if address.plain {
        return Ok(());
    }
    let config = configuration(recorder, None).map_err(|error| Fault::of(&error))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    within(deadline, connector.connect(name, stream)).await.map(drop)
}

/// Whether a client that trusts the cluster's CA accepts the chain, for this name and at this time.
fn judge(
    chain: &[Vec<u8>],
    name: &ServerName<'_>,
    target: &Target,
    now: Timestamp,
    recorder: &Recorder,
) -> Result<(), Fault> {
    let mut roots = RootCertStore::empty();
    roots
        .add_parsable_certificates(target.authorities.iter().map(|der| CertificateDer::from(der.as_slice())));
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), recorder.provider())
        .build()
        .map_err(|_| Fault::ServerCertificate("the cluster's CA cannot be used".to_owned()))?;
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let (leaf, others) =
        chain.split_first().ok_or_else(|| Fault::ServerCertificate("there is none".to_owned()))?;
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    verifier.verify_server_cert(leaf, others, name, &[], time).map(drop).map_err(|error| Fault::of(&error))
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_of_urls() {
        let read = |url: &str| Address::of(url).map(|a| (a.host, a.port, a.plain));
        let some = |host: &str, port, plain| Some((host.to_owned(), port, plain));
        assert_eq!(read("https://10.0.0.1:6443"), some("10.0.0.1", 6443, false));
        assert_eq!(read("https://u:p@h.example/k8s/x"), some("h.example", 443, false));
        assert_eq!(read("https://[::1]:6443/"), some("::1", 6443, false));
        assert_eq!(read("h:1"), some("h", 1, false));
        assert_eq!(read("http://h"), some("h", 80, true));
        for none in ["", "unix:///x", "https://", "ht tp://x"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
