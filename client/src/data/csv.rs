//! Streams a CSV file by the schema, and says exactly what is wrong with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use veilsum_protocol::model::MAX_ROWS;
use veilsum_protocol::task::{
    CategoryColumn, Column, ColumnKind, NumberColumn, Outside, Schema, WhenMissing,
};

use super::dataset::Row;
use super::{DataError, HoldOut};
use crate::desensitise::{self, Guard, Kinds, Rules};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads `file` from its first row to its last and hands each to `sink`.
pub(super) fn read(
    file: &Path,
    schema: &Schema,
    hold_out: &HoldOut,
    rules: &Rules,
    sink: &mut dyn FnMut(Row<'_>),
) -> Result<(), DataError> {
    Place { file, schema }.rows(open(file)?, hold_out, rules, sink)
}

/// Reads the text of `file`: `begin` is given the header, and `row` each row with its line.
pub(crate) fn each_row<S>(
    file: &Path,
    begin: impl FnOnce(&csv::StringRecord) -> Result<S, DataError>,
    mut row: impl FnMut(&mut S, u64, &mut csv::StringRecord) -> Result<(), DataError>,
) -> Result<S, DataError> {
    let broken = |error| broken(file, error);
    let mut reader = text(open(file)?);
    let mut state = begin(reader.headers().map_err(broken)?)?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(broken)? {
        let line = record.position().map_or(0, csv::Position::line);
        row(&mut state, line, &mut record)?;
    }
    Ok(state)
}

fn text<R: Read>(bytes: R) -> csv::Reader<R> {
    csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes)
}

/// The file's bytes, unpacked. An empty one is refused.
fn open(file: &Path) -> Result<Box<dyn Read>, DataError> {
    let unreadable = |source, advice| DataError::Unreadable {
        file: file.to_owned(),
        source,
        advice,
    };
    let opened = File::open(file);
    let opened = opened.map_err(|e| {
        unreadable(
            e,
            "put the table there, or set data.file in bank.toml and start the daemon again",
        )
    })?;
    let mut bytes = BufReader::new(opened);
    let start = bytes
        .fill_buf()
        .map_err(|e| unreadable(e, "check that it is a file and may be read"))?;
    if start.is_empty() {
        return Err(DataError::File {
            file: file.to_owned(),
            found: "an empty file".to_owned(),
            expected: "a CSV file with a header".to_owned(),
            advice: "export the data again",
        });
    }
    Ok(if start.starts_with(&GZIP_MAGIC) {
        Box::new(MultiGzDecoder::new(bytes))
    } else {
        Box::new(bytes)
    })
}

/// What every error message needs.
struct Place<'a> {
    file: &'a Path,
    schema: &'a Schema,
}

