//! From a row of texts to numbers and categories, by the schema; says exactly what is wrong with a cell.

use std::collections::BTreeMap;
use std::path::Path;

use csv::StringRecord;
use veilsum_protocol::task::{
    CategoryColumn, Column, ColumnKind, NumberColumn, Outside, Schema, WhenMissing,
};

use super::dataset::Row;
use super::error::At;
use super::moment::Moment;
use super::source::Table;
use super::split::Side;
use super::{DataError, HoldOut};

/// Reads `file` from its first row to its last and hands each to `sink`.
pub(super) fn read(
    file: &Path,
    schema: &Schema,
    hold_out: &HoldOut,
    sink: &mut dyn FnMut(Row<'_>),
) -> Result<(), DataError> {
    let mut table = Table::open(file)?;
    // What a bank does to its rows before anything looks at them belongs here: to the header once, and to each record
    // below, before it is parsed.
    let place = Place { file, schema };
    let positions = place.positions(table.header(), hold_out)?;
    let mut record = StringRecord::new();
    let (mut numbers, mut categories) = (Vec::new(), Vec::new());
    let mut count = 0_u32;
    let mut first_moment: Option<Moment> = None;
    while let Some(at) = table.read(&mut record)? {
        // Rows are numbered with 32 bits.
        count = count.checked_add(1).ok_or_else(|| {
            place.whole(
                "more than 4294967295 rows",
                "no more than that",
                "draw a sample of the rows",
            )
        })?;
        numbers.clear();
        categories.clear();
        let cell = |position: usize| record.get(position).unwrap_or_default().trim();
        for (column, &position) in schema.columns.iter().zip(&positions.columns) {
            let cell = Cell {
                place: &place,
                at,
                column,
                text: cell(position),
            };
            match &column.kind {
                ColumnKind::Number(kind) => numbers.push(cell.number(kind)?),
                ColumnKind::Category(kind) => categories.push(cell.category(kind)?),
            }
        }
        let label = place.label(at, cell(positions.label))?;
        let cells = positions.columns.iter().map(|&position| cell(position));
        let own = positions.split.map(cell);
        let side = hold_out
            .side(cells, own, &schema.missing)
            .map_err(|expected| place.no_side(at, hold_out, own, expected))?;
        if let Side::At(moment) = side
            && !first_moment.get_or_insert(moment).is_of(moment)
        {
            return Err(place.no_side(at, hold_out, own, "a time of the kind that the first row has"));
        }
        sink(Row {
            numbers: &numbers,
            categories: &categories,
            label,
            side,
        });
    }
    Ok(())
}

/// What every error message needs.
struct Place<'a> {
    file: &'a Path,
    schema: &'a Schema,
}

impl Place<'_> {
    /// Finds the schema's columns in the header, which must hold each of them once and nothing unknown.
    fn positions(&self, header: &StringRecord, hold_out: &HoldOut) -> Result<Positions, DataError> {
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
            .chain([schema.label.as_str()])
            .chain(hold_out.column());
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
            split: hold_out.column().map(position),
        })
    }

    fn label(&self, at: At, text: &str) -> Result<u8, DataError> {
        match text {
            "0" | "0.0" => Ok(0),
            "1" | "1.0" => Ok(1),
            other => Err(DataError::Cell {
                file: self.file.to_owned(),
                at,
                column: self.schema.label.as_str().into(),
                found: quoted(other),
                expected: "the label, 0 or 1".to_owned(),
                advice: "write 1 where the event happened and 0 where it did not, and leave out rows without a label",
            }),
        }
    }

    fn no_side(&self, at: At, hold_out: &HoldOut, own: Option<&str>, expected: &str) -> DataError {
        DataError::Cell {
            file: self.file.to_owned(),
            at,
            column: hold_out.column().unwrap_or_default().into(),
            found: quoted(own.unwrap_or_default()),
            expected: expected.to_owned(),
            advice: "the task parts training from held-out rows by this column: fill it in every row, in one way",
        }
    }

    fn whole(&self, found: &str, expected: &str, advice: &'static str) -> DataError {
        DataError::whole(self.file, found, expected, advice)
    }
}

/// Where the schema's columns stand in the file.
struct Positions {
    columns: Vec<usize>,
    label: usize,
    /// The column that tells which rows are held out.
    split: Option<usize>,
}

/// One cell, trimmed, with what its errors need.
struct Cell<'a> {
    place: &'a Place<'a>,
    at: At,
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
            at: self.at,
            column: self.column.name.as_str().into(),
            found,
            expected,
            advice,
        }
    }
}

fn to_u16(index: usize) -> u16 {
    u16::try_from(index).expect("a schema has at most 1000 values in a category")
}

/// A cell as it may be shown in a terminal: its beginning, with control characters escaped.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("{start:?}{more}")
}
