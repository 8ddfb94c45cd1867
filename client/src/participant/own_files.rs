//! What a bank keeps to itself of a task, from round to round: its control variate, or its personal parameters.
//!
//! Trusted: it says as much about the bank's rows as an update, so it is of mode 0600, overwritten when it is replaced, and never sent.
//! Lost: it begins anew, which the operator is told.
//!
//! What a round leads to lies beside what counts (`<task>.next`) until the round's result is derived. Then it takes its place if the bank's
//! update is in the sum, and goes otherwise: a model that did not learn from the bank's round must not meet what the round made of it.
//! That happens before the participant is told of the derived state, so a crash in between repeats it.
//!
//! A file is `"veilsum/v1/own\0"`, the task's hash (32 bytes), big-endian the round (8) and the number of values (4), the values (4 each),
//! then the SHA-256 of all that.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use veilsum_protocol::ids::{Digest, Round};
use zeroize::Zeroizing;

use super::durable::{FileError, PRIVATE, beside, create, make_folder, promote, wipe};

const MAGIC: &[u8] = b"veilsum/v1/own\0";
const HASH: usize = 32;
const NEXT: &str = "next";

/// The folder of all tasks' own values.
#[derive(Clone, Debug)]
pub struct OwnFiles {
    folder: PathBuf,
}

impl OwnFiles {
    /// In `folder`, which is made when the first file is written.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What counts now; `None` if nothing is kept.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub(super) fn load(&self, task: &Digest, length: usize) -> Result<Option<Zeroizing<Vec<f32>>>, String> {
        let path = self.path(task);
        let found = read(&path, task)?;
        match found {
            Some((_, values)) if values.len() != length => Err(format!(
                "{}: {} values, expected {length}",
                path.display(),
                values.len()
            )),
            found => Ok(found.map(|(_, values)| values)),
        }
    }

    /// Keeps what `round` leads to beside what counts, durably.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(super) fn propose(&self, task: &Digest, round: Round, values: &[f32]) -> Result<(), FileError> {
        make_folder(&self.folder)?;
        let next = beside(&self.path(task), NEXT);
        let staged = beside(&next, "new");
        wipe(&staged)?;
        write(&staged, task, round, values)?;
        wipe(&next)?;
        promote(&staged, &next)
    }

    /// `round` has a result: what it leads to counts from now on if this bank's update is in the sum, and is removed otherwise.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub(super) fn settle(&self, task: &Digest, round: Round, in_sum: bool) -> Result<(), FileError> {
        let path = self.path(task);
        let next = beside(&path, NEXT);
        let Ok(Some((proposed, _))) = read(&next, task) else {
            return Ok(());
        };
        if proposed == round && in_sum {
            // A crash in between leaves the next one alone, which is settled when the result is derived again.
            wipe(&path)?;
            promote(&next, &path)
        } else if proposed <= round {
            wipe(&next)
        } else {
            Ok(())
        }
    }

    fn path(&self, task: &Digest) -> PathBuf {
        self.folder.join(task.to_hex())
    }
}

fn write(path: &Path, task: &Digest, round: Round, values: &[f32]) -> Result<(), FileError> {
    let length = u32::try_from(values.len()).unwrap_or(u32::MAX);
    // Room for all of it at once: a vector that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAGIC.len() + 44 + 4 * values.len() + HASH));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&task.0);
    bytes.extend_from_slice(&round.0.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_bits().to_be_bytes()));
    let hash = digest(&SHA256, &bytes);
    bytes.extend_from_slice(hash.as_ref());
    create(path, PRIVATE, |file| file.write_all(&bytes))
}

type Found = Option<(Round, Zeroizing<Vec<f32>>)>;

fn read(path: &Path, task: &Digest) -> Result<Found, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::at(path)(error).to_string()),
    };
    parse(&bytes, task)
        .map(Some)
        .ok_or_else(|| format!("{}: it is damaged or of another task", path.display()))
}

fn parse(bytes: &[u8], task: &Digest) -> Option<(Round, Zeroizing<Vec<f32>>)> {
    let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
    let rest = content.strip_prefix(MAGIC)?.strip_prefix(&task.0)?;
    let (round, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (words, left) = rest.as_chunks::<4>();
    let whole = left.is_empty() && u32::try_from(words.len()) == Ok(u32::from_be_bytes(*length));
    if !whole || digest(&SHA256, content).as_ref() != hash {
        return None;
    }
    let values = words.iter().map(|word| f32::from_bits(u32::from_be_bytes(*word)));
    Some((
        Round(u64::from_be_bytes(*round)),
        Zeroizing::new(values.collect()),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_a_round_leads_to_counts_when_its_sum_has_this_bank_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let own = OwnFiles::new(folder.path().join("own"));
        let (task, other) = (Digest([1; 32]), Digest([2; 32]));
        let load = || own.load(&task, 2).unwrap().map(|values| values.to_vec());
        own.settle(&task, Round(1), true).unwrap();
        assert_eq!(load(), None);
        own.propose(&task, Round(3), &[1.0, -2.0]).unwrap();
        assert_eq!(load(), None);
        // Another round's end, and another task's, are none of its.
        own.settle(&task, Round(2), true).unwrap();
        own.settle(&other, Round(3), true).unwrap();
        own.settle(&task, Round(3), true).unwrap();
        assert_eq!(load(), Some(vec![1.0, -2.0]));
        // Again, as after a crash.
        own.settle(&task, Round(3), true).unwrap();
        own.propose(&task, Round(4), &[5.0, 5.0]).unwrap();
        own.propose(&task, Round(4), &[3.0, 4.0]).unwrap();
        own.settle(&task, Round(4), false).unwrap();
        assert_eq!(load(), Some(vec![1.0, -2.0]));
        own.propose(&task, Round(5), &[3.0, 4.0]).unwrap();
        own.settle(&task, Round(6), true).unwrap();
        assert_eq!(load(), Some(vec![1.0, -2.0]));
        let left: Vec<_> = fs::read_dir(folder.path().join("own")).unwrap().collect();
        assert_eq!(left.len(), 1);
        let path = own.path(&task);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(own.load(&task, 3).unwrap_err().contains("2 values, expected 3"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[60] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(own.load(&task, 2).unwrap_err().contains("it is damaged"));
    }

    #[test]
    fn a_crash_while_it_takes_its_place_is_mended_by_the_same_result() {
        let folder = tempfile::tempdir().unwrap();
        let own = OwnFiles::new(folder.path().to_owned());
        let task = Digest([1; 32]);
        own.propose(&task, Round(1), &[1.0]).unwrap();
        own.settle(&task, Round(1), true).unwrap();
        own.propose(&task, Round(2), &[2.0]).unwrap();
        wipe(&own.path(&task)).unwrap();
        own.settle(&task, Round(2), true).unwrap();
        assert_eq!(own.load(&task, 1).unwrap().unwrap().to_vec(), [2.0]);
    }
}
