//! The files of the log, in their order, and the records that are wanted of them.

use std::io;
use std::path::{Path, PathBuf};

use time::{Date, Time};
use veilsum_serving::decisions::{HEADER_BYTES, Key, NOT_OURS, Reader, Record, Tail, date_of, files};

use super::span::TimeSpan;
use crate::serving::{ServeError, Steering, decision_key};

/// Why the log is not read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The bank's settings, or the key.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Nothing is written down here.
    #[error(
        "{}: found no `decisions`, expected the folder of the log, such as decisions = {{ folder = \"decisions\" }}; `serve` writes down what it answers from then on",
        path.display()
    )]
    NotWritten {
        /// The file of settings.
        path: PathBuf,
    },
    /// The folder is not there.
    #[error(
        "{}: there is no log of decisions yet; `veilsum-client serve` makes it when it starts with these settings",
        folder.display()
    )]
    NoFolder {
        /// Where it would be.
        folder: PathBuf,
    },
    /// There are files, and their key is gone.
    #[error(
        "{}: the key of the decision log is not there, and without it {files} files in {} cannot be read; put it back from the bank's backup",
        key.display(), folder.display()
    )]
    NoKey {
        /// Where it would be.
        key: PathBuf,
        /// The folder of the log.
        folder: PathBuf,
        /// Its files.
        files: usize,
    },
    /// None of the records opens.
    #[error(
        "{}: no record of the {files} files in {} was written under this key; the log is of another one. Put that one back from the bank's backup",
        key.display(), folder.display()
    )]
    OtherKey {
        /// The key.
        key: PathBuf,
        /// The folder of the log.
        folder: PathBuf,
        /// Its files.
        files: usize,
    },
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's number.
    pub file: u64,
    /// The record's place in the file, from 0.
    pub index: u32,
}

/// Which records are wanted; those of every model, version and caller where nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// When they were answered.
    pub span: TimeSpan,
    /// The model's name.
    pub model: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Who asked.
    pub caller: Option<String>,
    /// The request's id.
    pub id: Option<String>,
}

/// A bank's log of decisions.
pub struct Ledger {
    folder: PathBuf,
    key_path: PathBuf,
    key: Key,
    files: Vec<(u64, PathBuf)>,
}

impl Ledger {
    /// The log that the settings of a bank's folder name.
    ///
    /// # Errors
    /// [`LedgerError`]; a log without any file is none.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let (steering, settings) = Steering::read(dir)?;
        let Some(decisions) = settings.decisions else {
            return Err(LedgerError::NotWritten {
                path: steering.path().to_owned(),
            });
        };
        let folder = decisions.folder;
        if !folder.is_dir() {
            return Err(LedgerError::NoFolder { folder });
        }
        let files = files(&folder).map_err(|error| LedgerError::File {
            path: folder.clone(),
            error,
        })?;
        let key_path = decision_key::path(dir);
        if !key_path.exists() {
            return Err(LedgerError::NoKey {
                key: key_path,
                folder,
                files: files.len(),
            });
        }
        let ledger = Self {
            folder,
            key: decision_key::read(dir)?,
            key_path,
            files,
        };
        ledger.check_key()?;
        Ok(ledger)
    }

    /// A file that has a record whose first does not open, in a log in which none does, is of another key.
    fn check_key(&self) -> Result<(), LedgerError> {
        let mut refused = 0;
        for (_, path) in &self.files {
            let Ok(mut reader) = Reader::open(path, &self.key) else {
                continue;
            };
            match (reader.next(), reader.tail()) {
                (Some(_), _) => return Ok(()),
                (None, Some(Tail::Torn { at, found })) if *at == HEADER_BYTES as u64 && found == NOT_OURS => {
                    refused += 1;
                }
                // A file without a record says by its end that the key is right, if it has one.
                (None, Some(Tail::Closed)) => return Ok(()),
                (None, _) => {}
            }
        }
        if refused == 0 {
            return Ok(());
        }
        Err(LedgerError::OtherKey {
            key: self.key_path.clone(),
            folder: self.folder.clone(),
            files: self.files.len(),
        })
    }

    /// The folder of the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files with their numbers, in the order in which they were begun.
    pub fn files(&self) -> &[(u64, PathBuf)] {
        &self.files
    }

    /// Opens one of them.
    ///
    /// # Errors
    /// What the system says, or that it is no file of decisions.
    pub(super) fn reader(&self, path: &Path) -> io::Result<Reader<'_>> {
        Reader::open(path, &self.key)
    }

    /// Hands over the records that are wanted, in the order in which they were written, until `each` says that it has enough. Gives what could not be
    /// read, in words: a file that ends in the middle of a record is read up to there.
    ///
    /// # Errors
    /// What `each` says.
    pub fn each<E>(
        &self,
        wanted: &Wanted,
        mut each: impl FnMut(Place, Record) -> Result<bool, E>,
    ) -> Result<Vec<String>, E> {
        let mut problems = Vec::new();
        for (number, path) in &self.files {
            let day = date_of(path).map(millis);
            if day.is_some_and(|day| !wanted.span.may_have(day)) {
                continue;
            }
            let told = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
            let mut reader = match self.reader(path) {
                Ok(reader) => reader,
                Err(error) => {
                    problems.push(told(&error));
                    continue;
                }
            };
            for (index, record) in (0..).zip(&mut reader) {
                let place = Place { file: *number, index };
                match record {
                    Ok(record) if wanted.has(&record) => {
                        if !each(place, record)? {
                            return Ok(problems);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => problems.push(told(&format!("record {index}: {error}"))),
                }
            }
            if let Some(Tail::Torn { at, found }) = reader.tail() {
                problems.push(told(&format!(
                    "torn at byte {at}: {found}; what was written behind it is not read"
                )));
            }
        }
        Ok(problems)
    }
}

impl Wanted {
    fn has(&self, record: &Record) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.span.has(record.time_ms)
            && is(&self.model, &record.model)
            && is(&self.version, &record.version)
            && is(&self.caller, &record.caller)
            && is(&self.id, &record.id)
    }
}

fn millis(day: Date) -> i64 {
    day.with_time(Time::MIDNIGHT)
        .assume_utc()
        .unix_timestamp()
        .saturating_mul(1000)
}
