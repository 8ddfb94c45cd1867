//! Draws one application: who asks, for what, and what came of it.

use rand_chacha::ChaCha8Rng;

use super::banks::{Mix, PURPOSES, REGIONS};
use super::{Application, risk};
use crate::draw::{beta, chance, log_normal, normal, pick, poisson};

/// Share of applicants who leave `employment_years` open.
const LEFT_OPEN: f64 = 0.04;

const TERMS: [u32; 7] = [12, 24, 36, 48, 60, 72, 84];
const HOMES: [&str; 3] = ["own", "rent", "mortgage"];

/// What a kind of person looks like on average.
struct Person {
    age: (f64, f64),
    income: f64,
    income_spread: f64,
    employed_share_of_adult_life: f64,
    homes: [f64; 3],
    purposes: [f64; 5],
}

/// Starters, families, traders, retired: the order of [`Mix::people`].
const PEOPLE: [Person; 4] = [
    Person {
        age: (26.0, 4.0),
        income: 27_000.0,
        income_spread: 0.35,
        employed_share_of_adult_life: 0.35,
        homes: [0.05, 0.85, 0.1],
        purposes: [0.35, 0.05, 0.3, 0.1, 0.2],
    },
    Person {
        age: (41.0, 7.0),
        income: 48_000.0,
        income_spread: 0.4,
        employed_share_of_adult_life: 0.45,
        homes: [0.2, 0.25, 0.55],
        purposes: [0.3, 0.35, 0.1, 0.05, 0.2],
    },
    Person {
        age: (45.0, 10.0),
        income: 55_000.0,
        income_spread: 0.8,
        employed_share_of_adult_life: 0.3,
        homes: [0.35, 0.35, 0.3],
        purposes: [0.15, 0.1, 0.05, 0.55, 0.15],
    },
    Person {
        age: (68.0, 6.0),
        income: 30_000.0,
        income_spread: 0.35,
        employed_share_of_adult_life: 0.5,
        homes: [0.6, 0.25, 0.15],
        purposes: [0.3, 0.35, 0.05, 0.05, 0.25],
    },
];

/// One application from a bank's customers, its outcome drawn from the true risk.
pub(super) fn draw(rng: &mut ChaCha8Rng, mix: &Mix, application_id: String) -> Application {
    let person = &PEOPLE[pick(rng, &mix.people)];
    let age = normal(rng, person.age.0, person.age.1).clamp(18.0, 85.0).round();
    let employment_years =
        (age - 17.0) * beta(rng, person.employed_share_of_adult_life * 3.0, 3.0).clamp(0.0, 0.95);
    let income = log_normal(rng, person.income, person.income_spread)
        .clamp(6_000.0, 5_000_000.0)
        .round();
    let purpose = PURPOSES[pick(rng, &person.purposes)];
    let (typical_burden, terms) = request(purpose);
    let loan_amount = (income * log_normal(rng, typical_burden, 0.6))
        .clamp(500.0, 2_000_000.0)
        .round();
    let strain = mix.strain + normal(rng, 0.0, 0.6);
    let debt_to_income =
        thousandths(beta(rng, 2.2, 4.5) + 0.08 * strain + 0.05 * (loan_amount / income).min(2.0))
            .clamp(0.0, 1.5);
    let utilisation = thousandths(1.1 * beta(rng, 1.3, 1.7) + 0.1 * strain).clamp(0.0, 1.3);
    let credit_lines = poisson(rng, 3.0 + age / 14.0 + strain.max(-1.0)).min(40);
    let late_payments = poisson(rng, 0.45 * (0.9 * strain).exp()).min(24);

    let mut row = Application {
        application_id,
        income,
        loan_amount,
        term_months: TERMS[pick(rng, &terms)],
        // Clamped to 18..=85 and rounded above.
        age: age as u32,
        employment_years: Some(employment_years),
        debt_to_income,
        credit_lines,
        late_payments,
        utilisation,
        home: HOMES[pick(rng, &person.homes)],
        region: REGIONS[pick(rng, &mix.regions)],
        purpose,
        default: 0,
        risk: 0.0,
    };
    row.risk = risk::probability(&row, employment_years);
    row.default = u8::from(chance(rng, row.risk));
    if chance(rng, LEFT_OPEN) {
        row.employment_years = None;
    }
    row
}

/// The typical amount over a year's income, and the weights of [`TERMS`].
fn request(purpose: &str) -> (f64, [f64; 7]) {
    match purpose {
        "car" => (0.4, [1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 0.5]),
        "home" => (1.1, [0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0]),
        "education" => (0.5, [1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0]),
        "business" => (0.9, [2.0, 2.0, 3.0, 2.0, 2.0, 1.0, 2.0]),
        _ => (0.35, [2.0, 3.0, 3.0, 2.0, 2.0, 1.0, 1.0]),
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
