//! A column of the bank's table as a tensor of a request, and back to the text that the bank's own reader takes.

use veilsum_serving::{Data, Datatype, Tensor, TensorSpec};

use crate::scoring::{Feature, FeatureKind};

/// What a request has to hold, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The tensor's name, that of the column.
    pub name: String,
    /// What its elements are.
    pub datatype: Datatype,
    /// Its shape behind the rows; -1: as many steps as the request has.
    pub trail: Vec<i64>,
    /// Whether an element may be missing.
    pub may_miss: bool,
}

impl Column {
    /// For a feature of a model; `in_steps` where rows are steps of sequences. A key has none: the request's own rows tell sequences apart.
    pub fn of(feature: &Feature, in_steps: bool) -> Option<Self> {
        let (datatype, mut trail) = match &feature.kind {
            FeatureKind::Key => return None,
            FeatureKind::Number => (Datatype::Fp64, Vec::new()),
            FeatureKind::Image(shape) => {
                let lengths = shape
                    .iter()
                    .map(|&length| i64::try_from(length).unwrap_or(i64::MAX));
                (Datatype::Uint8, lengths.collect())
            }
            FeatureKind::Category(_)
            | FeatureKind::Date
            | FeatureKind::Text
            | FeatureKind::Time
            | FeatureKind::ShiftsBy => (Datatype::Bytes, Vec::new()),
        };
        if in_steps {
            trail.insert(0, -1);
        }
        Some(Self {
            name: feature.name.clone(),
            datatype,
            trail,
            // A sequence may have fewer steps than others.
            may_miss: feature.may_miss || in_steps,
        })
    }

    /// As a card names it.
    pub fn spec(&self) -> TensorSpec {
        let mut shape = vec![-1];
        shape.extend(&self.trail);
        TensorSpec {
            name: self.name.clone(),
            datatype: self.datatype,
            shape,
            missing: self.may_miss,
        }
    }
}

/// The element `at` of a tensor as a cell of a table; an empty one where it is missing. The text of a number is the shortest that reads back as the
/// same number.
pub(super) fn cell(tensor: &Tensor, at: usize) -> String {
    let is_missing = |marks: &Vec<bool>| marks.get(at).copied().unwrap_or_default();
    if tensor.missing.as_ref().is_some_and(is_missing) {
        return String::new();
    }
    match &tensor.data {
        Data::Fp64(numbers) => numbers
            .get(at)
            .filter(|number| !number.is_nan())
            .map_or_else(String::new, f64::to_string),
        Data::Bytes(texts) => texts.get(at).cloned().unwrap_or_default(),
        // A card of this program has no other types but those of pixels, which are no cells.
        _ => String::new(),
    }
}

/// The same of whatever type a tensor has, for people and tables; empty where it is missing.
pub(crate) fn text_of(tensor: &Tensor, at: usize) -> String {
    let of = |text: Option<String>| text.unwrap_or_default();
    match &tensor.data {
        Data::Bool(values) => of(values.get(at).map(ToString::to_string)),
        Data::Uint8(values) => of(values.get(at).map(ToString::to_string)),
        Data::Uint16(values) => of(values.get(at).map(ToString::to_string)),
        Data::Uint32(values) => of(values.get(at).map(ToString::to_string)),
        Data::Uint64(values) => of(values.get(at).map(ToString::to_string)),
        Data::Int8(values) => of(values.get(at).map(ToString::to_string)),
        Data::Int16(values) => of(values.get(at).map(ToString::to_string)),
        Data::Int32(values) => of(values.get(at).map(ToString::to_string)),
        Data::Int64(values) => of(values.get(at).map(ToString::to_string)),
        Data::Fp32(values) => of(values.get(at).map(ToString::to_string)),
        Data::Fp64(_) | Data::Bytes(_) => cell(tensor, at),
    }
}

/// Whether there is a step: its time says so.
pub(super) fn is_there(times: &Tensor, at: usize) -> bool {
    !cell(times, at).trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_back_as_it_was_and_a_missing_one_as_none() {
        let column = |data| Tensor::column("a", data);
        let numbers = [0.1, -3.0, 1e21, 5e-324, 12_345.678_901_234_567];
        let tensor = column(Data::Fp64(numbers.to_vec()));
        for (at, number) in numbers.into_iter().enumerate() {
            assert_eq!(cell(&tensor, at).parse(), Ok(number));
        }
        assert_eq!(cell(&column(Data::Fp64(vec![3.0])), 0), "3");
        assert_eq!(cell(&column(Data::Fp64(vec![f64::NAN])), 0), "");
        let marked = Tensor {
            missing: Some(vec![true, false]),
            ..column(Data::Bytes(vec!["x".to_owned(), "y".to_owned()]))
        };
        assert_eq!(
            (cell(&marked, 0), cell(&marked, 1)),
            (String::new(), "y".to_owned())
        );
        assert_eq!(cell(&marked, 9), "");
    }

    #[test]
    fn the_steps_of_a_sequence_are_a_dimension_and_a_key_is_nothing_to_ask_for() {
        let feature = |kind| Feature {
            name: "a".to_owned(),
            kind,
            may_miss: false,
        };
        let of = |kind, in_steps| Column::of(&feature(kind), in_steps).map(|column| column.spec().shape);
        assert_eq!(of(FeatureKind::Number, false), Some(vec![-1]));
        assert_eq!(of(FeatureKind::Time, true), Some(vec![-1, -1]));
        assert_eq!(
            of(FeatureKind::Image([1, 28, 28]), false),
            Some(vec![-1, 1, 28, 28])
        );
        assert_eq!(of(FeatureKind::Key, true), None);
    }
}
