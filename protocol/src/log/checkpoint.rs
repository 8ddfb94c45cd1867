//! The signed head of the log (C2SP `tlog-checkpoint`): a note whose text is the log's name, its size and its root.
//!
//! ```text
//! <origin>
//! <number of entries, decimal>
//! <base64 of the root>
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

use super::note::{NoteError, UnverifiedNote};
use super::verifier_key::{KEY_HASH_BYTES, VerifierKey, is_key_name};
use crate::ids::Digest;

/// Why a checkpoint was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// It is no note, or not one that the log's key signed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not three lines of the form.
    #[error("checkpoint: {what}; expected three lines: origin, size in decimal, base64 of the 32-byte root")]
    Form {
        /// What is wrong with it.
        what: &'static str,
    },
    /// It is the head of another log.
    #[error("checkpoint of the log {found:?}, expected {expected:?}")]
    OtherLog {
        /// Origin in the checkpoint.
        found: String,
        /// Name of the pinned key, which is the log's origin.
        expected: String,
    },
}

/// What the head of a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log, unique for ever; the name of its key as well.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.0))
    }

    /// Reads the text; what is accepted encodes again to the same bytes. Lines after the root are refused, because
    /// nothing is defined that they could say.
    ///
    /// # Errors
    /// [`CheckpointError::Form`] with what is wrong.
    pub fn from_text(text: &str) -> Result<Self, CheckpointError> {
        let form = |what| CheckpointError::Form { what };
        // One more than three is enough to know that it is not three.
        let lines = text.strip_suffix('\n').unwrap_or_default().splitn(4, '\n');
        let lines: Vec<&str> = lines.collect();
        let [origin, size, root] = lines.as_slice() else {
            return Err(form("it has not three lines"));
        };
        if !is_key_name(origin) {
            return Err(form("its origin is empty, or has white space or a plus sign"));
        }
        let root = BASE64.decode(root).ok().and_then(|root| root.try_into().ok());
        let checkpoint = Self {
            origin: (*origin).to_owned(),
            size: size
                .parse()
                .map_err(|_| form("its size is not a decimal number below 2^64"))?,
            root: Digest(root.ok_or_else(|| form("its root is not the base64 of 32 bytes"))?),
        };
        if checkpoint.to_text() != text {
            return Err(form("its size has a sign or leading zeros"));
        }
        Ok(checkpoint)
    }

    /// Signs this head with the private key of `key`; `sign` returns the Ed25519 signature over the bytes it is given.
    ///
    /// # Errors
    /// As [`VerifiedCheckpoint::verify`], so that no head leaves that its readers would refuse.
    pub fn sign(
        &self,
        key: &VerifierKey,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<VerifiedCheckpoint, CheckpointError> {
        let note = UnverifiedNote::sign(&self.to_text(), key, sign)?;
        VerifiedCheckpoint::verify(note, key)
    }
}

/// A head of the log that the log's own key has signed. That the log shows everybody the same head does not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: UnverifiedNote,
}

impl VerifiedCheckpoint {
    /// Checks signature, form and origin: the origin must be the name of the pinned `key`.
    ///
    /// # Errors
    /// Names the check that failed.
    pub fn verify(note: UnverifiedNote, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::from_text(note.verify(key)?)?;
        if checkpoint.origin != key.name() {
            return Err(CheckpointError::OtherLog {
                found: checkpoint.origin,
                expected: key.name().to_owned(),
            });
        }
        Ok(Self { checkpoint, note })
    }

    /// Reads a note and [verifies](Self::verify) it.
    ///
    /// # Errors
    /// As [`UnverifiedNote::parse`] and [`Self::verify`].
    pub fn parse(bytes: &[u8], key: &VerifierKey) -> Result<Self, CheckpointError> {
        Self::verify(UnverifiedNote::parse(bytes)?, key)
    }

    /// What the head says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The same head with the log's own signature and no other line.
    pub(super) fn bare(&self, key: &VerifierKey) -> Self {
        Self {
            checkpoint: self.checkpoint.clone(),
            note: self.note.signed_by_alone(key),
        }
    }

