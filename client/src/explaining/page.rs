//! Explained rows as a page.

use veilsum_explain::report::{ExplainedRow, ManyRows, Report};
use veilsum_explain::{Attribution, Value, importance};
use veilsum_serving::Method;

use super::grounds::Columns;
use super::{ExplainError, RowExplained};

/// Rows of a page that stand there one by one.
const MOST_ALONE: usize = 20;

/// The first rows one by one, and all of them together where there are several rows of columns.
pub(super) fn page(
    columns: Option<&Columns>,
    title: &str,
    score: &str,
    rows: &[RowExplained],
) -> Result<String, ExplainError> {
    let method = rows.first().map_or(Method::Kernel, |row| row.explanation.method);
    if method == Method::Lime {
        return Err(ExplainError::Method {
            method: method.name(),
            why: "the pictures show shares of a score, and weights of a local model are none",
            instead: "kernel, permutation or gradients, or leave the page out",
        });
    }
    let names: Vec<String> = (1..=rows.len()).map(|number| format!("Row {number}")).collect();
    let alone: Vec<ExplainedRow<'_>> = rows
        .iter()
        .zip(&names)
        .take(MOST_ALONE)
        .map(|(row, name)| ExplainedRow {
            name,
            features: &row.features,
            values: &row.values,
            attribution: &row.attribution,
            reasons: row.reasons.as_ref(),
            counterfactual: row.otherwise.as_ref().map(|(goal, outcome)| (*goal, outcome)),
        })
        .collect();
    let against = match columns {
        Some(columns) => format!(
            "against {} rows of the bank's own table",
            columns.background.len()
        ),
        None => "against the same text without its words".to_owned(),
    };
    let how = match method {
        Method::Kernel if rows.iter().all(|row| row.explanation.exact) => {
            "Shapley values by kernel SHAP, exact"
        }
        Method::Kernel => "Shapley values by kernel SHAP, sampled",
        Method::Permutation => "Shapley values by sampled orders",
        Method::Gradients => "Integrated gradients",
        Method::Lime => "A local linear model",
    };
    let sum = match method {
        Method::Gradients => "add up to the score but for the error of integration",
        Method::Kernel | Method::Permutation | Method::Lime => "add up to the score",
    };
    let method = format!("{how}, {against}. The amounts {sum}.");
    let attributions: Vec<Attribution> = rows.iter().map(|row| row.attribution.clone()).collect();
    let values: Vec<Vec<Value>> = rows.iter().map(|row| row.values.clone()).collect();
    let many = match columns.filter(|_| rows.len() > 1) {
        Some(columns) => Some((columns, most_important_numbers(columns, &attributions)?)),
        None => None,
    };
    let report = Report {
        title,
        score,
        method: &method,
        rows: &alone,
        many: many.as_ref().map(|(columns, dependence)| ManyRows {
            features: &columns.features,
            attributions: &attributions,
            values: &values,
            dependence,
        }),
    };
    Ok(report.html()?)
}

/// The two numbers of the table that move the most.
fn most_important_numbers(
    columns: &Columns,
    attributions: &[Attribution],
) -> Result<Vec<usize>, ExplainError> {
    let means = importance(attributions)?;
    let mut numbers: Vec<(usize, f64)> = means.into_iter().enumerate().collect();
    numbers.retain(|(at, _)| columns.numbers.get(*at).is_some_and(Option::is_some));
    numbers.sort_by(|one, two| two.1.total_cmp(&one.1));
    Ok(numbers.into_iter().take(2).map(|(at, _)| at).collect())
}
