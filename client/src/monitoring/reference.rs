//! The bank's own rows: what the decisions are compared with.

use veilsum_monitoring::{Named, NumberRange, Predictions, Reference, Values};
use veilsum_protocol::model::Target;
use veilsum_protocol::task::{ColumnKind, LabelKind, Schema};
use veilsum_serving::{Data, Tensor};

use super::watched::MonitorError;
use crate::data::{ColumnValues, Dataset};
use crate::scoring::Scorer;
use crate::serving::{Answer, CLASS, PREDICTION, PROBABILITIES, PROBABILITY};

/// Rows that are encoded and scored at once.
const AT_ONCE: usize = 4096;

/// The rows of a table that was read under the model's task, with the version's own scores.
///
/// # Errors
/// Rows that cannot be read back or scored.
pub(super) fn of_table(scorer: &Scorer, table: &Dataset, rows: &[u32]) -> Result<Reference, MonitorError> {
    let answer = Answer::of(scorer);
    let mut predictions = none(scorer);
    for rows in rows.chunks(AT_ONCE) {
        let inputs = scorer.table_inputs(table, rows)?;
        let outputs = answer.tensors(scorer.score_inputs(&inputs)?);
        append(&mut predictions, &outputs).map_err(MonitorError::Answer)?;
    }
    let schema = scorer.schema();
    let mut columns = Vec::new();
    for (at, column) in schema.columns.iter().enumerate() {
        columns.extend(table.values(at, rows)?.map(|values| Named {
            name: column.name.clone(),
            values: as_values(schema, at, values),
        }));
    }
    Ok(Reference { predictions, columns })
}

/// Values under the names of the schema.
pub(super) fn as_values(schema: &Schema, column: usize, values: ColumnValues) -> Values {
    match (values, schema.columns.get(column).map(|column| &column.kind)) {
        (ColumnValues::Numbers(of), _) => Values::Numbers(of),
        (ColumnValues::Categories(of), Some(ColumnKind::Category(category))) => Values::Categories {
            names: category.values.clone(),
            of,
        },
        (ColumnValues::Categories(of), _) => Values::Categories {
            names: Vec::new(),
            of,
        },
    }
}

/// No predictions, of a model's kind.
pub(super) fn none(scorer: &Scorer) -> Predictions {
    match (scorer.target(), &scorer.schema().label_kind) {
        (Target::Number, LabelKind::Number(number)) => Predictions::Number {
            values: Vec::new(),
            range: NumberRange {
                min: number.min,
                max: number.max,
                scale: number.scale,
            },
        },
        (Target::Classes(_), _) => Predictions::Classes {
            names: scorer.output_names(),
            chosen: Vec::new(),
            probability: Vec::new(),
        },
        (Target::Binary | Target::Number, _) => Predictions::Binary(Vec::new()),
    }
}

/// Adds the rows of an answer, and says how many there were.
///
/// # Errors
/// In words, if it is no answer of such a model.
pub(super) fn append(to: &mut Predictions, outputs: &[Tensor]) -> Result<usize, String> {
    let tensor = |name: &str| {
        let found = outputs.iter().find(|tensor| tensor.name == name);
        found.ok_or_else(|| format!("found no output {name:?} in an answer"))
    };
    let floats = |name: &str| -> Result<Vec<f64>, String> {
        match &tensor(name)?.data {
            Data::Fp32(values) => Ok(values.iter().map(|value| f64::from(*value)).collect()),
            Data::Fp64(values) => Ok(values.clone()),
            other => Err(format!(
                "found the output {name:?} as {}, expected FP32 or FP64",
                other.datatype()
            )),
        }
    };
    match to {
        Predictions::Binary(all) => {
            let scores = floats(PROBABILITY)?;
            all.extend_from_slice(&scores);
            Ok(scores.len())
        }
        Predictions::Number { values, .. } => {
            let found = floats(PREDICTION)?;
            values.extend_from_slice(&found);
            Ok(found.len())
        }
        Predictions::Classes {
            names,
            chosen,
            probability,
        } => {
            let Data::Bytes(classes) = &tensor(CLASS)?.data else {
                return Err(format!("found the output {CLASS:?} as numbers, expected BYTES"));
            };
            let all = floats(PROBABILITIES)?;
            let rows = all.chunks_exact(names.len().max(1));
            if rows.len() != classes.len() {
                return Err(format!(
                    "found {} probabilities of {} rows, expected one for each of {} classes",
                    all.len(),
                    classes.len(),
                    names.len()
                ));
            }
            for (class, of_row) in classes.iter().zip(rows) {
                let place = names.iter().position(|name| name == class);
                let place = place
                    .ok_or_else(|| format!("found the class {class:?}, which the task does not have"))?;
                chosen.push(u16::try_from(place).unwrap_or(u16::MAX));
                probability.push(of_row.get(place).copied().unwrap_or(f64::NAN));
            }
            Ok(classes.len())
        }
    }
}
