//! Names and numbers of the parties, rounds and things that are named by their hash.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A bank's position in the roster, from 1. It is also the evaluation point of its Shamir shares, so 0 never occurs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct BankIndex(u16);

impl BankIndex {
    /// `position` counts from 1; 0 is refused, because a Shamir share at 0 is the secret itself.
    pub fn new(position: u16) -> Option<Self> {
        (position != 0).then_some(Self(position))
    }

    /// The position, from 1.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for BankIndex {
    type Error = &'static str;

    fn try_from(position: u16) -> Result<Self, Self::Error> {
        Self::new(position).ok_or("bank index 0: roster positions start at 1")
    }
}

impl From<BankIndex> for u16 {
    fn from(index: BankIndex) -> u16 {
        index.0
    }
}

impl fmt::Display for BankIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for BankIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bank#{}", self.0)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number!(
    /// Number of a key epoch, from 1, growing.
    Epoch
);
number!(
    /// Number of a round, from 1. It grows for ever and is never used twice; a retry burns a new one.
    Round
);
number!(
    /// Seconds since the Unix epoch, as told by the caller: this crate owns no clock.
    Timestamp
);

/// A SHA-256 digest: the name of an entry, a blob or a state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// SHA-256 of `bytes` (FIPS 180-4).
    pub fn of(bytes: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        Self(out)
    }

    /// Lower-case hex, 64 characters.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// Reads 64 hex characters; anything else is `None`.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut out = [0; 32];
        hex::decode_to_slice(text, &mut out).ok()?;
        Some(Self(out))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_hex().get(..12).unwrap_or_default())
    }
}

/// Milliseconds since the Unix epoch, as told by the caller: what deadlines are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Millis(pub u64);

impl Millis {
    /// This moment and `seconds` more.
    pub fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(u64::from(seconds) * 1000))
    }

    /// The same moment in whole seconds, as the log tells it.
    pub fn timestamp(self) -> Timestamp {
        Timestamp(self.0 / 1000)
    }
}
