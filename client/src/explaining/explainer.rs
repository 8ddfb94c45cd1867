//! A row's score, shared out among the columns of the bank's table.

use csv::StringRecord;
use serde::Serialize;
use veilsum_explain::report::{ExplainedRow, ManyRows, Report};
use veilsum_explain::{
    Adverse, Attribution, Background, Distribution, Error, Feature, Groups, Invalid, Kernel, Kind, Notice,
    Reasons, Rows, Value, importance,
};

use super::features::{feature, groups};
use crate::data::{DataError, Dataset};
use crate::scoring::{Scorer, ScorerError};

/// Rows of a page that stand there one by one.
const MOST_ALONE: usize = 20;

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The model's rows are no columns.
    #[error(
        "this model reads {0}, and its inputs are no columns of a table: explanations are for tables and sequences"
    )]
    NoColumns(&'static str),
    /// There is no such output.
    #[error("found the output {found:?}, expected one of {}", expected.join(", "))]
    Output {
        /// What was asked for.
        found: String,
        /// What there is.
        expected: Vec<String>,
    },
    /// The rows, or the model.
    #[error(transparent)]
    Scorer(Box<ScorerError>),
    /// The bank's table.
    #[error(transparent)]
    Table(Box<DataError>),
    /// What was given to the method.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl From<ScorerError> for ExplainError {
    fn from(error: ScorerError) -> Self {
        Self::Scorer(Box::new(error))
    }
}

impl From<DataError> for ExplainError {
    fn from(error: DataError) -> Self {
        Self::Table(Box::new(error))
    }
}

impl From<Error<ScorerError>> for ExplainError {
    fn from(error: Error<ScorerError>) -> Self {
        match error {
            Error::Model(error) => error.into(),
            Error::Invalid(error) => Self::Invalid(error),
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The class whose probability is explained, for a model of classes.
    pub output: Option<String>,
    /// Coalitions that the model is asked about.
    pub coalitions: usize,
    /// The same seed gives the same explanation.
    pub seed: u64,
    /// Whether a lower score is against the person; a higher one otherwise.
    pub lower_is_adverse: bool,
    /// Columns that are never given as a reason.
    pub protected: Vec<String>,
    /// Most reasons.
    pub reasons: usize,
}

/// What a column did to the score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// The column.
    pub column: String,
    /// Its value, as it was given; none where the row is a sequence.
    pub value: Option<String>,
    /// What it added to the score.
    pub by: f64,
}

/// A row's explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// The score.
    pub score: f64,
    /// The mean score of the background: the score and what the columns moved add up to each other.
    pub base: f64,
    /// What each column did, the largest first.
    pub moved: Vec<Moved>,
    /// Whether every coalition was asked about, so that these are the Shapley values themselves.
    pub exact: bool,
    /// What went against the person, in sentences, for a row of a table.
    pub reasons: Vec<String>,
    /// What else must be known of the reasons.
    pub remarks: Vec<String>,
}

/// A row's explanation, as the pictures need it.
#[derive(Clone, Debug, PartialEq)]
pub struct RowExplained {
    /// What each column added.
    attribution: Attribution,
    /// Whether these are the Shapley values themselves.
    exact: bool,
    /// The row's values; all missing where the row is a sequence.
    values: Vec<Value>,
    /// The cells of the columns as they were given.
    cells: Vec<Option<String>>,
    /// What went against the person, for a row of a table.
    reasons: Option<Reasons>,
}

/// One output of a model.
struct Output<'a> {
    scorer: &'a Scorer,
    at: usize,
}

impl veilsum_explain::Scorer for Output<'_> {
    type Error = ScorerError;

    fn scores(&self, rows: &Rows) -> Result<Vec<f64>, ScorerError> {
        let scores = self.scorer.score_inputs(rows.values())?;
        let scores = scores.chunks_exact(self.scorer.outputs());
        Ok(scores
            .map(|scores| scores.get(self.at).copied().map_or(f64::NAN, f64::from))
            .collect())
    }
}

/// Explains rows of one model.
pub struct Explainer<'a> {
    scorer: &'a Scorer,
    groups: Groups,
    features: Vec<Feature>,
    background: Rows,
    /// Of each feature that is a number of the table, its values in the background.
    numbers: Vec<Option<Distribution>>,
}

