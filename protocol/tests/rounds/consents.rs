//! Banks that refuse a task, before or after they approved it: the others go on, the coordinator hears of it whatever is lost, and a later approval
//! takes its place.

use veilsum_protocol::log::entry::{AbortReason, Entry};
use veilsum_protocol::round::participant::Event;
use veilsum_protocol::wire::message::ToCoordinator;
use veilsum_protocol::wire::refusal::RefusalReason;

use crate::consortium::bank;
use crate::node::{Kill, Step};
use crate::world::{Faults, World};

const WHY: RefusalReason = RefusalReason::Columns;

/// Why a bank refuses the task, as the coordinator knows.
fn heard(world: &World, position: u16) -> Option<RefusalReason> {
    let task = world.office.task.hash();
    world.office.refused.get(&(task, bank(position))).copied()
}

fn approvals(world: &World) -> usize {
    let entries = world.office.log.entries.iter();
    entries
        .filter(|entry| matches!(entry, Entry::TaskApproval { .. }))
        .count()
}

fn is_without(world: &mut World, position: u16) {
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert!(
        !outcome.cohort.contains(&bank(position)) && outcome.cohort.len() == 4,
        "{outcome:?}"
    );
    assert!(!world.answered(position, outcome.round, Step::Ready));
    world.assert_same_state();
}

fn is_with_all(world: &mut World) {
    let outcome = world.round();
    assert_eq!(
        (outcome.end.is_ok(), outcome.survivors.len()),
        (true, 5),
        "{outcome:?}"
    );
    world.assert_same_state();
}

#[test]
fn a_bank_that_refuses_what_it_approved_sits_out_follows_and_comes_back() {
    let mut world = World::new(5, 30);
    is_with_all(&mut world);
    let logged = world.office.log.size();
    world.decide(2, Some(WHY));
    assert_eq!(heard(&world, 2), Some(WHY));
    assert_eq!(
        world.office.log.size(),
        logged,
        "a refusal is no entry of the log"
    );
    is_without(&mut world, 2);
    // Another reason takes the place of the first.
    world.decide(2, Some(RefusalReason::Operator));
    assert_eq!(heard(&world, 2), Some(RefusalReason::Operator));
    world.decide(2, None);
    assert_eq!(heard(&world, 2), None);
    is_with_all(&mut world);
    assert_eq!(
        approvals(&world),
        5,
        "what was approved before is not logged twice"
    );
    world.assert_no_complaints();
}

#[test]
fn a_coordinator_that_does_not_hear_of_it_gets_nothing_from_the_bank() {
    let mut world = World::new(5, 31);
    world.decide(2, Some(WHY));
    // It lost the message, or pays no heed.
    world.office.refused.clear();
    is_without(&mut world, 2);
    let said = |message: &ToCoordinator| matches!(message, ToCoordinator::SitsOut { .. });
    assert!(
        world
            .sent
            .iter()
            .any(|(from, message)| *from == bank(2) && said(message))
    );
    world.assert_no_complaints();
}

#[test]
fn a_refusal_is_said_again_on_every_connection_and_after_every_restart() {
    let mut world = World::new(5, 32);
    world.decide(4, Some(WHY));
    // The coordinator has forgotten it with its connections.
    world.office.restart(world.now);
    assert_eq!(heard(&world, 4), None);
    for bank in world.all() {
        world.connect(bank);
    }
    world.settle();
    assert_eq!(heard(&world, 4), Some(WHY));
    world.disconnect(bank(4));
    world.connect(bank(4));
    world.settle();
    assert_eq!(heard(&world, 4), Some(WHY));
    world.kill(4);
    world.settle();
    world.restart(bank(4));
    world.settle();
    assert_eq!(heard(&world, 4), Some(WHY));
    // Who has thought again while it was away says that, and the refusal is gone.
    world.disconnect(bank(4));
    world.decide(4, None);
    world.connect(bank(4));
    world.settle();
    assert_eq!(heard(&world, 4), None);
    is_with_all(&mut world);
    assert_eq!(approvals(&world), 5);
}

#[test]
fn a_refusal_that_is_taken_back_without_an_approval_is_not_said_again() {
    let mut world = World::new(5, 33);
    world.decide(3, Some(WHY));
    let task = world.office.task.hash();
    world.tell(3, Event::Reconsidered(task));
    world.settle();
    world.disconnect(bank(3));
    world.connect(bank(3));
    world.settle();
    assert_eq!(heard(&world, 3), None);
}

/// The bank dies as `kill` says while it refuses, comes back, and approves again: false if it did not come to die.
fn dies(kill: Kill) -> bool {
    let mut world = World::new(5, 34);
    world.node(2).kill = Some(kill);
    world.decide(2, Some(WHY));
    let died = world.node(2).kill.is_none();
    world.settle();
    assert_eq!(heard(&world, 2), Some(WHY), "{kill:?}");
    is_without(&mut world, 2);
    world.decide(2, None);
    assert_eq!(heard(&world, 2), None, "{kill:?}");
    is_with_all(&mut world);
    world.assert_no_complaints();
    died
}

#[test]
fn a_bank_may_die_before_and_after_it_says_so() {
    for kill in [Kill::Before(Step::Refusal), Kill::After(Step::Refusal)] {
        assert!(dies(kill), "{kill:?}");
    }
}

#[test]
fn a_refusal_gets_through_a_network_that_loses_doubles_and_delays() {
    for seed in 0..12 {
        let faults = Faults {
            double: seed % 2 == 0,
            delay_ms: 40,
            lose_one_in: 25,
            ..Faults::default()
        };
        let mut world = World::new(5, seed);
        world.faults = faults;
        world.decide(2, Some(WHY));
        world.decide(2, None);
        world.decide(2, Some(WHY));
        // A connection that does not break is the last of those that did.
        world.faults = Faults::default();
        world.settle();
        assert_eq!(heard(&world, 2), Some(WHY), "seed {seed}");
        is_without(&mut world, 2);
    }
}

#[test]
fn too_many_refusals_leave_no_round_and_nothing_open() {
    let mut world = World::new(5, 35);
    world.decide(1, Some(WHY));
    world.decide(2, Some(RefusalReason::Operator));
    // An engine would not begin; this one does, and the round ends for want of banks.
    world.office.refused.clear();
    let outcome = world.round();
    assert_eq!(outcome.end, Err(AbortReason::TooFewReady), "{outcome:?}");
    world.decide(2, None);
    is_without(&mut world, 1);
}

#[test]
fn a_bank_that_refuses_after_it_prepared_the_next_round_is_left_out_without_a_word() {
    let mut world = World::new(5, 36);
    // The next one is prepared while this one is open.
    is_with_all(&mut world);
    let prepared = world.office.next_round;
    assert!(world.answered(2, prepared, Step::Bundle), "round {prepared}");
    world.decide(2, Some(WHY));
    is_without(&mut world, 2);
    world.assert_no_complaints();
    world.decide(2, None);
    is_with_all(&mut world);
    world.assert_no_complaints();
}
