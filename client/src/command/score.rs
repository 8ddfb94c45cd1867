//! `score`: the scores of a file's rows, in a file beside it. Nothing of either leaves this machine.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::app;
use crate::cli::Failure;
use crate::participant::FileError;
use crate::participant::durable::{PRIVATE, promote, stage};
use crate::scoring::Scorer;
use crate::serving::{ScoreFileError, Shelf, score_file};

#[derive(Debug, Args)]
pub(crate) struct Score {
    /// The task's name, or the beginning of its hash
    model: String,
    /// A table with the rows, CSV, CSV.gz or Parquet, under the schema's columns; the label and others are not read
    rows: PathBuf,
    /// The file of scores, CSV; what is there is replaced when all rows are scored
    #[arg(long)]
    out: PathBuf,
    /// The bank's folder
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Columns of the table that stand before the scores, such as a customer's number; between commas
    #[arg(long, value_delimiter = ',')]
    keep: Vec<String>,
    /// An earlier version, of those that `serve` keeps; without it the latest
    #[arg(long)]
    version: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    model: String,
    version: String,
    /// The log's entry that proves the model.
    log_entry: Option<u64>,
    rows: u64,
    seconds: f64,
    out: PathBuf,
}

impl Report {
    /// A line for people.
    pub(crate) fn text(&self) -> String {
        let entry = self
            .log_entry
            .map_or_else(String::new, |entry| format!(", entry {entry} of the log"));
        format!(
            "{} rows scored by model {}, version {}{entry}, in {:.2} s: {}",
            self.rows,
            self.model,
            self.version,
            self.seconds,
            self.out.display()
        )
    }
}

/// Scores the rows of a file.
pub(crate) fn execute(command: &Score) -> Result<Report, Failure> {
    let shelf = Shelf::open(&command.dir)?;
    let latest = shelf.find(&command.model)?.ok_or_else(|| {
        Failure::finding(format!(
            "task {} has no model yet: the first comes when its statistics round is done",
            command.model
        ))
    })?;
    let runtime = app::runtime(shelf.config())?;
    let (found, scorer) = match &command.version {
        Some(version) if *version != latest.version() => {
            let kept = shelf.kept_versions(&command.dir, &latest.task)?;
            let known = kept.contains(version);
            let found = match known {
                true => shelf.kept_scorer(&command.dir, &latest.task, version, runtime)?,
                false => None,
            };
            let (found, scorer, _) = found.ok_or_else(|| {
                Failure::usage(format!(
                    "found no version {version} of {}, expected {}, or one that `serve` keeps: {}",
                    latest.task.name,
                    latest.version(),
                    kept.join(", ")
                ))
            })?;
            (found, scorer)
        }
        _ => {
            let (scorer, _) = shelf.scorer(&latest, runtime)?;
            (latest, scorer)
        }
    };
    let began = Instant::now();
    let rows = written(command, &scorer)?;
    Ok(Report {
        model: found.task.name.clone(),
        version: found.version(),
        log_entry: found.proven.as_ref().ok().map(|proven| proven.entry),
        rows,
        seconds: began.elapsed().as_secs_f64(),
        out: command.out.clone(),
    })
}

/// Scores say as much of a person as the rows: the file is of mode 0600, and is there when it is whole.
fn written(command: &Score, scorer: &Scorer) -> Result<u64, Failure> {
    let staged = stage(&command.out, PRIVATE, b"").map_err(Failure::usage)?;
    let scored = fill(&staged, command, scorer);
    match scored {
        Ok(rows) => {
            promote(&staged, &command.out).map_err(Failure::finding)?;
            Ok(rows)
        }
        Err(failure) => {
            let _ = fs::remove_file(&staged);
            Err(failure)
        }
    }
}

fn fill(staged: &Path, command: &Score, scorer: &Scorer) -> Result<u64, Failure> {
    let at = |error| Failure::finding(FileError::at(staged)(error));
    let file = OpenOptions::new().append(true).open(staged).map_err(at)?;
    let mut to = BufWriter::with_capacity(1 << 20, file);
    // Nothing is drawn where standard error is no terminal.
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec}") {
        bar.set_style(style);
    }
    let rows = score_file(scorer, &command.rows, &command.keep, &mut to, &mut |rows| {
        bar.set_position(rows);
    });
    bar.finish_and_clear();
    let rows = rows?;
    to.flush().map_err(at)?;
    to.get_ref().sync_all().map_err(at)?;
    Ok(rows)
}

impl From<ScoreFileError> for Failure {
    fn from(error: ScoreFileError) -> Self {
        match error {
            ScoreFileError::Write(_) => Self::finding(error),
            ScoreFileError::Scorer(_) | ScoreFileError::Keep { .. } => Self::usage(error),
        }
    }
}
