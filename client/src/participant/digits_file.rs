//! A bank's contribution to a round as a file, before it is masked.
//!
//! Trusted: it says everything about the bank's update, so it is of mode 0600, overwritten when the round closes, and never sent.
//! Lost: the bank sits out the round. It must not be computed again once the bank is ready: two vectors under the same masks would
//! give their difference away. So what is read must be bit for bit what was written.
//!
//! The file is `"veilsum/v1/digits\0"`, then big-endian the round (8 bytes), `p` (1), the number of lanes (4), then the lanes, packed to
//! `p` bits each like a masked vector, then the SHA-256 of all that.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use veilsum_protocol::crypto::prg::CHUNK_BYTES;
use veilsum_protocol::ids::Round;
use veilsum_protocol::secagg::pack::{pack, unpack};
use veilsum_protocol::secagg::quantise::Digits;
use veilsum_protocol::secagg::ring::Ring;
use zeroize::Zeroizing;

use super::durable::{FileError, PRIVATE, create};

const MAGIC: &[u8] = b"veilsum/v1/digits\0";
const HASH: usize = 32;
/// Lanes that are written at once; a multiple of 8, so that they end on a byte.
const BLOCK_LANES: usize = 16 * 1024;
/// Most lanes that are read at once: the longest chunk of a masked vector.
pub(super) const READ_LANES: usize = CHUNK_BYTES / 2;

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
        let ring = own_width(digit_bits).ok_or_else(|| io::Error::other("a width that no layout has"))?;
        out.write_all(&[MAGIC, &round.0.to_be_bytes(), &[digit_bits], &lanes.to_be_bytes()].concat())?;
        let mut block = Zeroizing::new(Vec::with_capacity(ring.packed_bytes(BLOCK_LANES)));
        for part in digits.lanes().chunks(BLOCK_LANES) {
            block.clear();
            pack(ring, part, &mut block);
            out.write_all(&block)?;
        }
        let Hashing { inner, context } = out;
        inner.write_all(context.finish().as_ref())
    })
}

/// Packs digits to their own width: the sum of one digit.
fn own_width(digit_bits: u8) -> Option<Ring> {
    Ring::for_sum(1, digit_bits)
}

/// The digits of a round, read from the first to the last. They are what was written only if [`Reader::finish`] says so.
pub(super) struct Reader {
    content: Content,
    ring: Ring,
    left: usize,
}

impl Reader {
    pub(super) fn open(path: &Path, round: Round) -> Result<Self, DigitsFileError> {
        let mut content = Content {
            path: path.to_owned(),
            file: File::open(path).map_err(FileError::at(path))?,
            context: Context::new(&SHA256),
            // Room for the longest part: a buffer that grows leaves its old content behind.
            bytes: Zeroizing::new(Vec::with_capacity(4 * READ_LANES)),
        };
        let header = content.read(MAGIC.len() + 8 + 1 + 4)?.strip_prefix(MAGIC);
        let header = header.and_then(|rest| {
            let (number, rest) = rest.split_first_chunk::<8>()?;
            let (&digit_bits, rest) = rest.split_first()?;
            let lanes = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
            (*number == round.0.to_be_bytes()).then_some((own_width(digit_bits)?, lanes))
        });
        let (ring, left) = header.ok_or_else(|| damaged(path))?;
        Ok(Self { content, ring, left })
    }

    /// Lanes that were not read yet.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The next `most` lanes, at most [`READ_LANES`] and a multiple of 8; fewer only at the end.
    pub(super) fn next(&mut self, most: usize, lanes: &mut Vec<u32>) -> Result<(), DigitsFileError> {
        let count = most.min(READ_LANES).min(self.left);
        let packed = self.content.read(self.ring.packed_bytes(count))?;
        lanes.clear();
        if unpack(self.ring, packed, count, |lane| lanes.push(lane)).is_err() {
            return Err(damaged(&self.content.path));
        }
        self.left -= count;
        Ok(())
    }

    /// Whether everything was read, and was what had been written.
    pub(super) fn finish(mut self) -> Result<(), DigitsFileError> {
        let found = self.content.context.clone().finish();
        let same = found.as_ref() == self.content.read(HASH)?;
        let Content { path, mut file, .. } = self.content;
        let more = file.read(&mut [0]).map_err(FileError::at(&path))? > 0;
        if self.left > 0 || !same || more {
            return Err(damaged(&path));
        }
        Ok(())
    }
}

struct Content {
    path: PathBuf,
    file: File,
    context: Context,
    bytes: Zeroizing<Vec<u8>>,
}

impl Content {
    fn read(&mut self, count: usize) -> Result<&[u8], DigitsFileError> {
        self.bytes.resize(count, 0);
        match self.file.read_exact(&mut self.bytes) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(damaged(&self.path)),
            Err(error) => Err(FileError::at(&self.path)(error).into()),
            Ok(()) => {
                self.context.update(&self.bytes);
                Ok(&self.bytes)
            }
        }
    }
}

fn damaged(path: &Path) -> DigitsFileError {
    DigitsFileError::Damaged {
        path: path.display().to_string(),
    }
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
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn digits() -> Digits {
        Digits::from_lanes(16, (0..40_001).map(|lane| lane * 6 % 65_536).collect()).unwrap()
    }

    fn read(path: &Path, round: Round) -> Result<Vec<u32>, DigitsFileError> {
        let mut reader = Reader::open(path, round)?;
        let (mut all, mut lanes) = (Vec::new(), Vec::new());
        while reader.left() > 0 {
            reader.next(16_384, &mut lanes)?;
            all.extend_from_slice(&lanes);
        }
        reader.finish()?;
        Ok(all)
    }

    #[test]
    fn digits_are_read_back_by_their_round_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.digits");
        write(&path, Round(7), 16, &digits()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&path).unwrap().len(), 18 + 13 + 2 * 40_001 + 32);
        assert_eq!(read(&path, Round(7)).unwrap(), digits().lanes());
        assert!(read(&path, Round(8)).is_err());
    }

    #[test]
    fn a_flipped_bit_or_a_short_or_long_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.digits");
        write(&path, Round(7), 16, &digits()).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in [0, 20, 27, 30, 5_000, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, flipped).unwrap();
            assert!(read(&path, Round(7)).is_err(), "byte {at}");
        }
        fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        let error = read(&path, Round(7)).err().unwrap().to_string();
        assert!(error.contains("7.digits: it is damaged"), "{error}");
        fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
        assert!(read(&path, Round(7)).is_err());
    }

    #[test]
    fn a_reader_that_did_not_read_everything_does_not_say_that_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.digits");
        write(&path, Round(7), 16, &digits()).unwrap();
        let mut reader = Reader::open(&path, Round(7)).unwrap();
        reader.next(8, &mut Vec::new()).unwrap();
        assert!(reader.finish().is_err());
    }
}
