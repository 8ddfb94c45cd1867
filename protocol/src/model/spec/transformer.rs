use crate::model::{Initial, InputShape, Manifest};

/// An encoder transformer (Vaswani et al. 2017) with norms before each part (Xiong et al. 2020), over tokens that the rows'
/// shape gives: see `docs/models.md`.
#[derive(Clone, Debug, PartialEq)]
pub struct Transformer {
    /// Numbers of a token's vector, divisible by [`Transformer::heads`].
    pub dimension: u32,
    /// Heads of attention.
    pub heads: u32,
    /// Layers, one above the other.
    pub layers: u32,
    /// Units of each layer's hidden layer.
    pub feed_forward: u32,
    /// Share of the values that one step of training leaves out: behind the attention, in the hidden layer and behind it.
    pub dropout: f64,
}

impl Default for Transformer {
    fn default() -> Self {
        Self {
            dimension: 64,
            heads: 4,
            layers: 2,
            feed_forward: 128,
            dropout: 0.0,
        }
    }
}

pub(super) fn takes(inputs: &InputShape) -> Result<(), String> {
    match inputs {
        InputShape::Image { .. } => Err("a table, sequences or texts".to_owned()),
        _ => Ok(()),
    }
}

impl Transformer {
    /// What makes tokens of a row, `D` being the dimension:
    /// * text: a vector of each token number, `embedding.weight` `[vocabulary, D]`, plus one of its place, `position.weight`
    ///   `[tokens, D]`;
    /// * sequence: each step through a linear layer, `projection`, plus one of its place, `position.weight` `[steps, D]`;
    /// * table: each column is a token (Gorishniy et al. 2021): number `x` of column `j` gives `x * numbers.weight[j] +
    ///   numbers.bias[j]`, both `[numbers, D]`, and value `v` of a category the vector of `categories.weight`, `[values of all
    ///   categories, D]`, behind those of the categories before it.
    ///
    /// Then PyTorch's `nn.TransformerEncoderLayer` as `layers.0`, ...; the last `norm`; and `output` over the tokens' mean.
    pub(super) fn parameters(&self, manifest: &mut Manifest, inputs: &InputShape, outputs: usize) {
        let (dimension, feed_forward) = (self.dimension as usize, self.feed_forward as usize);
        match inputs {
            InputShape::Text { tokens, vocabulary } => {
                manifest.embedding("embedding", *vocabulary, dimension);
                manifest.embedding("position", *tokens, dimension);
            }
            InputShape::Sequence { steps, width } => {
                manifest.linear("projection", *width, dimension);
                manifest.embedding("position", *steps, dimension);
            }
            InputShape::Table { numbers, categories } => {
                let initial = Initial::Uniform { fan_in: dimension };
                if *numbers > 0 {
                    manifest.push("numbers.weight", &[*numbers, dimension], initial);
                    manifest.push("numbers.bias", &[*numbers, dimension], initial);
                }
                if !categories.is_empty() {
                    manifest.embedding("categories", categories.iter().sum(), dimension);
                }
            }
            InputShape::Image { .. } => return,
        }
        let initial = Initial::Uniform { fan_in: dimension };
        for layer in 0..self.layers {
            let name = |part: &str| format!("layers.{layer}.{part}");
            manifest.push(
                name("self_attn.in_proj_weight"),
                &[3 * dimension, dimension],
                initial,
            );
            manifest.push(name("self_attn.in_proj_bias"), &[3 * dimension], initial);
            manifest.linear(&name("self_attn.out_proj"), dimension, dimension);
            manifest.linear(&name("linear1"), dimension, feed_forward);
            manifest.linear(&name("linear2"), feed_forward, dimension);
            manifest.norm(&name("norm1"), dimension);
            manifest.norm(&name("norm2"), dimension);
        }
        manifest.norm("norm", dimension);
        manifest.linear("output", dimension, outputs);
    }
}
