//! What a card is used for by its holder.

use rand_chacha::ChaCha8Rng;

use super::{CATEGORIES, COUNTRIES, DAYS, Mix, Transaction, choose, scheme};
use crate::draw::{between, chance, log_normal, normal, pick, poisson, whole};

/// Share of the cards that somebody else gets hold of.
const STOLEN: f64 = 0.2;

/// What a kind of holder does on average.
struct Holder {
    /// Median amount, before the category's factor.
    amount: f64,
    /// Transactions a day.
    pace: f64,
    /// Chance of a journey abroad to begin on a day.
    journeys: f64,
    /// Share of purchases online.
    online: f64,
    /// Shares of [`CATEGORIES`].
    categories: [f64; 8],
}

/// Households, students, business travellers, wealthy, rural: the order of [`Mix::holders`].
const HOLDERS: [Holder; 5] = [
    Holder {
        amount: 34.0,
        pace: 0.5,
        journeys: 0.006,
        online: 0.25,
        categories: [0.38, 0.12, 0.13, 0.12, 0.06, 0.04, 0.08, 0.07],
    },
    Holder {
        amount: 14.0,
        pace: 0.55,
        journeys: 0.01,
        online: 0.45,
        categories: [0.25, 0.28, 0.02, 0.12, 0.09, 0.06, 0.06, 0.12],
    },
    Holder {
        amount: 60.0,
        pace: 0.65,
        journeys: 0.08,
        online: 0.25,
        categories: [0.1, 0.34, 0.06, 0.06, 0.07, 0.25, 0.06, 0.06],
    },
    Holder {
        amount: 210.0,
        pace: 0.45,
        journeys: 0.03,
        online: 0.3,
        categories: [0.14, 0.24, 0.06, 0.2, 0.1, 0.12, 0.04, 0.1],
    },
    Holder {
        amount: 27.0,
        pace: 0.3,
        journeys: 0.001,
        online: 0.1,
        categories: [0.42, 0.06, 0.22, 0.06, 0.04, 0.01, 0.16, 0.03],
    },
];

/// What a purchase of each of [`CATEGORIES`] costs beside the holder's median.
const FACTORS: [f64; 8] = [1.0, 0.9, 1.5, 1.8, 4.0, 5.0, 2.5, 1.2];

/// One card's own ways.
pub(super) struct Habits {
    pub(super) card: String,
    pub(super) home: &'static str,
    /// Median amount.
    pub(super) amount: f64,
    pace: f64,
    journeys: f64,
    online: f64,
    categories: [f64; 8],
    /// Hour of the day around which it is used.
    hour: f64,
}

/// The transactions of one card in the order of time, to the end or until the bank blocks it after a fraud.
pub(super) fn history(rng: &mut ChaCha8Rng, mix: &Mix, card: String) -> Vec<Transaction> {
    let holder = &HOLDERS[pick(rng, &mix.holders)];
    let habits = Habits {
        card,
        home: choose(rng, &COUNTRIES, &mix.homes),
        amount: log_normal(rng, holder.amount, 0.45),
        pace: holder.pace * log_normal(rng, 1.0, 0.3),
        journeys: holder.journeys,
        online: holder.online,
        categories: holder.categories,
        hour: normal(rng, 14.5, 2.0),
    };
    let mut history = honest(rng, &habits);
    if chance(rng, STOLEN) {
        scheme::steal(rng, &habits, &mix.schemes, &mut history);
    }
    history
}

fn honest(rng: &mut ChaCha8Rng, habits: &Habits) -> Vec<Transaction> {
    let mut history = Vec::new();
    let (mut place, mut back_on) = (habits.home, 0);
    for day in 0..DAYS {
        // A day in the air on the way there and on the way back.
        if place != habits.home && day >= back_on {
            place = habits.home;
            continue;
        } else if place == habits.home && chance(rng, habits.journeys) {
            place = abroad(rng, habits.home);
            back_on = day + whole(rng, 2, 9);
            continue;
        }
        for _ in 0..poisson(rng, habits.pace) {
            let at = moment(day, normal(rng, habits.hour, 3.0));
            history.push(purchase(rng, habits, place, at));
        }
        // Now and then several shops in a row.
        if chance(rng, 0.025) {
            let start = moment(day, normal(rng, habits.hour, 2.0));
            for shop in 0..whole(rng, 2, 4) {
                let at = start + shop * whole(rng, 360, 1_500);
                history.push(purchase(rng, habits, place, at));
            }
        }
    }
    history.sort_by_key(|transaction| transaction.at);
    history
}

fn purchase(rng: &mut ChaCha8Rng, habits: &Habits, place: &'static str, at: u32) -> Transaction {
    let category = pick(rng, &habits.categories);
    let cash = CATEGORIES[category] == "cash";
    let online = !cash && chance(rng, habits.online);
    let mut amount = log_normal(rng, habits.amount * FACTORS[category], 0.55);
    // A holiday, a piece of furniture.
    if chance(rng, 0.008) {
        amount *= between(rng, 4.0, 10.0);
    }
    let country = if online && chance(rng, 0.12) {
        abroad(rng, habits.home)
    } else if online {
        habits.home
    } else {
        place
    };
    Transaction {
        card: habits.card.clone(),
        at,
        amount,
        category: CATEGORIES[category],
        country,
        channel: match (online, cash || chance(rng, 0.4)) {
            (true, _) => "online",
            (_, true) => "chip",
            _ => "contactless",
        },
        fraud: 0,
    }
}

/// Another country than this one.
pub(super) fn abroad(rng: &mut ChaCha8Rng, home: &str) -> &'static str {
    let shares = COUNTRIES.map(|country| if country == home { 0.0 } else { 1.0 });
    choose(rng, &COUNTRIES, &shares)
}

/// A second of a day, between six o'clock and midnight.
fn moment(day: u32, hour: f64) -> u32 {
    // Clamped to a day's seconds.
    day * 86_400 + (hour.clamp(6.0, 23.9) * 3_600.0) as u32
}
