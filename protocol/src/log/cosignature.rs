//! Cosignatures under the head of the log (C2SP `tlog-cosignature`, Ed25519): a witness says that of all heads of this log that it has
//! seen this is the largest, and that each continues the one before.
//!
//! Every bank of the roster is a witness, with a key that signs nothing else. What is signed is
//!
//! ```text
//! cosignature/v1
//! time <seconds since 1970>
//! <the text of the head>
//! ```

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::checkpoint::{CheckpointError, VerifiedCheckpoint};
use super::note::{NoteSignature, UnverifiedNote};
use super::verifier_key::{KEY_HASH_BYTES, VerifierKey, hash_of_key};
use crate::crypto::signing::{Signature, SigningKey, VerifyingKey};
use crate::ids::{BankIndex, Timestamp};
use crate::roster::Roster;
use crate::round::params::Thresholds;

/// Signature type of an Ed25519 cosignature.
const COSIGNATURE_TYPE: u8 = 0x04;
/// Bytes of a cosignature on a signature line, behind the key hash: time and signature.
const COSIGNATURE_BYTES: usize = 8 + 64;
/// Greatest time that the format allows.
const MAX_TIME: u64 = i64::MAX as u64;

/// One witness's cosignature. Whose it is, and under which head, is told beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cosignature {
    /// When the witness saw the head, by its own clock.
    pub time: Timestamp,
    /// Ed25519 signature.
    pub signature: Signature,
}

impl Cosignature {
    /// Cosigns the head with this text. The caller has made durable that it saw no larger one.
    pub fn sign(key: &SigningKey, text: &str, time: Timestamp) -> Self {
        let time = Timestamp(time.0.min(MAX_TIME));
        Self {
            time,
            signature: key.sign_bytes(&message(text, time)),
        }
    }

    /// True if it is that of `key` under the head with this text.
    pub fn verifies(&self, key: &[u8; 32], text: &str) -> bool {
        self.time.0 <= MAX_TIME
            && VerifyingKey(*key).verifies_bytes(&message(text, self.time), &self.signature)
    }

    fn to_bytes(self) -> [u8; COSIGNATURE_BYTES] {
        let mut bytes = [0; COSIGNATURE_BYTES];
        let (time, signature) = bytes.split_at_mut(8);
        time.copy_from_slice(&self.time.0.to_be_bytes());
        signature.copy_from_slice(&self.signature.0);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, signature) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            time: Timestamp(u64::from_be_bytes(*time)),
            signature: Signature(signature.try_into().ok()?),
        })
    }
}

fn message(text: &str, time: Timestamp) -> Vec<u8> {
    format!("cosignature/v1\ntime {}\n{text}", time.0).into_bytes()
}

/// Name and public key of a witness; as text `name+hash+base64` with signature type 04, as other tools pin it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    public_key: [u8; 32],
}

impl WitnessKey {
    /// The witness that a bank of a consortium is: its name is `<consortium>/<bank>`.
    pub fn of_bank(consortium: &str, bank: &str, public_key: [u8; 32]) -> Self {
        Self {
            name: format!("{consortium}/{bank}"),
            public_key,
        }
    }

    /// Name on the signature line.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn key_hash(&self) -> [u8; KEY_HASH_BYTES] {
        hash_of_key(&self.name, COSIGNATURE_TYPE, &self.public_key)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[COSIGNATURE_TYPE], &self.public_key[..]].concat();
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex::encode(self.key_hash()),
            BASE64.encode(typed)
        )
    }
}

/// The banks of a roster as witnesses.
#[derive(Clone, Debug)]
pub struct Witnesses {
    keys: BTreeMap<BankIndex, WitnessKey>,
}

/// What the signature lines of witnesses under a head are worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Banks whose cosignature verifies, and when they saw the head.
    pub by: BTreeMap<BankIndex, Timestamp>,
    /// Banks with a line that is not their cosignature under this head.
    pub forged: Vec<BankIndex>,
}

/// Cosignatures that it takes under a head, where this roster is in force: the threshold `t` of its rounds.
pub fn cosignatures_needed(roster: &Roster) -> Option<usize> {
    let banks = u16::try_from(roster.banks().len()).ok()?;
    let thresholds = Thresholds::with_most_colluders(banks).ok()?;
    Some(usize::from(thresholds.threshold))
}

