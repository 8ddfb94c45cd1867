//! The cells of one column of many rows at a time: what [`CellParser`] reads of them one by one, and what the guard sees of them.

use super::cell::{CellParser, Number, Parsed, trimmed};
use super::decimal::Plain;
use super::known::{Known, KnownCells};
use super::source::{Batch, Short};
use crate::desensitise::Watched;

/// A cell is not as it should be. Which one, and how, is told by reading row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

/// Reads the cells that stand at one place of each row.
pub(super) struct Lane {
    /// Where they stand.
    pub(super) position: usize,
    /// The first of a row's numbers or categories that is theirs.
    pub(super) place: usize,
    /// Which of the columns that the guard looks at, if it is for this lane to show it its cells.
    pub(super) watched: Option<usize>,
    known: KnownCells,
    /// Of numbers at work: the digits as a whole number, and the power of ten that it is divided by.
    dividends: Vec<f64>,
    divisors: Vec<f64>,
    /// Numbers that are written in another way, by their row.
    others: Vec<(usize, f32)>,
}

/// What stands for no value.
pub(super) struct Missing<'a> {
    pub(super) texts: &'a [String],
    /// Those of them that are numbers like others that are values.
    numbers: Vec<Short>,
}

/// How a lane reads cells, and who looks at them.
pub(super) struct Reading<'a, 'c> {
    pub(super) parser: &'a CellParser<'c>,
    pub(super) missing: &'a Missing<'c>,
    pub(super) watched: Option<&'a mut Watched>,
}

impl<'a> Missing<'a> {
    pub(super) fn new(texts: &'a [String]) -> Self {
        let shorts = texts.iter().filter_map(|text| Short::new(text.as_bytes()));
        Self {
            texts,
            numbers: shorts.filter(|short| Plain::read(*short).is_some()).collect(),
        }
    }

    pub(super) fn holds(&self, cell: &str) -> bool {
        self.texts.iter().any(|missing| missing == cell)
    }
}

impl Reading<'_, '_> {
    /// Any cell, as it stands.
    fn cell(&mut self, cell: &str) -> Result<Parsed, Unfit> {
        let cell = trimmed(cell);
        if let Some(watched) = &mut self.watched
            && !self.missing.holds(cell)
        {
            watched.see(cell, 1);
        }
        self.parser.parse(cell, self.missing.texts).map_err(|_| Unfit)
    }

    /// A cell that is a plain number and stands for one.
    #[inline(always)]
    fn plain(&mut self, cell: Option<Short>) -> Option<Plain> {
        let cell = cell.filter(|cell| !self.missing.numbers.contains(cell))?;
        let plain = Plain::read(cell)?;
        if let Some(watched) = &mut self.watched {
            watched.see_plain(cell, plain);
        }
        Some(plain)
    }

    /// Any cell of a column of numbers.
    #[cold]
    fn number(&mut self, cell: &str) -> Result<f32, Unfit> {
        match self.cell(cell)? {
            Parsed::Number(number) => Ok(number),
            Parsed::Category(_) | Parsed::Date(_) => Err(Unfit),
        }
    }

    /// Cells that were met again.
    fn again(&mut self, known: impl IntoIterator<Item = Known>) {
        let Some(watched) = &mut self.watched else {
            return;
        };
        for known in known.into_iter().filter(|known| known.times > 0) {
            let Some(cell) = known.cell() else {
                continue;
            };
            cell.with_text(|cell| {
                let cell = trimmed(cell);
                if !self.missing.holds(cell) {
                    watched.see(cell, known.times.into());
                }
            });
        }
    }
}

