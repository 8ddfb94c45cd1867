#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use super::*;

const SEED: u64 = 7;

#[test]
fn a_seed_gives_one_data_set() {
    assert_eq!(documents(SEED, &BANKS[4]), documents(SEED, &BANKS[4]));
    assert_ne!(documents(SEED, &BANKS[4]), documents(SEED + 1, &BANKS[4]));
    assert_eq!(test_fold(SEED, 30), test_fold(SEED, 50)[..30]);
}

#[test]
fn no_picture_is_there_twice() {
    let mut seen = BTreeSet::new();
    let all = BANKS.iter().flat_map(|bank| documents(SEED, bank));
    for document in all.chain(test_fold(SEED, TEST_ROWS)) {
        assert_eq!(document.pixels.len(), SIDE * SIDE);
        assert!(seen.insert(document.pixels), "a picture is there twice");
    }
}

#[test]
fn the_banks_differ_by_kind_and_light() {
    let mut lights = Vec::new();
    for bank in &BANKS {
        let rows = documents(SEED, bank);
        let kinds: BTreeSet<u8> = rows.iter().map(|document| document.kind).collect();
        assert_eq!(kinds.len(), KINDS.len(), "{} lacks a kind", bank.name);
        let most = (0..KINDS.len())
            .map(|kind| rows.iter().filter(|row| usize::from(row.kind) == kind).count())
            .max()
            .unwrap();
        assert!(most * 4 > rows.len(), "{}: {most} of its main kind", bank.name);
        let sum: f64 = rows
            .iter()
            .flat_map(|row| &row.pixels)
            .map(|&grey| f64::from(grey))
            .sum();
        lights.push(sum / (rows.len() * SIDE * SIDE) as f64);
    }
    assert!(lights[3] - lights[1] > 40.0, "mean brightness {lights:?}");
}

#[test]
fn the_nearest_mean_picture_tells_something_and_not_all() {
    let (learn, test) = (test_fold(SEED, 800), test_fold(SEED + 1, 400));
    // Without the light: brightness off the picture's own mean.
    let plain = |document: &Document| -> Vec<f64> {
        let mean = document.pixels.iter().map(|&grey| f64::from(grey)).sum::<f64>() / (SIDE * SIDE) as f64;
        document
            .pixels
            .iter()
            .map(|&grey| f64::from(grey) - mean)
            .collect()
    };
    let means: Vec<Vec<f64>> = (0..8_u8)
        .map(|kind| {
            let own: Vec<Vec<f64>> = learn.iter().filter(|row| row.kind == kind).map(plain).collect();
            (0..SIDE * SIDE)
                .map(|at| own.iter().map(|picture| picture[at]).sum::<f64>() / own.len() as f64)
                .collect()
        })
        .collect();
    let right = test
        .iter()
        .filter(|document| {
            let picture = plain(document);
            let distance = |mean: &[f64]| -> f64 {
                picture
                    .iter()
                    .zip(mean)
                    .map(|(left, right)| (left - right).powi(2))
                    .sum()
            };
            let nearest = (0..8).min_by(|a, b| distance(&means[*a]).total_cmp(&distance(&means[*b])));
            nearest == Some(usize::from(document.kind))
        })
        .count();
    let share = right as f64 / test.len() as f64;
    assert!((0.4..0.9).contains(&share), "accuracy {share:.3}");
}

#[test]
fn the_files_are_idx() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), SEED).unwrap();
    let images = std::fs::read(&files.test.rows).unwrap();
    let labels = std::fs::read(files.test.labels.as_ref().unwrap()).unwrap();
    assert_eq!(images[..4], [0, 0, 8, 3]);
    assert_eq!(images.len(), 16 + TEST_ROWS * SIDE * SIDE);
    assert_eq!(labels[..4], [0, 0, 8, 1]);
    assert_eq!(labels.len(), 8 + TEST_ROWS);
    assert!(labels[8..].iter().all(|label| usize::from(*label) < KINDS.len()));
}
