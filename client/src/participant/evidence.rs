//! Signed heads of the log that contradict each other. Nobody but the holder of the log's key can make such a pair, so it is kept for
//! auditors and the other banks.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::follower::Evidence;

use super::durable::{FileError, PUBLIC, make_folder, replace};

/// Pairs that are kept: the first proves it all, and a coordinator that goes on lying must not fill the disk.
const KEPT: usize = 16;

/// The folder of evidence. It is made when there is some.
#[derive(Debug)]
pub struct EvidenceFiles {
    folder: PathBuf,
}

impl EvidenceFiles {
    /// In `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps both notes, as `<hash of the second>/seen.checkpoint` and `shown.checkpoint`; gives the folder that has them, or the whole
    /// if so many are kept already that this pair is not.
    ///
    /// # Errors
    /// If the disk does not take them.
    pub fn keep(&self, evidence: &Evidence) -> Result<PathBuf, FileError> {
        let pair = [&evidence.seen, &evidence.shown].map(|note| note.as_bytes());
        let folder = self.folder.join(&Digest::of(&pair.concat()).to_hex()[..16]);
        if !folder.is_dir() && self.kept()? >= KEPT {
            return Ok(self.folder.clone());
        }
        make_folder(&folder)?;
        for (name, note) in ["seen.checkpoint", "shown.checkpoint"].iter().zip(pair) {
            replace(&folder.join(name), PUBLIC, note)?;
        }
        Ok(folder)
    }

    fn kept(&self) -> Result<usize, FileError> {
        match fs::read_dir(&self.folder) {
            Ok(pairs) => Ok(pairs.count()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(FileError::at(&self.folder)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn evidence(shown: usize) -> Evidence {
        Evidence {
            seen: "seen".to_owned(),
            shown: format!("shown {shown}"),
        }
    }

    #[test]
    fn both_notes_are_kept_and_no_more_pairs_than_help() {
        let scratch = tempfile::tempdir().unwrap();
        let files = EvidenceFiles::new(scratch.path().join("evidence"));
        assert!(!files.folder.exists());
        let first = files.keep(&evidence(0)).unwrap();
        assert_eq!(fs::read_to_string(first.join("seen.checkpoint")).unwrap(), "seen");
        assert_eq!(
            fs::read_to_string(first.join("shown.checkpoint")).unwrap(),
            "shown 0"
        );
        for shown in 0..100 {
            files.keep(&evidence(shown)).unwrap();
        }
        assert_eq!(fs::read_dir(&files.folder).unwrap().count(), KEPT);
        assert_eq!(files.keep(&evidence(0)).unwrap(), first);
        assert_eq!(files.keep(&evidence(99)).unwrap(), files.folder);
    }
}
