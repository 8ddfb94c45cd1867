//! The decisions of one version, from the log to columns.

use std::collections::HashSet;

use csv::StringRecord;
use veilsum_monitoring::{Named, Predictions, Sample, Values};
use veilsum_serving::Tensor;
use veilsum_serving::decisions::{Record, Written};

use super::groups::Gathered;
use super::outcomes::Outcomes;
use super::reference::{append, as_values, none};
use super::watched::MonitorError;
use crate::scoring::Scorer;
use crate::serving::{Asking, text_of};

/// Rows of texts that are read at once.
const AT_ONCE: usize = 4096;

/// What was left out, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Rows that the bank's policy, or the schema, does not take any more.
    pub(super) unreadable: usize,
    /// Rows of outcomes whose request, or row, is not among the decisions.
    pub(super) unknown_outcomes: usize,
    /// Rows of requests whose id several requests have: which one an outcome is of, nobody can tell.
    pub(super) ambiguous: usize,
}

/// Where the values of a group column come from.
enum GroupSource {
    /// A column of the file of outcomes.
    Outcomes(usize),
    /// A tensor of the request.
    Asked,
}

/// Gathers the decisions as they are read.
pub(super) struct Gathering<'a> {
    scorer: &'a Scorer,
    asking: Asking,
    outcomes: Option<&'a Outcomes>,
    /// Whether rows are read by column at all: those of texts and images are not.
    by_column: bool,
    predictions: Predictions,
    columns: Vec<Named>,
    times_ms: Vec<i64>,
    /// Of each row its request, by place in `ids`, and its row there.
    rows: Vec<(usize, usize)>,
    ids: Vec<String>,
    groups: Vec<(GroupSource, String, Gathered)>,
    waiting: Vec<Waiting>,
    records: usize,
    left_out: LeftOut,
}

/// A request whose rows are not read yet.
struct Waiting {
    record: Record,
    inputs: Vec<Tensor>,
    records: Vec<StringRecord>,
}

impl<'a> Gathering<'a> {
    /// `groups`: the columns that tell groups apart.
    ///
    /// # Errors
    /// A group column that is neither in the file of outcomes nor in the requests.
    pub(super) fn new(
        scorer: &'a Scorer,
        outcomes: Option<&'a Outcomes>,
        groups: &[String],
    ) -> Result<Self, MonitorError> {
        let asking = Asking::of(scorer);
        let schema = scorer.schema();
        let by_column = schema.text().is_none() && schema.image().is_none();
        let mut sources = Vec::new();
        for name in groups {
            let of_file = outcomes.and_then(|outcomes| outcomes.column(name));
            let is_asked = asking.specs().iter().any(|spec| spec.name == *name);
            let source = match of_file {
                Some(column) => GroupSource::Outcomes(column),
                None if is_asked && !asking.is_sequence() && !asking.is_image() => GroupSource::Asked,
                None => {
                    return Err(MonitorError::NoGroup {
                        column: name.clone(),
                        sequence: is_asked,
                    });
                }
            };
            sources.push((source, name.clone(), Gathered::new(name)));
        }
        let columns = schema.columns.iter().filter(|_| by_column).map(|column| Named {
            name: column.name.clone(),
            values: Values::Numbers(Vec::new()),
        });
        Ok(Self {
            predictions: none(scorer),
            columns: columns.collect(),
            scorer,
            asking,
            outcomes,
            by_column,
            times_ms: Vec::new(),
            rows: Vec::new(),
            ids: Vec::new(),
            groups: sources,
            waiting: Vec::new(),
            records: 0,
            left_out: LeftOut::default(),
        })
    }

    /// Takes a record of the log.
    ///
    /// # Errors
    /// An answer that is none of this model.
    pub(super) fn take(&mut self, record: Record) -> Result<(), MonitorError> {
        let count = record.rows();
        let mut inputs = Vec::new();
        if self.by_column {
            for spec in self.asking.specs() {
                let found = record.inputs.iter().find(|written| written.name() == spec.name);
                // A request from before another column was asked for.
                let Some(tensor) = found.map(Written::tensor).and_then(Result::ok) else {
                    self.left_out.unreadable += count;
                    return Ok(());
                };
                inputs.push(tensor);
            }
        }
        let records = match self.by_column {
            true => self.asking.records(&inputs, count, self.records),
            false => Ok((Vec::new(), Vec::new())),
        };
        let Ok((records, _)) = records else {
            self.left_out.unreadable += count;
            return Ok(());
        };
        self.records += records.len();
        self.waiting.push(Waiting {
            record,
            inputs,
            records,
        });
        let together: usize = self.waiting.iter().map(|one| one.records.len().max(1)).sum();
        if together >= AT_ONCE {
            self.read_waiting()?;
        }
        Ok(())
    }

