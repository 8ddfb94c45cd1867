//! Rows that somebody asks about: they go through the rules, the parser and the layout of the bank's own table, so that a model is given of them what
//! it was trained on. They have no label and nothing is held out of them.

use std::path::PathBuf;
use std::sync::Arc;

use csv::StringRecord;
use veilsum_protocol::task::Schema;

use super::dataset::{Cells, Dataset, Rows};
use super::error::At;
use super::kept_rows::KeptRows;
use super::layout::Layout;
use super::parse::{Place, Positions};
use super::parser::{Context, Parser};
use super::series::AllSeries;
use super::source::{Records, Worker as _};
use super::token::Tokens;
use super::{DataError, HoldOut, Room};
use crate::desensitise::{Guard, Rules};

/// What stands in the place of a file's name where a row is told.
const NAME: &str = "request";

/// How rows under one schema are read.
pub(crate) struct Asked {
    file: PathBuf,
    schema: Schema,
    layout: Layout,
    rules: Rules,
    /// What a row has to hold.
    columns: Vec<String>,
    /// The same as a header.
    header: StringRecord,
    /// Under the rules.
    positions: Positions,
    tokens: Option<Tokens>,
    hold_out: HoldOut,
}

impl Asked {
    /// For rows of a schema whose open values are known, under the bank's rules as far as they are for columns of it.
    ///
    /// # Errors
    /// A rule that drops a column which the schema reads, or does not fit it.
    pub(crate) fn new(schema: Schema, rules: Rules) -> Result<Self, DataError> {
        let mut columns: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            if !columns.iter().any(|known| known == name) {
                columns.push(name.to_owned());
            }
        };
        if let Some(sequence) = &schema.sequence {
            add(&sequence.key);
            add(&sequence.time);
        }
        let cells = schema.columns.iter().flat_map(|column| column.cells());
        cells.for_each(|cell| add(cell));
        let rules = rules.of_columns(|name| schema.reads(name) && name != schema.label);
        rules.shifts_by().for_each(&mut add);

        let header: StringRecord = columns.iter().collect();
        let file = PathBuf::from(NAME);
        // Nothing is drawn.
        let hold_out = HoldOut::new([0; 32], 0.0);
        let place = Place {
            file: &file,
            schema: &schema,
        };
        let under_rules = Guard::unwatched(&rules, &file, &header, &schema, None)?
            .header()
            .clone();
        let positions = place.positions_of_asked(&under_rules)?;
        Ok(Self {
            layout: Layout::of(&schema),
            tokens: schema.text().map(Tokens::new),
            file,
            schema,
            rules,
            columns,
            header,
            positions,
            hold_out,
        })
    }

    /// The columns that a row has to hold, in this order.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The bank's rules for them.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A draw in which no row is held out.
    pub(super) fn hold_out(&self) -> &HoldOut {
        &self.hold_out
    }

    /// How texts become tokens, in a schema of texts.
    pub(super) fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }

    /// The schema, with the values that the banks have found.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Reads rows of texts under [`columns`](Self::columns), for any model of the schema. Gives also which of them are asked about: all of them, or
    /// the last of each key where rows are steps.
    ///
    /// # Errors
    /// The first cell that does not fit the schema, or that a rule cannot work on, with its row from 1.
    pub(crate) fn rows(&self, records: &[StringRecord]) -> Result<(Dataset, Vec<u32>), DataError> {
        let place = Place {
            file: &self.file,
            schema: &self.schema,
        };
        let guard = Guard::unwatched(&self.rules, &self.file, &self.header, &self.schema, None)?;
        let header = guard.header().clone();
        let context = Context {
            place: &place,
            header: &header,
            positions: &self.positions,
            hold_out: &self.hold_out,
            groups: None,
            text: self.tokens.as_ref(),
        };
        let mut read = Records::default();
        for (at, record) in (1..).zip(records) {
            read.push(At::Row(at), record);
        }
        let mut rows = Rows::default();
        Parser::of_few(&context, guard).rows(read.batch(), &mut rows)?;
        self.kept(rows)
    }

    /// Takes images, shape `[rows, channels, height, width]`, 255 for 1.
    ///
    /// # Errors
    /// If they have no room in memory.
    pub(crate) fn images(&self, pixels: Vec<u8>) -> Result<(Dataset, Vec<u32>), DataError> {
        let one = self.schema.input_shape(false).width().max(1);
        let count = pixels.len() / one;
        let side = super::split::Side::Training;
        self.kept(Rows {
            sides: (1..).take(count).map(|at| (At::Image(at), side)).collect(),
            cells: Cells {
                labels: vec![0.0; count],
                ..Cells::default()
            },
            pixels,
            ..Rows::default()
        })
    }

    /// Rows as a table of their own, and which of them are asked about.
    pub(super) fn kept(&self, rows: Rows) -> Result<(Dataset, Vec<u32>), DataError> {
        let mut kept = KeptRows::new(&self.schema, &self.layout, &Room::in_memory());
        kept.push(&rows)?;
        let sequence = self.schema.sequence.as_ref();
        kept.finish(sequence.map(|sequence| {
            let mut series = AllSeries::default();
            rows.series.iter().for_each(|row| series.push(*row));
            (series, sequence.steps)
        }))?;
        let asked = (0..).take(rows.sides.len());
        let asked = match kept.windows() {
            Some(windows) => asked.filter(|row| windows.is_last(*row as usize)).collect(),
            None => asked.collect(),
        };
        let dataset = Dataset::of_asked(
            self.schema.clone(),
            self.layout.clone(),
            Arc::new(kept),
            rows.cells.labels,
        );
        Ok((dataset, asked))
    }
}
