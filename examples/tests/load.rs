//! The load programs in small: as many processes as two cores carry in a test.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use veilsum_examples::load::idle::{IdleOptions, hold};
use veilsum_examples::load::{Options, play};

#[test]
fn rounds_go_on_while_banks_are_killed_in_every_phase() {
    let scratch = tempfile::tempdir().unwrap();
    let options = Options {
        dir: scratch.path().join("load"),
        banks: 12,
        parameters: 10_000,
        rounds: 1,
        drop_percent: 10,
        seed: 7,
    };
    let report = play(&options).unwrap();
    assert!(report.holds(), "{}", report.table());
    assert!(report.killed() >= 3, "{}", report.table());
}

#[test]
fn idle_banks_are_kept_and_silent_strangers_turned_away() {
    let scratch = tempfile::tempdir().unwrap();
    let options = IdleOptions {
        dir: scratch.path().join("load"),
        banks: 6,
        strangers: 100,
        hold: Duration::from_secs(15),
    };
    let report = hold(&options).unwrap();
    assert!(report.holds(), "{}", report.table());
    assert_eq!((report.banks, report.strangers), (6, 100));
}
