//! TLS as the components do it. Every file is read once, by who starts.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::Failure;
use crate::ask_only::AskOnly;

/// A certificate with its chain, and its key.
pub(crate) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The certificates of a PEM.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Failure> {
    Ok(CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?)
}

/// A pair from two PEMs (which may be the same).
pub(crate) fn pair(certificate: &[u8], key: &[u8]) -> Result<Pair, Failure> {
    Ok((certificates(certificate)?, PrivateKeyDer::from_pem_slice(key)?))
}

/// A pair from two files.
pub(crate) fn read_pair(certificate: &str, key: &str) -> Result<Pair, Failure> {
    pair(&read(certificate)?, &read(key)?).map_err(|error| format!("{certificate}, {key}: {error}").into())
}

pub(crate) fn read(path: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| format!("open {path}: {error}").into())
}

fn roots(pem: &[u8]) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// A client that shows its certificate and believes only this CA.
pub(crate) fn client(
    authority: &[u8],
    (chain, key): Pair,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, Failure> {
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots(authority)?)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

/// A server that asks for a client certificate and leaves the judgement to [`ClientCheck`], as the Go servers do:
/// a bad one is answered with 401, not with a TLS alert.
pub(crate) fn server((chain, key): Pair) -> Result<Arc<ServerConfig>, Failure> {
    let provider = CryptoProvider::get_default().ok_or("no TLS provider")?.clone();
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(AskOnly(provider)))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Judges a client's certificate: signed by the CA, for clients, and not expired at the moment of the request.
#[derive(Clone)]
pub(crate) struct ClientCheck(Arc<dyn ClientCertVerifier>);

impl ClientCheck {
    pub(crate) fn read(authority: &str) -> Result<Self, Failure> {
        Ok(Self(WebPkiClientVerifier::builder(Arc::new(roots(&read(authority)?)?)).build()?))
    }

    pub(crate) fn check(&self, chain: &[CertificateDer<'static>]) -> Result<(), Failure> {
        let (leaf, rest) = chain.split_first().ok_or("no certificate")?;
        self.0.verify_client_cert(leaf, rest, UnixTime::now())?;
        Ok(())
    }
}

/// A self-signed serving certificate for a name, as the components make it: with a CA certificate of its own after it.
pub(crate) fn self_signed(host: &str) -> Result<(String, String), Failure> {
    let stamp = jiff::Timestamp::now().as_second();
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.distinguished_name = rcgen::DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, format!("{host}-ca@{stamp}"));
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let mut leaf = CertificateParams::new(vec![host.to_owned(), "127.0.0.1".to_owned()])?;
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    leaf.distinguished_name.push(DnType::CommonName, format!("{host}@{stamp}"));
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    for params in [&mut authority, &mut leaf] {
        // An hour back and a year on, as client-go's GenerateSelfSignedCertKey.
        let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(stamp)?);
        params.not_before = now - Duration::from_secs(3600);
        params.not_after = now + Duration::from_secs(365 * 86400);
    }
    let (authority_key, leaf_key) = (KeyPair::generate()?, KeyPair::generate()?);
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let leaf_pem = leaf.signed_by(&leaf_key, &issuer)?.pem();
    Ok((format!("{leaf_pem}{authority_pem}"), leaf_key.serialize_pem()))
}
