//! Signed notes (C2SP `signed-note`): a text that people can read, a blank line, and one line per signature.
//!
//! ```text
//! <text, one or more lines>
//!
//! — <key name> <base64 of 4 bytes of key hash and the signature>
//! ```
//!
//! Signatures by keys that the reader does not know are carried along and ignored: this is how other parties add theirs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

use super::verifier_key::{KEY_HASH_BYTES, VerifierKey, is_key_name};

/// Longest note that is read, in bytes. Every bank of a large consortium has room for its signature.
pub const MAX_NOTE_BYTES: usize = 1_000_000;

const SIGNATURE_MARK: &str = "\u{2014} ";

/// Why a note was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoteError {
    /// The note is longer than [`MAX_NOTE_BYTES`].
    #[error("note of {found} bytes: expected at most {MAX_NOTE_BYTES}")]
    TooLong {
        /// Bytes of the note.
        found: usize,
    },
    /// The note is not UTF-8, or has control characters other than the newline.
    #[error("byte {at} of the note: found {what}, expected UTF-8 text without control characters")]
    NotText {
        /// Offset of the first byte that does not belong there.
        at: usize,
        /// What stands there.
        what: &'static str,
    },
    /// The text to be signed does not end with a newline, or is empty.
    #[error("the text of a note must be one or more lines, each ended by a newline")]
    Text,
    /// No blank line divides the text from the signatures.
    #[error(
        "the note has no signatures: expected a blank line and at least one signature line after the text"
    )]
    NoSignatures,
    /// A line after the blank line is not `— name base64`.
    #[error("signature line {line}: {what}; expected `\u{2014} <key name> <base64>`")]
    SignatureLine {
        /// Number of the line among the signature lines, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The key that was asked for has not signed.
    #[error("the note is not signed by {key}; it is signed by: {signers}")]
    NotSignedBy {
        /// The verifier key that was asked for.
        key: String,
        /// Names on the signature lines.
        signers: String,
    },
    /// A signature under the key that was asked for is wrong.
    #[error(
        "the signature of {key} does not verify: the note was changed, or signed with another private key"
    )]
    BadSignature {
        /// The verifier key that was asked for.
        key: String,
    },
}

/// One signature line of a note. Whose it is, and whether it is valid, is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Hash of the key.
    pub key_hash: [u8; KEY_HASH_BYTES],
    /// What follows the key hash, at least one byte; its form is the signature type's.
    pub signature: Vec<u8>,
}

/// A note of the right form, whose signatures nobody has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedNote {
    whole: String,
    text_bytes: usize,
    signatures: Vec<NoteSignature>,
}

