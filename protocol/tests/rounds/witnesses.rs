//! What banks act on was seen by enough of them: a log for one bank alone is worth nothing.

use std::collections::{BTreeMap, BTreeSet};

use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::Witnesses;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

use crate::consortium::{bank, log_key, roster};
use crate::ledger::Rewrite;
use crate::node::{Kill, Node, Step};
use crate::world::{Faults, World};

/// Another state in the opening.
fn another_opening() -> Rewrite {
    Box::new(|entry| match entry {
        Entry::RoundOpen(open) => {
            let mut other = open.clone();
            other.state = Digest([9; 32]);
            Some(vec![Entry::RoundOpen(other)])
        }
        _ => None,
    })
}

#[test]
fn c_602_a_bank_does_not_act_on_a_log_that_it_alone_is_shown() {
    let mut world = World::new(5, 30);
    world.office.log.fork(bank(1), another_opening());
    let outcome = world.round();
    assert!(outcome.end.is_ok());
    assert_eq!(outcome.survivors, [2, 3, 4, 5].map(bank));
    // It did not even look at the other opening: there would be another check for that.
    let refused = world.refused(1);
    assert!(
        !refused.is_empty() && refused.iter().all(|check| *check == Check::Witnesses),
        "{refused:?}"
    );
    assert!(!world.answered(1, outcome.round, Step::Ready));
}

#[test]
fn with_the_witness_keys_of_all_banks_the_checks_behind_still_stand() {
    let mut world = World::new(5, 30);
    world.office.log.fork(bank(1), another_opening());
    world.office.witnessing.stolen = true;
    let outcome = world.round();
    assert!(outcome.end.is_ok());
    assert_eq!(world.refused(1), [Check::OtherState]);
    assert!(!world.answered(1, outcome.round, Step::Upload));
}

#[test]
fn two_halves_that_are_shown_two_logs_both_stand_still() {
    let mut world = World::new(5, 31);
    for position in [1, 2] {
        world.office.log.fork(bank(position), another_opening());
    }
    world.start_round();
    world.settle();
    let round = world.office.outcome.clone().unwrap().round;
    for position in 1..=5 {
        // Nobody was told that four banks have seen the same, so nobody sees the round open.
        assert!(!world.answered(position, round, Step::Ready), "bank {position}");
        assert_eq!(world.refused(position), [], "bank {position}");
    }
}

#[test]
fn nothing_is_acted_on_while_too_few_are_there_and_all_of_it_when_they_are() {
    let mut world = World::new(5, 32);
    world.down_ms = None;
    for position in [1, 2] {
        world.kill(position);
        world.settle();
    }
    let task = crate::consortium::task("another");
    world.office.offer(&task);
    world.catch_up();
    let known = |world: &World, position: u16| {
        let machine = world.banks[&bank(position)].machine.as_ref().unwrap();
        machine.progress(&task.hash()).is_some()
    };
    for position in 3..=5 {
        assert!(!known(&world, position), "three of five have seen it");
    }
    world.restart(bank(1));
    world.settle();
    for position in [1, 3, 4, 5] {
        assert!(known(&world, position), "bank {position}: four have seen it");
    }
}

#[test]
fn a_bank_that_dies_around_its_cosignature_never_takes_it_back() {
    for kill in [Kill::Before(Step::Cosignature), Kill::After(Step::Cosignature)] {
        let mut world = World::new(3, 33);
        for _ in 0..3 {
            world.node(2).kill = Some(kill);
            let outcome = world.round();
            assert!(outcome.end.is_ok(), "{kill:?}: {outcome:?}");
            assert_eq!(world.node(2).kill, None);
            world.assert_same_state();
        }
        world.assert_no_complaints();
    }
}

/// The log's entries that are this bank's own words, and the results.
fn provable(entry: &Entry, me: BankIndex) -> bool {
    match entry {
        Entry::Masked { bank, .. }
        | Entry::Ack { bank, .. }
        | Entry::Release { bank, .. }
        | Entry::TaskApproval { bank, .. } => *bank == me,
        Entry::Result(_) => true,
        _ => false,
    }
}

/// Where the entries stand of which each bank has a receipt; every receipt holds.
fn proven(world: &World) -> BTreeMap<BankIndex, BTreeSet<u64>> {
    let (entries, witnesses) = (&world.office.log.entries, Witnesses::of(&roster(5)));
    let of = |(me, node): (&BankIndex, &Node)| {
        let indices = node.receipts.iter().map(|receipt| {
            let proven = receipt.verify(&log_key(), &witnesses, 4).unwrap();
            assert_eq!(proven.entry, entries[proven.index as usize]);
            assert!(provable(&proven.entry, *me));
            proven.index
        });
        (*me, indices.collect())
    };
    world.banks.iter().map(of).collect()
}

#[test]
fn every_bank_can_prove_what_it_said_and_what_came_of_it() {
    let mut world = World::new(5, 34);
    for _ in 0..3 {
        assert!(world.round().end.is_ok());
    }
    for (me, proven) in proven(&world) {
        let entries = (0..).zip(&world.office.log.entries);
        let expected = entries.filter(|(_, entry)| provable(entry, me));
        assert_eq!(proven, expected.map(|(index, _)| index).collect(), "bank {me}");
    }
}

#[test]
fn receipts_are_as_good_when_the_network_is_bad() {
    let faults = Faults {
        delay_ms: 200,
        lose_one_in: 60,
        ..Faults::default()
    };
    let mut world = World::with(5, 34, faults);
    let ended_well = (0..3).filter(|_| world.round().end.is_ok()).count();
    assert!(ended_well >= 2);
    for (me, proven) in proven(&world) {
        assert!(proven.len() >= 3 * ended_well, "bank {me}: {proven:?}");
    }
}

#[test]
fn a_cosignature_of_another_bank_or_head_does_not_count() {
    // Every bank's cosignature comes with a bit of its signature flipped.
    let mut world = World::new(5, 35);
    world.tamper_up = Some(Box::new(|_, message| {
        if let ToCoordinator::Cosignature { cosignature, .. } = message {
            cosignature.signature.0[7] ^= 1;
        }
    }));
    world.start_round();
    world.settle();
    let round = world.office.outcome.clone().unwrap().round;
    for position in 1..=5 {
        assert!(!world.answered(position, round, Step::Ready));
    }
    // And a coordinator that passes on too few, or the same one again and again.
    for change in [
        (|list: &mut Vec<_>| list.truncate(3)) as fn(&mut Vec<_>),
        |list| {
            let first = list[0];
            list.fill(first);
        },
    ] {
        let mut world = World::new(5, 36);
        world.tamper_down = Some(Box::new(move |_, message| {
            if let ToBank::Witnessed { cosignatures, .. } = message {
                change(cosignatures);
            }
        }));
        world.start_round();
        world.settle();
        let round = world.office.outcome.clone().unwrap().round;
        for position in 1..=5 {
            assert!(world.refused(position).contains(&Check::Witnesses));
            assert!(!world.answered(position, round, Step::Ready));
        }
    }
}
