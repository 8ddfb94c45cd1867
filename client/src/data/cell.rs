//! From a cell's text to a number or a category, by the schema; says exactly what is wrong with it.

use std::collections::HashMap;
use std::path::Path;

use veilsum_protocol::task::{
    CategoryColumn, Column, ColumnKind, LabelKind, NumberColumn, Outside, Scale, Schema, WhenMissing,
};

use super::DataError;
use super::date::Dates;
use super::decimal;
use super::error::At;
use crate::desensitise::{self, Kinds};

/// Values up to here are found faster one by one than by their hash.
const FEW_VALUES: usize = 8;

/// Reads the cells of one column.
pub(super) struct CellParser<'a> {
    name: &'a str,
    kind: Kind<'a>,
    is_label: bool,
}

enum Kind<'a> {
    /// 0 or 1.
    Binary,
    Number(Number<'a>),
    Category(Category<'a>),
    Date(Dates<'a>),
}

/// A column of numbers.
pub(super) struct Number<'a> {
    kind: &'a NumberColumn,
    /// The ends of the range on the column's scale.
    low: f64,
    high: f64,
}

struct Category<'a> {
    kind: &'a CategoryColumn,
    /// Where each value stands in the list, if there are many.
    places: HashMap<&'a str, usize>,
}

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Parsed {
    /// On `[0, 1]`, NaN where it is missing and may be.
    Number(f32),
    /// Index of the value in the agreed list, or the length of the list for the bucket.
    Category(u16),
    /// Microseconds since 1970, none where it is missing and may be.
    Date(Option<i64>),
}

/// What is wrong with a cell.
pub(super) struct Wrong {
    pub(super) found: String,
    pub(super) expected: String,
    pub(super) advice: &'static str,
}

impl Wrong {
    pub(super) fn at(self, file: &Path, at: At, column: &str) -> DataError {
        DataError::Cell {
            file: file.to_owned(),
            at,
            column: column.into(),
            found: self.found,
            expected: self.expected,
            advice: self.advice,
        }
    }
}

impl<'a> CellParser<'a> {
    /// `None` for a text or an image, which is not one number.
    pub(super) fn new(column: &'a Column) -> Option<Self> {
        Some(Self {
            name: &column.name,
            kind: match &column.kind {
                ColumnKind::Number(kind) => Kind::number(kind),
                ColumnKind::Category(kind) => Kind::category(kind),
                ColumnKind::Text(_) | ColumnKind::Image(_) => return None,
                ColumnKind::Date(kind) => Kind::Date(Dates(kind)),
            },
            is_label: false,
        })
    }

    /// For the labels. What is missing is no label.
    pub(super) fn of_label(schema: &'a Schema) -> Self {
        Self {
            name: &schema.label,
            kind: match &schema.label_kind {
                LabelKind::Binary => Kind::Binary,
                LabelKind::Classes(kind) => Kind::category(kind),
                LabelKind::Number(kind) => Kind::number(kind),
            },
            is_label: true,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// What finite numbers mean, if it is a column of numbers.
    pub(super) fn number(&self) -> Option<&Number<'a>> {
        match &self.kind {
            Kind::Number(number) => Some(number),
            Kind::Binary | Kind::Category(_) | Kind::Date(_) => None,
        }
    }

    /// Reads a trimmed cell. `missing` are the texts that stand for no value.
    pub(super) fn parse(&self, text: &str, missing: &[String]) -> Result<Parsed, Wrong> {
        let is_missing = || missing.iter().any(|missing| missing == text);
        match &self.kind {
            Kind::Binary => binary(text),
            _ if self.is_label && is_missing() => Err(Wrong {
                found: nothing(text),
                expected: "a label".to_owned(),
                advice: "leave out rows without a label",
            }),
            Kind::Number(number) if is_missing() => number.missing(text),
            Kind::Number(number) => number.parse(text),
            Kind::Category(category) => category.parse(text, is_missing),
            Kind::Date(dates) if is_missing() => dates.missing(text),
            Kind::Date(dates) => dates.parse(text),
        }
    }

    /// Puts what a cell of a column says behind what is kept of the row's cells before it.
    pub(super) fn lay(&self, parsed: Parsed, numbers: &mut Vec<f32>, categories: &mut Vec<u16>) {
        match (parsed, &self.kind) {
            (Parsed::Number(number), _) => numbers.push(number),
            (Parsed::Category(category), _) => categories.push(category),
            (Parsed::Date(at), Kind::Date(dates)) => dates.lay(at, numbers),
            // Only a column of dates reads one.
            (Parsed::Date(_), _) => {}
        }
    }
}

impl<'a> Kind<'a> {
    fn number(kind: &'a NumberColumn) -> Self {
        Self::Number(Number {
            kind,
            low: kind.scale.apply(kind.min),
            high: kind.scale.apply(kind.max),
        })
    }

