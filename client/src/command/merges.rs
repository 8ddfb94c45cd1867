//! `schema merges`: byte-pair merges for a task's column of texts, from texts that anybody may read.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::table::write_new;
use crate::cli::Failure;
use crate::survey::{self, LearnedMerges};

/// Merges, and where they were written.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    learned: LearnedMerges,
    #[serde(skip)]
    lines: String,
    written: Option<PathBuf>,
}

impl Report {
    /// The schema's lines themselves, or where they are.
    pub(crate) fn text(&self) -> String {
        match &self.written {
            None => self.lines.trim_end().to_owned(),
            Some(path) => format!(
                "wrote {}; put its lines into the column of the schema, in place of `words`, `buckets` and `vocabulary`",
                path.display()
            ),
        }
    }
}

/// Learns up to `size` merges from the column of a table, or from the lines of a file.
pub(crate) fn learn(
    file: &Path,
    column: Option<&str>,
    size: usize,
    out: Option<&Path>,
) -> Result<Report, Failure> {
    let learned = survey::learn(file, column, size).map_err(Failure::usage)?;
    let lines = learned.toml(size);
    if let Some(out) = out {
        write_new(out, &lines)?;
    }
    Ok(Report {
        learned,
        lines,
        written: out.map(Path::to_owned),
    })
}
