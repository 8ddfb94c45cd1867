//! What a round costs beside its vectors: the machines of all banks and of the coordinator, in memory.

use veilsum_tests::stage::world::World;

use super::pace::{middle, seconds};

/// Consortia that each play a few rounds.
const CONSORTIA: u64 = 5;
/// Steps that train, after the one that gathers statistics.
const TRAINS: usize = 3;

/// Seconds of one core for a round of a model of four parameters, of all machines together: preparation, shares and parcels, the log with its
/// heads and cosignatures, certificate and releases. The stage that plays it copies and compares what passes, so it is rather more than less.
///
/// `banks`: at least 3.
///
/// # Panics
/// If a round has no result.
pub fn small_round(banks: u16) -> f64 {
    let mut times: Vec<f64> = (0..CONSORTIA)
        .flat_map(|seed| {
            let mut world = World::new(banks, seed);
            world.round();
            (0..TRAINS)
                .map(|_| {
                    seconds(&mut || {
                        let outcome = world.round();
                        assert!(outcome.end.is_ok(), "{:?}", outcome.end);
                    })
                })
                .collect::<Vec<_>>()
        })
        .collect();
    middle(&mut times)
}
