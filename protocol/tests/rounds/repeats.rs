//! A step that is summed again.

use veilsum_protocol::log::entry::AbortReason;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::wire::message::ToCoordinator;

use crate::consortium::bank;
use crate::node::{Kill, Step};
use crate::refusals::{nobody, recovers};
use crate::world::World;

#[test]
fn c_407_a_step_is_not_summed_again_over_other_banks() {
    let mut world = World::new(5, 20);
    // All shares are released, but two do not arrive.
    world.tamper_up = Some(Box::new(|from, message| {
        if let (4 | 5, ToCoordinator::Release { round, .. }) = (from.get(), message) {
            round.0 += 1_000;
        }
    }));
    assert_eq!(world.round().end, Err(AbortReason::TooFewShares));
    world.tamper_up = None;
    // A coordinator that forgets for whom.
    world.office.released_for = None;
    // The second attempt lacks bank 5: its sum would differ from the first by bank 5 alone.
    world.down_ms = None;
    world.node(5).kill = Some(Kill::Before(Step::Upload));
    let second = world.round();
    assert_eq!(second.end, Err(AbortReason::TooFewConfirmations));
    for position in 1..=4 {
        assert_eq!(world.refused(position), [Check::StepReleased], "bank {position}");
    }
    nobody(&world, second.round, Step::Confirm);
    // Over the same banks it may be.
    world.restart(bank(5));
    recovers(&mut world);
}