impl Witnesses {
    /// Every bank of the roster.
    pub fn of(roster: &Roster) -> Self {
        let witness = |bank: &crate::roster::RosterEntry| {
            let key = WitnessKey::of_bank(roster.consortium(), &bank.name, bank.witness_key);
            (bank.index, key)
        };
        Self {
            keys: roster.banks().iter().map(witness).collect(),
        }
    }

    /// The witnesses by their banks' positions.
    pub fn keys(&self) -> impl Iterator<Item = (BankIndex, &WitnessKey)> {
        self.keys.iter().map(|(bank, key)| (*bank, key))
    }

    /// True if `cosignature` is the bank's under the head with this text.
    pub fn verifies(&self, bank: BankIndex, cosignature: &Cosignature, text: &str) -> bool {
        self.keys
            .get(&bank)
            .is_some_and(|key| cosignature.verifies(&key.public_key, text))
    }

    /// The head with a signature line more for each of these cosignatures; those of banks outside the roster are left out.
    pub fn add(
        &self,
        head: &VerifiedCheckpoint,
        cosignatures: &[(BankIndex, Cosignature)],
    ) -> VerifiedCheckpoint {
        let lines = cosignatures.iter().filter_map(|(bank, cosignature)| {
            let key = self.keys.get(bank)?;
            Some((key.name.as_str(), key.key_hash(), cosignature.to_bytes()))
        });
        head.with_lines(lines)
    }

    /// Who has seen the head of this note. Lines of others than these witnesses are passed over.
    pub fn seen(&self, note: &UnverifiedNote) -> Seen {
        let mut seen = Seen::default();
        for (bank, cosignature) in self.lines(note) {
            match cosignature {
                Some(cosignature) => drop(seen.by.insert(bank, cosignature.time)),
                None => seen.forged.push(bank),
            }
        }
        seen
    }

    /// The cosignatures of these witnesses that the note carries; what does not verify is left out.
    pub fn cosignatures(&self, note: &UnverifiedNote) -> BTreeMap<BankIndex, Cosignature> {
        let lines = self.lines(note).into_iter();
        lines
            .filter_map(|(bank, cosignature)| Some((bank, cosignature?)))
            .collect()
    }

    /// The lines of these witnesses, and their cosignatures where they verify.
    fn lines(&self, note: &UnverifiedNote) -> Vec<(BankIndex, Option<Cosignature>)> {
        let by_line: BTreeMap<_, _> = self
            .keys
            .iter()
            .map(|(bank, key)| ((key.name.as_str(), key.key_hash()), (*bank, key)))
            .collect();
        let line = |line: &NoteSignature| {
            let (bank, key) = by_line.get(&(line.name.as_str(), line.key_hash))?;
            let cosignature = Cosignature::from_bytes(&line.signature);
            Some((
                *bank,
                cosignature.filter(|one| one.verifies(&key.public_key, note.text())),
            ))
        };
        note.signatures().iter().filter_map(line).collect()
    }
}

/// A head that was signed by the log and seen by enough of its witnesses.
///
/// # Errors
/// As [`VerifiedCheckpoint::parse`]; [`WitnessedError::TooFew`].
pub fn parse_witnessed(
    note: &[u8],
    key: &VerifierKey,
    witnesses: &Witnesses,
    needed: usize,
) -> Result<(VerifiedCheckpoint, Seen), WitnessedError> {
    let head = VerifiedCheckpoint::parse(note, key)?;
    let seen = witnesses.seen(head.note());
    if seen.by.len() < needed {
        return Err(WitnessedError::TooFew {
            found: seen.by.len(),
            needed,
        });
    }
    Ok((head, seen))
}

/// Why a head does not count as seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessedError {
    /// It is no head of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few banks have cosigned it.
    #[error("{found} banks have cosigned the checkpoint, expected at least {needed}")]
    TooFew {
        /// Valid cosignatures.
        found: usize,
        /// Those that it takes.
        needed: usize,
    },
}

#[cfg(test)]
mod tests;
