//! What the archive holds of one round.

use std::collections::BTreeSet;

use serde::Serialize;
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::log::RoundAges;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::task::Task;

use super::archive::Archive;
use super::replay::TASK_LIMIT;
use super::retention::each_entry;
use crate::source::{LogReader, SourceError};

/// Whether a round can be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// Every file is there; `verify` looks into them.
    Possible,
    /// Files are gone, as the task says.
    NoLongerPossible,
    /// Files are not there that should be.
    FilesMissing,
}

/// What the archive holds of a round with a result or with released shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToldArchive {
    /// Files that are there: masked updates of a sum, released shares, bundles and their index.
    pub files: usize,
    /// Those that are not; without the index the bundles are not counted, because nothing names them.
    pub absent: usize,
    /// Of how many of its last rounds the task keeps the files; none for all.
    pub archive_rounds: Option<u32>,
    /// Rounds of the task that came after this one and have a result.
    pub later_rounds: usize,
    /// Whether the round can be replayed.
    pub replay: Replay,
}

impl ToldArchive {
    /// In one line.
    pub(crate) fn words(&self) -> String {
        match (self.replay, self.archive_rounds) {
            (Replay::Possible, _) => format!("all {} files are there, so it can be replayed", self.files),
            (Replay::NoLongerPossible, Some(kept)) => format!(
                "replay is no longer possible: {} later rounds of its task have a result, and the task keeps the files of the last {kept}",
                self.later_rounds
            ),
            _ => format!(
                "{} files are MISSING, {} are there; run verify",
                self.absent, self.files
            ),
        }
    }
}

/// Looks for the files of a round; nothing if none is needed. A task whose text is not to be had keeps everything.
pub(crate) fn tell(
    log: &LogReader,
    archive: &Archive,
    wanted: Round,
) -> Result<Option<ToldArchive>, SourceError> {
    let (mut masked, mut blobs) = (BTreeSet::new(), BTreeSet::new());
    let (mut ages, mut result) = (RoundAges::default(), false);
    each_entry(log, |entry| {
        ages.follow(&entry);
        if entry.round() != Some(wanted) {
            return;
        }
        match entry {
            Entry::Masked { hash, .. } => {
                masked.insert(hash);
            }
            Entry::Release { body, .. } => {
                blobs.insert(body);
            }
            Entry::Result(_) => result = true,
            _ => {}
        }
    })?;
    let Some(task) = ages.task(wanted).filter(|_| result || !blobs.is_empty()) else {
        return Ok(None);
    };
    // Of an aborted round only the shares that left are looked at again.
    if result {
        blobs.append(&mut masked);
    }
    let index = archive.round_index(wanted).ok();
    blobs.extend(index.iter().flat_map(|index| index.values()).copied());
    let there = blobs.iter().filter(|hash| archive.has(hash)).count();
    let absent = blobs.len() - there + usize::from(index.is_none());
    let (age, text) = (ages.of(wanted), text(archive, &task));
    let may_be_gone = text.as_ref().is_some_and(|task| !task.archives(age));
    Ok(Some(ToldArchive {
        files: there + usize::from(index.is_some()),
        absent,
        archive_rounds: text.and_then(|task| task.archive_rounds),
        later_rounds: age,
        replay: match absent {
            0 => Replay::Possible,
            _ if may_be_gone => Replay::NoLongerPossible,
            _ => Replay::FilesMissing,
        },
    }))
}

/// A task by its hash, from the archive.
pub(crate) fn text(archive: &Archive, hash: &Digest) -> Option<Task> {
    let text = String::from_utf8(archive.blob(hash, TASK_LIMIT).ok()?).ok()?;
    Task::parse(&text).ok().filter(|task| task.hash() == *hash)
}
