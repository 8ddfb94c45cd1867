//! A bank's contribution to a round as a file, before it is masked.
//!
//! Trusted: it says everything about the bank's update, so it is of mode 0600, overwritten when the round closes, and never sent.
//! Lost: the bank sits out the round. It must not be computed again once the bank is ready: two vectors under the same masks would
//! give their difference away. So what is read must be bit for bit what was written.
//!
//! The file is `"veilsum/v1/digits\0"`, then big-endian the round (8 bytes), `p` (1), the number of lanes (4), then one
//! little-endian `u32` a lane, then the SHA-256 of all that.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use ring::digest::{Context, SHA256};
use veilsum_protocol::ids::Round;
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::secagg::ring::DIGIT_BITS;
use zeroize::{Zeroize as _, Zeroizing};

use super::durable::{FileError, PRIVATE, create};

const MAGIC: &[u8] = b"veilsum/v1/digits\0";
const HASH: usize = 32;
/// Lanes that are written at once.
const BLOCK_LANES: usize = 16 * 1024;

/// The contribution cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum DigitsFileError {
    /// The system's reason.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not what was written.
    #[error("{path}: it is damaged or of another round")]
    Damaged {
        /// The file.
        path: String,
    },
}

/// Makes the file `path` of the digits of a round, durably.
pub(super) fn write(path: &Path, round: Round, digit_bits: u8, digits: &Digits) -> Result<(), FileError> {
    create(path, PRIVATE, |file| {
        // Not through a `BufWriter`: its buffer would keep digits and nobody wipes it.
        let mut out = Hashing {
            inner: file,
            context: Context::new(&SHA256),
        };
        let lanes = u32::try_from(digits.lanes().len())
            .map_err(|_| io::Error::other("more lanes than a layout may have"))?;
        out.write_all(&[MAGIC, &round.0.to_be_bytes(), &[digit_bits], &lanes.to_be_bytes()].concat())?;
        let mut block = Zeroizing::new(Vec::with_capacity(4 * BLOCK_LANES));
        for part in digits.lanes().chunks(BLOCK_LANES) {
            block.clear();
            block.extend(part.iter().flat_map(|lane| lane.to_le_bytes()));
            out.write_all(&block)?;
        }
        let Hashing { inner, context } = out;
        inner.write_all(context.finish().as_ref())
    })
}

/// Reads the digits of a round.
pub(super) fn read(path: &Path, round: Round) -> Result<Digits, DigitsFileError> {
    let mut content = fs::read(path).map_err(FileError::at(path))?;
    let digits = parse(&content, round);
    content.zeroize();
    digits.ok_or_else(|| DigitsFileError::Damaged {
        path: path.display().to_string(),
    })
}

fn parse(content: &[u8], round: Round) -> Option<Digits> {
    let (body, hash) = content.split_last_chunk::<HASH>()?;
    if ring::digest::digest(&SHA256, body).as_ref() != hash {
        return None;
    }
    let rest = body.strip_prefix(MAGIC)?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (&digit_bits, rest) = rest.split_first()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (words, left) = rest.as_chunks::<4>();
    let fits = *number == round.0.to_be_bytes()
        && DIGIT_BITS.contains(&digit_bits)
        && usize::try_from(u32::from_be_bytes(*count)).ok() == Some(words.len())
        && left.is_empty();
    if !fits {
        return None;
    }
    Digits::from_lanes(
        digit_bits,
        words.iter().map(|word| u32::from_le_bytes(*word)).collect(),
    )
}

struct Hashing<W> {
    inner: W,
    context: Context,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.context.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn digits() -> Digits {
        Digits::from_lanes(16, (0..10_000).map(|lane| lane * 6 % 65_536).collect()).unwrap()
    }

    #[test]
    fn digits_are_read_back_by_their_round_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.digits");
        write(&path, Round(7), 16, &digits()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path, Round(7)).unwrap().lanes(), digits().lanes());
        assert!(read(&path, Round(8)).is_err());
    }

    #[test]
    fn a_flipped_bit_or_a_short_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.digits");
        write(&path, Round(7), 16, &digits()).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in [0, 20, 30, 5_000, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, flipped).unwrap();
            assert!(read(&path, Round(7)).is_err(), "byte {at}");
        }
        fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        let error = read(&path, Round(7)).err().unwrap().to_string();
        assert!(error.contains("7.digits: it is damaged"), "{error}");
    }
}
