//! The tensors that a model is asked with, and from them to rows of texts as a table has them.

use csv::StringRecord;
use veilsum_serving::{RowProblem, Tensor, TensorSpec};

use super::column::{Column, cell, is_there};
use crate::scoring::{FeatureKind, Scorer};

/// Which tensors make a row.
pub(crate) struct Asking {
    specs: Vec<TensorSpec>,
    /// Of each feature of the scorer, the place of its tensor; none for the key of sequences.
    places: Vec<Option<usize>>,
    /// The place of the tensor that tells the time of each step.
    times: Option<usize>,
    /// Whether a row is an image.
    is_image: bool,
}

impl Asking {
    pub(crate) fn of(scorer: &Scorer) -> Self {
        let in_steps = scorer.sequence().is_some();
        let mut asking = Self {
            specs: Vec::new(),
            places: Vec::new(),
            times: None,
            is_image: false,
        };
        for feature in scorer.features() {
            let column = Column::of(&feature, in_steps);
            asking.places.push(column.as_ref().map(|_| asking.specs.len()));
            asking.is_image |= matches!(feature.kind, FeatureKind::Image(_));
            if let Some(column) = column {
                if feature.kind == FeatureKind::Time {
                    asking.times = Some(asking.specs.len());
                }
                asking.specs.push(column.spec());
            }
        }
        asking
    }

    /// What a card says of them.
    pub(crate) fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// Whether a row is an image, and no row of texts.
    pub(crate) fn is_image(&self) -> bool {
        self.is_image
    }

    /// Whether a row is a sequence of steps.
    pub(crate) fn is_sequence(&self) -> bool {
        self.times.is_some()
    }

    /// The rows of a table, or the steps of sequences, with the row of the request that each is of. `tensors` are in the order of the specs. Sequences
    /// are told apart by a key, counted from `first` on.
    ///
    /// # Errors
    /// A sequence without a step.
    pub(crate) fn records(
        &self,
        tensors: &[Tensor],
        count: usize,
        first: usize,
    ) -> Result<(Vec<StringRecord>, Vec<usize>), RowProblem> {
        let (mut records, mut rows) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for row in 0..count {
            let Some(times) = self.times.and_then(|at| tensors.get(at)) else {
                records.push(self.record(tensors, first + row, row));
                rows.push(row);
                continue;
            };
            let steps = times.shape.get(1).copied().unwrap_or_default();
            let before = records.len();
            for at in (row * steps..(row + 1) * steps).filter(|at| is_there(times, *at)) {
                records.push(self.record(tensors, first + row, at));
                rows.push(row);
            }
            if records.len() == before {
                return Err(RowProblem {
                    row,
                    column: times.name.clone(),
                    found: "no step with a time".to_owned(),
                    expected: "at least one".to_owned(),
                });
            }
        }
        Ok((records, rows))
    }

    /// The elements `at` of all tensors; the key of a sequence is its row.
    fn record(&self, tensors: &[Tensor], row: usize, at: usize) -> StringRecord {
        let cells = self
            .places
            .iter()
            .map(|place| match place.and_then(|place| tensors.get(place)) {
                Some(tensor) => cell(tensor, at),
                None => format!("row {row}"),
            });
        cells.collect()
    }
}
