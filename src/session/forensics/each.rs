//! The same work on each of many files, on several threads, with a bar on a terminal.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::report::{BAR_END, bar};
use crate::session::Context;

/// At most this many nodes are in memory at a time, each of 20 MiB at most.
const MOST_THREADS: usize = 8;

/// The results, in the order in which they were completed.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    unit: &str,
    work: impl Fn(&T) -> R + Sync,
    context: &mut Context<'_>,
) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let (next, (sender, receiver)) = (AtomicUsize::new(0), mpsc::channel());
    let draws = context.out.is_terminal() && items.len() > threads;
    let mut results = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send(work(item)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for result in receiver {
            results.push(result);
            if draws {
                context.out.draw(&bar(results.len(), items.len(), unit));
            }
        }
    });
    if draws {
        context.out.draw(BAR_END);
    }
    results
}
