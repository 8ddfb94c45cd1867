//! The next round, prepared while the one before is under way.

use std::cell::Cell;
use std::rc::Rc;

use veilsum_protocol::ids::{Epoch, Round};
use veilsum_protocol::log::entry::{AbortReason, Entry};
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::coordinator::{Event as CoordinatorEvent, Phase};
use veilsum_protocol::round::participant::Event;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

use crate::consortium::bank;
use crate::node::{Kill, Step};
use crate::world::{Faults, World};

fn phase(world: &World) -> Phase {
    world.office.machine.as_ref().unwrap().phase()
}

/// Round 1 is done, and round 2 prepared.
fn prepared(banks: u16, seed: u64) -> World {
    let mut world = World::new(banks, seed);
    assert!(world.round().end.is_ok());
    for position in 1..=banks {
        assert!(
            world.answered(position, Round(2), Step::Bundle),
            "bank {position}"
        );
    }
    world
}

#[test]
fn a_round_that_all_banks_prepared_is_open_when_it_starts() {
    let mut world = World::new(5, 60);
    let mut open_at_once = Vec::new();
    while world.office.plan().is_some() {
        world.start_round();
        open_at_once.push(phase(&world) == Phase::Ready);
        world.run(|world| world.office.outcome.is_some());
        world.settle();
        assert!(world.office.outcome.as_ref().unwrap().end.is_ok());
    }
    assert_eq!(open_at_once, [false, true, true, true, true]);
    // The last step has no round after it.
    assert!(!world.answered(1, Round(6), Step::Bundle));
    world.assert_same_state();
    world.assert_no_complaints();
}

#[test]
fn banks_prepare_while_one_of_them_trains() {
    let mut world = World::new(5, 61);
    world.work_ms.insert(bank(1), 20_000);
    world.start_round();
    world.run(|world| (1..=5).all(|position| world.answered(position, Round(2), Step::Bundle)));
    assert_eq!(phase(&world), Phase::Ready);
    assert!(!world.answered(1, Round(1), Step::Ready));
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert_eq!(world.office.outcome.as_ref().unwrap().survivors.len(), 5);
}

#[test]
fn a_coordinator_that_crashes_asks_again_and_gets_the_same_bundles() {
    for commits in 1..=12 {
        let mut world = World::new(5, 62 + commits as u64);
        world.start_round();
        world.run(|world| world.answered(1, Round(2), Step::Bundle));
        world.office.kill_after_commits = Some(commits);
        world.run(|world| world.office.outcome.is_some());
        world.settle();
        assert_eq!(world.office.kill_after_commits, None, "it crashed");
        // The world itself sees to it that no bank says a second, different thing of a round.
        assert!(world.round().end.is_ok());
        world.assert_same_state();
        world.assert_no_complaints();
    }
}

#[test]
fn a_bank_that_crashes_while_it_prepares_ahead_loses_neither_round() {
    for at in 1..=16 {
        for kill in [
            Kill::Persisted(at),
            Kill::BeforePersist(at),
            Kill::BeforeAction(at),
            Kill::AfterAction(at),
        ] {
            // With three banks every one is needed.
            let mut world = World::new(3, 80);
            world.start_round();
            world.run(|world| world.answered(2, Round(1), Step::Bundle));
            world.node(2).kill = Some(kill);
            world.run(|world| world.office.outcome.is_some());
            world.settle();
            assert!(world.office.outcome.as_ref().unwrap().end.is_ok(), "{kill:?}");
            let outcome = world.round();
            assert!(outcome.end.is_ok(), "{kill:?}: {outcome:?}");
            world.assert_same_state();
        }
    }
}

#[test]
fn the_request_or_its_answer_may_be_lost() {
    for seed in 0..20 {
        let faults = Faults {
            lose_one_in: 12,
            delay_ms: 50,
            reorder: true,
            ..Faults::default()
        };
        let mut world = World::with(4, 90 + seed, faults);
        for _ in 0..3 {
            world.start_round();
            world.run(|world| world.office.outcome.is_some());
            world.settle();
            assert!(world.office.outcome.as_ref().unwrap().end.is_ok(), "seed {seed}");
        }
        world.assert_same_state();
    }
}

#[test]
fn a_round_that_ends_without_a_result_leaves_the_one_ahead() {
    let mut world = World::new(5, 110);
    world.start_round();
    world.run(|world| (1..=5).all(|position| world.answered(position, Round(2), Step::Bundle)));
    let out = world.office.handle(world.now, None, CoordinatorEvent::Stop);
    world.office_out(out);
    world.settle();
    assert_eq!(
        world.office.outcome.as_ref().unwrap().end,
        Err(AbortReason::Stopped)
    );
    world.start_round();
    assert_eq!(phase(&world), Phase::Ready);
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert_eq!(world.office.outcome.as_ref().unwrap().survivors.len(), 5);
    world.assert_same_state();
}

