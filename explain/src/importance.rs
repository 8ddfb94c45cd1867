//! What features did over many rows: their importance, and how an attribution hangs on the feature's value.

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
    fn importance_by_hand() {
        assert_eq!(
            importance(&[of(&[1.0, -0.5]), of(&[-3.0, 0.5])]),
            Ok(vec![2.0, 0.5])
        );
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
