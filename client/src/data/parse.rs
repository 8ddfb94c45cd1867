//! From a file to rows of numbers, categories and tokens: which cell stands where, who parses which rows, and what must hold of them all.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

use csv::StringRecord;
use veilsum_protocol::task::{Groups, Schema};

use super::dataset::Rows;
use super::error::At;
use super::moment::Moment;
use super::parser::{Context, Parser};
use super::series;
use super::source::Table;
use super::split::Side;
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
    sink: &mut dyn FnMut(Rows) -> Result<(), DataError>,
) -> Result<OpenValues, DataError> {
    let table = Table::open(file)?;
    let place = Place { file, schema };
    let group_column = groups.map(|groups| groups.column.as_str());
    let guard = Guard::new(rules, file, table.header(), schema, group_column)?;
    let header = guard.header().clone();
    let positions = place.positions(&header, hold_out, group_column)?;
    let tokens = schema.text().map(Tokens::new);
    let context = Context {
        place: &place,
        header: &header,
        positions: &positions,
        hold_out,
        groups,
        text: tokens.as_ref(),
    };
    let workers = (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| {
        let guard = Guard::new(rules, file, table.header(), schema, group_column)?;
        Ok(Parser::new(&context, guard))
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
        sink(rows)
    })?;
    let (mut guard, mut open) = (guard, OpenValues::of(schema));
    for parser in parsers {
        let (seen, values) = parser.finish();
        guard = guard.merge(seen);
        open = open.merge(values);
    }
    guard.finish()?;
    Ok(open)
}

pub(super) const OTHER_KIND: &str = "a time of the kind that the first row has";

/// What every error message needs.
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
    pub(super) schema: &'a Schema,
}

impl Place<'_> {
    /// Finds the schema's columns in the header, which must hold each of them once and nothing unknown.
    pub(super) fn positions(
        &self,
        header: &StringRecord,
        hold_out: &HoldOut,
        group: Option<&str>,
    ) -> Result<Positions, DataError> {
        let schema = self.schema;
        let more = [schema.label.as_str()]
            .into_iter()
            .chain(hold_out.column())
            .chain(group);
        let found = self.places(header, more)?;
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
        let place = |name: &str| found.get(name).copied();
        Ok(Positions {
            label: place(&schema.label),
            split: hold_out.column().and_then(place),
            group: group.and_then(place),
            ..self.of_inputs(&found)
        })
    }

    /// The same of rows that are asked about: they have no label, and what the schema does not know is not read.
    pub(super) fn positions_of_asked(&self, header: &StringRecord) -> Result<Positions, DataError> {
        Ok(self.of_inputs(&self.places(header, [])?))
    }

    /// Where each column of the header stands, if all that are read are there: the schema's inputs, and `more`.
    fn places<'h>(
        &self,
        header: &'h StringRecord,
        more: impl IntoIterator<Item = &'h str>,
    ) -> Result<BTreeMap<&'h str, usize>, DataError>
    where
        Self: 'h,
    {
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
            .chain(
                schema
                    .sequence
                    .iter()
                    .flat_map(|of| [of.key.as_str(), of.time.as_str()]),
            )
            .chain(more);
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
        Ok(found)
    }

    fn of_inputs(&self, found: &BTreeMap<&str, usize>) -> Positions {
        let position = |name: &str| {
            *found
                .get(name)
                .expect("no column is missing, by the check of all places")
        };
        Positions {
            cells: (0..)
                .zip(&self.schema.columns)
                .flat_map(|(index, column)| column.cells().iter().map(move |cell| (index, cell)))
                .map(|(index, cell)| (index, position(cell)))
                .collect(),
            label: None,
            split: None,
            group: None,
            series: self
                .schema
                .sequence
                .as_ref()
                .map(|of| (position(&of.key), position(&of.time))),
        }
    }

    pub(super) fn no_side(&self, at: At, hold_out: &HoldOut, found: String, expected: &str) -> DataError {
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
pub(super) struct Positions {
    /// Of each cell that is read, the place of its column in the schema, and where it stands.
    pub(super) cells: Vec<(usize, usize)>,
    /// None of rows that are asked about: their labels are 0.
    pub(super) label: Option<usize>,
    /// The column that tells which rows are held out.
    pub(super) split: Option<usize>,
    /// The column that tells a row's group.
    pub(super) group: Option<usize>,
    /// The columns that tell which series a row is of, and where in it.
    pub(super) series: Option<(usize, usize)>,
}
