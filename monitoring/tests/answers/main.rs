//! Drift beside scipy's and numpy's: answers.py made answers.json.
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use veilsum_monitoring::{Baseline, Bins, Limits, Named, Values, chance, ks, psi};
use veilsum_protocol::model::Share;

#[derive(Deserialize)]
struct Answers {
    numbers: Vec<Numbers>,
    counts: Vec<Counts>,
    intervals: Vec<Interval>,
}

#[derive(Deserialize)]
struct Numbers {
    reference: Vec<Option<f64>>,
    current: Vec<Option<f64>>,
    bins: usize,
    edges: Vec<f64>,
    #[serde(flatten)]
    counts: Counts,
    distance: f64,
    p: f64,
    p_of_ks_2samp: f64,
}

#[derive(Deserialize)]
struct Counts {
    reference_counts: Vec<u64>,
    current_counts: Vec<u64>,
    psi: f64,
    chance: f64,
}

#[derive(Deserialize)]
struct Interval {
    part: u64,
    of: u64,
    z: f64,
    low: f64,
    high: f64,
}

fn answers() -> Answers {
    serde_json::from_str(include_str!("answers.json")).unwrap()
}

fn near(found: f64, expected: f64, by: f64) {
    assert!(
        (found - expected).abs() <= by,
        "found {found}, expected {expected}"
    );
}

fn named(values: &[Option<f64>]) -> Named {
    Named {
        name: "column".to_owned(),
        values: Values::Numbers(values.iter().map(|value| value.unwrap_or(f64::NAN)).collect()),
    }
}

fn sorted(values: &[Option<f64>]) -> Vec<f64> {
    let mut there: Vec<f64> = values.iter().flatten().copied().collect();
    there.sort_by(f64::total_cmp);
    there
}

fn of_counts(counts: &Counts) {
    let (reference, current) = (&counts.reference_counts, &counts.current_counts);
    near(psi(reference, current).unwrap(), counts.psi, 1e-12);
    // Wilson and Hilferty's quantile of chi-squared is an approximation, worst of one degree of freedom.
    let found = chance(reference, current).unwrap();
    near(found, counts.chance, 0.02 * counts.chance);
}

#[test]
fn numbers_fall_into_the_bins_of_numpy_and_move_by_the_distance_of_scipy() {
    for case in answers().numbers {
        let (reference, current) = (named(&case.reference), named(&case.current));
        let Bins::Numbers { edges } = Bins::of(&reference.values, case.bins) else {
            panic!("numbers");
        };
        assert_eq!(edges.len(), case.edges.len());
        edges
            .iter()
            .zip(&case.edges)
            .for_each(|(found, expected)| near(*found, *expected, 1e-9));
        of_counts(&case.counts);
        let limits = Limits {
            bins: case.bins,
            ..Limits::default()
        };
        let baseline = Baseline::of(&reference, &limits).unwrap();
        assert_eq!(baseline.counts(), case.counts.reference_counts);
        let drift = baseline
            .drift(&current.values, 0..case.current.len(), &limits)
            .unwrap();
        assert_eq!(drift.counts, case.counts.current_counts);
        near(drift.psi, case.counts.psi, 1e-12);
        let found = ks(&sorted(&case.reference), &sorted(&case.current)).unwrap();
        assert_eq!(drift.ks, Some(found));
        near(found.distance, case.distance, 1e-12);
        near(found.p, case.p, 1e-9 + 1e-6 * case.p);
        // scipy takes another approximation, of the exact distribution at a rounded n; they differ in the second digit.
        near(found.p, case.p_of_ks_2samp, 1e-4 + 0.15 * case.p_of_ks_2samp);
    }
}

#[test]
fn counts_of_categories_have_the_index_of_numpy() {
    answers().counts.iter().for_each(of_counts);
}

#[test]
fn intervals_are_those_of_scipy() {
    for case in answers().intervals {
        let (low, high) = Share {
            part: case.part,
            of: case.of,
        }
        .interval(case.z);
        near(low, case.low, 1e-12);
        near(high, case.high, 1e-12);
    }
}
