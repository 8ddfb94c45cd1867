//! From a task's table `preparation` to a checked [`PreparationSpec`].

use serde::Deserialize;

use super::ranges::integer;
use super::{ColumnEncoding, PreparationSpec, Schema, TaskError};
use crate::model::Preparation;

/// Counts of one task: its state, which holds them, stays below 8 MiB more.
const MOST_COUNTS: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PreparationFile {
    histogram_bins: Option<i64>,
}

/// `schema` is the task's: an encoding of its columns may need the table.
pub(super) fn check(
    file: Option<PreparationFile>,
    schema: &Schema,
) -> Result<Option<PreparationSpec>, TaskError> {
    let prepared = schema
        .columns
        .iter()
        .find(|column| column.encoding != ColumnEncoding::Plain);
    let Some(file) = file else {
        return match prepared {
            None => Ok(None),
            Some(column) => Err(TaskError::invalid(
                "preparation",
                "nothing",
                format!(
                    "the table: the encoding of column {:?} comes from the consortium's histograms",
                    column.name
                ),
            )),
        };
    };
    if schema.text().is_some() || schema.image().is_some() {
        return Err(TaskError::invalid(
            "preparation",
            "the table beside rows that are texts or images",
            "none: only columns of numbers and categories are counted",
        ));
    }
    let key = "preparation.histogram_bins";
    let bins = integer(key, file.histogram_bins.unwrap_or(64), 2..=1024)?;
    let finest = schema.columns.iter().filter_map(|column| match column.encoding {
        ColumnEncoding::Quantiles { bins } | ColumnEncoding::BinEvidence { bins } => Some(bins),
        ColumnEncoding::Plain | ColumnEncoding::ValueEvidence => None,
    });
    let finest = u32::from(finest.max().unwrap_or(0));
    if bins < finest {
        return Err(TaskError::invalid(
            key,
            bins.to_string(),
            format!("at least {finest}, as a column has quantile bins"),
        ));
    }
    let counts = Preparation::size(schema, bins);
    if counts > MOST_COUNTS {
        return Err(TaskError::invalid(
            key,
            format!("{counts} counts over all columns, values and labels"),
            format!("at most {MOST_COUNTS}: fewer bins"),
        ));
    }
    Ok(Some(PreparationSpec { histogram_bins: bins }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::model::InputShape;
    use crate::task::{InputKind, Task};

    const TASK: &str = r#"
        name = "scorecard"
        rounds = 1
        seed = 1
        [preparation]
        histogram_bins = 32
        [schema]
        version = 1
        label = "y"
        [[schema.column]]
        name = "x"
        type = "number"
        min = 0
        max = 1
        when_missing = "mean"
        encoding = "woe"
        bins = 5
        [[schema.column]]
        name = "z"
        type = "integer"
        min = 0
        max = 9
        when_missing = "mean"
        encoding = "quantiles"
        bins = 3
        [[schema.column]]
        name = "c"
        type = "category"
        values = ["a", "b"]
        encoding = "woe"
        [[schema.column]]
        name = "d"
        type = "category"
        values = ["a", "b"]
        [model]
        family = "logistic"
        [training]
        optimiser = "sgd"
        learning_rate = 0.1
        batch_size = 8
        local_epochs = 1
    "#;

    #[test]
    fn encodings_give_the_inputs_that_they_say() {
        let task = Task::parse(TASK).unwrap();
        assert_eq!(task.preparation.unwrap().histogram_bins, 32);
        let inputs = task.schema.inputs();
        let inputs: Vec<_> = inputs
            .iter()
            .map(|input| (input.name.as_str(), input.kind))
            .collect();
        assert_eq!(
            inputs,
            [
                ("x as evidence", InputKind::Evidence),
                ("z in bin 1", InputKind::QuantileBin(0)),
                ("z in bin 2", InputKind::QuantileBin(1)),
                ("z in bin 3", InputKind::QuantileBin(2)),
                ("z is missing", InputKind::Missing),
                ("c as evidence", InputKind::Evidence),
                ("d = a", InputKind::Category(0)),
                ("d = b", InputKind::Category(1)),
            ]
        );
        assert_eq!(task.input_shape(), InputShape::numbers(8));
        // Only a category that is given as it is can be embedded.
        assert_eq!(
            task.schema.input_shape(true),
            InputShape::Table {
                numbers: 6,
                categories: vec![2]
            }
        );
        let text = task.describe();
        for words in [
            "from 0 to 1; may be missing, given as the weight of evidence of one of 5 bins",
            "lie in each of 32 steps of its range or are missing, and how many of each category column have which value, by label",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn the_table_and_the_encodings_have_a_form_of_their_own() {
        let task = Task::parse(TASK).unwrap();
        let normal = task.canonical_text();
        assert!(
            normal.contains("\n[preparation]\nhistogram_bins = 32\n\n[model]\n"),
            "{normal}"
        );
        assert_eq!(Task::parse(&normal).unwrap(), task);
        let mut forms = vec![normal];
        for (from, to) in [
            ("histogram_bins = 32", ""),
            ("encoding = \"woe\"\n        bins = 5", ""),
            ("bins = 5", "bins = 6"),
            ("bins = 5", ""),
            (
                "encoding = \"quantiles\"\n        bins = 3",
                "encoding = \"woe\"\n        bins = 3",
            ),
            (
                "values = [\"a\", \"b\"]\n        encoding = \"woe\"",
                "values = [\"a\", \"b\"]",
            ),
        ] {
            let other = TASK.replacen(from, to, 1);
            assert_ne!(other, TASK, "{from}");
            let other = Task::parse(&other).unwrap();
            assert_eq!(Task::parse(&other.canonical_text()).unwrap(), other);
            forms.push(other.canonical_text());
        }
        let all = forms.len();
        forms.sort();
        forms.dedup();
        assert_eq!(forms.len(), all);
        let bare = TASK.replace("histogram_bins = 32", "");
        assert_eq!(
            Task::parse(&bare).unwrap().preparation.unwrap().histogram_bins,
            64
        );
    }

    #[test]
    fn each_mistake_is_named() {
        let table = "[preparation]\n        histogram_bins = 32\n";
        for (from, to, message) in [
            (
                table,
                "",
                "preparation: found nothing, expected the table: the encoding of column \"x\"",
            ),
            (
                "histogram_bins = 32",
                "histogram_bins = 1",
                "preparation.histogram_bins: 1 is out of range, expected 2..=1024",
            ),
            (
                "histogram_bins = 32",
                "histogram_bins = 1025",
                "preparation.histogram_bins: 1025 is out of range",
            ),
            (
                "histogram_bins = 32",
                "histogram_bins = 4",
                "preparation.histogram_bins: found 4, expected at least 5, as a column has quantile bins",
            ),
            ("histogram_bins = 32", "bins = 32", "unknown field `bins`"),
            (
                "bins = 5",
                "bins = 1",
                "schema.column \"x\".bins: 1 is out of range, expected 2..=100",
            ),
            (
                "encoding = \"woe\"\n        bins = 5",
                "bins = 5",
                "schema.column \"x\".bins: found a value, expected none: only a number with an encoding has it",
            ),
            (
                "values = [\"a\", \"b\"]\n        encoding = \"woe\"",
                "values = [\"a\", \"b\"]\n        encoding = \"woe\"\n        bins = 3",
                "schema.column \"c\".bins: found a value, expected none",
            ),
            (
                "values = [\"a\", \"b\"]\n        encoding = \"woe\"",
                "values = [\"a\", \"b\"]\n        encoding = \"quantiles\"",
                "schema.column \"c\".encoding: found \"quantiles\", expected \"woe\", or none",
            ),
            ("encoding = \"woe\"", "encoding = \"iv\"", "unknown variant `iv`"),
            (
                "label = \"y\"",
                "label = \"y\"\n        label_classes = [\"u\", \"v\", \"w\"]",
                "schema.column \"x\".encoding: found \"woe\" beside a label of classes or numbers",
            ),
            (
                "label = \"y\"",
                "label = \"y\"\n        label_number = { min = 0, max = 1 }",
                "schema.column \"x\".encoding: found \"woe\" beside",
            ),
        ] {
            let text = TASK.replacen(from, to, 1);
            assert_ne!(text, TASK, "{from}");
            let error = Task::parse(&text).unwrap_err().to_string();
            assert!(error.contains(message), "{to}: {error}");
        }
        let date = "name = \"z\"\n        type = \"date\"\n        min = \"2024-01-01\"\n        max = \"2024-02-01\"";
        let of_dates = TASK.replacen(
            "name = \"z\"\n        type = \"integer\"\n        min = 0\n        max = 9",
            date,
            1,
        );
        assert!(of_dates.contains(date));
        let error = Task::parse(&of_dates).unwrap_err().to_string();
        let message =
            "schema.column \"z\".encoding: found a value, expected none: only a number or a category has it";
        assert!(error.contains(message), "{error}");
        let (head, tail) = (TASK.find("[[schema").unwrap(), TASK.find("[model]").unwrap());
        let text = "[[schema.column]]\nname = \"t\"\ntype = \"text\"\ntokens = 8\nbuckets = 16\n";
        let of_text = format!("{}{text}{}", &TASK[..head], &TASK[tail..]);
        let error = Task::parse(&of_text).unwrap_err().to_string();
        assert!(
            error
                .contains("preparation: found the table beside rows that are texts or images, expected none"),
            "{error}"
        );
        let mut columns = String::new();
        for at in 0..600 {
            columns.push_str(&format!(
                "[[schema.column]]\nname = \"n{at}\"\ntype = \"number\"\nmin = 0\nmax = 1\n"
            ));
        }
        let text = TASK
            .replacen("[model]", &format!("{columns}[model]"), 1)
            .replace("= 32", "= 1024");
        let error = Task::parse(&text).unwrap_err().to_string();
        assert!(
            error.contains("counts over all columns, values and labels, expected at most 1048576"),
            "{error}"
        );
    }
}
