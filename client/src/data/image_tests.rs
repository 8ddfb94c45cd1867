#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use proptest::prelude::*;
use veilsum_protocol::model::{InputShape, Moments};
use veilsum_protocol::task::{Schema, Split};

use super::{DataFiles, Dataset, HoldOut, Idx, Room};
use crate::desensitise::{Policy, Rules};

const SCHEMA: &str = "version = 1\nlabel = \"digit\"\nlabel_classes = [\"zero\", \"one\", \"two\"]\n\
                      [[column]]\nname = \"image\"\ntype = \"image\"\nheight = 2\nwidth = 3\n";

fn idx(sizes: &[u32], items: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, u8::try_from(sizes.len()).unwrap()];
    sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(items);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Four images of 2 x 3, whose pixels count up.
fn images() -> Vec<u8> {
    idx(&[4, 2, 3], &(0..24).collect::<Vec<_>>())
}

fn labels() -> Vec<u8> {
    idx(&[4], &[0, 2, 1, 2])
}

fn read_with(
    images: &[u8],
    labels: Option<&[u8]>,
    schema: &str,
    hold_out: &HoldOut,
    rules: &Rules,
) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().unwrap();
    let files = DataFiles {
        file: folder.path().join("images.idx"),
        labels: labels.map(|_| folder.path().join("labels.idx")),
    };
    fs::write(&files.file, images).unwrap();
    if let (Some(path), Some(labels)) = (&files.labels, labels) {
        fs::write(path, labels).unwrap();
    }
    let schema = Schema::parse(schema).unwrap();
    let room = Room::in_memory();
    Dataset::read_files(&files, &schema, hold_out, None, rules, &room).map_err(|error| error.to_string())
}

fn read(images: &[u8], labels: &[u8]) -> Result<Dataset, String> {
    let none = HoldOut::new([0; 32], 0.0);
    read_with(images, Some(labels), SCHEMA, &none, &Rules::none())
}

