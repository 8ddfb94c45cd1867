use tch::{TchError, Tensor};

/// A model's arrays of parameters one after another, in the order of its manifest.
pub(super) struct Arrays<'a>(std::slice::Iter<'a, Tensor>);

impl<'a> Arrays<'a> {
    pub(super) fn of(parameters: &'a [Tensor]) -> Self {
        Self(parameters.iter())
    }

    pub(super) fn next(&mut self) -> &'a Tensor {
        self.0
            .next()
            .expect("a family's forward takes the arrays of its manifest")
    }

    /// The next `count` at once.
    pub(super) fn several(&mut self, count: usize) -> &'a [Tensor] {
        let (several, rest) = self.0.as_slice().split_at(count);
        self.0 = rest.iter();
        several
    }

    /// `[..., in] -> [..., out]` by a weight, shape `[out, in]`, and a bias, shape `[out]`.
    pub(super) fn linear(&mut self, values: &Tensor) -> Result<Tensor, TchError> {
        let weight = self.next();
        values.f_linear(weight, Some(self.next()))
    }

    /// Layer norm over the last dimension by a weight and a bias of its size; shapes stay.
    pub(super) fn layer_norm(&mut self, values: &Tensor) -> Result<Tensor, TchError> {
        let weight = self.next();
        values.f_layer_norm(
            weight.size().as_slice(),
            Some(weight),
            Some(self.next()),
            1e-5,
            true,
        )
    }
}
