use std::ops::Range;

/// A model's parameters in their order. Flattened one after another they are the model's vector: the state that
/// is hashed, and the update that is masked.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Manifest {
    parameters: Vec<Parameter>,
    total: usize,
}

/// One array of parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter {
    /// Unique in its model.
    pub name: String,
    /// Sizes of the dimensions, outermost first; row-major.
    pub shape: Vec<usize>,
    /// Inputs of the layer that it belongs to; sets the spread of its initial values.
    pub fan_in: usize,
    /// Where it lies in the model's vector.
    pub range: Range<usize>,
}

impl Manifest {
    pub(super) fn push(&mut self, name: String, shape: Vec<usize>, fan_in: usize) {
        let start = self.total;
        self.total += shape.iter().product::<usize>();
        self.parameters.push(Parameter {
            name,
            shape,
            fan_in,
            range: start..self.total,
        });
    }

    /// The parameters in the order of the model's vector.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Length of the model's vector.
    pub fn total(&self) -> usize {
        self.total
    }
}