    /// Reads what waits at once; or, if one of it cannot be read, each request by itself.
    fn read_waiting(&mut self) -> Result<(), MonitorError> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        if self.columns_of(&waiting) {
            return waiting.iter().try_for_each(|one| self.told_of(one));
        }
        for one in &waiting {
            if self.columns_of(std::slice::from_ref(one)) {
                self.told_of(one)?;
            } else {
                self.left_out.unreadable += one.record.rows();
            }
        }
        Ok(())
    }

    /// Adds the requests' values to the columns, if all of them can be read. What is wrong with a cell is not told: it is a row's value.
    fn columns_of(&mut self, waiting: &[Waiting]) -> bool {
        if !self.by_column {
            return true;
        }
        let records: Vec<StringRecord> = waiting
            .iter()
            .flat_map(|one| one.records.iter().cloned())
            .collect();
        let Ok((table, rows)) = self.scorer.read(&records) else {
            return false;
        };
        let expected: usize = waiting.iter().map(|one| one.record.rows()).sum();
        if rows.len() != expected {
            return false;
        }
        let schema = self.scorer.schema();
        let mut read = Vec::with_capacity(self.columns.len());
        for at in 0..schema.columns.len() {
            match table.values(at, &rows) {
                Ok(Some(values)) => read.push(as_values(schema, at, values)),
                _ => return false,
            }
        }
        for (column, values) in self.columns.iter_mut().zip(read) {
            extend(&mut column.values, values);
        }
        true
    }

    /// Adds everything else that is told of a request's rows.
    fn told_of(&mut self, one: &Waiting) -> Result<(), MonitorError> {
        let record = &one.record;
        let outputs = record.outputs.iter().map(Written::tensor);
        let outputs = outputs
            .collect::<Result<Vec<_>, _>>()
            .map_err(MonitorError::Answer)?;
        let count = append(&mut self.predictions, &outputs).map_err(MonitorError::Answer)?;
        let request = self.ids.len();
        self.ids.push(record.id.clone());
        for row in 0..count {
            self.times_ms.push(record.time_ms);
            self.rows.push((request, row));
            for (source, name, gathered) in &mut self.groups {
                gathered.push(match source {
                    GroupSource::Outcomes(column) => self
                        .outcomes
                        .and_then(|outcomes| outcomes.group(&record.id, row, *column))
                        .map(str::to_owned),
                    GroupSource::Asked => {
                        let tensor = one.inputs.iter().find(|tensor| tensor.name == *name);
                        tensor.map(|tensor| text_of(tensor, row))
                    }
                });
            }
        }
        Ok(())
    }

    /// All that was taken, in the order of time.
    ///
    /// # Errors
    /// A column of more groups than there may be.
    pub(super) fn sample(mut self) -> Result<(Sample, LeftOut), MonitorError> {
        self.read_waiting()?;
        let mut order: Vec<usize> = (0..self.times_ms.len()).collect();
        order.sort_by_key(|row| self.times_ms.get(*row).copied());
        let outcomes = match self.outcomes {
            Some(outcomes) => self.joined(outcomes, &order),
            None => Vec::new(),
        };
        let groupings = self
            .groups
            .into_iter()
            .map(|(_, _, gathered)| gathered.grouping(&order));
        let groupings = groupings.collect::<Result<Vec<_>, _>>()?;
        let columns = self.columns.into_iter().map(|column| Named {
            values: ordered_values(column.values, &order),
            name: column.name,
        });
        let sample = Sample {
            columns: columns.collect(),
            predictions: ordered_predictions(self.predictions, &order),
            times_ms: ordered(&self.times_ms, &order),
            outcomes,
            groupings,
        };
        Ok((sample, self.left_out))
    }

    /// The outcome of each row, where it is known and of this request alone.
    fn joined(&mut self, outcomes: &Outcomes, order: &[usize]) -> Vec<Option<f64>> {
        let (mut once, mut more) = (HashSet::new(), HashSet::new());
        for id in &self.ids {
            if !once.insert(id.as_str()) {
                more.insert(id.as_str());
            }
        }
        let mut known = HashSet::new();
        let mut found = Vec::with_capacity(order.len());
        for row in order {
            let of = self.rows.get(*row).copied();
            let of = of.and_then(|(request, row)| Some((self.ids.get(request)?.as_str(), row)));
            let outcome = of.and_then(|(id, row)| {
                known.insert((id, row));
                let label = outcomes.label(id, row)?;
                if more.contains(id) {
                    self.left_out.ambiguous += 1;
                    return None;
                }
                Some(label)
            });
            found.push(outcome);
        }
        self.left_out.unknown_outcomes = outcomes.rows().filter(|row| !known.contains(row)).count();
        found
    }
}

fn extend(to: &mut Values, more: Values) {
    match (&mut *to, more) {
        (Values::Numbers(all), Values::Numbers(more)) => all.extend(more),
        (Values::Categories { of: all, .. }, Values::Categories { of: more, .. }) => all.extend(more),
        // The first rows say what the column is.
        (_, more) => *to = more,
    }
}

fn ordered<T: Copy>(values: &[T], order: &[usize]) -> Vec<T> {
    order.iter().filter_map(|row| values.get(*row).copied()).collect()
}

fn ordered_values(values: Values, order: &[usize]) -> Values {
    match values {
        Values::Numbers(of) => Values::Numbers(ordered(&of, order)),
        Values::Categories { names, of } => Values::Categories {
            names,
            of: ordered(&of, order),
        },
    }
}

fn ordered_predictions(predictions: Predictions, order: &[usize]) -> Predictions {
    match predictions {
        Predictions::Binary(of) => Predictions::Binary(ordered(&of, order)),
        Predictions::Number { values, range } => Predictions::Number {
            values: ordered(&values, order),
            range,
        },
        Predictions::Classes {
            names,
            chosen,
            probability,
        } => Predictions::Classes {
            names,
            chosen: ordered(&chosen, order),
            probability: ordered(&probability, order),
        },
    }
}
