//! How prices move: variance by GARCH(1,1) with leverage (Bollerslev 1986; Glosten, Jagannathan and Runkle 1993), shocks that the market shares, and
//! calm and stressed times.

use super::{Bank, YEAR};
use crate::draw::{between, chance, normal, stream};

/// Days that pass before the first that counts, so that the start does not matter.
const BEFORE: usize = 250;

/// Weights of yesterday's squared return and of yesterday's variance. With the leverage's half the rest to 1 draws the variance home.
const YESTERDAY: f64 = 0.07;
const VARIANCE: f64 = 0.84;

/// In stressed times the variance is drawn to so many times that of calm ones.
const STRESS: f64 = 4.5;

/// Chances of a change of times on a day.
const STRESS_BEGINS: f64 = 1.0 / 90.0;
const STRESS_ENDS: f64 = 1.0 / 30.0;

/// Times within a day at which a volatility is measured: the fewer, the more its measure errs.
const WITHIN: u32 = 5;

/// A day of the whole market.
#[derive(Clone, Copy, Debug)]
pub(super) struct MarketDay {
    stressed: bool,
    /// Standard normal.
    shock: f64,
}

/// A day of one instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathDay {
    /// Return in percent.
    pub(super) percent: f64,
    /// Volatility as measured within the day, in percent of a year.
    pub(super) realised: f64,
}

/// So many days of the market, and those before the first that counts.
pub(super) fn market(seed: u64, days: usize) -> Vec<MarketDay> {
    let mut rng = stream(seed, 0);
    let mut stressed = false;
    let day = |_| {
        let change = if stressed { STRESS_ENDS } else { STRESS_BEGINS };
        stressed ^= chance(&mut rng, change);
        MarketDay {
            stressed,
            shock: normal(&mut rng, 0.0, 1.0),
        }
    };
    (0..BEFORE + days).map(day).collect()
}

/// The same days of one instrument.
pub(super) fn instrument(seed: u64, bank: &Bank, number: u32, market: &[MarketDay]) -> Vec<PathDay> {
    let name = format!("{}-{number}", bank.kind);
    // Another stream for each instrument, none of them the market's.
    let place = name.bytes().fold(1_u64, |place, byte| {
        place.wrapping_mul(257).wrapping_add(u64::from(byte))
    });
    let mut rng = stream(seed, place);
    let yearly = between(&mut rng, bank.volatility.0, bank.volatility.1);
    let calm = yearly * yearly / YEAR;
    let drawn_home = 1.0 - YESTERDAY - VARIANCE - bank.leverage / 2.0;
    let own = (1.0 - bank.market * bank.market).sqrt();
    let (mut variance, mut last) = (calm, 0.0_f64);
    let day = |day: &MarketDay| {
        let home = if day.stressed { STRESS * calm } else { calm };
        let fall = if last < 0.0 { bank.leverage } else { 0.0 };
        variance = drawn_home * home + (YESTERDAY + fall) * last * last + VARIANCE * variance;
        let shock = bank.market * day.shock + own * normal(&mut rng, 0.0, 1.0);
        last = variance.sqrt() * shock;
        let squares: f64 = (0..WITHIN).map(|_| normal(&mut rng, 0.0, 1.0).powi(2)).sum();
        PathDay {
            percent: last,
            realised: (YEAR * variance * squares / f64::from(WITHIN)).sqrt(),
        }
    };
    let path: Vec<PathDay> = market.iter().map(day).collect();
    path.get(BEFORE..).unwrap_or_default().to_vec()
}
