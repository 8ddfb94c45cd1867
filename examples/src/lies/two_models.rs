//! One bank is shown another round than the others.

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::checks::Check;
use veilsum_tests::stage::consortium::bank;
use veilsum_tests::stage::node::Step;
use veilsum_tests::stage::world::World;

use super::{BANKS, Story};

const FOOLED: u16 = 1;

pub(super) fn play() -> Story {
    let mut story = Story::new("Two models in one round");
    story.tries("The coordinator shows bank 1 a log of its own, in which the round starts from another model, made to make bank 1's update tell more.");

    let mut world = shown_another_state();
    let outcome = world.round();
    story.refusals(&world, &[FOOLED], Check::Witnesses);
    story.found(
        !world.answered(FOOLED, outcome.round, Step::Ready),
        "bank 1 does not even train: the other banks have cosigned another log than the one that it was shown",
    );
    story.tries("Then it steals the keys with which the banks cosign, all five, and tells bank 1 that everybody has seen what it was shown.");
    let mut world = shown_another_state();
    world.office.witnessing.stolen = true;
    let outcome = world.round();
    story.refusals(&world, &[FOOLED], Check::OtherState);
    story.found(
        !world.answered(FOOLED, outcome.round, Step::Upload),
        "bank 1 sends nothing: it computes each model itself, and this one is not what the log's sums give",
    );
    story.found(
        outcome.end.is_ok() && !outcome.survivors.contains(&bank(FOOLED)),
        format!(
            "the round goes on with the {} banks that saw the same",
            outcome.survivors.len()
        ),
    );
    another_deadline(&mut story);
    story
}

fn shown_another_state() -> World {
    let mut world = World::new(BANKS, 21);
    world.office.log.fork(
        bank(FOOLED),
        Box::new(|entry| match entry {
            Entry::RoundOpen(open) => {
                let mut other = open.clone();
                other.state = Digest([9; 32]);
                Some(vec![Entry::RoundOpen(other)])
            }
            _ => None,
        }),
    );
    world
}

/// The model is the same, and a single field of the opening differs: the masks no longer cancel, so nothing is gained by it either.
fn another_deadline(story: &mut Story) {
    let mut world = World::new(BANKS, 21);
    world.office.log.fork(
        bank(FOOLED),
        Box::new(|entry| match entry {
            Entry::RoundOpen(open) => {
                let mut other = open.clone();
                other.ready_until.0 += 1;
                Some(vec![Entry::RoundOpen(other)])
            }
            _ => None,
        }),
    );
    world.office.witnessing.stolen = true;
    let outcome = world.round();
    story.tries("Then it shows bank 1 the right model, and another deadline: one number of the opening that nobody trains on.");
    story.found(
        !outcome.survivors.contains(&bank(FOOLED)),
        "bank 1 is not in the sum: its signatures and masks hang on every field of the opening that it saw",
    );
    story.found(
        outcome.end.is_ok() && outcome.sum == world.expected_sum(&outcome),
        "the sum of the others is exact",
    );
}
