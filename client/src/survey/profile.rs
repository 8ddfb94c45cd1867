//! The profile as figures and as lines for a terminal.

use serde::Serialize;

use super::Survey;
use super::column::{ColumnSurvey, Nature};
use super::histogram::Histogram;
use crate::data::quoted;

/// Values of a column that are shown.
const SHOWN: usize = 8;

/// A table, column by column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Profile {
    pub(crate) file: String,
    pub(crate) rows: u64,
    /// Whether the file has no more rows than those.
    pub(crate) is_whole: bool,
    pub(crate) columns: Vec<Column>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// What nearly all of its values are: nothing, integer, number, date or text.
    pub(crate) kind: &'static str,
    /// Rows with a value.
    pub(crate) count: u64,
    /// Rows with an empty cell, or one of `markers`.
    pub(crate) missing: u64,
    pub(crate) empty: u64,
    /// Texts that stand for "no value" elsewhere and were met here.
    pub(crate) markers: Vec<&'static str>,
    /// Texts among numbers or dates: how many, and the first few.
    pub(crate) strays: u64,
    pub(crate) stray_examples: Vec<String>,
    /// Different values; an estimate with a standard error of 1.6 % where they are too many to be counted.
    pub(crate) distinct: u64,
    pub(crate) distinct_is_exact: bool,
    pub(crate) numbers: Option<Numbers>,
    /// Of texts, how many words they have.
    pub(crate) words: Option<Words>,
    /// First and last date.
    pub(crate) dates: Option<[String; 2]>,
    /// The most frequent values, where they could be counted.
    pub(crate) top: Vec<Value>,
}

/// What a column of numbers has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Numbers {
    pub(crate) min: f64,
    /// At 5, 25, 50, 75 and 95 %; to within 0.5 % where the values are too many to be counted.
    pub(crate) quantiles: [f64; 5],
    pub(crate) max: f64,
    pub(crate) mean: f64,
    pub(crate) standard_deviation: f64,
    pub(crate) histogram: Histogram,
}

/// How many words the texts of a column have: at 5, 50 and 95 %, and at most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Words {
    pub(crate) quantiles: [f64; 3],
    pub(crate) max: f64,
}

/// A value and the rows that have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Value {
    pub(crate) value: String,
    pub(crate) count: u64,
}

impl Profile {
    pub(crate) fn of(survey: &Survey) -> Self {
        Self {
            file: survey.file.display().to_string(),
            rows: survey.rows,
            is_whole: survey.is_whole,
            columns: survey.columns.iter().map(Column::of).collect(),
        }
    }

    /// Some lines for each column.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!(
            "{}: {} rows, {} columns",
            self.file,
            self.rows,
            self.columns.len()
        )];
        for column in &self.columns {
            lines.push(String::new());
            column.lines(&mut lines);
        }
        lines.join("\n")
    }
}

impl Column {
    fn of(survey: &ColumnSurvey) -> Self {
        let (distinct, distinct_is_exact) = survey.distinct.count();
        let numbers = survey.numbers().map(|numbers| Numbers {
            min: numbers.least,
            quantiles: [0.05, 0.25, 0.5, 0.75, 0.95].map(|q| numbers.quantile(q)),
            max: numbers.most,
            mean: numbers.mean,
            standard_deviation: numbers.deviation,
            histogram: numbers.histogram(),
        });
        let top = survey
            .distinct
            .values()
            .unwrap_or_default()
            .into_iter()
            .take(SHOWN);
        let strays = survey.strays();
        let end = |end: &Option<(_, String)>| end.as_ref().map(|(_, text)| text.clone());
        let nature = survey.nature();
        let dates = end(&survey.earliest)
            .zip(end(&survey.latest))
            .map(|(first, last)| [first, last]);
        Self {
            name: survey.name.clone(),
            kind: match nature {
                Nature::Nothing => "nothing",
                Nature::Number { whole: true } => "integer",
                Nature::Number { whole: false } => "number",
                Nature::Date => "date",
                Nature::Text => "text",
            },
            count: survey.present(),
            missing: survey.missing(),
            empty: survey.empty,
            markers: survey.markers(),
            strays,
            stray_examples: if strays > 0 {
                survey.odd.clone()
            } else {
                Vec::new()
            },
            distinct,
            distinct_is_exact,
            numbers,
            words: survey.words().map(|[low, middle, high, max]| Words {
                quantiles: [low, middle, high],
                max,
            }),
            dates: dates.filter(|_| nature == Nature::Date),
            top: top
                .map(|(value, count)| Value {
                    value: value.to_owned(),
                    count,
                })
                .collect(),
        }
    }

