//! Daily returns of instruments that five banks hold, made up, deterministic by seed.
//!
//! How much a price will move can be foreseen in part: quiet days follow quiet ones and wild days wild ones, falls stir more than rises, and calm and
//! stressed times change for all instruments at once. Whether a price goes up tomorrow cannot: the sign of a return is drawn without any memory. The same
//! rows serve a task for each question. The banks hold other kinds of instruments, from currencies to young companies.

mod process;

use std::path::Path;

use serde::{Serialize, Serializer};

use crate::calendar;
use crate::files::{self, Files, WriteError};

/// The task of the market example: volatility of the next five days.
pub const TASK: &str = include_str!("../../tasks/market.toml");

/// The other task on the same rows: does the price rise on the next day?
pub const TASK_DIRECTION: &str = include_str!("../../tasks/market-direction.toml");

/// Days that a row looks back.
pub const BACK: usize = 20;

/// Days that it looks ahead.
pub const AHEAD: usize = 5;

/// Trading days of the banks' rows, and of the test fold's behind them.
const TRAINING_DAYS: usize = 640;
const TEST_DAYS: usize = 260;

/// Trading days of a year, by whose root a day's volatility is put on a year.
const YEAR: f64 = 252.0;

/// One day of one instrument: what is known at its end, and what came.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Which instrument, for people.
    pub instrument: String,
    /// Trading days since the beginning.
    pub day: usize,
    /// Returns of the last [`BACK`] days in percent, oldest first.
    pub returns: Vec<f64>,
    /// Volatility within each of these days, in percent of a year.
    pub realised: Vec<f64>,
    /// Volatility of the next [`AHEAD`] days, in percent of a year: the root of their mean variance.
    pub volatility: f64,
    /// 1 if the next day's return is above 0, else 0.
    pub up: u8,
}

/// One bank of the example.
#[derive(Clone, Copy, Debug)]
pub struct Bank {
    /// Short name, also the stem of its file.
    pub name: &'static str,
    /// What it holds, for people.
    pub about: &'static str,
    /// Prefix of its instruments.
    pub kind: &'static str,
    /// Number of instruments.
    pub instruments: u32,
    /// Least and largest yearly volatility in calm times, in percent.
    pub volatility: (f64, f64),
    /// Correlation of its instruments with the whole market.
    pub market: f64,
    /// How much more a fall stirs than a rise: added to the weight of yesterday's squared return.
    pub leverage: f64,
}

/// The five banks.
pub const BANKS: [Bank; 5] = [
    Bank {
        name: "bank-a",
        about: "shares of large companies",
        kind: "large",
        instruments: 8,
        volatility: (14.0, 22.0),
        market: 0.7,
        leverage: 0.1,
    },
    Bank {
        name: "bank-b",
        about: "currencies",
        kind: "currency",
        instruments: 6,
        volatility: (5.0, 9.0),
        market: 0.15,
        leverage: 0.0,
    },
    Bank {
        name: "bank-c",
        about: "raw materials",
        kind: "material",
        instruments: 5,
        volatility: (20.0, 32.0),
        market: 0.35,
        leverage: 0.03,
    },
    Bank {
        name: "bank-d",
        about: "shares of small companies",
        kind: "small",
        instruments: 4,
        volatility: (26.0, 36.0),
        market: 0.5,
        leverage: 0.12,
    },
    Bank {
        name: "bank-e",
        about: "shares of young technology companies",
        kind: "young",
        instruments: 3,
        volatility: (38.0, 55.0),
        market: 0.55,
        leverage: 0.06,
    },
];

/// The days of one bank's instruments before the test fold begins, by day.
pub fn training_days(seed: u64, bank: &Bank) -> Vec<Day> {
    days(seed, bank, 0..TRAINING_DAYS)
}

