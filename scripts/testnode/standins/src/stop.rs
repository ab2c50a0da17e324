//! How a component stops: at SIGTERM, after a while, or never.
//!
//! `TESTNODE_STOP` in the environment says after how many seconds (0.2 where nothing is said), or `never`: then only
//! SIGKILL helps, which is a stop that outlasts its grace period.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::{Failure, log};

/// Returns when the process may exit.
pub(crate) async fn wait() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        terminate.recv().await;
        let wish = std::env::var("TESTNODE_STOP").unwrap_or_default();
        log::info("stop", &format!("received SIGTERM; stops after {wish:?} (empty: 0.2) seconds"));
        if wish != "never" {
            tokio::time::sleep(Duration::from_secs_f64(wish.parse().unwrap_or(0.2))).await;
            return Ok(());
        }
    }
}
