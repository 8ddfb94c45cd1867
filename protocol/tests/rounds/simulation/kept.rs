//! Rounds that went wrong once, as tests of their own. Each says what was wrong.

use veilsum_protocol::ids::Round;

use crate::consortium::bank;
use crate::node::{Kill, Step};
use crate::world::World;

/// Bank 2 is gone for longer than it is waited for, and bank 1 still computes: nothing is to be done until bank 1 answers or the phase
/// ends. A machine that asks to be woken in the past keeps its coordinator busy for all that time.
#[test]
fn a_coordinator_that_waits_for_one_bank_is_not_woken_for_another_that_is_gone() {
    let mut world = World::new(5, 198);
    world.down_ms = None;
    world.work_ms.insert(bank(1), 50_000);
    world.node(2).kill = Some(Kill::Before(Step::Ready));
    world.start_round();
    let mut steps = 0;
    while world.office.outcome.is_none() {
        assert!(world.step());
        steps += 1;
        let wanted = world
            .office
            .machine
            .as_ref()
            .and_then(|machine| machine.next_deadline());
        assert!(
            wanted.is_none_or(|at| at >= world.now),
            "it asks for {wanted:?} at {:?}",
            world.now
        );
    }
    assert!(steps < 2_000, "{steps} events in a round");
    world.settle();
    assert_eq!(world.office.outcome.as_ref().unwrap().survivors.len(), 4);
}

/// A round that ends after the uploads is closed, and the bank dies in the middle of that: its record and its files must fit each other.
#[test]
fn the_files_of_a_round_go_after_the_record_that_no_longer_needs_them() {
    for at in 1..=16 {
        let mut world = World::new(4, at as u64);
        world.start_round();
        world.run(|world| {
            [1, 2]
                .iter()
                .all(|bank| world.answered(*bank, Round(1), Step::Ready))
        });
        world.work_ms.extend([(bank(1), 100_000), (bank(2), 100_000)]);
        world.run(|world| world.answered(4, Round(1), Step::Upload));
        world.node(4).kill = Some(Kill::BeforeAction(at));
        world.run(|world| world.office.outcome.is_some());
        world.settle();
        assert!(world.office.outcome.as_ref().unwrap().end.is_err());
        world.work_ms.clear();
        assert!(world.round().end.is_ok(), "action {at}");
        world.assert_same_state();
    }
}
