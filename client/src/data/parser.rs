//! Parses rows of texts, many at a time and column by column. Where a cell does not fit, it goes back and parses row by row, which finds the first
//! one and says what is wrong; so the plain way is the meaning of the fast one, and the tests compare both.

use csv::StringRecord;
use veilsum_protocol::task::Groups;

use super::cell::{CellParser, Parsed, quoted, trimmed};
use super::dataset::Rows;
use super::error::At;
use super::groups::group;
use super::known::KnownCells;
use super::lane::{Lane, Missing, Reading, Unfit};
use super::layout::{Layout, PlaceKind};
use super::moment::Moment;
use super::parse::{OTHER_KIND, Place, Positions};
use super::series::SeriesReader;
use super::source::{Batch, Records, Row, Worker};
use super::split::{SHORT, Side, Sides};
use super::token::Tokens;
use super::{DataError, HoldOut, OpenValues};
use crate::desensitise::Guard;

/// What all threads that parse rows of one table have in common.
pub(super) struct Context<'a> {
    pub(super) place: &'a Place<'a>,
    /// Under the bank's rules.
    pub(super) header: &'a StringRecord,
    pub(super) positions: &'a Positions,
    pub(super) hold_out: &'a HoldOut,
    /// Where the model is judged by group.
    pub(super) groups: Option<&'a Groups>,
    /// Of a schema of texts. Made once for all threads: a long list takes its time.
    pub(super) text: Option<&'a Tokens>,
}

/// Parses the rows that one thread is dealt.
pub(super) struct Parser<'a> {
    context: &'a Context<'a>,
    layout: Layout,
    columns: Vec<CellParser<'a>>,
    /// One for each of [`Positions::cells`].
    lanes: Vec<Lane>,
    label: CellParser<'a>,
    label_lane: Option<Lane>,
    missing: Missing<'a>,
    sides: Sides<'a>,
    /// The first time that this thread saw.
    first_moment: Option<Moment>,
    series: Option<SeriesReader<'a>>,
    /// The values of open categories that this thread saw.
    open: OpenValues,
    guard: Guard<'a>,
    /// Columns that the guard looks at and no lane reads.
    unclaimed: Vec<usize>,
    /// The numbers of a cell.
    laid: Vec<f32>,
    /// Rows as the bank's rules change them.
    changed: Records,
    record: StringRecord,
}

/// How much of rows there was.
struct Mark {
    numbers: usize,
    categories: usize,
    labels: usize,
    tokens: usize,
    sides: usize,
    series: usize,
    groups: usize,
}

impl Mark {
    fn of(rows: &Rows) -> Self {
        Self {
            numbers: rows.cells.numbers.len(),
            categories: rows.cells.categories.len(),
            labels: rows.cells.labels.len(),
            tokens: rows.tokens.len(),
            sides: rows.sides.len(),
            series: rows.series.len(),
            groups: rows.groups.len(),
        }
    }

    /// Takes away what came since.
    fn back(&self, rows: &mut Rows) {
        rows.cells.numbers.truncate(self.numbers);
        rows.cells.categories.truncate(self.categories);
        rows.cells.labels.truncate(self.labels);
        rows.tokens.truncate(self.tokens);
        rows.sides.truncate(self.sides);
        rows.series.truncate(self.series);
        rows.groups.truncate(self.groups);
    }
}

impl Worker for Parser<'_> {
    type Made = Rows;

    fn rows(&mut self, rows: Batch<'_>, made: &mut Rows) -> Result<(), DataError> {
        if !self.guard.changes() {
            return self.parse(rows, made);
        }
        let mut changed = std::mem::take(&mut self.changed);
        changed.clear();
        let mut applied = Ok(());
        for (at, row) in rows.each() {
            row.copy_to(&mut self.record);
            if let Err(unfit) = self.guard.apply(&mut self.record) {
                applied = Err(unfit.at(self.context.place.file, at));
                break;
            }
            changed.push(at, &self.record);
        }
        // What is wrong with a row before comes first.
        let parsed = self.parse(changed.batch(), made);
        self.changed = changed;
        parsed.and(applied)
    }
}

impl<'a> Parser<'a> {
    pub(super) fn new(context: &'a Context<'a>, guard: Guard<'a>) -> Self {
        Self::knowing(context, guard, KnownCells::new)
    }

    /// For a few rows, of which nothing need be known again.
    pub(super) fn of_few(context: &'a Context<'a>, guard: Guard<'a>) -> Self {
        Self::knowing(context, guard, KnownCells::none)
    }

