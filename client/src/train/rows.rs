use tch::{Device, TchError, Tensor};

use crate::data::{EncodedData, RowReader};
use crate::model::{Network, to_i64};

use super::TrainError;

/// Rows of a dataset on their way to the device: gathered and encoded a few at a time, so that memory holds little beside
/// the dataset, however large that is.
pub(super) struct Rows<'a> {
    data: &'a EncodedData,
    reader: RowReader<'a>,
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
        let (found, expected) = (data.inputs.rows(data.shape.width()), data.labels.len());
        if found != Some(expected) {
            let found = found.map_or("part of a row".to_owned(), |rows| rows.to_string());
            return Err(TrainError::shape("encoded rows", found, expected));
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
            reader: data.inputs.reader(data.shape.width()),
            device,
            inputs: Vec::new(),
            labels: Vec::new(),
        })
    }

    /// Inputs, shape `[rows.len(), width]`, and labels, shape `[rows.len()]`, of these rows. `next` will be asked for after them,
    /// as many at a time.
    pub(super) fn gather(&mut self, rows: &[u32], next: &[u32]) -> Result<(Tensor, Tensor), TrainError> {
        let width = self.data.shape.width();
        self.inputs.clear();
        self.labels.clear();
        self.reader.append(rows, next, &mut self.inputs)?;
        self.labels
            .extend(rows.iter().map(|&row| self.data.labels[row as usize]));
        let inputs = Tensor::f_from_slice(&self.inputs)?.f_view([to_i64(rows.len()), to_i64(width)])?;
        Ok((
            inputs.f_to_device(self.device)?,
            Tensor::f_from_slice(&self.labels)?.f_to_device(self.device)?,
        ))
    }
}

/// Appends the values of a tensor on any device, in row-major order.
pub(crate) fn append(tensor: &Tensor, values: &mut Vec<f32>) -> Result<(), TchError> {
    let (start, length) = (values.len(), tensor.numel());
    values.resize(start + length, 0.0);
    tensor.f_copy_data(&mut values[start..], length)
}
