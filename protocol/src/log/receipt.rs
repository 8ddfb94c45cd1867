//! Receipts (C2SP `tlog-proof`): one entry, the proof that it is in the log, and the head that banks have cosigned, as one text file.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64 of the entry>
//! index <position in the log>
//! <base64 of a hash of the inclusion proof, one a line>
//!
//! <the signed and cosigned head>
//! ```
//!
//! The extra line is the entry itself, so that the file alone says what was logged. It is believed because its leaf hash leads to the
//! root, and not before.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::checkpoint::{CheckpointError, VerifiedCheckpoint};
use super::cosignature::{Seen, Witnesses};
use super::entry::Entry;
use super::merkle::leaf_hash;
use super::note::{MAX_NOTE_BYTES, NoteError, UnverifiedNote};
use super::proof::{InclusionProof, ProofError};
use super::tile::MAX_ENTRY_BYTES;
use super::verifier_key::VerifierKey;
use crate::ids::Digest;
use crate::wire::canonical::{Canonical, DecodeError};

/// Longest receipt that is read, in bytes: the longest note, the longest entry in base64, and the longest path.
pub const MAX_RECEIPT_BYTES: usize = MAX_NOTE_BYTES + 2 * MAX_ENTRY_BYTES;

/// Extension of a receipt's file.
pub const RECEIPT_EXTENSION: &str = "tlog-proof";

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// A tree of 2^64 leaves has paths of 64 hashes.
const MAX_PATH: usize = 64;

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is longer than any receipt.
    #[error("receipt of {found} bytes, expected at most {MAX_RECEIPT_BYTES}")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// A line is not of the form.
    #[error("line {line} of the receipt: expected {expected}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The head at its end is no note.
    #[error("the checkpoint in the receipt: {0}")]
    Note(#[from] NoteError),
    /// The log has not signed the head.
    #[error("the checkpoint in the receipt: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Too few banks have cosigned the head.
    #[error("{found} banks have cosigned the checkpoint in the receipt, expected at least {needed}")]
    Witnesses {
        /// Valid cosignatures.
        found: usize,
        /// Those that it takes.
        needed: usize,
    },
    /// The entry is not in the log of the head, or not at this place.
    #[error("the entry is not proven to be in the log: {0}")]
    Proof(#[from] ProofError),
    /// What is proven to be in the log is no entry.
    #[error("what is proven to be in the log cannot be read: {0}")]
    Entry(#[from] DecodeError),
}

/// An entry with its proof. Nothing of it is believed before [`Receipt::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    entry: Vec<u8>,
    index: u64,
    path: Vec<Digest>,
    note: UnverifiedNote,
}

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven {
    /// Position of the entry in the log.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// The head under which it stands.
    pub head: VerifiedCheckpoint,
    /// Who has cosigned that head.
    pub seen: Seen,
}

impl Receipt {
    /// For an entry with its proof under the head of `note`.
    pub fn new(entry: Vec<u8>, proof: InclusionProof, note: UnverifiedNote) -> Self {
        Self {
            entry,
            index: proof.index,
            path: proof.path,
            note,
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{FIRST_LINE}\nextra {}\nindex {}\n",
            BASE64.encode(&self.entry),
            self.index
        );
        for hash in &self.path {
            text.push_str(&BASE64.encode(hash.0));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(self.note.as_str());
        text
    }

    /// Reads a receipt; what is accepted is written again as the same bytes.
    ///
    /// # Errors
    /// The first line that is not of the form.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::TooLong { found: bytes.len() });
        }
        let refuse = |line, expected| ReceiptError::Line { line, expected };
        let text = std::str::from_utf8(bytes).map_err(|_| refuse(1, "UTF-8 text"))?;
        let (proof, note) = text
            .split_once("\n\n")
            .ok_or(refuse(1, "the proof, a blank line and the checkpoint"))?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(refuse(1, FIRST_LINE));
        }
        let extra = "`extra` and the entry in base64";
        let entry = lines.next().and_then(|line| line.strip_prefix("extra "));
        let entry = entry.and_then(|entry| BASE64.decode(entry).ok());
        let entry = entry
            .filter(|entry| entry.len() <= MAX_ENTRY_BYTES)
            .ok_or(refuse(2, extra))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index
            .and_then(|index| {
                index
                    .parse::<u64>()
                    .ok()
                    .filter(|read| read.to_string() == *index)
            })
            .ok_or(refuse(3, "`index` and the position in decimal"))?;
        let mut path = Vec::new();
        for (line, hash) in (4..).zip(lines) {
            let hash = BASE64.decode(hash).ok().and_then(|hash| hash.try_into().ok());
            let hash = hash
                .filter(|_| path.len() < MAX_PATH)
                .ok_or(refuse(line, "the base64 of 32 bytes, at most 64 times"))?;
            path.push(Digest(hash));
        }
        Ok(Self {
            entry,
            index,
            path,
            note: UnverifiedNote::parse(note.as_bytes())?,
        })
    }

    /// Checks everything: the log's signature and `needed` of the witnesses' under the head, and the entry under its root.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(
        &self,
        key: &VerifierKey,
        witnesses: &Witnesses,
        needed: usize,
    ) -> Result<Proven, ReceiptError> {
        let head = VerifiedCheckpoint::verify(self.note.clone(), key)?;
        let seen = witnesses.seen(&self.note);
        if seen.by.len() < needed {
            return Err(ReceiptError::Witnesses {
                found: seen.by.len(),
                needed,
            });
        }
        Ok(Proven {
            index: self.index,
            entry: self.prove(&head)?,
            head,
            seen,
        })
    }

    /// The entry, if it stands under a head that the caller has checked.
    ///
    /// # Errors
    /// [`ReceiptError::Proof`] if it does not, [`ReceiptError::Entry`] if it is none.
    pub fn prove(&self, head: &VerifiedCheckpoint) -> Result<Entry, ReceiptError> {
        let proof = InclusionProof {
            index: self.index,
            tree_size: head.checkpoint().size,
            path: self.path.clone(),
        };
        proof.verify(&leaf_hash(&self.entry), &head.checkpoint().root)?;
        Ok(Entry::from_bytes(&self.entry)?)
    }

    /// The bytes that claim to be the entry.
    pub fn entry_bytes(&self) -> &[u8] {
        &self.entry
    }

    /// Where they claim to stand.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The note that claims to be the head.
    pub fn note(&self) -> &UnverifiedNote {
        &self.note
    }
}

#[cfg(test)]
mod tests;
