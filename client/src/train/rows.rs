use tch::{Device, TchError, Tensor};

use crate::data::EncodedData;
use crate::model::Network;

use super::TrainError;

/// Rows of a dataset on their way to the device: gathered batch by batch, so that memory holds one batch beside the
/// dataset, however large that is.
pub(super) struct Rows<'a> {
    data: &'a EncodedData,
    device: Device,
    inputs: Vec<f32>,
    labels: Vec<f32>,
}

impl<'a> Rows<'a> {
    /// # Errors
    /// When `parameters`, `data` and `rows` do not belong together.
    pub(super) fn new(
        network: &Network,
        parameters: &[f32],
        data: &'a EncodedData,
        rows: &[u32],
        device: Device,
    ) -> Result<Self, TrainError> {
        let total = network.manifest().total();
        if parameters.len() != total {
            return Err(TrainError::shape("parameters", parameters.len(), total));
        }
        let cells = data.labels.len() * data.width;
        if data.inputs.len() != cells {
            return Err(TrainError::shape("encoded inputs", data.inputs.len(), cells));
        }
        if let Some(row) = rows.iter().find(|row| **row as usize >= data.labels.len()) {
            return Err(TrainError::shape(
                "row",
                row,
                format!("below {}", data.labels.len()),
            ));
        }
        Ok(Self {
            data,
            device,
            inputs: Vec::new(),
            labels: Vec::new(),
        })
    }

    /// Inputs, shape `[batch.len(), width]`, and labels, shape `[batch.len()]`, of these rows.
    pub(super) fn gather(&mut self, batch: &[u32]) -> Result<(Tensor, Tensor), TchError> {
        let width = self.data.width;
        self.inputs.clear();
        self.labels.clear();
        for &row in batch {
            let row = row as usize;
            self.inputs
                .extend_from_slice(&self.data.inputs[row * width..(row + 1) * width]);
            self.labels.push(f32::from(self.data.labels[row]));
        }
        let inputs = Tensor::f_from_slice(&self.inputs)?.f_view([batch.len() as i64, width as i64])?;
        Ok((
            inputs.f_to_device(self.device)?,
            Tensor::f_from_slice(&self.labels)?.f_to_device(self.device)?,
        ))
    }
}

/// The values of a tensor on any device, flat.
pub(super) fn to_vec(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut values = vec![0.0; tensor.numel()];
    tensor.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}
