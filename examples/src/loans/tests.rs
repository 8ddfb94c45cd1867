#![allow(clippy::unwrap_used)]
use super::*;
use veilsum_protocol::model::Target;

use crate::score::judge;

const SEED: u64 = 7;

fn auc_of(rows: &[Application], scores: &[f64]) -> f64 {
    let labels: Vec<f64> = rows.iter().map(|row| f64::from(row.default)).collect();
    judge(Target::Binary, scores, &labels).unwrap().main().1
}

#[test]
fn a_seed_gives_one_data_set() {
    for bank in &BANKS {
        assert_eq!(applications(SEED, bank), applications(SEED, bank));
        assert_ne!(applications(SEED, bank), applications(SEED + 1, bank));
    }
    assert_eq!(test_fold(SEED, 50), test_fold(SEED, 50));
    assert_eq!(
        test_fold(SEED, 50),
        test_fold(SEED, 80)[..50],
        "a longer fold begins with the shorter one"
    );
}

#[test]
fn banks_and_test_fold_share_no_row() {
    let mut seen = std::collections::BTreeSet::new();
    let folds = BANKS
        .iter()
        .map(|bank| applications(SEED, bank))
        .chain([test_fold(SEED, TEST_ROWS)]);
    for row in folds.flatten() {
        let person = (
            row.income.to_bits(),
            row.loan_amount.to_bits(),
            row.age,
            row.debt_to_income.to_bits(),
        );
        assert!(seen.insert(person), "{} repeats another row", row.application_id);
    }
}

#[test]
fn banks_differ_in_size_default_rate_and_region() {
    let mut rates = Vec::new();
    for (bank, own_region) in BANKS.iter().zip(["north", "south", "coast", "", "inland"]) {
        let rows = applications(SEED, bank);
        assert_eq!(rows.len(), bank.rows);
        rates.push(rows.iter().filter(|row| row.default == 1).count() as f64 / rows.len() as f64);
        if !own_region.is_empty() {
            let own = rows.iter().filter(|row| row.region == own_region).count();
            assert!(
                own * 10 > rows.len() * 6,
                "{}: {own} rows of {} in {own_region}",
                bank.name,
                rows.len()
            );
        }
    }
    let (least, most) = (
        rates.iter().copied().fold(1.0, f64::min),
        rates.iter().copied().fold(0.0, f64::max),
    );
    assert!(
        (0.07..0.11).contains(&least) && (0.26..0.32).contains(&most),
        "default rates {rates:?}"
    );
}

#[test]
fn outcomes_follow_the_known_risk() {
    let rows = test_fold(SEED, 20_000);
    let expected: f64 = rows.iter().map(|row| row.risk).sum();
    let variance: f64 = rows.iter().map(|row| row.risk * (1.0 - row.risk)).sum();
    let came = rows.iter().map(|row| f64::from(row.default)).sum::<f64>();
    assert!(
        (came - expected).abs() < 4.0 * variance.sqrt(),
        "{came} defaults, expected {expected:.0}"
    );
    let best = auc_of(&rows, &rows.iter().map(|row| row.risk).collect::<Vec<_>>());
    assert!((0.82..0.87).contains(&best), "best possible AUC {best:.3}");
}

#[test]
fn every_column_is_in_the_range_that_the_task_allows() {
    let rows: Vec<_> = BANKS.iter().flat_map(|bank| applications(SEED, bank)).collect();
    for row in &rows {
        assert!(
            (6_000.0..=5e6).contains(&row.income) && (500.0..=2e6).contains(&row.loan_amount),
            "{row:?}"
        );
        assert!(
            (18..=85).contains(&row.age) && row.credit_lines <= 40 && row.late_payments <= 24,
            "{row:?}"
        );
        assert!(
            (0.0..=1.5).contains(&row.debt_to_income) && (0.0..=1.3).contains(&row.utilisation),
            "{row:?}"
        );
        assert!(
            row.employment_years
                .is_none_or(|years| (0.0..=68.0).contains(&years)),
            "{row:?}"
        );
        assert!(row.risk > 0.0 && row.risk < 1.0, "{row:?}");
    }
    let open = rows.iter().filter(|row| row.employment_years.is_none()).count();
    assert!(
        (rows.len() / 50..rows.len() / 16).contains(&open),
        "{open} of {} left open",
        rows.len()
    );
}

#[test]
fn amounts_have_a_heavy_tail() {
    let mut incomes: Vec<f64> = test_fold(SEED, TEST_ROWS).iter().map(|row| row.income).collect();
    incomes.sort_by(f64::total_cmp);
    assert!(incomes[TEST_ROWS - 1] > 5.0 * incomes[TEST_ROWS / 2]);
}

