//! Card transactions of five banks, made up, deterministic by seed.
//!
//! Frauds look like purchases: each amount, country and hour occurs in honest use as well. What gives a fraud away is what went before it on the same
//! card: many purchases within minutes, an amount far above what this card is used for, a country that nobody could have reached since the last
//! purchase. The banks' customers differ, and so do the frauds that they see most.

mod card;
mod scheme;

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use serde::{Serialize, Serializer};

use crate::calendar;
use crate::draw::{pick, stream};
use crate::files::{self, Files, WriteError};

/// The task of the fraud example: what a card did before counts.
pub const TASK: &str = include_str!("../../tasks/fraud.toml");

/// The same columns for a model that sees each transaction by itself.
pub const TASK_WITHOUT_HISTORY: &str = include_str!("../../tasks/fraud-single.toml");

/// Cards of the common test fold.
pub const TEST_CARDS: u32 = 520;

/// Days that the transactions span.
const DAYS: u32 = 60;

/// Where merchants are.
pub const COUNTRIES: [&str; 8] = ["CN", "HK", "SG", "JP", "GB", "DE", "FR", "US"];

/// What merchants sell.
pub const CATEGORIES: [&str; 8] = [
    "groceries",
    "restaurant",
    "fuel",
    "clothing",
    "electronics",
    "travel",
    "cash",
    "leisure",
];

/// One transaction, in the order of the file's columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transaction {
    /// The card, a number that the bank made up for this table.
    pub card: String,
    /// Seconds since the first midnight, that of Monday, 5 January 2026.
    #[serde(serialize_with = "as_date")]
    pub at: u32,
    /// In the currency's units.
    #[serde(serialize_with = "cents")]
    pub amount: f64,
    /// One of [`CATEGORIES`].
    pub category: &'static str,
    /// One of [`COUNTRIES`].
    pub country: &'static str,
    /// `chip`, `contactless` or `online`.
    pub channel: &'static str,
    /// 1 if somebody else used the card, else 0.
    pub fraud: u8,
}

/// Who has the cards of a bank.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Shares of the kinds of holders: households, students, business travellers, wealthy, rural.
    pub holders: [f64; 5],
    /// Shares of [`COUNTRIES`] that the holders live in.
    pub homes: [f64; 8],
    /// Shares of the kinds of fraud: bursts, amounts beyond the habit, impossible travel.
    pub schemes: [f64; 3],
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
    /// Number of cards.
    pub cards: u32,
    /// Their holders.
    pub mix: Mix,
}

/// The five banks, largest first.
pub const BANKS: [Bank; 5] = [
    Bank {
        name: "bank-a",
        position: 1,
        about: "a retail bank; its frauds are mostly bursts of small purchases online",
        cards: 420,
        mix: Mix {
            holders: [0.7, 0.15, 0.05, 0.05, 0.05],
            homes: [0.8, 0.1, 0.05, 0.05, 0.0, 0.0, 0.0, 0.0],
            schemes: [0.7, 0.2, 0.1],
        },
    },
    Bank {
        name: "bank-b",
        position: 2,
        about: "a savings bank in the country; its frauds are mostly amounts beyond a card's habit",
        cards: 340,
        mix: Mix {
            holders: [0.35, 0.05, 0.0, 0.05, 0.55],
            homes: [0.2, 0.0, 0.0, 0.0, 0.1, 0.5, 0.2, 0.0],
            schemes: [0.15, 0.7, 0.15],
        },
    },
    Bank {
        name: "bank-c",
        position: 3,
        about: "a bank for business travellers; its frauds are mostly in places that the holder cannot be",
        cards: 260,
        mix: Mix {
            holders: [0.1, 0.0, 0.75, 0.15, 0.0],
            homes: [0.1, 0.3, 0.3, 0.05, 0.15, 0.05, 0.0, 0.05],
            schemes: [0.15, 0.15, 0.7],
        },
    },
    Bank {
        name: "bank-d",
        position: 4,
        about: "an online bank for students",
        cards: 220,
        mix: Mix {
            holders: [0.15, 0.8, 0.05, 0.0, 0.0],
            homes: [0.1, 0.1, 0.1, 0.1, 0.2, 0.15, 0.15, 0.1],
            schemes: [0.6, 0.3, 0.1],
        },
    },
    Bank {
        name: "bank-e",
        position: 5,
        about: "a private bank",
        cards: 140,
        mix: Mix {
            holders: [0.1, 0.0, 0.2, 0.7, 0.0],
            homes: [0.05, 0.15, 0.1, 0.1, 0.2, 0.1, 0.1, 0.2],
            schemes: [0.3, 0.4, 0.3],
        },
    },
];

/// All transactions of one bank, in the order of time. Each bank draws from its own stream of `seed`.
pub fn transactions(seed: u64, bank: &Bank) -> Vec<Transaction> {
    let mut rng = stream(seed, u64::from(bank.position));
    let prefix = bank.name.trim_start_matches("bank-");
    let cards =
        (1..=bank.cards).map(|number| card::history(&mut rng, &bank.mix, format!("{prefix}{number}")));
    by_time(cards.flatten().collect())
}

/// The transactions of `cards` cards that no bank has, as they come to all banks together, in the order of time.
pub fn test_fold(seed: u64, cards: u32) -> Vec<Transaction> {
    let mut rng = stream(seed, 0);
    let sizes = BANKS.each_ref().map(|bank| f64::from(bank.cards));
    let cards = (1..=cards).map(|number| {
        let bank = &BANKS[pick(&mut rng, &sizes)];
        card::history(&mut rng, &bank.mix, format!("t{number}"))
    });
    by_time(cards.flatten().collect())
}

/// Writes `folder/<bank>.csv` for every bank and `folder/test.csv` with [`TEST_CARDS`] cards. Makes the folder.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, seed: u64) -> Result<Files, WriteError> {
    let banks = BANKS.iter().map(|bank| (bank.name, transactions(seed, bank)));
    files::write_tables(folder, banks, &test_fold(seed, TEST_CARDS))
}

fn by_time(mut transactions: Vec<Transaction>) -> Vec<Transaction> {
    // Stable: of one second, those of one card stay in their order.
    transactions.sort_by_key(|transaction| transaction.at);
    transactions
}

/// A number of [`CATEGORIES`] or the like as its share says.
fn choose(rng: &mut ChaCha8Rng, things: &'static [&'static str], shares: &[f64]) -> &'static str {
    things[pick(rng, shares)]
}

fn as_date<S: Serializer>(at: &u32, to: S) -> Result<S::Ok, S::Error> {
    let date = calendar::iso(calendar::MONDAY_2026 + at / 86_400);
    let (hour, minute, second) = (at / 3_600 % 24, at / 60 % 60, at % 60);
    to.collect_str(&format_args!("{date}T{hour:02}:{minute:02}:{second:02}"))
}

fn cents<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{value:.2}"))
}

#[cfg(test)]
mod tests;
