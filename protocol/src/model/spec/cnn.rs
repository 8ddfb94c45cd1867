use serde::Deserialize;

use crate::model::{Initial, InputShape, Manifest};

/// A convolutional network: blocks of convolution, norm, ReLU and pooling, then a multilayer perceptron. The default is the
/// classic one of two blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cnn {
    /// Filters of each block.
    pub filters: Vec<u32>,
    /// Height and width of a filter; pixels at the edge are not padded.
    pub kernel: u32,
    /// Height and width of the squares of which the greatest value stays; 1: every value stays.
    pub pool: u32,
    /// Units of the hidden layers behind the blocks.
    pub dense: Vec<u32>,
    /// Between convolution and ReLU.
    pub norm: Norm,
}

/// What evens out a block's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// Nothing.
    #[default]
    None,
    /// A group norm (Wu and He 2018), see [`Norm::groups`].
    Group,
}

impl Norm {
    /// In how many groups the channels are evened out together: the greatest common divisor of 8 and their number.
    pub fn groups(channels: usize) -> usize {
        [8, 4, 2]
            .into_iter()
            .find(|groups| channels.is_multiple_of(*groups))
            .unwrap_or(1)
    }
}

impl Default for Cnn {
    fn default() -> Self {
        Self {
            filters: vec![32, 64],
            kernel: 3,
            pool: 2,
            dense: vec![64],
            norm: Norm::None,
        }
    }
}

impl Cnn {
    /// Pixels of one side behind all blocks; `None` where a block has none left to take.
    fn side(&self, pixels: usize) -> Option<usize> {
        let (kernel, pool) = (self.kernel as usize, self.pool as usize);
        self.filters.iter().try_fold(pixels, |side, _| {
            let pooled = (side + 1).checked_sub(kernel)?.checked_div(pool)?;
            (pooled > 0).then_some(pooled)
        })
    }

    pub(super) fn takes(&self, inputs: &InputShape) -> Result<(), String> {
        let InputShape::Image { height, width, .. } = inputs else {
            return Err("images".to_owned());
        };
        if self.side(*height).is_some() && self.side(*width).is_some() {
            return Ok(());
        }
        Err(format!(
            "images from which {} blocks leave a pixel, each taking {} pixels off both sizes and dividing what is left by {}",
            self.filters.len(),
            self.kernel.saturating_sub(1),
            self.pool
        ))
    }

    /// For each block `conv.0.weight`, shape `[filters, channels, kernel, kernel]`, and `conv.0.bias`, with a norm
    /// `norm.0.weight` and `norm.0.bias` behind them; then the chain `hidden.0`, ..., `output` over what the last block leaves,
    /// channel by channel.
    pub(super) fn parameters(&self, manifest: &mut Manifest, inputs: &InputShape, outputs: usize) {
        let InputShape::Image {
            channels,
            height,
            width,
        } = inputs
        else {
            return;
        };
        let kernel = self.kernel as usize;
        let mut channels = *channels;
        for (index, &filters) in self.filters.iter().enumerate() {
            let filters = filters as usize;
            let initial = Initial::Uniform {
                fan_in: channels * kernel * kernel,
            };
            manifest.push(
                format!("conv.{index}.weight"),
                &[filters, channels, kernel, kernel],
                initial,
            );
            manifest.push(format!("conv.{index}.bias"), &[filters], initial);
            if self.norm == Norm::Group {
                manifest.norm(&format!("norm.{index}"), filters);
            }
            channels = filters;
        }
        let sides = [height, width].map(|pixels| self.side(*pixels).unwrap_or(0));
        manifest.chain(channels * sides[0] * sides[1], &self.dense, outputs);
    }
}
