//! The same work for many things, on all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` for each of `tasks`. The first ones begin first; without another thread, this one does all.
pub(super) fn on_all_cores<T: Sync>(tasks: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(task);
        }
    };
    let helpers = thread::available_parallelism().map_or(1, usize::from).min(tasks.len()).saturating_sub(1);
    thread::scope(|scope| {
        for _ in 0..helpers {
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}
