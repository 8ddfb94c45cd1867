//! What a bank does with its update: quantise, mask, pack, hash.

use std::hint::black_box;
use std::path::Path;
use std::thread;

use ring::digest::{Context, SHA256};
use veilsum_client::participant::RoundFiles;
use veilsum_protocol::crypto::entropy::{Entropy as _, SeededEntropy, SystemEntropy};
use veilsum_protocol::ids::Round;
use veilsum_protocol::secagg::mask::{Masking, Masks, Sign, mask_and_pack};
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::secagg::ring::Ring;

use super::ArithmeticError;
use super::limits::Keystream;
use super::pace::{Row, beside, spread, time};

pub(super) const DIGIT_BITS: u8 = 16;

pub(super) fn ring(banks: u16) -> Ring {
    // A roster of up to 500 banks has a ring for digits of 16 bits.
    Ring::for_sum(banks, DIGIT_BITS).unwrap_or_else(|| unreachable!("{banks} banks have a ring"))
}

/// So many keystreams, half of them taken off.
pub(super) fn masks(ring: Ring, streams: usize) -> Masks {
    let mut entropy = SeededEntropy::new(1);
    let mut masks = Masks::new(ring);
    for at in 0..streams {
        let sign = if at % 2 == 0 { Sign::Plus } else { Sign::Minus };
        masks.push(&entropy.secret(), sign);
    }
    masks
}

pub(super) fn values(lanes: usize) -> Vec<f32> {
    (0..lanes)
        .map(|at| ((at * 7919) % 20_011) as f32 / 10_005.5 - 1.0)
        .collect()
}

/// Bytes of keystream that so many lanes take under so many seeds.
pub(super) fn keystream_bytes(ring: Ring, lanes: usize, streams: usize) -> usize {
    ring.lane_bytes() * lanes * streams
}

/// One pass, chunk by chunk: the vector is read once, and nothing is kept but the hash.
fn fused(masks: &Masks, values: &[f32]) {
    let mut masking = Masking::new(masks);
    let lanes = masking.ring().chunk_lanes();
    let mut entropy = SystemEntropy::new();
    let mut hash = Context::new(&SHA256);
    for (chunk, values) in (0..).zip(values.chunks(lanes)) {
        let mut digits = Digits::with_capacity(DIGIT_BITS, lanes);
        // The values are numbers.
        let _ = digits.push_reals(values, 1.0, 0.5, &mut entropy);
        hash.update(masking.chunk(chunk, digits.lanes()));
    }
    black_box(hash.finish());
}

pub(super) fn rows(show: &mut dyn FnMut(Row)) {
    let mut keystream = Keystream::new();
    for (banks, lanes) in [
        (5, 1_000_000),
        (16, 1_000_000),
        (100, 1_000_000),
        (5, 10_000_000),
        (16, 10_000_000),
    ] {
        let ring = ring(banks);
        let masks = masks(ring, usize::from(banks));
        let values = values(lanes);
        let bytes = keystream_bytes(ring, lanes, usize::from(banks));
        let turns = if bytes > 200 << 20 { 5 } else { 15 };
        let mut row = |what: &str, goal, work: &mut dyn FnMut()| {
            let took = beside(turns, &mut || keystream.make(bytes), work);
            show(Row {
                what: format!("bank, n = {banks}, d = {lanes}: {what}; one core"),
                found: spread(took.found),
                ratio: Some(took.ratio),
                limit: format!("keystream {}", time(took.limit)),
                goal,
            });
        };
        row("quantise, all masks, pack, hash", "0.75", &mut || {
            fused(&masks, &values)
        });
        let mut digits = Digits::with_capacity(DIGIT_BITS, lanes);
        let _ = digits.push_reals(&values, 1.0, 0.5, &mut SeededEntropy::new(2));
        row("all masks and pack", "", &mut || {
            let _ = mask_and_pack::<()>(&masks, &digits, |packed| {
                black_box(packed);
                Ok(())
            });
        });
    }
}

/// The daemon's way, from the file of digits to the file that is uploaded, on one core and on all. `folder` lies in memory, if the disk is not
/// to be measured.
pub(super) fn files(folder: &Path, show: &mut dyn FnMut(Row)) -> Result<(), ArithmeticError> {
    let system = |error: &dyn std::fmt::Display| ArithmeticError::System(error.to_string());
    let files = RoundFiles::open(folder.join("rounds")).map_err(|error| system(&error))?;
    let ring = ring(16);
    let masks = masks(ring, 16);
    let lanes = 10_000_000;
    let mut digits = Digits::with_capacity(DIGIT_BITS, lanes);
    let _ = digits.push_reals(&values(lanes), 1.0, 0.5, &mut SeededEntropy::new(2));
    let round = Round(1);
    files
        .write_digits(round, DIGIT_BITS, &digits)
        .map_err(|error| system(&error))?;
    drop(digits);
    let failed = std::cell::Cell::new(None);
    let all = rustix::thread::sched_getaffinity(None).map_err(|error| system(&error))?;
    let mut one = rustix::thread::CpuSet::new();
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu));
    one.set(first.unwrap_or_default());
    let mask_on = |cpus: &rustix::thread::CpuSet| {
        // Threads that it starts stay on these processors too.
        let masked = rustix::thread::sched_setaffinity(None, cpus)
            .map_err(|error| error.to_string())
            .and_then(|()| files.mask(round, &masks).map_err(|error| error.to_string()));
        if let Err(error) = masked {
            failed.set(Some(error));
        }
    };
    let took = beside(7, &mut || mask_on(&one), &mut || mask_on(&all));
    let _ = rustix::thread::sched_setaffinity(None, &all);
    if let Some(error) = failed.take() {
        return Err(ArithmeticError::System(error));
    }
    files.close(round).map_err(|error| system(&error))?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    show(Row {
        what: format!("bank, n = 16, d = {lanes}: digits' file to masked file; {processors} cores"),
        found: spread(took.found),
        ratio: Some(took.ratio),
        limit: format!("one core {}", time(took.limit)),
        goal: "1.8 on two",
    });
    Ok(())
}