#[test]
fn new_keys_make_what_was_prepared_under_the_old_ones_void() {
    let mut world = prepared(5, 120);
    let before = world.answer(1, Round(2), Step::Bundle);
    world.answers.clear();
    world.arm(Epoch(2));
    world.start_round();
    assert_eq!(phase(&world), Phase::Prepare);
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert!(world.office.outcome.as_ref().unwrap().end.is_ok());
    let (Some(ToCoordinator::Bundle(old)), Some(ToCoordinator::Bundle(new))) =
        (before, world.answer(1, Round(2), Step::Bundle))
    else {
        panic!("bank 1 prepared round 2 under both");
    };
    assert_eq!(
        (old.header.claim().epoch, new.header.claim().epoch),
        (Epoch(1), Epoch(2))
    );
    world.assert_same_state();
    world.assert_no_complaints();
}

/// A coordinator that asks on and on gets one bundle a round, and neither a round twice nor one that was passed.
#[test]
fn keys_of_a_round_are_taken_once_however_often_it_is_asked_for() {
    let mut world = World::new(5, 130);
    world.work_ms.insert(bank(2), 20_000);
    world.start_round();
    world.run(|world| world.answered(1, Round(2), Step::Bundle));
    let ask = |round| {
        Event::Message(ToBank::PrepareAsk {
            epoch: Epoch(1),
            round: Round(round),
        })
    };
    for round in [2, 1, 2] {
        world.tell(1, ask(round));
    }
    assert_eq!(world.refused(1), []);
    // Two are held ahead. A third takes the place of the first, whose keys are gone for good; the round that is under way stays.
    world.tell(1, ask(4));
    world.tell(1, ask(2));
    world.tell(1, ask(5));
    assert_eq!(world.refused(1), []);
    world.tell(1, ask(3));
    world.tell(1, ask(2));
    assert_eq!(world.refused(1), [Check::RoundNotNew; 2]);
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert_eq!(world.office.outcome.as_ref().unwrap().survivors.len(), 5);
    // Bank 1 cannot go along with round 2 any more: its bundle went to the coordinator, and its secrets are gone. Nor with round 3.
    world.start_round();
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert_eq!(world.office.outcome.as_ref().unwrap().survivors.len(), 4);
    assert_eq!(world.round().survivors.len(), 4);
    assert_eq!(world.round().survivors.len(), 5);
}

/// Round 1 ends and round 2 opens before the banks have heard of either.
#[test]
fn a_request_that_overtakes_the_log_costs_no_round() {
    for seed in 0..4 {
        let mut world = World::new(5, 150 + seed);
        // Nobody hears that enough banks have seen the head that ends round 1, until round 2 is asked to be followed by round 3.
        let held = Rc::new(Cell::new(false));
        let is_held = held.clone();
        world.tamper_down = Some(Box::new(move |_, message| {
            if let (true, ToBank::Witnessed { cosignatures, .. }) = (is_held.get(), message) {
                cosignatures.clear();
            }
        }));
        world.start_round();
        world.run(|world| (1..=5).all(|position| world.answered(position, Round(1), Step::Ready)));
        held.set(true);
        world.run(|world| world.office.outcome.is_some());
        world.start_round();
        assert_eq!(phase(&world), Phase::Ready);
        world.run(|world| (1..=5).all(|position| world.answered(position, Round(3), Step::Bundle)));
        held.set(false);
        world.catch_up();
        world.run(|world| world.office.outcome.is_some());
        world.settle();
        let outcome = world.office.outcome.as_ref().unwrap();
        assert_eq!(
            (outcome.round, outcome.survivors.len()),
            (Round(2), 5),
            "{outcome:?}"
        );
        world.assert_same_state();
    }
}

/// What a bank holds ahead does not show in the round that is under way: a log that opens both ends the first.
#[test]
fn a_log_that_opens_the_round_ahead_ends_the_one_before() {
    let mut world = World::new(5, 140);
    world
        .work_ms
        .extend((1..=5).map(|position| (bank(position), 20_000)));
    world.start_round();
    world.run(|world| (1..=5).all(|position| world.answered(position, Round(2), Step::Bundle)));
    let bundles = (1..=5).map(|position| match world.answer(position, Round(2), Step::Bundle) {
        Some(ToCoordinator::Bundle(bundle)) => (bank(position), bundle.header.hash()),
        other => panic!("{other:?}"),
    });
    let manifest = Entry::PrepareManifest {
        epoch: Epoch(1),
        round: Round(2),
        bundles: bundles.collect(),
    };
    let mut open = world.office.machine.as_ref().unwrap().opened().unwrap().clone();
    open.round = Round(2);
    open.manifest = veilsum_protocol::wire::canonical::Canonical::hash(&manifest);
    world.office.log.append(manifest);
    world.office.log.append(Entry::RoundOpen(open));
    world.catch_up();
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    assert_eq!(
        world.office.outcome.as_ref().unwrap().end,
        Err(AbortReason::TooFewReady)
    );
    for position in 1..=5 {
        assert!(
            !world.answered(position, Round(1), Step::Ready),
            "bank {position}"
        );
    }
}