impl<'a> Explainer<'a> {
    /// Against `rows` of the bank's own table, which was read under the model's task.
    ///
    /// # Errors
    /// A model of texts or images; rows that cannot be read back.
    pub fn new(scorer: &'a Scorer, table: &Dataset, rows: &[u32]) -> Result<Self, ExplainError> {
        let schema = scorer.schema();
        let groups =
            groups(schema, scorer.shape()).ok_or(ExplainError::NoColumns(if schema.text().is_some() {
                "texts"
            } else {
                "images"
            }))??;
        let features: Vec<Feature> = groups.names().iter().map(|name| feature(schema, name)).collect();
        let place = |name: &String| schema.columns.iter().position(|column| column.name == *name);
        let is_sequence = schema.sequence.is_some() || schema.steps().is_some();
        let mut numbers = Vec::with_capacity(groups.len());
        for name in groups.names() {
            let values = match place(name).filter(|_| !is_sequence) {
                Some(column) => table.numbers(column, rows)?,
                None => None,
            };
            let values = values.filter(|values| !values.is_empty());
            numbers.push(values.map(Distribution::new).transpose()?);
        }
        let background = Rows::new(scorer.width(), scorer.table_inputs(table, rows)?)?;
        Ok(Self {
            scorer,
            groups,
            features,
            background,
            numbers,
        })
    }

    /// Explains rows of texts under the scorer's features, or, where rows are steps of sequences, each sequence.
    ///
    /// # Errors
    /// The first cell that does not fit; a model whose scores are no numbers.
    pub fn explain(
        &self,
        records: &[StringRecord],
        wishes: &Wishes,
    ) -> Result<Vec<RowExplained>, ExplainError> {
        let at = self.output(wishes)?;
        let inputs = self.scorer.inputs(records)?;
        let rows = inputs.chunks_exact(self.scorer.width().max(1));
        // A row of a table is one record.
        let records = (rows.len() == records.len() && !self.is_sequence()).then_some(records);
        rows.enumerate()
            .map(|(row, inputs)| self.row(inputs, records.and_then(|all| all.get(row)), at, wishes))
            .collect()
    }

    fn is_sequence(&self) -> bool {
        let schema = self.scorer.schema();
        schema.sequence.is_some() || schema.steps().is_some()
    }

    fn output(&self, wishes: &Wishes) -> Result<usize, ExplainError> {
        let names = self.scorer.output_names();
        match &wishes.output {
            None if names.len() == 1 => Ok(0),
            None => Err(ExplainError::Output {
                found: String::new(),
                expected: names,
            }),
            Some(wanted) => match names.iter().position(|name| name == wanted) {
                Some(at) => Ok(at),
                None => Err(ExplainError::Output {
                    found: wanted.clone(),
                    expected: names,
                }),
            },
        }
    }

    fn row(
        &self,
        inputs: &[f32],
        record: Option<&StringRecord>,
        at: usize,
        wishes: &Wishes,
    ) -> Result<RowExplained, ExplainError> {
        let output = Output {
            scorer: self.scorer,
            at,
        };
        let game = Background::new(output, inputs, &self.background, &self.groups)?;
        let kernel = Kernel {
            coalitions: wishes.coalitions,
            seed: wishes.seed,
        };
        let fitted = kernel.explain(&game)?;
        let cells = self
            .features
            .iter()
            .map(|feature| record.and_then(|record| self.cell(record, &feature.name)));
        let cells: Vec<Option<String>> = cells.map(|cell| cell.map(str::to_owned)).collect();
        let values = self.values(&cells);
        let reasons = match record {
            Some(_) => Some(self.reasons(&values, &fitted.attribution, wishes)?),
            None => None,
        };
        Ok(RowExplained {
            attribution: fitted.attribution,
            exact: fitted.exact,
            values,
            cells,
            reasons,
        })
    }

