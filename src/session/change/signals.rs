//! Signals that would end the run while a node is between two states: they are held back, and end the waiting or the
//! run where that is safe.

use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::Error;
use crate::live::deadline;
use crate::state::Code;

/// What ends a run: Ctrl-C, kill, a lost connection.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// The signal that has arrived while they were held; 0: none.
static ARRIVED: AtomicI32 = AtomicI32::new(0);

/// Holds signals back until it is dropped; pending ones are delivered then.
#[derive(Debug)]
pub struct SignalGuard(SigSet);

/// Holds back what would end the run, in this thread and in those that it starts from now on.
pub fn hold() -> SignalGuard {
    let mut set: SigSet = ENDING.iter().copied().collect();
    set.add(Signal::SIGTSTP);
    // If that fails, a signal ends the run as usual: every state can be resumed or rolled back.
    SignalGuard(set.thread_swap_mask(SigmaskHow::SIG_BLOCK).unwrap_or_else(|_| SigSet::empty()))
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        let _restored = self.0.thread_set_mask();
    }
}

/// The signal that has arrived while they were held back; from then on nothing is waited for.
pub fn arrived() -> Option<Signal> {
    let set: SigSet = ENDING.iter().copied().collect();
    let read = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .and_then(|pending| pending.read_signal());
    if let Ok(Some(info)) = read {
        let number = i32::try_from(info.ssi_signo).unwrap_or_default();
        let _first = ARRIVED.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
        deadline::interrupt_all();
    }
    Signal::try_from(ARRIVED.load(Ordering::Relaxed)).ok()
}

/// The end of a run by a signal that was held back: what was done, and how to go on.
///
/// # Errors
/// One has arrived.
pub fn stop_here(done: &str, hint: &str) -> Result<(), Error> {
    match arrived() {
        Some(signal) => Err(Error::manual_action(format!("interrupted by {signal}: {done}"))
            .code(Code::Interrupted)
            .hint(hint)),
        None => Ok(()),
    }
}
