use crate::model::{Initial, InputShape, Manifest};

/// A recurrent network: what the last layer's cells hold behind the last step, and one linear layer over it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent {
    /// Which cells.
    pub cell: Cell,
    /// Cells of each layer.
    pub units: u32,
    /// Layers, one above the other.
    pub layers: u32,
    /// Share of each layer's values that one step of training leaves out.
    pub dropout: f64,
}

/// A kind of cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Cell {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997).
    #[default]
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014), with PyTorch's reset gate behind the product.
    Gru,
}

impl Cell {
    /// Rows of its weights for one unit, in PyTorch's order: input, forget, cell, output; or reset, update, new.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

impl Default for Recurrent {
    fn default() -> Self {
        Self {
            cell: Cell::Lstm,
            units: 64,
            layers: 1,
            dropout: 0.0,
        }
    }
}

pub(super) fn takes(inputs: &InputShape) -> Result<(), String> {
    match inputs {
        InputShape::Sequence { .. } => Ok(()),
        _ => Err("sequences".to_owned()),
    }
}

impl Recurrent {
    /// As PyTorch's `nn.LSTM` and `nn.GRU` for each layer `l`: `recurrent.weight_ih_l`, shape `[gates * units, inputs]`,
    /// `recurrent.weight_hh_l`, shape `[gates * units, units]`, and both biases, shape `[gates * units]`; then `output`.
    pub(super) fn parameters(&self, manifest: &mut Manifest, inputs: &InputShape, outputs: usize) {
        let InputShape::Sequence { width, .. } = inputs else {
            return;
        };
        let units = self.units as usize;
        let rows = self.cell.gates() * units;
        let initial = Initial::Uniform { fan_in: units };
        let mut fan_in = *width;
        for layer in 0..self.layers {
            manifest.push(format!("recurrent.weight_ih_l{layer}"), &[rows, fan_in], initial);
            manifest.push(format!("recurrent.weight_hh_l{layer}"), &[rows, units], initial);
            manifest.push(format!("recurrent.bias_ih_l{layer}"), &[rows], initial);
            manifest.push(format!("recurrent.bias_hh_l{layer}"), &[rows], initial);
            fan_in = units;
        }
        manifest.linear("output", units, outputs);
    }
}
