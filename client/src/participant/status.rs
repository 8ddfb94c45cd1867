//! What the daemon is doing, as a file that `status` reads.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::durable::{FileError, PRIVATE, beside};
use super::history::{Part, RoundSeen};
use super::wait::Wait;

/// The content of `status.json`. What is wrong with a table quotes its cell, so only the daemon's user can read the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Process id of the daemon.
    pub process: u32,
    /// The bank's name.
    pub bank: String,
    /// Its position in the roster.
    pub position: u16,
    /// When the daemon started, Unix seconds.
    pub started_at: u64,
    /// When this was written, Unix seconds.
    pub written_at: u64,
    /// The connection to the coordinator, in words.
    pub link: String,
    /// The same for machines, while it stands.
    #[serde(default)]
    pub connection: Option<Connection>,
    /// When the next attempt to connect is made, in Unix milliseconds, while there is no connection.
    #[serde(default)]
    pub next_attempt: Option<u64>,
    /// When the bank's certificate expires, in Unix seconds.
    #[serde(default)]
    pub certificate_not_after: Option<i64>,
    /// `host:port` of the bank's page, where one is served.
    #[serde(default)]
    pub page: Option<String>,
    /// Why the account of what left the bank cannot be written, while it cannot.
    #[serde(default)]
    pub egress_problem: Option<String>,
    /// Entries of the log that were acted on.
    pub log_entries: u64,
    /// The key epoch that the bank is armed for.
    pub epoch: Option<u64>,
    /// The round that the last words are about.
    pub round: Option<u64>,
    /// What the daemon does or waits for, in words.
    pub doing: String,
    /// Until when it waits, if it waits, and what comes then.
    #[serde(default)]
    pub wait: Option<Wait>,
    /// How many rounds ended since the daemon was started, by this bank's part in them.
    #[serde(default)]
    pub rounds: BTreeMap<Part, u64>,
    /// The last round that ended, as this bank saw it.
    #[serde(default)]
    pub last_round: Option<RoundSeen>,
    /// What is wrong with the bank's table or schema, as last read; none while it is in order.
    pub data: Option<String>,
    /// What is wrong with the bank's policy; none while it is in order.
    #[serde(default)]
    pub policy: Option<String>,
    /// When the bank joins rounds again, Unix seconds; none while it does.
    #[serde(default)]
    pub outside_hours_until: Option<u64>,
    /// Hash of the change of the roster that is proposed; none while none is.
    #[serde(default)]
    pub proposed_roster: Option<String>,
    /// What stands in the way of its renewal; none while nothing does.
    #[serde(default)]
    pub renewal: Option<String>,
    /// The tasks that are known.
    pub tasks: Vec<TaskStatus>,
}

/// A connection on which the coordinator admitted the bank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// `QUIC` or `TCP`.
    pub transport: String,
    /// `host:port` of the coordinator, by the consortium file.
    pub address: String,
    /// Since when, in Unix milliseconds.
    pub since: u64,
    /// Why not the other way, where there is something to say.
    pub why: Option<String>,
}

/// How far a task is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Its name.
    pub name: String,
    /// Its hash.
    pub task: String,
    /// Whether the operator approved it and the daemon has signed that.
    pub approved: bool,
    /// Why this bank refuses it now; none while it does not.
    #[serde(default)]
    pub refused: Option<String>,
    /// Steps that this bank derived.
    pub step: u32,
    /// Steps of the task.
    pub steps: u32,
    /// Hash of the newest state.
    pub state: String,
}

impl Status {
    /// What the daemon does or waits for, and until when, at a time in Unix milliseconds.
    pub fn now_words(&self, now: u64) -> String {
        match self.round {
            Some(round) => format!("round {round}: {}", self.doing_words(now)),
            None => self.doing_words(now),
        }
    }

    /// The same without the round.
    pub fn doing_words(&self, now: u64) -> String {
        let doing = if self.doing.is_empty() {
            "nothing yet"
        } else {
            &self.doing
        };
        match &self.wait {
            Some(wait) => format!("{doing} ({})", wait.words(now)),
            None => doing.to_owned(),
        }
    }

    /// The connection to the coordinator, or when it is tried again, at a time in Unix milliseconds.
    pub fn link_words(&self, now: u64) -> String {
        match self.next_attempt {
            Some(at) if at > now => format!("{}; next attempt in {} s", self.link, (at - now).div_ceil(1000)),
            Some(_) => format!("{}; trying again now", self.link),
            None => self.link.clone(),
        }
    }

    /// Replaces the file: a reader sees a whole one. It is not made durable, because it says nothing after a crash.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let text = serde_json::to_vec(self).map_err(|error| FileError::at(path)(error.into()))?;
        let staged = beside(path, "new");
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(PRIVATE)
            .open(&staged)
            .and_then(|mut file| file.write_all(&text))
            .map_err(FileError::at(&staged))?;
        fs::rename(&staged, path).map_err(FileError::at(path))
    }

    /// Reads the file; `None` if no daemon ever wrote it.
    ///
    /// # Errors
    /// If it cannot be read or is of another version.
    pub fn read(path: &Path) -> Result<Option<Self>, FileError> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| FileError::at(path)(error.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::at(path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_status_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        assert_eq!(Status::read(&path).unwrap(), None);
        let status = Status {
            bank: "bank-a".to_owned(),
            tasks: vec![TaskStatus::default()],
            ..Status::default()
        };
        status.write(&path).unwrap();
        assert_eq!(Status::read(&path).unwrap(), Some(status));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE);
        fs::write(&path, "{}").unwrap();
        assert!(Status::read(&path).is_err());
    }
}
