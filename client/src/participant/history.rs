//! The rounds that this bank saw: its part in each, and how the model did on its own held-out rows beside those of all banks.
//!
//! For the bank's own operator. What is of the bank's rows never leaves this file: mode 0600, and nothing reads it but this program. Lost: the
//! rounds before are told no more.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use veilsum_protocol::model::{Figure, ImportanceSums, Metrics};
use veilsum_protocol::task::Task;

use super::durable::{FileError, PRIVATE, replace};

/// Rounds that are kept; more are cut when the file is read at the next start.
const KEPT: usize = 2000;
/// Largest file that is read; a longer one is not this program's.
const FILE_LIMIT: u64 = 64 << 20;

/// How well a model did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// On so many held-out rows.
    pub rows: u64,
    /// Figures that are defined, by their keys.
    pub figures: BTreeMap<String, f64>,
}

impl From<&Metrics> for Judged {
    fn from(metrics: &Metrics) -> Self {
        let figures = metrics.figures.iter();
        Self {
            rows: metrics.rows,
            figures: figures
                .filter_map(|(figure, value)| Some((figure.key().to_owned(), (*value)?)))
                .collect(),
        }
    }
}

impl Judged {
    /// The figures, as the protocol knows them.
    pub fn known(&self) -> impl Iterator<Item = (Figure, f64)> {
        let known = self.figures.iter();
        known.filter_map(|(key, value)| Some((Figure::from_key(key)?, *value)))
    }
}

/// How much each column moves the last model's answers, on the rows of all banks in a sum that were explained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// On so many held-out rows.
    pub rows: u64,
    /// The mean amount of each column, on the scale of the probability or from 0 to 1 on that of the label.
    pub columns: BTreeMap<String, f64>,
}

impl Importance {
    /// Of a judgement of the task's model; `None` where nothing was explained.
    pub(super) fn of(task: &Task, sums: &ImportanceSums) -> Option<Self> {
        let means = sums.means().ok().flatten()?;
        let names = task.explained_columns().into_iter().map(|column| column.name);
        Some(Self {
            rows: sums.rows,
            columns: names.zip(means).collect(),
        })
    }
}

/// What this bank did in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Its contribution is in the sum.
    InSum,
    /// There is a sum without it.
    NotInSum,
    /// It sat the round out.
    SatOut,
    /// The round ended without a result.
    Failed,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InSum, Self::NotInSum, Self::SatOut, Self::Failed];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::InSum => "in the sum",
            Self::NotInSum => "not in the sum",
            Self::SatOut => "sat out",
            Self::Failed => "no result",
        }
    }
}

/// One round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoundSeen {
    /// Its number.
    pub round: u64,
    /// When this bank saw it open, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<u64>,
    /// When this bank saw it end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Hash of its task.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub task: String,
    /// The task's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The step, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// What was computed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What this bank did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Banks in the sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survivors: Option<u16>,
    /// Why it failed, or why this bank sat it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The model that the round started from, on this bank's own held-out rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Judged>,
    /// The same model on the held-out rows of all banks in the sum, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Judged>,
    /// What moved that model's answers, of a round that measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance: Option<Importance>,
}

impl RoundSeen {
    /// Nothing is known yet but its number.
    pub(super) fn new(round: u64) -> Self {
        Self {
            round,
            ..Self::default()
        }
    }

    /// Takes over what a later line says.
    fn join(&mut self, later: Self) {
        let Self {
            round: _,
            opened,
            ended,
            task,
            name,
            step,
            kind,
            part,
            survivors,
            why,
            own,
            all,
            importance,
        } = later;
        self.opened = self.opened.or(opened);
        self.ended = ended.or(self.ended);
        for (old, new) in [
            (&mut self.task, task),
            (&mut self.name, name),
            (&mut self.kind, kind),
        ] {
            if !new.is_empty() {
                *old = new;
            }
        }
        self.step = step.or(self.step);
        self.part = part.or(self.part);
        self.survivors = survivors.or(self.survivors);
        self.why = why.or(self.why.take());
        self.own = own.or(self.own.take());
        self.all = all.or(self.all.take());
        self.importance = importance.or(self.importance.take());
    }
}

/// All rounds that were seen, and their file.
#[derive(Debug)]
pub struct RoundHistory {
    path: PathBuf,
    rounds: BTreeMap<u64, RoundSeen>,
}

