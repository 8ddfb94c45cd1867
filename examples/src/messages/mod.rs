//! Messages of customers to five banks, in English and Chinese, made up, deterministic by seed.
//!
//! Each has one intent. The same words serve many intents (card, transfer, money), wishes and thanks say nothing, and some letters are wrong, so that no
//! single word tells. The banks' customers write about other things more often, and in another language, so that a bank alone knows some intents from a
//! handful of messages.

mod phrases;
mod writer;

use std::path::Path;

use serde::Serialize;

use crate::draw::{pick, stream};
use crate::files::{self, Files, WriteError};

/// The task of the message example.
pub const TASK: &str = include_str!("../../tasks/messages.toml");

/// What a message may be about, in the order of the task's classes.
pub const INTENTS: [&str; 10] = [
    "card_lost",
    "card_declined",
    "transfer_late",
    "transfer_mistaken",
    "fee_question",
    "exchange_rate",
    "loan_request",
    "password_reset",
    "fraud_report",
    "close_account",
];

/// Messages of the common test fold.
pub const TEST_ROWS: usize = 3_000;

/// One message, in the order of the file's columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Message {
    /// What the customer wrote.
    pub text: String,
    /// One of [`INTENTS`].
    pub intent: &'static str,
}

/// One bank of the example.
#[derive(Clone, Copy, Debug)]
pub struct Bank {
    /// Short name, also the stem of its file.
    pub name: &'static str,
    /// Position from 1; picks the bank's stream of the seed.
    pub position: u16,
    /// What kind of bank it is, for people.
    pub about: &'static str,
    /// Number of messages.
    pub rows: usize,
    /// Share of messages in Chinese.
    pub chinese: f64,
    /// Shares of [`INTENTS`].
    pub intents: [f64; 10],
}

/// The five banks, largest first.
pub const BANKS: [Bank; 5] = [
    Bank {
        name: "bank-a",
        position: 1,
        about: "a card issuer; most write in English, about cards",
        rows: 900,
        chinese: 0.1,
        intents: [0.3, 0.3, 0.03, 0.02, 0.1, 0.05, 0.02, 0.05, 0.11, 0.02],
    },
    Bank {
        name: "bank-b",
        position: 2,
        about: "a payment bank; most write in Chinese, about transfers",
        rows: 700,
        chinese: 0.75,
        intents: [0.03, 0.03, 0.3, 0.3, 0.1, 0.1, 0.02, 0.05, 0.05, 0.02],
    },
    Bank {
        name: "bank-c",
        position: 3,
        about: "a lender, in both languages",
        rows: 550,
        chinese: 0.45,
        intents: [0.02, 0.03, 0.05, 0.02, 0.2, 0.02, 0.45, 0.06, 0.03, 0.12],
    },
    Bank {
        name: "bank-d",
        position: 4,
        about: "an exchange for travellers, in both languages",
        rows: 400,
        chinese: 0.5,
        intents: [0.1, 0.12, 0.05, 0.03, 0.15, 0.45, 0.01, 0.03, 0.05, 0.01],
    },
    Bank {
        name: "bank-e",
        position: 5,
        about: "an online bank; most write in English, about access and fraud",
        rows: 300,
        chinese: 0.2,
        intents: [0.03, 0.03, 0.05, 0.05, 0.05, 0.02, 0.02, 0.35, 0.25, 0.15],
    },
];

/// All messages of one bank. Each bank draws from its own stream of `seed`.
pub fn messages(seed: u64, bank: &Bank) -> Vec<Message> {
    let mut rng = stream(seed, u64::from(bank.position));
    (0..bank.rows)
        .map(|_| {
            let intent = pick(&mut rng, &bank.intents);
            writer::message(&mut rng, intent, bank.chinese)
        })
        .collect()
}

/// `rows` messages as they come to all banks together, each intent and both languages alike, none of which a bank has.
pub fn test_fold(seed: u64, rows: usize) -> Vec<Message> {
    let known: std::collections::BTreeSet<String> = BANKS
        .iter()
        .flat_map(|bank| messages(seed, bank))
        .map(|message| message.text)
        .collect();
    let mut rng = stream(seed, 0);
    let mut fold = Vec::with_capacity(rows);
    while fold.len() < rows {
        let intent = pick(&mut rng, &[1.0; INTENTS.len()]);
        let message = writer::message(&mut rng, intent, 0.4);
        // Short messages repeat, as they do in life.
        if !known.contains(&message.text) {
            fold.push(message);
        }
    }
    fold
}

/// Writes `folder/<bank>.csv` for every bank and `folder/test.csv` with [`TEST_ROWS`] messages. Makes the folder.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, seed: u64) -> Result<Files, WriteError> {
    let banks = BANKS.iter().map(|bank| (bank.name, messages(seed, bank)));
    files::write_tables(folder, banks, &test_fold(seed, TEST_ROWS))
}

#[cfg(test)]
mod tests;
