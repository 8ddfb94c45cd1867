//! The two-sample test of Kolmogorov and Smirnov.

use std::f64::consts::PI;

use serde::Serialize;

/// How far two samples' distributions are apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ks {
    /// The largest distance between the two empirical distribution functions, 0 to 1.
    pub distance: f64,
    /// How often two samples of one continuous population are at least as far apart. Where values come more than once it is too large rather than
    /// too small.
    pub p: f64,
}

/// Of two samples in ascending order; `None` if one is empty.
///
/// The distance is Smirnov's. The chance is the limit distribution's (Kolmogorov 1933, Smirnov 1948) at `(√n + 0.12 + 0.11/√n) D` with
/// `n = n₁n₂/(n₁+n₂)`, the correction of Stephens (1970) that Numerical Recipes (14.3.3) takes: good from `n` of about 4 on.
pub fn ks(one: &[f64], other: &[f64]) -> Option<Ks> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let (all, rest) = (one.len() as f64, other.len() as f64);
    let (mut at, mut behind) = (0, 0);
    let mut distance = 0.0_f64;
    while let (Some(first), Some(second)) = (one.get(at), other.get(behind)) {
        // Equal values of both samples are passed at once.
        let value = first.min(*second);
        at += passed(one, at, value);
        behind += passed(other, behind, value);
        distance = distance.max((at as f64 / all - behind as f64 / rest).abs());
    }
    let root = (all * rest / (all + rest)).sqrt();
    Some(Ks {
        distance,
        p: beyond((root + 0.12 + 0.11 / root) * distance),
    })
}

fn passed(sorted: &[f64], from: usize, value: f64) -> usize {
    let rest = sorted.get(from..).unwrap_or_default();
    rest.iter().take_while(|other| **other <= value).count()
}

/// How often Kolmogorov's limit exceeds `x`. Both series are the same function; each is taken where it converges at once.
fn beyond(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.18 {
        let base = (-PI * PI / (8.0 * x * x)).exp();
        let sum: f64 = [1, 9, 25, 49].iter().map(|power| base.powi(*power)).sum();
        return (1.0 - (2.0 * PI).sqrt() / x * sum).clamp(0.0, 1.0);
    }
    let base = (-2.0 * x * x).exp();
    (2.0 * (base - base.powi(4) + base.powi(9) - base.powi(16))).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn by_hand() {
        // After 2: 2/4 and 0; after 3: 3/4 and 2/3; the largest is at 2.
        let found = ks(&[1.0, 2.0, 3.0, 4.0], &[3.0, 3.0, 5.0]).unwrap();
        assert_eq!(found.distance, 0.5);
        let same = ks(&[1.0, 2.0, 2.0], &[1.0, 2.0, 2.0]).unwrap();
        assert_eq!((same.distance, same.p), (0.0, 1.0));
        assert_eq!(ks(&[1.0], &[2.0]).unwrap().distance, 1.0);
        assert_eq!(ks(&[], &[2.0]), None);
    }

    #[test]
    fn both_series_meet() {
        let (below, above) = (beyond(1.18 - 1e-12), beyond(1.18));
        assert!((below - above).abs() < 1e-11, "{below} {above}");
        assert_eq!((beyond(0.01), beyond(40.0)), (1.0, 0.0));
    }
}