    fn category(kind: &'a CategoryColumn) -> Self {
        let places = kind.values.iter().map(String::as_str).zip(0..);
        Self::Category(Category {
            kind,
            places: if kind.values.len() > FEW_VALUES {
                places.collect()
            } else {
                HashMap::new()
            },
        })
    }
}

fn binary(text: &str) -> Result<Parsed, Wrong> {
    match text {
        "0" | "0.0" => Ok(Parsed::Category(0)),
        "1" | "1.0" => Ok(Parsed::Category(1)),
        other => Err(Wrong {
            found: quoted(other),
            expected: "the label, 0 or 1".to_owned(),
            advice: "write 1 where the event happened and 0 where it did not, and leave out rows without a label",
        }),
    }
}

impl Number<'_> {
    fn missing(&self, text: &str) -> Result<Parsed, Wrong> {
        match self.kind.when_missing {
            WhenMissing::Mean => Ok(Parsed::Number(f32::NAN)),
            WhenMissing::Refuse => Err(Wrong {
                found: nothing(text),
                expected: self.range(),
                advice: "fill the cell, or agree on when_missing = \"mean\" for the column",
            }),
        }
    }

    fn parse(&self, text: &str) -> Result<Parsed, Wrong> {
        let kind = self.kind;
        let wrong = |advice| {
            Err(Wrong {
                found: quoted(text),
                expected: self.range(),
                advice,
            })
        };
        let Some(x) = decimal::parse(text) else {
            return wrong(
                "write it with digits and a decimal point only; list what stands for no value under missing",
            );
        };
        if let Some(unit) = self.unit(x) {
            return Ok(Parsed::Number(unit));
        }
        wrong(if !x.is_finite() {
            "leave the cell empty if there is no value"
        } else if kind.integer && !is_whole(x) {
            "round it, or agree on type = \"number\" for the column"
        } else {
            "correct it, or agree on a wider range or on outside = \"clip\" for the column"
        })
    }

    /// Puts in place of each number where it lies on the column's scale; NaN stays. False if a number is not as the column wants it.
    pub(super) fn units(&self, numbers: &mut [f64]) -> bool {
        let (kind, low, width) = (self.kind, self.low, self.high - self.low);
        if kind.integer || kind.scale != Scale::Linear {
            return numbers.iter_mut().filter(|x| !x.is_nan()).all(|x| {
                let unit = self.unit(*x);
                *x = unit.unwrap_or_default().into();
                unit.is_some()
            });
        }
        // As `unit` does it, many at once.
        let mut inside = true;
        for x in &mut *numbers {
            let clipped = x.clamp(kind.min, kind.max);
            inside &= clipped == *x || x.is_nan();
            *x = ((clipped - low) / width).clamp(0.0, 1.0);
        }
        inside || kind.outside != Outside::Refuse
    }

    /// Where a number lies on the column's scale, if the column takes it.
    #[inline]
    pub(super) fn unit(&self, x: f64) -> Option<f32> {
        let kind = self.kind;
        let inside = x.clamp(kind.min, kind.max);
        let refused = inside != x && (kind.outside == Outside::Refuse || !x.is_finite());
        if refused || (kind.integer && !is_whole(x)) {
            return None;
        }
        // `Scale::unit`, with the ends of the range scaled once for all rows.
        let unit = (kind.scale.apply(inside) - self.low) / (self.high - self.low);
        Some(unit.clamp(0.0, 1.0) as f32)
    }

    fn range(&self) -> String {
        let kind = self.kind;
        let what = if kind.integer {
            "a whole number"
        } else {
            "a number"
        };
        format!("{what} from {} to {}", kind.min, kind.max)
    }
}

impl Category<'_> {
    fn parse(&self, text: &str, is_missing: impl FnOnce() -> bool) -> Result<Parsed, Wrong> {
        let values = &self.kind.values;
        let place = if self.places.is_empty() {
            values.iter().position(|value| value == text)
        } else {
            self.places.get(text).copied()
        };
        match place {
            Some(index) => Ok(Parsed::Category(to_u16(index))),
            None if self.kind.other_bucket => Ok(Parsed::Category(to_u16(self.kind.bucket()))),
            None => Err(Wrong {
                found: if is_missing() { nothing(text) } else { quoted(text) },
                expected: format!("one of {}", values.join(", ")),
                advice: "correct it, or agree on one more value or on other = \"bucket\" for the column",
            }),
        }
    }
}

/// As `x.fract() == 0.0`, which is a call into the C library on processors that know no rounding by instruction.
fn is_whole(x: f64) -> bool {
    const ALL_WHOLE: f64 = 9_007_199_254_740_992.0;
    x.abs() >= ALL_WHOLE || (x as i64) as f64 == x
}

pub(super) fn nothing(text: &str) -> String {
    if text.is_empty() {
        "an empty cell".to_owned()
    } else {
        format!("{}, no value", quoted(text))
    }
}

fn to_u16(index: usize) -> u16 {
    u16::try_from(index).expect("a schema has at most 1000 values in a category")
}

/// A cell without blanks at either end; most have none, which two bytes tell.
pub(crate) fn trimmed(cell: &str) -> &str {
    match cell.as_bytes() {
        [one] if one.is_ascii_graphic() => cell,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => cell,
        _ => cell.trim(),
    }
}

/// A cell as it may be shown in a terminal: its beginning, with control characters escaped and identifiers masked.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    let masked = desensitise::masked(text, Kinds::all());
    let text = masked.as_deref().unwrap_or(text);
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("{start:?}{more}")
}