impl Lane {
    pub(super) fn new(position: usize, place: usize, watched: Option<usize>, known: KnownCells) -> Self {
        Self {
            position,
            place,
            watched,
            known,
            dividends: Vec::new(),
            divisors: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Each cell of a column of numbers as it lies on the column's scale, NaN where it is missing.
    ///
    /// # Errors
    /// If one does not fit.
    pub(super) fn numbers<'t>(
        &mut self,
        rows: Batch<'_>,
        mut reading: Reading<'_, '_>,
        number: &Number<'_>,
        to: impl Iterator<Item = &'t mut f32>,
    ) -> Result<(), Unfit> {
        if !self.known.pays() {
            return self.new_numbers(rows, reading, number, to);
        }
        let mut unknown = 0;
        for (span, to) in rows.column(self.position).zip(to) {
            let short = rows.short(span);
            if let Some(bits) = short.and_then(|short| self.known.meet(short)) {
                *to = f32::from_bits(bits);
                continue;
            }
            unknown += 1;
            *to = match reading.plain(short) {
                Some(plain) => number.unit(plain.number()).ok_or(Unfit)?,
                None => reading.number(rows.cell(span))?,
            };
            if let Some(short) = short {
                self.known.learn(short, to.to_bits());
            }
        }
        reading.again(self.known.judge(rows.rows().len(), unknown));
        Ok(())
    }

    /// The same where few cells were seen before: digits first, then the arithmetic of all.
    fn new_numbers<'t>(
        &mut self,
        rows: Batch<'_>,
        mut reading: Reading<'_, '_>,
        number: &Number<'_>,
        to: impl Iterator<Item = &'t mut f32>,
    ) -> Result<(), Unfit> {
        let Self {
            dividends,
            divisors,
            others,
            ..
        } = self;
        dividends.clear();
        divisors.clear();
        others.clear();
        for (place, span) in rows.column(self.position).enumerate() {
            let parts = match reading.plain(rows.short(span)) {
                Some(plain) => plain.parts(),
                None => {
                    others.push((place, reading.number(rows.cell(span))?));
                    (f64::NAN, 1.0)
                }
            };
            dividends.push(parts.0);
            divisors.push(parts.1);
        }
        for (number, divisor) in dividends.iter_mut().zip(&*divisors) {
            *number /= *divisor;
        }
        if !number.units(dividends) {
            return Err(Unfit);
        }
        let mut others = others.iter().peekable();
        for ((place, unit), to) in dividends.iter().enumerate().zip(to) {
            let other = others.next_if(|(of, _)| *of == place);
            *to = other.map_or(*unit as f32, |(_, number)| *number);
        }
        Ok(())
    }

    /// What `of` makes of the category of each cell of a column of categories.
    ///
    /// # Errors
    /// If a cell does not fit.
    pub(super) fn categories<'t, T: 't>(
        &mut self,
        rows: Batch<'_>,
        mut reading: Reading<'_, '_>,
        of: impl Fn(u16) -> T,
        to: impl Iterator<Item = &'t mut T>,
    ) -> Result<(), Unfit> {
        let mut unknown = 0;
        for (span, to) in rows.column(self.position).zip(to) {
            let short = rows.short(span);
            *to = of(match short.and_then(|short| self.known.meet(short)) {
                // It was of 16 bits.
                Some(category) => category as u16,
                None => {
                    unknown += 1;
                    let Parsed::Category(category) = reading.cell(rows.cell(span))? else {
                        return Err(Unfit);
                    };
                    if let Some(short) = short {
                        self.known.learn(short, category.into());
                    }
                    category
                }
            });
        }
        reading.again(self.known.judge(rows.rows().len(), unknown));
        Ok(())
    }

    /// Each cell of a column of any kind.
    ///
    /// # Errors
    /// If one does not fit.
    pub(super) fn cells(
        &self,
        rows: Batch<'_>,
        mut reading: Reading<'_, '_>,
        mut each: impl FnMut(Parsed),
    ) -> Result<(), Unfit> {
        for span in rows.column(self.position) {
            each(reading.cell(rows.cell(span))?);
        }
        Ok(())
    }

    /// Shows the guard what it was not shown yet.
    pub(super) fn finish(&mut self, mut reading: Reading<'_, '_>) {
        reading.again(self.known.forget());
    }
}
