//! Whether all that was written is there.

use std::path::Path;

use serde::Serialize;
use veilsum_serving::decisions::Tail;

use super::ledger::Ledger;

/// How a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum FileState {
    /// It ends with its closing record.
    Whole,
    /// It is the last, and ends after a whole record: it is being written.
    Open,
    /// It ends after a whole record without a closing one, and another was begun after it.
    NotClosed,
    /// It has something else than what was written here.
    Torn {
        /// Offset of the first byte that is not read.
        at: u64,
        /// What was found there.
        found: String,
    },
    /// It is no file of decisions, or is not readable.
    Unreadable {
        /// Why.
        problem: String,
    },
    /// Its number in the header is another than in its name.
    Renamed {
        /// That in the header.
        number: u64,
    },
}

/// A file, looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileVerdict {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Whole records in it.
    pub records: u64,
    /// How it is.
    #[serde(flatten)]
    pub state: FileState,
}

/// The whole log, looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Where it is.
    pub folder: String,
    /// Each file.
    pub files: Vec<FileVerdict>,
    /// Numbers of files that are missing between others, from and to.
    pub missing: Vec<(u64, u64)>,
}

impl Verdict {
    /// Reads every record of every file.
    pub fn of(ledger: &Ledger) -> Self {
        let files = ledger.files();
        let last = files.last().map(|(number, _)| *number);
        let looked = files.iter().map(|(number, path)| {
            let is_last = Some(*number) == last;
            let verdict = look(ledger, *number, path, is_last);
            match verdict.state {
                // A record that was just being written is whole by now.
                FileState::Torn { .. } if is_last => look(ledger, *number, path, is_last),
                _ => verdict,
            }
        });
        let numbers = files.iter().map(|(number, _)| *number);
        let missing = numbers.clone().zip(numbers.skip(1)).filter_map(|(before, next)| {
            let (from, to) = (before.saturating_add(1), next.saturating_sub(1));
            (from <= to).then_some((from, to))
        });
        Self {
            folder: ledger.folder().display().to_string(),
            missing: missing.collect(),
            files: looked.collect(),
        }
    }

    /// Whether nothing is torn or missing. A file that nobody closed is a finding: whether its writer was killed or its end was cut off, it does not tell.
    pub fn is_whole(&self) -> bool {
        let fine = |file: &FileVerdict| matches!(file.state, FileState::Whole | FileState::Open);
        self.missing.is_empty() && self.files.iter().all(fine)
    }

    /// Lines for people.
    pub fn text(&self) -> String {
        let records: u64 = self.files.iter().map(|file| file.records).sum();
        let mut lines = vec![format!(
            "{}: {} files, {records} records",
            self.folder,
            self.files.len()
        )];
        if let Some(first) = self.files.first().filter(|file| file.number > 1) {
            lines.push(format!(
                "the first file has number {}: those before it have reached their age (keep_days) and were deleted, or somebody took them away",
                first.number
            ));
        }
        lines.extend(self.files.iter().map(FileVerdict::line));
        for (from, to) in &self.missing {
            lines.push(match from == to {
                true => format!("MISSING: file {from} is not there, though files before and after it are; only its age deletes a file, and older ones first"),
                false => format!("MISSING: files {from} to {to} are not there, though files before and after them are; only its age deletes a file, and older ones first"),
            });
        }
        lines.push(match self.is_whole() {
            true => "nothing is torn or missing".to_owned(),
            false => "something is torn or missing: see above; compare with the bank's backup".to_owned(),
        });
        lines.join("\n")
    }
}

impl FileVerdict {
    fn line(&self) -> String {
        let state = match &self.state {
            FileState::Whole => "whole".to_owned(),
            FileState::Open => "open: it is being written, or its writer was killed".to_owned(),
            FileState::NotClosed => {
                "NOT CLOSED: its writer was killed, or whole records at its end were cut off".to_owned()
            }
            FileState::Torn { at, found } => format!(
                "TORN at byte {at}: {found}; the machine stopped while it was written, or somebody changed it"
            ),
            FileState::Unreadable { problem } => format!("UNREADABLE: {problem}"),
            FileState::Renamed { number } => format!("RENAMED: it was begun as file {number}"),
        };
        format!("{}  {:>7} records  {state}", self.name, self.records)
    }
}

fn look(ledger: &Ledger, number: u64, path: &Path, is_last: bool) -> FileVerdict {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let verdict = |records, state| FileVerdict {
        number,
        name: name.clone(),
        records,
        state,
    };
    let unreadable = |error: std::io::Error| FileState::Unreadable {
        problem: error.to_string(),
    };
    let mut reader = match ledger.reader(path) {
        Ok(reader) => reader,
        Err(error) => return verdict(0, unreadable(error)),
    };
    if reader.number() != number {
        return verdict(
            0,
            FileState::Renamed {
                number: reader.number(),
            },
        );
    }
    let (mut records, mut wrong) = (0, None);
    for record in &mut reader {
        match record {
            Ok(_) => records += 1,
            Err(error) => wrong = Some(unreadable(error)),
        }
    }
    let state = match reader.tail() {
        _ if wrong.is_some() => wrong.unwrap_or(FileState::NotClosed),
        Some(Tail::Closed) => FileState::Whole,
        Some(Tail::Torn { at, found }) => FileState::Torn {
            at: *at,
            found: found.clone(),
        },
        Some(Tail::Open) | None if is_last => FileState::Open,
        Some(Tail::Open) | None => FileState::NotClosed,
    };
    verdict(records, state)
}
