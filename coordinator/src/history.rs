//! What the published log tells of tasks and rounds: figures by step, and who took part. It is read from the log's files and kept up to
//! date from them, so that whoever looks at it asks neither engine nor store.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use veilsum_protocol::ids::{BankIndex, Digest, Round};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::log::entry::{Entry, RoundOpen};
use veilsum_protocol::model::Metrics;
use veilsum_protocol::wire::canonical::Canonical as _;

use crate::log::Reader;

/// Rounds whose participation is kept.
const MOST_ROUNDS: usize = 200;

/// A task and its results.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskHistory {
    /// Its name.
    pub name: String,
    /// Its hash.
    pub task: Digest,
    /// Its results, in the order of rounds.
    pub results: Vec<StepResult>,
}

/// A published result.
#[derive(Clone, Debug, PartialEq)]
pub struct StepResult {
    /// Its round.
    pub round: u64,
    /// Step of the task, from 0.
    pub step: u32,
    /// What was computed.
    pub kind: &'static str,
    /// When the round was opened, in Unix seconds.
    pub opened_at: u64,
    /// Banks in the sum.
    pub survivors: u16,
    /// The figures of the model before the step; none where nothing was judged.
    pub metrics: Option<Metrics>,
}

/// A round that was opened, and who took part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundHistory {
    /// Its number.
    pub round: u64,
    /// Name of its task.
    pub task: String,
    /// What is computed.
    pub kind: &'static str,
    /// Step of the task, from 0.
    pub step: u32,
    /// When it was opened, in Unix seconds.
    pub opened_at: u64,
    /// Names of the banks that were ready in time.
    pub cohort: Vec<String>,
    /// Names of those whose updates came in time.
    pub survivors: Vec<String>,
    /// How it stands.
    pub outcome: Outcome,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is published yet.
    Open,
    /// With a result.
    Published,
    /// Without one, for this reason.
    Failed(&'static str),
}

/// The published log, as far as it was read.
#[derive(Debug)]
pub struct History {
    reader: Reader,
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    banks: BTreeMap<BankIndex, String>,
    tasks: Vec<TaskHistory>,
    rounds: VecDeque<RoundHistory>,
    open: BTreeMap<Round, (Digest, u64)>,
}

impl History {
    /// Of the log in this folder, which `key` signs. Nothing is read yet.
    pub fn new(log: PathBuf, key: VerifierKey) -> Self {
        Self {
            reader: Reader::new(log, key),
            told: Told::default(),
        }
    }

    /// Reads on, up to the published checkpoint. Blocks on the disk.
    ///
    /// # Errors
    /// What cannot be read, in words. What was read before stays.
    pub fn follow(&mut self) -> Result<(), String> {
        let Self { reader, told } = self;
        reader.follow(|bytes| {
            if let Ok(entry) = Entry::from_bytes(bytes) {
                told.entry(entry);
            }
        })
    }

    /// The tasks, in the order of creation.
    pub fn tasks(&self) -> &[TaskHistory] {
        &self.told.tasks
    }

    /// The last rounds, oldest first.
    pub fn rounds(&self) -> impl DoubleEndedIterator<Item = &RoundHistory> {
        self.told.rounds.iter()
    }
}

impl Told {
    fn names(&self, banks: impl Iterator<Item = BankIndex>) -> Vec<String> {
        let name = |bank: BankIndex| self.banks.get(&bank).cloned();
        banks
            .map(|bank| name(bank).unwrap_or_else(|| bank.to_string()))
            .collect()
    }

    fn round(&mut self, round: Round) -> Option<&mut RoundHistory> {
        self.rounds.iter_mut().rev().find(|line| line.round == round.0)
    }

    fn entry(&mut self, entry: Entry) {
        match entry {
            // Rounds that follow are of these banks.
            Entry::Roster { banks, .. } => {
                self.banks = banks.into_iter().map(|bank| (bank.index, bank.name)).collect();
            }
            Entry::Task { name, task } => self.tasks.push(TaskHistory {
                name,
                task,
                results: Vec::new(),
            }),
            Entry::RoundOpen(open) => self.opened(&open),
            Entry::Cohort { round, banks } => {
                let names = self.names(banks.into_iter());
                if let Some(line) = self.round(round) {
                    line.cohort = names;
                }
            }
            Entry::Survivors { round, list } => {
                let names = self.names(list.into_iter().map(|(bank, _)| bank));
                if let Some(line) = self.round(round) {
                    line.survivors = names;
                }
            }
            Entry::Result(result) => {
                if let Some(line) = self.round(result.round) {
                    line.outcome = Outcome::Published;
                }
                let Some((task, opened_at)) = self.open.remove(&result.round) else {
                    return;
                };
                if let Some(task) = self.tasks.iter_mut().find(|known| known.task == task) {
                    task.results.push(StepResult {
                        round: result.round.0,
                        step: result.step,
                        kind: result.kind.name(),
                        opened_at,
                        survivors: result.survivors,
                        metrics: result.metrics,
                    });
                }
            }
            Entry::Abort { round, reason, .. } => {
                self.open.remove(&round);
                if let Some(line) = self.round(round) {
                    line.outcome = Outcome::Failed(reason.words());
                }
            }
            _ => {}
        }
    }

    fn opened(&mut self, open: &RoundOpen) {
        let task = self.tasks.iter().find(|known| known.task == open.task);
        let line = RoundHistory {
            round: open.round.0,
            task: task.map(|task| task.name.clone()).unwrap_or_default(),
            kind: open.kind.name(),
            step: open.step,
            opened_at: open.opened_at.0,
            cohort: Vec::new(),
            survivors: Vec::new(),
            outcome: Outcome::Open,
        };
        self.open.insert(open.round, (open.task, open.opened_at.0));
        if self.rounds.len() == MOST_ROUNDS {
            self.rounds.pop_front();
        }
        self.rounds.push_back(line);
    }
}
