//! What holds of any samples.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use veilsum_monitoring::{Baseline, Bins, Level, Limits, Named, Values, Window, chance, ks, psi};

fn counts() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
    (1_usize..12).prop_flat_map(|bins| {
        let some = || prop::collection::vec(0_u64..500, bins);
        (some(), some())
    })
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![8 => -1e3..1e3, 3 => (0_i32..4).prop_map(f64::from), 1 => Just(f64::NAN)];
    prop::collection::vec(value, 1..150)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut there: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    there.sort_by(f64::total_cmp);
    there
}

proptest! {
    #[test]
    fn the_index_is_a_distance_of_shares((one, other) in counts(), times in 2_u64..9) {
        let found = psi(&one, &other);
        prop_assert_eq!(found.is_some(), one.iter().sum::<u64>() > 0 && other.iter().sum::<u64>() > 0);
        if let Some(found) = found {
            prop_assert!(found.is_finite() && found >= 0.0);
            prop_assert!((found - psi(&other, &one).unwrap()).abs() < 1e-12);
            prop_assert!(psi(&one, &one).unwrap().abs() < 1e-15);
            prop_assert!(chance(&one, &other).unwrap() >= 0.0);
            // As many rows more in every bin are the same shares, where no bin is empty.
            if one.iter().all(|count| *count > 0) {
                let more: Vec<u64> = one.iter().map(|count| count * times).collect();
                prop_assert!(psi(&one, &more).unwrap().abs() < 1e-12);
            }
            // Which bin is which says nothing.
            let (mut back, mut forth) = (one.clone(), other.clone());
            back.reverse();
            forth.reverse();
            prop_assert!((found - psi(&back, &forth).unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn the_order_of_rows_says_nothing(reference in numbers(), current in numbers()) {
        let named = |values: Vec<f64>| Named { name: "a".to_owned(), values: Values::Numbers(values) };
        let limits = Limits { least_rows: 1, ..Limits::default() };
        let drift = |reference: &[f64], current: &[f64]| {
            let baseline = Baseline::of(&named(reference.to_vec()), &limits).unwrap();
            let values = Values::Numbers(current.to_vec());
            baseline.drift(&values, 0..current.len(), &limits).unwrap()
        };
        let found = drift(&reference, &current);
        let (mut back, mut forth) = (reference.clone(), current.clone());
        back.reverse();
        forth.reverse();
        let other = drift(&back, &forth);
        prop_assert_eq!(&found.counts, &other.counts);
        prop_assert_eq!((found.psi, found.ks, found.level), (other.psi, other.ks, other.level));
        let same = drift(&reference, &reference);
        prop_assert!(same.psi.abs() < 1e-12);
        prop_assert_eq!(same.level, Some(Level::Steady));
    }

    #[test]
    fn every_row_is_in_one_bin(values in numbers(), wanted in 2_usize..20) {
        let column = Values::Numbers(values.clone());
        let bins = Bins::of(&column, wanted);
        prop_assert!(bins.len() <= wanted + 1);
        let counts = bins.count(&column, 0..values.len()).unwrap();
        prop_assert_eq!(counts.iter().sum::<u64>(), values.len() as u64);
        prop_assert_eq!(*counts.last().unwrap(), values.iter().filter(|value| value.is_nan()).count() as u64);
        prop_assert_eq!(bins.names().len(), bins.len());
    }

    /// Against the definition: at each value the two empirical distribution functions.
    #[test]
    fn the_distance_is_the_largest_gap(one in numbers(), other in numbers()) {
        let (one, other) = (sorted(&one), sorted(&other));
        let found = ks(&one, &other);
        prop_assert_eq!(found.is_some(), !one.is_empty() && !other.is_empty());
        if let Some(found) = found {
            let below = |of: &[f64], at: f64| of.iter().filter(|value| **value <= at).count() as f64 / of.len() as f64;
            let gaps = one.iter().chain(&other).map(|at| (below(&one, *at) - below(&other, *at)).abs());
            prop_assert!((found.distance - gaps.fold(0.0, f64::max)).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&found.p));
        }
    }

    #[test]
    fn each_row_is_in_one_window(mut times in prop::collection::vec(-4_000_000_000_000_i64..4_000_000_000_000, 0..80)) {
        times.sort_unstable();
        for window in [Window::Day, Window::Week, Window::Month, Window::Rows(7)] {
            let spans = window.spans(&times).unwrap();
            let mut next = 0;
            for span in &spans {
                prop_assert_eq!(span.rows.start, next);
                prop_assert!(times[span.rows.clone()].iter().all(|at| (span.from_ms..span.until_ms).contains(at)));
                next = span.rows.end;
            }
            prop_assert_eq!(next, times.len());
        }
    }
}
