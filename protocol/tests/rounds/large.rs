//! A consortium of many banks.

use crate::consortium::bank;
use crate::node::{Kill, Step};
use crate::world::World;

/// 40 banks, t = m_min = 27: thirteen may go in a round, and so many go, in every phase some.
#[test]
fn a_third_of_forty_banks_may_go_in_every_phase_of_a_round() {
    let mut world = World::new(40, 60);
    world.down_ms = None;
    let moments = [
        (1, Kill::Before(Step::Bundle)),
        (2, Kill::After(Step::Bundle)),
        (3, Kill::Before(Step::Ready)),
        (4, Kill::After(Step::Ready)),
        (5, Kill::Before(Step::Upload)),
        (6, Kill::After(Step::Upload)),
        (7, Kill::Before(Step::Confirm)),
        (8, Kill::After(Step::Confirm)),
        (9, Kill::Before(Step::Release)),
        (10, Kill::After(Step::Release)),
        (11, Kill::Before(Step::Derived)),
        (12, Kill::Before(Step::Ready)),
        (13, Kill::Before(Step::Upload)),
    ];
    for (position, kill) in moments {
        world.node(position).kill = Some(kill);
    }
    let outcome = world.round();
    assert!(outcome.end.is_ok(), "{outcome:?}");
    let gone_before_the_list = [1, 2, 3, 4, 5, 12, 13].map(bank);
    assert_eq!(outcome.survivors.len(), 40 - gone_before_the_list.len());
    assert!(
        outcome
            .survivors
            .iter()
            .all(|bank| !gone_before_the_list.contains(bank))
    );
    for position in 1..=13 {
        assert!(!world.banks[&bank(position)].is_up());
        world.restart(bank(position));
    }
    world.settle();
    let outcome = world.round();
    assert_eq!(outcome.survivors.len(), 40, "{:?}", outcome.end);
    world.assert_same_state();
}
