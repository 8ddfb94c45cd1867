//! The true risk: log-odds of a default, known exactly.
//!
//! The linear part is deliberately weak. What carries the risk bends or depends on a second column, as it does in
//! lending: a young borrower is a risk on a large loan, a long term is a risk for a business, an unused credit card
//! is no better than a full one.

use super::Application;

/// Moves the consortium's default rate as a whole.
const BASE: f64 = -2.75;

/// Spreads the log-odds and so sets how well the best possible model separates.
const CONTRAST: f64 = 1.25;

/// True probability of default, in (0, 1). `employment_years` is the true value, also where the file leaves it open.
pub(super) fn probability(row: &Application, employment_years: f64) -> f64 {
    let log_odds = BASE + CONTRAST * (shape(row, employment_years) + pairs(row, employment_years));
    1.0 / (1.0 + (-log_odds).exp())
}

/// Columns on their own: lines, steps and U-shapes.
fn shape(row: &Application, employment_years: f64) -> f64 {
    let age = (f64::from(row.age) - 46.0) / 16.0;
    let utilisation = (row.utilisation - 0.42) / 0.3;
    let lines = (f64::from(row.credit_lines) - 6.0) / 4.0;
    0.55 * (age * age - 0.9).min(3.0)
        + 0.6 * (utilisation * utilisation - 0.9).min(3.0)
        + 0.3 * (lines * lines - 0.8).min(3.0)
        + 1.2 * step(row.debt_to_income, 0.43, 0.02)
        + if row.late_payments == 0 {
            -0.35
        } else {
            0.3 + 0.15 * f64::from(row.late_payments.min(4))
        }
        - 0.25 * (1.0 + employment_years).ln()
        + 0.45
}

/// What two or three columns say together and none of them alone.
fn pairs(row: &Application, employment_years: f64) -> f64 {
    let burden = row.loan_amount / row.income;
    let long = row.term_months >= 48;
    let mut risk = 0.0;
    // A long term spreads a heavy loan, and drags out a light one that should have been paid off.
    risk += if (burden > 0.55) == long { -0.5 } else { 0.5 };
    // Debts are borne by those who have long been in their job.
    risk += if (row.debt_to_income > 0.3) == (employment_years > 5.0) {
        -0.35
    } else {
        0.35
    };
    risk += match (row.home, row.purpose) {
        ("rent", "business") => 0.8,
        ("rent", "home") => -0.5,
        ("mortgage", "home") => 0.5,
        ("mortgage", "debt") => 0.4,
        ("own", "business") => -0.6,
        _ => 0.0,
    };
    // Each region has one trade that goes badly there and one that goes well.
    risk += match (row.region, row.purpose) {
        ("north", "car") | ("south", "business") | ("coast", "home") | ("inland", "education") => 0.5,
        ("north", "business") | ("south", "car") | ("coast", "education") | ("inland", "home") => -0.5,
        _ => 0.0,
    };
    // A rich applicant with late payments is careless, a poor one is in trouble.
    if row.late_payments > 0 {
        risk += 0.7 * step(30_000.0 / row.income, 1.0, 0.15) - 0.35;
    }
    risk
}

/// A soft threshold: 0 well below `at`, 1 well above, with a slope of `width`.
fn step(value: f64, at: f64, width: f64) -> f64 {
    1.0 / (1.0 + (-(value - at) / width).exp())
}
