//! kube-vip: leads the cluster's address to the API server as long as the credential that it read when it started is
//! accepted.
//!
//! Different from the real one: there is no virtual address and no election. It forwards a port (`--listen`) of the node,
//! as haproxy does beside keepalived.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Method;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::http::Api;
use crate::{Failure, Flags, kubeconfig, log, stop};

const ASKS_EVERY: Duration = Duration::from_millis(300);

pub(crate) async fn run(flags: &Flags) -> Result<(), Failure> {
    let api_server = flags.need("api-server")?.to_owned();
    let mut config = kubeconfig::read(flags.need("kubeconfig")?)?;
    config.server = format!("https://{api_server}");
    let api = Api::new(config)?;
    let accepted = Arc::new(AtomicBool::new(false));
    let listener = TcpListener::bind(flags.need("listen")?).await?;
    tokio::spawn(forward(listener, api_server, Arc::clone(&accepted)));
    tokio::spawn(async move {
        loop {
            let answer = api.ask(Method::GET, "/api/v1/nodes", String::new()).await;
            let is_accepted = matches!(answer, Ok((200, _)));
            if accepted.swap(is_accepted, Ordering::Relaxed) != is_accepted {
                log::info("vip", &format!("accepted by the API server: {is_accepted}"));
            }
            tokio::time::sleep(ASKS_EVERY).await;
        }
    });
    stop::wait().await
}

async fn forward(listener: TcpListener, to: String, accepted: Arc<AtomicBool>) {
    while let Ok((mut client, _)) = listener.accept().await {
        if !accepted.load(Ordering::Relaxed) {
            continue;
        }
        let to = to.clone();
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(to).await {
                // Whoever hangs up first ends it.
                let _closed = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
