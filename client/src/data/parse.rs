//! From rows of texts to rows of numbers, categories and tokens: which cell stands where, and on which side a row is.

use std::collections::BTreeMap;
use std::path::Path;

use csv::StringRecord;
use veilsum_protocol::task::{Groups, Schema};

use super::cell::{CellParser, Parsed, quoted, trimmed};
use super::dataset::{Row, Whole};
use super::error::At;
use super::groups::group;
use super::moment::Moment;
use super::source::Table;
use super::split::Side;
use super::token::Tokens;
use super::{DataError, HoldOut};
use crate::desensitise::{Guard, Rules};

/// Reads `file` from its first row to its last and hands each to `sink`.
pub(super) fn read(
    file: &Path,
    schema: &Schema,
    hold_out: &HoldOut,
    groups: Option<&Groups>,
    rules: &Rules,
    sink: &mut dyn FnMut(Row<'_>),
) -> Result<(), DataError> {
    let table = Table::open(file)?;
    let place = Place { file, schema };
    let group_column = groups.map(|groups| groups.column.as_str());
    let mut guard = Guard::new(rules, file, table.header(), schema, group_column)?;
    let header = guard.header().clone();
    let positions = place.positions(&header, hold_out, group_column)?;
    let columns: Vec<_> = schema.columns.iter().filter_map(CellParser::new).collect();
    // The one column of a schema of texts.
    let text = schema.text().map(Tokens::new);
    let label = CellParser::of_label(schema);
    let mut sides = hold_out.sides(&schema.missing);
    let mut first_moment: Option<Moment> = None;
    // In the thread that reads, as the hash of a row and the look at it take about as long as its cells. The bank's rules come first of all.
    let prepare = |at: At, record: &mut StringRecord| {
        guard.row(record).map_err(|unfit| unfit.at(file, at))?;
        for &(_, position) in &positions.cells {
            sides.cell(cell_of(record, position));
        }
        let own = positions.split.map(|position| cell_of(record, position));
        let side = sides
            .side(own)
            .map_err(|expected| place.no_side(at, hold_out, own, expected))?;
        if let Side::At(moment) = side
            && !first_moment.get_or_insert(moment).is_of(moment)
        {
            return Err(place.no_side(at, hold_out, own, "a time of the kind that the first row has"));
        }
        Ok(side)
    };
    let (mut numbers, mut categories, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    let mut count = 0_u32;
    table.for_each(prepare, |at, record, side| {
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
        tokens.clear();
        for &(column, position) in &positions.cells {
            if let Some(text) = &text {
                let cell = cell_of(record, position);
                let missing = schema.missing.iter().any(|missing| missing == cell);
                text.append(if missing { "" } else { cell }, &mut tokens);
                continue;
            }
            let parsed = columns[column].parse(cell_of(record, position), &schema.missing);
            let name = || header.get(position).unwrap_or_default();
            match parsed.map_err(|wrong| wrong.at(file, at, name()))? {
                Parsed::Number(number) => numbers.push(number),
                Parsed::Category(category) => categories.push(category),
            }
        }
        let parsed = label.parse(cell_of(record, positions.label), &schema.missing);
        let label = match parsed.map_err(|wrong| wrong.at(file, at, label.name()))? {
            Parsed::Number(number) => number,
            Parsed::Category(class) => f32::from(class),
        };
        let own = groups.zip(positions.group);
        let group = own.map(|(groups, position)| group(groups, cell_of(record, position), file, at));
        sink(Row {
            numbers: &numbers,
            categories: &categories,
            whole: if text.is_some() {
                Whole::Tokens(&tokens)
            } else {
                Whole::None
            },
            label,
            side,
            group: group.transpose()?,
        });
        Ok(())
    })?;
    guard.finish()
}

fn cell_of(record: &StringRecord, position: usize) -> &str {
    trimmed(record.get(position).unwrap_or_default())
}

/// What every error message needs.
struct Place<'a> {
    file: &'a Path,
    schema: &'a Schema,
}

impl Place<'_> {
    /// Finds the schema's columns in the header, which must hold each of them once and nothing unknown, and those that
    /// the task reads beside them.
    fn positions(
        &self,
        header: &StringRecord,
        hold_out: &HoldOut,
        group: Option<&str>,
    ) -> Result<Positions, DataError> {
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
            .flat_map(|column| column.cells())
            .map(String::as_str)
            .chain([schema.label.as_str()])
            .chain(hold_out.column())
            .chain(group);
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
        let known = |name: &str| schema.reads(name) || schema.leave_out.iter().any(|left| left == name);
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
            cells: (0..)
                .zip(&schema.columns)
                .flat_map(|(index, column)| column.cells().iter().map(move |cell| (index, cell)))
                .map(|(index, cell)| (index, position(cell)))
                .collect(),
            label: position(&schema.label),
            split: hold_out.column().map(position),
            group: group.map(position),
        })
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
    /// Of each cell that is read, the place of its column in the schema, and where it stands.
    cells: Vec<(usize, usize)>,
    label: usize,
    /// The column that tells which rows are held out.
    split: Option<usize>,
    /// The column that tells a row's group.
    group: Option<usize>,
}
