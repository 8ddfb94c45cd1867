#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::model::plan::Plan;
use crate::model::state::{AdvanceError, TaskState};
use crate::round::params::RoundKind;
use crate::secagg::quantise::Digits;
use crate::task::Task;
use crate::wire::canonical::Canonical as _;

const BINS: u32 = 8;

/// A number that may be missing, a category with a bucket, and a number at two times.
fn task(label: &str) -> Task {
    Task::parse(&format!(
        "name = \"t\"\nrounds = 1\nseed = 7\n[preparation]\nhistogram_bins = {BINS}\n[schema]\nversion = 1\nlabel = \"y\"\n{label}\n\
         [[schema.column]]\nname = \"x\"\ntype = \"number\"\nmin = 0\nmax = 1\nwhen_missing = \"mean\"\n\
         [[schema.column]]\nname = \"c\"\ntype = \"category\"\nvalues = [\"a\", \"b\"]\nother = \"bucket\"\n\
         [[schema.column]]\nname = \"s\"\nsteps = [\"s1\", \"s2\"]\ntype = \"number\"\nmin = 0\nmax = 1\n\
         [model]\nfamily = \"gru\"\nunits = 2\n[training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\n\
         batch_size = 8\nlocal_epochs = 1\n"
    ))
    .unwrap()
}

/// `x`, `c`, the two of `s`, and the label.
type Row = (Option<f32>, usize, [f32; 2], usize);

struct Bank {
    counts: Preparation,
    sums: [ColumnSums; 2],
}

fn bank(task: &Task, rows: &[Row]) -> Bank {
    let mut counts = Preparation::empty(&task.schema, BINS);
    let by_label = counts.rows.len() > 1;
    let mut sums = [ColumnSums::default(); 2];
    for &(x, c, s, label) in rows {
        let label = if by_label { label } else { 0 };
        counts.count_row(label);
        counts.count_number(0, label, x.unwrap_or(f32::NAN));
        counts.count_value(1, label, c);
        x.iter().for_each(|x| sums[0].add(f64::from(*x)));
        for u in s {
            counts.count_number(2, label, u);
            sums[1].add(f64::from(u));
        }
    }
    Bank { counts, sums }
}

fn digits(plan: &Plan, bank: &Bank) -> Digits {
    plan.prepared_statistics(&bank.sums, &bank.counts).unwrap()
}

fn sum(parts: &[Digits]) -> Vec<u32> {
    let mut sum = vec![0; parts[0].lanes().len()];
    for part in parts {
        sum.iter_mut()
            .zip(part.lanes())
            .for_each(|(sum, digit)| *sum += digit);
    }
    sum
}

const ROWS: [Row; 4] = [
    (Some(0.0), 0, [0.5, 1.0], 0),
    (None, 2, [0.25, 0.25], 1),
    (Some(0.125), 1, [0.0, 0.0], 0),
    (Some(1.0), 0, [0.9, 0.1], 1),
];

#[test]
fn counts_by_hand() {
    let task = task("");
    let plan = Plan::new(&task);
    assert_eq!(plan.kind(0), Some(RoundKind::Statistics));
    let banks = [bank(&task, &ROWS[..1]), bank(&task, &ROWS[1..])];
    let parts = banks.each_ref().map(|bank| digits(&plan, bank));
    assert_eq!(parts[0].lanes().len(), plan.layout(RoundKind::Statistics).lanes());
    let (next, _) = TaskState::initial(&task)
        .advance(&task, &plan, &sum(&parts), 2)
        .unwrap();
    let found = next.preparation.as_ref().unwrap();
    assert_eq!(found.rows, [2, 2]);
    let [x, c, s] = &found.columns[..] else {
        panic!("{found:?}")
    };
    assert_eq!(x.present, [[1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]]);
    assert_eq!((&x.missing[..], x.missing_share()), (&[0, 1][..], Some(0.25)));
    assert_eq!(c.present, [[1, 1, 0], [1, 0, 1]]);
    assert_eq!(s.present, [[2, 0, 0, 0, 1, 0, 0, 1], [1, 0, 2, 0, 0, 0, 0, 1]]);
    assert_eq!(s.cells(), 8);
    // The state holds it, and gives it back from its bytes.
    assert_eq!(TaskState::from_bytes(&next.to_bytes()), Ok(next.clone()));
    let without = TaskState {
        preparation: None,
        ..next.clone()
    };
    assert_ne!(without.hash(), next.hash());
    let mut twice = next.to_bytes();
    let part = twice.split_off(without.to_bytes().len());
    twice.extend([&part[..], &part[..]].concat());
    assert!(TaskState::from_bytes(&twice).is_err(), "a part stands once");
    *twice.get_mut(without.to_bytes().len()).unwrap() = 9;
    assert!(TaskState::from_bytes(&twice).is_err(), "an unknown part");
}

