#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use super::*;

const SEED: u64 = 7;

fn is_chinese(text: &str) -> bool {
    text.chars()
        .any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter))
}

#[test]
fn a_seed_gives_one_data_set() {
    assert_eq!(messages(SEED, &BANKS[4]), messages(SEED, &BANKS[4]));
    assert_ne!(messages(SEED, &BANKS[4]), messages(SEED + 1, &BANKS[4]));
    assert_eq!(test_fold(SEED, 30), test_fold(SEED, 50)[..30]);
}

#[test]
fn no_message_of_the_test_fold_is_at_a_bank() {
    let known: BTreeSet<String> = BANKS
        .iter()
        .flat_map(|bank| messages(SEED, bank))
        .map(|message| message.text)
        .collect();
    let fold = test_fold(SEED, TEST_ROWS);
    assert_eq!(fold.len(), TEST_ROWS);
    assert!(fold.iter().all(|message| !known.contains(&message.text)));
}

#[test]
fn the_banks_differ_by_intent_and_language() {
    for bank in &BANKS {
        let rows = messages(SEED, bank);
        let chinese = rows.iter().filter(|message| is_chinese(&message.text)).count() as f64;
        let share = chinese / rows.len() as f64;
        assert!(
            (share - bank.chinese).abs() < 0.08,
            "{}: {share:.2} in Chinese",
            bank.name
        );
        let most = (0..INTENTS.len())
            .max_by(|a, b| bank.intents[*a].total_cmp(&bank.intents[*b]))
            .unwrap();
        let often = rows
            .iter()
            .filter(|message| message.intent == INTENTS[most])
            .count();
        assert!(
            often * 5 > rows.len(),
            "{}: {often} of its main intent",
            bank.name
        );
    }
    let fold = test_fold(SEED, TEST_ROWS);
    for intent in INTENTS {
        let rows = fold.iter().filter(|message| message.intent == intent).count();
        assert!((220..380).contains(&rows), "{intent}: {rows}");
    }
}

#[test]
fn no_word_stays_in_braces_and_no_message_is_empty() {
    let all = BANKS
        .iter()
        .flat_map(|bank| messages(SEED, bank))
        .chain(test_fold(SEED, TEST_ROWS));
    for message in all {
        assert!(!message.text.contains(['{', '}']), "{}", message.text);
        assert!(message.text.chars().count() >= 4, "{:?}", message.text);
    }
}

#[test]
fn no_single_word_tells() {
    use std::collections::BTreeMap;
    let rows: Vec<Message> = BANKS.iter().flat_map(|bank| messages(SEED, bank)).collect();
    let english: Vec<&Message> = rows.iter().filter(|row| !is_chinese(&row.text)).collect();
    let mut counts: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for row in &english {
        let words: BTreeSet<String> = row.text.to_lowercase().split(' ').map(str::to_owned).collect();
        for word in words {
            *counts.entry(word).or_default().entry(row.intent).or_default() += 1;
        }
    }
    let spread = |word: &str| counts.get(word).map_or(0, BTreeMap::len);
    for word in ["card", "account", "transfer", "payment", "money"] {
        assert!(spread(word) >= 4, "{word} is in {} intents only", spread(word));
    }
}

#[test]
fn files_hold_the_columns_of_the_task() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), SEED).unwrap();
    let mut reader = csv::Reader::from_path(&files.test.rows).unwrap();
    assert_eq!(
        reader.headers().unwrap().iter().collect::<Vec<_>>(),
        ["text", "intent"]
    );
    assert_eq!(reader.records().count(), TEST_ROWS);
}
