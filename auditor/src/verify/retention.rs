//! Rounds whose files the archive need not keep any longer: a task says of how many of its last rounds it keeps them (`archive_rounds`).

use std::collections::{BTreeMap, BTreeSet};

use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::task::Task;

use super::archive::{Archive, index_path};
use super::history::{History, RoundHistory};
use super::report::{Check, Ledger, Place};

/// Of the opened rounds, with their tasks in the order of the log, those that are older than the last `limit` of their task.
pub(crate) fn expired(
    rounds: impl IntoIterator<Item = (Round, Digest)>,
    limit: impl Fn(&Digest) -> Option<u32>,
) -> BTreeSet<Round> {
    let mut of_task: BTreeMap<Digest, Vec<Round>> = BTreeMap::new();
    for (round, task) in rounds {
        of_task.entry(task).or_default().push(round);
    }
    let mut expired = BTreeSet::new();
    for (task, rounds) in of_task {
        let Some(limit) = limit(&task).and_then(|limit| usize::try_from(limit).ok()) else {
            continue;
        };
        let gone = rounds.len().saturating_sub(limit);
        expired.extend(rounds.into_iter().take(gone));
    }
    expired
}

/// A round of which a file is missing that its sum hangs on.
struct Gone {
    round: Round,
    task: Digest,
    /// What would be the finding if the file should be there.
    check: Check,
    place: Place,
    file: String,
}

/// Rounds of which files are missing, until it is known how many rounds of their tasks came after them.
#[derive(Default)]
pub(crate) struct Retention {
    gone: Vec<Gone>,
    /// Name and limit of the tasks that they are of.
    tasks: BTreeMap<Digest, (String, u32)>,
}

impl Retention {
    /// Whether a file is missing that the round's sum hangs on, and its task does not keep those of all rounds.
    pub(crate) fn lets_go(&mut self, archive: &Archive, round: &RoundHistory, task: &Task) -> bool {
        let Some((open, limit)) = round.open.as_ref().zip(task.archive_rounds) else {
            return false;
        };
        let Some((check, index, file)) = missing(archive, round) else {
            return false;
        };
        self.tasks
            .entry(open.value.task)
            .or_insert_with(|| (task.name.clone(), limit));
        self.gone.push(Gone {
            round: round.round,
            task: open.value.task,
            check,
            place: Place::of(round.round, index),
            file,
        });
        true
    }

    /// Tells, now that the whole log is read, which rounds are gone by the rule, and fails those that are not.
    pub(crate) fn finish(self, history: &History, ledger: &mut Ledger) {
        let opened = history.rounds.iter();
        let opened = opened.filter_map(|round| Some((round.round, round.open.as_ref()?.task)));
        let expired = expired(opened, |task| self.tasks.get(task).map(|(_, limit)| *limit));
        let mut told: BTreeMap<Digest, Vec<Round>> = BTreeMap::new();
        for gone in self.gone {
            if expired.contains(&gone.round) {
                told.entry(gone.task).or_default().push(gone.round);
                continue;
            }
            let kept = self.tasks.get(&gone.task).map_or(0, |(_, limit)| *limit);
            ledger.fail(
                gone.check,
                gone.place,
                format!("no file {}", gone.file),
                format!("the files of the task's last {kept} rounds"),
            );
        }
        for (task, rounds) in told {
            let (Some((name, limit)), Some(first), Some(last)) =
                (self.tasks.get(&task), rounds.first(), rounds.last())
            else {
                continue;
            };
            ledger.notes.push(format!(
                "replay is no longer possible for {} of task {name:?}, from {first} to {last}: the task keeps the files of its last {limit} rounds; \
                 their states were derived from the published sums",
                if rounds.len() == 1 { "a round".to_owned() } else { format!("{} rounds", rounds.len()) }
            ));
        }
    }
}

/// The first file of the round that is missing and that its sum, or a released share, hangs on; with the check that looks at it and the entry
/// that names it.
fn missing(archive: &Archive, round: &RoundHistory) -> Option<(Check, u64, String)> {
    if round.result.is_none() && round.releases.is_empty() {
        return None;
    }
    let manifest = round.manifest.as_ref()?;
    if !archive.index_path(round.round).exists() {
        return Some((Check::ArchivedBundle, manifest.index, index_path(round.round)));
    }
    let masked = round.masked.iter();
    let masked = masked.map(|logged| (Check::ArchivedMasked, logged.index, logged.value.hash));
    let releases = round.releases.iter();
    let releases = releases.map(|logged| (Check::ArchivedRelease, logged.index, logged.value.1));
    let (check, index, hash) = masked.chain(releases).find(|(_, _, hash)| !archive.has(hash))?;
    Some((check, index, super::archive::blob_path(&hash)))
}
