//! What a feature may become, and how far that is from what it is.

use crate::distribution::Distribution;
use crate::error::Invalid;
use crate::feature::{Feature, Kind, Value};

/// Two numbers that are drawn from one distribution lie a third of its ranks apart on average.
const OTHER: f64 = 1.0 / 3.0;
/// More steps of one number than this are a mistake in the step.
const MOST_STEPS: f64 = 10_000.0;

/// Which way a number may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    Either,
    /// To larger numbers alone.
    Up,
    /// To smaller numbers alone.
    Down,
}

/// What a feature may become.
#[derive(Clone, Debug, PartialEq)]
pub enum Moves {
    /// Nothing else: an age, or what nobody can change.
    Fixed,
    /// Numbers from `low` to `high` in steps, of which there are 10,000 at most.
    Steps {
        /// The first number.
        low: f64,
        /// No number is above it.
        high: f64,
        /// From one to the next; above 0.
        step: f64,
        /// Which way.
        direction: Direction,
    },
    /// These numbers.
    Numbers {
        /// In any order.
        numbers: Vec<f64>,
        /// Which way.
        direction: Direction,
    },
    /// These categories.
    Categories(Vec<String>),
}

impl Moves {
    /// The background's quantiles, from its smallest to its largest number in `parts` even parts.
    pub fn quantiles(background: &Distribution, parts: u16, direction: Direction) -> Self {
        let parts = parts.max(1);
        let mut numbers: Vec<f64> = (0..=parts)
            .map(|part| background.quantile(f64::from(part) / f64::from(parts)))
            .collect();
        numbers.dedup();
        Self::Numbers { numbers, direction }
    }

    /// What the feature may become and how far that is, the nearest first; never what it is. A missing number has no direction, and leaving it is as far
    /// as another category.
    pub(super) fn steps(
        &self,
        feature: &Feature,
        from: &Value,
        background: Option<&Distribution>,
    ) -> Result<Vec<(Value, f64)>, Invalid> {
        let kind = |found, expected| Invalid::Kind {
            feature: feature.name.clone(),
            found,
            expected,
        };
        let is_number = matches!(feature.kind, Kind::Number { .. });
        match self {
            Self::Fixed => Ok(Vec::new()),
            Self::Categories(_) if feature.kind != Kind::Category => {
                Err(kind("moves to categories", "moves of its own kind"))
            }
            Self::Categories(names) => {
                let others = names.iter().map(|name| Value::Category(name.clone()));
                Ok(others
                    .filter(|value| value != from)
                    .map(|value| (value, OTHER))
                    .collect())
            }
            Self::Steps { .. } | Self::Numbers { .. } if !is_number => {
                Err(kind("moves to numbers", "moves of its own kind"))
            }
            Self::Steps {
                low,
                high,
                step,
                direction,
            } => numbers(&grid(*low, *high, *step)?, *direction, from, background),
            Self::Numbers {
                numbers: all,
                direction,
            } => numbers(all, *direction, from, background),
        }
    }
}

fn grid(low: f64, high: f64, step: f64) -> Result<Vec<f64>, Invalid> {
    for (field, found) in [("moves: low", low), ("moves: high", high)] {
        if !found.is_finite() {
            return Err(Invalid::range(field, found, "a finite number"));
        }
    }
    if high < low {
        return Err(Invalid::range(
            "moves: high",
            high,
            "a number that is not below low",
        ));
    }
    if !(step.is_finite() && step > 0.0) {
        return Err(Invalid::range("moves: step", step, "a finite number above 0"));
    }
    // Room for what rounding takes from a whole number of steps.
    let steps = ((high - low) / step * (1.0 + 1e-12)).floor();
    if steps > MOST_STEPS {
        return Err(Invalid::range(
            "moves: steps from low to high",
            steps,
            "at most 10,000; take a larger step",
        ));
    }
    // At most 10,000, and not negative.
    Ok((0..=steps as u32)
        .map(|at| (low + f64::from(at) * step).min(high))
        .collect())
}

fn numbers(
    all: &[f64],
    direction: Direction,
    from: &Value,
    background: Option<&Distribution>,
) -> Result<Vec<(Value, f64)>, Invalid> {
    if let Some(found) = all.iter().find(|number| !number.is_finite()) {
        return Err(Invalid::range("moves: numbers", *found, "finite numbers"));
    }
    let own = match from {
        Value::Number(number) => Some(*number),
        _ => None,
    };
    let allowed = |number: &f64| match (own, direction) {
        (None, _) => true,
        (Some(own), Direction::Either) => *number != own,
        (Some(own), Direction::Up) => *number > own,
        (Some(own), Direction::Down) => *number < own,
    };
    let low = all.iter().copied().fold(f64::INFINITY, f64::min);
    let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let distance = |number: f64| match (own, background) {
        (None, _) => OTHER,
        (Some(own), Some(background)) => (background.rank(number) - background.rank(own)).abs(),
        // Without a background by the range of what is allowed, its own number with it.
        (Some(own), None) => (number - own).abs() / (high.max(own) - low.min(own)),
    };
    let mut steps: Vec<(f64, f64)> = all
        .iter()
        .filter(|number| allowed(number))
        .map(|number| (*number, distance(*number)))
        .collect();
    // Of numbers with the same rank the nearer one first.
    let way = |number: f64| (number - own.unwrap_or(number)).abs();
    steps.sort_by(|one, two| {
        one.1
            .total_cmp(&two.1)
            .then(way(one.0).total_cmp(&way(two.0)))
            .then(one.0.total_cmp(&two.0))
    });
    steps.dedup_by(|one, two| one.0 == two.0);
    Ok(steps
        .into_iter()
        .map(|(number, distance)| (Value::Number(number), distance))
        .collect())
}
