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
    /// What its values are in model 0.
    pub initial: Initial,
    /// Where it lies in the model's vector.
    pub range: Range<usize>,
}

/// The values of an array of parameters in model 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// Uniform between `-1 / sqrt(fan_in)` and `1 / sqrt(fan_in)`.
    Uniform {
        /// Inputs of the layer that the array belongs to; for an embedding the length of its vectors.
        fan_in: usize,
    },
    /// All 1: factors of a norm.
    Ones,
    /// All 0: what a norm adds.
    Zeros,
}

impl Manifest {
    /// The total stops at the greatest number where the sizes would lead beyond it: a task refuses such a model before anything of its
    /// size is allocated.
    pub(super) fn push(&mut self, name: impl Into<String>, shape: &[usize], initial: Initial) {
        let start = self.total;
        let length = shape.iter().fold(1, |all: usize, &size| all.saturating_mul(size));
        self.total = start.saturating_add(length);
        self.parameters.push(Parameter {
            name: name.into(),
            shape: shape.to_vec(),
            initial,
            range: start..self.total,
        });
    }

    /// A linear layer: `weight`, shape `[units, fan_in]` as in PyTorch, and `bias`, shape `[units]`.
    pub(super) fn linear(&mut self, name: &str, fan_in: usize, units: usize) {
        let initial = Initial::Uniform { fan_in };
        self.push(format!("{name}.weight"), &[units, fan_in], initial);
        self.push(format!("{name}.bias"), &[units], initial);
    }

    /// A group or layer norm: `weight` and `bias`, shape `[channels]`.
    pub(super) fn norm(&mut self, name: &str, channels: usize) {
        self.push(format!("{name}.weight"), &[channels], Initial::Ones);
        self.push(format!("{name}.bias"), &[channels], Initial::Zeros);
    }

    /// An embedding: one vector of `dimension` numbers for each of `values`.
    pub(super) fn embedding(&mut self, name: &str, values: usize, dimension: usize) {
        let initial = Initial::Uniform { fan_in: dimension };
        self.push(format!("{name}.weight"), &[values, dimension], initial);
    }

    /// Linear layers one behind the other, `hidden.0`, `hidden.1`, ... and `output`.
    pub(super) fn chain(&mut self, fan_in: usize, hidden: &[u32], outputs: usize) {
        let mut fan_in = fan_in;
        for (index, &units) in hidden.iter().enumerate() {
            self.linear(&format!("hidden.{index}"), fan_in, units as usize);
            fan_in = units as usize;
        }
        self.linear("output", fan_in, outputs);
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
