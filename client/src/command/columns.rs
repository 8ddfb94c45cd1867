//! `columns`: what the consortium knows of a task's columns, from the sums that this bank derived itself.

use std::path::Path;

use serde::Serialize;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::{ColumnFigures, ColumnSpread, Preparation};
use veilsum_protocol::task::Schema;

use crate::app::{self, AppError};
use crate::cli::Failure;
use crate::participant::{Home, Status};
use crate::survey::{blocks, figure, shown};

/// Bars of a histogram in a terminal, at most.
const BARS: usize = 32;
/// Values of a category that are listed in a terminal.
const VALUES: usize = 4;

/// The columns of a task, over the training rows of all banks in the sum.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    task: String,
    rows: u64,
    /// Those with label 1; none unless the label is 0 or 1.
    positives: Option<u64>,
    columns: Vec<Column>,
}

#[derive(Debug, Serialize)]
struct Column {
    name: String,
    cells: u64,
    /// Share without a value; none for a category.
    missing: Option<f64>,
    information_value: Option<f64>,
    /// Of each quantile bin and of missing cells, or of each value.
    weights_of_evidence: Option<Vec<f64>>,
    numbers: Option<Numbers>,
    /// Cells by value.
    values: Option<Vec<(String, u64)>>,
}

#[derive(Debug, Serialize)]
struct Numbers {
    from: f64,
    to: f64,
    /// Whether the bins are equally wide on a logarithmic scale.
    log: bool,
    /// A quarter, half and three quarters of the values lie below; off by less than a bin.
    quartiles: Option<[f64; 3]>,
    histogram: Vec<u64>,
}

/// Reads the bank's newest state of a task.
pub(crate) fn columns(dir: &Path, wanted: &str) -> Result<Report, Failure> {
    let config = app::config(dir)?;
    let task = Home::tasks(&config.state)
        .map_err(AppError::from)?
        .find(wanted)
        .map_err(Failure::usage)?;
    if task.preparation.is_none() {
        return Err(Failure::usage(format!(
            "task {} has no table [preparation]: found no histograms of its columns, expected a task that asks for them",
            task.name
        )));
    }
    let not_yet = || {
        Failure::try_again(format!(
            "the statistics round of task {} has no result at this bank yet; `veilsum-client status` tells how far it is",
            task.name
        ))
    };
    let status = Status::read(&Home::status(&config.state)).map_err(AppError::from)?;
    let tasks = status.map(|status| status.tasks).unwrap_or_default();
    let hash = task.hash();
    let known = tasks
        .iter()
        .find(|known| known.task == hash.to_hex())
        .ok_or_else(not_yet)?;
    let state = Digest::from_hex(&known.state).ok_or_else(not_yet)?;
    let states = Home::states(&config.state).map_err(AppError::from)?;
    let state = states
        .load(&hash, known.step, &state)
        .map_err(|error| Failure::try_again(format!("{error}; if the daemon has just gone on, try again")))?;
    let schema = task.schema.with_found(state.vocabularies.as_ref());
    state
        .preparation
        .map(|preparation| Report::of(&task.name, &schema, &preparation))
        .ok_or_else(not_yet)
}

impl Report {
    fn of(task: &str, schema: &Schema, preparation: &Preparation) -> Self {
        let figures = preparation.figures(schema);
        Self {
            task: task.to_owned(),
            rows: preparation.rows.iter().sum(),
            positives: preparation.rows.get(1).copied(),
            columns: figures.into_iter().map(Column::of).collect(),
        }
    }

    /// A line for each column.
    pub(crate) fn text(&self) -> String {
        let positives = self.positives.map_or(String::new(), |positives| {
            format!(", {positives} of them with label 1")
        });
        let mut lines = vec![
            format!(
                "{}: {} training rows of the banks in the sum{positives}",
                self.task, self.rows
            ),
            String::new(),
        ];
        let width = self
            .columns
            .iter()
            .map(|column| shown(&column.name).chars().count());
        let width = width.max().unwrap_or(0).max("column".len());
        lines.push(format!(
            "{:width$}  {:>8}  {:>10}  {:>10}  {:>10}  {:>11}",
            "column", "missing", "25 %", "median", "75 %", "information"
        ));
        lines.extend(self.columns.iter().map(|column| column.line(width)));
        lines.join("\n")
    }
}

