//! A round's training between two passes as a file, so that a bank that starts again goes on there.
//!
//! Trusted: it says as much about the bank's rows as its update, so it is of mode 0600, overwritten when the digits are durable or the
//! round closes, and never sent. Lost or damaged: the round's training begins anew.
//!
//! The file is `"veilsum/v1/checkpoint\0"`, then big-endian the round (8 bytes), the SHA-256 of what is trained (32), the seed of the
//! rows' order (8), passes that are done (4), the optimiser's steps (4), dropout's generator (8), the number of parameters (4) and of
//! the optimiser's moments (4), then parameters and moments (4 bytes a value), then the SHA-256 of all that.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use ring::digest::{SHA256, digest};
use veilsum_protocol::ids::{Digest, Round};
use zeroize::Zeroizing;

use super::durable::{FileError, PRIVATE, create};
use crate::train::Checkpoint;

const MAGIC: &[u8] = b"veilsum/v1/checkpoint\0";
const HASH: usize = 32;

/// A checkpoint and what it was taken of.
pub(super) struct Kept {
    /// What is trained, see [`super::checkpoints`].
    pub(super) of: Digest,
    /// The job's seed.
    pub(super) seed: u64,
    pub(super) checkpoint: Checkpoint,
}

/// Makes the file `path`, durably.
pub(super) fn write(path: &Path, round: Round, kept: &Kept) -> Result<(), FileError> {
    let Kept { of, seed, checkpoint } = kept;
    let length = u32::try_from(checkpoint.parameters.len()).unwrap_or(u32::MAX);
    let moments = u32::try_from(checkpoint.moments.len()).unwrap_or(u32::MAX);
    let values = checkpoint.parameters.len() * (1 + checkpoint.moments.len());
    // Room for all of it at once: a vector that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAGIC.len() + 72 + 4 * values + HASH));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&round.0.to_be_bytes());
    bytes.extend_from_slice(&of.0);
    bytes.extend_from_slice(&seed.to_be_bytes());
    bytes.extend_from_slice(&checkpoint.epoch.to_be_bytes());
    bytes.extend_from_slice(&checkpoint.steps.to_be_bytes());
    bytes.extend_from_slice(&checkpoint.dropout.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&moments.to_be_bytes());
    for vector in std::iter::once(&checkpoint.parameters).chain(&checkpoint.moments) {
        bytes.extend(vector.iter().flat_map(|value| value.to_bits().to_be_bytes()));
    }
    let hash = digest(&SHA256, &bytes);
    bytes.extend_from_slice(hash.as_ref());
    create(path, PRIVATE, |file| file.write_all(&bytes))
}

/// The checkpoint of a round; `Ok(None)` if there is none. `Err` in words if it is not what was written.
pub(super) fn read(path: &Path, round: Round) -> Result<Option<Kept>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::at(path)(error).to_string()),
    };
    parse(&bytes, round)
        .map(Some)
        .ok_or_else(|| format!("{}: it is damaged or of another round", path.display()))
}

fn parse(bytes: &[u8], round: Round) -> Option<Kept> {
    let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
    if digest(&SHA256, content).as_ref() != hash {
        return None;
    }
    let rest = &mut content.strip_prefix(MAGIC)?;
    let found = u64::from_be_bytes(take(rest)?);
    let of = Digest(take(rest)?);
    let seed = u64::from_be_bytes(take(rest)?);
    let epoch = u32::from_be_bytes(take(rest)?);
    let steps = u32::from_be_bytes(take(rest)?);
    let dropout = u64::from_be_bytes(take(rest)?);
    let length = usize::try_from(u32::from_be_bytes(take(rest)?)).ok()?;
    let moments = usize::try_from(u32::from_be_bytes(take(rest)?)).ok()?;
    let (words, left) = rest.as_chunks::<4>();
    let vectors = moments.checked_add(1)?;
    if found != round.0 || !left.is_empty() || length.checked_mul(vectors)? != words.len() || length == 0 {
        return None;
    }
    let mut vectors = words.chunks(length).map(|words| {
        let values = words.iter().map(|word| f32::from_bits(u32::from_be_bytes(*word)));
        values.collect::<Vec<_>>()
    });
    Some(Kept {
        of,
        seed,
        checkpoint: Checkpoint {
            epoch,
            parameters: vectors.next()?,
            moments: vectors.collect(),
            steps,
            dropout,
        },
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.training");
        assert!(read(&path, Round(7)).unwrap().is_none());
        for moments in [vec![], vec![vec![0.25, -0.0], vec![f32::MIN_POSITIVE, 3.0]]] {
            let kept = Kept {
                of: Digest([3; 32]),
                seed: 1 << 60,
                checkpoint: Checkpoint {
                    epoch: 4,
                    parameters: vec![1.5, -2.0],
                    moments,
                    steps: 70,
                    dropout: 9,
                },
            };
            let _ = fs::remove_file(&path);
            write(&path, Round(7), &kept).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let found = read(&path, Round(7)).unwrap().unwrap();
            assert_eq!((found.of, found.seed), (kept.of, kept.seed));
            assert!(found.checkpoint == kept.checkpoint);
            assert!(read(&path, Round(8)).is_err());
            let whole = fs::read(&path).unwrap();
            for at in [0, 30, 60, whole.len() - 40, whole.len() - 1] {
                let mut flipped = whole.clone();
                flipped[at] ^= 1;
                fs::write(&path, flipped).unwrap();
                let problem = read(&path, Round(7)).err().unwrap();
                assert!(
                    problem.contains("7.training: it is damaged"),
                    "byte {at}: {problem}"
                );
            }
            for length in [0, 31, 32, whole.len() - 1] {
                fs::write(&path, &whole[..length]).unwrap();
                assert!(read(&path, Round(7)).is_err());
            }
        }
    }
}
