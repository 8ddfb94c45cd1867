//! The operator's own door: a Unix socket in the data folder, which only the daemon's user can open.
//!
//! One line of JSON asks, one line answers; a watcher is answered with a line for each status until it goes. The command line is its only
//! client; the operator's page is another door, whose first key comes from here.

mod client;
mod serve;

pub use client::{AskError, Watch, ask, ask_patiently, watch};
pub use serve::{Desk, Login, SOCKET, serve};
pub(crate) use serve::{ask as ask_engine, ask_status};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use veilsum_protocol::consortium::ConsortiumBank;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::task::Task;

use crate::engine::roster::RosterView;
use crate::engine::status::{Status, TaskDetail};

/// Longest request in bytes: a task's normal form, whose line ends, quotes and backslashes JSON writes as two bytes each, and its envelope.
const REQUEST_LIMIT: u64 = 2 * Task::TEXT_LIMIT as u64 + (1 << 12);

/// What the operator asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How the consortium stands.
    Status,
    /// How it stands, again and again as it changes.
    Watch,
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
    /// Start no further round of a task, by name or hash.
    PauseTask(String),
    /// Start rounds of a paused task again, by name or hash.
    ResumeTask(String),
    /// Tell all of a task, by name or hash.
    ShowTask(String),
    /// Let a browser in to the operator's page.
    Login,
    /// Write what the store holds to a file.
    CopyStore,
    /// After a restore, do not wait for the banks of these names.
    GoOnWithout(Vec<String>),
}

/// What the daemon answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// How the consortium stands.
    Status(Box<Status>),
    /// The hash of the task that was meant.
    Task(Digest),
    /// The roster, and the change that is under way.
    Roster(Box<RosterView>),
    /// All of a task.
    Detail(Box<TaskDetail>),
    /// The address that lets one browser in, once.
    Link(String),
    /// The file with what the store held.
    Copy(PathBuf),
    /// What is waited for, in words.
    Waits(String),
    /// What is wrong with the request.
    Refused(String),
}