impl Place<'_> {
    fn rows(
        &self,
        bytes: impl Read,
        hold_out: &HoldOut,
        rules: &Rules,
        sink: &mut dyn FnMut(Row<'_>),
    ) -> Result<(), DataError> {
        let mut reader = text(bytes);
        let header = reader.headers().map_err(|e| broken(self.file, e))?.clone();
        let mut guard = Guard::new(rules, self.file, &header, self.schema)?;
        let positions = self.positions(guard.header())?;

        let mut record = csv::StringRecord::new();
        let (mut numbers, mut categories) = (Vec::new(), Vec::new());
        let mut count = 0_u32;
        while reader
            .read_record(&mut record)
            .map_err(|e| broken(self.file, e))?
        {
            let line = record.position().map_or(0, csv::Position::line);
            if count == MAX_ROWS {
                let found = format!("more than {MAX_ROWS} rows");
                return Err(self.whole(&found, "no more than that", "draw a sample of the rows"));
            }
            count += 1;
            guard
                .row(&mut record)
                .map_err(|unfit| unfit.at(self.file, line))?;
            numbers.clear();
            categories.clear();
            let cell = |position: usize| record.get(position).unwrap_or_default();
            for (column, &position) in self.schema.columns.iter().zip(&positions.columns) {
                let at = Cell {
                    place: self,
                    line,
                    column,
                    text: cell(position),
                };
                match &column.kind {
                    ColumnKind::Number(kind) => numbers.push(at.number(kind)?),
                    ColumnKind::Category(kind) => categories.push(at.category(kind)?),
                }
            }
            let label = self.label(line, cell(positions.label))?;
            let held_out = hold_out.holds(positions.columns.iter().map(|&position| cell(position)));
            sink(Row {
                numbers: &numbers,
                categories: &categories,
                label,
                held_out,
            });
        }
        guard.finish()
    }

    /// Finds the schema's columns in the header, which must hold each of them once and nothing unknown.
    fn positions(&self, header: &csv::StringRecord) -> Result<Positions, DataError> {
        let mut found = BTreeMap::new();
        for (position, name) in header.iter().enumerate() {
            if found.insert(name, position).is_some() {
                let twice = format!("the column {name:?} twice in the header");
                return Err(self.whole(&twice, "each column once", "rename or remove one of them"));
            }
        }
        let schema = self.schema;
        let wanted = schema
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .chain([schema.label.as_str()]);
        let missing: Vec<_> = wanted
            .filter(|name| !found.contains_key(name))
            .map(|n| format!("{n:?}"))
            .collect();
        if !missing.is_empty() {
            let advice = match header.get(0) {
                Some(only) if header.len() == 1 && only.contains([';', '\t', '|']) => {
                    "the header is a single column: export the file with commas between the columns"
                }
                _ => "add it, or check its spelling: upper and lower case differ",
            };
            let absent = format!("no column {} in the header", missing.join(", "));
            return Err(self.whole(&absent, "every column of the schema", advice));
        }
        let known = |name: &str| {
            name == schema.label
                || schema.columns.iter().any(|column| column.name == name)
                || schema.leave_out.iter().any(|left| left == name)
        };
        let extra: Vec<_> = header
            .iter()
            .filter(|name| !known(name))
            .map(|n| format!("{n:?}"))
            .collect();
        if !extra.is_empty() {
            let unknown = format!("the column {}, which the schema does not know", extra.join(", "));
            return Err(self.whole(
                &unknown,
                "the schema's columns and those in its leave_out",
                "remove it from the file, or agree on a schema that names it in leave_out",
            ));
        }
        let position = |name: &str| *found.get(name).expect("no column is missing, by the check above");
        Ok(Positions {
            columns: schema
                .columns
                .iter()
                .map(|column| position(&column.name))
                .collect(),
            label: position(&schema.label),
        })
    }

    fn label(&self, line: u64, text: &str) -> Result<u8, DataError> {
        match text {
            "0" | "0.0" => Ok(0),
            "1" | "1.0" => Ok(1),
            other => Err(DataError::Cell {
                file: self.file.to_owned(),
                line,
                column: self.schema.label.clone(),
                found: quoted(other),
                expected: "the label, 0 or 1".to_owned(),
                advice: "write 1 where the event happened and 0 where it did not, and leave out rows without a label",
            }),
        }
    }

    fn whole(&self, found: &str, expected: &str, advice: &'static str) -> DataError {
        DataError::File {
            file: self.file.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
            advice,
        }
    }
}

fn broken(file: &Path, error: csv::Error) -> DataError {
    let line = error.position().map_or(1, csv::Position::line);
    let row = |found: String, expected: &str, advice: &'static str| DataError::Row {
        file: file.to_owned(),
        line,
        found,
        expected: expected.to_owned(),
        advice,
    };
    match error.into_kind() {
        csv::ErrorKind::Io(source) => DataError::Unreadable {
            file: file.to_owned(),
            source,
            advice: "it may be damaged or cut short: copy or export it again",
        },
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => row(
            format!("{len} cells"),
            &format!("{expected_len}, as in the header"),
            "look for a comma too many or too few; a text with commas stands in double quotes",
        ),
        csv::ErrorKind::Utf8 { .. } => row(
            "a text that is not UTF-8".to_owned(),
            "UTF-8",
            "export the file with UTF-8 encoding",
        ),
        other => row(
            format!("a row that cannot be read ({other:?})"),
            "comma-separated values",
            "export it again",
        ),
    }
}

