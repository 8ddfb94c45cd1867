//! Rows of one model, explained.

use std::time::Instant;

use csv::StringRecord;
use veilsum_explain::{
    Adverse, Attribution, Feature, Goal, Kind, Masked, Notice, Outcome, Reasons, Value, Words,
};
use veilsum_serving::{AdverseScore, Amount, ExplainWishes, Explanation, Method};

use super::amounts::{self, Amounts};
use super::grounds::{self, Columns, Grounds, is_sequence};
use super::otherwise;
use super::output::Output;
use super::{ExplainError, page};
use crate::scoring::Scorer;

/// Said where a threshold is given for anything else.
const TABLES_ALONE: &str = "what would have to change is searched for rows of tables alone";

/// A row's explanation, with what the pictures need beside.
#[derive(Clone, Debug, PartialEq)]
pub struct RowExplained {
    /// As it is told.
    pub explanation: Explanation,
    pub(super) attribution: Attribution,
    pub(super) features: Vec<Feature>,
    /// The row's values; all missing where the row is a sequence.
    pub(super) values: Vec<Value>,
    /// What went against the person, for a row of a table.
    pub(super) reasons: Option<Reasons>,
    pub(super) otherwise: Option<(Goal, Outcome)>,
}

/// Explains rows of one model.
pub struct Explainer<'a> {
    scorer: &'a Scorer,
    grounds: &'a Grounds,
}

impl<'a> Explainer<'a> {
    /// By grounds that were made for a version of the same task.
    pub fn new(scorer: &'a Scorer, grounds: &'a Grounds) -> Self {
        Self { scorer, grounds }
    }

    /// Explains rows of texts under the scorer's features, or, where rows are steps of sequences, each sequence. `until`: when nobody waits any more.
    ///
    /// # Errors
    /// The first cell that does not fit; wishes that do not fit the model; a model whose scores are no numbers.
    pub fn explain(
        &self,
        records: &[StringRecord],
        wishes: &ExplainWishes,
        until: Option<Instant>,
    ) -> Result<Vec<RowExplained>, ExplainError> {
        let output = Output::of(self.scorer, wishes.output.as_deref())?;
        let in_time = || match until {
            Some(until) if until <= Instant::now() => Err(ExplainError::Late),
            _ => Ok(()),
        };
        match &self.grounds.0 {
            grounds::Kind::Columns(columns) => {
                known(columns, wishes)?;
                let inputs = self.scorer.inputs(records)?;
                let rows = inputs.chunks_exact(self.scorer.width().max(1));
                // A row of a table is one record.
                let records = (rows.len() == records.len() && !is_sequence(self.scorer)).then_some(records);
                rows.enumerate()
                    .map(|(at, inputs)| {
                        in_time()?;
                        let record = records.and_then(|all| all.get(at));
                        self.of_columns(output, inputs, record, columns, wishes)
                    })
                    .collect()
            }
            grounds::Kind::Words(column) => {
                no_columns(wishes)?;
                (1..)
                    .zip(records)
                    .map(|(row, record)| {
                        in_time()?;
                        of_words(output, (row, record), *column, wishes)
                    })
                    .collect()
            }
        }
    }

    /// A page with pictures, for the bank's own people. `score`: what the model gives, such as "probability of late".
    ///
    /// # Errors
    /// Amounts that are not finite, and those of LIME, which do not sum to the score.
    pub fn page(&self, title: &str, score: &str, rows: &[RowExplained]) -> Result<String, ExplainError> {
        let columns = match &self.grounds.0 {
            grounds::Kind::Columns(columns) => Some(columns),
            grounds::Kind::Words(_) => None,
        };
        page::page(columns, title, score, rows)
    }

    fn of_columns(
        &self,
        output: Output<'_>,
        inputs: &[f32],
        record: Option<&StringRecord>,
        columns: &Columns,
        wishes: &ExplainWishes,
    ) -> Result<RowExplained, ExplainError> {
        let amounts = amounts::of_columns(output, inputs, columns, wishes)?;
        let cells: Vec<Option<String>> = columns
            .features
            .iter()
            .map(|feature| record.and_then(|record| self.cell(record, &feature.name)))
            .map(|cell| cell.map(str::to_owned))
            .collect();
        let values = self.values(&columns.features, &cells);
        let reasons = match record {
            // Weights of a local model are no shares of the score.
            Some(_) if wishes.method != Method::Lime => {
                Some(reasons(columns, &values, &amounts.attribution, wishes)?)
            }
            _ => None,
        };
        let otherwise = match (record, wishes.threshold) {
            (Some(record), Some(threshold)) => Some((
                threshold,
                otherwise::search(output, (record, inputs), &values, columns, (threshold, wishes))?,
            )),
            _ => None,
        };
        let mut explanation = told(&amounts, wishes.method, &columns.features, &cells);
        if let Some(reasons) = &reasons {
            let sentences = reasons.reasons.iter();
            explanation.reasons = sentences
                .map(|reason| format!("{} ({})", reason.sentence, reason.detail))
                .collect();
            explanation.remarks.clone_from(&reasons.remarks);
        }
        if record.is_none() && wishes.threshold.is_some() {
            explanation.remarks.push(TABLES_ALONE.to_owned());
        }
        explanation.counterfactual = otherwise
            .as_ref()
            .map(|(threshold, (_, outcome))| otherwise::told(columns, *threshold, outcome));
        Ok(RowExplained {
            explanation,
            attribution: amounts.attribution,
            features: columns.features.clone(),
            values,
            reasons,
            otherwise: otherwise.map(|(_, found)| found),
        })
    }

