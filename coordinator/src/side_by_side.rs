//! The same work on many things at once, on threads that end before it returns.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::engine::ports::Fault;

/// Does `one` to each of `all` on at most so many threads, this one among them; begins nothing more after the first fault.
///
/// # Errors
/// The first fault of the first thread that had one. Others of `all` may be done then.
pub(crate) fn side_by_side<T: Sync>(
    threads: usize,
    all: &[T],
    one: impl Fn(&T) -> Result<(), Fault> + Sync,
) -> Result<(), Fault> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Fault> {
        while let Some(item) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            one(item).inspect_err(|_| next.store(all.len(), Ordering::Relaxed))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(all.len())).map(|_| scope.spawn(work)).collect();
        let mut outcome = work();
        for other in others {
            let theirs = other
                .join()
                .unwrap_or_else(|_| Err(Fault::new("a thread that worked beside others has panicked")));
            outcome = outcome.and(theirs);
        }
        outcome
    })
}
