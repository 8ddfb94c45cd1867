//! One line of the ledger.

use serde::{Deserialize, Serialize};
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::wire::outbound::{Departure, OutboundKind};

/// Something that was handed to a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number; the first is 1.
    pub n: u64,
    /// When, in Unix milliseconds.
    pub at: u64,
    /// The word of its kind (`veilsum_protocol::wire::outbound::OutboundKind::name`), or `framed-quic`, `framed-tcp`: all that went out on a
    /// connection since its last such line, with what TLS and QUIC add.
    pub kind: String,
    /// The round that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
    /// Hash of the round's task, or of the task that is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Bytes; of a line with `stayed`, those that were counted before and did not go out.
    pub bytes: u64,
    /// The connection broke before these bytes were handed to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stayed: bool,
}

impl Record {
    pub(super) fn of(departure: Departure, task: Option<Digest>, bytes: u64) -> Self {
        Self {
            n: 0,
            at: 0,
            kind: departure.kind.name().to_owned(),
            round: departure.round.map(|Round(round)| round),
            task: departure.task.or(task).map(|task| task.to_hex()),
            bytes,
            stayed: false,
        }
    }

    /// What it is, in words.
    pub fn words(&self) -> &'static str {
        match OutboundKind::from_name(&self.kind) {
            Some(kind) => kind.words(),
            None if self.kind.starts_with(FRAMED) => "all bytes of a connection, with TLS around them",
            None => "of another version of this program",
        }
    }
}

/// How the kinds of whole connections begin.
pub(super) const FRAMED: &str = "framed-";
