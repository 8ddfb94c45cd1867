//! The rows of a file, scored as they are read, many at a time.

use std::io::{self, Write};
use std::path::Path;

use csv::{StringRecord, Writer};

use super::answer_table::AnswerTable;
use crate::data::{AskedFile, Batch, DataError, Dataset, Making};
use crate::scoring::{Scorer, ScorerError};

/// Why a file was not scored to its end.
#[derive(Debug, thiserror::Error)]
pub enum ScoreFileError {
    /// The rows, or the model.
    #[error(transparent)]
    Scorer(Box<ScorerError>),
    /// A column that is to be kept is none of the file's.
    #[error("{file}: found no column {column:?} to keep in the header, expected one of {there}")]
    Keep {
        /// The file.
        file: String,
        /// What was asked for.
        column: String,
        /// What there is.
        there: String,
    },
    /// Where the scores go to.
    #[error("the scores cannot be written: {0}; make room, or write them to another place")]
    Write(io::Error),
}

impl From<ScorerError> for ScoreFileError {
    fn from(error: ScorerError) -> Self {
        Self::Scorer(Box::new(error))
    }
}

impl From<DataError> for ScoreFileError {
    fn from(error: DataError) -> Self {
        ScorerError::from(error).into()
    }
}

/// Scores every row of `file`, a table whose columns the scorer's features are among, and writes a CSV file to `to`: the columns `keep` as they are in the
/// file, then the scores under the names by which the server answers them. Rows come in the order of the file; where they are steps of sequences, the last of each.
/// `scored` hears now and then how many rows are done. Gives how many there were.
///
/// # Errors
/// The first cell that does not fit, with its line and column; what was written before it stays.
pub fn score_file(
    scorer: &Scorer,
    file: &Path,
    keep: &[String],
    to: &mut dyn Write,
    scored: &mut dyn FnMut(u64),
) -> Result<u64, ScoreFileError> {
    let rows = AskedFile::open(scorer.asked(), file)?;
    let header = rows.header().clone();
    let places = keep.iter().map(|column| {
        let place = header.iter().position(|name| name == column);
        place.ok_or_else(|| ScoreFileError::Keep {
            file: file.display().to_string(),
            column: column.clone(),
            there: header.iter().collect::<Vec<_>>().join(", "),
        })
    });
    let places = places.collect::<Result<Vec<usize>, _>>()?;
    let table = AnswerTable::of(scorer);
    let mut writer = Writer::from_writer(Vec::new());
    let names = keep.iter().map(String::as_str).chain(table.names());
    let first = writer
        .write_record(names)
        .map_err(|error| ScoreFileError::Write(error.into()));
    first.and_then(|()| flushed(writer, to))?;
    let lines = Lines {
        scorer,
        table: &table,
        places: &places,
    };
    if scorer.sequence().is_some() {
        return whole(&lines, rows, to, scored);
    }
    let (mut count, mut problem) = (0, None);
    let read = rows.read(
        || Scored::empty(&lines),
        |piece| {
            let written = match piece.text {
                Ok(text) => to.write_all(&text).map_err(ScoreFileError::Write),
                Err(error) => Err(error.into()),
            };
            count += piece.rows;
            scored(count);
            written.map_err(|error| {
                problem = Some(error);
                // Nobody sees it: it ends the reading.
                DataError::whole(file, "a row that is not scored", "none", "look at what was told")
            })
        },
    );
    match problem {
        Some(problem) => Err(problem),
        None => read.map_err(ScoreFileError::from).map(|()| count),
    }
}

/// The rows of a sequence may stand anywhere in the file, so it is read to its end first.
fn whole(
    lines: &Lines<'_>,
    rows: AskedFile<'_>,
    to: &mut dyn Write,
    scored: &mut dyn FnMut(u64),
) -> Result<u64, ScoreFileError> {
    let (records, kept): (Vec<StringRecord>, Vec<StringRecord>) = rows.records()?.into_iter().unzip();
    let (table, asked) = lines
        .scorer
        .asked()
        .rows(&records)
        .map_err(ScoreFileError::from)?;
    let scores = lines.scores(&table, &asked)?;
    let kept = asked.iter().filter_map(|row| kept.get(*row as usize));
    let mut writer = Writer::from_writer(Vec::new());
    let cells = kept.map(|record| {
        let cells = lines.places.iter();
        cells.map(|place| record.get(*place).unwrap_or_default())
    });
    lines
        .table
        .write(scores, cells, &mut writer)
        .map_err(ScoreFileError::Write)?;
    flushed(writer, to)?;
    let count = u64::try_from(asked.len()).unwrap_or(u64::MAX);
    scored(count);
    Ok(count)
}

fn flushed(writer: Writer<Vec<u8>>, to: &mut dyn Write) -> Result<(), ScoreFileError> {
    let text = writer
        .into_inner()
        .map_err(|error| ScoreFileError::Write(error.into_error()))?;
    to.write_all(&text).map_err(ScoreFileError::Write)
}

/// How rows become lines.
struct Lines<'a> {
    scorer: &'a Scorer,
    table: &'a AnswerTable,
    places: &'a [usize],
}

impl Lines<'_> {
    fn scores(&self, rows: &Dataset, asked: &[u32]) -> Result<Vec<f32>, ScorerError> {
        self.scorer.score_inputs(&self.scorer.table_inputs(rows, asked)?)
    }
}

/// Lines of rows that follow each other, or why there are no more.
struct Scored<'a> {
    lines: &'a Lines<'a>,
    text: Result<Vec<u8>, ScorerError>,
    rows: u64,
}

impl<'a> Scored<'a> {
    fn empty(lines: &'a Lines<'a>) -> Self {
        Self {
            lines,
            text: Ok(Vec::new()),
            rows: 0,
        }
    }
}

impl Making for Scored<'_> {
    fn take(&mut self, rows: &Dataset, asked: &[u32], cells: Batch<'_>) {
        let Ok(text) = &mut self.text else {
            return;
        };
        match self.lines.scores(rows, asked) {
            Ok(scores) => {
                let places = self.lines.places;
                let kept = cells.each().map(|(_, row)| {
                    places
                        .iter()
                        .map(move |place| row.get(*place).unwrap_or_default())
                });
                let mut writer = Writer::from_writer(std::mem::take(text));
                // Memory takes every line.
                let _ = self.lines.table.write(scores, kept, &mut writer);
                *text = writer.into_inner().unwrap_or_default();
                self.rows += u64::try_from(asked.len()).unwrap_or(u64::MAX);
            }
            Err(error) => self.text = Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
