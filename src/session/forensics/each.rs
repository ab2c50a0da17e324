//! The same work on each of many files, with a bar on a terminal.

use crate::report::{BAR_END, bar};
use crate::session::Context;

/// More than this many take long enough for a bar.
const FEW: usize = 2;

/// The results in order. One after the other, so that one node is in memory at a time: reading nodes is allocating memory above all,
/// and threads that wait for one allocator took up to twice the time of one.
pub(super) fn each<T, R>(
    items: &[T],
    unit: &str,
    work: impl Fn(&T) -> R,
    context: &mut Context<'_>,
) -> Vec<R> {
    let draws = context.out.is_terminal() && items.len() > FEW;
    let mut results = Vec::new();
    for item in items {
        results.push(work(item));
        if draws {
            context.out.draw(&bar(results.len(), items.len(), unit));
        }
    }
    if draws {
        context.out.draw(BAR_END);
    }
    results
}