impl RoundHistory {
    /// Reads the file, and makes it shorter where it has become long.
    ///
    /// # Errors
    /// If it cannot be read or replaced.
    pub fn open(path: PathBuf) -> Result<Self, FileError> {
        let Read {
            rounds,
            lines,
            is_torn,
        } = read(&path)?;
        let history = Self { path, rounds };
        if is_torn {
            // The next line would be taken for the rest of one that a crash cut off.
            history.append(b"\n")?;
        }
        if lines > 4 * KEPT {
            let lines = history.rounds.values().map(serde_json::to_string);
            let lines: Result<Vec<String>, _> = lines.collect();
            let lines = lines.map_err(|error| FileError::at(&history.path)(error.into()))?;
            replace(&history.path, PRIVATE, (lines.join("\n") + "\n").as_bytes())?;
        }
        Ok(history)
    }

    /// What a file holds, the earliest round first, whether a daemon writes there or not.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> Result<Vec<RoundSeen>, FileError> {
        Ok(read(path)?.rounds.into_values().collect())
    }

    /// Takes news of a round.
    ///
    /// # Errors
    /// If the disk does not take them; they are known all the same.
    pub(super) fn add(&mut self, news: RoundSeen) -> Result<(), FileError> {
        let line = serde_json::to_vec(&news);
        let mut line = line.map_err(|error| FileError::at(&self.path)(error.into()))?;
        line.push(b'\n');
        let known = self.rounds.entry(news.round).or_default();
        known.round = news.round;
        known.join(news);
        while self.rounds.len() > KEPT {
            self.rounds.pop_first();
        }
        self.append(&line)
    }

    fn append(&self, line: &[u8]) -> Result<(), FileError> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(PRIVATE)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line))
            .map_err(FileError::at(&self.path))
    }

    /// A round, if it is known.
    pub(super) fn get(&self, round: u64) -> Option<&RoundSeen> {
        self.rounds.get(&round)
    }

    /// The rounds, the earliest first.
    pub fn rounds(&self) -> Vec<RoundSeen> {
        self.rounds.values().cloned().collect()
    }
}

struct Read {
    rounds: BTreeMap<u64, RoundSeen>,
    lines: usize,
    is_torn: bool,
}

fn read(path: &Path) -> Result<Read, FileError> {
    let at = FileError::at(path);
    let mut text = Vec::new();
    match File::open(path) {
        Ok(file) => {
            file.take(FILE_LIMIT).read_to_end(&mut text).map_err(at)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(at(error)),
    }
    let mut rounds: BTreeMap<u64, RoundSeen> = BTreeMap::new();
    let mut lines = 0;
    for line in text.split(|byte| *byte == b'\n') {
        // A line that a crash cut off tells nothing.
        let Ok(news) = serde_json::from_slice::<RoundSeen>(line) else {
            continue;
        };
        lines += 1;
        let known = rounds.entry(news.round).or_default();
        known.round = news.round;
        known.join(news);
    }
    while rounds.len() > KEPT {
        rounds.pop_first();
    }
    Ok(Read {
        rounds,
        lines,
        is_torn: text.last().is_some_and(|byte| *byte != b'\n'),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn judged(auc: f64) -> Judged {
        Judged {
            rows: 10,
            figures: BTreeMap::from([("auc".to_owned(), auc)]),
        }
    }

    #[test]
    fn a_round_is_put_together_from_what_was_told_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let mut history = RoundHistory::open(path.clone()).unwrap();
        let news = [
            RoundSeen {
                opened: Some(5),
                name: "credit".to_owned(),
                step: Some(2),
                ..RoundSeen::new(7)
            },
            RoundSeen {
                own: Some(judged(0.7)),
                ..RoundSeen::new(7)
            },
            RoundSeen {
                part: Some(Part::InSum),
                survivors: Some(5),
                ended: Some(9),
                all: Some(judged(0.8)),
                ..RoundSeen::new(7)
            },
        ];
        for line in news {
            history.add(line).unwrap();
        }
        let seen = history.rounds();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].opened, seen[0].ended, seen[0].step),
            (Some(5), Some(9), Some(2))
        );
        assert_eq!(
            (seen[0].own.clone(), seen[0].all.clone()),
            (Some(judged(0.7)), Some(judged(0.8)))
        );
        let known: Vec<_> = seen[0].own.as_ref().unwrap().known().collect();
        assert_eq!(known, [(Figure::Auc, 0.7)]);
        // As a crash may leave it.
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"round\":8,\"na").unwrap();
        assert_eq!(RoundHistory::read(&path).unwrap(), seen);
    }

    #[test]
    fn a_long_file_is_cut_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let line = |round: usize| format!("{{\"round\":{round},\"step\":1}}\n");
        let text: String = (0..5 * KEPT).map(line).collect();
        fs::write(&path, text).unwrap();
        let history = RoundHistory::open(path.clone()).unwrap();
        assert_eq!(history.rounds().len(), KEPT);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), KEPT);
        fs::remove_file(&path).unwrap();
        assert!(RoundHistory::open(path).unwrap().rounds().is_empty());
    }
}
