//! Loan applications for five banks, made up, deterministic by seed.
//!
//! The risk behind them is known: every row's true probability of default stands beside it, so that a report can
//! say how good any model could be. Three things make the data worth a federation: the risk has thresholds,
//! U-shapes and interactions that a logistic regression cannot follow; the banks serve different people in
//! different regions; and the small ones have too few rows to learn the risk alone.

mod applicant;
mod banks;
mod risk;

use std::path::Path;

use serde::Serialize;
use serde::ser::Serializer;

use crate::draw::{pick, stream};
use crate::files::{self, Files, WriteError};

pub use banks::{BANKS, Bank, Mix, PURPOSES, REGIONS};

/// The task of the loan demo: schema, model and training plan, in the form that `veilsum-coordinator task create`
/// reads. Its `[schema]` table describes the files that [`write()`] makes.
pub const TASK: &str = include_str!("../tasks/loans.toml");

/// The scorecard's: the same columns, encoded by weights of evidence, for a logistic regression.
pub const SCORECARD: &str = include_str!("../tasks/scorecard.toml");

/// The same model over the columns as they are.
pub const LOGISTIC: &str = include_str!("../tasks/loans-logistic.toml");

/// Rows of the common test fold.
pub const TEST_ROWS: usize = 4_000;

/// One application, in the order of the file's columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Application {
    /// Unique in its file; says nothing about the risk and is left out of the schema.
    pub application_id: String,
    /// Yearly income, in the currency's units; heavy tailed.
    #[serde(serialize_with = "whole")]
    pub income: f64,
    /// Amount applied for, in the currency's units; heavy tailed.
    #[serde(serialize_with = "whole")]
    pub loan_amount: f64,
    /// Term of the loan in months.
    pub term_months: u32,
    /// Age of the applicant in years, 18..=85.
    pub age: u32,
    /// Years with the present employer; `None` where the applicant left it open.
    #[serde(serialize_with = "tenth_or_empty")]
    pub employment_years: Option<f64>,
    /// Yearly payments on all debts over yearly income.
    #[serde(serialize_with = "thousandth")]
    pub debt_to_income: f64,
    /// Open credit lines.
    pub credit_lines: u32,
    /// Late payments in the last two years.
    pub late_payments: u32,
    /// Share of the revolving limits in use; above 1 when overdrawn.
    #[serde(serialize_with = "thousandth")]
    pub utilisation: f64,
    /// How the applicant lives: `own`, `rent` or `mortgage`.
    pub home: &'static str,
    /// One of [`REGIONS`].
    pub region: &'static str,
    /// One of [`PURPOSES`].
    pub purpose: &'static str,
    /// 1 if the loan defaulted, else 0.
    pub default: u8,
    /// True probability of default, which no file carries and no model sees.
    #[serde(skip)]
    pub risk: f64,
}

/// All applications of one bank. Each bank draws from its own stream of `seed`: its rows do not depend on the others.
pub fn applications(seed: u64, bank: &Bank) -> Vec<Application> {
    let mut rng = stream(seed, u64::from(bank.position));
    (1..=bank.rows)
        .map(|row| applicant::draw(&mut rng, &bank.mix, format!("{}-{row:06}", bank.name)))
        .collect()
}

/// `rows` applications as they come to all banks together: row by row a bank is picked in proportion to its size and
/// an application is drawn as that bank would see it. No row occurs in any bank's own file.
pub fn test_fold(seed: u64, rows: usize) -> Vec<Application> {
    let mut rng = stream(seed, 0);
    let sizes = BANKS.each_ref().map(|bank| bank.rows as f64);
    (1..=rows)
        .map(|row| {
            let bank = &BANKS[pick(&mut rng, &sizes)];
            applicant::draw(&mut rng, &bank.mix, format!("test-{row:06}"))
        })
        .collect()
}

/// Writes `folder/<bank>.csv` for every bank and `folder/test.csv` with [`TEST_ROWS`] rows. Makes the folder.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, seed: u64) -> Result<Files, WriteError> {
    let banks = BANKS.iter().map(|bank| (bank.name, applications(seed, bank)));
    files::write_tables(folder, banks, &test_fold(seed, TEST_ROWS))
}

/// Writes applications with a header line. An open `employment_years` is an empty field.
///
/// # Errors
/// If the file cannot be written.
pub fn write_csv(path: &Path, applications: &[Application]) -> Result<(), WriteError> {
    files::write_csv(path, applications)
}

fn whole<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{value:.0}"))
}

fn thousandth<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{value:.3}"))
}

fn tenth_or_empty<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(years) => to.collect_str(&format_args!("{years:.1}")),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
