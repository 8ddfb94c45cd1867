//! What of a row would have to change for the other decision.

use csv::StringRecord;
use veilsum_explain::{Counterfactual, Direction, Goal, Kind, Moves, Outcome, Value};
use veilsum_protocol::task::ColumnKind;
use veilsum_serving::{AdverseScore, Changed, ExplainWishes, Otherwise, Search};

use super::ExplainError;
use super::grounds::Columns;
use super::output::Output;
use crate::scoring::ScorerError;

/// Numbers move to so many quantiles of the background.
const PARTS: u16 = 20;
/// Rows that the model is asked about for pairs of changes, at most.
const MOST_PAIRS: usize = 50_000;

/// Searches. `threshold`: where the decision turns.
pub(super) fn search(
    output: Output<'_>,
    (record, inputs): (&StringRecord, &[f32]),
    values: &[Value],
    columns: &Columns,
    (threshold, wishes): (f64, &ExplainWishes),
) -> Result<(Goal, Outcome), ExplainError> {
    let goal = match wishes.adverse {
        AdverseScore::Higher => Goal::AtMost(threshold),
        AdverseScore::Lower => Goal::AtLeast(threshold),
    };
    let moves: Vec<Moves> = (0..columns.features.len())
        .map(|at| moves(output, at, columns, wishes))
        .collect();
    let task = Counterfactual {
        features: &columns.features,
        groups: &columns.groups,
        row: inputs,
        values,
        background: &columns.numbers,
        moves: &moves,
        goal,
        most_changes: wishes.changes,
        most_pairs: MOST_PAIRS,
    };
    let scorer = output.scorer;
    let features = scorer.features();
    // The changed row goes the way of every row, so that it is one that the bank could have been asked about.
    let encode = |feature: usize, value: &Value| -> Result<Vec<f32>, ScorerError> {
        let name = columns.features.get(feature).map(|feature| feature.name.as_str());
        let changed: StringRecord = features
            .iter()
            .zip(record)
            .map(|(column, cell)| {
                if Some(column.name.as_str()) == name {
                    cell_of(value)
                } else {
                    cell.to_owned()
                }
            })
            .collect();
        let inputs = scorer.inputs(&[changed])?;
        let group = columns.groups.inputs(feature);
        Ok(group.iter().filter_map(|at| inputs.get(*at).copied()).collect())
    };
    let outcome = task.search(&output, encode)?;
    Ok((goal, outcome))
}

/// The same in words and numbers.
pub(super) fn told(columns: &Columns, threshold: f64, outcome: &Outcome) -> Otherwise {
    let (outcome, changes, score, complete) = match outcome {
        Outcome::AlreadyMet { score } => (Search::AlreadyMet, Vec::new(), *score, true),
        Outcome::NotFound {
            nearest, is_certain, ..
        } => (Search::NotFound, Vec::new(), *nearest, *is_certain),
        Outcome::Found(found) => {
            let changes = found.changes.iter().filter_map(|change| {
                let feature = columns.features.get(change.feature)?;
                Some(Changed {
                    name: feature.name.clone(),
                    from: feature.tell_value(&change.from),
                    to: feature.tell_value(&change.to),
                })
            });
            (Search::Found, changes.collect(), found.score, found.is_smallest)
        }
    };
    Otherwise {
        threshold,
        outcome,
        changes,
        score,
        complete,
    }
}

fn moves(output: Output<'_>, at: usize, columns: &Columns, wishes: &ExplainWishes) -> Moves {
    let Some(feature) = columns.features.get(at) else {
        return Moves::Fixed;
    };
    let held = wishes.protected.iter().chain(&wishes.fixed);
    if held.into_iter().any(|name| *name == feature.name) {
        return Moves::Fixed;
    }
    // What a rule makes of a column's cells is known, what it was made of is not.
    if output.scorer.is_ruled(&feature.name) {
        return Moves::Fixed;
    }
    let schema = output.scorer.schema();
    let column = schema.columns.iter().find(|column| column.name == feature.name);
    match (&feature.kind, column.map(|column| &column.kind)) {
        (Kind::Number { .. }, Some(ColumnKind::Number(number))) => {
            let Some(Some(background)) = columns.numbers.get(at) else {
                return Moves::Fixed;
            };
            match Moves::quantiles(background, PARTS, Direction::Either) {
                Moves::Numbers {
                    mut numbers,
                    direction,
                } if number.integer => {
                    numbers.iter_mut().for_each(|number| *number = number.round());
                    numbers.dedup();
                    Moves::Numbers { numbers, direction }
                }
                moves => moves,
            }
        }
        (Kind::Category, Some(ColumnKind::Category(category))) => Moves::Categories(category.values.clone()),
        _ => Moves::Fixed,
    }
}

fn cell_of(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Category(text) | Value::Date(text) | Value::Text(text) => text.clone(),
        Value::Missing => String::new(),
    }
}
