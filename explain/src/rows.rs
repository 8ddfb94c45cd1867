//! Rows as the model reads them, and which of their inputs are one feature.

use std::collections::HashSet;

use crate::error::Invalid;

/// Inputs of many rows, one row after the other. Every input is finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl Rows {
    /// Rows of `width` inputs each.
    ///
    /// # Errors
    /// When the width is 0, when the values do not fill whole rows, or when one is not finite.
    pub fn new(width: usize, values: Vec<f32>) -> Result<Self, Invalid> {
        if width == 0 {
            return Err(Invalid::NoWidth);
        }
        if !values.len().is_multiple_of(width) {
            return Err(Invalid::PartialRow {
                values: values.len(),
                width,
            });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Invalid::InputNotFinite {
                row: at / width,
                input: at % width,
                found: values.get(at).copied().unwrap_or(f32::NAN),
            });
        }
        Ok(Self { width, values })
    }

    /// None yet, with room for `rows`.
    pub(crate) fn with_room(width: usize, rows: usize) -> Self {
        Self {
            width,
            values: Vec::with_capacity(width.saturating_mul(rows)),
        }
    }

    /// Inputs of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All inputs, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The rows in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// The row at a place counted from 0.
    pub fn get(&self, row: usize) -> Option<&[f32]> {
        let start = row.checked_mul(self.width)?;
        self.values.get(start..start.checked_add(self.width)?)
    }

    /// The mean of each input; nothing without rows.
    pub fn means(&self) -> Option<Vec<f64>> {
        if self.is_empty() {
            return None;
        }
        let mut sums = vec![0.0; self.width];
        for row in self.iter() {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        let rows = self.len() as f64;
        Some(sums.into_iter().map(|sum| sum / rows).collect())
    }

    /// One row more, which is as wide as the others and finite: a copy of such a row. Gives its inputs, to be changed.
    pub(crate) fn push(&mut self, row: &[f32]) -> &mut [f32] {
        debug_assert_eq!(row.len(), self.width);
        let start = self.values.len();
        self.values.extend_from_slice(row);
        &mut self.values[start..]
    }

    /// Takes all rows out and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
    }
}

/// Which inputs of a row are one feature: a number and its flag, the columns of a category, all steps of a sequence's column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    width: usize,
    names: Vec<String>,
    /// Inputs by feature: those of feature `f` are at `starts[f]..starts[f + 1]`.
    inputs: Vec<usize>,
    starts: Vec<usize>,
}

impl Groups {
    /// Features with the inputs of each, which together are all inputs from 0 to `width`, each once.
    ///
    /// # Errors
    /// When there is no feature, two have one name, one has no inputs, or an input belongs to none, to two or is outside the row.
    pub fn new(width: usize, features: Vec<(String, Vec<usize>)>) -> Result<Self, Invalid> {
        if features.is_empty() {
            return Err(Invalid::Empty {
                field: "groups",
                remedy: "name at least one feature with its inputs",
            });
        }
        let mut owner: Vec<Option<usize>> = vec![None; width];
        let mut seen = HashSet::new();
        for (at, (name, inputs)) in features.iter().enumerate() {
            if !seen.insert(name.as_str()) {
                return Err(Invalid::NameTwice { name: name.clone() });
            }
            if inputs.is_empty() {
                return Err(Invalid::EmptyGroup {
                    feature: name.clone(),
                });
            }
            for input in inputs {
                let Some(place) = owner.get_mut(*input) else {
                    return Err(Invalid::InputOutside {
                        feature: name.clone(),
                        input: *input,
                        width,
                    });
                };
                if let Some(first) = place.replace(at) {
                    let first = features.get(first).map(|(name, _)| name.clone());
                    return Err(Invalid::InputTwice {
                        input: *input,
                        first: first.unwrap_or_default(),
                        second: name.clone(),
                    });
                }
            }
        }
        if let Some(input) = owner.iter().position(Option::is_none) {
            return Err(Invalid::InputUnnamed { input });
        }
        let mut groups = Self {
            width,
            names: Vec::with_capacity(features.len()),
            inputs: Vec::with_capacity(width),
            starts: vec![0],
        };
        for (name, inputs) in features {
            groups.names.push(name);
            groups.inputs.extend(inputs);
            groups.starts.push(groups.inputs.len());
        }
        Ok(groups)
    }

    /// Each input is a feature of its own.
    ///
    /// # Errors
    /// When there is no name, or two are the same.
    pub fn single(names: Vec<String>) -> Result<Self, Invalid> {
        let width = names.len();
        Self::new(
            width,
            names
                .into_iter()
                .zip(0..)
                .map(|(name, at)| (name, vec![at]))
                .collect(),
        )
    }

    /// How many features.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never: there is at least one feature.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Inputs of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features' names, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The inputs of each feature, in the features' order.
    pub fn iter(&self) -> impl Iterator<Item = &[usize]> {
        self.starts
            .windows(2)
            .map(|ends| self.inputs.get(ends[0]..ends[1]).unwrap_or_default())
    }

    /// The inputs of one feature; none of a feature that is not there.
    pub fn inputs(&self, feature: usize) -> &[usize] {
        let start = self.starts.get(feature);
        let end = self.starts.get(feature.saturating_add(1));
        let range = start.zip(end).map(|(start, end)| *start..*end);
        range.and_then(|range| self.inputs.get(range)).unwrap_or_default()
    }

    /// Sums what is known of inputs over each feature.
    pub(crate) fn sum(&self, by_input: &[f64]) -> Vec<f64> {
        let value = |input: &usize| by_input.get(*input).copied().unwrap_or(0.0);
        self.iter().map(|inputs| inputs.iter().map(value).sum()).collect()
    }

    pub(crate) fn fits(&self, field: &'static str, width: usize) -> Result<(), Invalid> {
        Invalid::size(
            (field, "inputs in a row"),
            width,
            self.width,
            "rows and groups must be of one width",
        )
    }
}