    /// The same in words and numbers.
    pub fn told(&self, row: &RowExplained) -> Explained {
        let attribution = &row.attribution;
        let names = self.groups.names();
        let moved = attribution.ranked().into_iter().filter_map(|at| {
            Some(Moved {
                column: names.get(at)?.clone(),
                value: row.cells.get(at)?.clone(),
                by: attribution.values.get(at).copied()?,
            })
        });
        let reasons = row.reasons.iter().flat_map(|reasons| &reasons.reasons);
        let reasons = reasons.map(|reason| format!("{} ({})", reason.sentence, reason.detail));
        Explained {
            score: attribution.score,
            base: attribution.base,
            moved: moved.collect(),
            exact: row.exact,
            reasons: reasons.collect(),
            remarks: row
                .reasons
                .iter()
                .flat_map(|reasons| reasons.remarks.clone())
                .collect(),
        }
    }

    /// A page with pictures, for the bank's own people: the first rows one by one, and all of them together where there are several. `score`: what the
    /// model gives, such as "probability of late".
    ///
    /// # Errors
    /// Amounts that are not finite.
    pub fn page(&self, title: &str, score: &str, rows: &[RowExplained]) -> Result<String, ExplainError> {
        let names: Vec<String> = (1..=rows.len()).map(|number| format!("Row {number}")).collect();
        let alone: Vec<ExplainedRow<'_>> = rows
            .iter()
            .zip(&names)
            .take(MOST_ALONE)
            .map(|(row, name)| ExplainedRow {
                name,
                values: &row.values,
                attribution: &row.attribution,
                reasons: row.reasons.as_ref(),
                counterfactual: None,
            })
            .collect();
        let attributions: Vec<Attribution> = rows.iter().map(|row| row.attribution.clone()).collect();
        let values: Vec<Vec<Value>> = rows.iter().map(|row| row.values.clone()).collect();
        let method = format!(
            "Shapley values by kernel SHAP{}, against {} rows of the bank's own table. The amounts add up to the score.",
            if rows.iter().all(|row| row.exact) {
                ", exact"
            } else {
                ", sampled"
            },
            self.background.len()
        );
        let dependence = self.most_important_numbers(&attributions)?;
        let report = Report {
            title,
            score,
            method: &method,
            features: &self.features,
            rows: &alone,
            many: (rows.len() > 1).then_some(ManyRows {
                attributions: &attributions,
                values: &values,
                dependence: &dependence,
            }),
        };
        Ok(report.html()?)
    }

    /// The two numbers of the table that move the most.
    fn most_important_numbers(&self, attributions: &[Attribution]) -> Result<Vec<usize>, ExplainError> {
        let means = importance(attributions)?;
        let mut numbers: Vec<(usize, f64)> = means.into_iter().enumerate().collect();
        numbers.retain(|(at, _)| self.numbers.get(*at).is_some_and(Option::is_some));
        numbers.sort_by(|one, two| two.1.total_cmp(&one.1));
        Ok(numbers.into_iter().take(2).map(|(at, _)| at).collect())
    }

    fn cell<'r>(&self, record: &'r StringRecord, column: &str) -> Option<&'r str> {
        let features = self.scorer.features();
        let place = features.iter().position(|feature| feature.name == column)?;
        record.get(place)
    }

    fn values(&self, cells: &[Option<String>]) -> Vec<Value> {
        let missing = &self.scorer.schema().missing;
        let value = |(feature, cell): (&Feature, &Option<String>)| {
            let cell = cell.as_deref().unwrap_or_default().trim();
            if cell.is_empty() || missing.iter().any(|missing| missing == cell) {
                return Value::Missing;
            }
            match (&feature.kind, cell.parse::<f64>()) {
                (Kind::Number { .. }, Ok(number)) if number.is_finite() => Value::Number(number),
                // A number that the bank's rules make of another text.
                (Kind::Number { .. }, _) => Value::Missing,
                (Kind::Date, _) => Value::Date(cell.to_owned()),
                _ => Value::Category(cell.to_owned()),
            }
        };
        self.features.iter().zip(cells).map(value).collect()
    }

    fn reasons(
        &self,
        values: &[Value],
        attribution: &Attribution,
        wishes: &Wishes,
    ) -> Result<Reasons, ExplainError> {
        let protected: Vec<&str> = wishes.protected.iter().map(String::as_str).collect();
        let notice = Notice {
            features: &self.features,
            values,
            background: &self.numbers,
            protected: &protected,
            adverse: if wishes.lower_is_adverse {
                Adverse::Lower
            } else {
                Adverse::Higher
            },
            most: wishes.reasons,
        };
        Ok(notice.reasons(attribution)?)
    }
}