    fn knowing(context: &'a Context<'a>, guard: Guard<'a>, known: fn() -> KnownCells) -> Self {
        let (schema, positions) = (context.place.schema, context.positions);
        let layout = Layout::of(schema);
        let mut unclaimed: Vec<Option<usize>> =
            (0..context.header.len()).map(|at| guard.place_of(at)).collect();
        // A column that stands for two things is looked at once.
        let mut claim = |position: usize| unclaimed.get_mut(position).and_then(Option::take);
        let mut lanes: Vec<Lane> = Vec::new();
        for (nth, &(column, position)) in positions.cells.iter().enumerate() {
            let before = positions.cells.iter().take(nth).filter(|(of, _)| *of == column);
            // A text lies in no row of cells.
            let place = layout.columns.get(column);
            let place = place.map_or(0, |place| place.first + before.count() * place.stride);
            lanes.push(Lane::new(position, place, claim(position), known()));
        }
        let label_lane = positions
            .label
            .map(|label| Lane::new(label, 0, claim(label), known()));
        Self {
            context,
            layout,
            columns: schema.columns.iter().filter_map(CellParser::new).collect(),
            lanes,
            label: CellParser::of_label(schema),
            label_lane,
            missing: Missing::new(&schema.missing),
            sides: context.hold_out.sides(&schema.missing),
            first_moment: None,
            series: schema
                .sequence
                .as_ref()
                .zip(positions.series)
                .map(|(sequence, series)| {
                    let salt = context.hold_out.salt();
                    SeriesReader::new(context.place.file, sequence, &schema.missing, series, salt)
                }),
            open: OpenValues::of(schema),
            guard,
            unclaimed: unclaimed.into_iter().flatten().collect(),
            laid: Vec::new(),
            changed: Records::default(),
            record: StringRecord::new(),
        }
    }

    /// What was seen of all rows.
    pub(super) fn finish(mut self) -> (Guard<'a>, OpenValues) {
        let of_columns = self.context.positions.cells.iter().map(|(column, _)| *column);
        let parsers = of_columns.map(|column| self.columns.get(column).unwrap_or(&self.label));
        let lanes = self.lanes.iter_mut().zip(parsers);
        let of_label = self.label_lane.as_mut().map(|lane| (lane, &self.label));
        for (lane, parser) in lanes.chain(of_label) {
            let watched = lane.watched.and_then(|at| self.guard.watched().get_mut(at));
            lane.finish(Reading {
                parser,
                missing: &self.missing,
                watched,
            });
        }
        (self.guard, self.open)
    }

    /// Rows as they are read.
    fn parse(&mut self, rows: Batch<'_>, made: &mut Rows) -> Result<(), DataError> {
        let mark = Mark::of(made);
        if self.columns(rows, made).is_err() {
            mark.back(made);
            self.sides.clear();
            return self.row_by_row(rows, made);
        }
        Ok(())
    }

    fn columns(&mut self, rows: Batch<'_>, made: &mut Rows) -> Result<(), Unfit> {
        let count = rows.rows().len();
        let missing = &self.missing;
        for at in &self.unclaimed {
            let Some(watched) = self.guard.watched().get_mut(*at) else {
                continue;
            };
            for span in rows.column(watched.position()) {
                let cell = trimmed(rows.cell(span));
                if !missing.holds(cell) {
                    watched.see(cell, 1);
                }
            }
        }
        let (width, first) = (self.layout.numbers, made.cells.numbers.len());
        made.cells.numbers.resize(first + count * width, 0.0);
        let numbers = made.cells.numbers.get_mut(first..).unwrap_or_default();
        let (cells, first) = (self.layout.categories, made.cells.categories.len());
        made.cells.categories.resize(first + count * cells, 0);
        let categories = made.cells.categories.get_mut(first..).unwrap_or_default();
        for (lane, (column, _)) in self.lanes.iter_mut().zip(&self.context.positions.cells) {
            let mut watched = lane.watched.and_then(|at| self.guard.watched().get_mut(at));
            if let Some(text) = self.context.text {
                for span in rows.column(lane.position) {
                    let cell = trimmed(rows.cell(span));
                    let nothing = missing.holds(cell);
                    text.append(if nothing { "" } else { cell }, &mut made.tokens);
                    if let (Some(watched), false) = (&mut watched, nothing) {
                        watched.see(cell, 1);
                    }
                }
                continue;
            }
            let (parser, place) = (&self.columns[*column], &self.layout.columns[*column]);
            let reading = Reading {
                parser,
                missing,
                watched,
            };
            match (place.kind, parser.number()) {
                (PlaceKind::Category { .. }, _) => {
                    let to = categories.iter_mut().skip(lane.place).step_by(cells.max(1));
                    lane.categories(rows, reading, |category| category, to)?;
                }
                (PlaceKind::Number { .. }, Some(number)) => {
                    let to = numbers.iter_mut().skip(lane.place).step_by(width.max(1));
                    lane.numbers(rows, reading, number, to)?;
                }
                (PlaceKind::Number { .. } | PlaceKind::Date { .. }, _) => {
                    let mut kept = numbers.chunks_exact_mut(width.max(1));
                    lane.cells(rows, reading, |parsed| {
                        self.laid.clear();
                        parser.lay(parsed, &mut self.laid, &mut Vec::new());
                        let to = kept.next().and_then(|row| row.get_mut(lane.place..));
                        for (to, laid) in to.unwrap_or_default().iter_mut().zip(&self.laid) {
                            *to = *laid;
                        }
                    })?;
                }
            }
        }
        self.labels(rows, &mut made.cells.labels)?;
        self.whole_rows(rows, made)
    }

