//! Thousands of random rounds: bad networks, crashes at every action, disks that lose what was not synced, parties that lie.
//!
//! A seed gives a [`Scenario`], which is data; [`play`] runs it and looks at the [`Witness`]'s invariants after every step. A seed that
//! fails is printed with its scenario, and stays as a case of its own in `kept.rs`.
//!
//! `VEILSUM_SEEDS=a..b` plays other seeds than the ones of every test run; `make soak` uses it.

mod dice;
mod kept;
mod lies;
mod play;
mod scenario;
mod witness;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use play::{Summary, play};
use scenario::Scenario;

/// Played in every test run.
const SEEDS: Range<u64> = 0..2_000;

fn wanted() -> Range<u64> {
    let Ok(text) = std::env::var("VEILSUM_SEEDS") else {
        return SEEDS;
    };
    let range = text
        .split_once("..")
        .and_then(|(from, to)| Some(from.trim().parse().ok()?..to.trim().parse().ok()?));
    range.unwrap_or_else(|| panic!("VEILSUM_SEEDS: found {text:?}, expected a range such as 0..2000"))
}

/// Plays one seed; the text of what went wrong if something did.
fn attempt(seed: u64) -> Result<Summary, String> {
    let scenario = Scenario::of(seed);
    catch_unwind(AssertUnwindSafe(|| play(&scenario))).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!(
            "seed {seed} fails: {}\n{scenario:#?}\nrepeat it with: VEILSUM_SEEDS={seed}..{} cargo test -p veilsum-protocol --test rounds simulation::",
            text.unwrap_or_default(),
            seed + 1
        )
    })
}

#[test]
fn random_rounds_keep_every_promise() {
    let seeds = wanted();
    let next = AtomicU64::new(seeds.start);
    let failures = Mutex::new(Vec::new());
    let total = Mutex::new(Summary::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    match attempt(seed) {
                        Ok(summary) => total.lock().unwrap().add(&summary),
                        Err(text) => failures.lock().unwrap().push(text),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let total = total.into_inner().unwrap();
    println!("{} seeds: {total}", seeds.end.saturating_sub(seeds.start));
    for failure in &failures {
        println!("{}", failure.lines().next().unwrap_or_default());
    }
    assert!(
        failures.is_empty(),
        "{} of {} seeds fail; the first:\n{}",
        failures.len(),
        seeds.end - seeds.start,
        failures[0]
    );
    // A simulator in which nothing happens proves nothing.
    if seeds.end - seeds.start >= 500 {
        total.assert_eventful();
    }
}
