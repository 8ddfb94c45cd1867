//! What features did over many rows: their importance, a form of it that banks can add up, and how an attribution hangs on the feature's value.

use crate::attribution::{Attribution, sound};
use crate::distribution::Distribution;
use crate::error::Invalid;

/// The mean amount of each feature's attribution over `attributions`, in the score's unit.
///
/// # Errors
/// Without attributions, or when they are of different features or not finite.
pub fn importance(attributions: &[Attribution]) -> Result<Vec<f64>, Invalid> {
    let features = features(attributions)?;
    let mut sums = vec![0.0; features];
    for attribution in attributions {
        for (sum, value) in sums.iter_mut().zip(&attribution.values) {
            *sum += value.abs();
        }
    }
    let rows = attributions.len() as f64;
    Ok(sums.into_iter().map(|sum| sum / rows).collect())
}

fn features(attributions: &[Attribution]) -> Result<usize, Invalid> {
    let first = attributions.first().ok_or(Invalid::Empty {
        field: "attributions",
        remedy: "explain at least one row",
    })?;
    sound(attributions, first.values.len())?;
    Ok(first.values.len())
}

/// The form in which importances of several banks can be added up: a vector of one length for all of them, whose entries are from 0 to 1, so that a
/// masked sum can carry it. Limits are the same at every bank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contribution {
    /// The most that one row's attribution counts for, in the score's unit; more is cut. Above 0.
    pub clip: f64,
    /// A bank with more rows than this weighs as one with so many; at least 1.
    pub most_rows: u32,
}

impl Contribution {
    fn check(&self) -> Result<(), Invalid> {
        if !(self.clip.is_finite() && self.clip > 0.0) {
            return Err(Invalid::range("clip", self.clip, "a finite number above 0"));
        }
        if self.most_rows == 0 {
            return Err(Invalid::range("most rows", 0.0, "at least 1"));
        }
        Ok(())
    }

    /// One number for each of `features` features, which is the mean of its cut amounts by the clip, times the bank's weight; and last the weight, which
    /// is the bank's share of the most rows. A bank without rows gives zeros. One row moves an entry by at most 1 by the larger of its rows and the most
    /// rows. The caller masks.
    ///
    /// # Errors
    /// Limits out of their range; attributions that are not of so many features or not finite.
    pub fn vector(&self, attributions: &[Attribution], features: usize) -> Result<Vec<f64>, Invalid> {
        self.check()?;
        sound(attributions, features)?;
        let mut vector = vec![0.0; features + 1];
        if attributions.is_empty() {
            return Ok(vector);
        }
        let rows = attributions.len() as f64;
        let weight = (rows / f64::from(self.most_rows)).min(1.0);
        for attribution in attributions {
            for (entry, value) in vector.iter_mut().zip(&attribution.values) {
                *entry += (value.abs() / self.clip).min(1.0);
            }
        }
        // Rounding must not lift a sum of ones over 1.
        vector
            .iter_mut()
            .for_each(|entry| *entry = (*entry / rows * weight).min(weight));
        vector[features] = weight;
        Ok(vector)
    }

    /// The importances that a sum of such vectors stands for, in the score's unit; what a quantiser's rounding left below 0 is 0.
    ///
    /// # Errors
    /// Limits out of their range; a sum that is not of so many features, is not finite, or has no rows.
    pub fn importance(&self, sum: &[f64], features: usize) -> Result<Vec<f64>, Invalid> {
        self.check()?;
        Invalid::size(
            ("sum of contributions", "numbers"),
            sum.len(),
            features.saturating_add(1),
            "one number for each feature, and the weight",
        )?;
        if let Some(found) = sum.iter().find(|value| !value.is_finite()) {
            return Err(Invalid::range("sum of contributions", *found, "finite numbers"));
        }
        match sum.split_last() {
            Some((weight, sums)) if *weight > 0.0 => Ok(sums
                .iter()
                .map(|sum| (sum / weight).clamp(0.0, 1.0) * self.clip)
                .collect()),
            _ => Err(Invalid::Empty {
                field: "rows in the sum of contributions",
                remedy: "wait for a sum with a bank that explained rows",
            }),
        }
    }
}

/// How one feature's attribution hangs on its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    /// Value and attribution of each row whose value is known, by value.
    pub points: Vec<(f64, f64)>,
    /// The median value and the mean attribution of each part, of equally many rows but for equal values, which are never parted.
    pub trend: Vec<(f64, f64)>,
    /// The mean attribution of the rows whose value is missing, and how many there are.
    pub missing: Option<(f64, usize)>,
}

/// Parts of a trend.
const PARTS: usize = 10;

