//! How fast one core expands released masks over a sum of a million coordinates of 16 banks, against the keystream alone: `make bench-log`.
#![allow(missing_docs, clippy::unwrap_used)]

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::secagg::accumulate::Accumulator;
use veilsum_protocol::secagg::mask::{Masks, Sign};
use veilsum_protocol::secagg::pack;
use veilsum_protocol::secagg::ring::Ring;

const BANKS: u16 = 16;
const LANES: usize = 1_000_000;
const REPEATS: usize = 9;

/// Seconds that this thread was on a core, so that other work on the machine counts little.
fn on_a_core() -> f64 {
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = nanoseconds.split_whitespace().next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}

/// Seconds: the median, the least and the most.
fn seconds(mut work: impl FnMut()) -> (f64, f64, f64) {
    let mut took: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let began = on_a_core();
            work();
            on_a_core() - began
        })
        .collect();
    took.sort_by(f64::total_cmp);
    (took[REPEATS / 2], took[0], took[REPEATS - 1])
}

fn rate(bytes: usize, (median, least, most): (f64, f64, f64)) -> (f64, String) {
    let gigabytes = bytes as f64 / 1e9;
    let text = format!(
        "{:.2} GB/s ({:.2} to {:.2})",
        gigabytes / median,
        gigabytes / most,
        gigabytes / least
    );
    (gigabytes / median, text)
}

fn main() {
    let ring = Ring::for_sum(BANKS, 16).unwrap();
    let mut entropy = SeededEntropy::new(1);
    // Of 5 banks that dropped out, the masks of every pair with the 11 that survived.
    let (survivors, dropped) = (11, 5);
    for (what, streams) in [
        ("all survive, 16 masks", usize::from(BANKS)),
        ("5 drop out, 66 masks", survivors + survivors * dropped),
    ] {
        // Beside each other, because the machine may do other things.
        let mut keystream = vec![0; 1 << 16];
        let chunks = (streams * LANES * ring.lane_bytes()).div_ceil(keystream.len());
        let alone = seconds(|| {
            for chunk in 0..chunks as u64 {
                let mut counter = [0; 16];
                counter[..8].copy_from_slice(&chunk.to_be_bytes());
                Ctr32BE::<Aes256>::new(&[7; 32].into(), &counter.into()).apply_keystream(&mut keystream);
            }
        });
        let (limit, alone) = rate(chunks * keystream.len(), alone);
        let mut masks = Masks::new(ring);
        (0..streams).for_each(|_| masks.push(&entropy.secret(), Sign::Minus));
        let mut accumulator = Accumulator::new(ring, LANES);
        let expanded = seconds(|| accumulator.apply(&masks));
        let (found, expanded) = rate(streams * LANES * ring.lane_bytes(), expanded);
        println!(
            "| expanded mask on one core, {what} | {expanded} | AES-256-CTR alone {alone}: ratio {:.2} | |",
            found / limit
        );
    }
    let vector = vec![0; ring.packed_bytes(LANES)];
    let mut masks = Masks::new(ring);
    (0..BANKS).for_each(|_| masks.push(&entropy.secret(), Sign::Minus));
    let whole = seconds(|| {
        let mut accumulator = Accumulator::new(ring, LANES);
        for _ in 0..BANKS {
            let _ = std::hint::black_box(Digest::of(&vector));
            accumulator.add(&vector).unwrap();
        }
        accumulator.apply(&masks);
        let mut packed = Vec::new();
        pack::pack(ring, &accumulator.into_lanes(), &mut packed);
        let _ = std::hint::black_box(Digest::of(&packed));
    });
    println!(
        "| one sum again: hash and add 16 updates, 16 masks, pack, hash | {:.3} s ({:.3} to {:.3}) | | |",
        whole.0, whole.1, whole.2
    );
}
