//! Everybody does as they should.

use crate::world::{Faults, World};

#[test]
fn a_whole_task_gives_the_same_state_everywhere() {
    for banks in [3, 5, 10] {
        let mut world = World::new(banks, 1);
        for step in 0..5 {
            let outcome = world.round();
            assert!(outcome.end.is_ok(), "{banks} banks, step {step}: {outcome:?}");
            assert_eq!(outcome.survivors, world.all());
            assert_eq!(outcome.acknowledged.len(), usize::from(banks));
            world.assert_same_state();
        }
        assert!(world.office.plan().is_none(), "the task is done");
        world.assert_no_complaints();
    }
}

#[test]
fn doubled_messages_change_nothing() {
    let faults = Faults {
        double: true,
        delay_ms: 300,
        lose_one_in: 0,
        ..Faults::default()
    };
    let mut world = World::with(5, 2, faults);
    let mut plain = World::new(5, 2);
    for _ in 0..5 {
        let (outcome, expected) = (world.round(), plain.round());
        assert_eq!(outcome.survivors, expected.survivors);
        assert_eq!(outcome.end.unwrap(), expected.end.unwrap());
        world.assert_same_state();
    }
}

#[test]
fn lost_connections_only_cost_time() {
    for seed in 0..4 {
        let faults = Faults {
            double: false,
            delay_ms: 200,
            lose_one_in: 15,
            ..Faults::default()
        };
        let mut world = World::with(5, seed, faults);
        for _ in 0..5 {
            let outcome = world.round();
            assert!(outcome.end.is_ok(), "seed {seed}: {outcome:?}");
            world.assert_same_state();
        }
    }
}
