#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use veilsum_protocol::model::Target;

use super::*;
use crate::score::judge;

const SEED: u64 = 7;

/// Of successive values of one series.
fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let off: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let variance: f64 = off.iter().map(|off| off * off).sum();
    let pairs = off.iter().zip(off.iter().skip(lag));
    pairs.map(|(left, right)| left * right).sum::<f64>() / variance
}

/// The last return of each day of one instrument, in the order of time.
fn series(rows: &[Day], instrument: &str) -> Vec<f64> {
    let own = rows.iter().filter(|row| row.instrument == instrument);
    own.map(|row| *row.returns.last().unwrap()).collect()
}

#[test]
fn a_seed_gives_one_data_set() {
    assert_eq!(training_days(SEED, &BANKS[1]), training_days(SEED, &BANKS[1]));
    assert_ne!(training_days(SEED, &BANKS[1]), training_days(SEED + 1, &BANKS[1]));
}

#[test]
fn the_test_fold_is_later_than_everything_that_a_bank_s_rows_look_at() {
    let test = test_fold(SEED);
    let first = test.iter().map(|row| row.day).min().unwrap();
    let mut seen = BTreeSet::new();
    for row in BANKS.iter().flat_map(|bank| training_days(SEED, bank)) {
        assert!(row.day + AHEAD < first);
        assert!(seen.insert((row.instrument, row.day)), "a day is there twice");
    }
    let instruments: u32 = BANKS.iter().map(|bank| bank.instruments).sum();
    assert_eq!(test.len(), TEST_DAYS * instruments as usize);
    assert!(test.is_sorted_by_key(|row| row.day));
}

#[test]
fn a_row_looks_back_and_ahead_along_one_path() {
    let rows = training_days(SEED, &BANKS[4]);
    let own: Vec<&Day> = rows.iter().filter(|row| row.instrument == "young-2").collect();
    for pair in own.windows(2) {
        assert_eq!(pair[0].returns[1..], pair[1].returns[..BACK - 1]);
        assert_eq!(pair[0].up == 1, pair[1].returns[BACK - 1] > 0.0);
    }
    let ahead = &own[AHEAD].realised[BACK - AHEAD..];
    assert!((own[0].volatility - together(ahead.iter().copied())).abs() < 1e-9);
}

#[test]
fn the_size_of_moves_has_a_memory_and_their_sign_has_none() {
    for (bank, instrument) in BANKS
        .iter()
        .zip(["large-1", "currency-1", "material-1", "small-1", "young-1"])
    {
        let returns = series(&training_days(SEED, bank), instrument);
        let sizes: Vec<f64> = returns.iter().map(|value| value.abs()).collect();
        // Standard error 0.04 each: of five lags together it is below 0.02.
        let memory = |values: &[f64]| (1..=5).map(|lag| autocorrelation(values, lag)).sum::<f64>() / 5.0;
        assert!(memory(&sizes) > 0.05, "{instrument}: sizes {:.3}", memory(&sizes));
        assert!(
            memory(&returns).abs() < 0.06,
            "{instrument}: signs {:.3}",
            memory(&returns)
        );
    }
}

#[test]
fn the_banks_hold_other_kinds_of_instruments() {
    let mean = |bank: &Bank| {
        let rows = training_days(SEED, bank);
        rows.iter().map(|row| row.volatility).sum::<f64>() / rows.len() as f64
    };
    let levels = BANKS.each_ref().map(mean);
    assert!(levels[1] < 15.0 && levels[4] > 40.0, "{levels:?}");
}

#[test]
fn persistence_tells_something_and_yesterday_s_sign_nothing() {
    let test = test_fold(SEED);
    let unit =
        |volatility: f64| (volatility.ln_1p() - 1.0_f64.ln_1p()) / (400.0_f64.ln_1p() - 1.0_f64.ln_1p());
    let labels: Vec<f64> = test.iter().map(|row| unit(row.volatility)).collect();
    let naive: Vec<f64> = persistence(&test, 5).into_iter().map(unit).collect();
    let explained = judge(Target::Number, &naive, &labels).unwrap().figures[2].1;
    assert!(
        (0.6..0.97).contains(&explained),
        "explained variance {explained:.3}"
    );
    let labels: Vec<f64> = test.iter().map(|row| f64::from(row.up)).collect();
    let yesterday = test
        .iter()
        .map(|row| 0.5 + row.returns[BACK - 1].clamp(-40.0, 40.0) / 100.0);
    let auc = judge(Target::Binary, &yesterday.collect::<Vec<_>>(), &labels)
        .unwrap()
        .main()
        .1;
    assert!((0.47..0.53).contains(&auc), "AUC {auc:.3}");
}

#[test]
fn files_hold_the_columns_of_both_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), SEED).unwrap();
    let mut reader = csv::Reader::from_path(&files.test.rows).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header.len(), 4 + 2 * BACK);
    assert_eq!(header[..3], ["day", "instrument", "r20"]);
    assert_eq!(header[41..], ["v1", "volatility", "up"]);
    for task in [TASK, TASK_DIRECTION] {
        let task = veilsum_protocol::task::Task::parse(task).unwrap();
        assert_eq!(task.schema.steps(), Some(BACK));
        let known = |name: &&String| task.schema.reads(name) || task.schema.leave_out.contains(name);
        assert!(header.iter().all(|name| known(&name)));
    }
}
