//! Signals that have to wait while a node is between two states.

use nix::sys::signal::{SigSet, Signal};

/// Signals that wait until this is dropped; what came meanwhile takes effect then.
#[derive(Debug)]
pub struct SignalGuard(SigSet);

/// Lets `signals` wait, in this thread and those that it starts from now on.
pub fn hold(signals: &[Signal]) -> SignalGuard {
    let set: SigSet = signals.iter().copied().collect();
    // Where that fails they end the run as ever: every state that it can be in has a way back.
    let _blocked = set.thread_block();
    SignalGuard(set)
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        let _released = self.0.thread_unblock();
    }
}
