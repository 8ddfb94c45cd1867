//! The masked vector of a round from its digits, on every processor of the machine.
//!
//! Each thread takes the next chunk of digits from the file, masks and packs it, and waits for its turn to hash and write it. So memory
//! is two chunks for each thread, whatever the length of the vector and the number of banks.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use ring::digest::{Context, SHA256};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::secagg::mask::{Masking, Masks};
use zeroize::Zeroizing;

use super::digits_file::{DigitsFileError, READ_LANES, Reader};
use super::durable::FileError;
use super::round_files::MaskedFile;

/// More threads than this wait for the hash, which is made in order.
const MOST_THREADS: usize = 8;

/// Where digits come from, and the number of the next chunk.
struct Supply {
    reader: Reader,
    next: u64,
}

/// Where packed chunks go to, in order.
struct Drain<'a> {
    file: &'a File,
    context: Context,
    length: u64,
    next: u64,
    /// A chunk will not come.
    broken: bool,
}

/// Writes the masked and packed digits to `file` at `path`.
pub(super) fn mask(
    reader: Reader,
    masks: &Masks,
    file: &File,
    path: &Path,
) -> Result<MaskedFile, DigitsFileError> {
    let chunks = reader.left().div_ceil(Masking::new(masks).ring().chunk_lanes());
    let supply = Mutex::new(Supply { reader, next: 0 });
    let drain = Mutex::new(Drain {
        file,
        context: Context::new(&SHA256),
        length: 0,
        next: 0,
        broken: false,
    });
    let turn = Condvar::new();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let work = || {
            let outcome = chunk_after_chunk(&supply, masks, &drain, &turn, path);
            if outcome.is_err() {
                lock(&drain).broken = true;
                turn.notify_all();
            }
            outcome
        };
        let others: Vec<_> = (1..threads.min(MOST_THREADS).min(chunks))
            .map(|_| scope.spawn(work))
            .collect();
        let mut outcome = work();
        for other in others {
            let panicked = || FileError::at(path)(io::Error::other("a thread that masked has panicked"));
            outcome = outcome.and(other.join().unwrap_or_else(|_| Err(panicked().into())));
        }
        outcome
    })?;
    let supply = supply.into_inner().unwrap_or_else(PoisonError::into_inner);
    supply.reader.finish()?;
    let drain = drain.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut hash = Digest([0; 32]);
    hash.0.copy_from_slice(drain.context.finish().as_ref());
    Ok(MaskedFile {
        length: drain.length,
        hash,
    })
}

fn chunk_after_chunk(
    supply: &Mutex<Supply>,
    masks: &Masks,
    drain: &Mutex<Drain<'_>>,
    turn: &Condvar,
    path: &Path,
) -> Result<(), DigitsFileError> {
    let mut masking = Masking::new(masks);
    let mut digits = Zeroizing::new(Vec::with_capacity(READ_LANES));
    loop {
        let chunk = {
            let mut supply = lock(supply);
            if supply.reader.left() == 0 {
                return Ok(());
            }
            let most = masking.ring().chunk_lanes();
            supply.reader.next(most, &mut digits)?;
            supply.next += 1;
            supply.next - 1
        };
        let packed = masking.chunk(chunk, &digits);
        let mut drain = turn
            .wait_while(lock(drain), |drain| drain.next != chunk && !drain.broken)
            .unwrap_or_else(PoisonError::into_inner);
        if drain.broken {
            return Ok(());
        }
        drain.file.write_all(packed).map_err(FileError::at(path))?;
        drain.context.update(packed);
        drain.length += packed.len() as u64;
        drain.next += 1;
        turn.notify_all();
    }
}

/// What a panic left is given up with the whole vector.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