/// The last days of all banks' instruments, by day. None of them looks ahead into a day that a bank's rows look at.
pub fn test_fold(seed: u64) -> Vec<Day> {
    let begin = TRAINING_DAYS + AHEAD;
    let mut all: Vec<Day> = BANKS
        .iter()
        .flat_map(|bank| days(seed, bank, begin..begin + TEST_DAYS))
        .collect();
    all.sort_by_key(|day| day.day);
    all
}

fn days(seed: u64, bank: &Bank, wanted: std::ops::Range<usize>) -> Vec<Day> {
    let last = TRAINING_DAYS + AHEAD + TEST_DAYS + AHEAD;
    let market = process::market(seed, BACK + last);
    let mut all = Vec::new();
    for number in 1..=bank.instruments {
        let path = process::instrument(seed, bank, number, &market);
        for day in wanted.clone() {
            // The row's own day is the last of those that it looks back on.
            let next = day + BACK;
            let ahead = path.get(next..next + AHEAD).unwrap_or_default();
            let back = path.get(day..next).unwrap_or_default();
            all.push(Day {
                instrument: format!("{}-{number}", bank.kind),
                day,
                returns: back.iter().map(|day| day.percent).collect(),
                realised: back.iter().map(|day| day.realised).collect(),
                volatility: together(ahead.iter().map(|day| day.realised)),
                up: u8::from(ahead.first().is_some_and(|day| day.percent > 0.0)),
            });
        }
    }
    all.sort_by_key(|day| day.day);
    all
}

/// The volatility of some days together: the root of their mean variance.
fn together(days: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = days.fold((0.0, 0_u32), |(sum, count), day| (sum + day * day, count + 1));
    (sum / f64::from(count.max(1))).sqrt()
}

/// What needs no model: that the next days will be as the last `days` were. One volatility for each row, in percent of a year.
pub fn persistence(rows: &[Day], days: usize) -> Vec<f64> {
    let of = |row: &Day| together(row.realised.iter().rev().take(days).copied());
    rows.iter().map(of).collect()
}

/// Writes `folder/<bank>.csv` for every bank and `folder/test.csv`. Makes the folder.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, seed: u64) -> Result<Files, WriteError> {
    let lines = |days: Vec<Day>| days.into_iter().map(Line).collect::<Vec<Line>>();
    let banks = BANKS
        .iter()
        .map(|bank| (bank.name, lines(training_days(seed, bank))));
    files::write_tables(folder, banks, &lines(test_fold(seed)))
}

/// A day as a line of a table: `day`, `instrument`, `r20` to `r1`, `v20` to `v1`, `volatility`, `up`.
struct Line(Day);

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let day = &self.0;
        let mut line = to.serialize_struct("Day", 4 + 2 * BACK)?;
        let weekday = u32::try_from(day.day).map_err(serde::ser::Error::custom)?;
        let date = calendar::iso(calendar::weekday(calendar::MONDAY_2021, weekday));
        line.serialize_field("day", &date)?;
        line.serialize_field("instrument", &day.instrument)?;
        for (name, value) in RETURNS.iter().zip(&day.returns) {
            line.serialize_field(name, &format!("{value:.3}"))?;
        }
        for (name, value) in REALISED.iter().zip(&day.realised) {
            line.serialize_field(name, &format!("{value:.2}"))?;
        }
        line.serialize_field("volatility", &format!("{:.3}", day.volatility))?;
        line.serialize_field("up", &day.up)?;
        line.end()
    }
}

const RETURNS: [&str; BACK] = [
    "r20", "r19", "r18", "r17", "r16", "r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8", "r7", "r6",
    "r5", "r4", "r3", "r2", "r1",
];

const REALISED: [&str; BACK] = [
    "v20", "v19", "v18", "v17", "v16", "v15", "v14", "v13", "v12", "v11", "v10", "v9", "v8", "v7", "v6",
    "v5", "v4", "v3", "v2", "v1",
];

#[cfg(test)]
mod tests;