impl Column {
    fn of(figures: ColumnFigures) -> Self {
        let (numbers, values) = match figures.spread {
            ColumnSpread::Number {
                range: [from, to],
                log,
                bins,
                quartiles,
            } => (
                Some(Numbers {
                    from,
                    to,
                    log,
                    quartiles,
                    histogram: bins,
                }),
                None,
            ),
            ColumnSpread::Category(values) => (None, Some(values)),
        };
        Self {
            name: figures.name,
            cells: figures.cells,
            missing: figures.missing,
            information_value: figures
                .evidence
                .as_ref()
                .map(|evidence| evidence.information_value),
            weights_of_evidence: figures.evidence.map(|evidence| evidence.weights),
            numbers,
            values,
        }
    }

    fn line(&self, width: usize) -> String {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let quartiles = self.numbers.as_ref().and_then(|numbers| numbers.quartiles);
        let [first, second, third] = quartiles
            .map_or([None; 3], |quartiles| quartiles.map(Some))
            .map(|value| or_dash(value.map(figure)));
        let missing = or_dash(self.missing.map(|share| format!("{:.1} %", 100.0 * share)));
        let information = or_dash(self.information_value.map(|value| format!("{value:.3}")));
        let line = format!(
            "{:width$}  {missing:>8}  {first:>10}  {second:>10}  {third:>10}  {information:>11}  {}",
            shown(&self.name),
            self.spread()
        );
        line.trim_end().to_owned()
    }

    fn spread(&self) -> String {
        if let Some(numbers) = &self.numbers {
            let together = numbers.histogram.len().div_ceil(BARS).max(1);
            let bars = numbers.histogram.chunks(together);
            let bars: Vec<f64> = bars.map(|counts| counts.iter().sum::<u64>() as f64).collect();
            return format!(
                "{} |{}| {}{}",
                figure(numbers.from),
                blocks(&bars),
                figure(numbers.to),
                if numbers.log { "  (logarithmic)" } else { "" }
            );
        }
        let mut values: Vec<_> = self.values.iter().flatten().collect();
        // A place whose value was not found says nothing.
        values.retain(|(_, count)| *count > 0);
        values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let share = |count: u64| format!("{:.1} %", 100.0 * count as f64 / self.cells.max(1) as f64);
        let mut words: Vec<_> = values
            .iter()
            .take(VALUES)
            .map(|(value, count)| format!("{} {}", shown(value), share(*count)))
            .collect();
        if let Some(more @ 1..) = values.len().checked_sub(VALUES) {
            words.push(format!("{more} more"));
        }
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use veilsum_protocol::task::Task;

    use super::*;

    const TASK: &str = r#"
        name = "credit"
        rounds = 1
        seed = 3
        [preparation]
        histogram_bins = 4
        [schema]
        version = 1
        label = "y"
        column = [
            { name = "a", type = "number", min = 0, max = 8, when_missing = "mean" },
            { name = "region", type = "category", values = ["n", "s"], other = "bucket" },
        ]
        [model]
        family = "logistic"
        [training]
        optimiser = "sgd"
        learning_rate = 0.1
        batch_size = 1
        local_epochs = 1
    "#;

    #[test]
    fn a_line_for_each_column() {
        let task = Task::parse(TASK).unwrap();
        let mut counts = Preparation::empty(&task.schema, 4);
        // Four rows of a bin each by halves of the labels, and one without a value.
        for (row, u) in [0.0, 0.25, 0.5, 0.75, f32::NAN].into_iter().enumerate() {
            let label = row % 2;
            counts.count_row(label);
            counts.count_number(0, label, u);
            counts.count_value(1, label, row % 2);
        }
        let report = Report::of(&task.name, &task.schema, &counts);
        let text = report.text();
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some("credit: 5 training rows of the banks in the sum, 2 of them with label 1")
        );
        let a = lines.nth(2).unwrap();
        assert!(
            a.starts_with("a ") && a.contains("20.0 %") && a.ends_with("0 |████| 8"),
            "{a}"
        );
        let figures: Vec<_> = a.split_whitespace().skip(3).take(3).collect();
        assert_eq!(figures, ["2", "4", "6"]);
        let region = lines.next().unwrap();
        assert!(region.ends_with("n 60.0 %, s 40.0 %"), "{region}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            json["columns"][0]["numbers"]["histogram"],
            serde_json::json!([1, 1, 1, 1])
        );
        assert_eq!(
            json["columns"][1]["weights_of_evidence"]
                .as_array()
                .unwrap()
                .len(),
            3
        );
    }
}
