//! How a stream between a bank and the coordinator begins, and what the coordinator answers.
//!
//! Every bidirectional stream is opened by the bank and starts with one frame, a [`StreamOpen`]:
//!
//! * **Control** (one per connection): the coordinator answers [`ControlReply`], then messages travel as frames both ways.
//! * **Upload**: [`UploadReply::From`] with the bytes that are stored already; the bank sends the rest as raw bytes and a
//!   trailer frame of at most [`TRAILER_LIMIT`] bytes; [`UploadReply::Stored`] once all of it is durable.
//! * **Fetch**: [`FetchReply::Blob`] and then that many raw bytes. The bank compares the hash; the coordinator is not trusted.

use serde::{Deserialize, Serialize};

use crate::ids::{BankIndex, Digest, Round};

/// The application protocol that both sides name in the TLS handshake (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"veilsum/1";

/// Largest body of the frames in this module, in bytes. The longest text of a [`Rejected`] fits.
pub const STREAM_FRAME_LIMIT: usize = 2048;

/// Largest trailer after an upload, in bytes.
pub const TRAILER_LIMIT: usize = 1024;

/// Longest text of a [`Rejected`], in bytes; [`Rejected::new`] cuts there.
pub const REASON_LIMIT: usize = 512;

/// The first frame of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamOpen {
    /// Messages both ways, for as long as the connection lives.
    Control,
    /// The bank's masked update of a round.
    Upload {
        /// The round it belongs to.
        round: Round,
        /// Its whole length in bytes, whatever is stored already.
        length: u64,
    },
    /// A public blob by its hash.
    Fetch {
        /// SHA-256 of the blob.
        hash: Digest,
    },
}

/// What the coordinator answers to [`StreamOpen::Control`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlReply {
    /// The connection is admitted. A refusal is a close of the connection with a [`CloseCode`].
    Admitted {
        /// The roster position under which the coordinator knows the bank.
        bank: BankIndex,
        /// Uploads and fetches that the bank may have open at once.
        streams: u16,
    },
}

/// What the coordinator answers on an upload stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UploadReply {
    /// Send from this byte on.
    From {
        /// Bytes that are stored already.
        offset: u64,
    },
    /// All bytes and the trailer are durable.
    Stored,
    /// Not accepted, and sending it again unchanged will not help unless the code says so.
    Rejected(Rejected),
}

/// What the coordinator answers on a fetch stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchReply {
    /// That many raw bytes follow.
    Blob {
        /// Length in bytes.
        length: u64,
    },
    /// The coordinator has no blob of that hash.
    NoSuchBlob,
}

/// A refusal with a stable number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("rejected ({code}): {text}")]
pub struct Rejected {
    /// What is wrong, as a number that never changes its meaning. 1 to 15 belong to the transport (below), the rest to
    /// the round's engine.
    pub code: u16,
    /// The same in words: what was found, what was expected.
    pub text: String,
}

impl Rejected {
    /// The announced length is not the one that the round's layout has.
    pub const WRONG_LENGTH: u16 = 1;
    /// The trailer is longer than [`TRAILER_LIMIT`].
    pub const TRAILER_TOO_LONG: u16 = 2;
    /// The coordinator cannot store it now; the same upload may be tried again later.
    pub const TRY_AGAIN: u16 = 3;

    /// A refusal with the text cut to [`REASON_LIMIT`] bytes at a character boundary.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(text.floor_char_boundary(REASON_LIMIT));
        Self { code, text }
    }
}

/// Why a side closed the connection: the application error code of a QUIC CONNECTION_CLOSE (RFC 9000, section 19.19), or the code in
/// a close record on TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The sender is going away in good order.
    Goodbye = 0,
    /// The certificate is valid, but its key is not in the roster.
    NotInRoster = 1,
    /// A newer connection with the same key took its place.
    Replaced = 2,
    /// A frame was too large or not a message, or a stream was used against the rules.
    ProtocolViolation = 3,
    /// The peer did not send or take data in time.
    TooSlow = 4,
    /// The key is in a roster that is proposed and not in force yet.
    NotYet = 5,
    /// The operator took this bank's access away, whatever the roster says.
    Revoked = 6,
}

impl CloseCode {
    /// The code on the wire.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The meaning of a received code; `None` for one that this version does not know.
    pub fn from_number(number: u64) -> Option<Self> {
        [
            Self::Goodbye,
            Self::NotInRoster,
            Self::Replaced,
            Self::ProtocolViolation,
            Self::TooSlow,
            Self::NotYet,
            Self::Revoked,
        ]
        .into_iter()
        .find(|code| u64::from(code.number()) == number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::wire::frame::{decode, encode};

    #[test]
    fn the_longest_rejection_fits_in_a_frame() {
        let reply = UploadReply::Rejected(Rejected::new(u16::MAX, "é".repeat(REASON_LIMIT)));
        let body = encode(&reply, STREAM_FRAME_LIMIT).unwrap();
        assert_eq!(decode::<UploadReply>(&body, STREAM_FRAME_LIMIT).unwrap(), reply);
        assert!(body.len() > REASON_LIMIT);
    }

    #[test]
    fn close_codes_are_read_back() {
        for number in 0..7 {
            assert_eq!(
                u64::from(CloseCode::from_number(number).unwrap().number()),
                number
            );
        }
        assert_eq!(CloseCode::from_number(7), None);
    }

    #[test]
    fn a_bank_index_of_zero_is_refused() {
        let zero = [0, 0, 0, 0, 0, 0, 0, 4];
        assert!(decode::<ControlReply>(&zero, STREAM_FRAME_LIMIT).is_err());
        let one = [0, 0, 0, 0, 0, 1, 0, 4];
        assert!(decode::<ControlReply>(&one, STREAM_FRAME_LIMIT).is_ok());
    }
}