    fn cell<'r>(&self, record: &'r StringRecord, column: &str) -> Option<&'r str> {
        let features = self.scorer.features();
        let place = features.iter().position(|feature| feature.name == column)?;
        record.get(place)
    }

    fn values(&self, features: &[Feature], cells: &[Option<String>]) -> Vec<Value> {
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
        features.iter().zip(cells).map(value).collect()
    }
}

/// The lists of columns that somebody may name, with what they are called.
fn lists(wishes: &ExplainWishes) -> [(&'static str, &[String]); 2] {
    [("protected", &wishes.protected), ("fixed", &wishes.fixed)]
}

/// Refuses columns where there are words: whoever named one believes that it is held back.
fn no_columns(wishes: &ExplainWishes) -> Result<(), ExplainError> {
    let named = lists(wishes)
        .into_iter()
        .find_map(|(list, wanted)| Some((list, wanted.first()?)));
    named.map_or(Ok(()), |(list, found)| {
        Err(ExplainError::NoColumns {
            list,
            found: found.clone(),
        })
    })
}

/// Refuses columns that are none: one that is written wrongly would be given as a reason.
fn known(columns: &Columns, wishes: &ExplainWishes) -> Result<(), ExplainError> {
    let names = columns.groups.names();
    for (list, wanted) in lists(wishes) {
        if let Some(found) = wanted.iter().find(|name| !names.contains(name)) {
            return Err(ExplainError::Column {
                list,
                found: found.clone(),
                expected: names.to_vec(),
            });
        }
    }
    Ok(())
}

fn of_words(
    output: Output<'_>,
    (row, record): (usize, &StringRecord),
    column: usize,
    wishes: &ExplainWishes,
) -> Result<RowExplained, ExplainError> {
    let text = record.get(column).unwrap_or_default();
    let words = Words::of(text);
    if words.names().is_empty() {
        return Err(ExplainError::NoWords { row });
    }
    let game = Masked::new(words.names().len(), |sets: &veilsum_explain::Coalitions| {
        let with = |set| -> StringRecord {
            let left = words.with(set);
            let cells = record.iter().enumerate();
            cells
                .map(|(at, cell)| if at == column { left.as_str() } else { cell })
                .collect()
        };
        let rows: Vec<StringRecord> = sets.iter().map(with).collect();
        Ok::<_, crate::scoring::ScorerError>(output.pick(&output.scorer.score(&rows)?))
    });
    let amounts = amounts::of_parts(&game, wishes)?;
    let features: Vec<Feature> = words.names().iter().map(|word| Feature::category(word)).collect();
    let times = (0..features.len()).map(|word| match words.times(word) {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    });
    let cells: Vec<Option<String>> = times.map(Some).collect();
    let values = cells.iter().flatten().cloned().map(Value::Category).collect();
    let mut explanation = told(&amounts, wishes.method, &features, &cells);
    if wishes.threshold.is_some() {
        explanation.remarks.push(TABLES_ALONE.to_owned());
    }
    Ok(RowExplained {
        explanation,
        attribution: amounts.attribution,
        features,
        values,
        reasons: None,
        otherwise: None,
    })
}

/// The same in words and numbers.
fn told(amounts: &Amounts, method: Method, features: &[Feature], cells: &[Option<String>]) -> Explanation {
    let attribution = &amounts.attribution;
    let ranked = attribution.ranked().into_iter().filter_map(|at| {
        Some(Amount {
            name: features.get(at)?.name.clone(),
            value: cells.get(at)?.clone(),
            amount: attribution.values.get(at).copied()?,
        })
    });
    Explanation {
        score: attribution.score,
        base: attribution.base,
        method,
        exact: amounts.exact,
        residual: attribution.residual(),
        features: ranked.collect(),
        reasons: Vec::new(),
        remarks: Vec::new(),
        counterfactual: None,
    }
}

fn reasons(
    columns: &Columns,
    values: &[Value],
    attribution: &Attribution,
    wishes: &ExplainWishes,
) -> Result<Reasons, ExplainError> {
    let protected: Vec<&str> = wishes.protected.iter().map(String::as_str).collect();
    let notice = Notice {
        features: &columns.features,
        values,
        background: &columns.numbers,
        protected: &protected,
        adverse: match wishes.adverse {
            AdverseScore::Higher => Adverse::Higher,
            AdverseScore::Lower => Adverse::Lower,
        },
        most: wishes.reasons,
    };
    Ok(notice.reasons(attribution)?)
}