    /// The same head with these signature lines behind those that it has.
    pub(super) fn with_lines<'a, const N: usize>(
        &self,
        lines: impl Iterator<Item = (&'a str, [u8; KEY_HASH_BYTES], [u8; N])>,
    ) -> Self {
        Self {
            checkpoint: self.checkpoint.clone(),
            note: self.note.with_lines(lines),
        }
    }

    /// The note, with signatures of others that nobody has checked.
    pub fn note(&self) -> &UnverifiedNote {
        &self.note
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::super::merkle::{empty_root, leaf_hash};
    use super::*;

    fn key_pair(name: &str) -> (VerifierKey, impl Fn(&[u8]) -> [u8; 64]) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let sign = move |bytes: &[u8]| pair.sign(bytes).as_ref().try_into().unwrap();
        (VerifierKey::new(name, public).unwrap(), sign)
    }

    fn head(origin: &str) -> Checkpoint {
        Checkpoint {
            origin: origin.to_owned(),
            size: 1,
            root: leaf_hash(b""),
        }
    }

    #[test]
    fn the_text_is_that_of_the_format() {
        let text = "log.example/consortium\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n";
        assert_eq!(head("log.example/consortium").to_text(), text);
        assert_eq!(
            Checkpoint::from_text(text).unwrap(),
            head("log.example/consortium")
        );
        let foreign = tlog_tiles::checkpoint::Checkpoint::from_bytes(text.as_bytes()).unwrap();
        assert_eq!((foreign.origin(), foreign.size()), ("log.example/consortium", 1));
        assert_eq!(foreign.hash().0, leaf_hash(b"").0);
    }

    #[test]
    fn a_signed_head_verifies_under_the_logs_key() {
        let (key, sign) = key_pair("log.example");
        let signed = head("log.example").sign(&key, sign).unwrap();
        let read = VerifiedCheckpoint::parse(signed.note().as_str().as_bytes(), &key).unwrap();
        assert_eq!(read, signed);
        assert_eq!(read.checkpoint(), &head("log.example"));
    }

    #[test]
    fn a_changed_head_does_not_verify() {
        let (key, sign) = key_pair("log.example");
        let signed = head("log.example").sign(&key, sign).unwrap();
        let changed = signed.note().as_str().replacen("\n1\n", "\n2\n", 1);
        let error = VerifiedCheckpoint::parse(changed.as_bytes(), &key).unwrap_err();
        assert!(matches!(
            error,
            CheckpointError::Note(NoteError::BadSignature { .. })
        ));
    }

    #[test]
    fn the_head_of_another_log_under_the_same_key_is_refused() {
        let (key, sign) = key_pair("log.example");
        let error = head("other.example").sign(&key, sign).unwrap_err();
        let expected = CheckpointError::OtherLog {
            found: "other.example".to_owned(),
            expected: "log.example".to_owned(),
        };
        assert_eq!(error, expected);
    }

    #[test]
    fn the_head_of_the_empty_log_and_of_the_largest_size_are_heads() {
        for (size, root) in [(0, empty_root()), (u64::MAX, leaf_hash(b"x"))] {
            let head = Checkpoint {
                origin: "log.example".to_owned(),
                size,
                root,
            };
            assert_eq!(Checkpoint::from_text(&head.to_text()).unwrap(), head);
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        let text = head("log.example").to_text();
        for (from, to) in [
            ("\n1\n", "\n01\n"),
            ("\n1\n", "\n+1\n"),
            ("\n1\n", "\n-1\n"),
            ("\n1\n", "\n 1\n"),
            ("\n1\n", "\n\n"),
            ("\n1\n", "\n18446744073709551616\n"),
            ("B0=\n", "B0=\nextension\n"),
            ("B0=\n", "B0=\n\n"),
            ("B0=\n", "B0="),
            ("B0=\n", "B0\n"),
            ("B0=\n", "B1=\n"),
            ("bjQL", "bjQLbjQL"),
            ("log.example", ""),
            ("log.example", "log example"),
        ] {
            let other = text.replace(from, to);
            assert_ne!(other, text);
            assert!(
                matches!(Checkpoint::from_text(&other), Err(CheckpointError::Form { .. })),
                "{other:?}"
            );
        }
        assert!(Checkpoint::from_text("").is_err());
    }
}
