use veilsum_protocol::task::{Column, ColumnEncoding, ColumnKind, DateColumn, Schema, WhenMissing};

/// Where the cells of the schema's columns lie in a row as the bank keeps it: numbers and categories apart, each in the
/// schema's order, and within a column those of its steps one after another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) columns: Vec<Place>,
    /// Numbers of a row.
    pub(super) numbers: usize,
    /// Categories of a row.
    pub(super) categories: usize,
    /// The number that tells how long before a row the one before it was.
    pub(super) since: Option<SincePlace>,
}

/// A column in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Its first number or category.
    pub(super) first: usize,
    /// Cells of the table that it is read from: one, or one for each step.
    pub(super) cells: usize,
    /// From a cell's first number or category to that of the next.
    pub(super) stride: usize,
    pub(super) kind: PlaceKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PlaceKind {
    Number {
        /// Which of the moments are its.
        moments_at: usize,
        /// Whether an input says that it is missing.
        flagged: bool,
    },
    /// Behind the number of a date stand sine and cosine of each cycle, then the time since the row before, whose moments follow the
    /// date's.
    Date {
        moments_at: usize,
        flagged: bool,
        cycles: usize,
        since: bool,
    },
    Category {
        /// Its one-hot inputs, unless its encoding is another.
        places: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SincePlace {
    /// Among the row's numbers.
    pub(super) at: usize,
    /// What `ln(1 + seconds)` is a share of.
    pub(super) most: f64,
}

impl Layout {
    pub(super) fn of(schema: &Schema) -> Self {
        let mut layout = Self {
            columns: Vec::with_capacity(schema.columns.len()),
            numbers: 0,
            categories: 0,
            since: None,
        };
        let mut moments_at = 0;
        for column in &schema.columns {
            layout.push(column, &mut moments_at);
        }
        layout
    }

    fn push(&mut self, column: &Column, moments_at: &mut usize) {
        let cells = column.cells().len();
        let mut take_moments = |count| {
            *moments_at += count;
            *moments_at - count
        };
        let (stride, kind) = match &column.kind {
            ColumnKind::Number(number) => {
                // Missing cells have a weight of evidence of their own.
                let weighed = matches!(column.encoding, ColumnEncoding::BinEvidence { .. });
                let kind = PlaceKind::Number {
                    moments_at: take_moments(1),
                    flagged: number.when_missing == WhenMissing::Mean && !weighed,
                };
                (1, kind)
            }
            ColumnKind::Date(date) => {
                let since = usize::from(date.since_previous);
                let kind = PlaceKind::Date {
                    moments_at: take_moments(1 + since),
                    flagged: date.when_missing == WhenMissing::Mean,
                    cycles: date.cycles.len(),
                    since: date.since_previous,
                };
                (1 + 2 * date.cycles.len() + since, kind)
            }
            // The row as a whole, of which it has no cells.
            ColumnKind::Text(_) | ColumnKind::Image(_) => return,
            ColumnKind::Category(category) => {
                let places = category.places();
                (1, PlaceKind::Category { places })
            }
        };
        let behind = match kind {
            PlaceKind::Category { .. } => &mut self.categories,
            PlaceKind::Number { .. } | PlaceKind::Date { .. } => &mut self.numbers,
        };
        let first = *behind;
        *behind += cells * stride;
        if let ColumnKind::Date(date) = &column.kind
            && date.since_previous
        {
            self.since = Some(SincePlace {
                at: first + stride - 1,
                most: longest(date),
            });
        }
        self.columns.push(Place {
            first,
            cells,
            stride,
            kind,
        });
    }
}

/// `ln(1 + seconds)` of the whole agreed range.
fn longest(date: &DateColumn) -> f64 {
    ((date.max - date.min) as f64).ln_1p()
}

impl Place {
    /// Which numbers of its cells are standardised: where they stand behind the first of a cell, and by which moments.
    pub(super) fn standardised(&self) -> impl Iterator<Item = (usize, usize)> {
        let (first, second) = match self.kind {
            PlaceKind::Category { .. } => (None, None),
            PlaceKind::Number { moments_at, .. } => (Some((0, moments_at)), None),
            PlaceKind::Date {
                moments_at, since, ..
            } => (
                Some((0, moments_at)),
                since.then_some((self.stride - 1, moments_at + 1)),
            ),
        };
        first.into_iter().chain(second)
    }
}
