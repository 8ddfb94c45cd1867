//! A crafted model, the same for all.

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::checks::Check;
use veilsum_tests::stage::node::Step;
use veilsum_tests::stage::world::World;

use super::{BANKS, Story};

pub(super) fn play() -> Story {
    let mut story = Story::new("A crafted model, shown to all banks");
    story.tries("All banks see the same log. It says that a round starts from a model that the coordinator made up, whose updates tell more about rows.");
    let mut world = World::new(BANKS, 22);
    world.lie(|entry| match entry {
        Entry::RoundOpen(open) => {
            let mut other = open.clone();
            other.state = Digest([7; 32]);
            Some(vec![Entry::RoundOpen(other)])
        }
        _ => None,
    });
    let outcome = world.round();
    story.refusals(&world, &[1, 2, 3, 4, 5], Check::OtherState);
    story.nobody(&world, outcome.round, Step::Ready, "trained on it");

    story.tries("So it publishes a result that leads to the model of its choice, in the place of the one that the sum gives.");
    let mut world = World::new(BANKS, 22);
    world.lie(|entry| match entry {
        Entry::Result(result) => {
            let mut other = result.clone();
            other.next_state = Digest([7; 32]);
            Some(vec![Entry::Result(other)])
        }
        _ => None,
    });
    let outcome = world.round();
    story.refusals(&world, &[1, 2, 3, 4, 5], Check::DerivedState);
    story.nobody(&world, outcome.round, Step::Derived, "acknowledged it");
    story
}
