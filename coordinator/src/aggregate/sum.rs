//! One accumulator of four bytes a lane, whatever the number of banks; vectors stream through it from their files.
//!
//! Every processor works on it: first each on another bank's vector, then each on another part of the sum.

use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ring::digest::{Context, SHA256};
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::RoundOpen;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::{AdvanceError, Outcome, TaskState, Turnout};
use veilsum_protocol::secagg::accumulate::{Accumulator, Part};
use veilsum_protocol::secagg::mask::Masks;
use veilsum_protocol::secagg::pack::pack;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;

use crate::engine::ports::{Blobs, Fault};
use crate::side_by_side::side_by_side;

/// Everything that a sum is made of.
pub struct Summation {
    /// The open round.
    pub open: RoundOpen,
    /// Survivors and the hashes of their vectors.
    pub survivors: Vec<(BankIndex, Digest)>,
    /// The keystreams to take off.
    pub masks: Masks,
    /// The task.
    pub task: Arc<Task>,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// The state before.
    pub state: Arc<TaskState>,
}

/// What a sum gives. Sum and state are durable when this exists.
pub struct Summed {
    /// Hash of the packed sum.
    pub sum: Digest,
    /// The next state.
    pub state: TaskState,
    /// Hash of the next state.
    pub state_hash: Digest,
    /// Weights and metrics.
    pub outcome: Outcome,
}

/// Why there is no sum.
#[derive(Debug, thiserror::Error)]
pub enum SumError {
    /// The sum cannot come from honest contributions.
    #[error(transparent)]
    Contributions(#[from] AdvanceError),
    /// The coordinator's own disk.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Folds the survivors' vectors, takes the masks off, derives the next state, and stores sum and state.
///
/// # Errors
/// [`SumError::Contributions`] if some bank contributed what no honest one does; [`SumError::Fault`] if a stored vector is gone or
/// was changed on the disk.
pub fn sum(work: Summation, blobs: &dyn Blobs) -> Result<Summed, SumError> {
    let layout = work.plan.layout(work.open.kind);
    let ring = layout
        .ring(work.open.thresholds.banks)
        .ok_or_else(|| Fault::new(format!("round {}: the ring is out of range", work.open.round)))?;
    let mut accumulator = Accumulator::new(ring, layout.lanes());
    {
        let parts: Vec<_> = accumulator.parts().map(Mutex::new).collect();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        side_by_side(threads, &work.survivors, |(bank, hash)| {
            add(&parts, blobs, hash).map_err(|what| {
                Fault::new(format!(
                    "round {}: the stored update of bank {bank}: {what}",
                    work.open.round
                ))
            })
        })?;
        side_by_side(threads, &parts, |part| {
            lock(part).apply(&work.masks);
            Ok(())
        })?;
    }
    let lanes = accumulator.into_lanes();
    let survivors = u16::try_from(work.survivors.len()).map_err(Fault::new)?;
    let turnout = Turnout {
        survivors,
        banks: work.open.thresholds.banks,
    };
    let (state, outcome) = work.state.advance(&work.task, &work.plan, &lanes, turnout)?;
    let mut packed = Vec::with_capacity(ring.packed_bytes(lanes.len()));
    pack(ring, &lanes, &mut packed);
    let sum = blobs.put(&packed)?;
    let state_hash = blobs.put(&state.to_bytes())?;
    Ok(Summed {
        sum,
        state,
        state_hash,
        outcome,
    })
}

fn lock<'a, 'b>(part: &'a Mutex<Part<'b>>) -> std::sync::MutexGuard<'a, Part<'b>> {
    // Whoever panicked is told of; the sum is given up.
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(parts: &[Mutex<Part<'_>>], blobs: &dyn Blobs, hash: &Digest) -> Result<(), String> {
    let mut file = blobs
        .open(hash)
        .map_err(|error| error.to_string())?
        .ok_or("it is gone")?;
    let mut digest = Context::new(&SHA256);
    let mut packed = Vec::new();
    for part in parts {
        packed.resize(lock(part).packed_bytes(), 0);
        file.read_exact(&mut packed).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => "it was cut on the disk".to_owned(),
            _ => error.to_string(),
        })?;
        digest.update(&packed);
        lock(part).add(&packed).map_err(|error| error.to_string())?;
    }
    let more = file.read(&mut [0]).map_err(|error| error.to_string())?;
    if more > 0 || digest.finish().as_ref() != hash.0 {
        return Err("it was changed on the disk; its hash is another".to_owned());
    }
    Ok(())
}
