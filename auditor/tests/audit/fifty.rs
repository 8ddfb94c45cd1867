//! A log of fifty rounds of one task, with drop-outs and with every way to end without a result.

use veilsum_protocol::ids::Round;
use veilsum_protocol::log::entry::{AbortReason, Entry};

use crate::rounds::{End, Script};
use crate::world::World;

/// The rounds of [`fifty`].
pub(crate) const ROUNDS: u64 = 50;

const ALL: &[u16] = &[1, 2, 3, 4, 5];

type Banks = &'static [u16];

/// What happens in a round: who prepared, the cohort, the survivors, and the end; nothing where it was aborted before anybody prepared.
pub(crate) fn course(round: u64) -> Option<(Banks, Banks, Banks, End)> {
    Some(match round {
        8 => (ALL, ALL, &[1, 2, 4, 5], End::AbortedAfter(2)),
        16 => return None,
        24 => (ALL, ALL, &[1, 3, 4, 5], End::BadSharesOf(2)),
        32 => (ALL, ALL, ALL, End::AbortedAfter(0)),
        40 => (ALL, &[1, 2, 3, 4], &[1, 2, 3, 4], End::AbortedAfter(4)),
        _ => match round % 5 {
            0 => (ALL, ALL, &[1, 2, 4, 5], End::Published),
            1 => (ALL, &[1, 2, 3, 4], &[1, 2, 3, 4], End::Published),
            2 => (&[1, 3, 4, 5], &[1, 3, 4, 5], &[1, 3, 4, 5], End::Published),
            _ => (ALL, ALL, ALL, End::Published),
        },
    })
}

/// The whole log, with its archive.
pub(crate) fn fifty() -> World {
    let mut story = Story::new();
    (1..=ROUNDS).for_each(|round| story.play(round));
    story.world
}

/// The log while it is made.
pub(crate) struct Story {
    pub(crate) world: World,
    attempt: u32,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self::of(World::of_rounds(u32::try_from(ROUNDS).unwrap()))
    }

    pub(crate) fn of(world: World) -> Self {
        Self { world, attempt: 0 }
    }

    pub(crate) fn play(&mut self, round: u64) {
        self.play_to(round, None);
    }

    /// Plays a round that ends as `end` says, if it would have a result.
    pub(crate) fn play_to(&mut self, round: u64, end: Option<End>) {
        let Some((prepared, cohort, survivors, planned)) = course(round) else {
            self.world.log(&Entry::Abort {
                round: Round(round),
                reason: AbortReason::TooFewPrepared,
                after_release: false,
            });
            self.attempt += 1;
            return;
        };
        let end = end.filter(|_| planned == End::Published).unwrap_or(planned);
        self.world.play(&Script {
            round,
            attempt: self.attempt,
            prepared,
            cohort,
            survivors,
            end,
        });
        let published = matches!(end, End::Published | End::PublishedWithOneMore);
        self.attempt = if published { 0 } else { self.attempt + 1 };
    }
}
