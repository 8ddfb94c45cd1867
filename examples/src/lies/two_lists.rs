//! Two lists of survivors in one round.

use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::checks::Check;
use veilsum_tests::stage::consortium::bank;
use veilsum_tests::stage::world::World;

use super::{BANKS, Story};

const SEED: u64 = 20;
const VICTIM: u16 = 5;

pub(super) fn play() -> Story {
    let mut story = Story::new("Two lists of survivors, to read one bank");
    story.tries("All five banks have uploaded. The coordinator logs the list of all five, and right behind it a second one without bank 5.");
    story.tries("For the first list banks release shares of bank 5's self-mask, for the second shares of its recovery secret. Who has both reads bank 5.");

    let mut world = World::new(BANKS, SEED);
    world.lie(|entry| match entry {
        Entry::Survivors { round, list } => {
            let mut without = list.clone();
            without.retain(|(listed, _)| *listed != bank(VICTIM));
            let second = Entry::Survivors {
                round: *round,
                list: without,
            };
            Some(vec![entry.clone(), second])
        }
        _ => None,
    });
    let outcome = world.round();
    story.refusals(&world, &[1, 2, 3, 4, 5], Check::SecondSurvivors);
    story.found(
        outcome.end.is_ok() && outcome.survivors.len() == usize::from(BANKS),
        format!(
            "the round ends with the first list: the sum of {} banks, once",
            outcome.survivors.len()
        ),
    );
    what_it_was_after(&mut story);
    story
}

/// The same consortium twice, up to the list: what banks that answer for both lists would give away.
fn what_it_was_after(story: &mut Story) {
    let mut all = World::new(BANKS, SEED);
    let first = all.round();
    let mut without = World::new(BANKS, SEED);
    // The coordinator says that bank 5 did not arrive.
    without.flips_upload_of = Some(bank(VICTIM));
    let second = without.round();
    let same_vectors = all.all().iter().all(|bank| {
        all.banks[bank].uploaded.get(&first.round) == without.banks[bank].uploaded.get(&second.round)
    });
    let read: Vec<u32> = first
        .sum
        .iter()
        .zip(&second.sum)
        .map(|(with, without)| with.wrapping_sub(*without))
        .collect();
    let own = &all.banks[&bank(VICTIM)].contributed[&first.round];
    story.found(
        same_vectors && read == *own,
        format!(
            "had they answered for both lists, the difference of the two sums would have been bank 5's contribution, all {} numbers of it",
            own.len()
        ),
    );
}
