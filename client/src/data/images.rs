//! From two IDX files, of images and of their labels, to rows.

use std::path::Path;

use csv::StringRecord;
use veilsum_protocol::task::{ImageColumn, LabelKind, Schema};

use super::dataset::Rows;
use super::error::At;
use super::source::{Idx, times};
use super::{DataError, DataFiles, HoldOut};
use crate::desensitise::Rules;

/// Images that are handed over at a time.
const AT_ONCE: usize = 256;

/// Reads `files` from the first image to the last and hands them to `sink`, many at a time.
pub(super) fn read(
    files: &DataFiles,
    schema: &Schema,
    image: &ImageColumn,
    hold_out: &HoldOut,
    rules: &Rules,
    sink: &mut dyn FnMut(Rows) -> Result<(), DataError>,
) -> Result<(), DataError> {
    if let Some(column) = hold_out.column() {
        return Err(DataError::whole(
            &files.file,
            "images, which have no columns",
            format!("a table with the column {column:?}, by which held-out rows are told"),
            "take part in tasks on images only if they split by hash",
        ));
    }
    // A rule of the policy is for a column, and there is none.
    rules.for_header(&StringRecord::new())?;
    let mut images = Idx::open(&files.file)?;
    check_shape(&files.file, images.shape(), image)?;
    let Some(labels_file) = &files.labels else {
        return Err(DataError::whole(
            &files.file,
            "images without a file of labels",
            "a second IDX file with a label for each of them",
            "name it in data.labels of bank.toml",
        ));
    };
    let mut labels = Idx::open(labels_file)?;
    if !labels.shape().is_empty() {
        return Err(DataError::whole(
            labels_file,
            format!("items of {} bytes", times(labels.shape())),
            "labels of one byte each, in a file of one size",
            "name the file of labels in data.labels of bank.toml, and that of images in data.file",
        ));
    }
    if labels.count() != images.count() {
        return Err(DataError::whole(
            labels_file,
            format!("{} labels", labels.count()),
            format!(
                "{}, one for each image of {}",
                images.count(),
                files.file.display()
            ),
            "export both files again, from the same images",
        ));
    }
    let count = images.count();
    if count == 0 {
        return Err(DataError::whole(
            &files.file,
            "no image",
            "at least one",
            "export the data again",
        ));
    }
    let classes = match &schema.label_kind {
        LabelKind::Classes(classes) => classes.values.len(),
        LabelKind::Binary | LabelKind::Number(_) => 2,
    };
    let mut sides = hold_out.sides(&schema.missing);
    let mut rows = Rows::default();
    while let Some((number, pixels)) = images.read()? {
        let Some((_, &[label])) = labels.read()? else {
            return Err(DataError::whole(
                labels_file,
                format!("{} labels", number - 1),
                format!("{count}, one for each image"),
                "export both files again, from the same images",
            ));
        };
        if usize::from(label) >= classes {
            return Err(DataError::Row {
                file: labels_file.clone(),
                at: At::Image(number.into()),
                found: format!("the label {label}"),
                expected: format!("0 to {}, the places of the {classes} classes", classes - 1),
                advice: "correct it, or agree on one more class in label_classes",
            });
        }
        sides.bytes(pixels);
        let side = sides
            .side(None)
            .map_err(|expected| DataError::whole(&files.file, "images", expected, "split by hash"))?;
        rows.pixels.extend_from_slice(pixels);
        rows.cells.labels.push(f32::from(label));
        rows.sides.push((At::Image(number.into()), side));
        if rows.sides.len() == AT_ONCE {
            sink(std::mem::take(&mut rows))?;
        }
    }
    sink(rows)?;
    // What stands behind the last label is told.
    labels.read()?;
    Ok(())
}

fn check_shape(file: &Path, found: &[u32], image: &ImageColumn) -> Result<(), DataError> {
    let one = [image.height, image.width];
    let more = [image.channels, image.height, image.width];
    let expected = if image.channels == 1 { &one[..] } else { &more[..] };
    if found == expected {
        return Ok(());
    }
    let found = match found {
        [] => "labels, or a file of one size".to_owned(),
        found => format!("images of {}", times(found)),
    };
    let order = if image.channels == 1 {
        "height and width"
    } else {
        "channels, height and width"
    };
    Err(DataError::whole(
        file,
        found,
        format!("images of {}, {order} as in the schema", times(expected)),
        "scale the images to the agreed size, or name the right file in data.file of bank.toml",
    ))
}