impl Dependence {
    /// Of `feature`, whose values in the rows are `values`, in the attributions' order; `None` where one is missing.
    ///
    /// # Errors
    /// No attributions; as many values as rows are not given; a feature that is not there; a value that is not finite.
    pub fn of(attributions: &[Attribution], feature: usize, values: &[Option<f64>]) -> Result<Self, Invalid> {
        let features = features(attributions)?;
        Invalid::size(
            ("values", "values"),
            values.len(),
            attributions.len(),
            "give the feature's value in each explained row",
        )?;
        if feature >= features {
            return Err(Invalid::range(
                "feature",
                feature as f64,
                "one of the attributions' features, counted from 0",
            ));
        }
        if let Some(found) = values.iter().flatten().find(|value| !value.is_finite()) {
            return Err(Invalid::range(
                "values",
                *found,
                "finite numbers, or none where one is missing",
            ));
        }
        let amounts = attributions
            .iter()
            .filter_map(|attribution| attribution.values.get(feature).copied());
        let (mut points, mut without) = (Vec::new(), Vec::new());
        for (value, amount) in values.iter().zip(amounts) {
            match value {
                Some(value) => points.push((*value, amount)),
                None => without.push(amount),
            }
        }
        points.sort_by(|one, two| one.0.total_cmp(&two.0).then(one.1.total_cmp(&two.1)));
        let mean = |amounts: &[f64]| amounts.iter().sum::<f64>() / amounts.len() as f64;
        Ok(Self {
            trend: trend(&points)?,
            points,
            missing: (!without.is_empty()).then(|| (mean(&without), without.len())),
        })
    }
}

fn trend(points: &[(f64, f64)]) -> Result<Vec<(f64, f64)>, Invalid> {
    let aim = points.len().div_ceil(PARTS).max(1);
    let mut parts = Vec::new();
    let mut rest = points;
    while !rest.is_empty() {
        let mut end = aim.min(rest.len());
        while end < rest.len() && rest[end].0 == rest[end - 1].0 {
            end += 1;
        }
        let (part, others) = rest.split_at(end);
        let middle = Distribution::new(part.iter().map(|point| point.0).collect())?.quantile(0.5);
        let mean = part.iter().map(|point| point.1).sum::<f64>() / part.len() as f64;
        parts.push((middle, mean));
        rest = others;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(values: &[f64]) -> Attribution {
        Attribution {
            base: 0.0,
            score: values.iter().sum(),
            values: values.to_vec(),
        }
    }

    #[test]
    fn importances_of_banks_add_up() {
        let (one, two) = ([of(&[1.0, -0.5]), of(&[-3.0, 0.5])], [of(&[0.0, 1.0])]);
        assert_eq!(importance(&one).unwrap(), [2.0, 0.5]);
        // One bank's 3 is cut to 2: (1 + 2 + 0) / 3 and (0.5 + 0.5 + 1) / 3 over both banks' three rows.
        let contribution = Contribution {
            clip: 2.0,
            most_rows: 100,
        };
        let vectors = [
            contribution.vector(&one, 2).unwrap(),
            contribution.vector(&two, 2).unwrap(),
            contribution.vector(&[], 2).unwrap(),
        ];
        let sum: Vec<f64> = (0..3)
            .map(|at| vectors.iter().map(|vector| vector[at]).sum())
            .collect();
        let together = contribution.importance(&sum, 2).unwrap();
        assert!(
            (together[0] - 1.0).abs() < 1e-12 && (together[1] - 2.0 / 3.0).abs() < 1e-12,
            "{together:?}"
        );
        // A bank of many rows weighs as the most rows do, and no entry leaves its range.
        let many = vec![of(&[9.0, 0.0]); 1_000];
        assert_eq!(contribution.vector(&many, 2).unwrap(), [1.0, 0.0, 1.0]);
        assert!(
            contribution
                .importance(&[0.0; 3], 2)
                .unwrap_err()
                .to_string()
                .contains("found none")
        );
        assert!(contribution.importance(&[0.0; 2], 2).is_err());
        assert!(
            Contribution {
                clip: f64::NAN,
                ..contribution
            }
            .vector(&one, 2)
            .is_err()
        );
        assert!(contribution.vector(&[of(&[f64::NAN, 0.0])], 2).is_err());
        assert!(importance(&[]).is_err() && importance(&[of(&[1.0]), of(&[])]).is_err());
    }

    #[test]
    fn dependence_by_hand() {
        let rows: Vec<Attribution> = [0.1, 0.2, 0.3, 0.5].map(|amount| of(&[0.0, amount])).to_vec();
        let found = Dependence::of(&rows, 1, &[Some(5.0), None, Some(2.0), Some(5.0)]).unwrap();
        assert_eq!(found.points, [(2.0, 0.3), (5.0, 0.1), (5.0, 0.5)]);
        assert_eq!(found.missing, Some((0.2, 1)));
        assert_eq!(found.trend.len(), 2);
        assert_eq!(found.trend[1], (5.0, 0.3));
        assert!(Dependence::of(&rows, 2, &[None; 4]).is_err());
        assert!(Dependence::of(&rows, 1, &[None; 3]).is_err());
        assert!(Dependence::of(&rows, 1, &[Some(f64::NAN); 4]).is_err());
    }
}
