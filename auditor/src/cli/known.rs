//! What the auditor remembers, and what others hold.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use veilsum_protocol::log::note::MAX_NOTE_BYTES;
use veilsum_protocol::log::{VerifiedCheckpoint, VerifierKey};

use super::Problem;
use crate::durable;
use crate::evidence;
use crate::source::read_at_most;
use crate::verify::{Audited, HeldCheckpoint, Known};

/// Checkpoints that others hold, and where contradictions are kept.
#[derive(Debug, Args)]
pub(super) struct Others {
    /// A checkpoint that a bank holds or that somebody saw; the log must agree with it. May be given more than once
    #[arg(long)]
    checkpoint: Vec<PathBuf>,
}

impl Others {
    /// Reads the checkpoints.
    pub(super) fn read(&self) -> Result<Vec<HeldCheckpoint>, Problem> {
        let held = |path: &PathBuf| {
            Ok(HeldCheckpoint {
                name: path.display().to_string(),
                note: note(path)?.ok_or_else(|| {
                    Problem::Usage(format!("{}: not found; expected a checkpoint", path.display()))
                })?,
            })
        };
        self.checkpoint.iter().map(held).collect()
    }
}

fn note(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    read_at_most(path, MAX_NOTE_BYTES).map_err(Problem::usage)
}

/// The head that was verified last, in a file.
#[derive(Debug)]
pub(super) struct Last {
    path: PathBuf,
    head: Option<VerifiedCheckpoint>,
}

impl Last {
    /// Reads the file; that there is none yet is no problem.
    pub(super) fn open(path: &Path, key: &VerifierKey) -> Result<Self, Problem> {
        let head = note(path)?
            .map(|note| VerifiedCheckpoint::parse(&note, key))
            .transpose();
        let head = head.map_err(|error| {
            Problem::Usage(format!(
                "{}: {error}; expected the checkpoint of this log that an earlier run left; it is not written over",
                path.display()
            ))
        })?;
        Ok(Self {
            path: path.to_owned(),
            head,
        })
    }

    /// The head that was verified last.
    pub(super) fn head(&self) -> Option<&VerifiedCheckpoint> {
        self.head.as_ref()
    }

    /// Remembers the head of an audit in which everything holds; any other leaves the file as it is.
    pub(super) fn remember(&mut self, audited: &Audited) -> Result<(), Problem> {
        let Some(head) = audited.head.as_ref().filter(|_| audited.report.holds()) else {
            return Ok(());
        };
        if self.head.as_ref() != Some(head) {
            durable::write(&self.path, head.note().as_str().as_bytes()).map_err(|error: io::Error| {
                Problem::Usage(format!("{}: cannot write: {error}", self.path.display()))
            })?;
            self.head = Some(head.clone());
        }
        Ok(())
    }
}

/// What is known before an audit.
pub(super) fn known(last: Option<&Last>, held: Vec<HeldCheckpoint>) -> Known {
    Known {
        last: last.and_then(Last::head).cloned(),
        held,
    }
}

/// Keeps the signed notes of all contradictions, and says where; one line each.
pub(super) fn keep(folder: &Path, audited: &Audited) -> Vec<String> {
    let contradictions = audited.contradictions.iter();
    contradictions
        .map(|contradiction| evidence::keep_told(folder, &contradiction.notes))
        .collect()
}

/// Makes a folder.
pub(super) fn make(folder: &Path) -> Result<(), Problem> {
    fs::create_dir_all(folder)
        .map_err(|error| Problem::Usage(format!("{}: cannot be made: {error}", folder.display())))
}