/// What a linear model sees: standardised columns and one-hot categories.
fn features(rows: &[Application]) -> Vec<Vec<f64>> {
    let mut table: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            let mut line = vec![
                row.income.ln(),
                row.loan_amount.ln(),
                f64::from(row.term_months),
                f64::from(row.age),
                row.employment_years.unwrap_or(8.0),
                row.debt_to_income,
                f64::from(row.credit_lines),
                f64::from(row.late_payments),
                row.utilisation,
            ];
            line.extend(["own", "rent"].map(|home| f64::from(u8::from(row.home == home))));
            line.extend(REGIONS.map(|region| f64::from(u8::from(row.region == region))));
            line.extend(PURPOSES.map(|purpose| f64::from(u8::from(row.purpose == purpose))));
            line
        })
        .collect();
    for column in 0..table[0].len() {
        let mean = table.iter().map(|line| line[column]).sum::<f64>() / table.len() as f64;
        let variance = table
            .iter()
            .map(|line| (line[column] - mean).powi(2))
            .sum::<f64>()
            / table.len() as f64;
        table
            .iter_mut()
            .for_each(|line| line[column] = (line[column] - mean) / variance.sqrt().max(1e-9));
    }
    table
}

#[test]
fn no_straight_line_comes_near_the_best_model() {
    // Logistic regression by full-batch gradient descent on the very rows that it is judged on: the most that a
    // linear score can reach here, with a sliver of overfitting in its favour.
    let rows = test_fold(SEED, TEST_ROWS);
    let table = features(&rows);
    let width = table[0].len();
    let (mut slopes, mut offset) = (vec![0.0; width], 0.0);
    let logit = |slopes: &[f64], offset: f64, line: &[f64]| {
        let sum: f64 = slopes.iter().zip(line).map(|(slope, value)| slope * value).sum();
        1.0 / (1.0 + (-(sum + offset)).exp())
    };
    for _ in 0..60 {
        let (mut downhill, mut shift) = (vec![0.0; width], 0.0);
        for (line, row) in table.iter().zip(&rows) {
            let error = f64::from(row.default) - logit(&slopes, offset, line);
            shift += error;
            downhill
                .iter_mut()
                .zip(line)
                .for_each(|(step, value)| *step += error * value);
        }
        let rate = 2.0 / rows.len() as f64;
        offset += rate * shift;
        slopes
            .iter_mut()
            .zip(&downhill)
            .for_each(|(slope, step)| *slope += rate * step);
    }
    let linear = auc_of(
        &rows,
        &table
            .iter()
            .map(|line| logit(&slopes, offset, line))
            .collect::<Vec<_>>(),
    );
    let best = auc_of(&rows, &rows.iter().map(|row| row.risk).collect::<Vec<_>>());
    assert!(
        linear > 0.65,
        "the risk is not hidden from a linear model either: AUC {linear:.3}"
    );
    assert!(best - linear > 0.08, "linear {linear:.3}, best {best:.3}");
}

#[test]
fn files_hold_the_columns_of_the_task() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), SEED).unwrap();
    assert_eq!(files.banks.len(), BANKS.len());

    let task: toml::Table = toml::from_str(TASK).unwrap();
    let schema = task["schema"].as_table().unwrap();
    let columns = schema["column"].as_array().unwrap();
    let mut expected: Vec<&str> = schema["leave_out"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|v| v.as_str())
        .collect();
    expected.extend(columns.iter().filter_map(|column| column["name"].as_str()));
    expected.push(schema["label"].as_str().unwrap());

    let mut reader = csv::Reader::from_path(&files.test.rows).unwrap();
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), expected);
    let mut rows = 0;
    for record in reader.records() {
        let record = record.unwrap();
        rows += 1;
        for (field, column) in record.iter().skip(1).zip(columns) {
            let allowed = match column["type"].as_str() {
                Some("category") => column["values"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|value| value.as_str() == Some(field)),
                Some("integer") => field.parse::<u32>().is_ok(),
                _ => {
                    field.parse::<f64>().is_ok() || (field.is_empty() && column.get("when_missing").is_some())
                }
            };
            assert!(allowed, "{}: `{field}`", column["name"]);
        }
    }
    assert_eq!(rows, TEST_ROWS);
}

#[test]
fn an_unwritable_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    std::fs::write(&file, "").unwrap();
    let error = write(&file, SEED).unwrap_err().to_string();
    assert!(
        error.contains("taken") && error.contains("cannot make the folder"),
        "{error}"
    );
}

#[test]
fn the_task_is_one_that_the_protocol_accepts() {
    let task =
        veilsum_protocol::task::Task::parse(TASK).unwrap_or_else(|error| panic!("tasks/loans.toml: {error}"));
    // 9 numbers, a flag for open employment_years, then 3 + 4 + 5 categories one-hot.
    assert_eq!(
        task.schema.inputs().len(),
        9 + 1 + 3 + REGIONS.len() + PURPOSES.len()
    );
}
