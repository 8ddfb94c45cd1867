//! Every way in which bytes and texts from outside become values of the protocol, for whoever has bad bytes to try: the `hostile` tests
//! of the protocol and the fuzzers in `fuzz/`.
//!
//! A decoder may refuse. What it reads, it must write the same again: a second form of a value is a second hash and a second signature
//! of the same thing. It must not panic, and may take no more memory than [`Decoder::most_bytes`] says.
#![allow(
    missing_docs,
    reason = "the names say it; nothing but tests and fuzzers reads them"
)]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod corpus;
mod files;
mod forms;
mod frames;
mod log;
mod packed;
pub mod played;
mod sealed;
mod state;

use veilsum_protocol::wire::canonical::Canonical;

/// What came of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Refused,
    /// A value, which is written with the same bytes.
    Read,
    /// A value, which is written like this.
    Differs(Vec<u8>),
}

impl Outcome {
    fn of(bytes: &[u8], written: Option<Vec<u8>>) -> Self {
        match written {
            None => Self::Refused,
            Some(written) if written == bytes => Self::Read,
            Some(written) => Self::Differs(written),
        }
    }
}

/// Puts the checksum or signature right that stands before everything else, as who lies can; `None` where there is nothing to sign.
pub type Mend = fn(&[u8]) -> Option<Vec<u8>>;

/// A way in, with what it may cost.
pub struct Decoder {
    pub name: &'static str,
    pub run: fn(&[u8]) -> Outcome,
    pub mend: Option<Mend>,
    /// Bytes of memory for each byte of input, and beside them.
    growth: usize,
    beside: usize,
}

impl Decoder {
    /// The most memory that reading so many bytes may take at once, with writing again what was read.
    pub fn most_bytes(&self, input: usize) -> usize {
        self.growth * input + self.beside
    }

    const fn mended(self, mend: Mend) -> Self {
        Self {
            mend: Some(mend),
            ..self
        }
    }

    const fn costs(self, growth: usize, beside: usize) -> Self {
        Self {
            growth,
            beside,
            ..self
        }
    }
}

const fn decoder(name: &'static str, run: fn(&[u8]) -> Outcome) -> Decoder {
    Decoder {
        name,
        run,
        mend: None,
        growth: 16,
        beside: 16 << 10,
    }
}

/// Decoders that one fuzzer tries on the same bytes.
pub struct Group {
    /// Also the name of the fuzzer.
    pub name: &'static str,
    pub decoders: &'static [Decoder],
}

pub const GROUPS: &[Group] = &[
    Group {
        name: "frames",
        decoders: frames::DECODERS,
    },
    Group {
        name: "forms",
        decoders: forms::DECODERS,
    },
    Group {
        name: "log",
        decoders: log::DECODERS,
    },
    Group {
        name: "files",
        decoders: files::DECODERS,
    },
    Group {
        name: "state",
        decoders: state::DECODERS,
    },
    Group {
        name: "sealed",
        decoders: sealed::DECODERS,
    },
    Group {
        name: "packed",
        decoders: packed::DECODERS,
    },
];

/// The group of that name.
///
/// # Panics
/// If there is none.
pub fn group(name: &str) -> &'static Group {
    let found = GROUPS.iter().find(|group| group.name == name);
    found.expect("the caller names one of GROUPS")
}

impl Group {
    /// Every decoder on these bytes, as they are and with what can be put right.
    ///
    /// # Panics
    /// If a decoder does, or reads what it would write otherwise.
    pub fn try_all(&self, bytes: &[u8]) {
        for decoder in self.decoders {
            try_one(decoder, bytes);
            if let Some(mended) = decoder.mend.and_then(|mend| mend(bytes)) {
                try_one(decoder, &mended);
            }
        }
    }
}

fn try_one(decoder: &Decoder, bytes: &[u8]) {
    if let Outcome::Differs(written) = (decoder.run)(bytes) {
        panic!(
            "{}: it read {} and writes {}",
            decoder.name,
            hex::encode(bytes),
            hex::encode(written)
        );
    }
}

fn form<T: Canonical>(bytes: &[u8]) -> Outcome {
    Outcome::of(bytes, T::from_bytes(bytes).ok().map(|value| value.to_bytes()))
}

/// For what has many spellings: its normal form must be read as the same value.
fn text<T: PartialEq>(
    bytes: &[u8],
    read: impl Fn(&str) -> Option<T>,
    normal: impl Fn(&T) -> String,
) -> Outcome {
    let Some(value) = std::str::from_utf8(bytes).ok().and_then(&read) else {
        return Outcome::Refused;
    };
    let written = normal(&value);
    match read(&written) {
        Some(again) if again == value && normal(&again) == written => Outcome::Read,
        _ => Outcome::Differs(written.into_bytes()),
    }
}