fn refused(images: &[u8], labels: &[u8], parts: &[&str]) {
    let error = read(images, labels).err().unwrap();
    for part in parts {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn images_are_kept_as_bytes_and_given_on_0_to_1() {
    for (images, labels) in [(images(), labels()), (gzip(&images()), gzip(&labels()))] {
        let rows = read(&images, &labels).unwrap();
        assert_eq!(
            (rows.len(), rows.labels_in_words().as_str()),
            (4, "3 of the 3 classes")
        );
        let none = Moments {
            mean: Vec::new(),
            std: Vec::new(),
        };
        let encoded = rows.encode(&none).unwrap();
        assert_eq!(rows.rows().width(), 6);
        let expected: Vec<f32> = (0..24_u8).map(|pixel| f32::from(pixel) / 255.0).collect();
        assert_eq!(encoded.all_inputs().unwrap(), expected);
        assert_eq!(*encoded.labels, [0.0, 2.0, 1.0, 2.0]);
        let shape = InputShape::Image {
            channels: 1,
            height: 2,
            width: 3,
        };
        assert_eq!(encoded.shape, shape);
    }
    // Channels stand before height and width.
    let schema = format!("{SCHEMA}channels = 2\n");
    let pair = idx(&[2, 2, 2, 3], &(0..24).collect::<Vec<_>>());
    let none = HoldOut::new([0; 32], 0.0);
    let rows = read_with(&pair, Some(&idx(&[2], &[0, 1])), &schema, &none, &Rules::none()).unwrap();
    assert_eq!(rows.len(), 2);
    // A label of 0 or 1.
    let binary = SCHEMA.replace("label_classes = [\"zero\", \"one\", \"two\"]\n", "");
    let two = idx(&[4], &[0, 1, 1, 0]);
    let rows = read_with(&images(), Some(&two), &binary, &none, &Rules::none()).unwrap();
    assert_eq!(rows.positives(), 2);
}

#[test]
fn what_is_wrong_with_the_images_is_told_with_its_place() {
    let sizes = |sizes: &[u32]| idx(sizes, &images()[16..]);
    let changed = |place: usize, byte: u8| {
        let mut images = images();
        images[place] = byte;
        images
    };
    for (bytes, parts) in [
        (
            b"a,b\n1,2\n".to_vec(),
            [
                "images.idx: found a file that begins with the bytes 612c620a",
                "expected an IDX file",
            ],
        ),
        (
            Vec::new(),
            [
                "found the end of the file within its header",
                "expected an IDX file",
            ],
        ),
        (
            images()[..10].to_vec(),
            [
                "found the end of the file within its header",
                "expected an IDX file",
            ],
        ),
        (
            changed(2, 0x0d),
            [
                "found elements of the type 0x0d, numbers of four bytes",
                "expected unsigned bytes",
            ],
        ),
        (changed(3, 200), ["found 200 sizes", "expected at most 4"]),
        (
            sizes(&[4, 3, 2]),
            [
                "found images of 3 x 2",
                "expected images of 2 x 3, height and width as in the schema",
            ],
        ),
        (
            sizes(&[4, 1, 2, 3]),
            ["found images of 1 x 2 x 3", "expected images of 2 x 3"],
        ),
        (
            labels(),
            ["found labels, or a file of one size", "expected images of 2 x 3"],
        ),
        // A header may say anything: nothing is made room for before it is there.
        (
            sizes(&[4, u32::MAX, u32::MAX, u32::MAX]),
            [
                "found items of 4294967295 x 4294967295 x 4294967295 bytes",
                "expected items of 1 to 65536",
            ],
        ),
        (
            sizes(&[4, 0, 3]),
            ["found items of 0 x 3 bytes", "expected items of 1 to 65536"],
        ),
        (
            sizes(&[u32::MAX, 2, 3]),
            [
                "labels.idx: found 4 labels",
                "expected 4294967295, one for each image",
            ],
        ),
        (
            images()[..images().len() - 4].to_vec(),
            [
                "image 4: found the end of the file after 2 of 6 bytes",
                "expected 4 images or labels, as the header says",
            ],
        ),
        (
            [&images()[..], &[0]].concat(),
            [
                "found bytes behind the last of 4 items",
                "expected the end of the file",
            ],
        ),
        (sizes(&[0, 2, 3]), ["labels.idx: found 4 labels", "expected 0"]),
    ] {
        refused(&bytes, &labels(), &parts);
    }
    // The header of a large file that is not there.
    let (many, few) = (sizes(&[u32::MAX, 2, 3]), idx(&[u32::MAX], &[0; 9]));
    refused(
        &many,
        &few,
        &["images.idx: image 5: found the end of the file after 0 of 6 bytes"],
    );
    refused(
        &idx(&[0, 2, 3], &[]),
        &idx(&[0], &[]),
        &["found no image, expected at least one"],
    );
    // Images enough that more than the header comes through before the end is missed.
    let noise: Vec<u8> = (0..60_000_u32).map(|at| ((at * at) >> 7) as u8).collect();
    let packed = gzip(&idx(&[10_000, 2, 3], &noise));
    let cut = &packed[..packed.len() / 2];
    let error = read(cut, &idx(&[10_000], &[0; 10_000])).err().unwrap();
    assert!(
        error.contains("images.idx: image ")
            && error.contains("cannot be read on")
            && error.contains("cut short"),
        "{error}"
    );
}

#[test]
fn what_is_wrong_with_the_labels_is_told_with_its_place() {
    for (bytes, parts) in [
        (
            idx(&[3], &[0, 1, 2]),
            ["labels.idx: found 3 labels", "expected 4, one for each image of"],
        ),
        (
            idx(&[4], &[0, 1, 2, 3]),
            [
                "labels.idx: image 4: found the label 3",
                "expected 0 to 2, the places of the 3 classes",
            ],
        ),
        (
            idx(&[4], &[0, 1, 2]),
            ["labels.idx: image 4: found the end of the file", "expected 4"],
        ),
        (
            idx(&[4], &[0, 1, 2, 0, 0]),
            ["labels.idx: found bytes behind the last", "of 4 items"],
        ),
        (
            images(),
            [
                "labels.idx: found items of 2 x 3 bytes",
                "expected labels of one byte each",
            ],
        ),
    ] {
        refused(&images(), &bytes, &parts);
    }
    let none = HoldOut::new([0; 32], 0.0);
    let error = read_with(&images(), None, SCHEMA, &none, &Rules::none())
        .err()
        .unwrap();
    assert!(
        error.contains("found images without a file of labels") && error.contains("data.labels of bank.toml"),
        "{error}"
    );
    let table = "version = 1\nlabel = \"y\"\n[[column]]\nname = \"x\"\ntype = \"number\"\nmin = 0\nmax = 9\n";
    let error = read_with(b"x,y\n1,0\n2,1\n", Some(&labels()), table, &none, &Rules::none())
        .err()
        .unwrap();
    assert!(
        error.contains("labels.idx: found a file of labels beside a table"),
        "{error}"
    );
    for images in [images(), gzip(&images())] {
        let error = read_with(&images, None, table, &none, &Rules::none())
            .err()
            .unwrap();
        assert!(
            error
                .contains("found an IDX file, of images or their labels, expected a table in CSV or Parquet"),
            "{error}"
        );
    }
}

#[test]
fn images_are_parted_by_their_pixels_and_no_column() {
    let count = 600_u32;
    // Each image three times, under other labels.
    let pixels = (0..count).flat_map(|image| [(image % 200) as u8, 1, 2, 3, 4, 5]);
    let images = idx(&[count, 2, 3], &pixels.collect::<Vec<_>>());
    let labels: Vec<u8> = (0..count).map(|image| (image / 200) as u8).collect();
    let labels = idx(&[count], &labels);
    let part = |salt| {
        let hold_out = HoldOut::new([salt; 32], 0.3);
        let rows = read_with(&images, Some(&labels), SCHEMA, &hold_out, &Rules::none()).unwrap();
        rows.held_out_rows().collect::<Vec<_>>()
    };
    let held_out = part(1);
    assert!((100..260).contains(&held_out.len()), "{}", held_out.len());
    assert!(
        held_out
            .iter()
            .all(|row| held_out.contains(&((row + 200) % count)))
    );
    assert_ne!(held_out, part(2));
    let by_column = HoldOut::of(
        [0; 32],
        &Split::Time {
            column: "day".to_owned(),
            share: 0.2,
        },
    );
    let error = read_with(&images, Some(&labels), SCHEMA, &by_column, &Rules::none())
        .err()
        .unwrap();
    assert!(
        error.contains("found images, which have no columns, expected a table with the column \"day\""),
        "{error}"
    );
    let policy = Policy::parse(
        Path::new("policy.toml"),
        "[[column]]\nname = \"image\"\nrule = \"drop\"\n",
    )
    .unwrap();
    let rules = Rules::new("policy.toml".into(), policy, None);
    let error = read_with(
        &images,
        Some(&labels),
        SCHEMA,
        &HoldOut::new([0; 32], 0.0),
        &rules,
    )
    .err()
    .unwrap();
    assert!(
        error.contains("found a rule for column \"image\", which the table does not have"),
        "{error}"
    );
}

/// Every item, or the error.
fn all(bytes: Vec<u8>) -> Result<usize, String> {
    let told = |error: super::DataError| error.to_string();
    let mut idx = Idx::new(Path::new("x.idx"), Box::new(Cursor::new(bytes))).map_err(told)?;
    let (mut items, mut length) = (0, 0);
    while let Some((number, item)) = idx.read().map_err(told)? {
        items += 1;
        length = item.len();
        assert_eq!(usize::try_from(number).unwrap(), items);
    }
    assert_eq!(items, idx.count() as usize);
    Ok(items * length)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_and_cut_files_are_read_or_told_and_never_panic(
        flips in prop::collection::vec((0_usize..40, any::<u8>()), 0..4),
        cut in 0_usize..60,
        packed in any::<bool>(),
    ) {
        let mut bytes = images();
        if packed {
            bytes = gzip(&bytes);
        }
        for (place, byte) in flips {
            let place = place % bytes.len();
            bytes[place] ^= byte;
        }
        bytes.truncate(cut.max(1));
        if packed {
            // Whatever the file says of itself, by the way that opens files.
            let _ = read(&bytes, &labels());
        } else if let Ok(length) = all(bytes.clone()) {
            prop_assert!(length <= bytes.len());
        }
    }

    #[test]
    fn any_bytes_behind_the_magic_are_read_or_told(
        dimensions in 0_u8..6,
        rest in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let bytes = [&[0, 0, 8, dimensions][..], &rest].concat();
        if let Ok(length) = all(bytes.clone()) {
            prop_assert!(length <= bytes.len());
        }
    }
}