#[test]
fn without_a_binary_label_rows_are_not_told_apart() {
    for label in [
        "label_classes = [\"u\", \"v\", \"w\"]",
        "label_number = { min = 0, max = 1 }",
    ] {
        let task = task(label);
        let plan = Plan::new(&task);
        let part = digits(&plan, &bank(&task, &ROWS));
        let (next, _) = TaskState::initial(&task)
            .advance(&task, &plan, &sum(&[part]), 1)
            .unwrap();
        let found = next.preparation.unwrap();
        assert_eq!(found.rows, [4]);
        assert_eq!(found.columns[1].present, [[2, 1, 1]]);
        assert_eq!(found.columns[1].value_evidence(), None);
        assert_eq!(found.columns[0].bin_evidence(2), None);
    }
}

#[test]
fn impossible_counts_are_refused() {
    let task = task("");
    let plan = Plan::new(&task);
    let refused = |spoil: &dyn Fn(&mut Bank)| {
        let mut bank = bank(&task, &ROWS);
        spoil(&mut bank);
        let sum = sum(&[digits(&plan, &bank)]);
        match TaskState::initial(&task).advance(&task, &plan, &sum, 1) {
            Err(AdvanceError::Sums(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let error = refused(&|bank| bank.counts.rows[1] = 3);
    assert!(
        error.contains("column \"x\": found 2 cells of rows in group 1 of the labels, expected 3"),
        "{error}"
    );
    let error = refused(&|bank| bank.counts.columns[1].present[0][2] += 1);
    assert!(error.contains("column \"c\": found 3 cells"), "{error}");
    // As many cells as rows, of which another number was summed.
    let error = refused(&|bank| {
        bank.counts.columns[0].missing[1] = 0;
        bank.counts.columns[0].present[1][0] += 1;
    });
    assert!(
        error.contains("column \"x\": found 4 values in its histogram, expected 3"),
        "{error}"
    );
    // As many values, in bins that they cannot lie in: 9/8 of the range was summed.
    let error = refused(&|bank| bank.counts.columns[0].present[1] = vec![1, 0, 0, 0, 0, 0, 0, 0]);
    assert!(
        error.contains("column \"x\": found a sum of 4831838208 units, expected one between"),
        "{error}"
    );
    let error = refused(&|bank| bank.counts.columns[0].present[0] = vec![0, 0, 0, 0, 0, 0, 0, 2]);
    assert!(error.contains("expected one between"), "{error}");
    let bank = bank(&task, &ROWS);
    let short = plan.statistics(&bank.sums).unwrap();
    let error = TaskState::initial(&task).advance(&task, &plan, &sum(&[short]), 1);
    assert!(matches!(error, Err(AdvanceError::Lanes { .. })), "{error:?}");
}

fn column(bins: &[u64]) -> ColumnCounts {
    ColumnCounts {
        present: vec![bins.to_vec()],
        missing: vec![0],
    }
}

#[test]
fn quantiles_by_hand() {
    // Ten values: 4 in the first bin of four, none in the second, 6 in the third.
    let counts = column(&[4, 0, 6, 0]);
    assert_eq!(counts.quantile(0, 4), Some(0.0));
    assert_eq!(counts.quantile(1, 4), Some(2.5 / 4.0 / 4.0));
    // One of the six: a sixth of the third bin.
    assert_eq!(counts.quantile(1, 2), Some((2.0 + 1.0 / 6.0) / 4.0));
    assert_eq!(counts.quantile(4, 4), Some(0.75));
    assert_eq!(column(&[0, 0]).quantile(1, 2), None);
    // The middles of the two bins are the 2nd and the 7th of ten rows.
    assert_eq!(counts.quantile_bins(2), [0, 0, 1, 1]);
    assert_eq!(counts.quantile_bins(5), [1, 2, 3, 4]);
    assert_eq!(counts.by_quantile_bin(5), [[0], [4], [0], [6], [0], [0]]);
    assert_eq!(
        counts.quantile_ranges(5),
        [
            None,
            Some([0.0, 0.25]),
            Some([0.25, 0.5]),
            Some([0.5, 0.75]),
            Some([0.75, 1.0])
        ]
    );
    assert_eq!(column(&[0, 0]).quantile_bins(3), [0, 0]);
}

/// Expected figures from Python 3: `log((90.5/121) / (10.5/41))` and so on.
#[test]
fn evidence_by_hand() {
    let evidence = Evidence::of(&[[90, 10], [30, 30], [0, 0]]);
    let expected = [1.0717561146499694, -1.0822184788924334, 0.0];
    for (found, expected) in evidence.weights.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{evidence:?}");
    }
    assert!(
        (evidence.information_value - 1.0594029446167028).abs() < 1e-12,
        "{evidence:?}"
    );
    // The bin of missing cells is the last.
    let counts = ColumnCounts {
        present: vec![vec![40, 50, 0, 0], vec![4, 6, 0, 0]],
        missing: vec![30, 30],
    };
    let of_bins = counts.bin_evidence(1).unwrap();
    assert_eq!(of_bins.weights, evidence.weights[..2]);
    assert_eq!(of_bins.information_value, evidence.information_value);
    let same = Evidence::of(&[[5, 5], [5, 5]]);
    assert_eq!((same.weights, same.information_value), (vec![0.0, 0.0], 0.0));
}

fn row() -> impl Strategy<Value = Row> {
    let u = || (0_u16..=1000).prop_map(|part| f32::from(part) / 1000.0);
    (
        prop::option::weighted(0.9, u()),
        0_usize..3,
        [u(), u()],
        0_usize..2,
    )
}

proptest! {
    /// However rows are dealt to banks, the sums are those of the table as a whole.
    #[test]
    fn sums_are_the_pooled_table_s(rows in prop::collection::vec((row(), 0_usize..4), 1..80)) {
        let task = task("");
        let plan = Plan::new(&task);
        let all: Vec<Row> = rows.iter().map(|(row, _)| *row).collect();
        let parts: Vec<Digits> = (0..4)
            .map(|of| {
                let own: Vec<Row> = rows.iter().filter(|(_, bank)| *bank == of).map(|(row, _)| *row).collect();
                digits(&plan, &bank(&task, &own))
            })
            .collect();
        let (next, _) = TaskState::initial(&task).advance(&task, &plan, &sum(&parts), 4).unwrap();
        let found = next.preparation.as_ref().unwrap();
        prop_assert_eq!(found, &bank(&task, &all).counts);
        prop_assert_eq!(TaskState::from_bytes(&next.to_bytes()).unwrap(), next);
    }

    #[test]
    fn a_quantile_is_within_a_bin_of_the_exact_one(mut values in prop::collection::vec(0.0_f32..=1.0, 1..200), part in 1_u32..=20) {
        let mut counts = ColumnCounts { present: vec![vec![0; 16]], missing: vec![0] };
        values.iter().for_each(|u| counts.present[0][bin_of(*u, 16)] += 1);
        values.sort_by(f32::total_cmp);
        // The least value at or below which at least this share lies.
        let exact = values[(values.len() * part as usize).div_ceil(20) - 1];
        let found = counts.quantile(part, 20).unwrap();
        prop_assert!((found - f64::from(exact)).abs() <= 1.0 / 16.0, "{found} {exact}");
    }

    #[test]
    fn quantile_bins_hold_every_cell_and_ascend(bins in prop::collection::vec(0_u64..50, 2..40), count in 2_u16..12) {
        let counts = column(&bins);
        let of_bin = counts.quantile_bins(count);
        prop_assert!(of_bin.is_sorted() && of_bin.iter().all(|bin| *bin < count));
        let held: u64 = counts.by_quantile_bin(count).iter().flatten().sum();
        prop_assert_eq!(held, bins.iter().sum::<u64>());
    }

    #[test]
    fn an_information_value_is_0_or_more(groups in prop::collection::vec([0_u64..100, 0_u64..100], 0..12)) {
        let evidence = Evidence::of(&groups);
        prop_assert!(evidence.information_value >= -1e-12);
        prop_assert!(evidence.weights.iter().all(|weight| weight.is_finite()));
    }
}
