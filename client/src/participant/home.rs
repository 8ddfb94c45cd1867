//! The folders of the daemon's files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use veilsum_protocol::log::{VerifiedCheckpoint, VerifierKey};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::task::Task;
use zeroize::Zeroizing;

use super::durable::{FileError, make_folder};
use super::evidence::EvidenceFiles;
use super::history::RoundHistory;
use super::model_files::ModelFiles;
use super::own;
use super::own_files::OwnFiles;
use super::receipts::ReceiptFiles;
use super::roster_files::RosterFiles;
use super::round_files::RoundFiles;
use super::state_file::{StateFile, StateFileError};
use super::states::States;
use super::tasks::Tasks;

/// Every place where the daemon keeps something.
///
/// | in the state folder | what |
/// | --- | --- |
/// | `participant.state` | the protocol's state, with its secrets |
/// | `rounds/` | the open round's training and contribution |
/// | `own/` | what the bank keeps to itself of a task: its control variate or its personal parameters; not there without |
/// | `states/` | what this bank derived of each task |
/// | `tasks/`, `approvals/`, `refusals/` | what was offered, what the operator approved and what refused |
/// | `rosters/` | a change of the roster that is proposed, and what the operator decided |
/// | `receipts/` | proofs that what this bank said, and every result, is in the log |
/// | `evidence/` | signed heads of the log that contradict each other; not there while there are none |
/// | `history.jsonl` | the rounds that this bank saw, with its own scores |
/// | `egress/` | the account of what left the bank |
/// | `seen.note` | a head of the log that was seen before a restore; not there without one |
/// | `status.json` | what the daemon is doing |
#[derive(Debug)]
pub struct Home {
    /// The protocol's state.
    pub state: StateFile,
    /// The open round's files.
    pub rounds: RoundFiles,
    /// What the bank keeps to itself of each task.
    pub own: OwnFiles,
    /// Derived states.
    pub states: States,
    /// Offered tasks, and the operator's word on them.
    pub tasks: Tasks,
    /// Proposed rosters, and what the operator decided.
    pub rosters: RosterFiles,
    /// Proofs of what is in the log.
    pub receipts: ReceiptFiles,
    /// Contradictions of the log's key.
    pub evidence: EvidenceFiles,
    /// Models for the bank's own use.
    pub models: ModelFiles,
    /// The rounds that this bank saw; the page looks at it, too.
    pub history: Arc<Mutex<RoundHistory>>,
    /// Where `status` looks.
    pub status: PathBuf,
    /// The folder of all of it.
    pub folder: PathBuf,
}

impl Home {
    /// Makes the folders: `state` for the daemon alone, `models` for those who use the models. Whoever holds
    /// [`FolderLock`](super::lock::FolderLock) may call this.
    ///
    /// # Errors
    /// If one cannot be made, or left-overs of a crash not removed.
    pub fn open(state: &Path, models: PathBuf) -> Result<Self, StateFileError> {
        make_folder(state)?;
        Ok(Self {
            state: StateFile::open(Self::state_file(state))?,
            rounds: RoundFiles::open(state.join("rounds"))?,
            own: OwnFiles::new(state.join("own")),
            states: Self::states(state)?,
            tasks: Self::tasks(state)?,
            rosters: Self::rosters(state)?,
            receipts: ReceiptFiles::open(state.join("receipts"))?,
            evidence: EvidenceFiles::new(state.join("evidence")),
            models: ModelFiles::new(models),
            history: Arc::new(Mutex::new(RoundHistory::open(Self::history(state))?)),
            status: Self::status(state),
            folder: state.to_owned(),
        })
    }

    /// Offered tasks and the operator's word on them in the folder `state`, whether a daemon runs there or not.
    ///
    /// # Errors
    /// If the folders cannot be made.
    pub fn tasks(state: &Path) -> Result<Tasks, FileError> {
        Tasks::open(
            state.join("tasks"),
            state.join("approvals"),
            state.join("refusals"),
        )
    }

    /// Proposed rosters and decisions in the folder `state`, whether a daemon runs there or not.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn rosters(state: &Path) -> Result<RosterFiles, FileError> {
        RosterFiles::open(RosterFiles::folder_in(state))
    }

    /// Derived states in the folder `state`, whether a daemon runs there or not.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn states(state: &Path) -> Result<States, FileError> {
        States::open(state.join("states"))
    }

    /// The bank's personal parameters of a task, for a model of its own use; none if it has none.
    pub fn personal(state: &Path, task: &Task, of: &TaskState) -> Option<Zeroizing<Vec<f32>>> {
        own::personal(&Plan::new(task), of, &OwnFiles::new(state.join("own")))
    }

    /// The folder of receipts.
    pub fn receipts(state: &Path) -> PathBuf {
        state.join("receipts")
    }

    /// The file of the rounds that this bank saw.
    pub fn history(state: &Path) -> PathBuf {
        state.join("history.jsonl")
    }

    /// The folder of the account of what left the bank.
    pub fn egress(state: &Path) -> PathBuf {
        state.join("egress")
    }

    /// The file of the protocol's state.
    pub fn state_file(state: &Path) -> PathBuf {
        state.join("participant.state")
    }

    /// The file with a head of the log that the bank had seen, which a backup brings back in the place of the protocol's state.
    pub fn seen(state: &Path) -> PathBuf {
        state.join("seen.note")
    }

    /// That head; `None` if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read, or is no head of this log.
    pub fn seen_head(state: &Path, log: &VerifierKey) -> Result<Option<VerifiedCheckpoint>, FileError> {
        let path = Self::seen(state);
        let at = FileError::at(&path);
        match std::fs::read(&path) {
            Ok(note) => VerifiedCheckpoint::parse(&note, log).map(Some).map_err(|error| {
                at(std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    error.to_string(),
                ))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(error)),
        }
    }

    /// The file in which the daemon says what it is doing.
    pub fn status(state: &Path) -> PathBuf {
        state.join("status.json")
    }
}
