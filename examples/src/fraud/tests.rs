#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, BTreeSet};

use super::*;

const SEED: u64 = 7;

fn everything() -> Vec<Vec<Transaction>> {
    let banks = BANKS.iter().map(|bank| transactions(SEED, bank));
    banks.chain([test_fold(SEED, TEST_CARDS)]).collect()
}

fn cards(rows: &[Transaction]) -> BTreeMap<&str, Vec<&Transaction>> {
    let mut cards: BTreeMap<&str, Vec<&Transaction>> = BTreeMap::new();
    rows.iter()
        .for_each(|row| cards.entry(&row.card).or_default().push(row));
    cards
}

#[test]
fn a_seed_gives_one_data_set() {
    assert_eq!(transactions(SEED, &BANKS[4]), transactions(SEED, &BANKS[4]));
    assert_ne!(transactions(SEED, &BANKS[4]), transactions(SEED + 1, &BANKS[4]));
    assert_eq!(test_fold(SEED, 20), test_fold(SEED, 20));
}

#[test]
fn no_card_and_no_transaction_is_in_two_tables() {
    let (mut seen, mut rows) = (BTreeSet::new(), BTreeSet::new());
    for table in everything() {
        for card in cards(&table).keys() {
            assert!(seen.insert((*card).to_owned()), "{card} is in two tables");
        }
        for row in &table {
            // Not even under another card.
            assert!(
                rows.insert((row.at, row.amount.to_bits(), row.category)),
                "{row:?} is there twice"
            );
        }
    }
}

#[test]
fn about_one_in_fifty_is_a_fraud_in_every_table() {
    for table in everything() {
        let frauds = table.iter().filter(|row| row.fraud == 1).count();
        let share = frauds as f64 / table.len() as f64;
        assert!(
            (0.012..0.04).contains(&share),
            "{frauds} of {} are frauds",
            table.len()
        );
    }
}

#[test]
fn a_fraud_ends_a_card_and_has_a_habit_before_it() {
    for table in everything() {
        for (card, rows) in cards(&table) {
            let Some(first) = rows.iter().position(|row| row.fraud == 1) else {
                continue;
            };
            assert!(first > 6, "{card}: a fraud after {first} transactions");
            assert!(rows[first..].iter().all(|row| row.fraud == 1), "{card}");
            assert!(
                rows.is_sorted_by_key(|row| row.at),
                "{card}: not in the order of time"
            );
        }
    }
}

/// Quickest change of a country in person, in seconds.
fn quickest_move(rows: &[&Transaction]) -> Option<u32> {
    let present: Vec<_> = rows.iter().filter(|row| row.channel != "online").collect();
    let moves = present
        .windows(2)
        .filter(|pair| pair[0].country != pair[1].country);
    moves.map(|pair| pair[1].at - pair[0].at).min()
}

#[test]
fn each_kind_of_fraud_is_in_what_went_before() {
    let mix = |schemes| Mix {
        schemes,
        ..BANKS[0].mix
    };
    let mut rng = stream(SEED, 99);
    let mut stolen = |schemes: [f64; 3]| -> Vec<Vec<Transaction>> {
        let histories = (0..400).map(|card| card::history(&mut rng, &mix(schemes), format!("x{card}")));
        histories
            .filter(|history| history.iter().any(|row| row.fraud == 1))
            .collect()
    };
    let frauds = |history: &[Transaction]| -> Vec<Transaction> {
        history.iter().filter(|row| row.fraud == 1).cloned().collect()
    };
    for history in stolen([1.0, 0.0, 0.0]) {
        let frauds = frauds(&history);
        assert!(frauds.len() >= 4 && frauds.windows(2).all(|pair| pair[1].at - pair[0].at <= 300));
    }
    for history in stolen([0.0, 1.0, 0.0]) {
        let mut honest: Vec<f64> = history
            .iter()
            .filter(|row| row.fraud == 0)
            .map(|row| row.amount)
            .collect();
        honest.sort_by(f64::total_cmp);
        let usual = honest[honest.len() / 2];
        assert!(frauds(&history).iter().all(|row| row.amount > 2.0 * usual));
    }
    for history in stolen([0.0, 0.0, 1.0]) {
        let rows: Vec<&Transaction> = history.iter().collect();
        assert!(quickest_move(&rows).unwrap() <= 10_800);
    }
    // Nobody honest is in two countries within six hours.
    for history in everything() {
        for rows in cards(&history).values() {
            let honest: Vec<&Transaction> = rows.iter().copied().filter(|row| row.fraud == 0).collect();
            assert!(quickest_move(&honest).is_none_or(|seconds| seconds > 21_600));
        }
    }
}

#[test]
fn files_hold_the_columns_of_the_task() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), SEED).unwrap();
    let mut reader = csv::Reader::from_path(&files.banks[4].rows).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let columns = ["card", "at", "amount", "category", "country", "channel", "fraud"];
    assert_eq!(header, columns);
    let first = reader.records().next().unwrap().unwrap();
    assert!(first[1].starts_with("2026-01-05T"), "{}", &first[1]);
}
