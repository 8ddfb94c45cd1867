//! Bytes that nobody honest sent, through every decoder of the crate: the list is `tests/src/hostile/`, which the fuzzers share.
//!
//! Good bytes are the frozen ones of `vectors/v1/` and those of a task that is played here; they are cut, spliced, flipped, and given
//! lengths of every size. Whatever comes of it, a decoder must not panic, must take no more memory than its limit says, and must read
//! nothing that it would write otherwise.
//!
//! The same mutations come each time. `VEILSUM_MUTATIONS` says how many, over all decoders together; without it, [`MUTATIONS`]. One that
//! fails is named by decoder and number, and comes again with as many.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod counting;
mod fuzzers;
mod kept;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use veilsum_tests::hostile::{Decoder, GROUPS, Outcome, corpus, group};

use counting::Counting;
use mutate::Mutator;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Over all decoders together, unless `VEILSUM_MUTATIONS` says otherwise.
const MUTATIONS: u64 = 150_000;

/// Most good bytes that one decoder starts from.
const SEEDS: usize = 48;

static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(corpus::all);

fn mutations() -> u64 {
    std::env::var("VEILSUM_MUTATIONS").map_or(MUTATIONS, |count| count.parse().unwrap())
}

/// Good bytes of this decoder, evenly over their lengths.
fn seeds(decoder: &Decoder) -> Vec<&'static [u8]> {
    let read = corpus::read_by(decoder, &CORPUS);
    let step = read.len().div_ceil(SEEDS).max(1);
    read.into_iter().step_by(step).collect()
}

/// What the decoder made of `bytes`, and what is wrong with that.
fn tried(decoder: &Decoder, bytes: &[u8]) -> Result<Outcome, String> {
    let limit = decoder.most_bytes(bytes.len());
    let (outcome, peak) = counting::peak_of(|| catch_unwind(AssertUnwindSafe(|| (decoder.run)(bytes))));
    match outcome {
        Err(_) => Err("it panicked".to_owned()),
        Ok(_) if peak > limit => Err(format!(
            "it took {peak} bytes of memory for {} bytes of input, expected at most {limit}",
            bytes.len()
        )),
        Ok(Outcome::Differs(written)) => Err(format!("it read them, and writes {}", hex::encode(written))),
        Ok(outcome) => Ok(outcome),
    }
}

fn abuse(name: &str) {
    let all: usize = GROUPS.iter().map(|group| group.decoders.len()).sum();
    let share = mutations() / all as u64;
    for decoder in group(name).decoders {
        let seeds = seeds(decoder);
        assert!(!seeds.is_empty(), "{}: no good bytes to start from", decoder.name);
        for bytes in &seeds {
            assert_eq!(tried(decoder, bytes), Ok(Outcome::Read), "{}", decoder.name);
        }
        let (mut read, mut refused) = (0u64, 0u64);
        for number in 0..share {
            let mut bytes = Mutator::new(decoder.name, number).mutate(&seeds, &CORPUS);
            if number % 4 != 0
                && let Some(mended) = decoder.mend.and_then(|mend| mend(&bytes))
            {
                bytes = mended;
            }
            match tried(decoder, &bytes) {
                Ok(Outcome::Refused) => refused += 1,
                Ok(_) => read += 1,
                Err(wrong) => panic!(
                    "{}, number {number}: {wrong}: {}",
                    decoder.name,
                    hex::encode(&bytes)
                ),
            }
        }
        println!(
            "{}: {} good, {read} read, {refused} refused",
            decoder.name,
            seeds.len()
        );
        assert!(
            share < 1000 || refused > 0,
            "{}: nothing is refused",
            decoder.name
        );
    }
}

macro_rules! groups {
    ($($test:ident = $group:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            abuse($group);
        })*

        #[test]
        fn every_group_is_tested() {
            let tested = [$($group),*];
            let names: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
            assert_eq!(names, tested);
        }
    };
}

groups! {
    frames = "frames",
    canonical_forms = "forms",
    the_log = "log",
    files = "files",
    the_state_of_a_bank = "state",
    what_banks_seal_for_each_other = "sealed",
    packed_vectors = "packed",
}

#[test]
fn the_counter_sees_what_is_taken_and_what_is_given_back() {
    let (_, peak) = counting::peak_of(|| {
        drop(vec![1u8; 100_000]);
        vec![1u8; 50_000]
    });
    assert!((100_000..110_000).contains(&peak), "{peak}");
    let (_, peak) = counting::peak_of(|| {
        let mut growing: Vec<u8> = Vec::with_capacity(10);
        growing.reserve_exact(70_000);
        growing
    });
    assert!((70_000..71_000).contains(&peak), "{peak}");
}
