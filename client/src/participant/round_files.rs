//! The files of the open round: the training between two passes, the digits, and the masked vector that is uploaded.
//!
//! The masked vector is uniform to whoever lacks the masks, and goes out as it is. All go when the round closes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::secagg::mask::Masks;
use veilsum_protocol::secagg::quantise::Digits;

use super::checkpoint_file::{self, Kept};
use super::digits_file::{self, DigitsFileError};
use super::durable::{FileError, PRIVATE, beside, make_folder, new_file, promote, settle, wipe};
use super::masking;

const DIGITS: &str = "digits";
const MASKED: &str = "masked";
const TRAINING: &str = "training";

/// The folder of the open round's files.
///
/// A round may close while a thread still works for it. So a file that is being written belongs to its writer, who removes it when it
/// finds the round closed; clones know of each other.
#[derive(Clone, Debug)]
pub struct RoundFiles {
    folder: PathBuf,
    /// The last round that has closed. Held while files get or lose their names.
    closed: Arc<Mutex<Round>>,
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
        Ok(Self {
            folder,
            closed: Arc::new(Mutex::new(Round(0))),
        })
    }

    /// Writes the contribution to a round, digits of `digit_bits` bits, durably; nothing is left of it if the round has closed meanwhile.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn write_digits(&self, round: Round, digit_bits: u8, digits: &Digits) -> Result<(), FileError> {
        self.write(round, DIGITS, |staged| {
            digits_file::write(staged, round, digit_bits, digits)
        })
    }

    /// Keeps a round's training between two passes, durably, in the place of the one before; nothing is left of it if the round has closed
    /// meanwhile.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(super) fn write_training(&self, round: Round, kept: &Kept) -> Result<(), FileError> {
        self.write(round, TRAINING, |staged| {
            checkpoint_file::write(staged, round, kept)
        })
    }

    /// What was kept of a round's training last; why it cannot be used, in words.
    pub(super) fn training(&self, round: Round) -> Result<Option<Kept>, String> {
        checkpoint_file::read(&self.path(round, TRAINING), round)
    }

    /// Overwrites and removes what was kept of a round's training: it has ended.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub(super) fn drop_training(&self, round: Round) -> Result<(), FileError> {
        wipe(&self.path(round, TRAINING))
    }

    /// Masks the contribution to a round into the file to be uploaded, durably; nothing is left of it if the round has closed meanwhile.
    /// The same masks give the same bytes.
    ///
    /// # Errors
    /// If the digits are not there, or the disk does not take the result.
    pub fn mask(&self, round: Round, masks: &Masks) -> Result<MaskedFile, DigitsFileError> {
        let reader = digits_file::Reader::open(&self.path(round, DIGITS), round)?;
        self.write(round, MASKED, |staged| {
            let file = new_file(staged, PRIVATE)?;
            let masked = masking::mask(reader, masks, &file, staged)?;
            settle(&file, staged)?;
            Ok(masked)
        })
    }

    /// The masked vector of a round.
    pub fn masked(&self, round: Round) -> PathBuf {
        self.path(round, MASKED)
    }

    /// Removes the files of `round` and of every round before it; the digits are overwritten first. What is still being written for them
    /// goes when its writer is done.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn close(&self, round: Round) -> Result<(), FileError> {
        let mut closed = self.closed();
        *closed = round.max(*closed);
        self.remove(|found, finished| finished && found <= round)
    }

    /// Removes what a crash, or another roster, has left of every round but `open`, and everything that was not finished; the digits are
    /// overwritten first. For the start, before anything is written.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn sweep(&self, open: Option<Round>) -> Result<(), FileError> {
        self.remove(|round, finished| !finished || Some(round) != open)
    }

    fn write<T, E: From<FileError>>(
        &self,
        round: Round,
        what: &str,
        fill: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = self.path(round, what);
        let staged = beside(&path, "new");
        wipe(&staged)?;
        let filled = match fill(&staged) {
            Ok(filled) => filled,
            Err(error) => {
                // If the disk is in trouble, the caller is told so; what stays now goes with the sweep at the next start.
                let _ = wipe(&staged);
                return Err(error);
            }
        };
        let closed = self.closed();
        if round <= *closed {
            wipe(&staged)?;
        } else {
            wipe(&path)?;
            promote(&staged, &path)?;
        }
        Ok(filled)
    }

    fn closed(&self) -> MutexGuard<'_, Round> {
        // What it guards is whole whoever panicked.
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
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
    let ours = [DIGITS, MASKED, TRAINING].contains(&staged.unwrap_or(what));
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

    fn left(folder: &Path) -> Vec<String> {
        let mut left: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        left
    }

    #[test]
    fn masks_hide_the_digits_and_come_off_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = RoundFiles::open(folder.path().join("rounds")).unwrap();
        let lanes: Vec<u32> = (0..40_000).map(|lane| lane % 65_536).collect();
        let digits = Digits::from_lanes(16, lanes.clone()).unwrap();
        files
            .write_digits(Round(4), 16, &Digits::from_lanes(16, vec![1]).unwrap())
            .unwrap();
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
    fn nothing_is_masked_of_digits_that_are_damaged_or_gone() {
        let folder = tempfile::tempdir().unwrap();
        let files = RoundFiles::open(folder.path().to_owned()).unwrap();
        let digits = Digits::from_lanes(16, vec![7; 100_000]).unwrap();
        files.write_digits(Round(4), 16, &digits).unwrap();
        let path = folder.path().join("4.digits");
        let mut content = fs::read(&path).unwrap();
        for at in [100, content.len() / 2, content.len() - 1] {
            content[at] ^= 1;
            fs::write(&path, &content).unwrap();
            let error = files.mask(Round(4), &masks(Sign::Plus)).unwrap_err();
            assert!(
                matches!(error, DigitsFileError::Damaged { .. }),
                "byte {at}: {error}"
            );
            content[at] ^= 1;
        }
        fs::write(&path, &content[..150_000]).unwrap();
        let error = files.mask(Round(4), &masks(Sign::Plus)).unwrap_err();
        assert!(matches!(error, DigitsFileError::Damaged { .. }), "{error}");
        assert_eq!(left(folder.path()), ["4.digits"]);
        files.close(Round(4)).unwrap();
        assert!(files.mask(Round(4), &masks(Sign::Plus)).is_err());
        assert!(left(folder.path()).is_empty());
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
        fill();
        files.sweep(Some(Round(4))).unwrap();
        assert_eq!(left(folder.path()), ["4.digits", "4.masked", "note.txt"]);
        fill();
        files.sweep(None).unwrap();
        assert_eq!(left(folder.path()), ["note.txt"]);
    }

    #[test]
    fn closing_removes_a_round_and_those_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let files = RoundFiles::open(folder.path().to_owned()).unwrap();
        for name in ["3.digits", "3.masked", "4.digits", "5.digits", "note.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        files.close(Round(4)).unwrap();
        assert_eq!(left(folder.path()), ["5.digits", "note.txt"]);
    }

    #[test]
    fn nothing_stays_of_what_is_written_for_a_round_that_closes_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let files = RoundFiles::open(folder.path().to_owned()).unwrap();
        let close_in_between = |staged: &Path| {
            fs::write(staged, "x").unwrap();
            files.close(Round(4))
        };
        files.write(Round(4), DIGITS, close_in_between).unwrap();
        assert!(left(folder.path()).is_empty());
        files.write(Round(5), DIGITS, close_in_between).unwrap();
        assert_eq!(left(folder.path()), ["5.digits"]);

        let digits = Digits::from_lanes(16, vec![1; 1000]).unwrap();
        let last = Round(300);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for round in 6..=last.0 {
                    files.write_digits(Round(round), 16, &digits).unwrap();
                }
            });
            for round in 6..=last.0 {
                files.close(Round(round)).unwrap();
            }
        });
        files.close(last).unwrap();
        assert!(left(folder.path()).is_empty());
    }

    #[test]
    fn nothing_stays_of_what_could_not_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let files = RoundFiles::open(folder.path().to_owned()).unwrap();
        let broken: Result<(), _> = files.write(Round(4), DIGITS, |staged| {
            fs::write(staged, "x").unwrap();
            Err(FileError::at(staged)(std::io::Error::other("broken")))
        });
        assert!(broken.is_err());
        assert!(left(folder.path()).is_empty());
    }
}
