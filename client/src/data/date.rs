//! From the text of a date to the numbers that a row keeps of it.

use std::f64::consts::TAU;

use veilsum_protocol::task::{DateColumn, Outside, WhenMissing};

use super::cell::{Parsed, Wrong, nothing, quoted};
use super::moment;

/// Reads the cells of a column of dates.
pub(super) struct Dates<'a>(pub(super) &'a DateColumn);

impl Dates<'_> {
    pub(super) fn missing(&self, text: &str) -> Result<Parsed, Wrong> {
        match self.0.when_missing {
            WhenMissing::Mean => Ok(Parsed::Date(None)),
            WhenMissing::Refuse => Err(Wrong {
                found: nothing(text),
                expected: self.range(),
                advice: "fill the cell, or agree on when_missing = \"mean\" for the column",
            }),
        }
    }

    pub(super) fn parse(&self, text: &str) -> Result<Parsed, Wrong> {
        let wrong = |advice| Wrong {
            found: quoted(text),
            expected: self.range(),
            advice,
        };
        let at = moment::date(text).ok_or_else(|| {
            wrong(
                "write it as 2024-01-31 or 2024-01-31T12:30:00, with Z or +01:00 behind it if it is of a zone; days that are counted are \
                 a number",
            )
        })?;
        if self.0.outside == Outside::Refuse && self.clipped(at) != at {
            return Err(wrong(
                "correct it, or agree on a wider range or on outside = \"clip\" for the column",
            ));
        }
        Ok(Parsed::Date(Some(at)))
    }

    /// Appends the place of a moment, in microseconds since 1970, in the agreed range, on `[0, 1]`; sine and cosine of its place in each cycle; and a
    /// gap for the time since the row before, which other rows tell. A missing one is NaN and in no cycle.
    pub(super) fn lay(&self, at: Option<i64>, numbers: &mut Vec<f32>) {
        let (min, max) = self.ends();
        numbers.push(at.map_or(f32::NAN, |at| {
            ((self.clipped(at) - min) as f64 / (max - min) as f64) as f32
        }));
        for cycle in &self.0.cycles {
            let (sine, cosine) = at.map_or((0.0, 0.0), |at| {
                let (place, length) = cycle.place(at.div_euclid(SECOND));
                (TAU * place as f64 / length as f64).sin_cos()
            });
            numbers.extend([sine as f32, cosine as f32]);
        }
        if self.0.since_previous {
            numbers.push(f32::NAN);
        }
    }

    fn clipped(&self, at: i64) -> i64 {
        let (min, max) = self.ends();
        at.clamp(min, max)
    }

    /// In microseconds; the years 0 to 9999 have room.
    fn ends(&self) -> (i64, i64) {
        (self.0.min * SECOND, self.0.max * SECOND)
    }

    fn range(&self) -> String {
        let (min, max) = self.0.range();
        format!("a date from {min} to {max}")
    }
}

/// In microseconds.
pub(super) const SECOND: i64 = 1_000_000;