/// Where the schema's columns stand in the file.
struct Positions {
    columns: Vec<usize>,
    label: usize,
}

/// One cell, trimmed, with what its errors need.
struct Cell<'a> {
    place: &'a Place<'a>,
    line: u64,
    column: &'a Column,
    text: &'a str,
}

impl Cell<'_> {
    /// The number on `[0, 1]`, NaN where it is missing and may be.
    fn number(&self, kind: &NumberColumn) -> Result<f32, DataError> {
        if self.is_missing() {
            return match kind.when_missing {
                WhenMissing::Mean => Ok(f32::NAN),
                WhenMissing::Refuse => Err(self.wrong(
                    self.nothing(),
                    self.range(kind),
                    "fill the cell, or agree on when_missing = \"mean\" for the column",
                )),
            };
        }
        let wrong = |advice: &'static str| self.wrong(quoted(self.text), self.range(kind), advice);
        let Ok(x) = self.text.parse::<f64>() else {
            return Err(wrong(
                "write it with digits and a decimal point only; list what stands for no value under missing",
            ));
        };
        if !x.is_finite() {
            return Err(wrong("leave the cell empty if there is no value"));
        }
        if kind.integer && x.fract() != 0.0 {
            return Err(wrong("round it, or agree on type = \"number\" for the column"));
        }
        let inside = x.clamp(kind.min, kind.max);
        if inside != x && kind.outside == Outside::Refuse {
            return Err(wrong(
                "correct it, or agree on a wider range or on outside = \"clip\" for the column",
            ));
        }
        Ok(kind.scale.unit(inside, kind.min, kind.max) as f32)
    }

    /// Index of the value in the agreed list, or the length of the list for the bucket.
    fn category(&self, kind: &CategoryColumn) -> Result<u16, DataError> {
        let place = kind.values.iter().position(|value| value == self.text);
        match place {
            Some(index) => Ok(to_u16(index)),
            None if kind.other_bucket => Ok(to_u16(kind.values.len())),
            None => {
                let found = if self.is_missing() {
                    self.nothing()
                } else {
                    quoted(self.text)
                };
                Err(self.wrong(
                    found,
                    format!("one of {}", kind.values.join(", ")),
                    "correct it, or agree on one more value or on other = \"bucket\" for the column",
                ))
            }
        }
    }

    fn is_missing(&self) -> bool {
        self.place
            .schema
            .missing
            .iter()
            .any(|missing| missing == self.text)
    }

    fn nothing(&self) -> String {
        if self.text.is_empty() {
            "an empty cell".to_owned()
        } else {
            format!("{}, no value", quoted(self.text))
        }
    }

    fn range(&self, kind: &NumberColumn) -> String {
        let what = if kind.integer {
            "a whole number"
        } else {
            "a number"
        };
        format!("{what} from {} to {}", kind.min, kind.max)
    }

    fn wrong(&self, found: String, expected: String, advice: &'static str) -> DataError {
        DataError::Cell {
            file: self.place.file.to_owned(),
            line: self.line,
            column: self.column.name.clone(),
            found,
            expected,
            advice,
        }
    }
}

fn to_u16(index: usize) -> u16 {
    u16::try_from(index).expect("a schema has at most 1000 values in a category")
}

/// A cell as it may be shown in a terminal: its beginning, with control characters escaped and identifiers masked.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    let masked = desensitise::masked(text, Kinds::all());
    let text = masked.as_deref().unwrap_or(text);
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("{start:?}{more}")
}
