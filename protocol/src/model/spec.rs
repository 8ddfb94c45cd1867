use serde::Deserialize;

use super::{InputShape, Manifest, Target};

/// A model family with its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSpec {
    /// Logistic regression: one linear layer.
    Logistic,
    /// A multilayer perceptron.
    Mlp {
        /// Units of the hidden layers, from the inputs on.
        hidden: Vec<u32>,
        /// After each hidden layer.
        activation: Activation,
    },
}

/// What follows a hidden layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(0, x)`.
    #[default]
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

impl ModelSpec {
    /// The parameters in their order, for rows of this shape and what they shall predict: for each layer its `weight`, shape
    /// `[out, in]` and row-major as in PyTorch, then its `bias`, shape `[out]`. The layers are `hidden.0`,
    /// `hidden.1`, ... and `output`.
    pub fn manifest(&self, inputs: &InputShape, target: Target) -> Manifest {
        let mut manifest = Manifest::default();
        for (name, fan_in, units) in self.layers(inputs, target) {
            manifest.push(format!("{name}.weight"), vec![units, fan_in], fan_in);
            manifest.push(format!("{name}.bias"), vec![units], fan_in);
        }
        manifest
    }

    /// How many numbers the parameters are together; cannot overflow for sizes that a task allows.
    pub(crate) fn parameter_count(&self, inputs: &InputShape, target: Target) -> u64 {
        let count = |(_, fan_in, units): (String, usize, usize)| (fan_in as u64 + 1) * units as u64;
        self.layers(inputs, target).into_iter().map(count).sum()
    }

    /// `(name, inputs, outputs)` of each linear layer.
    fn layers(&self, inputs: &InputShape, target: Target) -> Vec<(String, usize, usize)> {
        let hidden: &[u32] = match self {
            Self::Logistic => &[],
            Self::Mlp { hidden, .. } => hidden,
        };
        let mut layers = Vec::with_capacity(hidden.len() + 1);
        let mut fan_in = inputs.width();
        for (index, &units) in hidden.iter().enumerate() {
            let units = units as usize;
            layers.push((format!("hidden.{index}"), fan_in, units));
            fan_in = units;
        }
        layers.push(("output".to_owned(), fan_in, target.outputs()));
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(spec: &ModelSpec, inputs: usize) -> Vec<(String, Vec<usize>)> {
        spec.manifest(&InputShape::numbers(inputs), Target::Binary)
            .parameters()
            .iter()
            .map(|p| (p.name.clone(), p.shape.clone()))
            .collect()
    }

    #[test]
    fn logistic_is_one_linear_layer() {
        let expected = [
            ("output.weight".to_owned(), vec![1, 5]),
            ("output.bias".to_owned(), vec![1]),
        ];
        assert_eq!(shapes(&ModelSpec::Logistic, 5), expected);
        assert_eq!(
            ModelSpec::Logistic.parameter_count(&InputShape::numbers(5), Target::Binary),
            6
        );
    }

    #[test]
    fn mlp_chains_its_hidden_layers() {
        let spec = ModelSpec::Mlp {
            hidden: vec![4, 3],
            activation: Activation::Tanh,
        };
        let expected: [(&str, &[usize]); 6] = [
            ("hidden.0.weight", &[4, 5]),
            ("hidden.0.bias", &[4]),
            ("hidden.1.weight", &[3, 4]),
            ("hidden.1.bias", &[3]),
            ("output.weight", &[1, 3]),
            ("output.bias", &[1]),
        ];
        assert_eq!(
            shapes(&spec, 5),
            expected.map(|(name, shape)| (name.to_owned(), shape.to_vec()))
        );
        assert_eq!(
            spec.parameter_count(&InputShape::numbers(5), Target::Binary),
            20 + 4 + 12 + 3 + 3 + 1
        );
        assert_eq!(
            spec.manifest(&InputShape::numbers(5), Target::Binary).total() as u64,
            spec.parameter_count(&InputShape::numbers(5), Target::Binary)
        );
    }
}
