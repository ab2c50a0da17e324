//! Holding back signals while a node is between two states.

use nix::sys::signal::{SigSet, Signal};

/// Blocks signals until it is dropped; pending ones are delivered then.
#[derive(Debug)]
pub struct SignalGuard(SigSet);

/// Blocks `signals` in this thread and in those that it starts from now on.
pub fn hold(signals: &[Signal]) -> SignalGuard {
    let set: SigSet = signals.iter().copied().collect();
    // If that fails, a signal terminates the run as usual: every state can be resumed or rolled back.
    let _blocked = set.thread_block();
    SignalGuard(set)
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        let _released = self.0.thread_unblock();
    }
}
