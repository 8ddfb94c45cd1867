//! From rows of texts to rows of numbers, categories and tokens: which cell stands where, and on which side a row is.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

use csv::StringRecord;
use veilsum_protocol::task::{Groups, Schema};

use super::cell::{CellParser, Parsed, quoted, trimmed};
use super::dataset::Rows;
use super::error::At;
use super::groups::group;
use super::moment::Moment;
use super::series::{self, SeriesReader};
use super::source::{Table, Worker};
use super::split::{Side, Sides};
use super::token::Tokens;
use super::{DataError, HoldOut, OpenValues};
use crate::desensitise::{Guard, Rules};

/// Reads `file` from its first row to its last and hands them to `sink`, many at a time. Every processor takes part. Gives the values of open
/// categories.
pub(super) fn read(
    file: &Path,
    schema: &Schema,
    hold_out: &HoldOut,
    groups: Option<&Groups>,
    rules: &Rules,
    sink: &mut dyn FnMut(Rows),
) -> Result<OpenValues, DataError> {
    let table = Table::open(file)?;
    let place = Place { file, schema };
    let group_column = groups.map(|groups| groups.column.as_str());
    let guard = Guard::new(rules, file, table.header(), schema, group_column)?;
    let header = guard.header().clone();
    let positions = place.positions(&header, hold_out, group_column)?;
    // Made once for all threads: a long list takes its time.
    let text = schema.text().map(Tokens::new);
    let workers = (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| {
        Ok(Parser {
            place: &place,
            header: &header,
            positions: &positions,
            columns: schema.columns.iter().filter_map(CellParser::new).collect(),
            text: text.as_ref(),
            label: CellParser::of_label(schema),
            sides: hold_out.sides(&schema.missing),
            hold_out,
            first_moment: None,
            series: schema
                .sequence
                .as_ref()
                .zip(positions.series)
                .map(|(sequence, series)| {
                    SeriesReader::new(file, sequence, &schema.missing, series, hold_out.salt())
                }),
            group: groups.zip(positions.group),
            open: OpenValues::of(schema),
            guard: Guard::new(rules, file, table.header(), schema, group_column)?,
        })
    });
    let workers = workers.collect::<Result<Vec<_>, DataError>>()?;
    let (mut count, mut first_moment, mut first_of_series) = (0_u32, None::<Moment>, None::<Moment>);
    let parsers = table.share(workers, |rows: Rows| {
        // Rows are numbered with 32 bits.
        let more = u32::try_from(rows.sides.len()).ok();
        count = more.and_then(|more| count.checked_add(more)).ok_or_else(|| {
            place.whole(
                "more than 4294967295 rows",
                "no more than that",
                "draw a sample of the rows",
            )
        })?;
        for (at, side) in &rows.sides {
            if let Side::At(moment) = side
                && !first_moment.get_or_insert(*moment).is_of(*moment)
            {
                return Err(place.no_side(*at, hold_out, moment.kind().to_owned(), OTHER_KIND));
            }
        }
        for ((at, _), row) in rows.sides.iter().zip(&rows.series) {
            let is_first_s = first_of_series.get_or_insert(row.moment).is_of(row.moment);
            if let (false, Some(sequence)) = (is_first_s, &schema.sequence) {
                let found = row.moment.kind().to_owned();
                return Err(series::no_time(file, sequence, *at, found, OTHER_KIND));
            }
        }
        sink(rows);
        Ok(())
    })?;
    let (mut guard, mut open) = (guard, OpenValues::of(schema));
    for parser in parsers {
        guard = guard.merge(parser.guard);
        open = open.merge(parser.open);
    }
    guard.finish()?;
    Ok(open)
}

const OTHER_KIND: &str = "a time of the kind that the first row has";

/// Parses the rows that one thread is dealt.
struct Parser<'a> {
    place: &'a Place<'a>,
    header: &'a StringRecord,
    positions: &'a Positions,
    columns: Vec<CellParser<'a>>,
    /// Of the one column of a schema of texts.
    text: Option<&'a Tokens<'a>>,
    label: CellParser<'a>,
    sides: Sides<'a>,
    hold_out: &'a HoldOut,
    /// The first time that this thread saw.
    first_moment: Option<Moment>,
    series: Option<SeriesReader<'a>>,
    /// Where the model is judged by group, and by which column.
    group: Option<(&'a Groups, usize)>,
    /// The values of open categories that this thread saw.
    open: OpenValues,
    guard: Guard<'a>,
}

impl Worker for Parser<'_> {
    type Made = Rows;

    fn row(&mut self, at: At, record: &mut StringRecord, rows: &mut Rows) -> Result<(), DataError> {
        let (place, positions) = (self.place, self.positions);
        let (file, missing) = (place.file, &place.schema.missing);
        // The bank's rules come first of all.
        self.guard.row(record).map_err(|unfit| unfit.at(file, at))?;
        if let Some(series) = &self.series {
            // All rows of a series are on one side.
            self.sides.cell(series.key(record));
            rows.series.push(series.read(at, record)?);
        }
        if let Some((groups, position)) = self.group {
            rows.groups
                .push(group(groups, cell_of(record, position), file, at)?);
        }
        let cells = &mut rows.cells;
        for &(column, position) in &positions.cells {
            let cell = cell_of(record, position);
            if self.series.is_none() {
                self.sides.cell(cell);
            }
            if let Some(text) = self.text {
                let nothing = missing.iter().any(|missing| missing == cell);
                text.append(if nothing { "" } else { cell }, &mut rows.tokens);
                continue;
            }
            let parsed = self.columns[column].parse(cell, missing);
            let name = || self.header.get(position).unwrap_or_default();
            let parsed = parsed.map_err(|wrong| wrong.at(file, at, name()))?;
            self.columns[column].lay(parsed, &mut cells.numbers, &mut cells.categories);
        }
        let parsed = self.label.parse(cell_of(record, positions.label), missing);
        cells.labels.push(
            match parsed.map_err(|wrong| wrong.at(file, at, self.label.name()))? {
                Parsed::Number(number) => number,
                Parsed::Category(class) => f32::from(class),
                // No label is a date.
                Parsed::Date(_) => f32::NAN,
            },
        );
        let own = positions.split.map(|position| cell_of(record, position));
        let no_side =
            |expected: &str| place.no_side(at, self.hold_out, quoted(own.unwrap_or_default()), expected);
        let side = self.sides.side(own).map_err(no_side)?;
        if let Side::At(moment) = side
            && !self.first_moment.get_or_insert(moment).is_of(moment)
        {
            return Err(no_side(OTHER_KIND));
        }
        if !self.open.is_empty() {
            for &(column, position) in &positions.cells {
                self.open.see(column, cell_of(record, position), missing, side);
            }
        }
        rows.sides.push((at, side));
        Ok(())
    }
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
    /// Finds the schema's columns in the header, which must hold each of them once and nothing unknown.
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
            .chain(
                schema
                    .sequence
                    .iter()
                    .flat_map(|of| [of.key.as_str(), of.time.as_str()]),
            )
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
            series: schema
                .sequence
                .as_ref()
                .map(|of| (position(&of.key), position(&of.time))),
        })
    }

    fn no_side(&self, at: At, hold_out: &HoldOut, found: String, expected: &str) -> DataError {
        DataError::Cell {
            file: self.file.to_owned(),
            at,
            column: hold_out.column().unwrap_or_default().into(),
            found,
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
    /// The columns that tell which series a row is of, and where in it.
    series: Option<(usize, usize)>,
}
