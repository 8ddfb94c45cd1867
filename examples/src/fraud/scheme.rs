//! What somebody does who got hold of another's card, until the bank blocks it.

use rand_chacha::ChaCha8Rng;

use super::card::{Habits, abroad};
use super::{CATEGORIES, Transaction, choose};
use crate::draw::{between, log_normal, pick, uniform, whole};

/// Honest transactions before the first fraud, so that there is a habit.
const BEFORE: usize = 6;

/// Puts one fraud into a card's history and ends it there. A card that was hardly used stays as it is.
pub(super) fn steal(
    rng: &mut ChaCha8Rng,
    habits: &Habits,
    schemes: &[f64; 3],
    history: &mut Vec<Transaction>,
) {
    if history.len() <= BEFORE {
        return;
    }
    // Below the number of transactions that are left.
    let after = BEFORE + (uniform(rng) * (history.len() - BEFORE) as f64) as usize;
    history.truncate(after + 1);
    let frauds = match pick(rng, schemes) {
        0 => burst(rng, habits, history),
        1 => beyond_the_habit(rng, habits, history),
        _ => impossible_travel(rng, habits, history),
    };
    history.extend(frauds);
}

fn fraud(habits: &Habits, at: u32, amount: f64) -> Transaction {
    Transaction {
        card: habits.card.clone(),
        at,
        amount,
        category: "electronics",
        country: habits.home,
        channel: "online",
        fraud: 1,
    }
}

fn last_use(history: &[Transaction]) -> u32 {
    history.last().map_or(0, |transaction| transaction.at)
}

/// Four to eight purchases online within minutes, each as small as an honest one.
fn burst(rng: &mut ChaCha8Rng, habits: &Habits, history: &[Transaction]) -> Vec<Transaction> {
    let mut at = last_use(history) + whole(rng, 3_600, 60_000);
    let mut frauds = Vec::new();
    for _ in 0..whole(rng, 4, 8) {
        let category = choose(rng, &CATEGORIES, &[0.1, 0.1, 0.0, 0.25, 0.25, 0.15, 0.0, 0.15]);
        let amount = log_normal(rng, habits.amount * 1.3, 0.5);
        frauds.push(Transaction {
            category,
            ..fraud(habits, at, amount)
        });
        at += whole(rng, 40, 300);
    }
    frauds
}

/// One or two purchases of many times what this card is used for, which another card is used for every day.
fn beyond_the_habit(rng: &mut ChaCha8Rng, habits: &Habits, history: &[Transaction]) -> Vec<Transaction> {
    let mut at = last_use(history) + whole(rng, 7_200, 90_000);
    let mut frauds = Vec::new();
    for _ in 0..whole(rng, 1, 3) {
        let amount = habits.amount * between(rng, 9.0, 26.0);
        let category = choose(rng, &CATEGORIES, &[0.05, 0.05, 0.0, 0.25, 0.3, 0.2, 0.1, 0.05]);
        let channel = choose(rng, &["chip", "contactless", "online"], &[0.4, 0.2, 0.4]);
        frauds.push(Transaction {
            category,
            channel,
            ..fraud(habits, at, amount)
        });
        at += whole(rng, 1_200, 14_000);
    }
    frauds
}

/// A copy of the card is used in a shop abroad, half an hour to three hours after the holder paid in a shop.
fn impossible_travel(rng: &mut ChaCha8Rng, habits: &Habits, history: &mut [Transaction]) -> Vec<Transaction> {
    let here = history
        .iter()
        .rev()
        .find(|transaction| transaction.channel != "online")
        .map_or(habits.home, |transaction| transaction.country);
    // The holder paid in person, also where the last transaction was drawn as one online.
    if let Some(last) = history.last_mut()
        && last.channel == "online"
    {
        last.channel = "contactless";
        last.country = here;
    }
    let there = abroad(rng, here);
    let mut at = last_use(history) + whole(rng, 1_800, 10_800);
    let mut frauds = Vec::new();
    for _ in 0..whole(rng, 2, 4) {
        let category = choose(rng, &CATEGORIES, &[0.2, 0.15, 0.1, 0.2, 0.15, 0.05, 0.1, 0.05]);
        let amount = log_normal(rng, habits.amount * 1.6, 0.5);
        frauds.push(Transaction {
            category,
            country: there,
            channel: if category == "cash" { "chip" } else { "contactless" },
            ..fraud(habits, at, amount)
        });
        at += whole(rng, 900, 5_400);
    }
    frauds
}