    fn labels(&mut self, rows: Batch<'_>, labels: &mut Vec<f32>) -> Result<(), Unfit> {
        let first = labels.len();
        labels.resize(first + rows.rows().len(), 0.0);
        let to = labels.iter_mut().skip(first);
        let Some(lane) = &mut self.label_lane else {
            return Ok(());
        };
        let reading = Reading {
            parser: &self.label,
            missing: &self.missing,
            watched: lane.watched.and_then(|at| self.guard.watched().get_mut(at)),
        };
        match self.label.number() {
            Some(number) => lane.numbers(rows, reading, number, to),
            None => lane.categories(rows, reading, f32::from, to),
        }
    }

    /// What rows say as wholes: their series, groups, sides, and which open values they have.
    fn whole_rows(&mut self, rows: Batch<'_>, made: &mut Rows) -> Result<(), Unfit> {
        let Context {
            place,
            positions,
            groups,
            ..
        } = *self.context;
        let drawn = self.sides.are_drawn();
        for (at, row) in rows.each() {
            if let Some(series) = &self.series {
                made.series.push(series.read(at, row).map_err(|_| Unfit)?);
                self.sides.cell(series.key(row));
            } else if drawn {
                for &(_, position) in &positions.cells {
                    match row.beginning::<SHORT>(position) {
                        Some((bytes, length)) if length <= SHORT => self.sides.first_bytes(bytes, length),
                        _ => self.sides.cell(cell_of(row, position)),
                    }
                }
            }
            if let Some((groups, position)) = groups.zip(positions.group) {
                let group = group(groups, cell_of(row, position), place.file, at);
                made.groups.push(group.map_err(|_| Unfit)?);
            }
            let own = positions.split.map(|position| cell_of(row, position));
            let side = self.sides.side(own).map_err(|_| Unfit)?;
            if let Side::At(moment) = side
                && !self.first_moment.get_or_insert(moment).is_of(moment)
            {
                return Err(Unfit);
            }
            if !self.open.is_empty() {
                for &(column, position) in &positions.cells {
                    self.open
                        .see(column, cell_of(row, position), self.missing.texts, side);
                }
            }
            made.sides.push((at, side));
        }
        Ok(())
    }

    /// The plain way.
    fn row_by_row(&mut self, rows: Batch<'_>, made: &mut Rows) -> Result<(), DataError> {
        rows.each().try_for_each(|(at, row)| self.row(at, row, made))
    }

    fn row(&mut self, at: At, row: Row<'_>, rows: &mut Rows) -> Result<(), DataError> {
        let Context {
            place,
            header,
            positions,
            hold_out,
            groups,
            ..
        } = *self.context;
        let (file, missing) = (place.file, &place.schema.missing);
        self.guard.look(row);
        if let Some(series) = &self.series {
            // All rows of a series are on one side.
            self.sides.cell(series.key(row));
            rows.series.push(series.read(at, row)?);
        }
        if let Some((groups, position)) = groups.zip(positions.group) {
            rows.groups.push(group(groups, cell_of(row, position), file, at)?);
        }
        let cells = &mut rows.cells;
        for &(column, position) in &positions.cells {
            let cell = cell_of(row, position);
            if self.series.is_none() {
                self.sides.cell(cell);
            }
            if let Some(text) = self.context.text {
                let nothing = missing.iter().any(|missing| missing == cell);
                text.append(if nothing { "" } else { cell }, &mut rows.tokens);
                continue;
            }
            let parsed = self.columns[column].parse(cell, missing);
            let name = || header.get(position).unwrap_or_default();
            let parsed = parsed.map_err(|wrong| wrong.at(file, at, name()))?;
            self.columns[column].lay(parsed, &mut cells.numbers, &mut cells.categories);
        }
        cells.labels.push(match positions.label {
            Some(label) => {
                let parsed = self.label.parse(cell_of(row, label), missing);
                of_label(parsed.map_err(|wrong| wrong.at(file, at, self.label.name()))?)
            }
            None => 0.0,
        });
        let own = positions.split.map(|position| cell_of(row, position));
        let no_side = |expected: &str| place.no_side(at, hold_out, quoted(own.unwrap_or_default()), expected);
        let side = self.sides.side(own).map_err(no_side)?;
        if let Side::At(moment) = side
            && !self.first_moment.get_or_insert(moment).is_of(moment)
        {
            return Err(no_side(OTHER_KIND));
        }
        if !self.open.is_empty() {
            for &(column, position) in &positions.cells {
                self.open.see(column, cell_of(row, position), missing, side);
            }
        }
        rows.sides.push((at, side));
        Ok(())
    }
}

fn of_label(parsed: Parsed) -> f32 {
    match parsed {
        Parsed::Number(number) => number,
        Parsed::Category(class) => f32::from(class),
        // No label is a date.
        Parsed::Date(_) => f32::NAN,
    }
}

fn cell_of(row: Row<'_>, position: usize) -> &str {
    trimmed(row.get(position).unwrap_or_default())
}

#[cfg(test)]
mod tests;
