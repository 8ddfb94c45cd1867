//! A round is run again, with one bank left out.

use veilsum_protocol::log::entry::AbortReason;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::wire::message::ToCoordinator;
use veilsum_tests::stage::consortium::bank;
use veilsum_tests::stage::node::{Kill, Step};
use veilsum_tests::stage::world::World;

use super::{BANKS, Story};

const VICTIM: u16 = 5;

pub(super) fn play() -> Story {
    let mut story = Story::new("A round is run again, with one bank left out");
    story.tries("All five banks have released their shares, so the coordinator can take the sum. It says that two releases were lost and that the round failed.");
    story.tries("Then it runs the same step again without bank 5. What banks contribute to this step is the same both times, so the two sums differ by bank 5.");

    let mut world = World::new(BANKS, 20);
    world.tamper_up = Some(Box::new(|from, message| {
        if let (4 | 5, ToCoordinator::Release { round, .. }) = (from.get(), message) {
            round.0 += 1_000;
        }
    }));
    let first = world.round();
    story.found(
        first.end == Err(AbortReason::TooFewShares),
        "the first try ends, and the log says that shares had left",
    );
    world.tamper_up = None;
    world.office.released_for = None;
    world.down_ms = None;
    world.node(VICTIM).kill = Some(Kill::Before(Step::Upload));
    let second = world.round();
    story.refusals(&world, &[1, 2, 3, 4], Check::StepReleased);
    story.nobody(&world, second.round, Step::Confirm, "signed the smaller list");
    story.nobody(&world, second.round, Step::Release, "released a share for it");

    let repeats = (1..VICTIM).all(|position| {
        let contributed = &world.banks[&bank(position)].contributed;
        contributed[&first.round] == contributed[&second.round]
    });
    let own = &world.banks[&bank(VICTIM)].contributed[&first.round];
    // A number of 24 bits in digits of 16, least significant first.
    let rows = u64::from(own[0]) + (u64::from(own[1]) << 16);
    story.found(
        repeats,
        format!(
            "had they answered, it would have read bank 5's sums of every column, and that it has {rows} rows"
        ),
    );

    world.restart(bank(VICTIM));
    let third = world.round();
    story.found(
        third.end.is_ok() && third.survivors.len() == usize::from(BANKS),
        "over the same five banks the step may be repeated, and is",
    );
    story
}