    /// How many different values, in words.
    pub(crate) fn distinct_words(&self) -> String {
        if self.distinct_is_exact {
            format!("{} different", self.distinct)
        } else {
            format!("about {} different", self.distinct)
        }
    }

    /// How many rows have no value, in words.
    pub(crate) fn missing_words(&self) -> String {
        if self.missing == 0 {
            return "none missing".to_owned();
        }
        let share = 100.0 * self.missing as f64 / (self.missing + self.count) as f64;
        let mut words = format!("{} missing ({share:.1} %)", self.missing);
        if !self.markers.is_empty() {
            words.push_str(&format!(", also as {}", self.markers.join(", ")));
        }
        words
    }

    /// Whether single values tell more than a histogram.
    pub(crate) fn is_of_values(&self) -> bool {
        self.numbers.is_none() || (self.distinct_is_exact && self.distinct <= SHOWN as u64)
    }

    fn lines(&self, lines: &mut Vec<String>) {
        lines.push(format!(
            "{}  {}, {} values, {}, {}",
            shown(&self.name),
            self.kind,
            self.count,
            self.distinct_words(),
            self.missing_words()
        ));
        if let Some(numbers) = &self.numbers {
            let [q05, q25, median, q75, q95] = numbers.quantiles.map(figure);
            lines.push(format!(
                "  min {}  5% {q05}  25% {q25}  median {median}  75% {q75}  95% {q95}  max {}",
                figure(numbers.min),
                figure(numbers.max)
            ));
            lines.push(format!(
                "  mean {}  standard deviation {}",
                figure(numbers.mean),
                figure(numbers.standard_deviation)
            ));
            let histogram = &numbers.histogram;
            if !self.is_of_values() {
                lines.push(format!(
                    "  {} |{}| {}{}",
                    figure(histogram.from),
                    histogram.blocks(),
                    figure(histogram.to),
                    if histogram.log { "  (logarithmic)" } else { "" }
                ));
            }
        }
        if let Some(words) = self.words.as_ref().filter(|words| words.max > 1.0) {
            let [low, middle, high] = words.quantiles;
            lines.push(format!(
                "  words 5% {low}  median {middle}  95% {high}  max {}",
                words.max
            ));
        }
        if let Some([first, last]) = &self.dates {
            lines.push(format!("  from {first} to {last}"));
        }
        if self.strays > 0 {
            let examples: Vec<_> = self.stray_examples.iter().map(|text| quoted(text)).collect();
            lines.push(format!(
                "  {} cells are no {}: {}",
                self.strays,
                self.kind,
                examples.join(", ")
            ));
        }
        let values = self
            .top
            .iter()
            .filter(|_| self.is_of_values() && self.dates.is_none());
        let values = values.filter(|value| value.count > 1);
        let width = self
            .top
            .iter()
            .map(|value| shown(&value.value).chars().count())
            .max()
            .unwrap_or(0);
        for value in values {
            let share = value.count as f64 / self.count.max(1) as f64;
            let bar = "█".repeat((share * 30.0).round() as usize);
            lines.push(format!(
                "  {:width$}  {bar}{}{} ({:.1} %)",
                shown(&value.value),
                if bar.is_empty() { "" } else { " " },
                value.count,
                100.0 * share
            ));
        }
    }
}

/// A text as it may be shown in a terminal or on a page: its beginning, with control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    let quoted = quoted(text);
    let inner = quoted.strip_prefix('"').unwrap_or(&quoted);
    match inner.strip_suffix("\"...") {
        Some(start) => format!("{start}..."),
        None => inner.strip_suffix('"').unwrap_or(inner).to_owned(),
    }
}

/// A number in as many digits as a reader needs.
pub(crate) fn figure(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e12).contains(&size) {
        return format!("{x:.3e}");
    }
    // Four digits and no more, but every digit before the point.
    let digits = (3 - size.log10().floor() as i32).clamp(0, 8);
    let text = format!("{x:.*}", usize::try_from(digits).unwrap_or(0));
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}
