//! The few calls to etcd's gRPC API that the API server's stand-in makes.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_prost::ProstCodec;

use crate::Failure;

#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    range_end: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
}

/// A key and its value.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(crate) mod_revision: i64,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

/// A connection that comes back by itself when etcd was away.
#[derive(Clone)]
pub(crate) struct Etcd(Channel);

impl Etcd {
    /// `server` is one URL of `--etcd-servers`. Nothing is asked yet.
    pub(crate) fn new(server: &str, config: Arc<ClientConfig>) -> Result<Self, Failure> {
        let uri: Uri = server.parse()?;
        let host = uri.host().unwrap_or_default().to_owned();
        let port = uri.port_u16().unwrap_or(2379);
        // tonic must not do TLS itself: its endpoint is plain, the connector isn't.
        let endpoint =
            Endpoint::from_shared(format!("http://{host}:{port}"))?.timeout(Duration::from_secs(2));
        let connector = tower::service_fn(move |_: Uri| {
            let (host, config) = (host.clone(), config.clone());
            async move {
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(TlsConnector::from(config).connect(name, stream).await?))
            }
        });
        Ok(Self(endpoint.connect_with_connector_lazy(connector)))
    }

    /// All keys that begin so.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<KeyValue>, Failure> {
        let mut end = prefix.as_bytes().to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let request = RangeRequest { key: prefix.as_bytes().to_vec(), range_end: end };
        let response: RangeResponse = self.call("/etcdserverpb.KV/Range", request).await?;
        Ok(response.kvs)
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<KeyValue>, Failure> {
        let request = RangeRequest { key: key.as_bytes().to_vec(), range_end: Vec::new() };
        let response: RangeResponse = self.call("/etcdserverpb.KV/Range", request).await?;
        Ok(response.kvs.into_iter().next())
    }

    pub(crate) async fn put(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        let request = PutRequest { key: key.as_bytes().to_vec(), value: value.to_vec() };
        let _: PutResponse = self.call("/etcdserverpb.KV/Put", request).await?;
        Ok(())
    }

    async fn call<Asked, Answered>(&self, path: &'static str, request: Asked) -> Result<Answered, Failure>
    where
        Asked: prost::Message + 'static,
        Answered: prost::Message + Default + 'static,
    {
        let mut client = tonic::client::Grpc::new(self.0.clone());
        client.ready().await?;
        let codec: ProstCodec<Asked, Answered> = ProstCodec::default();
        let path = PathAndQuery::from_static(path);
        Ok(client.unary(tonic::Request::new(request), path, codec).await?.into_inner())
    }
}
