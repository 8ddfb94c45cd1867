use tch::{TchError, Tensor};
use veilsum_protocol::model::{Cnn, InputShape, Norm};

use super::arrays::Arrays;
use super::dropout::Dropout;
use super::network::Forward;
use super::to_i64;

/// The convolutional network.
///
/// 1. A row is an image: `[rows, channels, height, width]`.
/// 2. `conv.i`: `[rows, channels, h, w] -> [rows, filters, h - kernel + 1, w - kernel + 1]`; the group norm `norm.i` if there
///    is one; the greatest value of each `pool x pool` square, `[rows, filters, h / pool, w / pool]` rounded down; ReLU.
/// 3. Flattened, channel by channel: `[rows, filters * h * w]`.
/// 4. `hidden.i` and ReLU: `[rows, in] -> [rows, out]`; `output`: `[rows, in] -> [rows, outputs]`.
pub(super) struct CnnForward {
    spec: Cnn,
    image: [usize; 3],
}

impl CnnForward {
    pub(super) fn new(spec: &Cnn, inputs: &InputShape) -> Self {
        let image = match *inputs {
            InputShape::Image {
                channels,
                height,
                width,
            } => [channels, height, width],
            _ => [1, 1, inputs.width()],
        };
        Self {
            spec: spec.clone(),
            image,
        }
    }
}

impl Forward for CnnForward {
    fn forward(&self, parameters: &[Tensor], inputs: &Tensor, _: &mut Dropout) -> Result<Tensor, TchError> {
        let mut arrays = Arrays::of(parameters);
        let [channels, height, width] = self.image.map(to_i64);
        let pool = i64::from(self.spec.pool);
        let mut values = inputs.f_view([-1, channels, height, width])?;
        for &filters in &self.spec.filters {
            let weight = arrays.next();
            values = values.f_conv2d(weight, Some(arrays.next()), 1, 0, 1, 1)?;
            if self.spec.norm == Norm::Group {
                let groups = to_i64(Norm::groups(filters as usize));
                let weight = arrays.next();
                values = values.f_group_norm(groups, Some(weight), Some(arrays.next()), 1e-5, true)?;
            }
            if pool > 1 {
                values = values.f_max_pool2d([pool, pool], [pool, pool], 0, 1, false)?;
            }
            // Behind the pooling, where there is less to do: ReLU and the maximum change places.
            values = values.f_relu_()?;
        }
        values = values.f_flatten(1, -1)?;
        for _ in &self.spec.dense {
            values = arrays.linear(&values)?.f_relu_()?;
        }
        arrays.linear(&values)
    }

    fn largest_layer(&self) -> usize {
        // The first block has the most pixels, and a later one no more of them.
        let [channels, height, width] = self.image;
        let most = self
            .spec
            .filters
            .iter()
            .max()
            .map_or(1, |filters| *filters as usize);
        most.max(channels) * height * width
    }
}
