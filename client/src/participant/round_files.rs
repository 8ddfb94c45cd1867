//! The files of the open round: the digits, and the masked vector that is uploaded.
//!
//! The masked vector is uniform to whoever lacks the masks, and goes out as it is. Both go when the round closes.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::secagg::mask::{Masks, mask_and_pack};
use veilsum_protocol::secagg::quantise::Digits;

use super::digits_file::{self, DigitsFileError};
use super::durable::{FileError, PRIVATE, beside, create, make_folder, promote, wipe};

const DIGITS: &str = "digits";
const MASKED: &str = "masked";

/// The folder of the open round's files.
#[derive(Clone, Debug)]
pub struct RoundFiles {
    folder: PathBuf,
}

/// A masked vector on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedFile {
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256.
    pub hash: Digest,
}

impl RoundFiles {
    /// In `folder`, which is made.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self, FileError> {
        make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Writes the contribution to a round, digits of `digit_bits` bits, durably.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn write_digits(&self, round: Round, digit_bits: u8, digits: &Digits) -> Result<(), FileError> {
        digits_file::write(&self.path(round, DIGITS), round, digit_bits, digits)
    }

    /// Masks the contribution to a round into the file to be uploaded, durably. The same masks give the same bytes.
    ///
    /// # Errors
    /// If the digits are not there, or the disk does not take the result.
    pub fn mask(&self, round: Round, masks: &Masks) -> Result<MaskedFile, DigitsFileError> {
        let digits = digits_file::read(&self.path(round, DIGITS), round)?;
        let path = self.masked(round);
        let staged = beside(&path, "new");
        wipe(&staged)?;
        let mut context = Context::new(&SHA256);
        let mut length = 0;
        create(&staged, PRIVATE, |file| {
            let mut out = BufWriter::new(file);
            mask_and_pack(masks, &digits, |packed| {
                context.update(packed);
                length += packed.len() as u64;
                out.write_all(packed)
            })?;
            out.flush()
        })?;
        promote(&staged, &path)?;
        let mut hash = Digest([0; 32]);
        hash.0.copy_from_slice(context.finish().as_ref());
        Ok(MaskedFile { length, hash })
    }

    /// The masked vector of a round.
    pub fn masked(&self, round: Round) -> PathBuf {
        self.path(round, MASKED)
    }

    /// Removes the files of `round` and of every round before it; the digits are overwritten first.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn close(&self, round: Round) -> Result<(), FileError> {
        self.remove(|found, _| found <= round)
    }

    /// Removes what a crash, or another roster, has left of every round but `open`, and everything that was not finished; the digits are
    /// overwritten first.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn sweep(&self, open: Option<Round>) -> Result<(), FileError> {
        self.remove(|round, finished| !finished || Some(round) != open)
    }

    fn remove(&self, goes: impl Fn(Round, bool) -> bool) -> Result<(), FileError> {
        let at = FileError::at(&self.folder);
        for file in fs::read_dir(&self.folder).map_err(&at)? {
            let path = file.map_err(&at)?.path();
            if round_of(&path).is_some_and(|(round, finished)| goes(round, finished)) {
                wipe(&path)?;
            }
        }
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(at)
    }

    fn path(&self, round: Round, what: &str) -> PathBuf {
        self.folder.join(format!("{round}.{what}"))
    }
}

/// The round that a file is of, and whether it is finished.
fn round_of(path: &Path) -> Option<(Round, bool)> {
    let (number, what) = path.file_name()?.to_str()?.split_once('.')?;
    let staged = what.strip_suffix(".new");
    let ours = [DIGITS, MASKED].contains(&staged.unwrap_or(what));
    let number = number.parse().ok().filter(|_| ours)?;
    Some((Round(number), staged.is_none()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use veilsum_protocol::crypto::secret::Secret;
    use veilsum_protocol::secagg::mask::Sign;
    use veilsum_protocol::secagg::pack;
    use veilsum_protocol::secagg::ring::Ring;

    use super::*;

    fn masks(sign: Sign) -> Masks {
        let mut masks = Masks::new(Ring::for_sum(3, 16).unwrap());
        masks.push(&Secret::from_bytes([5; 32]), sign);
        masks
    }

    #[test]
    fn masks_hide_the_digits_and_come_off_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = RoundFiles::open(folder.path().join("rounds")).unwrap();
        let lanes: Vec<u32> = (0..40_000).map(|lane| lane % 65_536).collect();
        let digits = Digits::from_lanes(16, lanes.clone()).unwrap();
        files.write_digits(Round(4), 16, &digits).unwrap();
        let masked = files.mask(Round(4), &masks(Sign::Plus)).unwrap();
        let bytes = fs::read(files.masked(Round(4))).unwrap();
        assert_eq!(masked.length, bytes.len() as u64);
        assert_eq!(masked.hash, Digest::of(&bytes));
        assert_eq!(files.mask(Round(4), &masks(Sign::Plus)).unwrap(), masked);

        let ring = Ring::for_sum(3, 16).unwrap();
        let mut opened = Vec::new();
        pack::unpack(ring, &bytes, lanes.len(), |lane| opened.push(lane)).unwrap();
        let same = opened.iter().zip(&lanes).filter(|(a, b)| a == b).count();
        assert!(same < 20, "{same} lanes show through");
        for (chunk, part) in (0..).zip(opened.chunks_mut(ring.chunk_lanes())) {
            masks(Sign::Minus).apply(chunk, part);
        }
        assert_eq!(opened, lanes);
    }

    #[test]
    fn a_sweep_leaves_the_open_round_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = RoundFiles::open(folder.path().to_owned()).unwrap();
        let fill = || {
            for name in [
                "3.digits",
                "4.digits",
                "4.masked",
                "4.masked.new",
                "5.masked",
                "note.txt",
            ] {
                fs::write(folder.path().join(name), "x").unwrap();
            }
        };
        let left = || {
            let mut left: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            left.sort();
            left
        };
        fill();
        files.sweep(Some(Round(4))).unwrap();
        assert_eq!(left(), ["4.digits", "4.masked", "note.txt"]);
        fill();
        files.sweep(None).unwrap();
        assert_eq!(left(), ["note.txt"]);
    }

    #[test]
    fn closing_removes_a_round_and_those_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let files = RoundFiles::open(folder.path().to_owned()).unwrap();
        for name in ["3.digits", "3.masked", "4.digits.new", "5.digits", "note.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        files.close(Round(4)).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["5.digits", "note.txt"]);
    }
}
