//! What the coordinator does with updates: unpack and fold them, take the masks off.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use veilsum_protocol::secagg::accumulate::Accumulator;
use veilsum_protocol::secagg::mask::Masks;
use veilsum_protocol::secagg::pack::pack;

use super::bank::{keystream_bytes, masks, ring};
use super::limits::{Addition, Keystream};
use super::pace::{Row, beside, spread, time};

/// Applies masks to a sum as the coordinator's daemon does, on so many threads.
pub(super) fn strip(accumulator: &mut Accumulator, masks: &Masks, threads: usize) {
    let parts: Vec<_> = accumulator.parts().map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            part.lock().unwrap_or_else(PoisonError::into_inner).apply(masks);
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
}

pub(super) fn rows(show: &mut dyn FnMut(Row)) {
    for (banks, lanes) in [(16, 1_000_000), (16, 10_000_000), (100, 10_000_000)] {
        let ring = ring(banks);
        let mut packed = Vec::new();
        let vector: Vec<u32> = (0..lanes as u32).map(|lane| lane & ring.mask()).collect();
        pack(ring, &vector, &mut packed);
        let mut accumulator = Accumulator::new(ring, lanes);
        let mut addition = Addition::new(lanes);
        let took = beside(9, &mut || addition.add(), &mut || {
            let _ = black_box(accumulator.add(&packed));
        });
        show(Row {
            what: format!(
                "coordinator, b = {}, d = {lanes}: unpack and fold one update; one core",
                ring.bits()
            ),
            found: spread(took.found),
            ratio: Some(took.ratio),
            limit: format!("u32 add {}", time(took.limit)),
            goal: "0.5",
        });
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    for (banks, lanes) in [(16, 1_000_000), (16, 10_000_000), (100, 1_000_000)] {
        let ring = ring(banks);
        let dropouts = usize::from(banks).div_ceil(10);
        let survivors = usize::from(banks) - dropouts;
        let streams = survivors + survivors * dropouts;
        let masks = masks(ring, streams);
        let mut accumulator = Accumulator::new(ring, lanes);
        let bytes = keystream_bytes(ring, lanes, streams);
        let took = beside(
            5,
            &mut || {
                let make = || Keystream::new().make(bytes / threads);
                thread::scope(|scope| {
                    (1..threads).for_each(|_| drop(scope.spawn(make)));
                    make();
                });
            },
            &mut || strip(&mut accumulator, &masks, threads),
        );
        show(Row {
            what: format!(
                "coordinator, n = {banks}, d = {lanes}: take off {survivors} self-masks and those of {dropouts} dropouts; {threads} cores"
            ),
            found: spread(took.found),
            ratio: Some(took.ratio),
            limit: format!("keystream of {threads} cores {}", time(took.limit)),
            goal: "0.75",
        });
    }
}
