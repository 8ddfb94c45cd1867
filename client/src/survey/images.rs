//! What a bank's images are: how many of which size, and how many of each label.

use std::path::Path;

use serde::Serialize;

use crate::data::{DataError, Idx, times};

/// A file of images, and what is known of their labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Images {
    file: String,
    images: u64,
    /// Height and width, or channels, height and width; none of a file of labels.
    shape: Vec<u32>,
    /// Mean of all values, from 0 to 255.
    mean: f64,
    /// How often each label stands in the file of labels that was named with it, or in this file if it is one.
    labels: Option<Vec<Label>>,
}

/// A label and how often it was met.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Label {
    label: u8,
    count: u64,
}

impl Images {
    /// Reads both files to their end.
    ///
    /// # Errors
    /// The first thing that keeps them from being read, and labels that are not as many as the images.
    pub(crate) fn read(file: &Path, labels: Option<&Path>) -> Result<Self, DataError> {
        let mut items = Idx::open(file)?;
        let shape = items.shape().to_vec();
        let (mut images, mut sum, mut own) = (0, 0_u64, [0; 256]);
        while let Some((_, item)) = items.read()? {
            images += 1;
            sum += item.iter().map(|value| u64::from(*value)).sum::<u64>();
            if let &[label] = item {
                count(&mut own, label);
            }
        }
        let labels = match labels {
            None => shape.is_empty().then(|| found(&own)),
            Some(path) => Some(read_labels(path, images)?),
        };
        let values = images as f64 * shape.iter().map(|size| f64::from(*size)).product::<f64>();
        Ok(Self {
            file: file.display().to_string(),
            images,
            shape,
            mean: sum as f64 / values.max(1.0),
            labels,
        })
    }

    /// A line for the images and one for each label.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![if self.shape.is_empty() {
            format!("{}: IDX, {} labels", self.file, self.images)
        } else {
            format!(
                "{}: IDX, {} images of {} bytes, mean {:.1} of 255",
                self.file,
                self.images,
                times(&self.shape),
                self.mean
            )
        }];
        for Label { label, count } in self.labels.iter().flatten() {
            let share = 100.0 * *count as f64 / self.images.max(1) as f64;
            lines.push(format!("  label {label:3}  {count} ({share:.1} %)"));
        }
        if self.labels.is_none() {
            lines.push("  labels are counted with --labels FILE".to_owned());
        }
        lines.join("\n")
    }
}

fn read_labels(path: &Path, images: u64) -> Result<Vec<Label>, DataError> {
    let mut labels = Idx::open(path)?;
    if !labels.shape().is_empty() {
        return Err(DataError::whole(
            path,
            format!("items of {} bytes", times(labels.shape())),
            "labels of one byte each, in a file of one size",
            "name the file of labels with --labels",
        ));
    }
    let mut counts = [0; 256];
    let mut read = 0;
    while let Some((_, item)) = labels.read()? {
        read += 1;
        if let &[label] = item {
            count(&mut counts, label);
        }
    }
    if read != images {
        return Err(DataError::whole(
            path,
            format!("{read} labels"),
            format!("{images}, one for each image"),
            "name the labels of these images with --labels",
        ));
    }
    Ok(found(&counts))
}

fn count(counts: &mut [u64; 256], label: u8) {
    if let Some(count) = counts.get_mut(usize::from(label)) {
        *count += 1;
    }
}

fn found(counts: &[u64; 256]) -> Vec<Label> {
    let met = (0..=u8::MAX).zip(counts).filter(|(_, count)| **count > 0);
    met.map(|(label, &count)| Label { label, count }).collect()
}
