//! What the log says of one bank, and of one model: in plain words, and for machines.
//!
//! * `part`: what a bank did in a round.
//! * `bank`: a bank through all rosters and rounds.
//! * `model`: a state of a task, or a task: where it comes from and what came of it.
//! * `lines`: labels and values for a terminal.

mod bank;
mod lines;
mod model;
mod part;

pub use bank::{BankAccount, InRoster, TaskVote, Turnout, tell_bank};
pub use model::{Approver, ModelAccount, StateAccount, TaskAccount, tell_model};
pub(crate) use part::{Part, parts};

use thiserror::Error;

use crate::verify::AuditError;

/// Why there is nothing to tell.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The log cannot be looked at, or is no true copy.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// No roster names the bank.
    #[error("bank {name:?}: found none of that name in the log's rosters, expected one of: {known}")]
    NoBank {
        /// The name that was asked for.
        name: String,
        /// The names in the rosters, the first of them where there are many.
        known: String,
    },
    /// It is no hash and no beginning of one.
    #[error("found {found:?}, expected the first 8 to 64 hex digits of a state's or a task's hash")]
    NoPrefix {
        /// What was asked for.
        found: String,
    },
    /// No state and no task has it.
    #[error(
        "found no state and no task whose hash begins with {prefix}; `show round` tells the hashes of a round's states"
    )]
    NoModel {
        /// What was asked for.
        prefix: String,
    },
    /// More than one has it.
    #[error("found {} hashes that begin with {prefix}, expected one; give more digits: {}", found.len(), found.join(", "))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// Those that begin with it.
        found: Vec<String>,
    },
}