impl UnverifiedNote {
    /// Reads a note. What is accepted is the one canonical form of what it says.
    ///
    /// # Errors
    /// Names the first place that is not of the form.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong { found: bytes.len() });
        }
        let whole = std::str::from_utf8(bytes).map_err(|error| NoteError::NotText {
            at: error.valid_up_to(),
            what: "bytes that are not UTF-8",
        })?;
        if let Some(at) = bytes.iter().position(|byte| *byte < 0x20 && *byte != b'\n') {
            return Err(NoteError::NotText {
                at,
                what: "a control character",
            });
        }
        let (before, lines) = whole.rsplit_once("\n\n").ok_or(NoteError::NoSignatures)?;
        if before.is_empty() {
            return Err(NoteError::Text);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        let signatures = lines
            .split('\n')
            .enumerate()
            .map(|(at, line)| {
                parse_signature(line).map_err(|what| NoteError::SignatureLine { line: at + 1, what })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            whole: whole.to_owned(),
            text_bytes: before.len() + 1,
            signatures,
        })
    }

    /// Signs `text` with the private key of `key`: `sign` returns the Ed25519 signature over the bytes it is given.
    ///
    /// # Errors
    /// [`NoteError::Text`] or [`NoteError::NotText`] if `text` cannot be a note; [`NoteError::BadSignature`] if the
    /// signature does not verify under `key`, so that no note leaves that its readers would refuse.
    pub fn sign(
        text: &str,
        key: &VerifierKey,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<Self, NoteError> {
        if text.len() < 2 || !text.ends_with('\n') {
            return Err(NoteError::Text);
        }
        let signature = sign(text.as_bytes());
        check(key, text, &signature)?;
        let encoded = BASE64.encode([&key.key_hash()[..], &signature].concat());
        Self::parse(format!("{text}\n{SIGNATURE_MARK}{} {encoded}\n", key.name()).as_bytes())
    }

    /// The signed text, with its last newline. Unverified.
    pub fn text(&self) -> &str {
        &self.whole[..self.text_bytes]
    }

    /// The whole note, as it was read.
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// The signature lines, in order. Unverified.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// This note with these signature lines behind its own: name, key hash and signature of each. What is added is as unverified as
    /// the rest.
    pub(super) fn with_lines<'a, const N: usize>(
        &self,
        lines: impl Iterator<Item = (&'a str, [u8; KEY_HASH_BYTES], [u8; N])>,
    ) -> Self {
        let mut note = self.clone();
        for (name, key_hash, signature) in lines {
            let encoded = BASE64.encode([&key_hash[..], &signature].concat());
            note.whole
                .push_str(&format!("{SIGNATURE_MARK}{name} {encoded}\n"));
            note.signatures.push(NoteSignature {
                name: name.to_owned(),
                key_hash,
                signature: signature.to_vec(),
            });
        }
        note
    }

    /// This note with the signature lines of `key` alone.
    pub(super) fn signed_by_alone(&self, key: &VerifierKey) -> Self {
        let key_hash = key.key_hash();
        let own = |line: &&NoteSignature| line.name == key.name() && line.key_hash == key_hash;
        let signatures: Vec<_> = self.signatures.iter().filter(own).take(1).cloned().collect();
        let mut whole = format!("{}\n", self.text());
        for line in &signatures {
            let encoded = BASE64.encode([&line.key_hash[..], &line.signature].concat());
            whole.push_str(&format!("{SIGNATURE_MARK}{} {encoded}\n", line.name));
        }
        Self {
            whole,
            text_bytes: self.text_bytes,
            signatures,
        }
    }

    /// The text, if `key` has signed it. Lines of other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError::NotSignedBy`] without a line of this key; [`NoteError::BadSignature`] if any line of it does not verify.
    pub fn verify(&self, key: &VerifierKey) -> Result<&str, NoteError> {
        let key_hash = key.key_hash();
        let mut signed = false;
        for line in self
            .signatures
            .iter()
            .filter(|line| line.name == key.name() && line.key_hash == key_hash)
        {
            check(key, self.text(), &line.signature)?;
            signed = true;
        }
        if signed {
            Ok(self.text())
        } else {
            let signers = self
                .signatures
                .iter()
                .map(|line| line.name.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            Err(NoteError::NotSignedBy {
                key: key.to_string(),
                signers,
            })
        }
    }
}

fn check(key: &VerifierKey, text: &str, signature: &[u8]) -> Result<(), NoteError> {
    if key.verifies(text.as_bytes(), signature) {
        Ok(())
    } else {
        Err(NoteError::BadSignature { key: key.to_string() })
    }
}

fn parse_signature(line: &str) -> Result<NoteSignature, &'static str> {
    let rest = line
        .strip_prefix(SIGNATURE_MARK)
        .ok_or("it does not start with an em dash and a space")?;
    let (name, encoded) = rest.split_once(' ').ok_or("it has no signature")?;
    if !is_key_name(name) {
        return Err("its key name is empty or has white space or a plus sign");
    }
    // The decoder refuses missing padding and stray bits, so a signature has one encoding only.
    let bytes = BASE64
        .decode(encoded)
        .map_err(|_| "its signature is not base64")?;
    match bytes.split_first_chunk::<KEY_HASH_BYTES>() {
        Some((key_hash, signature)) if !signature.is_empty() => Ok(NoteSignature {
            name: name.to_owned(),
            key_hash: *key_hash,
            signature: signature.to_vec(),
        }),
        _ => Err("its signature has fewer than 5 bytes"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    // The example of the Go package golang.org/x/mod/sumdb/note.
    const KNOWN_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const KNOWN_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const KNOWN_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn known_note() -> String {
        format!("{KNOWN_TEXT}\n{KNOWN_SIGNATURE}")
    }

    fn key_pair(name: &str, seed: u8) -> (VerifierKey, impl Fn(&[u8]) -> [u8; 64]) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let sign = move |bytes: &[u8]| pair.sign(bytes).as_ref().try_into().unwrap();
        (VerifierKey::new(name, public).unwrap(), sign)
    }

    #[test]
    fn the_known_note_verifies_under_the_known_key() {
        let key: VerifierKey = KNOWN_KEY.parse().unwrap();
        assert_eq!(key.name(), "PeterNeumann");
        assert_eq!(hex::encode(key.key_hash()), "c74f20a3");
        assert_eq!(key.to_string(), KNOWN_KEY);
        let note = UnverifiedNote::parse(known_note().as_bytes()).unwrap();
        assert_eq!(note.verify(&key).unwrap(), KNOWN_TEXT);
        assert_eq!(note.as_str(), known_note());
    }

    #[test]
    fn a_changed_note_does_not_verify() {
        let key: VerifierKey = KNOWN_KEY.parse().unwrap();
        let changed = known_note().replace("answer", "Answer");
        let error = UnverifiedNote::parse(changed.as_bytes())
            .unwrap()
            .verify(&key)
            .unwrap_err();
        assert_eq!(
            error,
            NoteError::BadSignature {
                key: KNOWN_KEY.to_owned()
            }
        );
    }

    #[test]
    fn lines_of_unknown_keys_are_ignored_and_kept() {
        let key: VerifierKey = KNOWN_KEY.parse().unwrap();
        let note = format!(
            "{KNOWN_TEXT}\n\u{2014} bank.example AAAAAAA=\n{KNOWN_SIGNATURE}\u{2014} PeterNeumann AAAAAAA=\n"
        );
        let note = UnverifiedNote::parse(note.as_bytes()).unwrap();
        assert_eq!(note.verify(&key).unwrap(), KNOWN_TEXT);
        assert_eq!(note.signatures().len(), 3);
        let (other, _) = key_pair("other.example", 1);
        let error = note.verify(&other).unwrap_err().to_string();
        assert!(
            error.contains("bank.example, PeterNeumann, PeterNeumann"),
            "{error}"
        );
    }

    #[test]
    fn one_wrong_signature_under_the_key_spoils_the_note() {
        let (key, sign) = key_pair("log.example", 1);
        let note = UnverifiedNote::sign("text\n", &key, sign).unwrap();
        let wrong = BASE64.encode([&key.key_hash()[..], &[7; 64]].concat());
        let doubled = format!("{}\u{2014} log.example {wrong}\n", note.as_str());
        let error = UnverifiedNote::parse(doubled.as_bytes())
            .unwrap()
            .verify(&key)
            .unwrap_err();
        assert!(matches!(error, NoteError::BadSignature { .. }));
    }

    #[test]
    fn what_is_signed_verifies_under_its_key_alone() {
        let (key, sign) = key_pair("log.example/a", 1);
        let note = UnverifiedNote::sign("one\n\ntwo\n", &key, sign).unwrap();
        assert_eq!(note.text(), "one\n\ntwo\n");
        assert_eq!(UnverifiedNote::parse(note.as_str().as_bytes()).unwrap(), note);
        assert_eq!(note.verify(&key).unwrap(), "one\n\ntwo\n");
        let (renamed, _) = key_pair("log.example/b", 1);
        assert!(matches!(
            note.verify(&renamed),
            Err(NoteError::NotSignedBy { .. })
        ));
    }

    #[test]
    fn a_signer_with_another_private_key_is_found_out_before_the_note_leaves() {
        let (key, _) = key_pair("log.example", 1);
        let (_, sign) = key_pair("log.example", 2);
        assert!(matches!(
            UnverifiedNote::sign("text\n", &key, sign),
            Err(NoteError::BadSignature { .. })
        ));
    }

    #[test]
    fn text_that_cannot_be_a_note_is_not_signed() {
        let (key, sign) = key_pair("log.example", 1);
        for text in ["", "\n", "no newline"] {
            assert_eq!(
                UnverifiedNote::sign(text, &key, &sign),
                Err(NoteError::Text),
                "{text:?}"
            );
        }
        let error = UnverifiedNote::sign("tab\there\n", &key, &sign).unwrap_err();
        assert_eq!(
            error,
            NoteError::NotText {
                at: 3,
                what: "a control character"
            }
        );
    }

    #[test]
    fn malformed_notes_are_refused() {
        let refused = |note: &str| UnverifiedNote::parse(note.as_bytes()).unwrap_err();
        assert_eq!(refused(""), NoteError::NoSignatures);
        assert_eq!(refused(KNOWN_TEXT), NoteError::NoSignatures);
        assert_eq!(refused(&format!("{KNOWN_TEXT}\n")), NoteError::NoSignatures);
        assert_eq!(refused(&format!("\n\n{KNOWN_SIGNATURE}")), NoteError::Text);
        assert_eq!(refused(known_note().trim_end()), NoteError::NoSignatures);
        assert!(
            refused(&known_note().replace("\u{2014} ", "- "))
                .to_string()
                .contains("line 1")
        );
        for (from, to, what) in [
            ("nAM=\n", "nAM\n", "base64"),
            ("nAM=\n", "nAN=\n", "base64"),
            ("nAM=\n", "nAM=\n\u{2014} x\n", "no signature"),
            ("nAM=\n", "nAM=\n\u{2014} x AAAAAA==\n", "fewer than 5"),
            ("PeterNeumann ", "Peter+Neumann ", "plus sign"),
            ("PeterNeumann ", "", "no signature"),
            ("PeterNeumann ", " ", "key name"),
            ("nAM=\n", "nAM= \n", "base64"),
            ("nAM=\n", "nAM=\nmore\n", "em dash"),
        ] {
            let error = refused(&known_note().replace(from, to)).to_string();
            assert!(error.contains(what), "{to:?}: {error}");
        }
        assert!(matches!(
            refused(&known_note().replace("you ", "you\r")),
            NoteError::NotText { at: 6, .. }
        ));
        assert!(matches!(
            UnverifiedNote::parse(b"a\xff\n\n"),
            Err(NoteError::NotText { at: 1, .. })
        ));
        assert!(matches!(
            UnverifiedNote::parse(&vec![b'a'; MAX_NOTE_BYTES + 1]),
            Err(NoteError::TooLong { .. })
        ));
    }
}
