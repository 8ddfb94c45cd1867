use serde::Deserialize;

use crate::model::{InputShape, Manifest};

/// A multilayer perceptron.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    /// Units of the hidden layers, from the inputs on.
    pub hidden: Vec<u32>,
    /// After each hidden layer.
    pub activation: Activation,
    /// Share of each hidden layer's values that one step of training leaves out.
    pub dropout: f64,
    /// Categories become vectors that are trained along, of at most so many numbers: see [`Mlp::dimension`]. `None`: they are one-hot.
    pub embedding: Option<u32>,
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

impl Mlp {
    /// Without dropout and embeddings.
    pub fn new(hidden: Vec<u32>, activation: Activation) -> Self {
        Self {
            hidden,
            activation,
            dropout: 0.0,
            embedding: None,
        }
    }

    /// How many numbers stand for a category of so many values: half as many as it has values, rounded up, and at most
    /// [`Mlp::embedding`].
    pub fn dimension(&self, values: usize) -> usize {
        let most = self.embedding.map_or(0, |most| most as usize);
        values.div_ceil(2).min(most)
    }

    pub(super) fn takes(&self, inputs: &InputShape) -> Result<(), String> {
        match inputs {
            InputShape::Table { categories, .. } if self.embedding.is_some() && !categories.is_empty() => {
                Ok(())
            }
            _ if self.embedding.is_some() => {
                Err("a table with a category column, whose values model.embedding is for".to_owned())
            }
            _ => takes_numbers(inputs),
        }
    }

    /// `embedding.0.weight`, shape `[values, dimension]`, and so on for each category; then the chain `hidden.0`, ...,
    /// `output` over the numbers followed by the vectors of the categories.
    pub(super) fn parameters(&self, manifest: &mut Manifest, inputs: &InputShape, outputs: usize) {
        let mut fan_in = inputs.width();
        if let InputShape::Table { numbers, categories } = inputs {
            fan_in = *numbers;
            for (index, &values) in categories.iter().enumerate() {
                let dimension = self.dimension(values);
                manifest.embedding(&format!("embedding.{index}"), values, dimension);
                fan_in += dimension;
            }
        }
        manifest.chain(fan_in, &self.hidden, outputs);
    }
}

/// Token numbers and numbers of categories are names, not quantities, so no linear layer can use them.
pub(super) fn takes_numbers(inputs: &InputShape) -> Result<(), String> {
    match inputs {
        InputShape::Table { categories, .. } if categories.is_empty() => Ok(()),
        InputShape::Sequence { .. } | InputShape::Image { .. } => Ok(()),
        _ => Err("a table of numbers, sequences or images".to_owned()),
    }
}
