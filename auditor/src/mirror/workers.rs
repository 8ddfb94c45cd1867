//! A few requests at a time: enough to hide the way to the server, too few to be a burden on it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

/// Requests that are under way at once.
const WORKERS: usize = 4;

/// Does `work` for every number below `count`; after a failure nothing new is begun, and the first one is told.
pub(super) fn each<E: Send>(
    count: u64,
    work: impl Fn(u64) -> Result<(), E> + Sync,
    mut done: impl FnMut(u64),
) -> Result<(), E> {
    let next = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..WORKERS {
            let (tell, work, next, failed) = (tell.clone(), &work, &next, &failed);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = work(index);
                    if outcome.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    // The receiver lives until every sender is gone.
                    let _ = tell.send(outcome);
                }
            });
        }
        drop(tell);
        let mut first = Ok(());
        for (number, outcome) in (1..).zip(told) {
            match outcome {
                Ok(()) => done(number),
                Err(error) if first.is_ok() => first = Err(error),
                Err(_) => {}
            }
        }
        first
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn everything_is_done_once() {
        let seen = Mutex::new(vec![0; 100]);
        let mut counted = 0;
        let outcome: Result<(), ()> = each(
            100,
            |index| {
                seen.lock().expect("no panic")[usize::try_from(index).expect("small")] += 1;
                Ok(())
            },
            |done| counted = done,
        );
        assert_eq!(outcome, Ok(()));
        assert_eq!(seen.into_inner().expect("no panic"), vec![1; 100]);
        assert_eq!(counted, 100);
    }

    #[test]
    fn a_failure_ends_the_work_and_is_told() {
        let begun = AtomicU64::new(0);
        let outcome = each(
            1_000_000,
            |index| {
                begun.fetch_add(1, Ordering::Relaxed);
                if index == 3 { Err(index) } else { Ok(()) }
            },
            |_| (),
        );
        assert_eq!(outcome, Err(3));
        assert!(begun.load(Ordering::Relaxed) < 1_000_000);
    }
}
