//! The operator's own door: a Unix socket in the data folder, which only the daemon's user can open.
//!
//! One line of JSON asks, one line answers. The command line is its only client; an HTTP page for operators with certificates is
//! another door.

mod client;
mod serve;

pub use client::{AskError, ask};
pub use serve::{SOCKET, serve};

use serde::{Deserialize, Serialize};
use veilsum_protocol::consortium::ConsortiumBank;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::task::Task;

use crate::engine::roster::RosterView;
use crate::engine::status::Status;

/// Longest request in bytes: a task's normal form, whose line ends, quotes and backslashes JSON writes as two bytes each, and its envelope.
const REQUEST_LIMIT: u64 = 2 * Task::TEXT_LIMIT as u64 + (1 << 12);

/// What the operator asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How the consortium stands.
    Status,
    /// Offer the task with this text.
    CreateTask(String),
    /// Stop a task, by name or hash.
    StopTask(String),
    /// The roster, and the change that is under way.
    Roster,
    /// Propose a roster with these banks, whatever their positions, and without those of these names.
    ProposeRoster(Vec<ConsortiumBank>, Vec<String>),
    /// Withdraw the proposal.
    WithdrawRoster,
}

/// What the daemon answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// How the consortium stands.
    Status(Box<Status>),
    /// The hash of the task that was created or stopped.
    Task(Digest),
    /// The roster, and the change that is under way.
    Roster(Box<RosterView>),
    /// What is wrong with the request.
    Refused(String),
}
