//! The half of a stream that sends: the one place where bytes are handed to a connection, and where they are counted before.

use std::time::Duration;

use veilsum_link::SendHalf;
use veilsum_protocol::wire::outbound::Departure;

use super::frames::{StreamEnd, moving};
use crate::egress::Ledger;

/// Sends, and counts what it sends.
#[derive(Debug)]
pub(super) struct Exit {
    half: SendHalf,
    ledger: Ledger,
}

impl Exit {
    pub(super) fn new(half: SendHalf, ledger: &Ledger) -> Self {
        Self {
            half,
            ledger: ledger.clone(),
        }
    }

    /// Sends something whole; the coordinator must take it within `stall`.
    pub(super) async fn send(
        &mut self,
        departure: Departure,
        bytes: &[u8],
        what: &str,
        stall: Duration,
    ) -> Result<(), StreamEnd> {
        self.ledger
            .leaves(departure, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        moving(stall, what, self.half.write_all(bytes)).await
    }

    /// Begins something of `length` bytes that is sent in parts: all of it is counted now, and what is not sent is taken back.
    pub(super) fn begin(&mut self, departure: Departure, length: u64) -> Parts<'_> {
        self.ledger.leaves(departure, length);
        Parts {
            exit: self,
            departure,
            left: length,
        }
    }

    /// Nothing more will be sent.
    pub(super) async fn finish(&mut self, what: &str, stall: Duration) -> Result<(), StreamEnd> {
        moving(stall, what, self.half.finish()).await
    }
}

/// Something that is being sent in parts.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    exit: &'a mut Exit,
    departure: Departure,
    left: u64,
}

impl Parts<'_> {
    /// Bytes that are still to be sent.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Sends the next part.
    pub(super) async fn send(&mut self, bytes: &[u8], what: &str, stall: Duration) -> Result<(), StreamEnd> {
        self.left = self
            .left
            .saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        moving(stall, what, self.exit.half.write_all(bytes)).await
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        self.exit.ledger.stayed(self.departure, self.left);
    }
}
