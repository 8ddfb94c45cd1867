//! Banks that go and do not come back in time.

use veilsum_protocol::log::entry::{AbortReason, Entry};
use veilsum_protocol::wire::message::ToCoordinator;

use crate::consortium::bank;
use crate::node::{Kill, Step};
use crate::world::World;

fn killed(banks: u16, kills: &[(u16, Kill)]) -> World {
    let mut world = World::new(banks, 3);
    world.down_ms = None;
    for (position, kill) in kills {
        world.node(*position).kill = Some(*kill);
    }
    world
}

#[test]
fn one_of_five_may_go_at_any_moment() {
    let cases = [
        (Kill::Before(Step::Bundle), 4, 4),
        (Kill::Before(Step::Ready), 4, 4),
        (Kill::After(Step::Ready), 5, 4),
        (Kill::Before(Step::Upload), 5, 4),
        (Kill::Before(Step::Confirm), 5, 5),
        (Kill::After(Step::Confirm), 5, 5),
        (Kill::Before(Step::Release), 5, 5),
        (Kill::Before(Step::Derived), 5, 5),
    ];
    for (kill, cohort, survivors) in cases {
        let mut world = killed(5, &[(4, kill)]);
        let outcome = world.round();
        assert!(outcome.end.is_ok(), "{kill:?}: {outcome:?}");
        assert_eq!(
            (outcome.cohort.len(), outcome.survivors.len()),
            (cohort, survivors),
            "{kill:?}"
        );
        assert_eq!(outcome.acknowledged.len(), 4, "{kill:?}");
        world.assert_same_state();
        // It comes back, catches up by the log alone and takes part again.
        world.restart(bank(4));
        world.settle();
        let next = world.round();
        assert_eq!(next.survivors.len(), 5, "{kill:?}");
        assert_eq!(next.acknowledged.len(), 5, "{kill:?}");
        world.assert_same_state();
    }
}

#[test]
fn three_of_ten_may_go_at_different_moments() {
    let mut world = killed(
        10,
        &[
            (2, Kill::Before(Step::Upload)),
            (9, Kill::After(Step::Ready)),
            (5, Kill::Before(Step::Release)),
        ],
    );
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!((outcome.cohort.len(), outcome.survivors.len()), (10, 8));
    world.assert_same_state();
}

#[test]
fn two_of_five_are_one_too_many_and_the_next_round_works() {
    let cases = [
        (Step::Bundle, AbortReason::TooFewPrepared, false),
        (Step::Ready, AbortReason::TooFewReady, false),
        (Step::Upload, AbortReason::TooFewUpdates, false),
        (Step::Confirm, AbortReason::TooFewConfirmations, false),
        (Step::Release, AbortReason::TooFewShares, true),
    ];
    for (step, reason, after_release) in cases {
        let mut world = killed(5, &[(1, Kill::Before(step)), (3, Kill::Before(step))]);
        let before = world.office.state.clone();
        let failed = world.round();
        assert_eq!(failed.end, Err(reason), "{step:?}");
        assert_eq!(world.office.state, before);
        let abort = Entry::Abort {
            round: failed.round,
            reason,
            after_release,
        };
        assert_eq!(world.office.log.entries.last(), Some(&abort));
        world.restart(bank(1));
        world.restart(bank(3));
        let outcome = world.round();
        assert!(outcome.end.is_ok(), "{step:?}: {outcome:?}");
        assert_eq!(outcome.survivors.len(), 5);
        world.assert_same_state();
    }
}

#[test]
fn what_was_released_for_is_computed_again() {
    let mut world = killed(5, &[]);
    world.round();
    world.node(1).kill = Some(Kill::Before(Step::Release));
    world.node(3).kill = Some(Kill::Before(Step::Release));
    let failed = world.round();
    assert_eq!(failed.end, Err(AbortReason::TooFewShares));
    world.restart(bank(1));
    world.restart(bank(3));
    let outcome = world.round();
    assert!(outcome.end.is_ok());
    for node in world.banks.values() {
        // The same step under other masks, and the contribution was computed afresh.
        assert_ne!(node.uploaded[&failed.round], node.uploaded[&outcome.round]);
        assert_eq!(node.computed[1..], [failed.round, outcome.round]);
    }
}

#[test]
fn a_step_is_repeated_with_exactly_the_banks_whose_shares_left() {
    // Bank 5 is not among the survivors; all four release, and two releases are lost.
    let mut world = killed(5, &[(5, Kill::Before(Step::Upload))]);
    world.tamper_up_with(|from, message| {
        if let (3 | 4, ToCoordinator::Release { round, .. }) = (from.get(), message) {
            round.0 += 1_000;
        }
    });
    let failed = world.round();
    assert_eq!(failed.end, Err(AbortReason::TooFewShares));
    world.tamper_up = None;
    world.restart(bank(5));
    world.settle();
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.survivors, [1, 2, 3, 4].map(bank));
    assert_eq!(outcome.acknowledged.len(), 4);
    world.assert_same_state();
    // The next step is everybody's again.
    assert_eq!(world.round().survivors.len(), 5);
}

#[test]
fn a_repeated_step_ends_early_without_one_of_its_banks() {
    let mut world = killed(5, &[]);
    world.tamper_up_with(|from, message| {
        if let (3 | 4, ToCoordinator::Release { round, .. }) = (from.get(), message) {
            round.0 += 1_000;
        }
    });
    assert_eq!(world.round().end, Err(AbortReason::TooFewShares));
    world.tamper_up = None;
    // Four of five are enough for a step, but not for this one; nobody is asked to sign for other survivors.
    world.node(5).kill = Some(Kill::Before(Step::Upload));
    let second = world.round();
    assert_eq!(second.end, Err(AbortReason::TooFewUpdates));
    let listed = |entry: &Entry| matches!(entry, Entry::Survivors { round, .. } if *round == second.round);
    assert!(!world.office.log.entries.iter().any(listed));
    world.restart(bank(5));
    assert_eq!(world.round().survivors.len(), 5);
    assert_eq!(world.office.objections, []);
}

#[test]
fn three_banks_need_each_other() {
    let mut world = killed(3, &[(2, Kill::Before(Step::Upload))]);
    assert_eq!(world.round().end, Err(AbortReason::TooFewUpdates));
    world.restart(bank(2));
    assert_eq!(world.round().survivors.len(), 3);
    world.assert_same_state();
}

#[test]
fn a_bank_that_joins_late_derives_everything_by_itself() {
    let mut world = World::new(5, 3);
    world.down_ms = None;
    world.kill(5);
    for _ in 0..3 {
        assert_eq!(world.round().survivors.len(), 4);
    }
    world.restart(bank(5));
    world.settle();
    assert_eq!(world.round().survivors.len(), 5);
    world.assert_same_state();
}
