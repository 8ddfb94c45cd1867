use crate::model::{Initial, InputShape, Manifest};

/// The mean of a text's embedded tokens, and a multilayer perceptron over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingBag {
    /// Numbers that stand for a token.
    pub dimension: u32,
    /// Units of the hidden layers, each with ReLU; may be empty.
    pub hidden: Vec<u32>,
}

/// A convolutional network for texts (Kim 2014).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextCnn {
    /// Numbers that stand for a token.
    pub dimension: u32,
    /// Filters of each width.
    pub filters: Vec<u32>,
    /// How many tokens in a row the filters look at, as many entries as [`TextCnn::filters`].
    pub widths: Vec<u32>,
}

impl Default for EmbeddingBag {
    fn default() -> Self {
        Self {
            dimension: 64,
            hidden: Vec::new(),
        }
    }
}

impl Default for TextCnn {
    fn default() -> Self {
        Self {
            dimension: 64,
            filters: vec![64; 3],
            widths: vec![3, 4, 5],
        }
    }
}

/// Texts of at least so many tokens.
pub(super) fn takes(inputs: &InputShape, least: usize) -> Result<(), String> {
    match inputs {
        InputShape::Text { tokens, .. } if *tokens >= least => Ok(()),
        InputShape::Text { .. } => Err(format!("texts of at least {least} tokens, the widest filter")),
        _ => Err("texts".to_owned()),
    }
}

impl EmbeddingBag {
    /// `embedding.weight`, shape `[vocabulary, dimension]`, then the chain `hidden.0`, ..., `output`.
    pub(super) fn parameters(&self, manifest: &mut Manifest, inputs: &InputShape, outputs: usize) {
        let InputShape::Text { vocabulary, .. } = inputs else {
            return;
        };
        manifest.embedding("embedding", *vocabulary, self.dimension as usize);
        manifest.chain(self.dimension as usize, &self.hidden, outputs);
    }
}

impl TextCnn {
    pub(super) fn takes(&self, inputs: &InputShape) -> Result<(), String> {
        takes(
            inputs,
            self.widths.iter().max().map_or(1, |width| *width as usize),
        )
    }

    /// `embedding.weight`, shape `[vocabulary, dimension]`; for each width `conv.0.weight`, shape `[filters, dimension, width]`, and
    /// `conv.0.bias`; then `output` over the filters of all widths.
    pub(super) fn parameters(&self, manifest: &mut Manifest, inputs: &InputShape, outputs: usize) {
        let InputShape::Text { vocabulary, .. } = inputs else {
            return;
        };
        let dimension = self.dimension as usize;
        manifest.embedding("embedding", *vocabulary, dimension);
        let mut all = 0;
        for (index, (&filters, &width)) in self.filters.iter().zip(&self.widths).enumerate() {
            let (filters, width) = (filters as usize, width as usize);
            let initial = Initial::Uniform {
                fan_in: dimension * width,
            };
            manifest.push(
                format!("conv.{index}.weight"),
                &[filters, dimension, width],
                initial,
            );
            manifest.push(format!("conv.{index}.bias"), &[filters], initial);
            all += filters;
        }
        manifest.linear("output", all, outputs);
    }
}
