//! The worked example of `docs/log-format.md` is what the code reads and writes.
#![allow(clippy::unwrap_used)]

use veilsum_protocol::ids::{BankIndex, Round};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::leaf_hash;
use veilsum_protocol::wire::canonical::Canonical;

const PAGE: &str = include_str!("../../docs/log-format.md");

/// The first column of the first block of hex under `heading`.
fn example(heading: &str) -> Vec<u8> {
    let (_, rest) = PAGE.split_once(heading).unwrap();
    let block = rest.split("```").nth(1).unwrap();
    let lines = block.lines().skip(1);
    let hex: String = lines
        .map(|line| line.split("  ").next().unwrap_or_default())
        .collect();
    hex::decode(hex).unwrap()
}

#[test]
fn the_worked_example_is_an_entry() {
    let bytes = example("\nAn example,");
    let cohort = Entry::Cohort {
        round: Round(3),
        banks: [1, 2, 5].map(|bank| BankIndex::new(bank).unwrap()).to_vec(),
    };
    println!("{}", hex::encode(cohort.to_bytes()));
    assert_eq!(Entry::from_bytes(&bytes).unwrap(), cohort);
    assert_eq!(cohort.to_bytes(), bytes);
    let named = format!("It is named `{}`", cohort.hash());
    let leaf = format!("its leaf is `{}`", leaf_hash(&bytes));
    assert!(PAGE.contains(&named), "{named}");
    assert!(PAGE.contains(&leaf), "{leaf}");
}
