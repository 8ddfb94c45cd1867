//! A page of many rounds stays a page that can be read.

use std::time::Instant;

use veilsum_protocol::ids::{Digest, Round, Timestamp};
use veilsum_protocol::log::entry::{AbortReason, Entry, RoundOpen, RoundResult};
use veilsum_protocol::round::params::RoundKind;

use super::page;
use crate::rounds::story;
use crate::world::{World, bank};

const ROUNDS: u64 = 10_000;

/// Rounds without signatures: what the checks say of them does not matter here, and nothing is kept of most of it.
fn long() -> World {
    let mut world = story();
    let opens = world.find(|entry| matches!(entry, Entry::RoundOpen(_)));
    let Some((_, Entry::RoundOpen(open))) = opens.first() else {
        panic!("no opening");
    };
    let open = open.clone();
    for round in 5..=ROUNDS {
        let number = Round(round);
        let bundles = (1..=5)
            .map(|position| (bank(position), Digest([1; 32])))
            .collect();
        world.log(&Entry::PrepareManifest {
            epoch: open.epoch,
            round: number,
            bundles,
        });
        let open = RoundOpen {
            round: number,
            kind: RoundKind::Train,
            step: u32::try_from(round).unwrap(),
            opened_at: Timestamp(1_700_000_000 + 60 * round),
            ready_until: Timestamp(1_700_000_030 + 60 * round),
            ..open.clone()
        };
        world.log(&Entry::RoundOpen(open.clone()));
        if round % 50 == 0 {
            world.log(&Entry::Abort {
                round: number,
                reason: AbortReason::TooFewReady,
                after_release: false,
            });
            continue;
        }
        let cohort: Vec<_> = (1..=5).map(bank).collect();
        let survivors: Vec<_> = (1..=5)
            .filter(|position| (round + u64::from(*position)) % 9 != 0)
            .map(bank)
            .collect();
        world.log(&Entry::Cohort {
            round: number,
            banks: cohort,
        });
        world.log(&Entry::Survivors {
            round: number,
            list: survivors.iter().map(|bank| (*bank, Digest([2; 32]))).collect(),
        });
        let results = world.find_last_result();
        world.log(&Entry::Result(RoundResult {
            round: number,
            open: Digest([3; 32]),
            kind: RoundKind::Train,
            step: open.step,
            survivors: u16::try_from(survivors.len()).unwrap(),
            ..results
        }));
    }
    world
}

impl World {
    fn find_last_result(&self) -> RoundResult {
        let from = self.entries.len().saturating_sub(40).min(59);
        let last = self.entries[from..].iter().rev().find_map(|bytes| {
            match veilsum_protocol::wire::canonical::Canonical::from_bytes(bytes) {
                Ok(Entry::Result(result)) => Some(result),
                _ => None,
            }
        });
        last.expect("the story has a result")
    }
}

#[test]
fn ten_thousand_rounds_are_drawn_together_and_lists_are_cut_and_say_so() {
    let world = long();
    let begun = Instant::now();
    let text = page(&world, false);
    println!("{} KiB in {:?}", text.len() / 1024, begun.elapsed());
    assert!(text.len() < 1_500_000, "{} bytes", text.len());
    assert!(text.contains("Each column is 84 rounds"));
    assert!(text.contains("The last 200 rounds; the earlier 9\u{202f}800 are left out"));
    assert!(
        text.contains("the last 50. The earlier 151 are left out"),
        "{}",
        text.len()
    );
    assert!(text.contains("the first 50 are listed, the JSON report has all"));
    assert!(text.contains("Each point is the mean of "));
}
